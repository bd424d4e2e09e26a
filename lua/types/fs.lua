---@meta ocm
-- Files and folders beside `lfs`, for what that lacks or would block for: the work is done on other threads while the task sleeps (where there is
-- no task, these functions block). What fails returns nil, a message and an errno value; misuse raises.

---@class ocm
local ocm = {}

---@class ocm.fs
ocm.fs = {}

---@class ocm.FsWalkOptions
---@field links? "keep"|"follow" "keep" (default): a link is an entry. "follow": what it points to is, and a folder is walked, but none that is being walked already
---@field depth? integer levels, from 1 (only what is in the folder itself); by default all
---@field hidden? boolean default true; false leaves out names that begin with a dot, and what is in them

---@class ocm.FsEntry
---@field path string from the folder that is walked: "a/b"
---@field type "file"|"directory"|"link"|"pipe"|"socket"|"device"|"unknown" of a followed link: what it points to; "link" where that is missing
---@field size integer bytes
---@field mode integer permissions, 0 to 4095 (octal 7777)
---@field mtime number seconds since 1970
---@field target? string of a link, followed or not: what it holds
---@field error? string why the folder is not walked: "Permission denied"; "Too many levels of symbolic links" (a circle, or more than 32 links within one another). Or why nothing is known but the name (type "unknown")

--- All that is in a folder, and below: a folder before what is in it, names in the order of their bytes, whatever they are made of. Depth
--- costs no descriptors; two million names may be pending. What is made or removed meanwhile may or may not be seen. Raises when the
--- folder itself cannot be read, since an iterator has no other way to tell.
---
---     for path, entry in ocm.fs.walk(root, { hidden = false }) do
---       if entry.error then ocm.log.warn(entry.error, { path = path }) end
---       if entry.type == "file" then total = total + entry.size end
---     end
---@param dir string followed where it is a link
---@param options? ocm.FsWalkOptions
---@return fun(): string?, ocm.FsEntry? iterator path (`dir`/`entry.path`) and entry
function ocm.fs.walk(dir, options) end

--- Removes a file, a link (never what it points to), or a folder with all that is in it, however deep; a link that somebody puts into the
--- tree meanwhile leads nowhere. Ends at what cannot be removed; what was removed before is gone. `/`, and a path whose last name is
--- `.` or `..`, is refused.
---
---     assert(ocm.fs.remove_all(checkout))
---@param path string
---@return integer? count of what was removed; 0 when there was nothing
---@return string? message
---@return integer? errno
function ocm.fs.remove_all(path) end

--- Makes a folder, and those that it is in.
---
---     assert(ocm.fs.make_dirs(root .. "/blobs/sha256"))
---@param path string
---@param mode? integer of the last one: `tonumber("700", 8)`; by default, and for the others, what the umask leaves of octal 777
---@return integer? count of those that were missing
---@return string? message
---@return integer? errno
function ocm.fs.make_dirs(path, mode) end

---@class ocm.FsWriteOptions
---@field mode? integer `tonumber("600", 8)`; by default what the umask leaves of octal 666
---@field sync? boolean default false; true: when it returns, file and name are on the disk (fsync)

--- Writes a file, which then has all of the new content: written beside it (`.ocmlua-….part`), then renamed. Whoever reads sees the old
--- file or the new one, and a failure or the end of the task leaves the old one; after a failure of the machine itself that is certain only
--- with `sync`. It is a new file: owner and mode are not the old one's, and where a link stood, it takes the link's place.
---
---     assert(ocm.fs.write(root .. "/index.json", ocm.json.encode(index)))
---@param path string
---@param bytes string
---@param options? ocm.FsWriteOptions
---@return true? done
---@return string? message
---@return integer? errno
function ocm.fs.write(path, bytes, options) end

--- Reads a file whole, also one whose size is not known (/proc). Named pipes and sockets fail: they are for `ocm.pipe`.
---
---     local text = assert(ocm.fs.read("/proc/self/status"))
---@param path ocm.AnyLocation
---@param limit? integer bytes, by default 16 MiB; a larger file fails
---@return string? bytes
---@return string? message
---@return integer? errno
function ocm.fs.read(path, limit) end

return ocm
