#!/usr/bin/env ocmlua
--- NAME: a plugin for the Open Component Model, made by `ocmlua new`. What it does so far is an example: put your own in its place.
--
-- Handlers are called as (request, credentials) and return the answer. `ocm.fail(404, "no such thing: %s", name)` ends a request with that text;
-- any other error is told, too, and its traceback is logged. What there is: `ocmlua docs`.

local ocm = require "ocm"
--@only componentVersionRepository componentLister
local lfs = require "lfs"
--@end

--@only inputRepository
--- The bytes that a spec stands for, as a temporary file, which is removed when the plugin ends.
---@param spec ocm.Spec
---@return ocm.Location
local function blob(spec)
  return { value = ocm.tempfile():write(spec.text), mediaType = spec.mediaType or "text/plain" }
end

--@end
--@only componentVersionRepository
--- Component names and versions as file names: whatever is not plain is written as %XX.
local function encode(text)
  return (text:gsub("[^%w.+_-]", function(c) return ("%%%02X"):format(c:byte()) end):gsub("^%.", "%%2E"))
end

--@end
--@only componentVersionRepository componentLister
--- The name that a file name stands for: %XX is any byte.
local function decode(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

--- The plain files' and folders' names in a folder, sorted; none when there is no such folder.
local function names_in(folder)
  local names = ocm.json.array()
  if lfs.attributes(folder, "mode") ~= "directory" then return names end
  for name in lfs.dir(folder) do
    if name:sub(1, 1) ~= "." then names[#names + 1] = decode(name) end
  end
  table.sort(names)
  return names
end

--@end
--@only componentVersionRepository
--- Where a component version lies: PATH/COMPONENT/VERSION/descriptor.json, with its blobs beside it.
local function folder_of(repository, name, version)
  return ("%s/%s/%s"):format(repository.path, encode(name), encode(version))
end

--- GETs do not say which repository is meant: these are all that were seen, latest first.
local function find(request)
  for _, repository in ipairs(request.repositories) do
    local folder = folder_of(repository, request.name, request.version)
    local file <close> = io.open(folder .. "/descriptor.json", "rb")
    if file then return ocm.json.decode(file:read "a"), folder end
  end
  ocm.fail(404, "there is no %s:%s here", request.name, request.version)
end

local function save(repository, name, version)
  local path = repository.path
  for _, part in ipairs { "", "/" .. encode(name), "/" .. encode(version) } do
    path = path .. part
    if not lfs.mkdir(path) and lfs.attributes(path, "mode") ~= "directory" then ocm.fail(500, "%s cannot be made", path) end
  end
  return path
end

--- The element of a descriptor whose name, version and extra identity are as asked for, and where its blob lies.
local function find_element(elements, identity, folder)
  for _, element in ipairs(elements or {}) do
    local fits = true
    for key, value in pairs(identity or {}) do
      fits = fits and (element[key] == value or (element.extraIdentity or {})[key] == value)
    end
    if fits and element.access and element.access.localReference then
      return element, { value = folder .. "/" .. encode(element.access.localReference), mediaType = element.access.mediaType }
    end
  end
  ocm.fail(404, "there is no such element, or it has no local blob: %s", ocm.json.encode(identity or {}))
end

--- Copies a blob beside the descriptor; the element then refers to it by its digest.
local function add_element(request, element, location)
  local folder = save(request.repository, request.name, request.version)
  local copy = ocm.tempfile()
  local digest = ocm.copy(location, copy).digests[1]
  ocm.copy(copy, folder .. "/" .. encode(digest))
  local mediaType = location.mediaType or (element.access or {}).mediaType or "application/octet-stream"
  element.access = { type = "localBlob/v1", localReference = digest, mediaType = mediaType }
  return element
end

--@end
--@only credentialRepository credentialPlugin
--- What the JSON file { "HOST": { "username": "…", "password": "…" } } has for a host.
---@return ocm.Credentials
local function credentials_from(path, hostname)
  local file <close> = io.open(path, "rb")
  if not file then ocm.fail(404, "there is no file %s", path) end
  local properties = ocm.json.decode(file:read "a")[hostname]
  if not properties then ocm.fail(404, "%s has no credentials for %s", path, hostname) end
  return { type = "DirectCredentials/v1", properties = properties }
end

--@end
--@only digestProcessorRepository resourceRepository
--- The file that an access spec names.
local function file_of(access)
  local file = io.open(access.path, "rb")
  if not file then ocm.fail(404, "there is no file %s", access.path) end
  file:close()
  return access.path
end

--@end
--@only signingHandler
local algorithm <const>, media_type <const> = "RSASSA-PSS", "application/vnd.ocm.signature.rsa.pss"

--- A key out of the credentials: properties that hold PEM text. It is a secret: not for logs or error texts.
---@return ocm.Key
local function key_from(credentials, name)
  local pem = credentials and credentials.properties and credentials.properties[name]
  if not pem then ocm.fail(401, "the credentials have no %s", name) end
  local key, problem = ocm.crypto.key(pem)
  if not key then ocm.fail(401, "%s: %s", name, problem) end
  return key
end

--@end
return ocm.plugin {
  componentVersionRepository = {
    types = {
      ["RepositoryType/v1"] = {
        schema = ocm.schema { path = "string" },
        example = { type = "RepositoryType/v1", path = "repository" },
      },
    },
    GetComponentVersion = function(request)
      return (find(request))
    end,
    ListComponentVersions = function(request)
      local versions = ocm.json.array()
      for _, repository in ipairs(request.repositories) do
        for _, version in ipairs(names_in(repository.path .. "/" .. encode(request.name))) do versions[#versions + 1] = version end
      end
      return versions
    end,
    GetLocalResource = function(request)
      local descriptor, folder = find(request)
      local resource, location = find_element(descriptor.component.resources, request.identity, folder)
      return { resource = resource, location = location }
    end,
    GetLocalSource = function(request)
      local descriptor, folder = find(request)
      local source, location = find_element(descriptor.component.sources, request.identity, folder)
      return { source = source, location = location }
    end,
    AddComponentVersion = function(request)
      local component = request.descriptor.component
      local folder = save(request.repository, component.name, component.version)
      ocm.pipe(ocm.bytes(ocm.json.encode(request.descriptor)), folder .. "/descriptor.json")
    end,
    AddLocalResource = function(request)
      return add_element(request, request.resource, request.resourceLocation)
    end,
    AddLocalSource = function(request)
      return add_element(request, request.source, request.sourceLocation)
    end,
  },
  componentLister = {
    types = {
      ["RepositoryType/v1"] = {
        schema = ocm.schema { path = "string" },
        example = { type = "RepositoryType/v1", path = "repository" },
      },
    },
    ListComponents = function(request)
      return { list = names_in(request.repository.path) } -- with { header = { last = … } } when more pages follow
    end,
  },
  credentialRepository = {
    types = {
      ["CredentialRepositoryType/v1"] = {
        schema = ocm.schema { path = "string" },
        example = { type = "CredentialRepositoryType/v1", path = "credentials.json" },
      },
    },
    identityTypes = { ["CredentialConsumerType/v1"] = { schema = ocm.schema { hostname = "string" } } }, -- by these the manager finds it
    ConsumerIdentityForConfig = function(request)
      return { type = "CredentialConsumerType/v1", path = request.config.path }
    end,
    Resolve = function(request)
      return credentials_from(request.config.path, request.identity.hostname)
    end,
  },
  credentialPlugin = {
    types = {
      ["CredentialType/v1"] = {
        schema = ocm.schema { path = "string" },
        example = { type = "CredentialType/v1", path = "credentials.json" },
      },
    },
    --- Whose credentials it takes to read them: nobody has to configure some for this identity.
    GetConsumerIdentity = function() return { type = "CredentialType/v1" } end,
    Resolve = function(request)
      if not request.credential then ocm.fail(400, "credentials of one path were expected, not of %d", #request.credentialSpecs) end
      return credentials_from(request.credential.path, request.identity.hostname)
    end,
  },
  digestProcessorRepository = {
    types = {
      ["AccessType/v1"] = {
        schema = ocm.schema { path = "string" },
        example = { type = "AccessType/v1", path = "README.md" },
      },
    },
    ProcessResourceDigest = function(request)
      request.resource.digest = ocm.blob_digest(file_of(request.resource.access), request.resource.digest)
      return { resource = request.resource }
    end,
  },
  inputRepository = {
    types = {
      ["InputType/v1"] = {
        schema = ocm.schema { text = "string", mediaType = "string?" },
        example = { type = "InputType/v1", text = "hello" },
      },
    },
    ProcessResource = function(request)
      return { resource = request.resource, location = blob(request.resource.input) }
    end,
    ProcessSource = function(request)
      return { source = request.source, location = blob(request.source.input) }
    end,
  },
  resourceRepository = {
    types = {
      ["AccessType/v1"] = {
        schema = ocm.schema { path = "string" },
        example = { type = "AccessType/v1", path = "README.md" },
      },
    },
    GetGlobalResource = function(request)
      local copy = ocm.tempfile()
      ocm.copy(file_of(request.resource.access), copy)
      return { location = { value = copy, mediaType = "application/octet-stream" } }
    end,
    AddGlobalResource = function(request)
      ocm.copy(request.resourceLocation, request.resource.access.path)
      return { resource = request.resource }
    end,
  },
  blobTransformer = {
    types = {
      ["TransformerType/v1"] = {
        schema = ocm.schema { case = { "upper", "lower" } },
        example = { type = "TransformerType/v1", case = "upper" },
      },
    },
    TransformBlob = function(request)
      local out = ocm.tempfile()
      ocm.pipe(request.location, ocm.map(string[request.specification.case]), out)
      return { location = out }
    end,
  },
  signingHandler = {
    types = {
      ["SigningType/v1"] = {
        schema = ocm.schema {},
        example = { type = "SigningType/v1" },
      },
    },
    GetSignerIdentity = function(request)
      return { identity = { type = request.config.type, signature = request.name } }
    end,
    Sign = function(request, credentials)
      local signature = ocm.crypto.sign { key = key_from(credentials, "privateKey"), algorithm = algorithm, digest = request.digest }
      return { signature = { algorithm = algorithm, mediaType = media_type, value = ocm.hex.encode(signature) } }
    end,
    GetVerifierIdentity = function(request)
      return { identity = { type = request.config.type, signature = request.signature.name } }
    end,
    Verify = function(request, credentials)
      local signature, problem = ocm.hex.decode(request.signature.signature.value)
      if not signature then ocm.fail(400, "the signature: %s", problem) end
      local key = key_from(credentials, "publicKey")
      local fits, why = ocm.crypto.verify { key = key, algorithm = algorithm, digest = request.signature.digest, signature = signature }
      if not fits then ocm.fail(400, "signature %s: %s", request.signature.name, why) end
    end,
  },
}
