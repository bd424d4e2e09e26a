--- Test files below folders, and when files change.

local arguments = require "command.arguments"
local lfs = require "lfs"

local files = {}

--- Calls f with the path of each regular file below a folder, in order; hidden folders and links to folders are passed over.
local function walk(folder, f)
  local names = {}
  local ok, iterator, state = pcall(lfs.dir, folder)
  if not ok then return end
  for name in iterator, state do
    if name:sub(1, 1) ~= "." then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local path = (folder == "." and "" or folder:gsub("/+$", "") .. "/") .. name
    local mode = lfs.symlinkattributes(path, "mode")
    if mode == "directory" then
      walk(path, f)
    elseif lfs.attributes(path, "mode") == "file" then
      f(path)
    end
  end
end

--- The test files that the paths stand for, each once.
function files.find(paths)
  local found, seen = {}, {}
  local function add(path)
    path = path:gsub("^%./+", "")
    if not seen[path] then found[#found + 1] = path end
    seen[path] = true
  end
  for _, path in ipairs(#paths > 0 and paths or { "." }) do
    local mode = lfs.attributes(path, "mode")
    if not mode then arguments.fail("there is no %s", path) end
    if mode == "directory" then
      walk(path, function(each)
        if each:find "_test%.lua$" then add(each) end
      end)
    else
      add(path)
    end
  end
  return found
end

--- A text that changes when any file below the folders does, but for the one that the output goes to.
function files.state(folders)
  local parts, seen = {}, {}
  local output = lfs.attributes "/dev/stdout" or {}
  for folder in next, folders do
    walk(folder, function(path)
      if seen[path] then return end
      seen[path] = true
      local attributes = lfs.attributes(path)
      if attributes and (attributes.ino ~= output.ino or attributes.dev ~= output.dev) then
        parts[#parts + 1] = ("%s %d %d %d"):format(path, attributes.modification, attributes.size, attributes.ino)
      end
    end)
  end
  table.sort(parts)
  return table.concat(parts, "\n")
end

return files
