"""`ocmlua run`: scripts that are no plugins, as lua runs them, with all that plugins have."""
import signal
import subprocess
from pathlib import Path

import pytest
from harness import DEADLINE, OCMLUA, environment, run


def lua(folder, text, *arguments):
    """Runs the text as a file, from elsewhere."""
    (folder / "script.lua").write_text(text)
    return run("run", folder / "script.lua", *arguments)


def from_stdin(folder, text):
    return subprocess.run([OCMLUA, "run", "-"], input=text, capture_output=True, text=True, env=environment(folder), timeout=DEADLINE, check=False)


def test_arguments_are_as_lua_has_them(folder):
    done = lua(folder, 'print(arg[0], #arg, arg[1], arg[2], ...)', "-x", "--help", "a b")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{folder}/script.lua\t3\t-x\t--help\t-x\t--help\ta b\n"


def test_script_from_stdin(folder):
    done = from_stdin(folder, "#!/usr/bin/env ocmlua\nprint(ocm.json.encode { a = 1 })")
    assert (done.returncode, done.stdout, done.stderr) == (0, '{"a":1}\n', "")


def test_output_is_its_own(folder):
    done = lua(folder, 'print "out" io.stderr:write "err\\n" io.write "more"')
    assert (done.stdout, done.stderr) == ("out\nmore", "err\n")


def test_modules_beside_the_script_are_found(folder):
    (folder / "part").mkdir()
    (folder / "part/init.lua").write_text('return "part"')
    (folder / "piece.lua").write_text('return "piece"')
    done = lua(folder, 'local a, b = require "part", require "piece" print(a, b, require "cjson" ~= nil)')
    assert done.stdout == "part\tpiece\ttrue\n"


def test_what_waits_blocks(folder):
    done = lua(folder, '''
      local file = ocm.tempfile():write "hello"
      ocm.sleep(0.001)
      local a, b = ocm.parallel(function() ocm.sleep(0.002) return 1 end, function() return 2 end)
      print(a, b, ocm.pipe(file, ocm.digest "sha256", ocm.null()).digests[1]:sub(1, 15))''')
    assert (done.returncode, done.stdout) == (0, "1\t2\tsha256:2cf24dba\n")


@pytest.mark.parametrize("text, status", [("os.exit(3)", 3), ("os.exit(true)", 0), ("os.exit(false)", 1), ("return 5", 0)])
def test_exit_status(folder, text, status):
    assert lua(folder, text).returncode == status


@pytest.mark.parametrize("text, says", [
    ('local function f()\n  error "boom"\nend\nf()', ["script.lua:2: boom", "script.lua:2: in local 'f'", "script.lua:4: in main chunk"]),
    ('error({})', ["(an error that is a table)"]),
    ('error()', ["(an error that is a nil)"]),
    ('ocm.fail(404, "no %s", "such")', ["no such"]),
    ('error(setmetatable({}, { __tostring = function() error "x" end }))', ["(an error that has no text)"]),
])
def test_error_is_told_with_the_scripts_own_traceback(folder, text, says):
    done = lua(folder, text)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("ocmlua run: ")
    for part in says:
        assert part in done.stderr
    assert done.stderr.endswith("in main chunk\n") and "xpcall" not in done.stderr


def test_text_that_is_not_lua_is_told_without_a_traceback(folder):
    done = lua(folder, "local x = = 1")
    assert (done.returncode, done.stderr) == (1, f"ocmlua run: {folder}/script.lua:1: unexpected symbol near '='\n")


def test_missing_script():
    done = run("run", "/none/such")
    assert (done.returncode, done.stderr) == (1, "ocmlua run: cannot open /none/such: No such file or directory\n")
    assert run("run").returncode == 2


def test_temporary_files_are_gone_when_it_ends(folder):
    done = lua(folder, 'print(ocm.tempfile():path()) error "end"')
    assert done.returncode == 1 and done.stdout.startswith("/")
    assert not Path(done.stdout.strip()).exists()


@pytest.mark.parametrize("end, status", [("os.exit(3, true)", 3), ("error 'end'", 1), ("os.exit(true, true)", 0)])
def test_finaliser_that_does_not_end_changes_nothing_of_the_exit_status(folder, end, status):
    done = lua(folder, 'kept = setmetatable({}, { __gc = function() while true do end end }) print "said" ' + end)
    assert (done.returncode, done.stdout) == (status, "said\n")


def interrupted(folder):
    """(status, what it prints from then on) of script.lua, interrupted when it has printed "ready"."""
    process = subprocess.Popen([OCMLUA, "run", folder / "script.lua"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(folder))
    try:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=DEADLINE)
        return process.returncode, out
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.mark.parametrize("work", ["ocm.sleep(1000)", "while true do end", "table.sort({ 1, 2 }, function() while true do end end)"])
def test_interrupt_closes_variables_and_ends_it(folder, work):
    (folder / "script.lua").write_text('''
      local closing <close> = setmetatable({}, { __close = function()
        local file <close> = io.open("/proc/self/stat") -- what takes a while
        for _ = 1, 10 do ocm.sleep(0.005) end
        print "closed"
      end })
      print "ready" io.stdout:flush()
      ''' + work)
    assert interrupted(folder) == (130, "closed\n")


def test_interrupt_ends_what_catches_every_error(folder):
    (folder / "script.lua").write_text('print "ready" io.stdout:flush() while true do pcall(function() while true do end end) end')
    assert interrupted(folder) == (130, "")


def test_finaliser_that_does_not_end_leaves_an_interrupted_one_interrupted(folder):
    (folder / "script.lua").write_text('kept = setmetatable({}, { __gc = function() while true do end end }) print "ready" io.stdout:flush() while true do end')
    assert interrupted(folder) == (130, "")
