"""A script's own endpoints: `handlers = { ["POST /custom/{name}"] = function(request) … end }`."""
import json

import pytest
from harness import Plugin

SCRIPT = '''
local function echo(request) return { body = ocm.json.encode(request) } end
local function says(text) return function() return { body = text } end end
return ocm.plugin {
  inputRepository = { types = { "T/v1" } },
  handlers = {
    ["GET /echo"] = echo, ["POST /echo"] = echo, ["PUT /echo"] = echo, ["DELETE /echo"] = echo, ["PATCH /echo"] = echo, ["BREW /echo"] = echo,
    ["HEAD /head"] = says "a body that is not sent",
    ["GET /"] = says "root",
    ["GET /v1/{name}"] = echo, ["GET /v1/{name}/of/{other}"] = echo, ["GET /v1/fixed"] = says "fixed", ["PUT /v1/{name}"] = says "put",
    ["GET /slash/"] = says "slash",
    ["POST /bytes"] = function(request) return { body = request.body:reverse() } end,
    ["GET /status/{n}"] = function(request) return { status = math.tointeger(request.params.n) or request.params.n, body = "text" } end,
    ["GET /headers"] = function() return { headers = { ["Content-Type"] = "text/html", ["X-Number"] = 7, ["X-Text"] = "é" }, body = "b" } end,
    ["GET /nothing"] = function() end,
    ["GET /empty"] = function() return {} end,
    ["GET /reason"] = function() return nil, "no such thing" end,
    ["GET /fail"] = function() ocm.fail(418, "I am a %s", "teapot") end,
    ["GET /raise"] = function() error "went wrong" end,
    ["GET /slow"] = function() ocm.sleep(0.01) return { status = 201, body = "later" } end,
    ["GET /bad/{what}"] = function(request)
      return ({
        text = "text", no = false, number = 7, body = { body = {} }, headers = { headers = 7 }, name = { headers = { ["X A"] = "b" } },
        list = { headers = { "X-A" } }, value = { headers = { ["X-A"] = "b\\r\\nX-B: c" } }, table = { headers = { ["X-A"] = {} } },
      })[request.params.what]
    end,
  },
}'''


@pytest.fixture(scope="module")
def plugin():
    with Plugin(SCRIPT) as running:
        yield running


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "BREW"])
def test_handler_gets_all_of_the_request(plugin, method):
    body = None if method == "GET" else "text"
    request = plugin.json(method, "/echo?a=1&b=%20", body, {"X-Some": "Value", "x-other": "é".encode()})
    assert {name: request[name] for name in request if name != "headers"} == {
        "method": method, "path": "/echo", "params": {}, "query": {"a": "1", "b": " "}, "body": body or "",
    }
    assert (request["headers"]["x-some"], request["headers"]["x-other"], request["headers"]["host"]) == ("Value", "é", "unix")


def test_header_that_is_there_twice_is_joined(plugin):
    answer = plugin.raw(b"GET /echo HTTP/1.1\r\nHost: unix\r\nX-A: 1\r\nx-a: 2\r\nConnection: close\r\n\r\n")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["headers"]["x-a"] == "1, 2"


@pytest.mark.parametrize("path, params", [
    ("/v1/a", {"name": "a"}),
    ("/v1/a%20b", {"name": "a b"}),
    ("/v1/a+b", {"name": "a+b"}),
    ("/v1/a%2Fb", {"name": "a/b"}),
    ("/v1/%C3%A9", {"name": "é"}),
    ("/v1/%00", {"name": "\0"}),
    ("/v1/a.b~c", {"name": "a.b~c"}),
    ("/v1/fixe", {"name": "fixe"}),
    ("/v1/%7Bname%7D", {"name": "{name}"}),
    ("/v1/a/of/b?c=d", {"name": "a", "other": "b"}),
])
def test_path_parameters_are_decoded(plugin, path, params):
    assert plugin.json("GET", path)["params"] == params


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1//of/b", "/v1/a/", "/v1/a/of", "/v1/a/of/", "/v1/a/b", "/slash", "/V1/a", "/v1%2Fa", "/nothing/"])
def test_path_that_fits_no_pattern_is_a_404(plugin, path):
    assert plugin.request("GET", path).status == 404


def test_what_is_written_out_goes_before_a_parameter(plugin):
    assert plugin.request("GET", "/v1/fixed").text == "fixed"
    assert plugin.request("PUT", "/v1/fixed").text == "put"
    assert plugin.request("GET", "/").text == "root"
    assert plugin.request("GET", "/slash/").text == "slash"


def test_wrong_method_says_which_there_are(plugin):
    for path, methods in (("/echo", "BREW, DELETE, GET, PATCH, POST, PUT"), ("/v1/a", "GET, PUT"), ("/v1/a/of/b", "GET")):
        answer = plugin.request("OPTIONS", path)
        assert (answer.status, answer.headers["Allow"]) == (405, methods)


@pytest.mark.parametrize("body", [b"", b"a\0b", bytes(range(256)), b"\xff\xfe" * 100000], ids=["empty", "nul", "all bytes", "large"])
def test_bodies_are_bytes_both_ways(plugin, body):
    answer = plugin.request("POST", "/bytes", body)
    assert (answer.status, answer.body) == (200, body[::-1])


def test_head_handler_sends_no_body(plugin):
    answer = plugin.request("HEAD", "/head")
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (200, b"", "23")


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299, 302, 400, 404, 409, 500, 503, 599])
def test_status_is_the_handlers(plugin, status):
    answer = plugin.request("GET", f"/status/{status}")
    assert (answer.status, answer.text) == (status, "" if status == 204 else "text")


def test_headers_are_the_handlers(plugin):
    answer = plugin.request("GET", "/headers")
    assert (answer.headers["Content-Type"], answer.headers["X-Number"]) == ("text/html", "7")
    assert answer.headers["X-Text"].encode("latin-1").decode() == "é"
    assert plugin.request("GET", "/empty").headers["Content-Type"] is None


def test_nothing_is_an_empty_200(plugin):
    for path in ("/nothing", "/empty"):
        assert plugin.request("GET", path)[::2] == (200, b"")


def test_handler_that_waits_answers_later(plugin):
    assert plugin.request("GET", "/slow")[::2] == (201, b"later")


@pytest.mark.parametrize("path, status, text", [
    ("/fail", 418, "I am a teapot"),
    ("/reason", 500, "no such thing"),
    ("/raise", 500, "went wrong"),
])
def test_failure_is_answered_with_its_text(plugin, path, status, text):
    answer = plugin.request("GET", path)
    assert (answer.status, answer.text.endswith(text)) == (status, True)
    assert answer.headers.get_content_type() == "text/plain"


@pytest.mark.parametrize("path, expected", [
    ("/bad/text", "GET /bad/{what}: answer: expected a table { status =, headers =, body = }, got a string"),
    ("/bad/no", "GET /bad/{what}: answer: expected a table { status =, headers =, body = }, got a boolean"),
    ("/bad/number", "GET /bad/{what}: answer: expected a table"),
    ("/bad/body", "GET /bad/{what}: answer.body: expected a string, got a table"),
    ("/bad/headers", "GET /bad/{what}: answer.headers: expected a table, got a number"),
    ("/bad/name", "GET /bad/{what}: answer.headers: "),
    ("/bad/list", "GET /bad/{what}: answer.headers: "),
    ("/bad/value", "GET /bad/{what}: answer.headers: X-A: expected a text without control characters"),
    ("/bad/table", "GET /bad/{what}: answer.headers: X-A: "),
    ("/status/199", "GET /status/{n}: answer.status: expected 200 to 599"),
    ("/status/600", "GET /status/{n}: answer.status: expected 200 to 599"),
    ("/status/x", "GET /status/{n}: answer.status: expected 200 to 599"),
    ("/status/200.5", "GET /status/{n}: answer.status: expected 200 to 599"),
])
def test_answer_that_is_none_is_a_500_that_says_what_was_expected(plugin, path, expected):
    answer = plugin.request("GET", path)
    assert (answer.status, expected in answer.text) == (500, True), answer.text
    assert (answer.headers["X-A"], answer.headers["X-B"]) == (None, None)
