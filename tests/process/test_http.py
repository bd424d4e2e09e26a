"""ocm.http: what is sent, what comes back, what is tried again, what is refused, and that secrets stay where they belong."""
import contextlib
import email.utils
import hashlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time

import pytest
from harness import Folder, Plugin, runner, until
from http_server import RawServer, Server

BIG = os.urandom(1 << 16) * 48 # 3 MiB


@pytest.fixture(scope="module")
def plugin():
    with Plugin(runner()) as running:
        yield running


@pytest.fixture
def server():
    with Server() as running:
        yield running


def lua(value):
    """A Lua text for a JSON value."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"[{lua(name)}] = {lua(one)}" for name, one in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "{" + ", ".join(map(lua, value)) + "}"
    if isinstance(value, str):
        return '"' + "".join(f"\\{byte:03}" if byte < 32 or byte > 126 or byte in b'"\\' else chr(byte) for byte in value.encode()) + '"'
    return json.dumps(value)


def request(plugin, url, extra="", **options):
    """The answer of ocm.http.request; `extra`: options as Lua text."""
    return plugin.run(f"ocm.http.request({options_text(url, extra, options)})")[0]


def request_error(plugin, url, extra="", **options):
    return plugin.run_error(f"ocm.http.request({options_text(url, extra, options)})")


def options_text(url, extra, options):
    return lua({"url": url, **options})[:-1] + ", " + extra + "}"


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


@contextlib.contextmanager
def no_server():
    """A URL where nobody listens: the port is taken, so that nobody else can."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{silent.getsockname()[1]}"


# ---- what is sent, and what comes back ----

def test_answer_has_status_headers_body_and_url(plugin, server):
    url = server.gives("/x", b"hello", {"X-One": "1", "X-Two": ["a", "b"], "X-Empty": ""})
    answer = request(plugin, url + "?q=1")
    assert (answer["status"], answer["body"], answer["bytes"], answer["url"]) == (200, "hello", 5, url + "?q=1")
    assert (answer["headers"]["x-one"], answer["headers"]["x-two"], answer["headers"]["x-empty"]) == ("1", "a, b", "")
    assert "digests" not in answer


def test_request_sends_method_headers_and_query(plugin, server):
    url = server.gives("/x", b"")
    request(plugin, url, method="DELETE", headers={"X-A": "1", "x-b": ["2", "3"], "X-Empty": ""}, query={"b": "ü &=", "a": [1, True], "c": ""})
    seen, = server.seen
    assert (seen.method, seen.path) == ("DELETE", "/x?a=1&a=true&b=%C3%BC%20%26%3D&c=")
    assert (seen.headers["X-A"], seen.headers.get_all("X-B"), seen.headers["X-Empty"]) == ("1", ["2", "3"], "")
    assert seen.headers["User-Agent"].startswith("ocmlua/")
    assert seen.headers["Accept-Encoding"] is None
    request(plugin, url + "?z=1#part", query={"a": 1})
    assert server.seen[-1].path == "/x?z=1&a=1"


@pytest.mark.parametrize("status", [204, 304, 400, 401, 404, 410, 418, 501])
def test_any_status_is_returned(plugin, server, status):
    server.answers("/x", status, b"" if status in (204, 304) else b"because")
    answer = request(plugin, server.url + "/x")
    assert (answer["status"], answer["body"]) == (status, "" if status in (204, 304) else "because")


def test_a_string_is_the_body(plugin, server):
    url = server.gives("/x", b"ok")
    request(plugin, url, method="POST", body="a\0b")
    request(plugin, url, method="POST")
    request(plugin, url, method="PUT", body="")
    assert [(seen.body, seen.headers["Content-Length"]) for seen in server.seen] == [(b"a\0b", "3"), (b"", "0"), (b"", "0")]
    request(plugin, url)
    assert server.seen[-1].headers["Content-Length"] is None


def test_a_table_is_a_json_body(plugin, server):
    url = server.gives("/x", b"ok")
    request(plugin, url, method="POST", body={"a": 1, "type": "x"})
    assert (json.loads(server.seen[-1].body), server.seen[-1].headers["Content-Type"]) == ({"a": 1, "type": "x"}, "application/json")
    request(plugin, url, method="PATCH", body={"a": 1}, headers={"content-type": "application/merge-patch+json"})
    assert server.seen[-1].headers.get_all("Content-Type") == ["application/merge-patch+json"]


def test_files_are_sent_with_their_length(plugin, server, folder):
    url = server.gives("/x", b"ok")
    (folder / "file").write_bytes(BIG)
    plugin.run(f'ocm.http.request {{ url = "{url}", method = "PUT", body = ocm.tempfile():write "temporary" }}')
    request(plugin, url, method="PUT", body={"type": "localFile", "value": str(folder / "file")})
    assert [(seen.body, seen.headers["Content-Length"]) for seen in server.seen] == [(b"temporary", "9"), (BIG, str(len(BIG)))]
    error = request_error(plugin, url, method="PUT", body={"type": "localFile", "value": "/no/such/file"})
    assert error == f"PUT {url}: opening /no/such/file: No such file or directory"


def test_sources_are_sent_as_they_come(plugin, server):
    other = server.gives("/big", BIG)
    url = server.gives("/x", b"ok")
    plugin.run(f'ocm.http.request {{ url = "{url}", method = "POST", body = ocm.http.get "{other}" }}')
    assert (server.seen[-1].body, server.seen[-1].headers["Transfer-Encoding"], server.seen[-1].headers["Content-Length"]) == (BIG, "chunked", None)
    plugin.run(f'ocm.http.request {{ url = "{url}", method = "POST", body = ocm.bytes "known" }}')
    assert (server.seen[-1].body, server.seen[-1].headers["Content-Length"]) == (b"known", "5")


def test_put_is_a_sink_that_tells_the_length_when_it_is_known(plugin, server, folder):
    url = server.gives("/x", b"thanks", {"ETag": '"1"'})
    (folder / "file").write_bytes(BIG)
    result, = plugin.run(f'ocm.pipe("{folder}/file", ocm.digest(), ocm.http.put {{ url = "{url}", headers = {{ A = "b" }} }})')
    seen = server.seen[-1]
    assert (seen.method, seen.body == BIG, seen.headers["Content-Length"], seen.headers["A"]) == ("PUT", True, str(len(BIG)), "b")
    assert (result["status"], result["body"], result["headers"]["etag"], result["written"]) == (200, "thanks", '"1"', len(BIG))
    assert result["digests"] == [sha256(BIG)]
    plugin.run(f'ocm.pipe(ocm.bytes "ab", ocm.map(string.upper), ocm.http.put {{ url = "{url}", method = "POST", length = 2 }})')
    assert (server.seen[-1].method, server.seen[-1].body, server.seen[-1].headers["Content-Length"]) == ("POST", b"AB", "2")
    plugin.run(f'ocm.pipe(ocm.bytes "ab", ocm.map(string.upper), ocm.http.put("{url}"))')
    assert (server.seen[-1].body, server.seen[-1].headers["Transfer-Encoding"]) == (b"AB", "chunked")
    plugin.run(f'ocm.pipe(ocm.bytes "", ocm.http.put("{url}"))')
    assert (server.seen[-1].body, server.seen[-1].headers["Content-Length"]) == (b"", "0")


@pytest.mark.parametrize("length, says", [(1, "longer than the 1 bytes"), (3, "shorter than the 3 bytes"), (0, "longer than the 0 bytes")])
def test_put_of_another_length_than_announced_fails(plugin, server, length, says):
    url = server.gives("/x", b"ok")
    error = plugin.run_error(f'ocm.pipe(ocm.bytes "ab", ocm.map(string.upper), ocm.http.put {{ url = "{url}", length = {length} }})')
    assert error == f"PUT {url}: its body is {says} that were announced"


def test_put_and_get_raise_for_other_statuses_with_the_beginning_of_the_answer(plugin, server):
    url = server.handles("/x", lambda it: it.send(403, b"not\nyou " + b"x" * 5000))
    for code in (f'ocm.pipe(ocm.http.get "{url}", ocm.null())', f'ocm.pipe(ocm.bytes "a", ocm.http.put "{url}")'):
        error = plugin.run_error(code)
        assert f"{url}: 403 Forbidden: not you xxx" in error
        assert len(error) < 1100


def test_get_is_a_source_and_so_is_a_remote_location(plugin, server, folder):
    url = server.gives("/x", BIG)
    for source in (f'ocm.http.get("{url}")', f'ocm.http.get {{ url = "{url}" }}', f'{{ type = "remoteURL", value = "{url}" }}'):
        result, = plugin.run(f'ocm.pipe({source}, ocm.digest(), "{folder}/out")')
        assert ((folder / "out").read_bytes() == BIG, result["bytes"], result["digests"]) == (True, len(BIG), [sha256(BIG)])
    assert plugin.run(f'ocm.copy({{ type = "remoteURL", value = "{url}" }}, ocm.tempfile()).bytes') == [len(BIG)]


def test_head_has_no_body(plugin, server):
    answer = request(plugin, server.gives("/x", b"hello"), method="HEAD", size=7)
    assert (answer["status"], answer["body"], answer["headers"]["content-length"]) == (200, "", "5")


def test_chunked_answers_are_put_together_and_trailers_left_out(plugin):
    def serve(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: 1\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX: 2\r\nY: 3\r\n\r\n")
    with RawServer(serve) as raw:
        answer = request(plugin, raw.url)
    assert (answer["body"], answer["headers"].get("x"), answer["headers"].get("y")) == ("abcde", "1", None)


def test_encoded_bodies_are_left_as_they_are(plugin, server):
    url = server.gives("/x", b"\x1f\x8bnot really", {"Content-Encoding": "gzip"})
    assert plugin.run(f'#ocm.http.request("{url}").body, ocm.http.request("{url}").body:byte(1, 2)') == [12, 0x1F, 0x8B]


def test_more_than_max_is_an_error(plugin, server):
    url = server.gives("/x", b"12345")
    assert request(plugin, url, max=5)["body"] == "12345"
    assert "more than 4 bytes" in request_error(plugin, url, max=4)


# ---- into a sink: all or nothing ----

def test_sink_gets_a_good_answer(plugin, server, folder):
    url = server.gives("/x", BIG)
    answer = request(plugin, url, sink=str(folder / "out"), digest=sha256(BIG), size=len(BIG))
    assert (answer["status"], answer["bytes"], answer["digests"], answer.get("body")) == (200, len(BIG), [sha256(BIG)], None)
    assert (folder / "out").read_bytes() == BIG


@pytest.mark.parametrize("options, says", [
    ({"digest": sha256(b"other")}, "its digest is " + sha256(BIG) + " instead of the expected " + sha256(b"other")),
    ({"size": 5}, "3,145,728 bytes instead of the 5 that were expected"),
    ({"size": 9999999}, "3,145,728 bytes instead of the 9,999,999 that were expected"),
])
def test_nothing_appears_when_digest_or_size_differ(plugin, server, folder, options, says):
    url = server.gives("/x", BIG)
    assert says in request_error(plugin, url, sink=str(folder / "out"), **options)
    assert says in request_error(plugin, url, **options)
    assert os.listdir(folder) == []


def test_size_holds_without_a_content_length(plugin, folder):
    def serve(connection):
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n12345")
    with RawServer(serve) as raw:
        assert request(plugin, raw.url, size=5)["body"] == "12345"
        assert "5 bytes instead of the 6 that were expected" in request_error(plugin, raw.url, size=6, sink=str(folder / "out"))
        assert "more than the 4 bytes that were expected" in request_error(plugin, raw.url, size=4, sink=str(folder / "out"))
    assert os.listdir(folder) == []


def test_nothing_appears_for_another_status(plugin, server, folder):
    url = server.handles("/x", lambda it: it.send(404, b"no such blob\n"))
    assert request_error(plugin, url, sink=str(folder / "out")) == f"GET {url}: 404 Not Found: no such blob"
    assert os.listdir(folder) == []


def test_expected_digest_is_not_asked_of_an_error_page(plugin, server):
    url = server.handles("/x", lambda it: it.send(404, b"gone"))
    assert request(plugin, url, digest=sha256(b"blob"))["status"] == 404


# ---- redirects ----

def test_redirects_are_followed(plugin, server):
    server.answers("/a", 302, b"away", {"Location": "/b"})
    server.answers("/b", 301, b"away", {"Location": server.url + "/c?x=1"})
    server.gives("/c", b"here")
    answer = request(plugin, server.url + "/a")
    assert (answer["status"], answer["body"], answer["url"]) == (200, "here", server.url + "/c?x=1")


def test_redirects_can_be_left_alone_and_have_a_limit(plugin, server):
    url = server.handles("/a", lambda it: it.send(302, b"", {"Location": "/a"}))
    answer = request(plugin, url, redirects=0)
    assert (answer["status"], answer["headers"]["location"]) == (302, "/a")
    assert request_error(plugin, url) == f"GET {url}: more than 10 redirects"
    assert len(server.seen) == 1 + 11
    assert request_error(plugin, url, redirects=1) == f"GET {url}: more than 1 redirects"
    server.answers("/b", 300, b"choose")
    assert request(plugin, server.url + "/b")["status"] == 300


@pytest.mark.parametrize("status, method, then", [
    (301, "POST", "GET"), (302, "POST", "GET"), (303, "PUT", "GET"), (303, "HEAD", "HEAD"), (301, "PUT", "PUT"), (307, "POST", "POST"), (308, "POST", "POST"),
])
def test_redirects_keep_method_and_body_as_their_status_says(plugin, server, status, method, then):
    server.answers("/a", status, b"", {"Location": "/b"})
    server.gives("/b", b"here")
    body = None if method == "HEAD" else {"a": 1}
    request(plugin, server.url + "/a", method=method, **({"body": body} if body else {}))
    last = server.seen[-1]
    kept = then == method and method != "HEAD"
    assert (last.method, last.body, last.headers["Content-Type"]) == (then, b'{"a":1}' if kept else b"", "application/json" if kept else None)


def test_a_streamed_body_is_not_sent_twice(plugin, server):
    server.answers("/a", 307, b"", {"Location": "/b"})
    error = plugin.run_error(f'ocm.pipe(ocm.bytes "x", ocm.http.put "{server.url}/a")')
    assert error == f"PUT {server.url}/a: it redirects when its body has been sent, which can't be read again"


def test_a_streamed_body_follows_a_redirect_that_comes_before_it(plugin, server):
    def early(it):
        it.send(307, b"", {"Location": "/b", "Connection": "close"})
        it.close_connection = True
    early.reads_itself = True
    Handler = server.listener.RequestHandlerClass
    original = Handler.handle_expect_100
    Handler.handle_expect_100 = lambda it: it.path != "/a" and original(it) or True # no 100 Continue: the redirect at once
    try:
        server.handles("/a", early)
        url = server.gives("/b", b"ok")
        plugin.run(f'ocm.pipe(ocm.bytes(("x"):rep(3000000)), ocm.http.put "{server.url}/a")')
        assert (server.requests("/b")[0].body, url) == (b"x" * 3000000, server.url + "/b")
    finally:
        Handler.handle_expect_100 = original


def test_secrets_are_for_their_origin_alone(plugin, server):
    sends = {"headers": {"Authorization": "Basic b3JpZ2luOg==", "Cookie": "a=b", "PRIVATE-TOKEN": "glpat", "X-Plain": "1"}}
    for status in (301, 307):
        server.answers("/a", status, b"", {"Location": server.elsewhere("/b")})
    server.answers("/b", 200)
    server.answers("/b", 307, b"", {"Location": server.url + "/c"}) # and back: still not
    server.gives("/c", b"")
    request(plugin, server.url + "/a", **sends)
    request(plugin, server.url + "/a", **sends)
    for seen in server.requests("/a"):
        assert (seen.headers["Authorization"], seen.headers["Cookie"], seen.headers["PRIVATE-TOKEN"]) == ("Basic b3JpZ2luOg==", "a=b", "glpat")
    for seen in server.requests("/b") + server.requests("/c"):
        assert (seen.headers["Authorization"], seen.headers["Cookie"], seen.headers["PRIVATE-TOKEN"], seen.headers["X-Plain"]) == (None, None, None, "1")
    server.answers("/same", 302, b"", {"Location": "/d"})
    server.gives("/d", b"")
    request(plugin, server.url + "/same", **sends)
    assert server.seen[-1].headers["Authorization"] == "Basic b3JpZ2luOg=="


@pytest.mark.parametrize("how", ['bearer = "t0ken-secret"', 'username = "me", password = "pa55word"'])
def test_credentials_are_not_sent_on_to_another_origin(plugin, server, how):
    server.answers("/a", 302, b"", {"Location": server.elsewhere("/b")})
    server.gives("/b", b"")
    request(plugin, server.url + "/a", how)
    assert [seen.headers["Authorization"] is not None for seen in server.seen] == [True, False]


def test_a_redirect_sets_no_credentials(plugin, server):
    server.answers("/a", 302, b"", {"Location": server.url.replace("//", "//evil:evil@") + "/b"})
    server.gives("/b", b"")
    request(plugin, server.url + "/a")
    assert server.seen[-1].headers["Authorization"] is None


@pytest.mark.parametrize("location, says", [
    ("ftp://127.0.0.1/", "it begins with http:// or https://"), ("file:///etc/passwd", "it begins with http:// or https://"),
    ("http://127.0.0.1:99999/", "port"),
])
def test_redirects_lead_to_http_only(plugin, server, location, says):
    server.handles("/a", lambda it: it.send(302, b"", {"Location": location}))
    error = request_error(plugin, server.url + "/a")
    assert error.startswith(f"GET {server.url}/a: ") and says in error


# ---- trying again ----

@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_passes_is_tried_again(plugin, server, status):
    url = server.answers("/x", status, b"busy")
    server.answers("/x", status, b"busy")
    server.gives("/x", b"fine")
    assert request(plugin, url)["body"] == "fine"
    assert len(server.seen) == 3


def test_tries_are_counted(plugin, server, folder):
    url = server.handles("/x", lambda it: it.send(503, b"busy"))
    assert request(plugin, url, retries=1)["body"] == "busy"
    assert len(server.seen) == 2
    assert request_error(plugin, url, retries=0, sink=str(folder / "out")) == f"GET {url}: 503 Service Unavailable: busy"
    assert len(server.seen) == 3


def test_post_and_a_read_stream_are_not_sent_again(plugin, server):
    url = server.handles("/x", lambda it: it.send(503, b"busy"))
    assert request(plugin, url, method="POST", body="x")["status"] == 503
    assert "503" in plugin.run_error(f'ocm.pipe(ocm.bytes "x", ocm.http.put "{url}")')
    assert len(server.seen) == 2


def test_strings_and_files_are_sent_again(plugin, server):
    url = server.gives("/x", b"fine")
    for _ in range(2):
        server.answers("/x", 503, b"busy")
        plugin.run(f'ocm.http.request {{ url = "{url}", method = "PUT", body = "text" }}')
        server.answers("/x", 503, b"busy")
        plugin.run(f'ocm.http.request {{ url = "{url}", method = "PUT", body = ocm.tempfile():write "file" }}')
    assert [seen.body for seen in server.seen] == [b"text", b"text", b"file", b"file"] * 2


def test_a_post_that_did_not_leave_is_tried_again(plugin):
    with no_server() as url:
        began = time.monotonic()
        assert request_error(plugin, url, method="POST", body="x", retries=1) == f"POST {url}: connection refused (tried several times)"
        assert time.monotonic() - began > 0.1 # it waited in between


def test_retry_after_is_waited_for(plugin, server):
    for value in (lambda: "1", lambda: email.utils.formatdate(time.time() + 2, usegmt=True)):
        began = time.monotonic()
        url = server.answers("/x", 429, b"slow down", {"Retry-After": value()})
        server.gives("/x", b"fine")
        assert request(plugin, url)["body"] == "fine"
        assert time.monotonic() - began > 0.9


def test_who_is_to_come_back_much_later_gets_the_answer(plugin, server):
    url = server.handles("/x", lambda it: it.send(503, b"tomorrow", {"Retry-After": "86400"}))
    assert request(plugin, url)["body"] == "tomorrow"
    assert len(server.seen) == 1
    url = server.handles("/y", lambda it: it.send(503, b"in a while", {"Retry-After": "30"}))
    assert request(plugin, url, timeout=5)["body"] == "in a while" # there is no time for that
    assert len(server.seen) == 2


def test_connections_that_break_are_tried_again(plugin, server):
    url = server.plans("/x", lambda it: it.cut())
    server.plans("/x", lambda it: it.send(200, b"", length=5) or it.cut())
    server.gives("/x", b"hello")
    assert request(plugin, url)["body"] == "hello"
    assert len(server.seen) == 3
    for body in ("", "x"): # on a connection that was kept, too
        request(plugin, url)
        server.plans("/x", lambda it: it.cut())
        count = len(server.seen)
        assert "connection" in request_error(plugin, url, method="POST", body=body)
        assert len(server.seen) == count + 1


def test_a_closed_kept_connection_is_no_failure(plugin, server):
    url = server.handles("/x", lambda it: it.send(200, b"ok") or it.cut())
    for _ in range(3):
        assert request(plugin, url, retries=0)["body"] == "ok"


# ---- going on where it broke off ----

def ranges(body, validator=("ETag", '"v1"'), cut=1 << 20, status=206, shift=0):
    """Serves `body`, cutting every answer after `cut` bytes; ranges as it is told."""
    def handle(it):
        wanted = it.seen.headers["Range"]
        first = int(wanted[len("bytes="):-1]) if wanted and status == 206 else 0
        rest = body[first:]
        headers = dict([validator]) if validator else {}
        if wanted and status == 206:
            headers["Content-Range"] = f"bytes {first + shift}-{len(body) - 1}/{len(body)}"
        if len(rest) > cut:
            it.send(206 if wanted and status == 206 else 200, rest[:cut], headers, length=len(rest))
            it.cut()
        else:
            it.send(206 if wanted and status == 206 else 200, rest, headers)
    return handle


def test_a_download_goes_on_where_it_broke_off(plugin, server, folder):
    url = server.handles("/x", ranges(BIG))
    answer = request(plugin, url, sink=str(folder / "out"), digest=sha256(BIG), size=len(BIG))
    assert ((folder / "out").read_bytes() == BIG, answer["bytes"]) == (True, len(BIG))
    asked = [(seen.headers["Range"], seen.headers["If-Range"]) for seen in server.seen]
    assert asked[0] == (None, None)
    assert len(asked) == 3 and all(validator == '"v1"' and int(wanted[6:-1]) > 0 for wanted, validator in asked[1:])


def test_it_goes_on_by_date_too(plugin, server, folder):
    url = server.handles("/x", ranges(BIG, ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")))
    request(plugin, url, sink=str(folder / "out"), digest=sha256(BIG))
    assert server.seen[1].headers["If-Range"] == "Sun, 06 Nov 1994 08:49:37 GMT"


def test_a_server_without_ranges_sends_all_again_and_what_was_there_is_skipped(plugin, server, folder):
    handle = ranges(BIG, status=200)
    server.plans("/x", handle)
    server.plans("/x", handle)
    url = server.gives("/x", BIG, {"ETag": '"v1"'})
    request(plugin, url, sink=str(folder / "out"), digest=sha256(BIG))
    assert len(server.seen) == 3


@pytest.mark.parametrize("then", [
    lambda it: it.send(200, BIG[::-1], {"ETag": '"v2"'}),
    lambda it: it.send(200, BIG),
    lambda it: it.send(206, b"x" * 10, {"ETag": '"v1"', "Content-Range": f"bytes 0-9/{len(BIG)}"}),
    lambda it: it.send(206, BIG[1 << 20:], {"ETag": '"v2"', "Content-Range": f"bytes {1 << 20}-{len(BIG) - 1}/{len(BIG)}"}),
    lambda it: it.send(206, b"x", {"ETag": '"v1"'}),
])
def test_another_body_is_never_put_behind_the_first(plugin, server, folder, then):
    server.plans("/x", ranges(BIG))
    url = server.handles("/x", then)
    assert request_error(plugin, url, sink=str(folder / "out")) == f"GET {url}: it changed while it was read"
    assert os.listdir(folder) == []


@pytest.mark.parametrize("validator, options", [(None, {}), (("ETag", 'W/"v1"'), {}), (("ETag", '"v1"'), {"resume": False}), (("ETag", '"v1"'), {"headers": {"Range": "bytes=0-"}})])
def test_without_a_strong_validator_it_does_not_go_on(plugin, server, folder, validator, options):
    url = server.handles("/x", ranges(BIG, validator, status=200))
    error = request_error(plugin, url, sink=str(folder / "out"), **options)
    assert error.startswith(f"GET {url}: the connection broke off after 1,0")
    assert (len(server.seen), os.listdir(folder)) == (1, [])


def test_it_does_not_go_on_for_ever(plugin, server, folder):
    url = server.handles("/x", ranges(BIG, cut=1 << 16))
    assert "the connection broke off after" in request_error(plugin, url, sink=str(folder / "out"))
    assert (len(server.seen), os.listdir(folder)) == (4, [])


# ---- time ----

def test_timeout_is_for_all_of_it(plugin, server):
    release = threading.Event()
    url = server.handles("/x", lambda it: release.wait(30))
    began = time.monotonic()
    assert request_error(plugin, url, timeout=0.5) == f"GET {url}: timed out after 0.5 s"
    assert time.monotonic() - began < 10
    release.set()


def test_a_dead_server_is_given_up(plugin, server):
    release = threading.Event()
    def half(it):
        it.send(200, b"begin", length=10)
        release.wait(30)
    url = server.handles("/x", half)
    assert request_error(plugin, url, idle=1) == f"GET {url}: nothing came for 1 s"
    release.set()


def test_a_slow_server_is_not(plugin, server):
    def slow(it):
        it.send(200, b"", length=12)
        for _ in range(12):
            time.sleep(0.2)
            it.wfile.write(b"x")
    assert request(plugin, server.handles("/x", slow), idle=2, timeout=30)["body"] == "x" * 12


def test_other_requests_go_on_meanwhile_and_a_task_that_ends_ends_the_transfer(server, folder):
    gone = threading.Event()
    def endless(it):
        it.send(200, b"", length=1 << 40)
        try:
            while True:
                it.wfile.write(b"x" * 65536)
                time.sleep(0.01)
        except OSError:
            gone.set()
    url = server.handles("/x", endless)
    with Plugin(runner("limits = { handler = 1.5 },")) as limited:
        failures = []
        client = threading.Thread(target=lambda: failures.append(limited.request("POST", "/run", f'ocm.http.request {{ url = "{url}", sink = "{folder}/out" }}')))
        client.start()
        until(lambda: server.seen)
        assert limited.run("1 + 1") == [2]
        client.join(30)
        assert failures[0].status >= 500
        assert gone.wait(30)
        until(lambda: os.listdir(folder) == [])


def test_shutdown_ends_a_transfer(server, folder):
    def endless(it):
        it.send(200, b"", length=1 << 40)
        with contextlib.suppress(OSError):
            while True:
                it.wfile.write(b"x" * 65536)
                time.sleep(0.01)
    url = server.handles("/x", endless)
    with Plugin(runner()) as running:
        client = threading.Thread(target=lambda: running.request("POST", "/run", f'ocm.http.request {{ url = "{url}", sink = "{folder}/out" }}'))
        client.start()
        until(lambda: server.seen)
    client.join(30)
    assert os.listdir(folder) == []


# ---- connections ----

def test_connections_are_kept_across_calls_and_tasks(plugin, server):
    url = server.gives("/x", b"ok")
    for _ in range(5):
        request(plugin, url)
        plugin.run(f'ocm.pipe(ocm.http.get "{url}", ocm.null())')
    for _ in range(3):
        request(plugin, server.url + "/none") # also behind an error
    assert (len(server.seen), server.connections) == (13, 1)


def test_several_at_once_have_connections_of_their_own_and_keep_them(plugin, server):
    barrier = threading.Barrier(4)
    def meet(it):
        barrier.wait(30)
        it.send(200, BIG)
    url = server.handles("/x", meet)
    code = f'''local function one() return ocm.http.request {{ url = "{url}", digest = "{sha256(BIG)}" }}.bytes end
      return ocm.parallel(one, one, one, one)'''
    for _ in range(3):
        assert plugin.run(code) == [len(BIG)] * 4
    assert server.connections == 4


def test_unix_socket(plugin):
    with Folder() as folder, Server(path=folder / "s") as server:
        server.gives("/x", b"ok")
        answer = request(plugin, "http://localhost/x", unix_socket=str(folder / "s"))
        assert (answer["body"], server.seen[0].headers["Host"]) == ("ok", "localhost")
    error = request_error(plugin, "http://localhost/x", unix_socket="/no/such/socket", retries=0)
    assert error.startswith("GET http://localhost/x: ")


def test_proxy_of_the_environment(server):
    server.handles("http://example.invalid/x", lambda it: it.send(200, b"by proxy"))
    server.gives("/x", b"directly")
    env = {"http_proxy": server.url.replace("//", "//me:pr0xypass@"), "no_proxy": "127.0.0.1"}
    with Plugin(runner(), env=env) as running:
        assert request(running, "http://example.invalid/x", bearer="t0ken-secret")["body"] == "by proxy"
        assert server.seen[0].headers["Proxy-Authorization"] == "Basic bWU6cHIweHlwYXNz"
        assert request(running, server.url + "/x")["body"] == "directly"
        assert server.seen[1].headers["Proxy-Authorization"] is None
    with Plugin(runner(), env={"http_proxy": "bad://me:pr0xypass@127.0.0.1:1"}) as running:
        error = request_error(running, "http://example.invalid/x", retries=0)
        assert error.startswith("GET http://example.invalid/x: ") and "pr0xypass" not in error
        assert "pr0xypass" not in "\n".join(running.stderr)


# ---- credentials and secrets ----

def test_credentials_of_other_names_are_warned_of_without_their_values(plugin, server):
    url = server.gives("/misspelt", b"")
    request(plugin, url, credentials={"type": "Credentials/v1", "properties": {"user": "anna-lena", "pasword": "sw0rdfish-9"}})
    line = plugin.wait_log("the credentials have nothing in them that a request could use")
    assert (line["level"], line["members"]) == ("WARN", "pasword, user")
    assert not [text for text in plugin.stderr if "anna-lena" in text or "sw0rdfish" in text]


@pytest.mark.parametrize("credentials, header", [
    ({"type": "DirectCredentials/v1", "properties": {"username": "me", "password": "pa:55"}}, "Basic bWU6cGE6NTU="),
    ({"type": "DirectCredentials/v1", "properties": {"accessToken": "t0ken"}}, "Bearer t0ken"),
    ({"type": "DirectCredentials/v1", "properties": {"identityToken": "t0ken"}}, "Bearer t0ken"),
    ({"type": "DirectCredentials/v1", "properties": {"token": "t0ken"}}, "Bearer t0ken"),
    ({"type": "OCICredentials/v1", "username": "me", "password": "pa:55"}, "Basic bWU6cGE6NTU="),
    ({"type": "OCICredentials/v1", "accessToken": "t0ken", "username": ""}, "Bearer t0ken"),
    ({"type": "DirectCredentials/v1", "properties": {"unknown": "x"}}, None),
    ({"type": "DirectCredentials/v1"}, None),
])
def test_credentials_of_the_protocol_are_used(plugin, server, credentials, header):
    url = server.gives("/x", b"")
    request(plugin, url, credentials=credentials)
    assert server.seen[-1].headers["Authorization"] == header
    request(plugin, url, credentials=credentials, bearer="0ther")
    assert server.seen[-1].headers["Authorization"] == "Bearer 0ther"


def test_username_password_bearer_and_userinfo(plugin, server):
    url = server.gives("/x", b"")
    answers = [request(plugin, url, username="me", password="pa:55"), request(plugin, url, bearer="t0ken"),
               request(plugin, url.replace("//", "//me:pa%3A55@")), request(plugin, url, "credentials = ocm.json.null")]
    assert [seen.headers["Authorization"] for seen in server.seen] == ["Basic bWU6cGE6NTU=", "Bearer t0ken", "Basic bWU6cGE6NTU=", None]
    assert answers[2]["url"] == url


def test_secrets_are_in_no_log_line_and_no_error(server):
    secrets = ["pa55word", "t0ken", "s1gnature", "c00kie", "url-pa55"]
    server.handles("/x", lambda it: it.send(503, b"your " + (it.seen.headers["Authorization"] or "").encode()))
    server.answers("/r", 302, b"", {"Location": "/x?sig=s1gnature"})
    url = server.url.replace("//", "//me:url-pa55@")
    with Plugin(runner()) as running:
        for code in (
            f'ocm.pipe(ocm.http.get {{ url = "{url}/x?sig=s1gnature", retries = 1 }}, ocm.null())',
            f'ocm.pipe(ocm.http.get {{ url = "{server.url}/r", retries = 0, bearer = "t0ken" }}, ocm.null())',
            f'ocm.pipe(ocm.http.get {{ url = "{server.url}/x", retries = 0, username = "me", password = "pa55word" }}, ocm.null())',
            f'ocm.pipe(ocm.http.get {{ url = "{server.url}/x", retries = 0, headers = {{ Cookie = "c00kie" }} }}, ocm.null())',
            'ocm.http.request { url = "http://me:url-pa55@127.0.0.1:1/x?sig=s1gnature", retries = 0 }',
            'ocm.http.request { url = "nonsense://me:url-pa55@h/x?sig=s1gnature" }',
            'ocm.http.request { url = "http://me:url-pa55@h:bad/x?sig=s1gnature" }',
        ):
            error = running.run_error(code)
            assert [secret for secret in secrets if secret in error] == [], error
        running.run('ocm.log.info("t0ken pa55word")')
        running.wait_log(lambda entry: entry["msg"] == "*** ***")
        assert running.wait_log(lambda entry: entry["msg"] == "http request" and entry["url"] == server.url + "/x")["level"] == "DEBUG"
        assert [line for line in running.stderr if any(secret in line for secret in secrets)] == []


def test_every_try_is_logged_at_debug_level(server):
    url = server.answers("/x", 503, b"")
    server.gives("/x", b"ok")
    with Plugin(runner()) as running:
        request(running, url)
        running.wait_log(lambda entry: entry.get("try") == "2")
        entries = running.log("http request")
    assert [(entry["method"], entry["url"], entry["status"], entry["try"], entry["level"]) for entry in entries] == [
        ("GET", url, "503", "1", "DEBUG"), ("GET", url, "200", "2", "DEBUG")]


# ---- TLS ----

@pytest.fixture(scope="module")
def pki():
    """A CA, certificates of a server (127.0.0.1) and a client."""
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl command")
    with Folder() as folder:
        def openssl(*arguments):
            subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test CA", "-days", "2")
        for name, extra in (("server", "subjectAltName=IP:127.0.0.1"), ("client", "extendedKeyUsage=clientAuth")):
            (folder / f"{name}.ext").write_text(extra)
            openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN=test {name}")
            openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", f"{name}.pem", "-days", "2", "-extfile", f"{name}.ext")
        yield folder


def tls_server(pki, client=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki / "server.pem", pki / "server.key")
    if client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(pki / "ca.pem")
    return Server(context)


def test_tls_with_an_own_ca(plugin, pki):
    with tls_server(pki) as server:
        url = server.gives("/x", BIG)
        assert request(plugin, url, "sink = ocm.null()", ca=str(pki / "ca.pem"), digest=sha256(BIG))["bytes"] == len(BIG)
        assert request(plugin, url, "sink = ocm.null()", ca=(pki / "ca.pem").read_text())["bytes"] == len(BIG)
        credentials = {"type": "DirectCredentials/v1", "properties": {"certificateAuthority": (pki / "ca.pem").read_text()}}
        assert request(plugin, url, "sink = ocm.null()", credentials=credentials)["bytes"] == len(BIG)


def test_a_certificate_that_nobody_vouches_for_is_refused(plugin, pki):
    with tls_server(pki) as server:
        url = server.gives("/x", b"ok")
        error = request_error(plugin, url, retries=0)
        assert error.startswith(f"GET {url}: ") and "certificate" in error
        error = request_error(plugin, url.replace("127.0.0.1", "localhost"), ca=str(pki / "ca.pem"), retries=0) # another name
        assert "certificate" in error or "localhost" in error
        assert server.seen == []
        error = request_error(plugin, url, ca="/no/such/file", retries=0)
        assert "/no/such/file" in error


def test_a_server_without_tls_is_named_as_such(plugin, server):
    """What TLS libraries say of it ("wrong version number") tells nobody to write http."""
    url = server.gives("/x", b"ok").replace("http:", "https:")
    assert request_error(plugin, url, retries=0) == f"GET {url}: the server does not speak TLS there: it may be http"


def test_client_certificate(plugin, pki):
    with tls_server(pki, client=True) as server:
        url = server.gives("/x", b"ok")
        ca = str(pki / "ca.pem")
        assert request(plugin, url, ca=ca, cert=str(pki / "client.pem"), key=str(pki / "client.key"))["body"] == "ok"
        credentials = {"certificate": (pki / "client.pem").read_text(), "privateKey": (pki / "client.key").read_text()}
        assert request(plugin, url, ca=ca, credentials={"type": "DirectCredentials/v1", "properties": credentials})["body"] == "ok"
        assert [dict(pair for group in seen.certificate["subject"] for pair in group)["commonName"] for seen in server.seen] == ["test client"] * 2
        request_error(plugin, url, ca=ca, retries=0)
        error = request_error(plugin, url, ca=ca, cert="/no/such/file", retries=0)
        assert error.startswith(f"GET {url}: ")
        assert len(server.seen) == 2


def test_from_https_nothing_goes_to_http(plugin, pki, server):
    target = server.gives("/x", b"plain")
    with tls_server(pki) as secure:
        secure.handles("/a", lambda it: it.send(302, b"", {"Location": target}))
        error = request_error(plugin, secure.url + "/a", ca=str(pki / "ca.pem"))
        assert error == f"GET {secure.url}/a: it redirects from https to http, which is refused"
        server.answers("/up", 302, b"", {"Location": secure.gives("/b", b"safe")})
        assert request(plugin, server.url + "/up", ca=str(pki / "ca.pem"))["body"] == "safe"
    assert len(server.seen) == 1


# ---- hostile servers ----

def refuses(plugin, answer, says, **options):
    """The error for a server that sends these bytes, or what the iterator gives."""
    def serve(connection):
        for piece in [answer] if isinstance(answer, bytes) else answer():
            connection.sendall(piece)
    with RawServer(serve) as raw:
        error = request_error(plugin, raw.url + "/x", retries=0, timeout=60, **options)
    assert error.startswith(f"GET {raw.url}/x: ")
    assert says in error, error


def endless(piece):
    def pieces():
        yield b"HTTP/1.1 200 OK\r\n"
        while True:
            yield piece * 100
    return pieces


@pytest.mark.parametrize("answer, says", [
    (endless(b"X: y\r\n"), "more than 256 KiB or 1000 lines of header"),
    (endless(b"X: " + b"y" * 2000 + b"\r\n"), "more than 256 KiB or 1000 lines of header"),
    (lambda: (b"HTTP/1.1 100 Continue\r\n\r\n" * 100 for _ in iter(int, 1)), "more than 256 KiB or 1000 lines of header"),
    (endless(b"x" * 2000), ""),
    (b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n", ""),
    (b"SSH-2.0-OpenSSH\r\n\r\n", ""),
    (b"\0" * 5000, ""),
    (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", ""),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", "the connection broke off after 5 bytes"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", ""),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", "the connection broke off"),
    (b"", "connection was closed without an answer"),
])
def test_broken_answers_are_errors(plugin, answer, says):
    refuses(plugin, answer, says)


def test_control_bytes_in_headers_become_spaces(plugin):
    def serve(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: a\x01b\x1b[31m\r\nX-Y\x02: 1\r\nFolded: a\r\n  b\r\nContent-Length: 2\r\n\r\nok")
    with RawServer(serve) as raw:
        answer = request(plugin, raw.url)
    assert (answer["headers"]["x"], answer["headers"]["folded"], answer["body"]) == ("a b [31m", "a b", "ok")
    assert not any(ord(character) < 32 for name in answer["headers"] for character in name)


def test_bytes_behind_the_body_are_not_the_next_answer(plugin):
    def serve(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        connection.recv(65536)
    with RawServer(serve) as raw:
        for _ in range(3):
            assert request(plugin, raw.url)["body"] == "ok"


def test_an_endless_error_page_is_not_read_to_its_end(plugin, folder):
    def serve(connection):
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 1000000000000\r\n\r\n")
        while True:
            connection.sendall(b"no " * 10000)
    with RawServer(serve) as raw:
        error = request_error(plugin, raw.url, sink=str(folder / "out"))
        assert error.startswith(f"GET {raw.url}: 403 Forbidden: no no no")


# ---- misuse ----

@pytest.mark.parametrize("code, says", [
    ("ocm.http.get()", "ocm.http.get: url: expected string, got nothing"),
    ('ocm.http.get { url = "http://h/", heders = {} }', 'unknown option "heders", did you mean "headers"?'),
    ('ocm.http.request { url = "http://h/", body = 5 }', "body: expected string, table"),
    ('ocm.http.request { url = "http://h/", headers = { "X: y" } }', "headers: expected { name = value }"),
    ('ocm.http.request { url = "http://h/", headers = { X = {{}} } }', "headers: X: expected string or number, got table"),
    ('ocm.http.request { url = "http://h/", headers = { X = "a\\r\\nY: b" } }', "headers: X: a value has no line ends"),
    ('ocm.http.request { url = "http://h/", headers = { ["X Y"] = "a" } }', "headers: a name has only"),
    ('ocm.http.request { url = "http://h/", headers = { X = "a\\0b" } }', "NUL"),
    ('ocm.http.request { url = "http://h/", headers = { ["Content-Length"] = 5 } }', "headers: Content-Length is set as the body is"),
    ('ocm.http.request { url = "http://h/", method = "GET /x" }', "method: expected a word"),
    ('ocm.http.request { url = "http://h/\\r\\nX: y" }', "url: "),
    ('ocm.http.request { url = "/etc/passwd" }', "url: it begins with http:// or https://"),
    ('ocm.http.request { url = "http://h/", timeout = -1 }', "timeout: expected a number from 0"),
    ('ocm.http.request { url = "http://h/", retries = 1000 }', "retries: expected an integer from 0 to 100"),
    ('ocm.http.request { url = "http://h/", credentials = "secret" }', "credentials: expected table, got string"),
    ('ocm.http.request { url = "http://%zz@h/" }', "not percent-encoded"),
    ('ocm.http.request { url = "http://127.0.0.1:1/", digest = "sha0", sink = ocm.null(), retries = 0 }', ""),
    ('ocm.pipe(ocm.bytes "x", ocm.http.get "http://h/", ocm.null())', "ocm.http.get is a source"),
    ('ocm.pipe(ocm.bytes "x", ocm.http.get "http://h/")', "ocm.http.get cannot be the last part"),
    ('ocm.pipe(ocm.http.put "http://h/", ocm.null())', "ocm.http.put cannot be the first part"),
    ('ocm.pipe(ocm.bytes "x", { type = "remoteURL", value = "http://h/" })', "cannot be the last part"),
    ('ocm.pipe({ type = "remoteURL", value = "secret" }, ocm.null())', "it begins with http:// or https://"),
    ('ocm.pipe(ocm.http.client { base = "nonsense" }.get "x", ocm.null())', "url: it begins with http:// or https://"),
    ('ocm.http.client {}', "base: expected a URL"),
    ('ocm.http.client { base = "http://h", nonsense = 1 }', 'unknown option "nonsense"'),
    ('ocm.http.client { base = "http://h/a" }.request "http://h/b"', "it is not below the client's base"),
    ('ocm.http.client { base = "http://h" }.request "http://h.evil/"', "it is not below the client's base"),
    ('ocm.http.client { base = "http://h" }.request "//evil/"', "it is not below the client's base"),
])
def test_misuse_raises(plugin, code, says):
    error = plugin.run_error(code if "pipe" in code or "request" in code or "client" in code else f"ocm.pipe({code}, ocm.null())")
    assert says in error, error


# ---- clients ----

def test_a_client_shares_options(plugin, server):
    url = server.gives("/api/x", b"ok")
    results = plugin.run(f'''
      local api = ocm.http.client {{ base = "{server.url}/api", bearer = "t0ken", headers = {{ A = "1", B = "1" }} }}
      return api.request("x").status, api.request {{ url = "/x", headers = {{ B = "2" }}, query = {{ q = 1 }} }}.body,
        ocm.pipe(api.get "{url}", ocm.string()).string, ocm.pipe(ocm.bytes "b", api.put "x").status''')
    assert results == [200, "ok", "ok", 200]
    assert [seen.headers["Authorization"] for seen in server.seen] == ["Bearer t0ken"] * 4
    assert [(seen.headers["A"], seen.headers["B"]) for seen in server.seen] == [("1", "1"), ("1", "2"), ("1", "1"), ("1", "1")]
    assert server.seen[1].path == "/api/x?q=1"


# ---- without a task, and without libcurl ----

def test_it_blocks_where_there_is_no_task(server):
    url = server.gives("/x", b"ok")
    script = runner(before=f'local at_top = ocm.http.request("{url}").body', declared='start = function() started = at_top end,')
    with Plugin(script) as running:
        assert running.run("started") == ["ok"]
