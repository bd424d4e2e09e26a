-- ocm.tempfile and ocm.copy, called where there is no task: they block.
-- luacheck: globals TestTempfile TestCopy
local unit = require "luaunit"
local ocm = require "ocm"
local lfs = require "lfs"

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function exists(path) return lfs.attributes(path, "mode") ~= nil end

TestTempfile = {}

function TestTempfile.test_it_is_written_piece_by_piece()
  local file = ocm.tempfile()
  unit.assertIs(file:write("a", "", 1, "\0b"), file)
  unit.assertEquals(read(file:path()), "a1\0b")
  unit.assertTrue(file:close())
  unit.assertTrue(file:close())
  file:write "more"
  unit.assertEquals(read(file:path()), "a1\0bmore")
end

function TestTempfile.test_it_is_private_and_absolute()
  local path = ocm.tempfile():path()
  unit.assertEquals(path:sub(1, 1), "/")
  unit.assertEquals(lfs.attributes(path, "permissions"), "rw-------")
  unit.assertNotEquals(path, ocm.tempfile():path())
  unit.assertStrContains(tostring(ocm.tempfile()), "tempfile (/")
end

function TestTempfile.test_it_goes_when_nobody_knows_its_path()
  local function paths()
    local unknown = tostring(ocm.tempfile():write "x"):match "%((.+)%)"
    return unknown, ocm.tempfile():path()
  end
  local unknown, known = paths()
  collectgarbage()
  collectgarbage()
  unit.assertFalse(exists(unknown))
  unit.assertTrue(exists(known)) -- whoever was given the path may still read it
end

function TestTempfile.test_a_close_variable_is_closed_and_stays()
  local path
  do
    local file <close> = ocm.tempfile():write "x"
    path = file:path()
  end
  unit.assertEquals(read(path), "x")
end

function TestTempfile.test_misuse_raises()
  local file = ocm.tempfile()
  unit.assertErrorMsgContains("string expected", file.write, file, {})
  unit.assertErrorMsgContains("ocm.tempfile expected", file.write, "x")
  unit.assertErrorMsgContains("ocm.tempfile expected", file.path, io.stderr)
end

TestCopy = {}

local hello = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

function TestCopy.test_its_result()
  local target = ocm.tempfile()
  local result = ocm.copy(ocm.tempfile():write "hello", target)
  unit.assertEquals(result, { bytes = 5, written = 5, digests = { hello } })
  unit.assertEquals(ocm.json.encode(result), '{"bytes":5,"digests":["' .. hello .. '"],"written":5}')
  unit.assertEquals(read(target:path()), "hello")
end

function TestCopy.test_every_kind_of_source_and_target()
  local source = ocm.tempfile():write "hello"
  local folder = ocm.tempfile():path() .. "-copies"
  lfs.mkdir(folder)
  for i, from in ipairs { source, source:path(), { type = "localFile", value = source:path() } } do
    local path = folder .. "/" .. i
    unit.assertEquals(ocm.copy(from, path).digests, { hello })
    unit.assertEquals(read(path), "hello")
    ocm.copy(from, { type = "localFile", value = path .. "-location", mediaType = "text/plain" })
    unit.assertEquals(read(path .. "-location"), "hello")
  end
end

function TestCopy.test_a_tempfile_as_target_is_written_anew()
  local target = ocm.tempfile():write "longer than hello"
  ocm.copy(ocm.tempfile():write "hello", target)
  unit.assertEquals(read(target:path()), "hello")
end

function TestCopy.test_what_fails_raises()
  local folder = lfs.currentdir()
  unit.assertErrorMsgContains("copy: opening /no/such/file: No such file or directory", ocm.copy, "/no/such/file", ocm.tempfile())
  unit.assertErrorMsgContains("Is a directory", ocm.copy, folder, ocm.tempfile())
  unit.assertErrorMsgContains("ocm.remoteURL cannot be the last part, a sink", ocm.copy, ocm.tempfile(), { type = "remoteURL", value = "https://example.org" })
  unit.assertErrorMsgContains("path, Location or tempfile expected", ocm.copy, {}, ocm.tempfile())
  unit.assertErrorMsgContains("path, Location or tempfile expected", ocm.copy, nil, ocm.tempfile())
  unit.assertErrorMsgContains("path, Location or tempfile expected", ocm.copy, ocm.tempfile(), 5)
  unit.assertErrorMsgContains("path, Location or tempfile expected", ocm.copy, { type = "localFile" }, ocm.tempfile())
  unit.assertErrorMsgContains("NUL", ocm.copy, "a\0b", ocm.tempfile())
end
