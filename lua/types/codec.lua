---@meta ocm
-- Stages of a pipe that compress and decompress. Each library (zlib1g, libzstd1, liblzma5, libbz2-1.0) is loaded at its first use.

---@class ocm
local ocm = {}

---@class ocm.Compression
---@field level? integer

--- Compresses as gzip. The bytes depend on the input and the level alone: no name, no time; the machine's processors only make it faster.
---
---     ocm.pipe(ocm.tar "site", ocm.gzip { level = 9 }, "site.tgz")
---@param level? integer|ocm.Compression 1 to 9, by default 6
---@return ocm.Part
function ocm.gzip(level) end

--- The same as zstd, with a checksum.
---
---     ocm.pipe(source, ocm.zstd { level = 9 }, out)
---@param level? integer|ocm.Compression 1 to 22, by default 3
---@return ocm.Part
function ocm.zstd(level) end

--- The same as xz, with CRC64.
---
---     ocm.pipe(source, ocm.xz(), out)
---@param level? integer|ocm.Compression 0 to 9, by default 6
---@return ocm.Part
function ocm.xz(level) end

--- The same as bzip2.
---
---     ocm.pipe(source, ocm.bzip2(), out)
---@param level? integer|ocm.Compression 1 to 9, by default 9
---@return ocm.Part
function ocm.bzip2(level) end

--- Decompresses gzip: all members, each with its checksum. Input that ends too early, or is altered, fails the pipe:
--- "gunzip of /tmp/x.gz: unexpected end of file after 1,204 bytes". Bytes behind the last member that begin no other are passed over, with a
--- warning in the log, as the tool does. What comes out may be very large: put `ocm.limit` behind it where the source is not to be trusted.
---
---     ocm.pipe(request.location, ocm.gunzip(), ocm.limit(1 << 30), out)
---@return ocm.Part
function ocm.gunzip() end

--- The same for zstd. What wants a window of more than 128 MiB is refused, and garbage behind the last frame is.
---
---     ocm.pipe(request.location, ocm.unzstd(), ocm.limit(1 << 30), out)
---@return ocm.Part
function ocm.unzstd() end

--- The same for xz (not for .lzma). What wants a dictionary of more than 128 MiB is refused, and garbage behind the last stream is.
---
---     ocm.pipe(request.location, ocm.unxz(), ocm.limit(1 << 30), out)
---@return ocm.Part
function ocm.unxz() end

--- The same for bzip2; garbage is treated as `ocm.gunzip` does.
---
---     ocm.pipe(request.location, ocm.bunzip2(), ocm.limit(1 << 30), out)
---@return ocm.Part
function ocm.bunzip2() end

--- One of these four, by the first bytes; what has none of theirs passes as it is. The result's `decompressed` says which it was: "gzip",
--- "zstd", "xz", "bzip2", or nil.
---
---     local result = ocm.pipe(download, ocm.decompress(), ocm.untar(folder, { bytes = 1 << 30 }))
---@return ocm.Part
function ocm.decompress() end
