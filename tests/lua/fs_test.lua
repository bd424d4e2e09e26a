-- ocm.fs, called where there is no task: it blocks.
-- luacheck: globals TestWalk TestFiles TestFolders
local unit = require "luaunit"
local ocm = require "ocm"
local lfs = require "lfs"
local fs = ocm.fs

local function folder()
  local path = ocm.tempfile():path() .. ".d"
  lfs.mkdir(path)
  return path
end

local function write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  file:write(text or "")
end

local function oracle(command)
  local pipe <close> = assert(io.popen(command))
  return pipe:read "a"
end

TestWalk = {}

function TestWalk.test_it_gives_each_entry_with_what_it_is()
  local dir = folder()
  lfs.mkdir(dir .. "/sub")
  write(dir .. "/sub/file", "hello")
  assert(lfs.link("sub/file", dir .. "/link", true))
  os.execute(("chmod 640 '%s/sub/file'; touch -d @1000000000.5 '%s/sub/file'; mkfifo '%s/pipe'"):format(dir, dir, dir))
  local found, order = {}, {}
  for path, entry in fs.walk(dir) do
    unit.assertEquals(path, dir .. "/" .. entry.path)
    found[entry.path] = entry
    order[#order + 1] = entry.path
  end
  unit.assertEquals(order, { "link", "pipe", "sub", "sub/file" })
  unit.assertEquals(found["sub/file"], { path = "sub/file", type = "file", size = 5, mode = tonumber("640", 8), mtime = 1000000000.5 })
  unit.assertEquals({ found.link.type, found.link.target, found.pipe.type, found.sub.type }, { "link", "sub/file", "pipe", "directory" })
end

function TestWalk.test_it_finds_what_find_finds()
  local dir = "/usr/share/doc"
  local expected, found = {}, {}
  for line in oracle(("cd '%s' && LC_ALL=C find . -mindepth 1 -maxdepth 3 -printf '%%P %%y %%s\\n' | LC_ALL=C sort"):format(dir)):gmatch "[^\n]+" do expected[#expected + 1] = line end
  local letters = { file = "f", directory = "d", link = "l" }
  for _, entry in fs.walk(dir, { depth = 3 }) do found[#found + 1] = ("%s %s %d"):format(entry.path, letters[entry.type], entry.size) end
  table.sort(found) -- find has no order, and sort compares whole paths: both are sorted alike here
  table.sort(expected)
  unit.assertTrue(#found > 10)
  unit.assertEquals(table.concat(found, "\n"), table.concat(expected, "\n"))
end

function TestWalk.test_many_entries_come_in_several_batches()
  local dir = folder()
  for i = 1, 1500 do write(("%s/%04d"):format(dir, i)) end
  local count = 0
  for path in fs.walk(dir .. "//") do
    count = count + 1
    unit.assertEquals(path, ("%s/%04d"):format(dir, count))
  end
  unit.assertEquals(count, 1500)
  for path in fs.walk(dir) do -- luacheck: ignore (it is ended early)
    unit.assertEquals(path, dir .. "/0001")
    break
  end
  unit.assertEquals(fs.remove_all(dir), 1501)
end

function TestWalk.test_options()
  local dir = folder()
  lfs.mkdir(dir .. "/.git")
  lfs.mkdir(dir .. "/a")
  write(dir .. "/a/b")
  write(dir .. "/.git/x")
  assert(lfs.link("..", dir .. "/a/up", true))
  local function walked(options)
    local found = {}
    for _, entry in fs.walk(dir, options) do found[#found + 1] = entry.path .. (entry.error and "!" or "") end
    return table.concat(found, " ")
  end
  unit.assertEquals(walked(), ".git .git/x a a/b a/up")
  unit.assertEquals(walked { hidden = false }, "a a/b a/up")
  unit.assertEquals(walked { hidden = false, links = "follow" }, "a a/b a/up!")
  unit.assertEquals(walked { depth = 1 }, ".git a")
end

function TestWalk.test_it_raises()
  unit.assertErrorMsgContains("ocm.fs.walk: opening /no/such: No such file or directory", fs.walk, "/no/such")
  unit.assertErrorMsgContains("Not a directory", fs.walk, "/dev/null")
  unit.assertErrorMsgContains('unknown option "link", did you mean "links"?', fs.walk, "/", { link = "keep" })
  unit.assertErrorMsgContains('links: expected "keep" or "follow"', fs.walk, "/", { links = "x" })
  unit.assertErrorMsgContains("depth: expected levels", fs.walk, "/", { depth = 0 })
  unit.assertErrorMsgContains("depth: expected integer, got float", fs.walk, "/", { depth = 0.5 })
  unit.assertErrorMsgContains("expected a path, got nothing", fs.walk)
  local iterate = fs.walk(folder())
  unit.assertNil(iterate())
  unit.assertNil(iterate())
end

TestFiles = {}

function TestFiles.test_what_is_written_is_read()
  local path = folder() .. "/file"
  local bytes = ("\0\255 bytes\n"):rep(100000)
  unit.assertTrue(fs.write(path, bytes))
  unit.assertTrue(fs.read(path) == bytes)
  unit.assertTrue(fs.write(path, "short", { mode = tonumber("600", 8), sync = true }))
  unit.assertEquals(fs.read(path), "short")
  unit.assertEquals(lfs.attributes(path, "permissions"), "rw-------")
  unit.assertEquals(fs.read { type = "localFile", value = path }, "short")
  unit.assertEquals(fs.read(ocm.tempfile():write "temporary"), "temporary")
  unit.assertStrContains(fs.read "/proc/self/status", "VmRSS")
end

function TestFiles.test_what_fails_is_returned()
  local path = folder() .. "/file"
  fs.write(path, "hello")
  local function fails(expected, code, ...)
    local value, message, number = ...
    unit.assertNil(value)
    unit.assertStrContains(message, expected)
    unit.assertEquals(number, code)
  end
  fails("opening /no/such: No such file or directory", 2, fs.read "/no/such")
  fails("file: it has more than 4 bytes", 27, fs.read(path, 4))
  fails("/dev/zero: it has more than 16,777,216 bytes", 27, fs.read "/dev/zero")
  fails("reading /: Is a directory", 21, fs.read "/")
  fails("creating /no/such: No such file or directory", 2, fs.write("/no/such", "x"))
  fails("writing /: Is a directory", 21, fs.write("/", "x"))
  unit.assertEquals(fs.read(path, 5), "hello")
end

function TestFiles.test_misuse_raises()
  unit.assertErrorMsgContains("path, Location or tempfile expected, got nil", fs.read)
  unit.assertErrorMsgContains("limit: expected bytes", fs.read, "/x", -1)
  unit.assertErrorMsgContains("expected a path, got table", fs.write, {}, "x")
  unit.assertErrorMsgContains("NUL byte", fs.write, "a\0b", "x")
  unit.assertErrorMsgContains("NUL byte", fs.read, "a\0b")
  unit.assertErrorMsgContains("expected the bytes as a string, got number", fs.write, "/x", 5)
  unit.assertErrorMsgContains("expected a table of options, got string", fs.write, "/x", "x", "644")
  unit.assertErrorMsgContains("mode: expected an integer from 0 to 4095", fs.write, "/x", "x", { mode = 5000 })
end

TestFolders = {}

function TestFolders.test_they_are_made_and_removed()
  local dir = folder()
  unit.assertEquals(fs.make_dirs(dir .. "/a/b/c"), 3)
  unit.assertEquals(fs.make_dirs(dir .. "/a/b/c"), 0)
  unit.assertEquals(fs.make_dirs(dir .. "/p", tonumber("700", 8)), 1)
  unit.assertEquals(lfs.attributes(dir .. "/p", "permissions"), "rwx------")
  assert(lfs.link("/etc", dir .. "/a/link", true))
  unit.assertEquals(fs.remove_all(dir .. "/a"), 4)
  unit.assertEquals(fs.remove_all(dir .. "/a"), 0)
  unit.assertNotNil(lfs.attributes "/etc/passwd")
  unit.assertEquals(fs.remove_all(dir), 2)
end

function TestFolders.test_what_fails_is_returned()
  unit.assertEquals({ fs.make_dirs "/dev/null/x" }, { nil, "making /dev/null: Not a directory", 20 })
  unit.assertEquals(select(2, fs.remove_all "/"), "/: there is no name at its end")
  unit.assertErrorMsgContains("expected a path", fs.remove_all)
  unit.assertErrorMsgContains("expected a path", fs.make_dirs, 5)
  unit.assertErrorMsgContains("mode: expected", fs.make_dirs, "/x", -1)
end
