--- Files and folders, on the pool's threads: what lfs has not, or would block for (vm/lib_fs.c).
-- What fails returns nil, a message and an errno value; misuse raises. walk raises, as an iterator can say nothing else.

local native = require "ocm.native.fs"
local suggest = require "ocm.suggest"

local MOST = 16 << 20

local fs = {}

--- Checks a table of options, name -> type; `level` as error counts.
local function check(name, options, shapes, level)
  if options == nil then return {} end
  if type(options) ~= "table" then error(("ocm.fs.%s: expected a table of options, got %s"):format(name, type(options)), level) end
  for key, value in pairs(options) do
    if not shapes[key] then
      local known = {}
      for option in pairs(shapes) do known[#known + 1] = option end
      error(('ocm.fs.%s: unknown option "%s"%s'):format(name, tostring(key), suggest(tostring(key), known)), level)
    end
    local got = shapes[key] == "integer" and math.type(value) or type(value)
    if got ~= shapes[key] then error(("ocm.fs.%s: %s: expected %s, got %s"):format(name, key, shapes[key], got or type(value)), level) end
  end
  return options
end

local function check_path(name, path, level)
  if type(path) ~= "string" then error(("ocm.fs.%s: expected a path, got %s"):format(name, path == nil and "nothing" or type(path)), level) end
  if path:find("\0", 1, true) then error(("ocm.fs.%s: a path cannot hold a NUL byte"):format(name), level) end
end

local function check_mode(name, mode, level)
  if mode ~= nil and (math.type(mode) ~= "integer" or mode < 0 or mode > 4095) then
    error(("ocm.fs.%s: mode: expected an integer from 0 to 4095, such as tonumber(\"644\", 8)"):format(name), level)
  end
end

function fs.read(path, limit)
  if limit ~= nil and (math.type(limit) ~= "integer" or limit < 0 or limit > 1 << 40) then error("ocm.fs.read: limit: expected bytes, an integer from 0", 2) end
  return native.read(path, limit or MOST)
end

function fs.write(path, bytes, options)
  check_path("write", path, 3)
  if type(bytes) ~= "string" then error("ocm.fs.write: expected the bytes as a string, got " .. (bytes == nil and "nothing" or type(bytes)), 2) end
  options = check("write", options, { mode = "integer", sync = "boolean" }, 3)
  check_mode("write", options.mode, 3)
  return native.write(path, bytes, options.mode, options.sync)
end

function fs.make_dirs(path, mode)
  check_path("make_dirs", path, 3)
  check_mode("make_dirs", mode, 3)
  return native.make_dirs(path, mode)
end

function fs.remove_all(path)
  check_path("remove_all", path, 3)
  return native.remove_all(path)
end

function fs.walk(dir, options)
  check_path("walk", dir, 3)
  options = check("walk", options, { links = "string", hidden = "boolean", depth = "integer" }, 3)
  local links, depth = options.links or "keep", options.depth
  if links ~= "keep" and links ~= "follow" then error('ocm.fs.walk: links: expected "keep" or "follow"', 2) end
  if depth and depth < 1 then error("ocm.fs.walk: depth: expected levels, an integer from 1", 2) end
  local walk = native.walk(dir, links == "follow", options.hidden ~= false, depth)
  local at, batch, failure = 0, walk:next()
  if failure then error("ocm.fs.walk: " .. failure, 2) end
  local prefix = dir:gsub("/*$", "/", 1)
  return function()
    if batch and at == #batch then
      at, batch, failure = 0, walk:next()
      if failure then error("ocm.fs.walk: " .. failure, 2) end
    end
    if not batch then return nil end
    at = at + 1
    local entry = batch[at]
    batch[at] = false -- the caller's
    return prefix .. entry.path, entry
  end, nil, nil, walk
end

return fs
