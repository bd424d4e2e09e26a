--- The plugin protocol's nine contracts, as data. Dispatch, checks, declarations, documentation and tests read this table.
--
-- A capability: `name` as on the wire; `lists`: which of the declaration's fields fills which list of its capability document;
-- `methods`: its endpoints. A method: `name` as scripts declare it; `http` and `path`; `credentials`: whether it reads
-- Authorization; `request`: the fields of its body, or `query`: those of its query; `spec`: the request's field that
-- holds the typed spec, by whose type capabilities that share a path are told apart; `remember`: that spec is given to later
-- requests that do not carry it, those with the same as `recall`; `unchecked`: the resource's field whose spec the manager sends
-- without a look at its type's schema; `answer`: its shape, "nothing" (200, empty) or "done" (200, `{}`);
-- `default`: what is answered when the script leaves it out, or its handler returns nothing
-- (a method without one: 501, 500); `mediaType`: of the answer's location when it has none, where the manager insists.
-- Shapes are those of ocm.shape. This file is loaded by every `capabilities`, so it holds nothing else.

--- What is remembered for requests that do not say which spec they mean: their field for the one that was seen, and the one for all.
local repository = { one = "repository", all = "repositories" }
local credential = { one = "credential", all = "credentialSpecs" }

--- POST /identity, which most capabilities have.
local function get_identity(remember)
  return { name = "GetIdentity", http = "POST", path = "/identity", request = { type = "Spec" }, spec = "type", remember = remember,
    answer = "IdentityAnswer", default = {} }
end

local capabilities = {
  {
    name = "componentVersionRepository",
    lists = { types = "supportedRepositorySpecTypes" },
    methods = {
      { name = "GetComponentVersion", http = "GET", path = "/component-version/download", credentials = true, recall = repository,
        query = { name = "string", version = "string" }, answer = "Descriptor" },
      { name = "ListComponentVersions", http = "GET", path = "/component-versions", credentials = true, recall = repository,
        query = { name = "string" }, answer = "[string]" },
      { name = "GetLocalResource", http = "GET", path = "/local-resource/download", credentials = true, recall = repository,
        query = { name = "string", version = "string", identity = "EncodedIdentity?" }, answer = "LocalResource" },
      { name = "GetLocalSource", http = "GET", path = "/local-source/download", credentials = true, recall = repository,
        query = { name = "string", version = "string", identity = "EncodedIdentity?" }, answer = "LocalSource" },
      { name = "AddComponentVersion", http = "POST", path = "/component-version/upload", credentials = true,
        request = { repository = "Spec", descriptor = "object" }, spec = "repository", remember = repository, answer = "nothing" },
      { name = "AddLocalResource", http = "POST", path = "/local-resource/upload", credentials = true,
        request = { repository = "Spec", name = "string", version = "string", resourceLocation = "object", resource = "object" },
        spec = "repository", remember = repository, answer = "Resource" },
      { name = "AddLocalSource", http = "POST", path = "/local-source/upload", credentials = true,
        request = { repository = "Spec", name = "string", version = "string", sourceLocation = "object", source = "object" },
        spec = "repository", remember = repository, answer = "Source" },
      { name = "CheckHealth", http = "POST", path = "/component-version/check-health", credentials = true,
        request = { repository = "Spec" }, spec = "repository", remember = repository, answer = "nothing", default = true },
      get_identity(repository),
    },
  },
  {
    name = "componentLister",
    lists = { types = "supportedRepositorySpecTypes" },
    methods = {
      { name = "ListComponents", http = "POST", path = "/components/list", credentials = true,
        request = { repository = "Spec", last = "string?" }, spec = "repository", answer = "Components" },
      get_identity(),
    },
  },
  {
    name = "credentialRepository",
    lists = {
      types = "supportedCredentialRepositorySpecTypes",
      identityTypes = "supportedConsumerIdentityTypes",
      credentialTypes = "customCredentialTypes",
    },
    methods = {
      { name = "ConsumerIdentityForConfig", http = "POST", path = "/consumer-identity", request = { config = "Spec" }, spec = "config",
        answer = "Identity" },
      { name = "Resolve", http = "POST", path = "/resolve", credentials = true, request = { config = "Spec", identity = "Identity" },
        spec = "config", answer = "Spec" },
    },
  },
  {
    name = "credentialPlugin",
    lists = { types = "supportedCredentialPluginTypes" },
    methods = {
      { name = "GetConsumerIdentity", http = "POST", path = "/consumer-identity", request = { credential = "Spec" }, spec = "credential",
        remember = credential, answer = "Identity" },
      { name = "Resolve", http = "POST", path = "/resolve", credentials = true, request = { identity = "Identity" }, recall = credential,
        answer = "Spec" },
    },
  },
  {
    name = "digestProcessorRepository",
    lists = { types = "supportedAccessTypes" },
    methods = {
      { name = "ProcessResourceDigest", http = "POST", path = "/resource/digest/process", credentials = true,
        request = { resource = "object" }, unchecked = "access", answer = "DigestAnswer" },
      get_identity(),
    },
  },
  {
    name = "inputRepository",
    lists = { types = "supportedInputTypes" },
    methods = {
      { name = "ProcessResource", http = "POST", path = "/resource/process", credentials = true, request = { resource = "object" },
        answer = "LocalResource" },
      { name = "ProcessSource", http = "POST", path = "/source/process", credentials = true, request = { source = "object" },
        answer = "LocalSource", mediaType = "application/octet-stream" },
      get_identity(),
    },
  },
  {
    name = "resourceRepository",
    lists = { types = "supportedAccessTypes" },
    methods = {
      { name = "GetGlobalResource", http = "POST", path = "/resource/get", credentials = true, request = { resource = "object" },
        answer = "LocationAnswer" },
      { name = "AddGlobalResource", http = "POST", path = "/resource/add", credentials = true,
        request = { resourceLocation = "object", resource = "object" }, answer = "ResourceAnswer" },
      get_identity(),
    },
  },
  {
    name = "blobTransformer",
    lists = { types = "supportedTransformerSpecTypes" },
    methods = {
      { name = "TransformBlob", http = "POST", path = "/blob/transform", credentials = true,
        request = { location = "object", specification = "Spec" }, spec = "specification", answer = "LocationAnswer" },
      get_identity(),
    },
  },
  {
    name = "signingHandler",
    lists = { types = "supportedSigningSpecTypes" },
    methods = {
      { name = "GetSignerIdentity", http = "POST", path = "/sign/identity", request = { digest = "object", config = "Spec", name = "string?" },
        spec = "config", answer = "IdentityAnswer" },
      { name = "Sign", http = "POST", path = "/sign", credentials = true, request = { digest = "object", config = "Spec" }, spec = "config",
        answer = "SignatureAnswer" },
      { name = "GetVerifierIdentity", http = "POST", path = "/verify/identity", request = { signature = "object", config = "Spec" },
        spec = "config", answer = "IdentityAnswer" },
      { name = "Verify", http = "POST", path = "/verify", credentials = true, request = { signature = "object", config = "Spec" },
        spec = "config", answer = "done" },
    },
  },
}

return capabilities
