"""ocm.pipe in a running plugin: others are served meanwhile, what is cancelled ends soon and leaves nothing, memory stays bounded."""
import hashlib
import os
import threading

import pytest
from faults import sanitized
from harness import DEADLINE, Plugin, runner, until


@pytest.fixture(scope="module")
def plugin():
    with Plugin(runner()) as running:
        yield running


def in_background(plugin, code):
    """Sends the code; returns a function that waits for the answer."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(plugin.request("POST", "/run", code)))
    thread.start()

    def wait(seconds=DEADLINE):
        thread.join(seconds)
        return answers[0] if answers else None
    return wait


def opened(fifo):
    """Returns a function that waits for the named pipe's other end, which is opened when somebody reads, however shortly."""
    fds = []
    thread = threading.Thread(target=lambda: fds.append(os.open(fifo, os.O_WRONLY)), daemon=True)
    thread.start()

    def wait():
        thread.join(DEADLINE)
        return fds[0]
    return wait


def writer(fifo):
    """The named pipe's other end, as soon as somebody reads it."""
    def try_it():
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return None
    return until(try_it)


def test_others_are_served_while_bytes_move(plugin, folder):
    os.mkfifo(folder / "fifo")
    wait = in_background(plugin, f'ocm.pipe("{folder}/fifo", ocm.digest(), "{folder}/out")')
    fd = writer(folder / "fifo")
    assert plugin.run("1 + 1") == [2]
    os.write(fd, b"hello")
    assert plugin.request("GET", "/healthz").status == 200
    os.close(fd)
    answer = wait()
    assert answer.status == 200, answer.text
    assert (folder / "out").read_bytes() == b"hello"


def test_a_location_that_is_a_named_pipe_is_a_source_and_a_sink(plugin, folder):
    os.mkfifo(folder / "fifo")
    location = f'{{ type = "unixNamedPipe", value = "{folder}/fifo" }}'
    wait = in_background(plugin, f'return ocm.pipe({location}, ocm.string()).string')
    answer = plugin.request("POST", "/run", f'ocm.pipe(ocm.bytes "through", {location})')
    assert answer.status == 200, answer.text
    assert wait().text == '["through"]'


@pytest.mark.parametrize("stages", ["", "ocm.digest(),", "ocm.map(function() end),", "ocm.lines(function() end),", "ocm.tee(ocm.tempfile()),", "ocm.digest(), ocm.digest(),",
                                    "ocm.limit(1 << 40), ocm.tee(ocm.null()),"])
def test_a_cancelled_pipe_ends_soon_and_leaves_nothing(stages, folder):
    """Its source never ends; limits.handler does."""
    os.mkfifo(folder / "fifo")
    (folder / "kept").write_text("old")
    with Plugin(runner("limits = { handler = 0.4 },")) as plugin:
        writing = opened(folder / "fifo")
        wait = in_background(plugin, f'ocm.pipe("{folder}/fifo", {stages} "{folder}/kept")')
        fd = writing()
        with pytest.raises(BrokenPipeError):
            while True:
                os.write(fd, b"some bytes\n" * 10000)
        os.close(fd)
        assert "limits.handler" in wait().text
        until(lambda: sorted(os.listdir(folder)) == ["fifo", "kept"])
        assert (folder / "kept").read_text() == "old"
        assert plugin.run("1") == [1]


@pytest.mark.parametrize("stages", ["WRONG,", "ocm.limit(2000000),", "WRONG, ocm.gzip(),", "ocm.map(function() error 'no' end),"])
def test_a_pipe_that_fails_leaves_nothing_half_written_in_tempfiles(plugin, folder, stages):
    """Nobody knows when Lua collects them, or whether the script keeps them."""
    (folder / "large").write_bytes(os.urandom(3_000_000))
    stages = stages.replace("WRONG", f'ocm.digest "sha256:{"0" * 64}"')
    files = plugin.run(f"""
local side, sink = ocm.tempfile(), ocm.tempfile()
assert(not pcall(ocm.pipe, "{folder}/large", ocm.tee(side), {stages} sink))
return side:path(), sink:path()""")
    until(lambda: [os.path.getsize(file) for file in files] == [0, 0])  # a function's error does not wait for the threads


def test_shutting_down_cancels_what_waits_for_a_named_pipe(folder):
    os.mkfifo(folder / "fifo")
    with Plugin(runner()) as plugin:
        wait = in_background(plugin, f'ocm.pipe("{folder}/fifo", "{folder}/out")')
        fd = writer(folder / "fifo")
        plugin.signal()
        assert wait().status == 503
        os.close(fd)
        plugin.wait()
    assert os.listdir(folder) == ["fifo"]


def test_a_closed_variable_ends_a_pipe_of_a_part_of_parallel(plugin, folder):
    """One part fails: the other, which waits for bytes, is ended, and its file goes."""
    os.mkfifo(folder / "fifo")
    wait = in_background(plugin, f'''ocm.parallel(
      function() ocm.pipe("{folder}/fifo", "{folder}/out") end,
      function() ocm.pipe("{folder}/nosuch", ocm.null()) end)''')
    assert "nosuch: No such file" in wait().text
    until(lambda: os.listdir(folder) == ["fifo"])


def test_pipes_run_side_by_side_and_inside_of_functions_of_map(plugin):
    assert plugin.run('''
      local function one(n)
        return function()
          return ocm.pipe(ocm.bytes(("x"):rep(n)), ocm.map(function(chunk)
            ocm.sleep(0.001)
            return ocm.pipe(ocm.bytes(chunk), ocm.map(string.upper), ocm.string()).string
          end), ocm.digest(), ocm.string()).digests[1]
        end
      end
      return ocm.parallel(one(10), one(300000), one(2000000))''') == ["sha256:" + hashlib.sha256(b"X" * n).hexdigest() for n in (10, 300000, 2000000)]


def test_a_full_disk_is_told_and_nothing_half_written_stays(folder):
    """Files may not grow beyond a megabyte here, which is how a full disk looks."""
    def limit():
        import resource
        import signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    (folder / "big").write_bytes(os.urandom(3 << 20))
    with Plugin(runner(), preexec_fn=limit) as plugin:
        for stages in ("", "ocm.digest(),", "ocm.tee(ocm.null()),"):
            assert "File too large" in plugin.run_error(f'ocm.pipe("{folder}/big", {stages} "{folder}/out")')
        assert os.listdir(folder) == ["big"]
        assert "File too large" in plugin.run_error(f'ocm.pipe("{folder}/big", ocm.tee("{folder}/out"), ocm.null())')
        assert os.listdir(folder) == ["big"]


def test_a_temporary_file_is_empty_when_its_pipe_fails(plugin):
    for sinks in ("ocm.limit(1 << 19), file", "ocm.tee(file), ocm.digest('sha256:' .. ('0'):rep(64)), ocm.null()"):
        assert plugin.run(f"""local file = ocm.tempfile():write "before"
            local ok = pcall(ocm.pipe, ocm.bytes(("x"):rep(1 << 20)), {sinks})
            return ok, require("lfs").attributes(file:path(), "size")""") == [False, 0]
    assert plugin.run('local file = ocm.tempfile() ocm.pipe(ocm.bytes "all", file) return require("lfs").attributes(file:path(), "size")') == [3]


def test_memory_and_descriptors_do_not_grow_with_what_passes(folder):
    with open(folder / "big", "wb") as file:
        file.truncate(256 << 20)
    with Plugin(runner()) as plugin:
        def memory():
            with open(f"/proc/{plugin.pid}/status") as status:
                return next(int(line.split()[1]) for line in status if line.startswith("RssAnon:")) // 1024
        code = f'local r = ocm.pipe("{folder}/big", ocm.digest(), ocm.limit(1 << 40), ocm.digest "md5", ocm.null()) return r.bytes'
        assert plugin.run(f"local r = ocm.pipe(ocm.bytes(('x'):rep(3000000)), ocm.digest(), ocm.digest(), ocm.null()) return r.bytes") == [3000000]
        before, files = memory(), len(os.listdir(f"/proc/{plugin.pid}/fd"))
        waits = [in_background(plugin, code) for _ in range(4)]
        peak = before
        while not all(wait(0.01) for wait in waits):
            peak = max(peak, memory())
        assert [wait().text for wait in waits] == [f"[{256 << 20}]"] * 4
        assert sanitized() or peak - before < 16, (before, peak)
        until(lambda: len(os.listdir(f"/proc/{plugin.pid}/fd")) <= files)


def test_what_lasts_tells_its_progress_at_debug_level(folder):
    os.mkfifo(folder / "fifo")
    with Plugin(runner()) as plugin:
        wait = in_background(plugin, f'ocm.pipe("{folder}/fifo", ocm.null())')
        fd = writer(folder / "fifo")
        def told():
            os.write(fd, b"x")
            return [entry for entry in plugin.log() if entry["msg"] == "bytes are moving"]
        entry = until(told)[0]
        os.close(fd)
        wait()
        assert (entry["level"], entry["source"]) == ("DEBUG", f"{folder}/fifo")
        assert int(entry["bytes"]) > 0 and entry["rate"].endswith("MB/s")
