--- What a plugin is made of: modules(path) -> files, notes.
--
-- `files`: an array of { name =, text =, file = (where it is) }, the script first, then what it requires, sorted; a module's name is what `require`
-- makes of it: "a/b.lua" or "a/b/init.lua". The script runs as for `capabilities`, and what the searchers find is recorded; then all of the
-- texts are looked through for `require "name"`, for what is required only later. `notes`: texts about those that are not found, and about other
-- files beside the script that it opened.

local arguments = require "command.arguments"
local native = require "ocm.native.command"

local embedded = package.searchers[2]

local function folder_of(path) return path:match "^(.*/)" or "./" end

local function read(path)
  local file <close> = io.open(path, "rb") or arguments.fail("%s cannot be read", path)
  local text = file:read "a" or arguments.fail("%s cannot be read", path)
  if text:find "^\127ELF" then arguments.fail("%s is a program, not a Lua script", path) end
  if text:find "^\27Lua" then arguments.fail("%s is precompiled Lua: a bundle holds source texts", path) end
  return text
end

local function refuse_c(name, file)
  arguments.fail('"%s" is a C module (%s): a bundle holds Lua alone. Install the script and its modules as files instead', name, file)
end

--- What the searchers for files find from now on: { [name] = file }.
local function record()
  local found = {}
  for i = 3, #package.searchers do
    local search, lua = package.searchers[i], i == 3
    package.searchers[i] = function(name)
      local loader, file = search(name)
      if type(loader) == "function" then
        if not lua then refuse_c(name, file) end
        found[name] = file
      end
      return loader, file
    end
  end
  return found
end

--- Calls f; returns the paths that were opened meanwhile by what a script opens files with.
local function watch(f, ...)
  local opened, before = {}, {}
  for i, where in ipairs { { io, "open" }, { io, "lines" }, { _G, "loadfile" }, { _G, "dofile" } } do
    local container, name = where[1], where[2]
    local original = container[name]
    before[i] = function() container[name] = original end
    container[name] = function(path, ...)
      if type(path) == "string" then opened[#opened + 1] = path end
      return original(path, ...)
    end
  end
  f(...)
  for _, restore in ipairs(before) do restore() end
  return opened
end

--- Runs the script as `capabilities` does.
local function run(path, real)
  arg = { [0] = path } -- luacheck: ignore
  print = function(...) io.stderr:write(table.concat({ ... }, "\t"), "\n") end -- luacheck: ignore
  io.output(io.stderr)
  local declaration, problems = require "ocm.load"(path, real)
  if not declaration then arguments.fail("%s", problems) end
end

--- A module's name in a bundle.
local function entry_of(name, file)
  local base = name:gsub("%.", "/")
  if base == "" or base:find "^/" or base:find "//" or #base > 200 then arguments.fail('a module cannot be called "%s" in a bundle', name) end
  return file:find "/init%.lua$" and not base:find "init$" and base .. "/init.lua" or base .. ".lua"
end

local function built_in(name) return package.preload[name] or type(embedded(name)) == "function" or package.loaded[name] == _G[name] and _G[name] end

--- { name =, line = } for each `require "name"` in a text.
local function required(text)
  local list, number = {}, 0
  for line in (text .. "\n"):gmatch "(.-)\n" do
    number = number + 1
    for _, name in line:gmatch [[%f[%w_]require%s*%(?%s*(["'])([%w_.-]+)%1]] do list[#list + 1] = { name = name, line = number } end
  end
  return list
end

return function(path)
  local real = native.real_path(path) or arguments.fail("there is no script %s", path)
  local script = { name = path:match "[^/]+$", text = read(path), file = path }
  local found = record()
  local opened = watch(run, path, real)

  local files, notes, by_name, queue = {}, {}, {}, { script }
  local function add(name, file)
    local entry = entry_of(name, file)
    if by_name[entry] or native.real_path(file) == real then return end
    by_name[entry] = { name = entry, text = read(file), file = file }
    files[#files + 1], queue[#queue + 1] = by_name[entry], by_name[entry]
  end
  for name, file in pairs(found) do add(name, file) end

  local c_beside = ("%s?.so;%s?.so"):format(folder_of(real), folder_of(path))
  local seen = {}
  while #queue > 0 do
    local source = table.remove(queue)
    for _, one in ipairs(required(source.text)) do
      local name = one.name
      if not seen[name] and not found[name] and not built_in(name) then
        local file = package.searchpath(name, package.path)
        local c = not file and package.searchpath(name, c_beside)
        if c then refuse_c(name, c) end
        if file then
          add(name, file)
        else
          notes[#notes + 1] = ('%s:%d requires "%s", which is not found: the bundle does not hold it'):format(source.file, one.line, name)
        end
      end
      seen[name] = true
    end
  end
  for _, other in ipairs(opened) do
    local there = native.real_path(other)
    if there and there ~= real and there:sub(1, #folder_of(real)) == folder_of(real) and not seen[there] then
      seen[there] = true
      notes[#notes + 1] = ("%s opens %s: the bundle does not hold it"):format(path, other)
    end
  end
  table.sort(files, function(a, b) return a.name < b.name end)
  table.sort(notes)
  table.insert(files, 1, script)
  for i = 2, #files do
    if files[i].name == script.name then arguments.fail("%s and the module %s would have the same name in the bundle: rename one of them", path, files[i].file) end
  end
  return files, notes
end
