---@meta ocm
-- Archives as parts of a pipe: a directory as tar or zip, and sinks that extract. All but `ocm.tar` load libarchive13 at their first use.

---@class ocm
local ocm = {}

---@class ocm.PackOptions
---@field include? string[] only what one of these globs matches; directories that none matches are looked into all the same
---@field exclude? string[] not what one of these matches, and nothing in such a directory; it wins over `include`
---@field globs? "path"|"deep" "path", the default: as OCM's `dir` input, a glob has to match the whole path (`*`, `?`, `[a-z]`, `[^a-z]`, `\`; none crosses a slash). "deep": `**` crosses slashes, a glob without a slash stands for a name at any depth, and a directory that matches for everything in it
---@field links? "keep"|"follow"|"refuse" symbolic links stay links (the default), are replaced by what they lead to (also outside of the directory), or are an error
---@field preserveDir? boolean names begin with the directory's own; so do the paths that globs are matched with
---@field permissions? "keep"|"executable" the permission bits as they are (the default), or 0755 for what its owner may execute and directories, 0644 for the rest

---@class ocm.TarOptions: ocm.PackOptions
---@field root? boolean an entry "./" for the directory itself; by default true

--- A source: a directory as a tar archive. Entries are sorted, owners and times left out, so the same content gives the same bytes; without options
--- they are those of OCM's `dir` input with `reproducible: true`. Sockets, named pipes and devices are errors unless they are excluded, and so is
--- a file that changes its size while it is read.
---
---     ocm.pipe(ocm.tar("site", { exclude = { "*.bak" } }), ocm.gzip(), ocm.digest(), blob)
---@param directory string
---@param options? ocm.TarOptions
---@return ocm.Part
function ocm.tar(directory, options) end

---@class ocm.ZipOptions: ocm.PackOptions
---@field level? integer 0 (stored) to 9, by default 6

--- The same as a zip. Symbolic links are entries as `zip -y` makes them. Names have to be UTF-8.
---
---     ocm.pipe(ocm.zip("site", { globs = "deep", exclude = { "*.bak" } }), blob)
---@param directory string
---@param options? ocm.ZipOptions
---@return ocm.Part
function ocm.zip(directory, options) end

---@class ocm.UnpackOptions
---@field overwrite? boolean files that exist are replaced; otherwise they are an error. By default false
---@field strip? integer so many leading components of the names are dropped, and entries that nothing is left of
---@field files? integer entries, at most; by default 1,000,000
---@field bytes? integer in all files together, a hard link counted as the file that it is, at most; by default no limit. `ocm.limit` before it counts the archive's own
---@field links? boolean symbolic and (of a tar) hard links are made if they stay inside; otherwise they are errors. By default false
---@field permissions? "umask"|"keep" the permission bits as the umask leaves them (the default), or as the archive has them

--- A sink: extracts a tar of any kind (ustar, pax, GNU, v7), not compressed: a stage before it decompresses. The result's `entries` counts them.
--- One that stops between two entries, without tar's own end, is taken for whole, as tar itself does.
---
--- Nothing leaves the directory: absolute names, `..`, devices, named pipes and sockets fail the pipe, in the entry's name, and nothing is written
--- through a link. Setuid, setgid and sticky bits are dropped; directories stay writable; owners and times are new.
---
--- The entries are made in a directory of their own, beside `directory` if that does not exist (its parent has to), else inside of it, and put in
--- their places when the whole pipe has succeeded: whatever fails, or is cancelled, before that leaves `directory` as it was.
---
---     ocm.pipe("chart.tgz", ocm.gunzip(), ocm.untar("chart", { strip = 1 }))
---@param directory string
---@param options? ocm.UnpackOptions
---@return ocm.Part
function ocm.untar(directory, options) end

--- The same for a zip. It is written to a temporary file without a name beside the directory first. Encrypted entries, and files that do not
--- have the size or checksum that they say, fail the pipe; a symbolic link's checksum is not looked at. Files of more than 128 MiB may not be
--- compressed as lzma or xz, which might take as much memory.
---
---     local moved = ocm.pipe(request.location, ocm.unzip(folder .. "/content"))
---@param directory string
---@param options? ocm.UnpackOptions
---@return ocm.Part
function ocm.unzip(directory, options) end
