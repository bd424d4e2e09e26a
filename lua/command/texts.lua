--- Files that are embedded for commands: texts(prefix) -> { name = text, … } of those whose names begin so ("lua/types/").

local packed = require "ocm.native.command".texts

return function(prefix)
  local ocm, texts = require "ocm", {}
  for name, bytes in pairs(packed(prefix)) do texts[name] = ocm.pipe(ocm.bytes(bytes), ocm.gunzip(), ocm.string()).string end
  return texts
end
