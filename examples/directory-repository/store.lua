--- The files of a repository: descriptors and blobs below a directory.
--
--   <directory>/components/acme.org%2Fdemo/1.0.0.json   a component descriptor
--   <directory>/blobs/sha256.<hexadecimal>              a blob, under its own digest
--
-- A file appears whole or not at all, and a blob never changes, so any number of processes can work here at once.

local lfs = require "lfs"
local ocm = require "ocm"

local store = {}

local no_such_file <const> = 2 -- ENOENT

local function is_directory(path) return lfs.attributes(path, "mode") == "directory" end

local function below(directory, path)
  if directory:find "\0" then ocm.fail(400, "%q: a path cannot hold a NUL byte", directory) end
  return directory .. "/" .. path
end

--- Makes a directory, which others may be making at the same time.
local function make(path)
  local made, reason = lfs.mkdir(path)
  if not made and not is_directory(path) then ocm.fail("%s: %s", path, reason) end
  return path
end

--- A component's name, or a version, as the name of a file: what comes in never is a path. Names that begin with a dot are not
-- taken, so that hidden files are not ours.
local function encode(what, name)
  for part in (name .. "/"):gmatch "([^/]*)/" do
    if part == "" or part:find "^%." or part:find "%c" then ocm.fail(400, "%q cannot be the %s", name, what) end
  end
  return (name:gsub("[^%w%._+-]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local function decode(file)
  return (file:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

--- What the files of a directory stand for, sorted; nothing when there is no directory.
local function names(directory, pattern)
  local found = {}
  if not is_directory(directory) then return found end
  for file in lfs.dir(directory) do
    local name = file:match(pattern)
    if name then found[#found + 1] = decode(name) end
  end
  table.sort(found)
  return found
end

local function component_directory(directory, component)
  return below(directory, "components/" .. encode("name of a component", component))
end

local function descriptor_file(directory, component, version)
  return ("%s/%s.json"):format(component_directory(directory, component), encode("version of a component", version))
end

function store.is_there(directory) return is_directory(below(directory, ".")) end

--- Fails where there is no directory: a path with a slip in it should not become a new repository.
function store.check(directory)
  if not store.is_there(directory) then ocm.fail(404, "%q: there is no such directory", directory) end
end

function store.components(directory) return names(below(directory, "components"), "^([^.].*)$") end
function store.versions(directory, component) return names(component_directory(directory, component), "^([^.].*)%.json$") end

--- The text of a descriptor, or nil.
function store.descriptor(directory, component, version)
  local file <close>, reason, code = io.open(descriptor_file(directory, component, version), "rb")
  if file then return file:read "a" end
  if code ~= no_such_file then ocm.fail(reason) end
end

function store.add_descriptor(directory, component, version, text)
  local file = descriptor_file(directory, component, version)
  make(below(directory, "components"))
  make(component_directory(directory, component))
  ocm.copy(ocm.tempfile():write(text), file)
end

--- The file of a blob, or nil.
function store.blob(directory, digest)
  local digits = tostring(digest):match "^sha256:(%x+)$"
  local file = digits and below(directory, "blobs/sha256." .. digits)
  return file and lfs.attributes(file) and file
end

--- Takes in the bytes of a Location, and returns their digest. They get their name when they are all there.
function store.add_blob(directory, location)
  local blobs = make(below(directory, "blobs"))
  local incoming = ("%s/.incoming.%016x"):format(blobs, math.random(0))
  local digest = ocm.copy(location, incoming).digests[1]
  assert(os.rename(incoming, blobs .. "/" .. digest:gsub(":", ".")))
  return digest
end

return store
