-- The test plugin of the Go SDK, as a script: the same capability, the same answers, the same log lines, so that both
-- do comparable work for the same requests.
local ocm = require "ocm"
local null = ocm.json.null

return ocm.plugin {
  configTypes = { "custom.config/v1" },

  componentVersionRepository = {
    types = { ["DummyRepository/v1"] = { schema = ocm.schema { baseUrl = "string" } } },

    GetIdentity = function(request)
      ocm.log.debug("GetIdentity", { url = request.type.baseUrl })
    end,

    AddComponentVersion = function(request)
      ocm.log.debug("AddComponentVersion", { name = request.descriptor.component.name })
    end,

    GetComponentVersion = function()
      return {
        meta = { schemaVersion = "" },
        component = {
          name = "test-component",
          version = "1.0.0",
          repositoryContexts = null,
          provider = "ocm.software",
          resources = {
            {
              name = "test-resource",
              version = "1.0.0",
              type = "ociImage",
              relation = "local",
              access = { type = "ociArtifact", imageReference = "test/image:1.0" },
              digest = {
                hashAlgorithm = "SHA-256",
                normalisationAlgorithm = "OciArtifactDigest",
                value = "abcdef1234567890",
              },
            },
          },
          sources = null,
          componentReferences = null,
        },
      }
    end,
  },
}
