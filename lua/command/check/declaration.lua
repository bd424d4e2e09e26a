--- The plugin's declaration: loaded in this process as the plugin would, with the problems of ocm.load; its handlers, method by method.

local contract = require "ocm.contract"
local native = require "ocm.native.command"

local declaration = {}

--- Runs f as in a plugin: `arg` as there, and without a way out. What it writes was seen when the plugin itself was started.
local function as_plugin(path, f)
  local exit, own = os.exit, arg
  os.exit = function() error("the script calls os.exit", 2) end -- luacheck: ignore
  arg = { [0] = path, "capabilities" } -- luacheck: ignore
  local results = table.pack(pcall(native.muted, f))
  os.exit, arg = exit, own -- luacheck: ignore
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

--- The declaration (also one with problems), or nil when the script has none.
function declaration.load(report, script)
  local loaded, text, list, wrong = as_plugin(script, function() return require "ocm.load"(script, native.real_path(script)) end)
  if loaded then
    report:ok("Declaration", "it fits the contracts")
    return loaded
  end
  for _, problem in ipairs(list or {}) do
    report:problem("Declaration", problem.text, { file = script, line = problem.line, key = table.concat(problem.keys, ".") })
  end
  if not list then report:problem("Declaration", text) end
  return wrong
end

--- One row for each method of the declared capabilities; what is missing is told once for each capability.
function declaration.endpoints(report, declared, script)
  local line_of = require "ocm.source".finder(script)
  local complete = true
  for _, capability in ipairs(contract) do
    local table_of = declared[capability.name]
    local missing, there = {}, 0
    for _, method in ipairs(type(table_of) == "table" and capability.methods or {}) do
      local state = table_of[method.name] and "handler" or method.default ~= nil and "default" or "501"
      if state == "501" then missing[#missing + 1] = method.name end
      there = there + (state == "handler" and 1 or 0)
      table.insert(report.endpoints, { capability = capability.name, method = method.name, http = method.http, path = method.path, state = state })
    end
    if #missing > 0 then
      complete = false
      local where = { file = script, line = line_of { capability.name }, key = capability.name }
      local tell = there == 0 and report.problem or report.warning
      tell(report, "Handlers", ("%s has no %s: a call is answered with 501"):format(capability.name, table.concat(missing, ", ")), where)
    end
    if type(table_of) == "table" and capability.lists.identityTypes and table_of.identityTypes == nil then
      complete = false
      report:problem("Handlers", ("%s has no identityTypes: only by these the manager finds it"):format(capability.name),
        { file = script, line = line_of { capability.name }, key = capability.name })
    end
  end
  if complete then report:ok("Handlers", "every method has a handler or a default") end
end

return declaration
