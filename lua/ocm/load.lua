--- Runs a plugin's script and says what is wrong with it: load(path) -> declaration, or nil and a text, a line for each problem.
-- `real`: the path without links; `environment`: its globals, when they are not the usual ones.

local plugin = require "ocm.plugin"

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

local function read_lines(path)
  local lines, file = {}, io.open(path)
  if not file then return lines end
  for text in file:lines() do lines[#lines + 1] = text end
  file:close()
  return lines
end

local function report(path, declaration)
  local lines = read_lines(path)
  local start = declaration_line(lines)
  local texts = {}
  for i, problem in ipairs(declaration.problems) do
    local line = line_of(lines, start, problem.keys)
    texts[i] = { line = line, text = ("%s:%d: %s"):format(path, line, problem.text) }
  end
  table.sort(texts, function(a, b)
    if a.line ~= b.line then return a.line < b.line end
    return a.text < b.text
  end)
  for i, each in ipairs(texts) do texts[i] = each.text end
  return table.concat(texts, "\n")
end

--- Modules beside the script come first.
local function search_beside(path)
  local folder = path:match "^(.*)/[^/]*$" or "."
  if folder == "" then folder = "/" end
  folder = folder:gsub("[;?]", "_") -- what package.path gives a meaning of its own
  package.path = ("%s/?.lua;%s/?/init.lua;%s"):format(folder, folder, package.path)
  package.cpath = ("%s/?.so;%s"):format(folder, package.cpath)
end

return function(path, real, environment)
  if real and real ~= path then search_beside(real) end -- a link: beside what it leads to, but first
  search_beside(path)
  local chunk, reason = loadfile(path, nil, environment or _ENV)
  if not chunk then return nil, reason end
  local ok, declaration = pcall(chunk, table.unpack(arg, 1))
  if not ok then
    local told, text = pcall(tostring, declaration)
    if not told then text = "an error that has no text" end
    return nil, text:find(path .. ":", 1, true) and text or ("%s: %s"):format(path, text)
  end
  if not plugin.is_declaration(declaration) then
    return nil, ("%s: it returned %s instead of its declaration: end it with 'return ocm.plugin { … }'"):format(path, declaration == nil and "nothing" or "a " .. type(declaration))
  end
  if #declaration.problems > 0 then return nil, report(path, declaration) end
  return declaration
end
