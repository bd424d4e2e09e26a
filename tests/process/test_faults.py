"""What goes wrong around a plugin: it is killed, its socket is taken, its client is gone, nobody reads its output, its
log lines are odd."""
import fcntl
import json
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys

import pytest
from faults import (ANYTHING, MINIMAL, Background, closing, descriptors, in_flight, run_directories, script,
                    together)
from harness import DEADLINE, OCMLUA, Plugin, run, script_file, until

OK = {"/ok": "return { body = 'ok' }"}


def sharing(plugin, text=MINIMAL, **options):
    """Another plugin with the same TMPDIR."""
    return Plugin(text, env={"TMPDIR": str(plugin.tmp)}, **options)


# ---- what a killed process leaves ----

def test_what_a_killed_process_leaves_is_swept_by_the_next_start():
    litter = 'local dir = ocm.tempfile():path() .. "-dir" os.execute("mkdir -p " .. dir .. "/a/b/c && ln -s / " .. dir .. "/root && touch " .. dir .. "/a/file && chmod 500 " .. dir .. "/a")'
    with Plugin(script({"/litter": litter}), exits=-signal.SIGKILL) as killed:
        assert killed.request("GET", "/litter").status == 200
        [left] = run_directories(killed)
        assert (left / "socket").is_socket()
        killed.signal(signal.SIGKILL)
        killed.wait()
        with sharing(killed, config={"id": "another"}) as plugin:
            assert left not in run_directories(killed)
            assert plugin.request("GET", "/healthz").status == 200
        assert os.path.isdir("/root") or os.path.isdir("/home")


def test_living_ones_are_not_swept():
    with Plugin(script(OK)) as first, sharing(first) as second, sharing(first):
        assert len(run_directories(first)) == 3
        second.request("POST", "/shutdown")
        assert second.wait() == 0
        assert len(run_directories(first)) == 2
        assert first.request("GET", "/ok").text == "ok"


def test_what_only_looks_like_a_run_directory_is_left_alone(folder):
    with Plugin(MINIMAL, exits=-signal.SIGKILL, leaves=ANYTHING) as killed: # a real one, to make others look like it
        [real] = run_directories(killed)
        killed.signal(signal.SIGKILL)
        killed.wait()
        shutil.copytree(real, folder / "target", ignore=shutil.ignore_patterns("socket"))
        for name in ("ocm-my-things", "ocm-test-abcdef", "ocm-test-123456"):
            (folder / name).mkdir()
            (folder / name / "precious").write_text("mine")
        (folder / "ocm-file-abcdef").write_text("mine")
        (folder / "ocm-link-abcdef").symlink_to(folder / "target")
        for name in ("ocm-my-things-x", "my-test-abcdef", "ocm-"): # the marker is there, the name is not ours
            shutil.copytree(folder / "target", folder / name)
        before = sorted(folder.rglob("*"))
        with Plugin(MINIMAL, env={"TMPDIR": str(folder)}) as plugin:
            plugin.request("GET", "/healthz")
        assert sorted(folder.rglob("*")) == before


def test_another_users_run_directory_is_left_alone(folder):
    if os.geteuid() != 0:
        pytest.skip("only root can make one")
    with Plugin(MINIMAL, exits=-signal.SIGKILL, leaves=ANYTHING) as killed:
        killed.signal(signal.SIGKILL)
        killed.wait()
        shutil.copytree(run_directories(killed)[0], folder / "ocm-test-abcdef", ignore=shutil.ignore_patterns("socket"))
        os.chown(folder / "ocm-test-abcdef", 12345, 12345)
        with Plugin(MINIMAL, env={"TMPDIR": str(folder)}):
            assert (folder / "ocm-test-abcdef").exists()


def test_a_cancelled_copy_leaves_no_part_of_its_target():
    with Plugin(script({"/a": "ocm.log.info('begun ' .. request.query.n) ocm.copy(request.query.fifo, request.query.to)"}, "limits = { handler = 0.3 }")) as plugin:
        fifo = plugin.folder / "fifo"
        os.mkfifo(fifo)
        target = plugin.folder / "target"
        before = set(os.listdir(plugin.folder))
        for ending in ("limit", "signal"):
            request = in_flight(plugin, f"/a?fifo={fifo}&to={target}&n={ending}", f"begun {ending}")
            if ending == "signal":
                plugin.signal()
            assert request.result().status == 500
            until(lambda: set(os.listdir(plugin.folder)) == before)
        assert plugin.wait() == 0


# ---- the directory itself ----

def test_a_missing_tmpdir_does_not_stop_a_tcp_plugin():
    """The manager chooses tcp when $TMPDIR cannot hold a socket."""
    with Plugin(script({"/a": "return { body = ocm.tempfile():path() }"}), transport="tcp", env={"TMPDIR": "/nonexistent/tmp"}) as plugin:
        path = plugin.request("GET", "/a").text
        assert path.startswith("/tmp/ocm-test-") and os.path.exists(path)
    assert not os.path.exists(os.path.dirname(path))


def test_a_tmpdir_that_is_too_long_for_a_socket_does_not_stop_a_tcp_plugin(folder):
    deep = folder / ("d" * 120)
    deep.mkdir()
    with Plugin(script({"/a": "return { body = ocm.tempfile():path() }"}), transport="tcp", env={"TMPDIR": str(deep)}) as plugin:
        assert os.path.exists(plugin.request("GET", "/a").text)
    assert list(deep.iterdir()) == []


def test_a_run_directory_that_somebody_removed_fails_what_needs_it_alone():
    with Plugin(script({"/a": "return { body = ocm.tempfile():path() }", **OK}), transport="tcp") as plugin:
        [directory] = run_directories(plugin)
        shutil.rmtree(directory)
        answer = plugin.request("GET", "/a")
        assert answer.status == 500 and "No such file or directory" in answer.text
        assert plugin.request("GET", "/ok").text == "ok"


# ---- `location` ----

def occupied(path):
    """A socket that somebody else listens on."""
    other = socket.socket(socket.AF_UNIX)
    other.bind(str(path))
    other.listen()
    return other


def test_a_stale_socket_at_the_location_is_replaced(folder):
    def check(case):
        name, lock = case
        path = folder / name
        occupied(path).close()
        assert path.is_socket()
        if lock is not None:
            (folder / f"{name}.lock").write_text(lock)
        with Plugin(MINIMAL, {"location": str(path)}) as plugin:
            assert plugin.location == f"http+unix://{path}"
            assert plugin.request("GET", "/healthz").status == 200
        assert not path.exists()
    together(check, [("none", None), ("empty", ""), ("dead", "999999999"), ("reused", "1"), ("mine", str(os.getpid())), ("odd", "x" * 100)])
    assert list(folder.iterdir()) == []


def test_the_socket_of_a_killed_process_is_replaced(folder):
    location = {"location": str(folder / "socket")}
    with Plugin(MINIMAL, location, exits=-signal.SIGKILL) as killed:
        killed.signal(signal.SIGKILL)
        killed.wait()
        with sharing(killed, config=location) as plugin:
            assert plugin.request("GET", "/healthz").status == 200
    assert list(folder.iterdir()) == []


def refused(config):
    with Plugin(MINIMAL, config, handshake=False, exits=1) as plugin:
        assert plugin.wait() == 1
        assert plugin.stdout == []
    [line] = [entry for entry in plugin.log() if entry["level"] == "ERROR"]
    return line["msg"]


def test_a_living_socket_at_the_location_is_not_stolen(folder):
    path = folder / "socket"
    with Plugin(script(OK), {"location": str(path)}) as plugin:
        assert str(path) in refused({"location": str(path)})
        assert plugin.request("GET", "/ok").text == "ok"
    assert list(folder.iterdir()) == []
    with occupied(path) as other:
        assert "in use" in refused({"location": str(path)})
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            other.accept()[0].close()
    assert [entry.name for entry in folder.iterdir()] == ["socket"]


@pytest.mark.parametrize("what", ["file", "directory", "link", "dangling link"])
def test_what_is_no_socket_at_the_location_is_not_touched(folder, what):
    path = folder / "thing"
    if what == "file":
        path.write_text("precious")
    elif what == "directory":
        path.mkdir()
    else:
        path.symlink_to("target")
        if what == "link":
            (folder / "target").write_text("precious")
    before = sorted((entry.name, entry.is_symlink()) for entry in folder.iterdir())
    assert str(path) in refused({"location": str(path)})
    assert sorted((entry.name, entry.is_symlink()) for entry in folder.iterdir()) == before


def test_two_that_want_the_same_stale_socket_at_once_do_not_both_get_it(folder):
    path = folder / "socket"
    occupied(path).close()
    plugins = [Plugin(script(OK), {"location": str(path)}, handshake=False, exits=None).start() for _ in range(8)]
    try:
        until(lambda: sum(plugin.process.poll() is None for plugin in plugins) == 1)
        [winner] = [plugin for plugin in plugins if plugin.process.poll() is None]
        winner.announced()
        assert winner.request("GET", "/ok").text == "ok"
        winner.stop()
        assert list(folder.iterdir()) == []
    finally:
        for plugin in plugins:
            plugin.kill()


# ---- clients ----

def is_idle(plugin):
    """It ends by itself: so it holds no request to be open any more."""
    assert plugin.wait() == 0


def leave(peer, how):
    if how == "reset":
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif how == "half":
        peer.shutdown(socket.SHUT_WR)
        return
    peer.close()


HALVES = {
    "nothing": b"",
    "half a line": b"GET /ok HT",
    "half a head": b"GET /ok HTTP/1.1\r\nHost: localhost\r\nX-",
    "half a body": b"POST /identity HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
    "half a chunk": b"POST /identity HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{",
    "a request": b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "two requests": b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\nGET /ok HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a big answer": b"GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("transport", ["unix", "tcp"])
def test_a_client_that_is_gone_leaves_nothing_open(transport):
    handlers = {"/slow": "ocm.sleep(0.2) ocm.log.info 'slow done'", "/big": "return { body = ('x'):rep(20000000) }", **OK}
    with Plugin(script(handlers), {"idleTimeout": 2 * 10**9}, transport) as plugin:
        for how in ("close", "reset", "half"):
            halves = []
            for sent in HALVES.values():
                peer = plugin.connect()
                peer.sendall(sent)
                halves.append(peer)
            assert plugin.request("GET", "/ok").text == "ok"
            for peer in halves:
                leave(peer, how)
            assert plugin.request("GET", "/ok").text == "ok"
            for peer in halves:
                if how == "half": # what was asked in full is answered
                    while peer.recv(1 << 20):
                        pass
                peer.close()
        is_idle(plugin)
    assert len(plugin.log("slow done")) == 6


def test_a_client_that_has_closed_its_sending_side_gets_its_answer():
    with Plugin(script({"/slow": "ocm.sleep(0.1) return { body = 'slow' }", **OK})) as plugin:
        for path, text in (("/ok", b"ok"), ("/slow", b"slow")):
            assert plugin.raw(f"GET {path} HTTP/1.1\r\nHost: unix\r\n\r\n".encode()).endswith(b"\r\n\r\n" + text)


def test_an_answer_that_nobody_reads_holds_up_neither_others_nor_the_end():
    with Plugin(script({"/big": "ocm.log.info 'begun' return { body = ('x'):rep(50000000) }", **OK})) as plugin, plugin.connect() as peer:
        peer.sendall(b"GET /big HTTP/1.1\r\nHost: unix\r\n\r\n")
        plugin.wait_log("begun")
        assert plugin.request("GET", "/ok").text == "ok"
        plugin.signal()
        assert plugin.wait() == 0


def test_a_thousand_connections_one_after_the_other_leave_no_descriptor():
    with Plugin(script({**OK, "/file": "ocm.tempfile():write 'x'", "/copy": "ocm.copy(arg[0], ocm.tempfile())"})) as plugin:
        def all_paths():
            for path in ("/ok", "/file", "/copy", "/healthz", "/nothing"):
                plugin.request("GET", path)
        all_paths()
        plugin.request("GET", "/ok")
        before = descriptors(plugin)
        for _ in range(200):
            all_paths()
        plugin.request("GET", "/ok")
        until(lambda: descriptors(plugin) <= before + 4) # tempfiles are closed when they are collected


def test_few_descriptors_are_enough():
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))
    with Plugin(script(OK), {"id": "x"}, preexec_fn=few) as plugin:
        peers = []
        try:
            for _ in range(60):
                peers.append(plugin.connect(1))
        except OSError:
            pass
        for peer in peers:
            peer.close()
        assert until(lambda: plugin.request("GET", "/ok").text) == "ok"


# ---- stdin, stdout, stderr ----

def closed(redirections):
    """The command that starts the plugin with these shell redirections."""
    def make(plugin_script):
        return ["/bin/sh", "-c", f'exec "$@" {redirections}', "sh", OCMLUA, plugin_script]
    return make


@pytest.mark.parametrize("redirections", ["<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full", ">/dev/full 2>/dev/full", ">&- 2>/dev/full"])
def test_closed_and_full_standard_descriptors_change_nothing(folder, redirections):
    """What is opened later must not become somebody's stdout."""
    text = script({"/noise": "print 'noise' io.write 'noise\\n' io.stderr:write 'noise\\n' os.execute 'echo noise; echo noise >&2' return { body = ocm.tempfile():write('x'):path() }"},
                  f"start = function() {closing('')} print 'start' end, cleanup = function() io.open({str(folder / 'cleaned')!r}, 'w'):close() end")
    location = str(folder / "socket")
    with Plugin(None, {"location": location}, command=closed(redirections)(script_file(folder, text)), handshake=False, raw_log=True) as plugin:
        plugin.address = location
        until(lambda: os.path.exists(location))
        assert until(lambda: healthy(plugin))
        path = plugin.request("GET", "/noise").text
        with open(path, encoding="utf-8") as file:
            assert file.read() == "x"
        plugin.signal()
        assert plugin.wait() == 0
    assert (folder / "cleaned").exists()
    assert all(line.startswith("http+unix://") for line in plugin.stdout)


def healthy(plugin):
    try:
        return plugin.request("GET", "/healthz").status == 200
    except OSError:
        return False


def test_nobody_reading_stdout_before_or_after_the_handshake(folder):
    def check(when):
        location = str(folder / when)
        reader, writer = os.pipe()
        with Plugin(script({"/noise": "print(('x'):rep(100000)) os.execute 'head -c 300000 /dev/zero'", **OK}), {"location": location}, stdout=writer, handshake=False) as plugin:
            os.close(writer)
            plugin.address = location
            if when == "after":
                assert b"http+unix://" in os.read(reader, 1000)
            if when != "never":
                os.close(reader)
            until(lambda: os.path.exists(location))
            assert until(lambda: healthy(plugin))
            assert plugin.request("GET", "/noise").status == 200
            assert plugin.request("GET", "/ok").text == "ok"
            plugin.signal()
            assert plugin.wait() == 0
        if when == "never":
            assert os.read(reader, 100000) == f"http+unix://{location}\n".encode()
            os.close(reader)
    together(check, ["before", "after", "never"])


class Pipe:
    """A pipe for a plugin's stderr that nobody reads, until read() or close()."""

    def __enter__(self):
        self.reader, self.writer = os.pipe()
        return self

    def close_writer(self):
        os.close(self.writer)
        self.writer = None

    def close_reader(self):
        os.close(self.reader)
        self.reader = None

    def full(self):
        """Whether a writer would have to wait."""
        return fcntl.ioctl(self.reader, 0x541B, b"\0\0\0\0") != b"\0\0\0\0" # FIONREAD

    def read(self):
        with open(self.reader, "rb", closefd=False) as file:
            return file.read()

    def __exit__(self, *_):
        for fd in (self.reader, self.writer):
            if fd is not None:
                os.close(fd)


MEGABYTES = "for i = 1, 3000 do ocm.log.info(('x'):rep(1000), { i = i }) end"
SHOUT = {
    "log": MEGABYTES,
    "print": "for i = 1, 3000 do print(('x'):rep(1000)) end",
    "io.write": "for i = 1, 3000 do io.write(('x'):rep(1000), '\\n') end",
    "io.stderr": "for i = 1, 3000 do io.stderr:write(('x'):rep(1000), '\\n') end",
    "child": "os.execute 'head -c 3000000 /dev/zero | tr \"\\\\0\" \"\\\\n\"'",
}


def test_a_stderr_that_nobody_reads_holds_up_neither_the_handshake_nor_requests_nor_the_end():
    def check(case):
        how, when = case
        text = SHOUT[how]
        parts = {"load": "", "start": "", "handler": "", "cleanup": ""}
        parts[when] = text
        plugin_script = script({"/a": f"{parts['handler']} return {{ body = 'a' }}"}, f"start = function() {parts['start']} end, cleanup = function() {parts['cleanup']} end", before=parts["load"])
        with Pipe() as pipe, Plugin(plugin_script, stderr=pipe.writer) as plugin:
            for _ in range(3):
                assert plugin.request("GET", "/a").text == "a"
            plugin.signal()
            assert plugin.wait() == 0
    together(check, [(how, when) for how in SHOUT for when in ("load", "start", "handler", "cleanup")])


def test_lines_that_were_lost_are_counted():
    handlers = {"/shout": "for i = 1, 4000 do ocm.log.info(('x'):rep(1000), { i = i }) end", "/once": "ocm.log.info 'once'"}
    with Pipe() as pipe, Plugin(script(handlers), stderr=pipe.writer) as plugin:
        pipe.close_writer()
        assert plugin.request("GET", "/shout").status == 200
        reading = Background(pipe.read)
        plugin.request("GET", "/once")
        plugin.signal()
        assert plugin.wait() == 0
        entries = [json.loads(line) for line in reading.result().splitlines()]
    lost = sum(entry["lost"] for entry in entries if "lost" in entry)
    numbers = [entry["i"] for entry in entries if "i" in entry]
    once = sum(entry["msg"] == "once" for entry in entries) # it is lost, too, when the reader is slow
    assert lost > 0 and len(numbers) + once + lost == 4001
    assert numbers == sorted(numbers)
    assert [entry["msg"] for entry in entries][-2:] == ["once", "gracefully shutting down plugin"]


def test_a_stderr_pipe_that_breaks_changes_nothing_in_a_shutdown(folder):
    def check(when):
        cleaned = folder / when
        cleanup = f"cleanup = function() ocm.log.info 'cleaning' io.open({str(cleaned)!r}, 'w'):close() end"
        handlers = {"/a": "begun = true ocm.sleep(0.5) ocm.log.info 'served' return { body = 'a' }", "/begun": "return { status = begun and 200 or 404 }"}
        with Pipe() as pipe, Plugin(script(handlers, cleanup), stderr=pipe.writer) as plugin:
            pipe.close_writer()
            if when == "at once":
                pipe.close_reader()
            request = Background(plugin.request, "GET", "/a")
            until(lambda: plugin.request("GET", "/begun").status == 200)
            if when == "before":
                pipe.close_reader()
            plugin.signal()
            if when == "while draining":
                pipe.close_reader()
            assert request.result().text == "a"
            assert plugin.wait() == 0
        assert cleaned.exists()
    together(check, ["at once", "before", "while draining"])


# ---- log lines ----

ODD = [ # arguments of ocm.log.info
    "''", "'a\\nb\\r\\t\\0c'", "'\\xff\\xfe\\x80'", "'\\xed\\xa0\\x80'", "'\\xf4\\x90\\x80\\x80'", "'\\u{1F600}\\u{7f}\\u{2028}'", "'\"}{\\\\'", "('x'):rep(1000000)", "('\\0'):rep(1000000)",
    "('\\xff'):rep(1000000)", "('\\u{20AC}'):rep(100000)", "('\"'):rep(40000)", "1", "nil", "true", "{}", "print", "setmetatable({}, { __tostring = function() return 'told' end })",
    "'a', { msg = 1, level = {}, time = false }", "'a', { [''] = 1 }", "'a', { ['\\xff\\0'] = '\\xff\\0' }", "'a', { [('k'):rep(100000)] = 1 }", "'a', { v = ('x'):rep(1000000) }",
    "'a', { v = print, w = 0/0, x = 1/0, y = math.mininteger, z = ocm.json.null }", "'a', { v = { { { {} } } } }", "'a', cycle()", "'a', many()", "'a', { v = setmetatable({}, { __tostring = function() return '\\xff' end }) }",
    "('x'):rep(31000), { v = ('x'):rep(3000) }", "('x'):rep(32700)", "'a', { a = ('x'):rep(16000), b = ('y'):rep(16000), c = 1 }",
]
BEFORE = "function cycle() local t = {} t.t = t return t end function many() local t = {} for i = 1, 1000 do t['k' .. i] = i end return t end"


def test_every_log_line_is_what_the_manager_can_read(folder):
    """Below 32 KiB, a JSON object in valid UTF-8, msg and level strings: anything else makes it panic, or is dropped."""
    handlers = {f"/{i}": f"ocm.log.info({text})" for i, text in enumerate(ODD)}
    shouting = {"/print": "print('\\xff', nil, {}) print() print(('x\\n'):rep(100000))", "/write": "io.write(('\\xff'):rep(100000), '\\n', '\\n\\0\\n')",
                "/child": "os.execute 'head -c 100000 /dev/urandom; printf \"\\\\n\\\\n\"; head -c 100000 /dev/zero; echo; echo end'", "/error": "error(('\\xff\\0'):rep(100000))", "/\xfc": ""}
    log = folder / "log"
    with open(log, "wb") as file, Plugin(script({**handlers, **shouting}, before=BEFORE), stderr=file) as plugin:
        for path in [*handlers, *shouting]:
            plugin.request("GET", path.replace("\xfc", "%FC%00%0A"))
    lines = log.read_bytes().split(b"\n")
    assert lines.pop() == b""
    for line in lines:
        assert len(line) < 32 * 1024
        entry = json.loads(line.decode())
        assert isinstance(entry, dict) and isinstance(entry["msg"], str) and entry["level"] in ("DEBUG", "INFO", "WARN", "ERROR")
    texts = log.read_text()
    assert '"truncated":true' in texts and '"end"' in texts


def test_what_does_not_fit_into_a_line_is_said_to_be_missing():
    with Plugin(script({"/many": "ocm.log.info('many', many())", "/long": "ocm.log.info('long', { a = 1, v = ('x'):rep(100000), z = 2 })"}, before=BEFORE)) as plugin:
        plugin.request("GET", "/many")
        plugin.request("GET", "/long")
        assert plugin.wait_log("many")["truncated"] is True
        long = plugin.wait_log("long")
        assert (long["a"], long["z"], long["truncated"]) == (1, 2, True)


def test_a_long_error_is_in_the_log_up_to_where_it_fits():
    with Plugin(script({"/a": "error(('why '):rep(100000), 0)"})) as plugin:
        plugin.request("GET", "/a")
        entry = plugin.wait_log("request failed")
        assert entry["error"].startswith("why why ") and "traceback" in entry


LOGGERS = {
    "raises": "error 'x'",
    "raises nothing": "error()",
    "logs": "ocm.log.info('again ' .. msg, attributes) print 'and again'",
    "overflows": "local function f() return 1 + f() end f()",
}


def test_a_logger_that_fails_loses_no_line_and_no_request():
    def check(what):
        with Plugin(script({"/a": "ocm.log.info 'line' return { body = 'a' }"}, f"logger = function(level, msg, attributes) {LOGGERS[what]} end")) as plugin:
            for _ in range(2):
                assert plugin.request("GET", "/a").text == "a"
            until(lambda: sum("line" in entry["msg"] for entry in plugin.log()) >= 2)
    together(check, LOGGERS)


def test_a_logger_that_was_cut_off_is_asked_again():
    logger = "logger = function(level, msg) if msg == 'slow' then ocm.sleep(1000) end ocm.log.info('via logger: ' .. msg) end"
    with Plugin(script({"/slow": "ocm.log.info 'slow'", "/a": "ocm.log.info 'line'"}, f"limits = {{ handler = 0.5 }}, {logger}")) as plugin:
        slow = Background(plugin.request, "GET", "/slow")
        while slow.is_alive():
            plugin.request("GET", "/a")
        assert slow.result().status == 500
        plugin.request("GET", "/a")
        plugin.wait_log("via logger: line")
        assert plugin.log("line") == []


def test_a_script_that_does_not_load_says_so_though_nobody_reads_stderr(folder):
    file = script_file(folder, MEGABYTES + " error 'x'")
    with Pipe() as pipe:
        done = subprocess.Popen([str(OCMLUA), str(file), "--config", '{"id":"x","type":"unix"}'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=pipe.writer)
        pipe.close_writer()
        try:
            assert done.wait(DEADLINE) == 1
        finally:
            done.kill()
            done.stdout.close()
