"""What goes wrong around a plugin: it is killed, its socket is taken, its client is gone."""
import os
import resource
import shutil
import signal
import socket
import struct

import pytest
from faults import ANYTHING, MINIMAL, descriptors, healthy, in_flight, run_directories, script, together
from harness import Plugin, until

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
    handlers = {"/slow": "ocm.log.info 'slow begun' ocm.sleep(0.2) ocm.log.info 'slow done'", "/big": "return { body = ('x'):rep(20000000) }",
                "/done": "clients:close()", **OK}
    rest = "start = function() clients = ocm.work() end" # so that it is not idle before they have all been there
    with Plugin(script(handlers, rest), {"idleTimeout": 10**8}, transport) as plugin:
        for count, how in enumerate(("close", "reset", "half"), 1):
            halves = []
            for sent in HALVES.values():
                peer = plugin.connect()
                peer.sendall(sent)
                halves.append(peer)
            until(lambda: len(plugin.log("slow begun")) == 2 * count) # noqa: B023
            for peer in halves:
                leave(peer, how)
            assert plugin.request("GET", "/ok").text == "ok"
            for peer in halves:
                if how == "half": # what was asked in full is answered
                    while peer.recv(1 << 20):
                        pass
                peer.close()
        plugin.request("GET", "/done")
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
        until(lambda: descriptors(plugin) <= before + 4)


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
        until(lambda: healthy(plugin))
        assert plugin.request("GET", "/ok").text == "ok"
