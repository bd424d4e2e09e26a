"""What goes over the socket whatever the plugin does: HTTP, JSON bodies, credentials (protocol sections 2 and 3), and where it listens."""
import json
import os
import socket
import stat

import pytest
from harness import Plugin, free_port, until

# A plugin that says what it was given.
ECHO = '''return ocm.plugin {
  credentialPlugin = {
    types = { "T/v1" },
    Resolve = function(request, credentials) return { type = "Echo/v1", request = request, credentials = credentials or ocm.json.null } end,
  },
  handlers = {
    ["GET /echo"] = function(request) return { body = ocm.json.encode(request) } end,
    ["POST /echo"] = function(request) return { body = request.body } end,
  },
}'''


@pytest.fixture(scope="module")
def echo():
    with Plugin(ECHO) as plugin:
        yield plugin


def head(method="GET", path="/healthz", *lines):
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: unix", *lines, "", ""]).encode()


# ---- built-in endpoints ----

@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/healthz", "/healthz?verbose=1", "/health%7A", "http://unix/healthz"])
def test_healthz_answers_an_empty_200(echo, method, path):
    answer = echo.request(method, path)
    assert (answer.status, answer.body, answer.headers["Content-Length"], answer.headers["Content-Type"]) == (200, b"", "0", None)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get", "NEW"])
def test_healthz_refuses_other_methods_in_the_sdks_words(echo, method):
    answer = echo.request(method, "/healthz")
    assert (answer.status, answer.text) == (405, "this endpoint may only be called with either HEAD or GET method")
    assert answer.headers.get_content_type() == "text/plain"


@pytest.mark.parametrize("path", ["/", "/nope", "/healthz/", "//healthz", "/./healthz", "/HEALTHZ", "/healthz%00", "*", "/resolve/x"])
def test_unknown_path_is_a_404_that_says_so(echo, path):
    answer = echo.request("GET", path)
    assert answer.status == 404
    assert answer.text.startswith("no such path: ")
    assert answer.headers.get_content_type() == "text/plain"


def test_path_of_another_capability_says_whose_it_is(echo):
    answer = echo.request("POST", "/sign", {})
    assert (answer.status, answer.text) == (404, "/sign belongs to signingHandler, which this plugin does not declare")


def test_wrong_method_is_a_405_that_says_which_is_right(echo):
    answer = echo.request("GET", "/resolve")
    assert (answer.status, answer.headers["Allow"], answer.text) == (405, "POST", "/resolve takes POST only")
    answer = echo.request("DELETE", "/echo")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, POST")
    assert echo.request("HEAD", "/echo")[::2] == (405, b"")


def test_path_with_a_broken_escape_is_a_400_that_says_where(echo):
    for path, where in (("/health%zz", 8), ("/%", 2), ("/a%4", 3)):
        answer = echo.request("GET", path)
        assert (answer.status, answer.text) == (400, f"path: byte {where}: '%' needs two hexadecimal digits behind it")


# ---- HTTP ----

def test_connection_is_kept_for_further_requests_whatever_their_status(echo):
    connection = echo.connection()
    try:
        connection.connect()
        local = connection.sock
        for method, path, body, status in [("GET", "/healthz", None, 200), ("POST", "/echo", b"x", 200), ("GET", "/nope", None, 404),
                                           ("POST", "/resolve", b"{", 400), ("POST", "/resolve", {"identity": {}}, 200)] * 20:
            answer = echo.request(method, path, body, connection=connection)
            assert (answer.status, connection.sock is local) == (status, True)
    finally:
        connection.close()


def test_requests_sent_ahead_are_answered_in_order(echo):
    body = b'{"identity":{"n":"%d"}}'
    sent = b"".join(head("POST", "/resolve", f"Content-Length: {len(body % n)}") + body % n for n in range(5))
    got = echo.raw(sent + head("GET", "/healthz", "Connection: close"))
    assert got.count(b"HTTP/1.1 200") == 6
    at = [got.index(b'"n":"%d"' % n) for n in range(5)]
    assert at == sorted(at)


def test_connection_is_closed_when_the_client_asks_for_it(echo):
    answer = echo.raw(head("GET", "/healthz", "Connection: close"))
    assert answer.startswith(b"HTTP/1.1 200 ") and b"Connection: close" in answer
    assert b"Connection: close" in echo.raw(b"GET /healthz HTTP/1.0\r\n\r\n")


def test_chunked_body_is_read_as_one(echo):
    chunks = [b"a", b"b" * 70000, b"\0\r\n0\r\n\r\n"]
    connection = echo.connection()
    connection.request("POST", "/echo", iter(chunks), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
    assert connection.getresponse().read() == b"".join(chunks)
    connection.close()


def test_body_that_comes_in_pieces_is_read_as_one(echo):
    body = json.dumps({"identity": {"a": "é" * 50}}).encode()
    with echo.connect() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        for byte in head("POST", "/resolve", f"Content-Length: {len(body)}", "Connection: close") + body:
            peer.sendall(bytes([byte]))
        answer = b"".join(iter(lambda: peer.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith('"type":"Echo/v1"}'.encode())


def test_client_that_asks_before_sending_is_told_to_continue(echo):
    answer = echo.raw(head("POST", "/echo", "Content-Length: 3", "Expect: 100-continue", "Connection: close") + b"abc")
    assert answer.startswith(b"HTTP/1.1 100 ") and answer.endswith(b"\r\n\r\nabc")


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 1 << 20, 8 << 20])
def test_bodies_of_any_size_pass_both_ways(echo, size):
    body = os.urandom(size)
    assert echo.request("POST", "/echo", body).body == body


@pytest.mark.parametrize("junk", [b"junk\r\n\r\n", b"\0\0\0\0", b"GET\r\n\r\n", b"GET /healthz HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"])
def test_what_is_not_http_ends_its_connection_and_nothing_else(echo, junk):
    assert b"200 OK" not in echo.raw(junk + head("GET", "/healthz", "Connection: close"))
    assert echo.request("GET", "/healthz").status == 200


# ---- the query ----

@pytest.mark.parametrize("query, expected", [
    ("", {}),
    ("?", {}),
    ("?&&", {}),
    ("?a=1&b=2", {"a": "1", "b": "2"}),
    ("?a=%20x+y&b=%2B", {"a": " x y", "b": "+"}),
    ("?a&b=", {"a": "", "b": ""}),
    ("?a=b=c&%3D=%26", {"a": "b=c", "=": "&"}),
    ("?%C3%A9=%c3%a9", {"é": "é"}),
    ("?a=1&a=2", {"a": "1"}),
    ("?a=%00", {"a": "\0"}),
    ("?a=/path?x", {"a": "/path?x"}),
])
def test_query_is_decoded(echo, query, expected):
    assert echo.json("GET", "/echo" + query)["query"] == expected


@pytest.mark.parametrize("query", ["?%zz=1", "?a=%4", "?a=%"])
def test_query_with_a_broken_escape_is_a_400(echo, query):
    answer = echo.request("GET", "/echo" + query)
    assert answer.status == 400
    assert answer.text.startswith("query: ") and "'%' needs two hexadecimal digits" in answer.text


# ---- JSON bodies ----

@pytest.mark.parametrize("body, expected", [
    (b"", "request body: line 1, column 1: expected a value, not the end of the text"),
    (b"{", "request body: line 1, column 2: "),
    (b'{"identity":{}', "request body: line 1, column 15: "),
    (b'{"identity":\n {"a" 1}}', "request body: line 2, column 7: "),
    (b'{"identity":{}} x', "request body: line 1, column 17: expected nothing behind the value"),
    (b'{"identity":{"a":"\xff"}}', "request body: line 1, column 19: expected valid UTF-8"),
    (rb'{"identity":{"a":"\ud800"}}', "request body: line 1, column 2"),
    (b'\xef\xbb\xbf{"identity":{}}', "request body: line 1, column 1: "),
    (b"[" * 600, "request body: line 1, column 513: expected no more than 512"),
    (b"\0", "request body: line 1, column 1: "),
    (b"7", "request body: expected an object, got a number"),
    (b"null", "request body: expected an object, got null"),
    (b'"text"', "request body: expected an object, got a string"),
    (b"[]", "expected an object, got an array"),
    (b"identity=a", "request body: line 1, column 1: "),
])
def test_malformed_body_is_a_400_that_says_what_and_where(echo, body, expected):
    answer = echo.request("POST", "/resolve", body)
    assert (answer.status, expected in answer.text) == (400, True), answer
    assert answer.headers.get_content_type() == "text/plain"


def test_answers_are_json_of_known_length(echo):
    answer = echo.request("POST", "/resolve", {"identity": {}})
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert int(answer.headers["Content-Length"]) == len(answer.body)


def test_body_is_read_as_json_whatever_its_content_type(echo):
    for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded", "nonsense"):
        assert echo.json("POST", "/resolve", {"identity": {"a": "b"}}, {"Content-Type": kind})["request"]["identity"] == {"a": "b"}


# ---- credentials ----

def credentials(echo, header):
    headers = {} if header is None else {"Authorization": header}
    return echo.request("POST", "/resolve", {"identity": {}}, headers)


@pytest.mark.parametrize("header", [None, "", "{}", " {} ", "{ }", "null"])
def test_no_credentials(echo, header):
    assert json.loads(credentials(echo, header).body)["credentials"] is None


@pytest.mark.parametrize("given", [
    {"type": "DirectCredentials/v1", "properties": {"username": "u", "password": "p"}},
    {"a": [], "b": {}, "c": None, "d": [1, 1.5, True]},
    {"token": "x" * 48 * 1024},
    {"key": "é€😀", "pem": "-----BEGIN KEY-----\n\tline\\\n"},
])
def test_credentials_reach_the_handler_as_they_are(echo, given):
    for text in (json.dumps(given), json.dumps(given, ensure_ascii=False)): # Go sends raw UTF-8
        answer = credentials(echo, text.encode())
        assert answer.status == 200
        assert json.loads(answer.body)["credentials"] == given


@pytest.mark.parametrize("header, expected", [
    ("Bearer s3cr3t-token", "the credentials are not JSON: line 1, column 1"),
    ('{"password":"s3cr3t-token"', "the credentials are not JSON: line 1, column 27"),
    (b'{"password":"s3cr3t-token\xe9"}', "the credentials are not JSON: line 1, column 2"),
    ('{"password":"s3cr3t-token"} x', "the credentials are not JSON: line 1, column 2"),
    ('"s3cr3t-token"', "the credentials are not a JSON object"),
    ('["s3cr3t-token"]', "the credentials are not a JSON object"),
    ("[]", "the credentials are not a JSON object"),
    ("7", "the credentials are not a JSON object"),
    ("true", "the credentials are not a JSON object"),
])
def test_malformed_credentials_are_a_401_that_does_not_repeat_them(echo, header, expected):
    answer = credentials(echo, header)
    assert answer.status == 401
    assert answer.text.startswith("Authorization: " + expected)
    assert "s3cr3t" not in answer.text
    assert not [line for line in list(echo.stderr) if "s3cr3t" in line]


def test_credentials_are_not_read_where_the_contract_has_none():
    script = 'return ocm.plugin { credentialPlugin = { types = { "T/v1" }, GetConsumerIdentity = function(r, c) return { got = type(c) } end } }'
    with Plugin(script) as plugin:
        body = {"credential": {"type": "T/v1"}}
        assert plugin.json("POST", "/consumer-identity", body, {"Authorization": '{"a":"b"}'}) == {"got": "nil"}
        assert plugin.json("POST", "/consumer-identity", body, {"Authorization": "not JSON"}) == {"got": "nil"}


# ---- long headers ----

def test_credentials_of_48_kb_are_passed_on_and_leave_nothing_to_the_next_request(echo):
    token = "x" * 48_000
    connection = echo.connection()
    for header in (json.dumps({"token": token}), None, json.dumps({"token": token[:100]}), None):
        connection.request("POST", "/resolve", json.dumps({"identity": {}}), {} if header is None else {"Authorization": header})
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["credentials"]) == (200, header and json.loads(header))


def test_headers_above_the_limit_are_a_431(echo):
    assert credentials(echo, json.dumps({"token": "x" * 140_000})).status == 431
    assert credentials(echo, None).status == 200


# ---- where it listens ----

ANY = 'return ocm.plugin { inputRepository = { types = { "T/v1" } } }'


def listening(port):
    """The addresses on which somebody listens at that TCP port."""
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if os.path.exists(table):
            for line in open(table, encoding="ascii").read().splitlines()[1:]:
                local, state = line.split()[1], line.split()[3]
                if state == "0A" and int(local.split(":")[1], 16) == port:
                    found.append(local.split(":")[0])
    return found


def test_unix_socket_is_in_the_run_directory():
    with Plugin(ANY, config={"id": "some id/é"}) as plugin:
        path, = plugin.tmp.glob("ocm-*/socket")
        assert plugin.location == f"http+unix://{path}"
        assert stat.S_ISSOCK(path.stat().st_mode)
        assert plugin.stdout == [plugin.location]


def test_unix_location_is_honoured_and_removed_at_the_end(folder):
    for prefix in ("", "http+unix://"):
        path = folder / "my.socket"
        with Plugin(ANY, config={"location": f"{prefix}{path}"}) as plugin:
            assert plugin.location == f"http+unix://{path}"
            assert plugin.request("GET", "/healthz").status == 200
        assert list(folder.iterdir()) == []


def test_socket_left_by_a_dead_process_is_replaced(folder):
    path = folder / "my.socket"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    (folder / "my.socket.lock").write_text("1")
    with Plugin(ANY, config={"location": str(path)}) as plugin:
        assert plugin.request("GET", "/healthz").status == 200
    assert list(folder.iterdir()) == []


def test_live_socket_is_not_stolen(folder):
    config = {"location": str(folder / "my.socket")}
    with Plugin(ANY, config=config) as first:
        with Plugin(ANY, config=config, handshake=False, exits=1) as second:
            assert second.wait() == 1
            assert str(folder) in second.log()[-1]["msg"]
            assert second.stdout == []
        assert first.request("GET", "/healthz").status == 200


def test_tcp_listens_on_a_free_port_of_the_loopback_alone():
    with Plugin(ANY, transport="tcp") as first, Plugin(ANY, transport="tcp") as second:
        for plugin in (first, second):
            host, port = plugin.address
            assert plugin.location == f"http://127.0.0.1:{port}"
            assert (host, listening(port)) == ("127.0.0.1", ["0100007F"])
            assert plugin.request("GET", "/healthz").status == 200
            assert plugin.json("POST", "/identity", {"type": {"type": "T/v1"}})
        assert first.address != second.address


@pytest.mark.parametrize("location, announced", [
    ("127.0.0.1:{port}", "http://127.0.0.1:{port}"),
    ("http://127.0.0.1:{port}", "http://127.0.0.1:{port}"),
    ("localhost:{port}", "http://127.0.0.1:{port}"),
    (":{port}", "http://127.0.0.1:{port}"),
    ("{port}", "http://127.0.0.1:{port}"),
    ("[::1]:{port}", "http://[::1]:{port}"),
])
def test_tcp_location_is_honoured(location, announced):
    if "::1" in location:
        try:
            socket.socket(socket.AF_INET6).bind(("::1", 0))
        except OSError as error:
            pytest.skip(f"no IPv6 here: {error}")
    port = free_port()
    with Plugin(ANY, transport="tcp", config={"location": location.format(port=port)}) as plugin:
        assert plugin.location in (announced.format(port=port), f"http://[::1]:{port}")
        assert plugin.request("GET", "/healthz").status == 200
        assert len(listening(port)) == 1


def test_tcp_port_in_use_ends_the_start():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with Plugin(ANY, transport="tcp", config={"location": f"127.0.0.1:{port}"}, handshake=False, exits=1) as plugin:
            assert plugin.wait() == 1
            assert f"127.0.0.1:{port}" in plugin.log()[-1]["msg"]


def test_connections_are_accepted_as_soon_as_the_location_is_printed():
    for _ in range(10):
        with Plugin(ANY, handshake=False) as plugin:
            line = until(lambda: list(plugin.stdout)) # noqa: B023
            with socket.socket(socket.AF_UNIX) as peer:
                peer.connect(line[0].removeprefix("http+unix://"))
