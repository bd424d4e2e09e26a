--- Stages that compress and decompress: work/codec.c does it, vm/lib_codec.c knows the levels.

local constructor = require "ocm.part".constructor

local codec = {}

for _, name in ipairs { "gzip", "zstd", "xz", "bzip2" } do
  codec[name] = constructor { name = name, first = "level", options = { level = "integer?" } }
end

for _, name in ipairs { "gunzip", "unzstd", "unxz", "bunzip2", "decompress" } do
  codec[name] = constructor { name = name }
end

return codec
