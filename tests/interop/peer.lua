--- The Go SDK's own test plugin as a script, for test_go_plugin.py: the same capability, the same answers to the same requests.
local ocm = require "ocm"
local null <const> = ocm.json.null

local descriptor = {
  meta = { schemaVersion = "" },
  component = {
    name = "test-component", version = "1.0.0", provider = "ocm.software",
    repositoryContexts = null, sources = null, componentReferences = null,
    resources = {
      {
        name = "test-resource", version = "1.0.0", type = "ociImage", relation = "local",
        access = { type = "ociArtifact", imageReference = "test/image:1.0" },
        digest = { hashAlgorithm = "SHA-256", normalisationAlgorithm = "OciArtifactDigest", value = "abcdef1234567890" },
      },
    },
  },
}

return ocm.plugin {
  configTypes = { "custom.config/v1" },

  componentVersionRepository = {
    types = { ["DummyRepository/v1"] = { schema = ocm.schema { baseUrl = "string" } } },

    GetIdentity = function() return nil end,
    GetComponentVersion = function() return descriptor end,
    ListComponentVersions = function() return { "v0.0.1", "v0.0.2" } end,
    GetLocalResource = function(request)
      local access = { access = "v1", type = request.name ~= "untyped" and "test-access/v1" or nil }
      return {
        location = ocm.tempfile():write "test-resource",
        resource = {
          name = "test-resource", version = "v0.0.1", type = "resource-type", relation = "local", access = access,
          digest = { hashAlgorithm = "SHA-256", normalisationAlgorithm = "jsonNormalisation/v1", value = "test-value" },
        },
      }
    end,
    GetLocalSource = function()
      return {
        location = ocm.tempfile():write "test-source",
        source = { name = "test-source", version = "v0.0.1", type = "source-type", access = { type = "test-access/v1" } },
      }
    end,
    AddComponentVersion = function() end,
    AddLocalResource = function(request) return request.resource end,
    AddLocalSource = function(request) return request.source end,
  },
}
