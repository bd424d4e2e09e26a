--- Colours and tables for people: colours only at a terminal and never with NO_COLOR (https://no-color.org).

local native = require "ocm.native.command"

local terminal = {}

local codes = { bold = 1, dim = 2, red = 31, green = 32, yellow = 33, blue = 34, cyan = 36 }

local function colours(fd)
  local unwanted = os.getenv "NO_COLOR"
  return native.is_terminal(fd) and (unwanted == nil or unwanted == "") and os.getenv "TERM" ~= "dumb"
end

--- A table of functions: out.bold "text", …; what is written to descriptor `fd` (1 or 2).
function terminal.styles(fd)
  local on = colours(fd)
  local styles = {}
  for name, code in pairs(codes) do
    styles[name] = function(text) return on and ("\27[%dm%s\27[0m"):format(code, text) or tostring(text) end
  end
  return styles
end

function terminal.is_terminal(fd) return native.is_terminal(fd) end

--- Rows of texts as lines, columns aligned; `gap` between them (two spaces).
function terminal.columns(rows, gap)
  local widths, lines = {}, {}
  for _, row in ipairs(rows) do
    for i, text in ipairs(row) do widths[i] = math.max(widths[i] or 0, utf8.len(text) or #text) end
  end
  for _, row in ipairs(rows) do
    local cells = {}
    for i, text in ipairs(row) do
      cells[i] = i == #row and text or text .. (" "):rep(widths[i] - (utf8.len(text) or #text))
    end
    lines[#lines + 1] = table.concat(cells, gap or "  ")
  end
  return lines
end

return terminal
