--- A temporary folder: its path, which nothing is at yet, and a value for `<close>` that removes what is there then.

local ocm = require "ocm"

return function()
  local path = ocm.tempfile():path() .. ".d"
  return path, setmetatable({}, { __close = function() ocm.fs.remove_all(path) end })
end
