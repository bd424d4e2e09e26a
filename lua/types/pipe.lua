---@meta ocm
-- Streams: bytes on their way from a source, through stages, to a sink. C moves them on other threads, in constant memory, and the task sleeps
-- meanwhile; where there is no task (top level, `start`, `cleanup`) these functions block.
--
-- A source, stage or sink is a value: `ocm.gzip { level = 9 }` says what is wanted, and can stand in any number of pipes.

---@class ocm
local ocm = {}

--- A part of a pipe, as `ocm.digest`, `ocm.tee` and the like make it.
---@class ocm.Part

--- What bytes come from: a path, a Location (`localFile`, `unixNamedPipe`, `remoteURL`), a tempfile, or a part that is a source. A named pipe is
--- waited for.
---@alias ocm.PipeSource ocm.AnyLocation|ocm.Part

--- Where bytes go: a path, a Location (`localFile`, `unixNamedPipe`), a tempfile, or a part that is a sink. A tempfile, and whatever is no regular
--- file, is written into; when the pipe fails, a tempfile that it wrote into is empty. Any other file appears whole or not at all: it is written
--- beside its place (`.ocmlua-….part`), and renamed when all of the pipe has succeeded. Its mode is what the umask leaves of 0666; nothing is
--- flushed to the disk (fsync).
---@alias ocm.PipeSink ocm.AnyLocation|ocm.Part

---@class ocm.Moved
---@field bytes integer read from the source
---@field written integer that reached the sink
---@field digests? string[] the value of each `ocm.digest` of the pipe, in their order: "sha256:" and lower-case hexadecimal
---@field string? string what `ocm.string` got

--- Moves bytes from a source, through any number of stages, to a sink. Stages that compute run at the same time. Raises when it fails, with
--- the stage and the file ("limit of /tmp/x: more than 1,024 bytes"); nothing half-written stays then, nor when the task is
--- cancelled. With no stage between two files the kernel copies, and shares their blocks where the filesystem can. A pipe that lasts logs
--- its progress once a second, at debug level.
---
---     local out = ocm.tempfile()
---     local moved = ocm.pipe(request.location, ocm.gunzip(), ocm.digest "sha256", ocm.zstd { level = 9 }, ocm.digest "sha256", out)
---     return { location = out, unpacked = moved.digests[1] }
---@param source ocm.PipeSource
---@param ... ocm.Part|ocm.PipeSink stages, and last the sink
---@return ocm.Moved
function ocm.pipe(source, ...) end

--- `ocm.pipe(source, ocm.digest "sha256", sink)`. Its errors begin with "copy: ".
---
---     local result = ocm.copy(request.resourceLocation, root .. "/blob")
---     resource.digest.value = result.digests[1]:match ":(.*)"
---@param source ocm.PipeSource
---@param sink ocm.PipeSink
---@return ocm.Moved moved `digests` has one element
function ocm.copy(source, sink) end

--- The digest of what a source gives.
---
---     assert(ocm.digest_of(file) == "sha256:" .. expected)
---@param source ocm.PipeSource
---@param algorithm? string see `ocm.digest`
---@return string digest "sha256:…"
function ocm.digest_of(source, algorithm) end

--- The digest of a blob as a component descriptor has it (normalisation genericBlobDigest/v1). With the digest that is known of it
--- already, another one is an error.
---
---     resource.digest = ocm.blob_digest(location, resource.digest)
---@param source ocm.PipeSource
---@param expected? "sha256"|"sha512"|ocm.Digest an algorithm or a digest; nil and null: "sha256"
---@return ocm.Digest digest { hashAlgorithm = "SHA-256", normalisationAlgorithm = "genericBlobDigest/v1", value = hexadecimal }
function ocm.blob_digest(source, expected) end

---- sources ----

--- A source: the bytes of a string.
---
---     ocm.pipe(ocm.bytes(text), ocm.gzip(), out)
---@param data string
---@return ocm.Part
function ocm.bytes(data) end

---- sinks ----

--- A sink that drops everything.
---
---     local count = ocm.pipe(source, ocm.gunzip(), ocm.null()).bytes
---@return ocm.Part
function ocm.null() end

--- A sink that keeps all of it as the result's `string`. More than `max` bytes are an error.
---
---     local text = ocm.pipe(location, ocm.gunzip(), ocm.string(65536)).string
---@param max? integer bytes; default 16 MiB
---@return ocm.Part
function ocm.string(max) end

---- stages ----

--- Takes a digest of what passes; it is in the result's `digests`. With the digest that is expected, "sha256:…", another one is an error at
--- the end, so that nothing appears at the sink.
---
---     local moved = ocm.pipe(source, ocm.digest "sha512", out)
---     resource.digest.value = moved.digests[1]:match ":(.*)"
---@param algorithm? "sha256"|"sha512"|"sha384"|"sha1"|"md5"|"crc32c"|string default "sha256"; others that libcrypto knows; or a digest
---@return ocm.Part
function ocm.digest(algorithm) end

--- Fails when more than this many bytes pass: put it behind a decompression whose source is not to be trusted.
---
---     ocm.pipe(upload, ocm.gunzip(), ocm.limit(1 << 30), target)
---@param bytes integer
---@return ocm.Part
function ocm.limit(bytes) end

--- Lets everything pass, and gives it to another sink, too. A file there appears when the whole pipe has succeeded.
---
---     ocm.pipe(source, ocm.tee(archive), ocm.untar(folder))
---@param sink ocm.PipeSink
---@return ocm.Part
function ocm.tee(sink) end

--- Runs a function of the script on each chunk (up to 128 KiB, as they come). A string that it returns takes the chunk's place, nil (or true) leaves
--- it, false drops it. The function may wait (`ocm.sleep`, another pipe); its error ends the pipe. It is the slow way, so prefer a stage in C.
---
---     ocm.pipe(source, ocm.map(string.upper), out)
---@param f fun(chunk: string): string|boolean|nil
---@param finish? fun(): string|boolean|nil called at the end: what it returns comes last
---@return ocm.Part
function ocm.map(f, finish) end

--- The same for each line, without its newline, which is kept (that of a line which is dropped goes with it). A line longer than 1 MiB is an error.
---
---     local packages = {}
---     ocm.pipe(index, ocm.gunzip(), ocm.lines(function(line) packages[#packages + 1] = line:match "^Package: (.*)" end), ocm.null())
---@param f fun(line: string): string|boolean|nil
---@return ocm.Part
function ocm.lines(f) end
