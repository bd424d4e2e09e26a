--- Runs a plugin's script and says what is wrong with it: load(path) -> declaration, or nil and a text, a line for each problem.
-- Where it was declared, but wrongly, the problems follow ({ line =, keys =, text = }), and the declaration that has them.

local plugin = require "ocm.plugin"

--- The problems of a declaration with their lines, in that order: { { line =, keys =, text = }, … }
local function located(path, declaration)
  local line_of = require "ocm.source".finder(path)
  local list = {}
  for i, problem in ipairs(declaration.problems) do list[i] = { line = line_of(problem.keys), keys = problem.keys, text = problem.text } end
  table.sort(list, function(a, b)
    if a.line ~= b.line then return a.line < b.line end
    return a.text < b.text
  end)
  return list
end

local function report(path, list)
  local texts = {}
  for i, each in ipairs(list) do texts[i] = ("%s:%d: %s"):format(path, each.line, each.text) end
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

return function(path, real)
  if real and real ~= path then search_beside(real) end -- a link: beside what it leads to, but first
  search_beside(path)
  local chunk, reason = loadfile(path)
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
  if #declaration.problems > 0 then
    local list = located(path, declaration)
    return nil, report(path, list), list, declaration
  end
  return declaration
end
