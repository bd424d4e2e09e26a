--- ocm.log: debug, info, warn, error, each (msg, attributes). print goes here, too.
--
-- The plugin's `logger`, where there is one, gets what the script logs; a line that it logs itself, or that it fails over,
-- goes to the default.

local write = require "ocm.native.log".write

local log = {}
local logger
local inside = setmetatable({}, { __mode = "k" }) -- coroutines that are in the logger now

local function line(level, msg, attributes)
  local caller = coroutine.running()
  if logger and not inside[caller] then
    inside[caller] = true
    local _done <close> = setmetatable({}, { __close = function() inside[caller] = nil end })
    local ok, reason = pcall(logger, level, msg, attributes or {})
    if ok then return end
    write("ERROR", "the plugin's logger failed", { error = tostring(reason) })
  end
  write(level, msg, attributes)
end

for _, level in ipairs { "debug", "info", "warn", "error" } do
  log[level] = function(msg, attributes)
    if attributes ~= nil and type(attributes) ~= "table" then
      error(("ocm.log.%s: expected a table of attributes behind the message, got %s"):format(level, type(attributes)), 2)
    end
    for name in next, attributes or {} do
      if type(name) ~= "string" then error(("ocm.log.%s: attributes have names: { name = value }"):format(level), 2) end
    end
    line(level:upper(), tostring(msg), attributes)
  end
end

--- Private: what dispatch sets.
local function set_logger(f)
  logger = f
  if f then
    print = function(...) -- luacheck: ignore
      local parts = table.pack(...)
      for i = 1, parts.n do parts[i] = tostring(parts[i]) end
      line("INFO", table.concat(parts, "\t"))
    end
  end
end

return setmetatable(log, { set_logger = set_logger })
