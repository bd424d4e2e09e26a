--- `ocmlua types [DIR]`: the stubs of lua/types and a .luarc.json, so that an editor completes and explains the script API.

local arguments = require "command.arguments"
local json = require "ocm".json
local lfs = require "lfs"
local texts = require "ocm.native.command".texts

local folder <const> = ".ocmlua"

local function write(path, text)
  local file, problem = io.open(path, "wb")
  if not file or not file:write(text) or not file:close() then arguments.fail("%s", problem or path .. " cannot be written") end
end

--- The settings, with ours added to what is there.
local function settings(path)
  local file = io.open(path, "rb")
  local found = {}
  if file then
    local ok, decoded = pcall(json.decode, file:read "a")
    file:close()
    if not ok or type(decoded) ~= "table" then
      arguments.fail('%s is not plain JSON, so it is left alone: add "%s" to workspace.library, and set runtime.version to "Lua 5.4"', path, folder)
    end
    found = decoded
  end
  local library = found["workspace.library"] or json.array()
  local there = false
  for _, entry in ipairs(library) do there = there or entry == folder end
  if not there then table.insert(library, folder) end
  found["workspace.library"], found["runtime.version"] = library, found["runtime.version"] or "Lua 5.4"
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
