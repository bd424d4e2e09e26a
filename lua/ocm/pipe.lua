--- ocm.pipe and its parts. C moves the bytes (vm/lib_pipe.c), this file says what a script may ask for, and calls the functions
-- of ocm.map and ocm.lines, which run here, in the caller's task.

local json = require "ocm.json"
local native = require "ocm.native.pipe"
local constructor = require "ocm.part".constructor

local pipe = {}

--- What a script's function makes of a piece: a string takes its place, nil leaves it, false drops it.
local function apply(name, f, piece)
  local result = f(piece)
  if result == nil or result == true then return piece end
  if result == false then return nil end
  if type(result) ~= "string" then error(("ocm.%s: the function returned a %s; expected a string, nil or false"):format(name, type(result)), 0) end
  return result
end

local function apply_to_lines(f, chunk)
  local out = {}
  for line, ending in chunk:gmatch "([^\n]*)(\n?)" do
    if line ~= "" or ending ~= "" then
      local result = apply("lines", f, line)
      if result then out[#out + 1] = result .. ending end
    end
  end
  return table.concat(out)
end

--- What a stage answers for a chunk; "" is the end.
local function answer(stage, chunk)
  if chunk == "" then return stage.finish and apply("map", stage.finish, "") or "" end
  return stage.lines and apply_to_lines(stage.f, chunk) or apply("map", stage.f, chunk) or ""
end

--- Raises in the name of the line that called the function which called this; after a tail call nobody knows that line.
local function fail(message)
  local caller = debug.getinfo(3, "t")
  error(message, caller and caller.istailcall and 0 or 4)
end

local function run(name, ...)
  local parts = { ... }
  local ok, started = pcall(native.start, name, parts, select("#", ...))
  if not ok then fail(started) end
  local running <close> = started
  while true do
    local number, chunk, failure = running:wait()
    if failure then error(name == "pipe" and failure or name .. ": " .. failure, 0) end -- not the script's fault
    if not number then return chunk end
    running:answer(answer(parts[number], chunk))
  end
end

--- Whether what was raised is the script's fault, and not that of a file, a program, a server.
function pipe.is_misuse(message) return type(message) ~= "string" or message:find "^bad argument #" ~= nil end

function pipe.pipe(...)
  local result = run("pipe", ...)
  return result
end

function pipe.copy(source, sink)
  local result = run("copy", source, pipe.digest(), sink)
  return result
end

function pipe.digest_of(source, algorithm)
  local result = run("digest_of", source, pipe.digest(algorithm), pipe.null())
  return result.digests[1]
end

local normalised <const> = "genericBlobDigest/v1"
local names = { sha256 = "SHA-256", sha512 = "SHA-512" }
local algorithms = { ["SHA-256"] = "sha256", ["SHA-512"] = "sha512" }

--- A blob's digest as a component descriptor has it, of an algorithm, or another such digest that it has to be.
function pipe.blob_digest(source, expected)
  local algorithm, value = expected, ""
  if expected == nil or expected == json.null then algorithm = "sha256" end
  if type(expected) == "table" then
    algorithm = expected.normalisationAlgorithm == normalised and algorithms[expected.hashAlgorithm]
    value = ":" .. tostring(expected.value)
  end
  local name = names[algorithm]
  if not name then error("ocm.blob_digest: expected sha256 or sha512, or a digest of " .. normalised .. " with one of them", 2) end
  local result = run("blob_digest", source, pipe.digest(algorithm .. value), pipe.null())
  return { hashAlgorithm = name, normalisationAlgorithm = normalised, value = result.digests[1]:match ":(.*)" }
end

pipe.bytes = constructor { name = "bytes", first = "data", options = { data = "string" } }
pipe.null = constructor { name = "null" }
pipe.string = constructor { name = "string", first = "max", options = { max = "integer?" } }
pipe.digest = constructor { name = "digest", first = "algorithm", options = { algorithm = "string?" } }
pipe.limit = constructor { name = "limit", first = "bytes", options = { bytes = "integer" } }
pipe.tee = constructor { name = "tee", first = "sink", options = { sink = "any" }, positional = true }

local map = constructor { name = "map", kind = "call", options = { f = "function", finish = "function?" } }
local lines = constructor { name = "lines", kind = "call", options = { f = "function", lines = "boolean" } }
function pipe.map(f, finish) return map { f = f, finish = finish } end
function pipe.lines(f) return lines { f = f, lines = true } end

return pipe
