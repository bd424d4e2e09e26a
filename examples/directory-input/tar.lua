--- A directory as a tar archive: the same content gives the same bytes, whoever has it, wherever and whenever.
--
-- POSIX ustar, with pax records for what does not fit it (paths beyond 100 bytes or ASCII, files beyond 8 GiB). Entries are
-- sorted; owners and times are left out; of the permissions, "executable" is kept. Symbolic links stay links.

local lfs = require "lfs"
local ocm = require "ocm"

local tar = {}

local block_bytes <const>, chunk_bytes <const> = 512, 256 * 1024
local most_name <const>, most_size <const> = 100, (1 << 33) - 1
local plain <const>, executable <const>, open <const> = "0000644", "0000755", "0000777"
local flags = { file = "0", link = "2", directory = "5", pax = "x" }

local function padding(size) return ("\0"):rep(-size % block_bytes) end

--- ---- one entry: { kind =, name =, mode =, size =, target = (of a link), path = (where it is) } ----

local function header(entry)
  local name, target = entry.name:sub(1, most_name), entry.target:sub(1, most_name)
  local size = ("%011o"):format(entry.size & most_size)
  local front = string.pack("c100 c8 c8 c8 c12 c12", name, entry.mode, "0000000", "0000000", size, "00000000000")
  local back = string.pack("c1 c100 c6 c2 c32 c32 c8 c8 c167", flags[entry.kind], target, "ustar", "00", "", "", "0000000", "0000000", "")
  local bytes, sum = front .. (" "):rep(8) .. back, 0
  for i = 1, #bytes do sum = sum + bytes:byte(i) end
  return front .. ("%06o\0 "):format(sum) .. back
end

--- "<length> <key>=<value>\n"; the length counts its own digits, too.
local function pax_record(key, value)
  local rest = (" %s=%s\n"):format(key, value)
  local length = #rest
  while length ~= #rest + #tostring(length) do length = #rest + #tostring(length) end
  return length .. rest
end

--- What the header has no room for.
local function pax_records(entry)
  local records = {}
  for _, field in ipairs { { "linkpath", entry.target }, { "path", entry.name } } do
    local key, text = table.unpack(field)
    if #text > most_name or text:find "[\x80-\xFF]" then records[#records + 1] = pax_record(key, text) end
  end
  if entry.size > most_size then records[#records + 1] = pax_record("size", entry.size) end
  return table.concat(records)
end

local function write_content(out, entry)
  local file <close> = assert(io.open(entry.path, "rb"))
  local left = entry.size
  while left > 0 do
    local chunk = file:read(math.min(left, chunk_bytes))
    if not chunk then break end
    out:write(chunk)
    left = left - #chunk
  end
  if left > 0 or file:read(1) then ocm.fail("%s changed while it was read", entry.path) end
  out:write(padding(entry.size))
end

local function write_entry(out, entry)
  if not flags[entry.kind] then ocm.fail(400, "%s: a %s has no place in an archive, exclude it", entry.path, entry.kind) end
  local records = pax_records(entry)
  if records ~= "" then
    out:write(header { kind = "pax", name = "pax", mode = plain, size = #records, target = "" }, records, padding(#records))
  end
  out:write(header(entry))
  if entry.kind == "file" then write_content(out, entry) end
end

--- ---- the directory ----

local function entry_of(path, name)
  local found = assert(lfs.symlinkattributes(path))
  local entry = { kind = found.mode, name = name, mode = plain, size = 0, target = "", path = path }
  if found.mode == "directory" then
    entry.name, entry.mode = name .. "/", executable
  elseif found.mode == "link" then
    entry.target, entry.mode = found.target, open
  elseif found.mode == "file" then
    entry.size = found.size
    if found.permissions:sub(3, 3) == "x" then entry.mode = executable end
  end
  return entry
end

local function sorted_names(directory)
  local names = {}
  for name in lfs.dir(directory) do
    if name ~= "." and name ~= ".." then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

--- Writes what is below `root` to `out`, anything with a method write(bytes, …). `include` and `exclude`: functions
-- (path below root) -> boolean, or nil. Directories that are excluded are not looked into.
function tar.write(out, root, include, exclude)
  local function walk(prefix)
    for _, name in ipairs(sorted_names(root .. "/" .. prefix)) do
      local below = prefix .. name
      if not (exclude and exclude(below)) then
        local entry = entry_of(root .. "/" .. below, below)
        if not include or include(below) then write_entry(out, entry) end
        if entry.kind == "directory" then walk(entry.name) end
      end
    end
  end
  walk ""
  out:write(("\0"):rep(2 * block_bytes))
end

return tar
