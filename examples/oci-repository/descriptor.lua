--- Component descriptors as they are kept: JSON, which `ocm` writes today, and YAML, mostly in a tar, which it wrote before.

local ocm = require "ocm"

local descriptor = {}

--- What lyaml made of YAML, for JSON. Aliases are refused: of a few lines they make gigabytes.
local function plain(value, null, seen)
  if value == null then return ocm.json.null end
  if type(value) ~= "table" then return value end
  if seen[value] then ocm.fail(502, "the component descriptor has YAML aliases") end
  seen[value] = true
  for key, each in pairs(value) do value[key] = plain(each, null, seen) end
  return value
end

local function decode_yaml(text)
  local there, lyaml = pcall(require, "lyaml")
  if not there then ocm.fail(501, "the component descriptor is YAML: to read it, install lyaml (Debian's lua-yaml)") end
  local ok, value = pcall(lyaml.load, text)
  if not ok then ocm.fail(502, "the component descriptor: %s", value) end
  return plain(value, lyaml.null, {})
end

--- The file component-descriptor.yaml of a tar.
local function unpack(tar)
  local folder <close> = ocm.tempdir()
  ocm.try("the component descriptor", ocm.pipe, tar, ocm.untar(folder:path(), { files = 10, bytes = 16 << 20 }))
  local text = ocm.fs.read(folder:path "component-descriptor.yaml")
  return text or ocm.fail(502, "the component descriptor: there is no component-descriptor.yaml in its tar")
end

--- The descriptor that is in a layer.
function descriptor.read(repository, layer)
  if layer.mediaType:find "%+json$" then return repository:json(layer) end
  local file = repository:download(layer, ocm.tempfile())
  local text = layer.mediaType:find "%+tar$" and unpack(file) or assert(ocm.fs.read(file))
  return decode_yaml(text)
end

return descriptor
