--- The commands, one table: `ocmlua NAME …` runs `command.NAME`'s run(arguments, out) and exits with what it returns (nothing: 0).
--
-- A command: `name`; `summary`, a line; `usage`, what stands behind `ocmlua NAME`; its module returns { options =, help =, examples =, run = }:
-- `options` as command.arguments has them, `help` a text, `examples` an array of { command line, what it does }; with `words`, an array or a
-- function that returns one, shells complete its arguments. The help, the manual page and the completions are made of these.
-- Failures for people are raised by command.arguments.fail (exit status 1) or .misuse (2): the text alone is shown, with no traceback.

local arguments = require "command.arguments"

local commands = {
  { name = "new", summary = "start a plugin: script, test and README, which run at once", usage = "[NAME] [--capability NAME ...] [--type TYPE] [--dir DIR]" },
  { name = "check", summary = "what is wrong with a plugin, all at once", usage = "PLUGIN [--json]" },
  { name = "call", summary = "send a plugin one request, as the ocm CLI does, and show the answer", usage = "PLUGIN [METHOD [REQUEST.json] [NAME=VALUE ...]]" },
  { name = "dev", summary = "run a plugin where the ocm CLI finds it, reload it when it changes, show what it is asked", usage = "PLUGIN [--into DIR] [--serve]" },
  { name = "test", summary = "test a plugin: run *_test.lua", usage = "[PATH ...] [--filter TEXT] [--coverage] [--watch]" },
  { name = "run", summary = "run a Lua script with ocm, cjson and lfs at hand", usage = "FILE [ARGUMENT ...]" },
  { name = "repl", summary = "try Lua, ocm and a plugin's handlers line by line", usage = "[PLUGIN]" },
  { name = "bundle", summary = "make one program of a plugin, its modules and ocmlua", usage = "PLUGIN -o NAME [OPTION ...]" },
  { name = "types", summary = "write the script API's types for the Lua language server", usage = "[DIR]" },
  { name = "docs", summary = "the reference: contracts, requests, answers, the script API", usage = "[TOPIC] [--markdown]" },
  { name = "completion", summary = "print a shell's completion of these commands", usage = "bash|zsh|fish" },
  { name = "help", summary = "show this, or the help of a command", usage = "[COMMAND | --man]" },
}

local function find(name)
  for _, command in ipairs(commands) do
    if command.name == name then return command end
  end
end

--- The command with its module's fields.
local function load(name)
  local command = find(name)
  return command and setmetatable(require("command." .. name), { __index = command })
end

local function unknown(name)
  local file = io.open(name)
  if file then
    file:close()
    return ("%s is no command. If it is a plugin, the ocm CLI runs it as 'ocmlua ./%s capabilities' and 'ocmlua ./%s --config JSON'"):format(name, name, name)
  end
  local known = {}
  for _, command in ipairs(commands) do known[#known + 1] = command.name end
  return ('unknown command "%s"%s. See ocmlua --help'):format(name, require "ocm.suggest"(name, known))
end

local function main(argv)
  local command = load(argv[0])
  if not command then
    io.stderr:write("ocmlua: ", unknown(argv[0]), "\n")
    return 2
  end
  local ok, result = xpcall(function()
    local given = arguments.parse(command, argv)
    if given.help then return require "command.help".show(command) end
    return command.run(given)
  end, function(problem)
    return arguments.is_failure(problem) and problem or debug.traceback(tostring(problem), 2)
  end)
  if ok then return result or 0 end
  if arguments.is_failure(result) then
    io.stderr:write("ocmlua ", command.name, ": ", result.text, "\n")
    return result.status
  end
  io.stderr:write("ocmlua ", command.name, ": ", result, "\n")
  return 1
end

return setmetatable({ commands = commands, load = load }, { __call = function(_, argv) return main(argv) end })
