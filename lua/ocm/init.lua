--- What scripts get from `require "ocm"`. Every function is documented in lua/types.

local file = require "ocm.native.file"
local task = require "ocm.native.task"
local text = require "ocm.native.text"

local ocm = {
  plugin = require "ocm.plugin".declare,
  schema = require "ocm.schema",
  fail = require "ocm.fail".fail,
  log = require "ocm.log",
  json = require "ocm.json",

  tempfile = file.tempfile,

  sleep = task.sleep,
  parallel = task.parallel,
  work = task.work,

  base64 = text.base64,
  hex = text.hex,
}

--- What only some plugins need is loaded at its first use: name -> module that has a field of that name, or is it (then: "=module").
local lazy = {
  pipe = "ocm.pipe", copy = "ocm.pipe", digest_of = "ocm.pipe", blob_digest = "ocm.pipe",
  bytes = "ocm.pipe", null = "ocm.pipe", string = "ocm.pipe",
  digest = "ocm.pipe", limit = "ocm.pipe", tee = "ocm.pipe", map = "ocm.pipe", lines = "ocm.pipe",
  exec = "ocm.exec", command = "ocm.exec",
  fs = "=ocm.fs",
  http = "=ocm.http",
  crypto = "=ocm.crypto",
}

return setmetatable(ocm, {
  lazy = lazy,
  __index = function(_, name)
    local module = lazy[name]
    if not module then return nil end
    local value = module:sub(1, 1) == "=" and require(module:sub(2)) or require(module)[name]
    rawset(ocm, name, value)
    return value
  end,
  __pairs = function()
    for name in next, lazy do local _ = ocm[name] end
    return next, ocm
  end,
})
