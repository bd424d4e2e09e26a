--- Runs a plugin's script and says what is wrong with it: load(path) -> declaration, or nil and a text, a line for each problem.
-- Where it was declared, but wrongly, the problems follow ({ line =, keys =, text = }), and the declaration that has them.
--
-- `real`: the path without links; a fourth argument: the script's globals, when they are not the usual ones.
-- In a bundle, `path` is the script's name there, and a third argument reads: bundle(name) -> text, or nil and nil or why it is damaged.

local plugin = require "ocm.plugin"

--- The problems of a declaration with their lines, in that order: { { line =, keys =, text = }, … }
local function located(path, declaration, bundle)
  local line_of = require "ocm.source".finder(path, bundle)
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

--- As loadfile: a byte order mark and a first line that begins with "#" are passed over.
local function compile(text, path)
  if text:find "^[#\xEF]" then text = text:gsub("^\xEF\xBB\xBF", ""):gsub("^#[^\n]*", "") end
  return load(text, "@" .. path, "t")
end

--- Modules of the bundle come behind those of this program, and before all files.
local function search_bundle(bundle)
  table.insert(package.searchers, 3, function(name)
    local base = name:gsub("%.", "/")
    for _, path in ipairs { base .. ".lua", base .. "/init.lua" } do
      local text, reason = bundle(path)
      local chunk = text and assert(compile(text, path))
      if chunk then return chunk, path end
      if reason then error(reason, 0) end
    end
    return ("no file '%s.lua' in this program's bundle"):format(base)
  end)
end

local function load_script(path, bundle, environment)
  if not bundle then return loadfile(path, nil, environment or _ENV) end
  local text, reason = bundle(path)
  if not text then return nil, reason end
  return compile(text, path)
end

return function(path, real, bundle, environment)
  if bundle then
    search_bundle(bundle)
  else
    if real and real ~= path then search_beside(real) end -- a link: beside what it leads to, but first
    search_beside(path)
  end
  local chunk, reason = load_script(path, bundle, environment)
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
    local list = located(path, declaration, bundle)
    return nil, report(path, list), list, declaration
  end
  return declaration
end
