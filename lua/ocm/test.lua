--- What test files get from `require "ocm.test"`; lua/types/test.lua documents it. `ocmlua test` (command.test.child) runs what is declared here.

local compare = require "ocm.test.compare"
local fs = require "ocm.fs"
local json = require "ocm.json"
local lfs = require "lfs"
local remove_all = require "ocm.native.fs".remove_all
local scope = require "ocm.test.scope"

local test = {}

--- ---- declaring ----

function test.test(what, f)
  if type(what) ~= "string" or type(f) ~= "function" then error('expected test("what it holds", function() … end)', 2) end
  if not scope.file then error("tests are run by 'ocmlua test'", 2) end
  if scope.running then error("a test cannot declare another", 2) end
  for _, each in ipairs(scope.tests) do
    if each.what == what then error(('there is a test "%s" already'):format(what), 2) end
  end
  table.insert(scope.tests, { what = what, f = f })
end

local function hook(list)
  return function(f)
    if type(f) ~= "function" then error("expected a function", 2) end
    if scope.running then error("it belongs to the file, not into a test", 2) end
    table.insert(list, f)
  end
end

test.before, test.after = hook(scope.before), hook(scope.after)

--- ---- checks ----

local function fail(message, text) scope.fail((message and message .. ": " or "") .. text, "check") end

function test.fail(text) scope.fail(tostring(text), "check") end

function test.skip(reason) scope.fail(tostring(reason or "skipped"), "skipped") end

function test.equal(got, expected, message)
  local lines = compare.differences(got, expected)
  if #lines == 1 and not lines[1]:find "^[.%[]" then fail(message, lines[1]:gsub("^it: ", "")) end
  if #lines > 0 then fail(message, "not equal\n  " .. table.concat(lines, "\n  ")) end
end

function test.truthy(value, message)
  if not value then fail(message, ("expected a value, got %s"):format(tostring(value))) end
  return value
end

function test.falsy(value, message)
  if value then fail(message, ("expected nil or false, got %s"):format(compare.show(value))) end
end

local function text_of(value, message)
  if type(value) ~= "string" then fail(message, ("expected a text, got %s"):format(compare.show(value))) end
  return value
end

function test.match(text, pattern, message)
  local found = table.pack(text_of(text, message):match(pattern))
  if found.n == 1 and found[1] == nil then fail(message, ("got %s, which does not match %s"):format(compare.show(text), compare.show(pattern))) end
  return table.unpack(found, 1, found.n)
end

function test.contains(text, part, message)
  if not text_of(text, message):find(part, 1, true) then fail(message, ("got %s, which does not contain %s"):format(compare.show(text), compare.show(part))) end
end

function test.raises(wanted, f, message)
  if type(wanted) == "function" then wanted, f, message = nil, wanted, f end
  if wanted ~= nil and math.type(wanted) ~= "integer" and type(wanted) ~= "string" then error("expected a status, a pattern or nil", 2) end
  if type(f) ~= "function" then error("expected a function behind what it raises", 2) end
  local ok, raised = pcall(f)
  if ok then fail(message, "nothing was raised" .. (wanted and (", expected %s"):format(compare.show(wanted)) or "")) end
  if scope.is_failure(raised) and raised.kind then error(raised, 0) end
  local is_status = math.type(wanted) == "integer"
  local status = type(raised) == "table" and rawget(raised, "status")
  if is_status and status ~= wanted then fail(message, ("raised %s, expected status %d"):format(compare.show(tostring(raised)), wanted)) end
  if wanted and not is_status and not tostring(raised):find(wanted) then
    fail(message, ("raised %s, which does not match %s"):format(compare.show(tostring(raised)), compare.show(wanted)))
  end
  return raised
end

--- ---- files ----

local made, run_directory = 0, nil

local function new_path(kind)
  made = made + 1
  run_directory = run_directory or require "ocm.native.file".tempfile():path():match "^(.*)/"
  return ("%s/%s-%d"):format(run_directory, kind, made)
end

function test.folder()
  local path = new_path "folder"
  local ok, problem = lfs.mkdir(path)
  if not ok then scope.fail(("%s: %s"):format(path, problem)) end
  scope.undo(function() remove_all(path, true) end)
  return path
end

function test.write(path, bytes)
  local folder = path:match "^(.+)/"
  if folder then fs.make_dirs(folder) end -- what is missing all the same, open says
  local file, problem = io.open(path, "wb")
  if not file or not file:write(bytes) or not file:close() then scope.fail(problem or path .. " cannot be written") end
  return path
end

function test.read(path)
  local file, problem = io.open(path, "rb")
  if not file then scope.fail(problem) end
  local bytes = file:read "a"
  file:close()
  return bytes or scope.fail(path .. " cannot be read")
end

function test.blob(bytes, media_type)
  local path = test.write(new_path "blob", bytes)
  scope.undo(function() os.remove(path) end)
  return { type = "localFile", value = path, mediaType = media_type }
end

--- ---- the log ----

function test.log(level)
  local lines = {}
  for text in scope.logged():gmatch "[^\n]+" do
    local ok, line = pcall(json.decode, text)
    if not ok or type(line) ~= "table" or type(line.msg) ~= "string" then line = { level = "INFO", msg = text } end
    line.time = nil
    if not level or line.level == level then lines[#lines + 1] = line end
  end
  return lines
end

--- ---- plugins and services ----

function test.load(path, config)
  if type(path) ~= "string" then error("expected the plugin's path, from the test file's folder", 2) end
  if path:sub(1, 1) ~= "/" then
    local folder = lfs.currentdir() == scope.directory and scope.folder or scope.real_folder
    path = (folder == "." and "" or folder .. "/") .. path
  end
  return require "ocm.test.plugin".load(path, config)
end

function test.http(answers) return require "ocm.test.http"(answers) end

return setmetatable(test, { __call = function(_, what, f) return test.test(what, f) end })
