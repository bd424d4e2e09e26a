--- What a plugin tells, as a person reads it at a terminal: lines of its log, JSON, sizes, times.

local json = require "ocm.json"

local show = {}

local colours = { DEBUG = "dim", INFO = "green", WARN = "yellow", ERROR = "red" }

--- A terminal must not be driven by what a plugin writes.
local function plain(text) return (text:gsub("\xC2[\x80-\x9F]", "?"):gsub("[%c\127]", function(byte) return (byte == "\n" or byte == "\t") and byte or "?" end)) end
show.plain = plain

--- A line of the log: { level =, msg =, … }, or nil when it is none.
function show.parse(line)
  local ok, entry = pcall(json.decode, line)
  if ok and type(entry) == "table" and type(entry.level) == "string" and type(entry.msg) == "string" then return entry end
end

--- A line of the log for people.
function show.log(style, entry)
  local names = {}
  for name in pairs(entry) do
    if name ~= "time" and name ~= "level" and name ~= "msg" then names[#names + 1] = name end
  end
  table.sort(names)
  local out = { style[colours[entry.level] or "bold"](("%-5s"):format(entry.level)), " ", plain(entry.msg) }
  for _, name in ipairs(names) do
    local value = entry[name]
    local text = type(value) == "string" and value or json.encode(value)
    if text:find "\n" then
      out[#out + 1] = "\n  " .. style.dim(name) .. "\n    " .. plain(text):gsub("\n", "\n    ")
    else
      out[#out + 1] = " " .. style.dim(plain(name) .. "=") .. plain(text)
    end
  end
  return table.concat(out)
end

function show.seconds(seconds)
  if seconds < 1 then return ("%.1f ms"):format(seconds * 1000) end
  return ("%.2f s"):format(seconds)
end

--- A text in one line of at most `width` bytes or so.
function show.short(text, width)
  text = plain(text):gsub("%s*\n%s*", " ")
  if #text <= width then return text end
  local last = width - 1
  while last > 0 and text:byte(last + 1) & 0xC0 == 0x80 do last = last - 1 end
  return text:sub(1, last) .. "…"
end

return show
