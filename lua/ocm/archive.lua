--- Archives as parts of a pipe: a directory as tar or zip, and sinks that extract (work/tar.c, work/unpack.c).

local constructor = require "ocm.part".constructor

local archive = {}

archive.tar = constructor {
  name = "tar", first = "directory", positional = true,
  options = {
    directory = "string", include = "table?", exclude = "table?", globs = "string?", links = "string?", root = "boolean?", preserveDir = "boolean?",
    permissions = "string?",
  },
}

archive.zip = constructor {
  name = "zip", first = "directory", positional = true,
  options = {
    directory = "string", include = "table?", exclude = "table?", globs = "string?", links = "string?", preserveDir = "boolean?", permissions = "string?",
    level = "integer?",
  },
}

local unpack = {
  directory = "string", overwrite = "boolean?", links = "boolean?", permissions = "string?", strip = "integer?", files = "integer?", bytes = "integer?",
}

archive.untar = constructor { name = "untar", first = "directory", positional = true, options = unpack }
archive.unzip = constructor { name = "unzip", first = "directory", positional = true, options = unpack }

return archive
