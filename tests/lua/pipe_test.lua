-- ocm.pipe and its parts, called where there is no task: they block.
-- luacheck: globals TestPipe TestParts TestFunctions
local unit = require "luaunit"
local ocm = require "ocm"
local lfs = require "lfs"

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local hello = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
local big = ("0123456789abcde\n"):rep(200000) -- 3.2 MB: handoffs start their threads

local function folder()
  local path = ocm.tempfile():path() .. ".d"
  lfs.mkdir(path)
  return path
end

local function names(path)
  local found = {}
  for name in lfs.dir(path) do
    if name ~= "." and name ~= ".." then found[#found + 1] = name end
  end
  table.sort(found)
  return found
end

TestPipe = {}

function TestPipe.test_every_kind_of_source_reaches_every_kind_of_sink()
  local file = ocm.tempfile():write "hello"
  local sources = { file, file:path(), { type = "localFile", value = file:path() }, { value = file }, ocm.bytes "hello" }
  for _, source in ipairs(sources) do
    unit.assertEquals(ocm.pipe(source, ocm.string()), { bytes = 5, written = 5, string = "hello" })
    unit.assertEquals(ocm.pipe(source, ocm.null()), { bytes = 5, written = 5 })
    local target = ocm.tempfile()
    unit.assertEquals(ocm.pipe(source, target), { bytes = 5, written = 5 })
    unit.assertEquals(read(target:path()), "hello")
    ocm.pipe(source, target:path() .. "-2")
    unit.assertEquals(read(target:path() .. "-2"), "hello")
    ocm.pipe(source, { type = "localFile", value = target:path() .. "-3" })
    unit.assertEquals(read(target:path() .. "-3"), "hello")
  end
end

function TestPipe.test_a_tempfile_that_nobody_else_holds_stays_while_it_is_read()
  for _ = 1, 20 do
    unit.assertEquals(ocm.pipe(ocm.tempfile():write(big), ocm.map(function() collectgarbage() end), ocm.null()).bytes, #big)
  end
end

function TestPipe.test_what_fails_leaves_nothing_and_says_what()
  local where = folder()
  local target = where .. "/target"
  local function fails(text, ...)
    unit.assertErrorMsgContains(text, ocm.pipe, ...)
    unit.assertEquals(names(where), {})
  end
  fails("opening /no/such/file: No such file or directory", "/no/such/file", target)
  fails("limit of bytes: more than 3 bytes", ocm.bytes "hello", ocm.limit(3), target)
  fails("limit of bytes: more than 3,000,000 bytes", ocm.bytes(big), ocm.digest(), ocm.limit(3000000), ocm.digest(), target)
  fails("unknown digest algorithm", ocm.bytes "hello", ocm.digest "sha0", target)
  fails("oh no", ocm.bytes(big), ocm.map(function() error("oh no", 0) end), target)
  fails("string: more than 3 bytes", ocm.bytes "hello", ocm.tee(ocm.string(3)), target)
  fails("creating /no/such/target", ocm.bytes "hello", ocm.tee(target), "/no/such/target")
  local file = ocm.tempfile()
  fails("limit of bytes: more than 3,000,000 bytes", ocm.bytes(big), ocm.limit(3000000), file)
  unit.assertEquals(lfs.attributes(file:path(), "size"), 0)
  fails("a line is longer than 1,048,576 bytes", ocm.bytes(("x"):rep(2000000)), ocm.lines(print), target)
end

function TestPipe.test_misuse_raises()
  unit.assertErrorMsgContains("expected a source, any stages, and a sink", ocm.pipe)
  unit.assertErrorMsgContains("expected a source, any stages, and a sink", ocm.pipe, ocm.bytes "x")
  unit.assertErrorMsgContains("ocm.digest cannot be the last part, a sink", ocm.pipe, ocm.bytes "x", ocm.digest())
  unit.assertErrorMsgContains("ocm.null cannot be the first part, a source", ocm.pipe, ocm.null(), ocm.null())
  unit.assertErrorMsgContains("ocm.map cannot be the first part", ocm.pipe, ocm.map(print), ocm.null())
  unit.assertErrorMsgContains("a file cannot be a stage", ocm.pipe, ocm.bytes "x", "/tmp/x", ocm.null())
  unit.assertErrorMsgContains("bad argument #2 to 'pipe' (path, Location or tempfile expected", ocm.pipe, ocm.bytes "x", 5)
  unit.assertErrorMsgContains("bad argument #1 to 'pipe'", ocm.pipe, nil, ocm.null())
  unit.assertErrorMsgContains("bad argument #2 to 'pipe'", ocm.pipe, ocm.bytes "x", nil)
  unit.assertErrorMsgContains("bad argument #1 to 'pipe'", ocm.pipe, { kind = "nonsense" }, ocm.null())
  unit.assertErrorMsgContains('unknown option "byte", did you mean "bytes"?', ocm.limit, { byte = 5 })
  unit.assertErrorMsgContains("ocm.limit: bytes: expected integer, got nothing", ocm.limit)
  unit.assertErrorMsgContains("ocm.bytes: data: expected string, got number", ocm.bytes, 1.5)
  unit.assertErrorMsgContains("ocm.limit: bytes: expected an integer from 0", ocm.pipe, ocm.bytes "x", ocm.limit(-1), ocm.null())
end

TestParts = {}

function TestParts.test_digests_are_numbered_in_the_order_of_their_stages()
  local moved = ocm.pipe(ocm.bytes "hello", ocm.digest "sha256", ocm.map(string.upper), ocm.digest "md5", ocm.digest(), ocm.string())
  unit.assertEquals(moved.digests, {
    hello, "md5:eb61eead90e3b899c6bcbe27ac581660", "sha256:3733cd977ff8eb18b987357e22ced99f46097f31ecb239e878ae63760e83e4d5",
  })
  unit.assertEquals(ocm.json.encode(moved.digests):sub(1, 2), '["')
end

function TestParts.test_large_blobs_arrive_whole_through_threads()
  local target = ocm.tempfile()
  local moved = ocm.pipe(ocm.bytes(big), ocm.digest(), ocm.limit(#big), ocm.digest "sha512", ocm.digest "sha1", target)
  unit.assertEquals(moved.bytes, #big)
  unit.assertEquals(moved.written, #big)
  unit.assertTrue(read(target:path()) == big)
  unit.assertEquals(ocm.digest_of(target), moved.digests[1])
  unit.assertEquals(ocm.digest_of(target, "sha512"), moved.digests[2])
end

function TestParts.test_tee_writes_what_passes_to_another_sink()
  local one, two, three = ocm.tempfile(), ocm.tempfile(), ocm.tempfile()
  ocm.pipe(ocm.bytes(big), ocm.tee(one), ocm.map(string.upper), ocm.tee(two), three)
  unit.assertTrue(read(one:path()) == big)
  unit.assertTrue(read(two:path()) == big:upper())
  unit.assertTrue(read(three:path()) == big:upper())
end

function TestParts.test_a_path_behind_tee_appears_only_when_all_succeeds()
  local where = folder()
  ocm.pipe(ocm.bytes "hello", ocm.tee(where .. "/a"), where .. "/b")
  unit.assertEquals(names(where), { "a", "b" })
  unit.assertErrorMsgContains("limit", ocm.pipe, ocm.bytes(big), ocm.tee(where .. "/c"), ocm.limit(2000000), where .. "/d")
  unit.assertEquals(names(where), { "a", "b" })
end

function TestParts.test_map_replaces_keeps_and_drops_chunks()
  local function through(f, finish) return ocm.pipe(ocm.bytes "hello", ocm.map(f, finish), ocm.string()).string end
  unit.assertEquals(through(string.upper), "HELLO")
  unit.assertEquals(through(function() end), "hello")
  unit.assertEquals(through(function() return false end), "")
  unit.assertEquals(through(function() end, function() return "!" end), "hello!")
  unit.assertErrorMsgContains("ocm.map: the function returned a table; expected a string, nil or false", through, function() return {} end)
end

function TestParts.test_lines_are_whole_however_the_chunks_fall()
  local seen = {}
  local function lines(text, f) return ocm.pipe(ocm.bytes(text), ocm.lines(f), ocm.string(#text * 2)).string end
  unit.assertEquals(lines("a\n\nb", function(line) seen[#seen + 1] = line end), "a\n\nb")
  unit.assertEquals(seen, { "a", "", "b" })
  unit.assertEquals(lines("a\nb\n", function(line) return line ~= "a" and line .. line end), "bb\n")
  unit.assertEquals(lines("", function() error "there is none" end), "")
  local count = 0
  unit.assertTrue(lines(big, function(line)
    if line ~= "0123456789abcde" then error("a line was cut: " .. line) end
    count = count + 1
  end) == big)
  unit.assertEquals(count, 200000)
end

function TestParts.test_a_digest_that_is_expected_lets_nothing_else_appear()
  local where = folder()
  unit.assertEquals(ocm.pipe(ocm.bytes "hello", ocm.digest(hello), ocm.null()).digests, { hello })
  unit.assertEquals(ocm.pipe(ocm.bytes "hello", ocm.digest(hello:upper():gsub("SHA", "sha")), ocm.null()).digests, { hello })
  unit.assertErrorMsgContains("its digest is sha256:486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7 instead of the expected " .. hello,
    ocm.pipe, ocm.bytes "world", ocm.digest(hello), where .. "/target")
  unit.assertErrorMsgContains("instead of the expected sha256:", ocm.pipe, ocm.bytes "hello", ocm.digest "sha256:", where .. "/target")
  unit.assertEquals(names(where), {})
end

function TestParts.test_a_part_can_be_used_in_several_pipes()
  local digest, upper = ocm.digest(), ocm.map(string.upper)
  for _ = 1, 3 do
    unit.assertEquals(ocm.pipe(ocm.bytes "hello", digest, upper, digest, ocm.string()).digests[1], hello)
  end
end

TestFunctions = {}

function TestFunctions.test_blob_digest_that_is_known_has_to_be_the_blobs()
  for _, algorithm in ipairs { "sha256", "sha512" } do
    local digest = ocm.blob_digest(ocm.bytes "hello", algorithm)
    unit.assertEquals(ocm.blob_digest(ocm.bytes "hello", digest), digest)
    unit.assertErrorMsgContains(" instead of the expected " .. algorithm .. ":" .. digest.value, ocm.blob_digest, ocm.bytes "hallo", digest)
    digest.value = digest.value:upper()
    unit.assertEquals(ocm.blob_digest(ocm.bytes "hello", digest).value, digest.value:lower())
    digest.value = nil
    unit.assertErrorMsgContains(" instead of the expected " .. algorithm .. ":nil", ocm.blob_digest, ocm.bytes "hello", digest)
  end
  unit.assertErrorMsgContains("blob_digest: a temporary file: its digest is sha256:", ocm.blob_digest, ocm.tempfile():write "hallo", ocm.blob_digest(ocm.bytes "hello"))
  unit.assertEquals(ocm.blob_digest(ocm.bytes "hello", ocm.json.null).hashAlgorithm, "SHA-256")
  for _, other in ipairs { { hashAlgorithm = "NO-DIGEST" }, { normalisationAlgorithm = "ociArtifactDigest/v1" } } do
    local digest = ocm.blob_digest(ocm.bytes "hello")
    for name, value in pairs(other) do digest[name] = value end
    unit.assertErrorMsgContains("expected sha256 or sha512, or a digest", ocm.blob_digest, ocm.bytes "hello", digest)
  end
end

function TestFunctions.test_digest_of_and_blob_digest()
  unit.assertEquals(ocm.digest_of(ocm.bytes "hello"), hello)
  unit.assertEquals(ocm.digest_of(ocm.bytes "", "md5"), "md5:d41d8cd98f00b204e9800998ecf8427e")
  unit.assertEquals(ocm.blob_digest(ocm.bytes "hello"), {
    hashAlgorithm = "SHA-256", normalisationAlgorithm = "genericBlobDigest/v1", value = hello:sub(8),
  })
  unit.assertEquals(ocm.blob_digest(ocm.bytes "hello", "sha512").hashAlgorithm, "SHA-512")
  unit.assertErrorMsgContains("expected sha256 or sha512", ocm.blob_digest, ocm.bytes "x", "md5")
  unit.assertErrorMsgContains("expected sha256 or sha512", ocm.blob_digest, ocm.bytes "x", 1)
  unit.assertErrorMsgContains("digest_of: opening /no: No such file", ocm.digest_of, "/no")
end
