--- `ocmlua help`, `ocmlua help COMMAND`, `ocmlua COMMAND --help`: examples first.

local arguments = require "command.arguments"
local terminal = require "command.terminal"

local help = {
  arguments = { 0, 1 },
  options = { { name = "man", text = "print the manual page, ocmlua(1)" } },
  examples = {
    { "ocmlua help", "what there is" },
    { "ocmlua help bundle", "a command: its options, with examples" },
    { "ocmlua help --man | man -l -", "all of it" },
  },
  words = function()
    local names = {}
    for i, each in ipairs(require "command".commands) do names[i] = each.name end
    return names
  end,
}

--- The texts, for the manual page, too.

help.introduction = "ocmlua runs plugins for the Open Component Model that are written in Lua."

help.calls = {
  { "ocmlua PLUGIN capabilities", "print what the plugin can do, as the ocm CLI asks it" },
  { "ocmlua PLUGIN --config JSON", [[serve it: {"id":"name","type":"unix"}]] },
  { "ocmlua COMMAND ...", "one of the commands below" },
  { "ocmlua --version", "print the version" },
}

help.plugins = [[
PLUGIN is a Lua script that ends with 'return ocm.plugin { ... }'. More ways to run one:

  - give it the first line '#!/usr/bin/env ocmlua', make it executable, and leave the dot out of its name:
    the ocm CLI takes every file without an extension in its plugin directory for a plugin;
  - copy or link ocmlua as NAME beside NAME.lua;
  - make one program of both: ocmlua bundle NAME.lua -o NAME.
]]

help.example = [[
local ocm = require "ocm"
return ocm.plugin {
  inputRepository = {
    types = { "Hello/v1" },
    ProcessResource = function(request)
      return { resource = request.resource, location = ocm.tempfile():write "hello" }
    end,
  },
}
]]

help.status = [[
0; 1 when something failed, or the script or its declaration is wrong; 2 when the command line is. What is wrong is said on stderr.
]]

help.environment = {
  { "TMPDIR", "where sockets and temporary files are made" },
  { "NO_COLOR", "when it is not empty, what is written for people has no colours" },
  { "LUA_PATH, LUA_CPATH", "where require looks beside the script's folder, as lua5.4 has it" },
}

local function indent(lines)
  for i, line in ipairs(lines) do lines[i] = "  " .. line end
  return table.concat(lines, "\n") .. "\n"
end

--- The help of one command.
function help.show(command)
  local style = terminal.styles(1)
  local out = { ("ocmlua %s: %s\n\n"):format(style.bold(command.name), command.summary) }
  if command.examples then
    out[#out + 1] = style.bold "Examples" .. "\n" .. indent(terminal.columns(command.examples)) .. "\n"
  end
  out[#out + 1] = ("%s\n  ocmlua %s %s\n"):format(style.bold "Usage", command.name, command.usage)
  if command.options then
    local rows = {}
    for _, option in ipairs(arguments.shown(command)) do
      local name = (option.short and "-" .. option.short .. ", " or "    ") .. "--" .. option.name .. (option.value and " " .. option.value or "")
      rows[#rows + 1] = { name, option.text }
    end
    out[#out + 1] = "\n" .. style.bold "Options" .. "\n" .. indent(terminal.columns(rows))
  end
  if command.help then out[#out + 1] = "\n" .. command.help:gsub("%s+$", "") .. "\n" end
  io.stdout:write(table.concat(out))
end

function help.run(given)
  local command = require "command"
  if given.man then
    io.stdout:write(require "command.manual"())
    return
  end
  if given[1] then
    local one = command.load(given[1])
    if not one then arguments.misuse('unknown command "%s"', given[1]) end
    return help.show(one)
  end
  local style, rows = terminal.styles(1), {}
  for _, each in ipairs(command.commands) do rows[#rows + 1] = { each.name, each.summary } end
  local calls = indent(terminal.columns(help.calls))
  local example = "  " .. help.example:gsub("\n(.)", "\n  %1")
  io.stdout:write(help.introduction, "\n\n", style.bold "Usage:", "\n", calls, "\n", help.plugins, "\n", style.bold "Commands:", "\n",
    indent(terminal.columns(rows)), "\n", style.bold "Example:", "\n", example, "\nExit status: ", help.status)
end

return help
