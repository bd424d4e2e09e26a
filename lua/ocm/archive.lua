--- Archives as parts of a pipe: a directory as tar, and sinks that extract (work/tar.c, work/unpack.c).

local constructor = require "ocm.part".constructor

local archive = {}

archive.tar = constructor {
  name = "tar", first = "directory", positional = true,
  options = {
    directory = "string", include = "table?", exclude = "table?", globs = "string?", links = "string?", root = "boolean?", preserveDir = "boolean?",
    permissions = "string?",
  },
}

archive.untar = constructor {
  name = "untar", first = "directory", positional = true,
  options = { directory = "string", overwrite = "boolean?", links = "boolean?", strip = "integer?", files = "integer?", bytes = "integer?" },
}

archive.unzip = constructor {
  name = "unzip", first = "directory", positional = true,
  options = { directory = "string", overwrite = "boolean?", strip = "integer?", files = "integer?", bytes = "integer?" },
}

return archive
