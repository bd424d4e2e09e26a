--- `ocmlua repl [PLUGIN]`: reads lines, runs them, prints what they give. With a plugin, `plugin` is its declaration.

local terminal = require "command.terminal"
local arguments = require "command.arguments"
local trace = require "command.trace"

--- A value as a person reads it: JSON-like tables are written out, everything else as tostring has it.
local function show(value)
  if type(value) == "table" and getmetatable(value) == nil then
    local ok, text = pcall(require "ocm".json.encode, value, { pretty = true })
    if ok then return text end
  end
  return type(value) == "string" and ("%q"):format(value) or tostring(value)
end

--- The lines of one statement: more are read while it is unfinished.
local function read(prompt)
  local text, problem
  while true do
    if prompt then io.stdout:write(text and "... " or "> ") end
    io.stdout:flush()
    local line = io.read "L"
    if not line then return text, nil, problem end
    text = (text or "") .. line
    local chunk = load("return " .. text, "=repl")
    if chunk then return text, chunk end
    chunk, problem = load(text, "=repl")
    if chunk then return text, chunk end
    if not problem:find "<eof>" then return text, nil, problem end
  end
end

--- What a script gives to ocm.plugin, after whatever is wrong with it was said.
local function declaration_of(path)
  local real = require "ocm.native.command".real_path(path) or arguments.fail("there is no %s", path)
  local ocm = require "ocm"
  local declare, declared = ocm.plugin, nil
  ocm.plugin = function(declaration)
    declared = declaration
    return declare(declaration)
  end
  _G.arg = { [0] = path }
  local loaded, problems = require "ocm.load"(path, real)
  ocm.plugin = declare
  if not loaded and not declared then arguments.fail("%s", problems) end
  if not loaded then io.stderr:write(problems, "\n") end
  return declared
end

--- Runs a statement and shows what it gives. False, and what is wrong.
local function evaluate(chunk, problem)
  if not chunk then return false, problem end
  local results = table.pack(xpcall(chunk, trace))
  if not results[1] then return false, results[2] end
  for i = 2, results.n do
    local shown, text = pcall(show, results[i])
    io.stdout:write(shown and text or "(a value that has no text: " .. tostring(text) .. ")", "\n")
  end
  _G._ = results[2]
  return true
end

return {
  arguments = { 0, 1 },
  examples = {
    { "ocmlua repl", "ocm, cjson and lfs are at hand" },
    { "ocmlua repl ./myplugin", "plugin.inputRepository.ProcessResource { resource = … } calls a handler" },
  },
  help = "An expression's values are shown; `_` is the last one. What waits blocks. Ctrl-D ends it.",
  run = function(given)
    local ocm = require "ocm"
    _G.ocm, _G.cjson, _G.lfs = ocm, require "cjson", require "lfs"
    if given[1] then _G.plugin = declaration_of(given[1]) end
    local prompt = terminal.is_terminal(0)
    while true do
      local text, chunk, problem = read(prompt)
      if not text then break end
      local ok, failure = evaluate(chunk, problem)
      if not ok then
        io.stdout:flush()
        io.stderr:write(failure, "\n")
      end
    end
    if prompt then io.stdout:write "\n" end
  end,
}
