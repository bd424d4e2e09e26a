--- Keeps what a plugin was asked: record.plugin { … } is ocm.plugin { … } whose contract handlers and `start` first append a line of
-- JSON, { method, request, credentials }, to the file $RECORD/<the plugin's name>.
local ocm = require "ocm"

local file = ("%s/%s"):format(os.getenv "RECORD", arg[0]:match "[^/]+$")

local function recorded(method, handler)
  return function(request, credentials)
    local out = assert(io.open(file, "a"))
    out:write(ocm.json.encode { method = method, request = request, credentials = credentials }, "\n"):close()
    return handler(request, credentials)
  end
end

local function plugin(declaration)
  for _, capability in next, declaration do
    if type(capability) == "table" then
      for name, handler in next, capability do
        if type(handler) == "function" and not name:find " " then capability[name] = recorded(name, handler) end
      end
    end
  end
  if declaration.start then declaration.start = recorded("start", declaration.start) end
  return ocm.plugin(declaration)
end

return { plugin = plugin }
