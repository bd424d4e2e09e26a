--- What scripts get from `require "ocm"`. Every function is documented in lua/types.

local ocm = {
  plugin = require "ocm.plugin".declare,
  json = require "ocm.json",
}

--- All else is loaded at its first use, which `capabilities` seldom is: name -> module that has a field of that name, or is it (then: "=module").
local lazy = {
  schema = "=ocm.schema", fail = "ocm.fail", try = "ocm.fail", log = "=ocm.log", secret = "ocm.native.log",
  tempfile = "ocm.native.file", tempdir = "ocm.tempdir",
  sleep = "ocm.native.task", parallel = "ocm.native.task", work = "ocm.native.task",
  base64 = "ocm.native.text", hex = "ocm.native.text",
  pipe = "ocm.pipe", copy = "ocm.pipe", digest_of = "ocm.pipe", blob_digest = "ocm.pipe",
  bytes = "ocm.pipe", null = "ocm.pipe", string = "ocm.pipe",
  digest = "ocm.pipe", limit = "ocm.pipe", tee = "ocm.pipe", map = "ocm.pipe", lines = "ocm.pipe",
  exec = "ocm.exec", command = "ocm.exec",
  fs = "=ocm.fs",
  http = "=ocm.http",
  identity_of = "ocm.identity", expand = "ocm.expand",
  gzip = "ocm.codec", gunzip = "ocm.codec", zstd = "ocm.codec", unzstd = "ocm.codec", xz = "ocm.codec", unxz = "ocm.codec",
  bzip2 = "ocm.codec", bunzip2 = "ocm.codec", decompress = "ocm.codec",
  tar = "ocm.archive", untar = "ocm.archive", unzip = "ocm.archive", zip = "ocm.archive",
  crypto = "=ocm.crypto",
  descriptor = "=ocm.descriptor",
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
