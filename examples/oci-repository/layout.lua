--- What component versions are made of in an OCI registry, as `ocm` itself writes them (bindings/go/oci of open-component-model):
--
--   <subPath>/component-descriptors/<component>:<version>   a manifest, or an index whose first manifest is this one
--     config                      says which layer is the component descriptor
--     layers[1]                   the component descriptor
--     further layers              local blobs, each annotated with the resource or source that it is of
--     further manifests           local blobs that are OCI artifacts (artifact.lua)
--
-- Blobs come first, and are seen by nobody until the tag leads to the manifest that holds them.

local artifact = require "artifact"
local descriptor = require "descriptor"
local ocm = require "ocm"
local registry = require "registry"

local layout = {}

local null = ocm.json.null
local folder_name <const> = "component-descriptors"
local creator <const> = "ocmlua oci-repository"
local media_type <const> = {
  manifest = "application/vnd.oci.image.manifest.v1+json",
  index = "application/vnd.oci.image.index.v1+json",
  artifact = "application/vnd.ocm.software.component-descriptor.v2",
  descriptor = "application/vnd.ocm.software.component-descriptor.v2+json",
  config = "application/vnd.ocm.software.component.config.v1+json",
}

--- The repository of a component.
function layout.open(spec, credentials, component) return registry.open(spec, credentials, folder_name .. "/" .. component) end

--- A version as a tag, which cannot hold a "+".
local function tag_of(version)
  local tag = version:gsub("%+", ".build-", 1)
  if #tag > 128 or not tag:find "^[%w_][%w_.-]*$" then ocm.fail(400, "%q cannot be the tag of a version in an OCI registry", version) end
  return tag
end

--- Resources or sources; they may be absent or null.
local function each(component, kind)
  local elements = component[kind .. "s"]
  return ipairs(elements ~= null and elements or {})
end

--- ---- reading ----

--- A component version: { descriptor, blobs }; nil when there is none.
function layout.read(repository, component, version)
  local top = repository:manifest(tag_of(version))
  if not top then return end
  local blobs, manifest = {}, top
  if top.mediaType == media_type.index then
    local manifests = registry.list(top.content.manifests)
    for _, nested in ipairs(manifests) do blobs[registry.checked(nested).digest] = nested end
    manifest = repository:manifest(registry.checked(manifests[1]).digest)
  end
  for _, layer in ipairs(registry.list(manifest and manifest.content.layers)) do blobs[registry.checked(layer).digest] = layer end
  local layer = manifest and repository:json(manifest.content.config).componentDescriptorLayer
  local it = descriptor.read(repository, registry.checked(layer))
  local found = type(it) == "table" and type(it.component) == "table" and it.component.name
  if found ~= component then ocm.fail(502, "%s:%s holds a version of %s instead", repository.name, tag_of(version), found or "nothing") end
  return { descriptor = it, blobs = blobs }
end

--- The bytes of a local blob, as a Location.
function layout.blob(repository, version, element)
  local access = element.access
  local blob = version.blobs[access.localReference]
  if not blob then ocm.fail(404, "%s: its blob %s is not in the manifest", element.name, access.localReference) end
  if registry.is_manifest(blob.mediaType) then
    element.digest = nil -- it is the manifest's: the manager wants it to be the archive's, or none
    return artifact.pull(repository, blob, element.version)
  end
  return { value = repository:download(blob, ocm.tempfile()), mediaType = access.mediaType or blob.mediaType }
end

--- The version that a tag stands for, if it is one of the component.
local function version_of(repository, component, tag)
  local manifest = repository:manifest(tag)
  local annotations = manifest and manifest.content.annotations
  local text = type(annotations) == "table" and annotations["software.ocm.componentversion"]
  if type(text) == "string" then
    local name, version = text:match "^(.*):(.*)$"
    return name == component and version or nil
  end
  local config = manifest and manifest.content.config -- before 2024 there was no such annotation
  return type(config) == "table" and config.mediaType == media_type.config and tag or nil
end

--- Text that sorts as semantic versions do: numbers filled with zeros, and a release behind all that lead to it.
local function rank(version)
  local core, pre = version:match "^v?(%d[%d.]*)(%-?[^+]*)"
  return core and (core .. (pre == "" and "~" or pre)):gsub("%d+", function(digits) return ("0"):rep(20 - #digits) .. digits end)
end

--- Versions of a component, the latest first. As with `ocm`, what isn't a semantic version is none.
function layout.versions(repository, component)
  local list, ranks = {}, {}
  for tags in repository:tags() do
    local asked = {}
    for i, tag in ipairs(tags) do asked[i] = function() return version_of(repository, component, tag_of(tag)) end end
    for _, version in pairs { ocm.parallel(table.unpack(asked)) } do
      if not ranks[version] and rank(version) then list[#list + 1], ranks[version] = version, rank(version) end
    end
  end
  table.sort(list, function(a, b) return ranks[a] > ranks[b] end)
  return list
end

local function has_versions(repository, component)
  for tags in repository:tags() do
    for _, tag in ipairs(tags) do
      if version_of(repository, component, tag_of(tag)) then return true end
    end
  end
end

--- Names of components that come behind `last` in the catalog, a page of at least one if there is one; and whether more may follow.
function layout.components(spec, credentials, last)
  local folder = registry.open(spec, credentials, folder_name)
  local prefix, list = folder.name .. "/", {}
  for names, is_last in folder:catalog(last and last ~= "" and prefix .. last or nil) do
    for _, name in ipairs(names) do
      local component = name:sub(1, #prefix) == prefix and name:sub(#prefix + 1)
      if component and has_versions(layout.open(spec, credentials, component), component) then list[#list + 1] = component end
    end
    if list[1] then return list, not is_last end
  end
  return list, false
end

--- ---- writing ----

local function given(value) return type(value) == "string" and value ~= "" and value or nil end

--- Uploads a local blob. Its element gets the access, and a resource the digest, that it is found by.
function layout.add(repository, kind, element, location)
  local access = ocm.descriptor.is_local_blob(element.access) and element.access or { type = "localBlob/v1" }
  local file = location.value
  if location.type ~= "localFile" then
    file = ocm.tempfile()
    ocm.copy(location, file)
  end
  access.mediaType = given(access.mediaType) or given(location.mediaType) or "application/octet-stream"
  if artifact.is(access.mediaType) then
    local pushed = artifact.push(repository, file)
    access.localReference, access.mediaType = pushed.digest, pushed.mediaType
  else
    access.localReference = repository:upload(file)
  end
  access.globalAccess = nil -- as `ocm` does: where else the blob may be is no longer true
  element.access = access
  if kind == "resource" then
    element.digest = { hashAlgorithm = "SHA-256", normalisationAlgorithm = "genericBlobDigest/v1", value = access.localReference:match ":(.*)" }
  end
  return element
end

--- The platform that an extra identity says; nil: none.
local function platform_of(extra)
  local features = {}
  for feature in (extra["os.features"] or ""):gmatch "[^,]+" do features[#features + 1] = feature end
  local platform = {
    architecture = extra.architecture, os = extra.os, variant = extra.variant, ["os.version"] = extra["os.version"], ["os.features"] = features[1] and features,
  }
  if next(platform) == nil then return end
  platform.architecture, platform.os = platform.architecture or "", platform.os or "" -- these have to be there
  return platform
end

--- What an index or a manifest says of a local blob: where it is, and what it is of.
local function entry(repository, kind, element)
  local access, identity = element.access, { name = element.name, version = element.version ~= "" and element.version or nil }
  local where = registry.is_manifest(access.mediaType) and "manifests" or "blobs"
  local digest = access.localReference
  local size = registry.is_digest(digest) and repository:size(where, digest)
  if not size then ocm.fail(400, "%s %s: its blob %s has not been uploaded", kind, element.name, digest) end
  local extra = element.extraIdentity and element.extraIdentity ~= null and element.extraIdentity or {}
  for name, value in pairs(extra) do identity[name] = value end
  return {
    mediaType = access.mediaType, digest = digest, size = size, platform = platform_of(extra),
    annotations = { ["software.ocm.artifact"] = ocm.json.encode { { identity = identity, kind = kind } } },
  }
end

local function add_json(repository, value, type_of_it)
  local text = ocm.json.encode(value)
  return { mediaType = type_of_it, digest = repository:upload(ocm.tempfile():write(text)), size = #text }
end

--- Makes a version of what has been uploaded.
function layout.write(repository, whole)
  local component, tag = whole.component, tag_of(whole.component.version)
  local layers, manifests = {}, {}
  for _, kind in ipairs { "resource", "source" } do
    for _, element in each(component, kind) do
      if ocm.descriptor.is_local_blob(element.access) then
        local it = entry(repository, kind, element)
        table.insert(registry.is_manifest(it.mediaType) and manifests or layers, it)
      end
    end
  end
  local layer = add_json(repository, whole, media_type.descriptor)
  table.insert(layers, 1, layer)
  local annotations = {
    ["software.ocm.componentversion"] = component.name .. ":" .. component.version,
    ["software.ocm.creator"] = creator,
    ["org.opencontainers.image.title"] = ("OCM component descriptor of %s in version %s"):format(component.name, component.version),
    ["org.opencontainers.image.version"] = component.version,
  }
  local manifest = ocm.json.encode {
    schemaVersion = 2, mediaType = media_type.manifest, artifactType = media_type.artifact,
    config = add_json(repository, { componentDescriptorLayer = layer }, media_type.config), layers = layers, annotations = annotations,
  }
  if not manifests[1] then
    repository:add_manifest(manifest, media_type.manifest, tag)
    return
  end
  local first = repository:add_manifest(manifest, media_type.manifest)
  first.artifactType, first.annotations = media_type.artifact, annotations
  table.insert(manifests, 1, first)
  local index = { schemaVersion = 2, mediaType = media_type.index, manifests = manifests, annotations = annotations }
  repository:add_manifest(ocm.json.encode(index), media_type.index, tag)
end

return layout
