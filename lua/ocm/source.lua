--- Where something of a declaration stands in its script's text: a search for keys, since Lua keeps no lines of a table's fields.

local source = {}

--- Where the declaration begins. Not asked of Lua: `return ocm.plugin {…}` is a tail call, whose caller is forgotten.
local function declaration_line(lines)
  for i, text in ipairs(lines) do
    if text:find("%f[%w_]plugin%s*[{(]") or text:find("%.plugin%s*$") then return i end
  end
  return 1
end

--- The line of a key in the script's text: behind the declaration's, the keys of the problem one after the other.
local function line_of(lines, line, keys)
  local found = line
  for _, key in ipairs(keys) do
    local name = tostring(key):gsub("%p", "%%%0")
    local from
    for i = found, #lines do
      local text = lines[i]
      if text:find("%f[%w_]" .. name .. "%f[^%w_]%s*=[^=]") or text:find("%f[%w_]" .. name .. "%s*=$") or text:find("[%[\"'{,%s]" .. name .. "[\"']") then
        from = i
        break
      end
    end
    if not from then break end
    found = from
  end
  return found
end

local function read_lines(path, bundle)
  local lines, file = {}, not bundle and io.open(path)
  local text = bundle and bundle(path) or file and file:read "a" or ""
  if file then file:close() end
  for line in (text .. "\n"):gmatch "(.-)\n" do lines[#lines + 1] = line end
  return lines
end

--- path -> function (keys) -> line: of the last of the keys, looked for one behind the other from the beginning of the declaration.
-- `bundle`: as ocm.load has it.
function source.finder(path, bundle)
  local lines = read_lines(path, bundle)
  local start = declaration_line(lines)
  return function(keys) return line_of(lines, start, keys) end
end

return source
