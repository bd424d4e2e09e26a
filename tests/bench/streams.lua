--- The plugin that tests/bench/streams measures: it runs the Lua that it is sent.
local ocm = require "ocm"

return ocm.plugin {
  inputRepository = {
    types = { ["Bench/v1"] = { schema = ocm.schema {} } },
    ProcessResource = function() ocm.fail("not measured") end,
  },
  handlers = {
    ["POST /run"] = function(request)
      local result = assert(load(request.body, "=run", "t", setmetatable({ ocm = ocm }, { __index = _G })))()
      return { status = 200, body = ocm.json.encode(result or {}) }
    end,
  },
}
