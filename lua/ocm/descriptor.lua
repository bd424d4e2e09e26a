--- ocm.descriptor: what is looked for in component descriptors (version 2).

local encode = require "ocm.json".encode
local fail = require "ocm.fail".fail
local null = require "ocm.json".null

local descriptor = {}

--- What may be absent or null, as a table.
local function some(value) return value ~= null and value or {} end

--- Whether an element has all that the identity says, and whether that is all there is to it.
local function matches(element, identity)
  local own = { name = element.name, version = element.version }
  for key, value in pairs(some(element.extraIdentity)) do own[key] = value end
  for key, value in pairs(identity) do
    if own[key] ~= value then return false end
    own[key] = nil
  end
  return true, next(own) == nil
end

function descriptor.find(whole, kind, identity)
  local component, found = whole.component, {}
  identity = some(identity)
  for _, element in ipairs(some(component[kind .. "s"])) do
    local fits, exactly = matches(element, identity)
    if exactly then return element end
    if fits then found[#found + 1] = element end
  end
  if #found == 1 then return found[1] end
  local what = encode(identity)
  if #found == 0 then fail(404, "%s %s has no %s with identity %s", component.name, component.version, kind, what) end
  return fail(400, "%s %s has %d %ss with identity %s: say more of it", component.name, component.version, #found, kind, what)
end

function descriptor.is_local_blob(access)
  return type(access) == "table" and type(access.type) == "string" and access.type:lower():find "^localblob%f[/\0]" ~= nil
end

return descriptor
