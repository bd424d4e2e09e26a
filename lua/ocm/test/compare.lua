--- Where two values differ, as lines for people: compare(got, expected) -> array, empty when they are the same.

local json = require "ocm.json"

local compare = {}

local most <const>, longest <const> = 20, 160

local function key_text(key)
  if type(key) == "string" and key:find "^[%a_][%w_]*$" then return "." .. key end
  return type(key) == "string" and ("[%q]"):format(key) or ("[%s]"):format(tostring(key))
end

local function sorted_keys(...)
  local seen, keys = {}, {}
  for _, table in ipairs { ... } do
    for key in next, table do
      if not seen[key] then keys[#keys + 1] = key end
      seen[key] = true
    end
  end
  table.sort(keys, function(a, b)
    if type(a) == type(b) and (type(a) == "string" or type(a) == "number") then return a < b end
    return type(a) .. tostring(a) < type(b) .. tostring(b)
  end)
  return keys
end

local function cut(text) return #text > longest and text:sub(1, longest) .. ("… (%d bytes)"):format(#text) or text end

local function quoted(text)
  return '"' .. text:gsub('[%c"\\]', function(c) return ({ ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r", ['"'] = '\\"', ["\\"] = "\\\\" })[c] or ("\\x%02x"):format(c:byte()) end) .. '"'
end

local function write(value, inside, out)
  if value == json.null then
    out[#out + 1] = "null"
  elseif type(value) == "string" then
    out[#out + 1] = quoted(value)
  elseif type(value) ~= "table" then
    out[#out + 1] = tostring(value)
  elseif inside[value] then
    out[#out + 1] = "{…}"
  else
    inside[value] = true
    local keys = sorted_keys(value)
    out[#out + 1] = "{"
    for i, key in ipairs(keys) do
      if #out > longest then break end
      out[#out + 1] = i > 1 and ", " or " "
      if key ~= i then out[#out + 1] = (type(key) == "string" and key_text(key):gsub("^%.", "") or key_text(key)) .. " = " end
      write(value[key], inside, out)
    end
    out[#out + 1] = #keys > 0 and " }" or "}"
    inside[value] = nil
  end
end

--- A value on one line.
function compare.show(value)
  local out = {}
  write(value, {}, out)
  return cut(table.concat(out))
end

--- Long texts: the first line that is not the same.
local function texts(where, got, expected)
  local number, a, b = 0, got:gmatch "([^\n]*)\n?", expected:gmatch "([^\n]*)\n?"
  while true do
    local x, y = a(), b()
    number = number + 1
    if x ~= y or x == nil then
      return ("%s: line %d: got %s, expected %s"):format(where, number, x and cut(quoted(x)) or "the end", y and cut(quoted(y)) or "the end")
    end
  end
end

local function walk(where, got, expected, lines, seen)
  if got == expected or #lines > most then return end
  local name = where == "" and "it" or where
  if type(got) == "table" and type(expected) == "table" then
    if seen[got] == expected then return end
    seen[got] = expected
    for _, key in ipairs(sorted_keys(got, expected)) do
      local x, y = rawget(got, key), rawget(expected, key)
      if x == nil then
        lines[#lines + 1] = ("%s: missing, expected %s"):format(where .. key_text(key), compare.show(y))
      elseif y == nil then
        lines[#lines + 1] = ("%s: not expected, got %s"):format(where .. key_text(key), compare.show(x))
      else
        walk(where .. key_text(key), x, y, lines, seen)
      end
    end
  elseif type(got) == "string" and type(expected) == "string" and (got .. expected):find "\n" then
    lines[#lines + 1] = texts(name, got, expected)
  else
    lines[#lines + 1] = ("%s: got %s, expected %s"):format(name, compare.show(got), compare.show(expected))
  end
end

function compare.differences(got, expected)
  local lines = {}
  walk("", got, expected, lines, {})
  if #lines > most then lines[most + 1] = "…" end
  return table.move(lines, 1, most + 1, 1, {})
end

return compare
