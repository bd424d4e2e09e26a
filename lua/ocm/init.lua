--- What scripts get from `require "ocm"`. Every function is documented in lua/types/ocm.lua.

local file = require "ocm.native.file"
local task = require "ocm.native.task"
local text = require "ocm.native.text"

return {
  plugin = require "ocm.plugin".declare,
  schema = require "ocm.schema",
  fail = require "ocm.fail".fail,
  log = require "ocm.log",
  json = require "ocm.json",

  tempfile = file.tempfile,
  copy = file.copy,

  sleep = task.sleep,
  parallel = task.parallel,
  work = task.work,

  base64 = text.base64,
  hex = text.hex,
}
