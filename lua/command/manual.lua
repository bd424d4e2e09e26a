--- The manual page ocmlua(1), of the same table and texts as the help: manual() -> roff (man(7)).

local arguments = require "command.arguments"
local command = require "command"
local help = require "command.help"
local version = require "ocm.native.command".version

--- A line of text: what roff would take for its own is escaped.
local function escape(text)
  text = text:gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("^[.']", "\\&%0")
  return (text:gsub("[\xC2-\xF4][\x80-\xBF]+", function(character) return ("\\[u%04X]"):format(utf8.codepoint(character)) end))
end

local function bold(text) return "\\fB" .. escape(text) .. "\\fR" end

--- A command's usage: words in capitals are for what the user puts there.
local function usage(one)
  local words = {}
  for word in one.usage:gmatch "%S+" do words[#words + 1] = escape(word):gsub("%u%u+", "\\fI%0\\fR") end
  return bold("ocmlua " .. one.name) .. " " .. table.concat(words, " ")
end

local function begin_paragraph(out)
  if not out[#out]:find "^%.SH" then out[#out + 1] = ".PP" end
end

--- A text as it is.
local function literal(out, text)
  begin_paragraph(out)
  out[#out + 1] = ".RS 4\n.nf"
  for line in (text:gsub("%s+$", "") .. "\n"):gmatch "(.-)\n" do out[#out + 1] = escape(line) end
  out[#out + 1] = ".fi\n.RE"
end

--- Text in paragraphs; indented lines are kept as they are.
local function paragraphs(out, text)
  for paragraph in (text:gsub("%s+$", "") .. "\n\n"):gmatch "(.-)\n%s*\n" do
    if paragraph:find "^  " then
      literal(out, (("\n" .. paragraph):gsub("\n  ", "\n"):sub(2)))
    else
      begin_paragraph(out)
      for line in (paragraph .. "\n"):gmatch "(.-)\n" do out[#out + 1] = escape(line) end
    end
  end
end

local function show(out, one)
  out[#out + 1] = ".SS " .. one.name
  out[#out + 1] = usage(one)
  out[#out + 1] = ".PP\n" .. escape(one.summary:sub(1, 1):upper() .. one.summary:sub(2)) .. "."
  for _, option in ipairs(arguments.shown(one)) do
    local name = (option.short and bold("-" .. option.short) .. ", " or "") .. bold("--" .. option.name)
    out[#out + 1] = (".TP\n%s%s\n%s"):format(name, option.value and " \\fI" .. escape(option.value) .. "\\fR" or "", escape(option.text))
  end
  if one.help then paragraphs(out, one.help) end
  if one.examples then
    local lines = {}
    for _, example in ipairs(one.examples) do
      if example[2] ~= "" then lines[#lines + 1] = "# " .. example[2] end
      lines[#lines + 1] = example[1]
    end
    literal(out, table.concat(lines, "\n"))
  end
end

return function()
  local out = {
    ('.\\" Made by ocmlua help --man.\n.TH OCMLUA 1 "" "ocmlua %s" "User Commands"'):format(version),
    ".SH NAME\nocmlua \\- plugins for the Open Component Model, written in Lua",
    ".SH SYNOPSIS",
  }
  for i, call in ipairs(help.calls) do
    out[#out + 1] = (i > 1 and ".br\n" or "") .. bold "ocmlua" .. " " .. escape(call[1]:match "^ocmlua (.*)$"):gsub("%u%u+", "\\fI%0\\fR")
  end
  out[#out + 1] = ".SH DESCRIPTION"
  paragraphs(out, help.introduction)
  for _, call in ipairs(help.calls) do out[#out + 1] = (".TP\n%s\n%s"):format(bold(call[1]), escape(call[2])) end
  paragraphs(out, help.plugins)
  out[#out + 1] = ".SH COMMANDS"
  for _, one in ipairs(command.commands) do show(out, command.load(one.name)) end
  out[#out + 1] = ".SH EXIT STATUS"
  paragraphs(out, help.status)
  out[#out + 1] = ".SH ENVIRONMENT"
  for _, variable in ipairs(help.environment) do out[#out + 1] = (".TP\n%s\n%s"):format(bold(variable[1]), escape(variable[2])) end
  out[#out + 1] = ".SH EXAMPLES"
  literal(out, help.example)
  out[#out + 1] = ".SH SEE ALSO\n.BR lua5.4 (1)"
  return table.concat(out, "\n") .. "\n"
end
