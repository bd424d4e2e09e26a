---@meta ocm
-- What is looked for in component descriptors (version 2), by a repository that answers with parts of them.

---@class ocm
local ocm = {}

---@class ocm.descriptor
ocm.descriptor = {}

--- The one resource or source that an identity means: it has every attribute that the identity says, of its name, version and extraIdentity.
--- One that the identity describes in full goes before those that have more to them; no identity fits all. Where there is none, the request
--- ends with 404, where there are several, with 400, and a text that says which identity was looked for.
---
---     local resource = ocm.descriptor.find(descriptor, "resource", request.identity)
---@param descriptor ocm.Descriptor
---@param kind "resource"|"source"
---@param identity? ocm.Identity nil or null: none
---@return ocm.Resource|ocm.Source element
function ocm.descriptor.find(descriptor, kind, identity) end

--- Whether an access means a blob that is kept with the component version: `localBlob` or `LocalBlob`, with or without a version.
---
---     if not ocm.descriptor.is_local_blob(resource.access) then ocm.fail(404, "%s is not in this repository", resource.name) end
---@param access? ocm.Spec
---@return boolean
function ocm.descriptor.is_local_blob(access) end

return ocm
