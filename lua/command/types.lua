--- `ocmlua types [DIR]`: the stubs of lua/types and a .luarc.json, so that an editor completes and explains the script API.

local arguments = require "command.arguments"
local ocm = require "ocm"
local lfs = require "lfs"
local texts = require "ocm.native.command".texts

local json = ocm.json
local folder <const> = ".ocmlua"

local function write(path, text)
  local done, problem = ocm.fs.write(path, text)
  if not done then arguments.fail("%s", problem) end
end

--- A setting, which the server takes as `"workspace.library": …` and as `"workspace": { "library": … }`: where it is, and its key there.
local function place(settings, group, name)
  local inner = settings[group]
  if type(inner) == "table" then return inner, name end
  return settings, group .. "." .. name
end

local function add(settings)
  local where, key = place(settings, "workspace", "library")
  local library = where[key] or json.array()
  if type(library) ~= "table" then return false end
  local there = false
  for _, entry in ipairs(library) do there = there or entry == folder end
  if not there then table.insert(library, folder) end
  where[key] = library
  where, key = place(settings, "runtime", "version")
  where[key] = where[key] or "Lua 5.4"
  return true
end

--- The settings, with ours added to what is there.
local function settings(path)
  local file <close> = io.open(path, "rb")
  local found = {}
  if file then
    local ok, decoded = pcall(json.decode, file:read "a")
    if not ok or type(decoded) ~= "table" or getmetatable(decoded) == getmetatable(json.array()) then
      arguments.fail('%s is no plain JSON object, so it is left alone: add "%s" to workspace.library, and set runtime.version to "Lua 5.4"', path, folder)
    end
    found = decoded
  end
  if not add(found) then arguments.fail("%s: workspace.library is no array, so it is left alone", path) end
  return json.encode(found, { pretty = true }) .. "\n"
end

return {
  arguments = { 0, 1 },
  examples = {
    { "ocmlua types", "for the plugin in this folder" },
    { "ocmlua types ~/plugins", "for those in another" },
  },
  help = ("Writes %s/*.lua and adds them to .luarc.json, which the Lua language server reads. Run it again after an update of ocmlua."):format(folder),
  run = function(given)
    local dir = given[1] or "."
    if lfs.attributes(dir, "mode") ~= "directory" then arguments.fail("there is no folder %s", dir) end
    local configuration = settings(dir .. "/.luarc.json")
    lfs.mkdir(dir .. "/" .. folder)
    for name, text in pairs(texts "lua/types/") do write(("%s/%s/%s"):format(dir, folder, name:match "[^/]+$"), text) end
    write(dir .. "/.luarc.json", configuration)
    io.stdout:write(("wrote %s/%s and %s/.luarc.json: the Lua language server now knows ocm\n"):format(dir, folder, dir))
  end,
}
