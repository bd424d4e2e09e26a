"""What clients send must not hurt: too much, too slowly, from a web page, or no HTTP at all."""
import json
import os
import random
import re
import resource
import socket
import stat
import threading
import time

import pytest
from faults import MINIMAL, descriptors, resident, run_directories, sanitized, script, together
from harness import Plugin, until

OK = {"/ok": "return { body = 'ok' }"}
ECHO = {"POST /size": "return { body = tostring(#request.body) }", **OK}


def alive(plugin):
    assert plugin.request("GET", "/healthz").status == 200
    assert plugin.request("GET", "/ok").text == "ok"


def read_answer(peer):
    """All that comes until the other side closes, or what has come when it does not for a while."""
    got = b""
    try:
        while chunk := peer.recv(65536):
            got += chunk
    except (ConnectionError, TimeoutError):
        pass
    return got


def status_of(answer):
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
    return int(found[1]) if found else None


def send(peer, data):
    """Sends it, however much the other side takes."""
    try:
        peer.sendall(data)
    except ConnectionError:
        pass


# ---- files ----

@pytest.mark.parametrize("mask", [0, 0o077, 0o777])
def test_nobody_else_may_look_into_the_run_directory(mask):
    if mask == 0o777 and os.geteuid() != 0:
        pytest.skip("nobody could work with such a umask")
    with Plugin(script({"/a": "return { body = ocm.tempfile():path() }"}), preexec_fn=lambda: os.umask(mask)) as plugin:
        path = plugin.request("GET", "/a").text
        [directory] = run_directories(plugin)
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert stat.S_IMODE(os.stat(path).st_mode) & 0o077 == 0
        assert os.path.dirname(path) == str(directory)


def test_a_socket_at_a_location_is_its_users_alone(folder):
    with Plugin(MINIMAL, {"location": str(folder / "socket")}, preexec_fn=lambda: os.umask(0)):
        for entry in folder.iterdir():
            assert stat.S_IMODE(entry.stat().st_mode) & 0o077 == 0


@pytest.mark.parametrize("name", ["../../escape", "a/b", "/abs", "..", ".", "\u00e4\U0001f600", "x" * 255, "a b\nc", "%s%n", "-rf", "*"])
def test_an_odd_id_makes_a_run_directory_like_any_other(name):
    with Plugin(script(OK), {"id": name}) as plugin:
        assert len(run_directories(plugin)) == 1
        assert plugin.request("GET", "/ok").text == "ok"


# ---- limits of size ----

LIMIT = 1_000_000


def body_of(size, chunked):
    if not chunked:
        return b"Content-Length: %d\r\n\r\n" % size, b"x" * size
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (b"x" * min(65536, size - at) for at in range(0, size, 65536)))
    return b"Transfer-Encoding: chunked\r\n\r\n", chunks + b"0\r\n\r\n"


@pytest.mark.parametrize("transport", ["unix", "tcp"])
def test_a_body_above_the_limit_is_a_413(transport):
    with Plugin(script(ECHO, f"limits = {{ body = {LIMIT} }}"), transport=transport) as plugin:
        for size, chunked, status in [(0, False, 200), (LIMIT, False, 200), (LIMIT, True, 200), (LIMIT + 1, False, 413), (LIMIT + 1, True, 413), (3 * LIMIT, False, 413), (3 * LIMIT, True, 413), (20 * LIMIT, False, 413)]:
            with plugin.connect() as peer:
                head, body = body_of(size, chunked)
                send(peer, b"POST /size HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + head + body)
                answer = read_answer(peer)
                assert status_of(answer) == status, (size, chunked)
                assert answer.endswith(b"\r\n\r\n%d" % size if status == 200 else b"%d bytes" % LIMIT)
        alive(plugin)


def test_a_length_that_no_machine_holds_is_refused():
    with Plugin(script(ECHO)) as plugin:
        for length in ("99999999999", "9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616", "9" * 100):
            with plugin.connect() as peer:
                peer.sendall(f"POST /size HTTP/1.1\r\nHost: unix\r\nContent-Length: {length}\r\n\r\n".encode())
                assert status_of(read_answer(peer)) in (413, 400), length
        alive(plugin)


@pytest.mark.parametrize("size,status", [(1000, 100), (LIMIT, 100), (LIMIT + 1, 413), (100 * LIMIT, 413)])
def test_a_sender_that_asks_first_is_told_before_it_sends(size, status):
    with Plugin(script(ECHO, f"limits = {{ body = {LIMIT} }}")) as plugin, plugin.connect() as peer:
        peer.sendall(b"POST /size HTTP/1.1\r\nHost: unix\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size)
        first = peer.recv(4096)
        assert status_of(first) == status
        if status == 100:
            send(peer, b"x" * size)
            assert read_answer(peer).endswith(b"\r\n\r\n%d" % size)


def test_a_body_without_an_end_is_cut_off_and_costs_no_memory():
    with Plugin(script(ECHO, f"limits = {{ body = {LIMIT} }}")) as plugin, plugin.connect() as peer:
        before = resident(plugin)
        peer.sendall(b"POST /size HTTP/1.1\r\nHost: unix\r\nTransfer-Encoding: chunked\r\n\r\n")
        with pytest.raises(ConnectionError):
            for _ in range(10_000):
                peer.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        assert sanitized() or resident(plugin) < before + 8 * 1024
        alive(plugin)


def test_a_body_for_which_there_is_no_memory_is_a_500():
    if sanitized():
        pytest.skip("a sanitizer takes all address space")
    room = 128 << 20
    with Plugin(script(ECHO, "limits = { body = '4 GiB' }"), preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (room, room))) as plugin:
        for chunked in (False, True):
            with plugin.connect() as peer:
                head, body = body_of(room, chunked)
                send(peer, b"POST /size HTTP/1.1\r\nHost: unix\r\nConnection: close\r\n" + head + body)
                answer = read_answer(peer)
            assert (status_of(answer), answer.split(b"\r\n\r\n")[1]) == (500, b"not enough memory for the body")
            alive(plugin)


HEADS = [ # limits.header, the head, the statuses that are right
    (None, {"Authorization": json.dumps({"type": "T", "properties": {"a": "x" * 48_000}})}, {200}),
    (None, {"X": "x" * 100_000}, {200}),
    (None, {"X": "x" * 200_000}, {431}),
    (None, {f"X-{i}": "x" for i in range(300)}, {200}),
    (None, {f"X-{i}": "x" for i in range(20_000)}, {431}),
    ("1 MiB", {"X": "x" * 900_000}, {200}),
    ("1 MiB", {"X": "x" * 1_100_000}, {431}),
    ("16 KiB", {"X": "x" * 8_000}, {200}),
    ("16 KiB", {"X": "x" * 20_000}, {431}),
]


@pytest.mark.parametrize("transport", ["unix", "tcp"])
def test_a_head_above_the_limit_is_a_431_and_the_limit_can_be_raised(transport):
    def check(case):
        limit, headers, statuses = case
        with Plugin(script(OK, f"limits = {{ header = {limit!r} }}" if limit else ""), transport=transport) as plugin, plugin.connect() as peer:
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            send(peer, f"GET /ok HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n".encode())
            assert status_of(read_answer(peer)) in statuses
            alive(plugin)
    together(check, HEADS)


def test_a_path_above_the_limit_is_refused():
    with Plugin(script(OK)) as plugin, plugin.connect() as peer:
        send(peer, b"GET /" + b"x" * 300_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert status_of(read_answer(peer)) in (414, 431)
        alive(plugin)


# ---- web pages ----

def host(plugin, name):
    return name.replace("PORT", str(plugin.address[1]))


def test_a_web_page_cannot_drive_a_tcp_plugin():
    with Plugin(script({"GET /a": "called = true", "POST /a": "called = true", **OK}), transport="tcp") as plugin:
        refused = [{"Origin": origin} for origin in ("null", "http://localhost", "http://127.0.0.1:PORT", "https://evil.example", "")]
        refused += [{"Host": name} for name in ("evil.example", "evil.example:PORT", "localhost.evil.example", "127.0.0.1.evil.example:PORT", "127.0.0.2", "[::2]", "[::1].evil", "0.0.0.0", "", "unix", "2130706433", "[")]
        for headers in refused:
            for method, path in (("GET", "/a"), ("POST", "/a"), ("GET", "/healthz"), ("POST", "/shutdown"), ("POST", "/identity"), ("OPTIONS", "/a"), ("GET", "/nothing")):
                answer = plugin.request(method, path, headers={name: host(plugin, value) for name, value in headers.items()})
                assert answer.status == 403, (headers, method, path)
                assert "Access-Control-Allow-Origin" not in answer.headers
        for name in ("localhost", "localhost:PORT", "127.0.0.1", "127.0.0.1:PORT", "LOCALHOST", "[::1]:PORT"):
            assert plugin.request("GET", "/ok", headers={"Host": host(plugin, name)}).text == "ok"
        assert plugin.process.poll() is None


# ---- paths ----

PATHS = ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//healthz", "/healthz/", "/healthz%00", "/%00healthz", "/healthz%00/../ok", "/HEALTHZ", "/./healthz", "/ok/..", "/ok/../ok", "/ok%2F", "/%6fk%00", "/ok;x", "/shutdown%00", "/shutdown/",
         "//shutdown", "/identity%00", "/%2fok", "/ok%20", "/%c0%afok", "/\\ok", "*", "ok", "http://", "http:///", "http://unix", "/%", "/%4", "/%zz", "/" + "a/" * 5000, "/" + "%00" * 5000, "/" + "%ff" * 5000]


def test_only_the_exact_path_is_served():
    with Plugin(script(OK)) as plugin:
        for path in PATHS:
            with plugin.connect() as peer:
                peer.sendall(f"GET {path} HTTP/1.1\r\nHost: unix\r\nConnection: close\r\n\r\n".encode())
                assert status_of(read_answer(peer)) in (400, 404), path
        for path in ("/ok", "/%6f%6B", "/ok?", "/ok?a=%00", "http://unix/ok", "http://anything:1/ok?x"):
            with plugin.connect() as peer:
                peer.sendall(f"GET {path} HTTP/1.1\r\nHost: unix\r\nConnection: close\r\n\r\n".encode())
                assert read_answer(peer).endswith(b"\r\n\r\nok"), path
        alive(plugin)


def test_what_a_parameter_of_the_path_holds_cannot_leave_its_segment():
    with Plugin(script({"/p/{name}": "return { body = ocm.json.encode(request.params.name) }"})) as plugin:
        for sent, name in {"a%2Fb": "a/b", "..%2f..%2fetc": "../../etc", "%00": "\0", "a%00b": "a\0b", "%2e%2e": "..", "%25": "%", "a+b": "a+b"}.items():
            assert plugin.json("GET", f"/p/{sent}") == name
        for sent in ("", "/", "a/b", "../ok/x"):
            assert plugin.request("GET", f"/p/{sent}").status == 404


# ---- no HTTP ----

GARBAGE = {
    "nothing": b"", "a newline": b"\r\n", "newlines": b"\r\n" * 1000, "zeros": b"\0" * 10000, "ones": b"\xff" * 10000, "text": b"hello\n" * 1000, "a line without an end": b"x" * 300_000,
    "TLS": bytes.fromhex("16030100c8010000c40303") + b"\x11" * 190, "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/0.9": b"GET /ok\r\n", "HTTP/9.9": b"GET /ok HTTP/9.9\r\n\r\n", "SSH": b"SSH-2.0-x\r\n", "LF only": b"GET /nothing HTTP/1.1\nHost: unix\n\n",
    "no colon": b"GET /nothing HTTP/1.1\r\nHost\r\n\r\n", "no name": b"GET /nothing HTTP/1.1\r\n: x\r\n\r\n", "folded": b"GET /nothing HTTP/1.1\r\nHost: unix\r\n folded\r\n\r\n", "NUL in a header": b"GET /nothing HTTP/1.1\r\nHost: unix\r\nA: b\0c\r\n\r\n",
    "NUL in the path": b"GET /no\0thing HTTP/1.1\r\nHost: unix\r\n\r\n", "spaces": b"GET  /nothing  HTTP/1.1\r\n\r\n", "an odd method": b"G\xffT /nothing HTTP/1.1\r\nHost: unix\r\n\r\n", "a long method": b"X" * 10000 + b" /nothing HTTP/1.1\r\nHost: unix\r\n\r\n",
    "negative length": b"POST /size HTTP/1.1\r\nHost: unix\r\nContent-Length: -1\r\n\r\n", "length with a sign": b"POST /size HTTP/1.1\r\nHost: unix\r\nContent-Length: +1\r\n\r\nx", "length in hex": b"POST /size HTTP/1.1\r\nHost: unix\r\nContent-Length: 0x1\r\n\r\nx",
    "two lengths": b"POST /size HTTP/1.1\r\nHost: unix\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", "length and chunks": b"POST /size HTTP/1.1\r\nHost: unix\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an odd chunk": b"POST /size HTTP/1.1\r\nHost: unix\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "a huge chunk": b"POST /size HTTP/1.1\r\nHost: unix\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", "a negative chunk": b"POST /size HTTP/1.1\r\nHost: unix\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
    "CONNECT": b"CONNECT a:1 HTTP/1.1\r\nHost: unix\r\n\r\n", "OPTIONS *": b"OPTIONS * HTTP/1.1\r\nHost: unix\r\n\r\n", "an upgrade": b"GET /nothing HTTP/1.1\r\nHost: unix\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
}


@pytest.mark.parametrize("transport", ["unix", "tcp"])
def test_bytes_that_are_no_request_get_no_success_and_hurt_nobody(transport):
    with Plugin(script(ECHO), transport=transport) as plugin:
        for name, data in GARBAGE.items():
            with plugin.connect() as peer:
                send(peer, data)
                try:
                    peer.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                peer.settimeout(0.5) # some are kept until they would be cut
                assert status_of(read_answer(peer)) != 200, name
            alive(plugin)


def test_random_changes_of_a_request_hurt_nobody():
    request = b"POST /size?a=b HTTP/1.1\r\nHost: unix\r\nContent-Type: text/plain\r\nContent-Length: 12\r\nAuthorization: {}\r\n\r\nhello, world"
    chance = random.Random(7)
    with Plugin(script(ECHO)) as plugin:
        before = descriptors(plugin)
        for _ in range(300):
            data = bytearray(request)
            for _ in range(chance.randint(1, 6)):
                at = chance.randrange(len(data))
                data[at:at + chance.randint(0, 3)] = bytes(chance.randrange(256) for _ in range(chance.randint(0, 3)))
            with plugin.connect() as peer:
                send(peer, bytes(data))
                peer.shutdown(socket.SHUT_WR)
                peer.settimeout(0.05) # some are kept until they would be cut
                read_answer(peer)
        alive(plugin)
        until(lambda: descriptors(plugin) <= before + 1)


def test_pipelined_requests_are_answered_in_order():
    with Plugin(script({"/n": "if request.query.n % 7 == 0 then ocm.sleep(0.01) end return { body = '<' .. request.query.n .. '>' }", **ECHO, "/bad": "error('bad')"})) as plugin, plugin.connect() as peer:
        count = 100
        data = b"".join(b"GET /n?n=%d HTTP/1.1\r\nHost: unix\r\n\r\nPOST /size HTTP/1.1\r\nHost: unix\r\nContent-Length: 5\r\n\r\nGET /GET /bad HTTP/1.1\r\nHost: unix\r\n\r\n" % n for n in range(count))
        writer = threading.Thread(target=send, args=(peer, data + b"GET /ok HTTP/1.1\r\nHost: unix\r\nConnection: close\r\n\r\n"))
        writer.start()
        answer = read_answer(peer)
        writer.join()
        assert re.findall(rb"\r\n\r\n<(\d+)>", answer) == [b"%d" % n for n in range(count)]
        assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"200", b"500"] * count + [b"200"]


# ---- many, and slow ones ----

@pytest.mark.parametrize("transport", ["unix", "tcp"])
def test_idle_connections_keep_nobody_out(transport):
    with Plugin(script(OK), transport=transport) as plugin:
        peers = [plugin.connect() for _ in range(200)]
        kept = [plugin.connection() for _ in range(50)]
        try:
            for i, peer in enumerate(peers):
                if i % 2:
                    peer.sendall(b"GET /ok HTTP/1.1\r\nHost: local")
            for connection in kept:
                assert plugin.request("GET", "/ok", connection=connection).text == "ok"
            alive(plugin)
        finally:
            for peer in [*peers, *kept]:
                peer.close()


CUT = 15 # seconds
HEAD = b"POST /size HTTP/1.1\r\nHost: localhost\r\n"
SLOW = { # what is sent at once, and what is dripped afterwards
    "silent": (b"", b""),
    "silent in the line": (HEAD[:7], b""),
    "silent in the head": (HEAD, b""),
    "silent behind a newline": (b"\r\n", b""),
    "dripping newlines": (b"", b"\r\n" * 30),
    "dripping the line": (b"GET /", b"x" * 60),
    "dripping the head": (HEAD + b"X: ", b"x" * 60),
    "dripping headers": (HEAD, b"X: y\r\n" * 60),
    "silent before the body": (HEAD + b"Content-Length: 100\r\n\r\n", b""),
    "silent in the body": (HEAD + b"Content-Length: 100\r\n\r\nx", b""),
    "dripping the body": (HEAD + b"Content-Length: 100\r\n\r\n", b"x" * 60),
    "dripping chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 60),
    "silent behind 100-continue": (HEAD + b"Expect: 100-continue\r\nContent-Length: 100\r\n\r\n", b""),
    "dripping too long a body": (HEAD + b"Content-Length: 2000000\r\n\r\n", b"x" * 60),
}
REQUEST = b"GET /ok HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKS = HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nxy\r\n0\r\n\r\n"
QUIET = [REQUEST, HEAD + b"Content-Length: 2\r\n\r\nxy", CHUNKS, HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\nxy", 3 * REQUEST] # and then nothing for long
BEFORE = { # what happened on the connection
    "fresh": lambda peer, data: peer.sendall(data),
    "kept": lambda peer, data: (peer.sendall(REQUEST), until_answered(peer), peer.sendall(data)),
    "rested": lambda peer, data: (peer.sendall(REQUEST), until_answered(peer), time.sleep(1.5), peer.sendall(data)), # long enough for the server to look away
    "pipelined": lambda peer, data: (peer.sendall(REQUEST + data), until_answered(peer)),
    "pipelined behind chunks": lambda peer, data: (peer.sendall(CHUNKS + data), until_answered(peer, b"\r\n\r\n2")),
}


def until_answered(peer, end=b"\r\n\r\nok"):
    got = b""
    while end not in got:  # a 100 for what comes next may follow in the same read
        chunk = peer.recv(4096)
        assert chunk, f"closed after {got}"
        got += chunk


def test_a_slow_sender_is_cut_off_after_15_seconds():
    """Silent or dripping, in the head or in the body, on a fresh or a kept connection; meanwhile others are served, and who is only quick enough is not cut."""
    with Plugin(script(ECHO, f"limits = {{ body = {LIMIT} }}"), transport="tcp") as plugin:
        def check(case):
            before, name = case
            at_once, drips = SLOW[name]
            with plugin.connect() as peer:
                BEFORE[before](peer, at_once)
                peer.settimeout(0.5)
                since, answer = time.monotonic(), b""
                while True:
                    try:
                        if drips:
                            peer.sendall(drips[:2])
                            drips = drips[2:]
                        got = peer.recv(4096)
                        if got == b"":
                            break
                        answer += got
                        assert status_of(answer) in (100, 408, 413, 400), answer
                    except TimeoutError:
                        pass
                    except ConnectionError:
                        break
                    assert time.monotonic() - since < CUT + 8, "it is still there"
                assert time.monotonic() - since > CUT - 3, "it was cut too early"

        def slow_but_good(_):
            with plugin.connect() as peer:
                peer.sendall(HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % (4 * 65536))
                for _ in range(4):
                    holds_alive(5)
                    peer.sendall(b"x" * 65536)
                assert read_answer(peer).endswith(b"\r\n\r\n%d" % (4 * 65536))

        def kept_and_quiet(requests):
            with plugin.connect() as peer:
                peer.sendall(requests)
                until_answered(peer, b"ok" if REQUEST in requests else b"\r\n\r\n2")
                holds_alive(CUT + 4)
                peer.sendall(REQUEST)
                until_answered(peer)

        def holds_alive(seconds):
            ends = time.monotonic() + seconds
            while time.monotonic() < ends:
                alive(plugin)
                time.sleep(0.5)

        quiet = {(before, "silent") for before in BEFORE if before != "fresh"} # these are between requests
        cases = [("good", slow_but_good)] + [(requests, kept_and_quiet) for requests in QUIET] + [(before, name) for before in BEFORE for name in SLOW if (before, name) not in quiet]
        together(lambda case: case[1](case[0]) if callable(case[1]) else check(case), cases)
        alive(plugin)


# ---- in the long run ----

def test_memory_and_files_do_not_grow_with_requests():
    handlers = {"POST /a": "local file = ocm.tempfile():write(request.body) ocm.copy(file, ocm.tempfile()) return { body = ocm.json.encode { a = { request.body } } }",
                "/fail": "error { 'x' }", "/part": "return { body = ocm.parallel(function() ocm.sleep(0) return 'a' end, function() return 'b' end) }", "/co": "for _ in coroutine.wrap(function() ocm.sleep(0) coroutine.yield(1) end) do end", **OK}
    with Plugin(script(handlers), raw_log=False) as plugin:
        [directory] = run_directories(plugin)

        def round_of(count):
            connection = plugin.connection()
            for i in range(count):
                assert plugin.request("POST", "/a", "x" * 1000, connection=connection).status == 200
                for path in ("/fail", "/part", "/co", "/ok", f"/nothing/{i}"):
                    plugin.request("GET", path, connection=connection)
            connection.close()
        round_of(200)
        before = resident(plugin)
        for _ in range(3):
            round_of(150)
        assert sanitized() or resident(plugin) < before + 3 * 1024
        assert len(os.listdir(directory)) < 300
