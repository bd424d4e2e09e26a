--- Local blobs that are OCI artifacts (images, charts): an archive with an OCI image layout outside of the registry; inside, their own
-- manifests and blobs, so that what can pull images can pull them. That is how `ocm` keeps them.

local ocm = require "ocm"
local registry = require "registry"

local artifact = {}

local layout_type <const> = "application/vnd.ocm.software.oci.layout.v1+tar"
local ref_name <const> = "org.opencontainers.image.ref.name"

--- Whether a blob of this type comes as an archive: by the name of the archive, or of the manifest that had been made of it elsewhere.
function artifact.is(media_type)
  return media_type == layout_type or media_type == layout_type .. "+gzip" or registry.is_manifest(media_type)
end

local function name_of(digest) return "blobs/" .. digest:gsub(":", "/") end

--- What a manifest or an index is made of: blobs, or other manifests.
local function parts(content)
  local list = {}
  if type(content.config) == "table" then list[1] = content.config end
  for _, name in ipairs { "layers", "manifests" } do
    for _, part in ipairs(registry.list(content[name])) do list[#list + 1] = part end
  end
  return list
end

--- ---- into the registry ----

--- What a JSON file of the layout says, and its text.
local function read_json(folder, name)
  local text = ocm.fs.read(folder:path(name), 4 << 20)
  local ok, value = pcall(ocm.json.decode, text or "")
  if not ok or type(value) ~= "table" then ocm.fail(400, "the OCI image layout has no %s that is JSON", name) end
  return value, text
end

--- The one entry of a layout's index that is meant: the only one, or the only one with a name.
local function top_of(index)
  local entries, named = registry.list(index.manifests), {}
  for _, each in ipairs(entries) do
    if each.annotations and each.annotations[ref_name] then named[#named + 1] = each end
  end
  local one = #entries == 1 and entries[1] or #named == 1 and named[1]
  if not one then ocm.fail(400, "the OCI image layout has %d artifacts, %d of them with a name: one is expected", #entries, #named) end
  return one
end

local function check(descriptor, digest)
  if digest ~= descriptor.digest then ocm.fail(400, "the OCI image layout has %s under the name of %s", digest, descriptor.digest) end
end

--- Uploads what a descriptor of the layout leads to: a manifest behind all that it is made of.
local function push(repository, folder, descriptor, done)
  local it = registry.checked(descriptor)
  if done[it.digest] then return end
  done[it.digest] = true
  local name = name_of(it.digest)
  if not registry.is_manifest(it.mediaType) then
    check(it, ocm.try("the OCI image layout", repository.upload, repository, folder:path(name)))
    return
  end
  local content, text = read_json(folder, name)
  for _, part in ipairs(parts(content)) do push(repository, folder, part, done) end
  check(it, repository:add_manifest(text, it.mediaType).digest)
end

--- Uploads an archive; returns the descriptor of what is in it.
function artifact.push(repository, archive)
  local folder <close> = ocm.tempdir()
  ocm.try("the OCI image layout", ocm.pipe, archive, ocm.decompress(), ocm.untar(folder:path()))
  local top = top_of(read_json(folder, "index.json"))
  push(repository, folder, top, {})
  return top
end

--- ---- out of it ----

local function pull(repository, folder, descriptor, done)
  local it = registry.checked(descriptor)
  if done[it.digest] then return end
  done[it.digest] = true
  if not registry.is_manifest(it.mediaType) then
    repository:download(it, folder:path(name_of(it.digest)))
    return
  end
  local manifest = repository:manifest(it.digest)
  if not manifest then ocm.fail(404, "%s: there is no manifest %s", repository.name, it.digest) end
  assert(ocm.fs.write(folder:path(name_of(it.digest)), manifest.text))
  for _, part in ipairs(parts(manifest.content)) do pull(repository, folder, part, done) end
end

--- The archive of an artifact, as a Location.
function artifact.pull(repository, descriptor, tag)
  local folder <close> = ocm.tempdir()
  assert(ocm.fs.make_dirs(folder:path "blobs/sha256"))
  pull(repository, folder, descriptor, {})
  local top = { mediaType = descriptor.mediaType, digest = descriptor.digest, size = descriptor.size, annotations = { [ref_name] = tag } }
  assert(ocm.fs.write(folder:path "oci-layout", '{"imageLayoutVersion":"1.0.0"}'))
  assert(ocm.fs.write(folder:path "index.json", ocm.json.encode { schemaVersion = 2, manifests = { top } }))
  local archive = ocm.tempfile()
  ocm.pipe(ocm.tar(folder:path(), { root = false }), ocm.gzip(), archive)
  return { value = archive, mediaType = layout_type .. "+gzip" }
end

return artifact
