--- Child processes: ocm.exec, and ocm.command as a part of a pipe. vm/lib_exec.c runs them.

local pipe = require "ocm.pipe"
local constructor = require "ocm.part".constructor
local suggest = require "ocm.suggest"

local MOST = 16 << 20

local shared = { cwd = "string?", env = "table?", inherit = "boolean?", memory = "integer?", timeout = "number?" }
local alone = { stdin = "any?", stdout = "any?", stderr = "any?", max = "integer?", check = "boolean?" }

local function options(own)
  local all = { argv = "table", changes = "table?" }
  for _, given in ipairs { shared, own } do
    for name, shape in pairs(given) do all[name] = shape end
  end
  return all
end

local make_command = constructor { name = "command", options = options {} }
local make_exec = constructor { name = "exec", options = options { stderr = "any?", max = "integer?", check = "boolean?" } }

--- `level`: of the script, as error counts.
local function text(name, what, value, level)
  if type(value) ~= "string" and type(value) ~= "number" then
    error(("ocm.%s: %s: expected a string or a number, got %s"):format(name, what, value == nil and "nothing" or type(value)), level)
  end
  value = tostring(value)
  if value:find("\0", 1, true) then error(("ocm.%s: %s: it holds a NUL byte"):format(name, what), level) end
  return value
end

--- What changes in the environment, as C has it: "NAME=value", or "NAME" for one that goes.
local function changes(name, env)
  local list = {}
  for key, value in pairs(env) do
    if type(key) ~= "string" or key == "" or key:find "[=%z]" then
      error(("ocm.%s: env: expected names of variables, got %s"):format(name, type(key) == "string" and ("%q"):format(key) or type(key)), 4)
    end
    list[#list + 1] = value == false and key or key .. "=" .. text(name, "env." .. key, value, 5)
  end
  return list
end

--- The options by name, and the program with its arguments, which stand at 1, 2, …, as `argv`.
local function take(name, given, own)
  if type(given) ~= "table" then error(("ocm.%s: expected a table with a program and its arguments, got %s"):format(name, type(given)), 3) end
  local taken, last, count = { argv = {} }, 0, 0
  for key, value in pairs(given) do
    if math.type(key) == "integer" and key > 0 then
      last, count = math.max(last, key), count + 1
    elseif shared[key] or own[key] then
      taken[key] = value
    else
      local known = {}
      for _, names in ipairs { shared, own } do
        for option in pairs(names) do known[#known + 1] = option end
      end
      error(('ocm.%s: unknown option "%s"%s'):format(name, tostring(key), suggest(tostring(key), known)), 3)
    end
  end
  if last == 0 then error(("ocm.%s: no program"):format(name), 3) end
  for i = 1, count == last and last or count + 1 do taken.argv[i] = text(name, "argument " .. i - 1, given[i], 4) end
  if type(taken.env) == "table" then taken.changes = changes(name, taken.env) end
  return taken
end

local exec = {}

function exec.command(given)
  return make_command(take("command", given, {}))
end

--- The stdout of a result is what it stands for in a pipe: vm/lib_exec.c knows the kind.
local Result = { __index = { kind = "output" } }

--- Errors of the pipe that this is, in ocm.exec's words.
local function reword(message)
  if type(message) ~= "string" then return message end
  message = message:gsub("^bad argument #1 to 'pipe' %((.*)%)$", "ocm.exec: stdin: %1"):gsub("^bad argument #%d to 'pipe' %((.*)%)$", "ocm.exec: stdout: %1")
  message = message:gsub("^bad argument #1 to 'tee' %((.*)%)$", "ocm.exec: stderr: %1"):gsub("^pipe: ", "ocm.exec: ")
  return (message:gsub("^string: more than (.-) bytes$", "ocm.exec: stdout: more than %1 bytes: raise max, or give a sink"))
end

function exec.exec(given)
  local taken = take("exec", given, alone)
  local stdin, stdout = taken.stdin, taken.stdout
  if taken.max ~= nil and (math.type(taken.max) ~= "integer" or taken.max < 0) then error("ocm.exec: max: expected bytes, an integer from 0", 2) end
  taken.stdin, taken.stdout = nil, nil
  local parts = { make_exec(taken) }
  if stdin ~= nil then table.insert(parts, 1, type(stdin) == "string" and pipe.bytes(stdin) or stdin) end
  local hashed = stdout ~= nil and not (type(stdout) == "table" and stdout.kind ~= nil) -- a file
  if hashed then parts[#parts + 1] = pipe.digest() end
  parts[#parts + 1] = stdout ~= nil and stdout or pipe.string(taken.max or MOST)
  local ok, result = pcall(pipe.pipe, table.unpack(parts))
  if not ok then error(reword(result), pipe.is_misuse(result) and not debug.getinfo(1, "t").istailcall and 2 or 0) end
  local found = result.exec
  found.stdout, found.digests = result.string, result.digests
  if stdout ~= nil then found.bytes = result.written end
  return setmetatable(found, Result)
end

return exec
