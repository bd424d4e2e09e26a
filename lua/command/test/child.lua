--- The process that runs one test file (`ocmlua test --child=LOG FILE`). What it has to say goes to the stdout that it was given, a line of JSON each;
-- everything else that is written there or to stderr goes to the file LOG, from which test.log reads.
--
-- { event = "test", name = } { event = "result", name =, status = "passed" | "failed" | "skipped", seconds =, text =,
-- where =, traceback =, log = { … } } { event = "load", text =, where = } (the file itself fails) { event = "folders", folders = }
-- { event = "coverage", files = } { event = "end" }

local json = require "ocm.json"
local lfs = require "lfs"
local native = require "ocm.native.test"
local scope = require "ocm.test.scope"
local task = require "ocm.native.task"

local log_limit <const> = 128 << 10 -- bytes of a result's log

local function printable(text)
  return utf8.len(text) and text or text:gsub("[\x80-\xff]", function(byte) return ("\\x%02x"):format(byte:byte()) end)
end

local function sender(results)
  return function(event)
    for name, value in next, event do
      if type(value) == "string" then event[name] = printable(value) end
    end
    if not results:write(json.encode(event), "\n") or not results:flush() then os.exit(1) end -- nobody listens any more
  end
end

--- ---- errors ----

--- The nearest line of the test file.
local function place()
  for level = 3, math.huge do
    local frame = debug.getinfo(level, "Sl")
    if not frame then return nil end
    if frame.source == "@" .. scope.file then return ("%s:%d"):format(scope.file, frame.currentline) end
  end
end

--- The frames of scripts alone.
local function traceback()
  local lines = {}
  for line in debug.traceback("", 3):gmatch "[^\n]+" do
    if line:find "^\t[^%[%?%(]" then lines[#lines + 1] = line:match "^\t(.*)$" end
  end
  return table.concat(lines, "\n")
end

local function describe(problem)
  local ok, text = pcall(tostring, problem)
  if not ok then text = "an error that has no text" end
  local kind = scope.is_failure(problem) and problem.kind or nil
  return { text = text, where = place(), traceback = kind == nil and type(problem) == "string" and traceback() or nil, skipped = kind == "skipped" }
end

--- Calls f in a task; nil, or what went wrong.
local function try(f)
  local result = task.parallel(function() return table.pack(xpcall(f, describe)) end)
  if not result[1] then return result[2] end
end

--- ---- running ----

--- Undoes all that the innermost scope has gathered. The first problem.
local function leave()
  local problem
  while true do
    local undo = scope.take()
    if not undo then break end
    local trouble = try(undo)
    problem = problem or trouble
  end
  return problem
end

local function finish_scope(problem)
  local trouble = leave()
  scope.leave()
  if package.loaded["ocm.test.plugin"] then require "ocm.test.plugin".reset() end
  return problem or trouble
end

local function log_lines()
  local lines, text = {}, scope.logged()
  if #text > log_limit then
    text = text:sub(-log_limit):gsub("^[^\n]*\n", "")
    lines[1] = "…"
  end
  for line in text:gmatch "[^\n]+" do lines[#lines + 1] = printable(line) end
  return json.array(lines)
end

local function run_one(each)
  scope.enter()
  scope.running = true
  local began, problem = task.clock(), nil
  for _, f in ipairs(scope.before) do problem = problem or try(f) end
  problem = problem or try(each.f)
  for i = #scope.after, 1, -1 do
    local trouble = try(scope.after[i])
    if trouble then trouble.text = "in test.after: " .. trouble.text end
    if not problem or problem.skipped then problem = trouble or problem end
  end
  local undone = leave()
  if not problem or problem.skipped then problem = undone or problem end
  local log = log_lines()
  finish_scope()
  scope.running = false
  local result = { event = "result", name = each.what, status = not problem and "passed" or problem.skipped and "skipped" or "failed", seconds = task.clock() - began }
  if problem then result.text, result.where, result.traceback = problem.text, problem.where, problem.traceback end
  if result.status == "failed" then result.log = log end
  return result
end

local function prepare(path)
  local real = require "ocm.native.command".real_path(path)
  scope.file, scope.folder, scope.directory = path, path:match "^(.*)/" or ".", lfs.currentdir()
  scope.real_folder = (real or path):match "^(.*)/" or "."
  package.path = ("%s/?.lua;%s/?/init.lua;%s/?.lua;%s"):format(scope.folder, scope.folder, scope.real_folder, package.path)
  package.cpath = ("%s/?.so;%s"):format(scope.folder, package.cpath)
  arg = { [0] = path } -- luacheck: ignore
end

local function run_file(given, send)
  local chunk, problem = loadfile(given[1])
  if not chunk then return send { event = "load", text = problem } end
  scope.enter()
  local trouble = try(chunk)
  if trouble and not trouble.skipped then
    finish_scope()
    return send { event = "load", text = trouble.text, where = trouble.where, traceback = trouble.traceback }
  end
  if not trouble then
    if #scope.tests == 0 then send { event = "load", text = 'it declares no test: test("what it holds", function() … end)' } end
    for _, each in ipairs(scope.tests) do
      if not given.filter or each.what:find(given.filter, 1, true) then
        send { event = "test", name = each.what }
        send(run_one(each))
      end
    end
  else
    send { event = "result", name = "the file", status = "skipped", seconds = 0, text = trouble.text, where = trouble.where }
  end
  trouble = finish_scope()
  if trouble then send { event = "load", text = trouble.text, where = trouble.where, traceback = trouble.traceback } end
end

return function(given)
  local results = assert(native.results(given.child))
  local send = sender(results)
  native.output()
  prepare(given[1])
  if given.coverage then native.cover() end
  run_file(given, send)
  local folders = json.array()
  for folder in next, scope.folders do folders[#folders + 1] = folder end
  send { event = "folders", folders = folders }
  if given.coverage then send { event = "coverage", files = require "command.test.coverage".collect(native.covered(), folders) } end
  send { event = "end" }
  results:close()
end
