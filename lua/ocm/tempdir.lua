--- ocm.tempdir: a directory beside the temporary files. It goes, with all that is in it, at the end of the block that it is made for.

local make = require "ocm.native.file".tempdir
local remove_all = require "ocm.native.fs".remove_all

local directory = {}
directory.__index = directory
directory.__name = "ocm.tempdir"

function directory:path(name) return name and self.root .. "/" .. name or self.root end

function directory:close()
  assert(remove_all(self.root, true))
  return true
end

directory.__close = directory.close
function directory:__tostring() return "tempdir (" .. self.root .. ")" end

return {
  tempdir = function()
    local root, problem = make()
    if not root then error(problem, 2) end
    return setmetatable({ root = root }, directory)
  end,
}
