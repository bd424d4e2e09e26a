-- ocm.exec and ocm.command, called where there is no task: they block. The system's tools are the oracle.
-- luacheck: globals TestExec TestCommand
local unit = require "luaunit"
local ocm = require "ocm"
local lfs = require "lfs"

local function folder()
  local path = ocm.tempfile():path() .. ".d"
  lfs.mkdir(path)
  return path
end

local function fails(expected, ...)
  local ok, message = pcall(...)
  unit.assertFalse(ok)
  unit.assertStrContains(message, expected)
end

TestExec = {}

function TestExec.test_its_result()
  local result = ocm.exec { "sh", "-c", "echo out; echo err >&2" }
  unit.assertEquals(result, { status = 0, stdout = "out\n", stderr = "err\n" })
  unit.assertEquals(ocm.json.encode(result), '{"status":0,"stderr":"err\\n","stdout":"out\\n"}')
  unit.assertEquals(ocm.exec { "printf", "%s|", "a b", 7, 1.5, "$HOME", "" }.stdout, "a b|7|1.5|$HOME||")
end

function TestExec.test_stdin_is_a_string_or_any_source()
  local big = ("0123456789abcde\n"):rep(300000)
  unit.assertTrue(ocm.exec { "cat", stdin = big }.stdout == big)
  unit.assertEquals(ocm.exec { "cat", stdin = "" }.stdout, "")
  unit.assertEquals(ocm.exec { "cat" }.stdout, "")
  unit.assertEquals(ocm.exec { "cat", stdin = ocm.tempfile():write "file" }.stdout, "file")
  unit.assertEquals(ocm.exec { "cat", stdin = { type = "localFile", value = ocm.tempfile():write "located":path() } }.stdout, "located")
  unit.assertEquals(ocm.exec { "sort", stdin = ocm.exec { "printf", "b\\na\\n" } }.stdout, "a\nb\n")
  unit.assertEquals(ocm.exec { "head", "-c", "3", stdin = big }.stdout, "012")
end

function TestExec.test_stdout_and_stderr_go_to_any_sink()
  local out, err = ocm.tempfile(), folder() .. "/err"
  local result = ocm.exec { "sh", "-c", "seq 100000; echo err >&2", stdout = out, stderr = err }
  unit.assertNil(result.stdout)
  unit.assertNil(result.stderr)
  unit.assertEquals(ocm.exec { "sh", "-c", "echo out; echo err >&2", stderr = ocm.string() }, { status = 0, stdout = "out\n", stderr = "err\n" })
  fails("sh: its stderr: string: more than 3 bytes", ocm.exec, { "sh", "-c", "echo error >&2", stderr = ocm.string(3) })
  unit.assertEquals(ocm.fs.read(err), "err\n")
  local expected = ocm.exec { "sha256sum", stdin = ocm.exec { "seq", 100000 } }.stdout:match "^%x+"
  unit.assertEquals(result.digests, { "sha256:" .. expected })
  unit.assertEquals(result.bytes, lfs.attributes(out:path(), "size"))
  unit.assertEquals(ocm.exec { "seq", 10, stdout = ocm.null() }, { status = 0, stderr = "", bytes = 21 })
  unit.assertEquals(ocm.exec { "seq", 10, stdout = ocm.command { "sort" } }.bytes, 21)
end

function TestExec.test_what_a_failed_one_wrote_does_not_appear()
  local dir = folder()
  fails("sh: exit status 1", ocm.exec, { "sh", "-c", "echo x; echo y >&2; exit 1", stdout = dir .. "/out", stderr = dir .. "/err" })
  unit.assertNil(lfs.attributes(dir .. "/out"))
  unit.assertNil(lfs.attributes(dir .. "/err"))
  ocm.exec { "sh", "-c", "echo x; echo y >&2; exit 1", stdout = dir .. "/out", stderr = dir .. "/err", check = false }
  unit.assertEquals(ocm.fs.read(dir .. "/err"), "y\n")
end

function TestExec.test_a_failure_raises_with_what_it_said_or_is_returned()
  fails("git rev-parse: exit status 128: fatal: ", ocm.exec, { "git", "rev-parse", "HEAD", cwd = "/", env = { LC_ALL = "C", GIT_DIR = false } })
  unit.assertEquals(ocm.exec { "sh", "-c", "exit 5", check = false }, { status = 5, stdout = "", stderr = "" })
  unit.assertEquals(ocm.exec { "sh", "-c", "kill -TERM $$", check = false }, { status = 143, signal = 15, stdout = "", stderr = "" })
  fails("sh: ended by signal 15 (TERM)", ocm.exec, { "sh", "-c", "kill -TERM $$" })
  local _, message = pcall(function() local result = ocm.exec { "false" } return result end)
  unit.assertEquals(message, "false: exit status 1") -- users are told, to whom the script's line says nothing
  _, message = pcall(function() local result = ocm.exec { "cat", stdin = 7 } return result end)
  unit.assertStrMatches(message, ".*exec_test.lua:%d+: ocm.exec: stdin: .*")
end

function TestExec.test_arguments_are_not_told()
  local _, message = pcall(ocm.exec, { "sh", "-c", "exit 3", "hunter2" })
  unit.assertEquals(message, "sh: exit status 3")
  _, message = pcall(ocm.exec, { "sleep", "1000", timeout = 0.05 })
  unit.assertEquals(message, "sleep: timed out after 0.05 s")
end

function TestExec.test_its_environment_and_folder()
  local dir = folder()
  local result = ocm.exec { "sh", "-c", 'pwd -P; echo "$A|${HOME-none}|$B|${PATH:+path}"', cwd = dir, env = { A = "a=b\n", HOME = false, B = 5 } }
  unit.assertEquals(result.stdout, ocm.exec { "realpath", dir }.stdout .. "a=b\n|none|5|path\n")
  unit.assertEquals(ocm.exec { "env", inherit = false, env = { A = 1 } }.stdout, "A=1\n")
  unit.assertEquals(ocm.exec { "env", inherit = false }.stdout, "")
  fails("cat: cwd /no/such: No such file or directory", ocm.exec, { "cat", cwd = "/no/such" })
  fails("no-such-program: No such file or directory in PATH (", ocm.exec, { "no-such-program" })
end

function TestExec.test_its_memory_is_bounded()
  local script = "until [ $(ulimit -v) != unlimited ]; do :; done; head -c 200M /dev/zero | tail -c 200M | wc -c"
  unit.assertEquals(ocm.exec { "sh", "-c", script, memory = 1 << 30 }.stdout, "209715200\n")
  unit.assertStrContains(ocm.exec { "sh", "-c", script, memory = 100 << 20, env = { LC_ALL = "C" } }.stderr, "memory exhausted")
  local limited = ocm.exec { "sh", "-c", "until [ $(ulimit -v) = 102400 ]; do :; done", memory = 100 << 20, timeout = 30 }
  unit.assertEquals(limited.status, 0)
end

function TestExec.test_what_is_kept_is_bounded()
  fails("ocm.exec: stdout: more than 1,000 bytes: raise max, or give a sink", ocm.exec, { "yes", max = 1000 })
  unit.assertEquals(#ocm.exec { "head", "-c", 1000, "/dev/zero", max = 1000 }.stdout, 1000)
  local result = ocm.exec { "sh", "-c", "seq 1 100000 >&2", max = 100 } -- of stderr, the end
  unit.assertEquals(#result.stderr, 100)
  unit.assertStrContains(result.stderr, "\n99999\n100000\n")
end

function TestExec.test_misuse_raises()
  fails("expected a table with a program and its arguments, got nil", ocm.exec)
  fails("ocm.exec: no program", ocm.exec, { cwd = "/" })
  fails("argument 1: expected a string or a number, got table", ocm.exec, { "cat", {} })
  fails("argument 1: expected a string or a number, got nothing", ocm.exec, { "cat", nil, "x" })
  fails("argument 0: it holds a NUL byte", ocm.exec, { "cat\0" })
  fails('unknown option "timout", did you mean "timeout"?', ocm.exec, { "cat", timout = 1 })
  fails("timeout: expected a number from 0", ocm.exec, { "cat", timeout = -1 })
  fails("memory: expected an integer from 0", ocm.exec, { "cat", memory = -1 })
  fails("inherit: expected boolean, got string", ocm.exec, { "cat", inherit = "no" })
  fails("cwd: expected string, got boolean", ocm.exec, { "cat", cwd = true })
  fails("cwd: expected a string without a NUL byte", ocm.exec, { "cat", cwd = "a\0b" })
  fails("env.A: expected a string or a number, got boolean", ocm.exec, { "cat", env = { A = true } })
  fails("env.A: it holds a NUL byte", ocm.exec, { "cat", env = { A = "\0" } })
  for _, name in ipairs { "", "A=B", "A\0" } do fails("env: expected names of variables", ocm.exec, { "cat", env = { [name] = "x" } }) end
  fails("env: expected names of variables, got number", ocm.exec, { "cat", env = { "A=b" } })
  fails("max: expected bytes", ocm.exec, { "cat", max = -1 })
  fails("ocm.exec: stdin: path, Location or tempfile expected, got number", ocm.exec, { "cat", stdin = 5 })
  fails("ocm.exec: stdout: path, Location or tempfile expected, got boolean", ocm.exec, { "cat", stdout = true })
  fails("ocm.exec: stderr: path, Location or tempfile expected, got number", ocm.exec, { "cat", stderr = 5 })
end

function TestExec.test_many_at_once()
  local functions = {}
  for i = 1, 20 do functions[i] = function() return ocm.exec { "echo", i }.stdout end end
  local results = { ocm.parallel(table.unpack(functions)) }
  for i = 1, 20 do unit.assertEquals(results[i], i .. "\n") end
end

TestCommand = {}

function TestCommand.test_it_is_a_source_a_stage_and_a_sink()
  local out = folder() .. "/out"
  local result = ocm.pipe(ocm.command { "seq", 1000 }, ocm.command { "sort", "-r", env = { LC_ALL = "C" } }, ocm.digest(), ocm.string())
  unit.assertEquals(result.digests[1]:match ":(.*)", ocm.exec { "sh", "-c", "seq 1000 | LC_ALL=C sort -r | sha256sum" }.stdout:match "%x+")
  result = ocm.pipe(ocm.bytes "text", ocm.command { "sh", "-c", "cat > out", cwd = out:match "^(.*)/" })
  unit.assertEquals(result, { bytes = 4, written = 4 })
  unit.assertEquals(ocm.fs.read(out), "text")
end

function TestCommand.test_one_can_stand_in_several_pipes()
  local upper = ocm.command { "tr", "a-z", "A-Z" }
  unit.assertEquals(ocm.pipe(ocm.bytes "a", upper, ocm.string()).string, "A")
  unit.assertEquals(ocm.pipe(ocm.bytes "b", upper, upper, ocm.string()).string, "B")
end

function TestCommand.test_its_failure_is_the_pipes()
  local dir = folder()
  fails("sh: exit status 2: broken", ocm.pipe, ocm.bytes "x", ocm.command { "sh", "-c", "cat; echo broken >&2; exit 2" }, dir .. "/out")
  fails("sh: exit status 2: broken", ocm.pipe, ocm.bytes "x", ocm.command { "sh", "-c", "echo broken >&2; exit 2" })
  fails("false: exit status 1", ocm.pipe, ocm.command { "false" }, dir .. "/out")
  fails("opening /no/such: No such file or directory", ocm.pipe, "/no/such", ocm.command { "sh", "-c", "cat; echo > done", cwd = dir }, dir .. "/out")
  for name in lfs.dir(dir) do unit.assertStrContains("..", name) end
end

function TestCommand.test_a_sink_that_fails_ends_it()
  fails("No space left on device", ocm.pipe, ocm.command { "yes" }, "/dev/full")
  fails("No space left on device", ocm.pipe, ocm.bytes(("x"):rep(3000000)), ocm.command { "cat" }, ocm.command { "cat" }, "/dev/full")
end

function TestCommand.test_misuse_raises()
  fails("ocm.command: no program", ocm.command, {})
  fails('ocm.command: unknown option "stdin"', ocm.command, { "cat", stdin = "x" })
  fails("ocm.command: expected a table", ocm.command, "cat")
end
