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
  if not logger or inside[caller] then return write(level, msg, attributes) end
  inside[caller] = true
  local _done <close> = setmetatable({}, { __close = function() inside[caller] = nil end })
  local ok, reason = pcall(logger, level, msg, attributes or {})
  if ok then return end
  write("ERROR", "the plugin's logger failed", { error = tostring(reason) })
  write(level, msg, attributes)
end

for _, level in ipairs { "debug", "info", "warn", "error" } do
  local wire_level = level:upper()
  log[level] = function(msg, attributes) write(wire_level, msg, attributes, logger and line) end
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
