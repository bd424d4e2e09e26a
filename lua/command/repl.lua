--- `ocmlua repl [PLUGIN]`: reads lines, runs them, prints what they give. With a plugin, `plugin` is its declaration.

local terminal = require "command.terminal"
local arguments = require "command.arguments"

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
  local text
  while true do
    if prompt then io.stdout:write(text and "... " or "> ") end
    io.stdout:flush()
    local line = io.read "L"
    if not line then return text end
    text = (text or "") .. line
    local chunk = load("return " .. text, "=repl")
    if chunk then return text, chunk end
    local problem
    chunk, problem = load(text, "=repl")
    if chunk then return text, chunk end
    if not problem:find "<eof>" then return text, nil, problem end
  end
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
    if given[1] then
      local real = require "ocm.native.command".real_path(given[1]) or arguments.fail("there is no %s", given[1])
      package.path = ("%s/?.lua;%s"):format(real:match "^(.*)/", package.path)
      local declared
      local declare = ocm.plugin
      ocm.plugin = function(declaration)
        declared = declaration
        return declare(declaration)
      end
      dofile(real)
      ocm.plugin, _G.plugin = declare, declared
    end
    local prompt = terminal.is_terminal(0)
    while true do
      local text, chunk, problem = read(prompt)
      if not text then break end
      local results = chunk and table.pack(xpcall(chunk, debug.traceback)) or { false, problem, n = 2 }
      if not results[1] then
        io.stderr:write(tostring(results[2]), "\n")
      else
        for i = 2, results.n do io.stdout:write(show(results[i]), "\n") end
        _ = results[2] -- luacheck: ignore
      end
    end
    if prompt then io.stdout:write "\n" end
  end,
}
