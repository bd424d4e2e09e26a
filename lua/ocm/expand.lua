--- ocm.expand: texts with {placeholders}, filled in from an identity.
-- Identities are made of what component versions say, so anybody may have written them: a value must not lead elsewhere than to a
-- place of its own name, be an option of a program, or begin another line.

local fail = require "ocm.fail".fail
local encode = require "ocm.json".encode

local function fits(name, value)
  if value:find "^%-" or value:find "%c" then return false end
  return (name == "path" or not value:find "/") and not ("/" .. value .. "/"):find "/%.?%.?/"
end

return {
  expand = function(template, identity)
    return (template:gsub("{([%w_.-]+)}", function(name)
      local value = identity[name]
      if type(value) ~= "string" or value == "" then fail(400, "%q: the consumer's identity has no %s: %s", template, name, encode(identity)) end
      if not fits(name, value) then fail(400, "%q: the consumer's %s is %q, which is no plain name", template, name, value) end
      return value
    end))
  end,
}
