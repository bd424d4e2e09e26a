--- `ocmlua help`, `ocmlua help COMMAND`, `ocmlua COMMAND --help`: examples first.

local arguments = require "command.arguments"
local terminal = require "command.terminal"

local help = { arguments = { 0, 1 } }

local introduction = [[
ocmlua runs plugins for the Open Component Model that are written in Lua.

%s
  ocmlua PLUGIN capabilities     print what the plugin can do, as the ocm CLI asks it
  ocmlua PLUGIN --config JSON    serve it: {"id":"name","type":"unix"}
  ocmlua COMMAND ...             one of the commands below
  ocmlua --version

PLUGIN is a Lua script that ends with 'return ocm.plugin { ... }'. Two more ways to run one:
  - give it the first line '#!/usr/bin/env ocmlua', make it executable, and leave the dot out of its name:
    the ocm CLI takes every file without an extension in its plugin directory for a plugin;
  - copy or link ocmlua as NAME beside NAME.lua.

%s
]]

local ending = [[

%s
  local ocm = require "ocm"
  return ocm.plugin {
    inputRepository = {
      types = { "Hello/v1" },
      ProcessResource = function(request)
        return { resource = request.resource, location = ocm.tempfile():write "hello" }
      end,
    },
  }

Exit status: 0; 1 when something failed, or the script or its declaration is wrong; 2 when the command line is. What is wrong is said on stderr.
]]

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
    for _, option in ipairs(command.options) do
      if option.hidden then goto continue end
      local name = (option.short and "-" .. option.short .. ", " or "    ") .. "--" .. option.name .. (option.value and " " .. option.value or "")
      rows[#rows + 1] = { name, option.text }
      ::continue::
    end
    out[#out + 1] = "\n" .. style.bold "Options" .. "\n" .. indent(terminal.columns(rows))
  end
  if command.help then out[#out + 1] = "\n" .. command.help:gsub("%s+$", "") .. "\n" end
  io.stdout:write(table.concat(out))
end

function help.run(given)
  local command = require "command"
  if given[1] then
    local one = command.load(given[1])
    if not one then arguments.misuse('unknown command "%s"', given[1]) end
    return help.show(one)
  end
  local style, rows = terminal.styles(1), {}
  for _, each in ipairs(command.commands) do rows[#rows + 1] = { each.name, each.summary } end
  io.stdout:write(introduction:format(style.bold "Usage:", style.bold "Commands:"), indent(terminal.columns(rows)), ending:format(style.bold "Example:"))
end

return help
