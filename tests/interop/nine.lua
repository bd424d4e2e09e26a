#!/usr/bin/env ocmlua
--- Every method of every contract, for test_manager.py. The file's name says what is declared: a capability's name, that
-- capability; missing-NAME, the capability without handlers; everything, all nine in one plugin.
--
-- The spec type of a capability is NAME/v1, with the alias NAME. What a handler does is said by the spec's `mode`, for GETs
-- by the end of the component's name: ok, fail, error, nothing, wrong; `meet`: wait until all 16 such requests are here.
local ocm, record = require "ocm", require "record"

local mine = arg[0]:match "[^/]+$"

local function read(location)
  local file <close> = assert(io.open(location.value))
  return file:read "a"
end

local function blob(text) return { value = ocm.tempfile():write(text), mediaType = "text/plain" } end

local function resource(name) return { name = name, version = "1.0.0", type = "blob", relation = "local", access = { type = "Stored/v1" } } end

local function source(name) return { name = name, version = "1.0.0", type = "git", access = { type = "Stored/v1" } } end

--- Who was asked for it, and for what.
local function identity(name)
  return function(request) return { identity = { type = "Shop/v1", by = name, of = (request.type or request.config).type } } end
end

local function credentials(name)
  return function(request) return { type = "Credentials/v1", properties = { by = name, username = request.identity.hostname } } end
end

--- Takes in what it is given.
local function stored(element, location)
  element.access = { type = "Stored/v1", content = read(location) }
  return element
end

local versions = {} -- descriptors that were added, by name

local answers = {
  componentVersionRepository = {
    GetComponentVersion = function(request)
      if versions[request.name] then return versions[request.name] end
      return { meta = { schemaVersion = "v2" }, component = { name = request.name, version = request.version, provider = "acme" } }
    end,
    ListComponentVersions = function(request) return request.name == "acme.org/none" and {} or { "1.0.0", "2.0.0" } end,
    GetLocalResource = function(request)
      return { resource = resource(request.identity and request.identity.name or "none"), location = blob "a resource" }
    end,
    GetLocalSource = function(request)
      return { source = source(request.identity and request.identity.name or "none"), location = blob "a source" }
    end,
    AddComponentVersion = function(request) versions[request.descriptor.component.name] = request.descriptor end,
    AddLocalResource = function(request) return stored(request.resource, request.resourceLocation) end,
    AddLocalSource = function(request) return stored(request.source, request.sourceLocation) end,
    CheckHealth = function() end,
    GetIdentity = identity "componentVersionRepository",
  },
  componentLister = {
    ListComponents = function(request)
      if request.repository.empty then return { list = {} } end
      if request.last == "" then return { list = { "acme.org/a", "acme.org/b" }, header = { last = "acme.org/b" } } end
      return { list = { "after " .. request.last } }
    end,
    GetIdentity = identity "componentLister",
  },
  credentialRepository = {
    ConsumerIdentityForConfig = function(request) return { type = "Vault/v1", path = request.config.path } end,
    Resolve = credentials "credentialRepository",
  },
  credentialPlugin = {
    GetConsumerIdentity = function(request) return { type = "credentialPlugin/v1", path = request.credential.path } end,
    Resolve = credentials "credentialPlugin",
  },
  digestProcessorRepository = {
    ProcessResourceDigest = function(request)
      request.resource.digest = { hashAlgorithm = "SHA-256", normalisationAlgorithm = "genericBlobDigest/v1", value = "abc" }
      return { resource = request.resource }
    end,
    GetIdentity = identity "digestProcessorRepository",
  },
  inputRepository = {
    ProcessResource = function(request) return { resource = resource(request.resource.name), location = blob "an input" } end,
    ProcessSource = function(request) return { source = source(request.source.name), location = blob "an input" } end,
    GetIdentity = identity "inputRepository",
  },
  resourceRepository = {
    GetGlobalResource = function() return { location = blob "far away" } end,
    AddGlobalResource = function(request) return { resource = stored(request.resource, request.resourceLocation) } end,
    GetIdentity = identity "resourceRepository",
  },
  blobTransformer = {
    TransformBlob = function(request) return { location = blob(read(request.location):upper()) } end,
    GetIdentity = identity "blobTransformer",
  },
  signingHandler = {
    GetSignerIdentity = identity "signingHandler",
    Sign = function(request) return { signature = { algorithm = "plain", value = request.digest.value, mediaType = "text/plain" } } end,
    GetVerifierIdentity = identity "signingHandler",
    Verify = function() end,
  },
}

local function mode(request)
  if request.repositories then return request.name:match "[^/]+$" end
  if request.credentialSpecs then return request.identity.mode end
  local element = request.resource or request.source or {}
  local spec = request.repository or request.type or request.config or request.credential or request.specification or element.input or element.access
  return (spec or request.identity).mode
end

local meeting = 0

local modes = {
  fail = function(method) ocm.fail(418, "%s refused", method) end,
  error = function(method) error(method .. " broke", 0) end,
  nothing = function() return nil end,
  wrong = function() return 42 end,
}

local function handler(method, answer)
  return function(request)
    local how = mode(request)
    if modes[how] then return modes[how](method) end
    if how == "meet" then
      meeting = meeting + 1
      while meeting < 16 do ocm.sleep(0.005) end
    end
    return answer(request)
  end
end

local declaration = { configTypes = mine == "everything" and { "custom.config/v1" } or nil, start = function() end }
for name, methods in next, answers do
  if mine == name or mine == "everything" or mine == "missing-" .. name then
    local capability = { types = { [name .. "/v1"] = { aliases = { name } } } }
    if name == "credentialRepository" then
      capability.identityTypes = { ["Consumer/v1"] = { aliases = { "Consumer" } }, ["*"] = {} }
      capability.credentialTypes = { ["Token/v1"] = { aliases = { "Token" } } }
    end
    for method, answer in next, mine:find "^missing" and {} or methods do capability[method] = handler(method, answer) end
    declaration[name] = capability
  end
end
return record.plugin(declaration)
