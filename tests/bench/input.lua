-- The input plugin that `ocm add cv` is timed with: like its peer on the Go SDK it answers with an empty blob.
local ocm = require "ocm"

return ocm.plugin {
  inputRepository = {
    types = { ["DummyRepository/v1"] = { schema = ocm.schema { baseUrl = "string" } } },

    ProcessResource = function()
      return {
        resource = { name = "test-resource", version = "v0.0.1", type = "type", relation = "local", access = ocm.json.null },
        location = ocm.tempfile(),
      }
    end,

    ProcessSource = function()
      return {
        source = { name = "test-source", version = "v0.0.1", type = "type", access = ocm.json.null },
        location = ocm.tempfile(),
      }
    end,
  },
}
