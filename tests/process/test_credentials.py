"""Credentials are in no log line, no error and no traceback, whatever the script does with them."""
import json

import pytest
from faults import Background, process_resource, script, together, with_credentials
from harness import Plugin

# Every secret begins with FIRST and ends with LAST, and so does every line of it: half a secret is one, too.
FIRST, LAST = "ZQXJ", "KWVF"
SECRETS = {
    "plain": f"{FIRST}-hunter2-{LAST}",
    "quoted": f'{FIRST}-open"closed\\and/or\twith\u00fcmlaut\u2028\x7f<and&so>{LAST}',
    "percent": f"{FIRST}%s%d%%1%{LAST}",
    "pem": "\n".join(f"{FIRST}{i:060d}{LAST}" for i in range(20)) + "\n",
    "crlf": "\r\n".join(f"{FIRST}{i:060d}{LAST}" for i in range(20, 25)),
    "long": FIRST + "0123456789" * 4000 + LAST,
}
CREDENTIALS = {"type": "DirectCredentials/v1", "properties": SECRETS}


def revealed(text):
    """The places in which a secret, or a part of one, can be seen."""
    return [text[max(0, at - 60):at + 60] for mark in (FIRST, LAST) for at in [text.find(mark)] if at >= 0]


def hides(plugin, answers):
    """Nothing of a secret is in these answers, or in all that it wrote until its end."""
    plugin.signal()
    assert plugin.wait() == 0
    texts = [answer.body.decode(errors="replace") for answer in answers] + plugin.stderr + plugin.stdout
    seen = [place for text in texts for place in revealed(text)]
    assert not seen, f"{len(seen)}: " + "\n".join(map(repr, seen[:30]))


# `s`: one of the secrets; `credentials`: all of them
WAYS = {
    "print": "print(s)",
    "print with more": "print('a', s, 'b')",
    "print of all": "print(ocm.json.encode(credentials))",
    "print of a number": "print(#s, s:len(), s)",
    "io.write": "io.write('begin ', s, ' end\\n')",
    "io.write without a newline": "io.write(s)",
    "io.write in pieces": "io.write(s:sub(1, 0)) io.write(s) io.write '\\n'",
    "io.stdout": "io.stdout:write(s, '\\n')",
    "io.stderr": "io.stderr:write(s, '\\n')",
    "log": "ocm.log.debug(s) ocm.log.info(s) ocm.log.warn(s) ocm.log.error(s)",
    "log attribute": "ocm.log.info('a', { s = s })",
    "log attribute, nested": "ocm.log.info('a', { a = { { s, { s = s } } } })",
    "log attribute, all": "ocm.log.info('a', credentials)",
    "log attribute, JSON": "ocm.log.info('a', { a = ocm.json.encode(credentials) })",
    "log attribute's name": "ocm.log.info('a', { [s] = 1 })",
    "log attribute, a table's key": "ocm.log.info('a', { a = { [s] = 1 } })",
    "log of an object": "ocm.log.info('a', { a = setmetatable({ f = print }, { __tostring = function() return s end }) })",
    "cjson": "print(require 'cjson'.encode(credentials))",
    "quoted by Lua": "print(('%q'):format(s))",
    "JSON in JSON": "local e = ocm.json.encode print(e { e { s } }, e { e { e { s } } }) ocm.log.info('a', { a = e { e { s } } }) io.write(e { e { s } }, '\\n')",
    "JSON, escaped more than it must be": "print((s:gsub('[^\\128-\\255]', function(c) return ('\\\\u%04X'):format(c:byte()) end)))",
    "error in JSON in JSON": "error(ocm.json.encode { ocm.json.encode { s } })",
    "child's stdout": "local f = io.popen('cat', 'w') f:write(s, '\\n') f:close()",
    "child's stderr": "local f = io.popen('cat >&2', 'w') f:write(s, '\\n') f:close()",
    "reading child's stderr": "local f = io.popen('cat >&2 ' .. file_of(s)) f:close()",
    "os.execute's stderr": "os.execute('cat >&2 ' .. file_of(s))",
    "child's stdout in pieces": "os.execute('dd bs=7 2>/dev/null <' .. file_of(s))",
    "child's stdout in a line without an end": "os.execute('head -c -1 ' .. file_of(('x'):rep(6000) .. s))",
    "warn": "warn('@on') warn('a ', s, ' b')",
    "error": "error(s)",
    "error without position": "error(s, 0)",
    "error in the middle": "error('login with ' .. s .. ' failed')",
    "error object": "error(setmetatable({}, { __tostring = function() return s end }))",
    "error with all of it": "error(ocm.json.encode(credentials))",
    "error in a coroutine": "coroutine.wrap(function() error(s) end)()",
    "error in parallel": "ocm.parallel(function() ocm.sleep(0.001) error(s) end)",
    "error in __gc": "setmetatable({}, { __gc = function() error(s) end }) collectgarbage()",
    "error in __close": "local x <close> = setmetatable({}, { __close = function() error(s) end })",
    "error behind an error": "local x <close> = setmetatable({}, { __close = function() error(s) end }) error 'first'",
    "traceback": "print(debug.traceback(s))",
    "xpcall with traceback": "error(select(2, xpcall(error, debug.traceback, s)), 0)",
    "assert": "assert(false, s)",
    "nil, message": "return nil, s",
    "ocm.fail": "ocm.fail('%s', s)",
    "ocm.fail with a status": "ocm.fail(403, 'denied: %s', s)",
    "ocm.fail as the format": "ocm.fail(s)",
    "a wrong argument": "ocm.sleep(s)",
    "a warning": "warn(('x'):rep(400), s, s)",
    "a wrong option": "collectgarbage(s)",
    "a wrong path": "ocm.copy('/nonexistent/' .. s, ocm.tempfile())",
    "a wrong field": "return s.nothing.here[s]",
    "a wrong answer": "return { resource = s, location = credentials }",
    "a wrong answer's field": "return { resource = request.resource, location = { type = s, value = s } }",
    "an answer that is none": "return s",
    "not JSON": "ocm.json.decode(s)",
    "not to be encoded": "ocm.json.encode { [s] = print }",
    "not base64": "ocm.base64.decode(s)",
    "not hex": "ocm.hex.decode(s)",
    "not a module": "require(s)",
    "of a variable": "local t = setmetatable({}, { __index = function(_, k) error('no field ' .. k) end }) return t[s]",
    "later": "later = s ocm.sleep(0.01) print(later)",
}
DISPATCH = "local name, which = request.resource.name:match '^(.-)|(.*)$' local s = credentials.properties[which] kept = kept or s return ways[name](s, credentials, request)"
FILE_OF = "function file_of(text) file = ocm.tempfile():write(text, '\\n') return file:path() end "
TABLE = FILE_OF + "ways = { %s }" % ", ".join(f"[{json.dumps(name)}] = function(s, credentials, request) {text} end" for name, text in WAYS.items())


def test_whatever_a_script_does_no_secret_is_to_be_seen():
    with Plugin(with_credentials(DISPATCH, "cleanup = function() print('at the end', kept) end", before=TABLE), raw_log=True) as plugin:
        answers = []
        for name in WAYS:
            for which in SECRETS:
                answers.append(process_resource(plugin, CREDENTIALS, f"{name}|{which}"))
        failed = [answer for answer in answers if answer.status >= 400]
        assert len(failed) == len(answers)
        hides(plugin, answers)


@pytest.mark.parametrize("which", ["plain", "long"])
@pytest.mark.parametrize("way", ["log", "log attribute", "error", "error in __gc", "error in __close", "warn", "ocm.fail", "nil, message", "print", "error behind an error", "child's stdout", "child's stderr", "io.stderr", "io.write", "io.write without a newline", "a wrong path"])
def test_where_a_text_is_cut_no_half_of_a_secret_remains(way, which):
    lengths = [start + step for start in (480, 500, 980, 1000, 4060, 4090, 5100, 5200, 8150, 8180, 15840, 15860, 31680, 32700, 40940) for step in range(0, 40, 4)]
    text = f"local s = ('x'):rep(math.tointeger(tonumber(request.resource.name))) .. credentials.properties.{which} " + WAYS[way]
    with Plugin(with_credentials(text)) as plugin:
        hides(plugin, [process_resource(plugin, CREDENTIALS, str(length)) for length in lengths])


@pytest.mark.parametrize("way", ["log", "log attribute", "ocm.fail", "error", "nil, message", "child's stderr"])
def test_what_a_script_names_a_secret_is_hidden_as_well(way):
    """Plain text, and the strings of JSON text: no credentials come with these requests."""
    given = json.dumps({"type": "Made/v1", "own": f"{FIRST}-json-{LAST}", "lines": f"{FIRST}-first-{LAST}\n{FIRST}-second-{LAST}\n"})
    text = f"""local lines = ocm.json.decode(ocm.secret {json.dumps(given)})
      assert(ocm.secret("{FIRST}-plain-{LAST}") == "{FIRST}-plain-{LAST}")
      local s, credentials = ("{FIRST}-plain-{LAST} %s %s"):format(lines.own, lines.lines:match "second.*\\n"), {{}} """ + WAYS[way]
    text = text.replace('match "second', f'match "{FIRST}%-second')
    with Plugin(with_credentials(text, before=FILE_OF)) as plugin:
        hides(plugin, [process_resource(plugin, None, "a")])


HEADERS = [ # what an Authorization header can look like
    json.dumps(CREDENTIALS["properties"] | {"pem": "", "crlf": "", "long": FIRST + LAST * 5000}),
    json.dumps({"type": "T", "properties": {"a": FIRST + "\n" + LAST}}),
    '{"type":"T","properties":{"a":"\\u005aQXJ-\\u006bunter-KWV\\u0046"}}',
    '{"a":{"b":[{"c":"ZQXJ-deep-KWVF"}]}}',
    '["ZQXJ-list-KWVF"]',
    '"ZQXJ-text-KWVF"',
    "ZQXJ-nothing-KWVF",
    "Bearer ZQXJ-token-KWVF",
    "Basic ZQXJdXNlcjpwYXNzd29yZA==KWVF",
    '{"type":"T","properties":{"password":"ZQXJ-cut-off-KWVF',
    '{"type":"T","properties":{"password":"ZQXJ-followed-KWVF"}} more ZQXJ KWVF',
    '{"type":"T","ZQXJ-name-KWVF":}',
    "{'password':'ZQXJ-single-KWVF'}",
    "{\"a\":\"ZQXJ\\xKWVF\"}",
]


def test_an_authorization_that_is_not_json_is_hidden_too():
    with Plugin(with_credentials("print(ocm.json.encode(credentials)) error(ocm.json.encode(credentials))")) as plugin:
        answers = [process_resource(plugin, header) for header in HEADERS]
        assert {answer.status for answer in answers} <= {401, 500}
        hides(plugin, answers)


def test_a_custom_handler_has_the_header_and_keeps_it_from_the_log():
    text = "local s = request.headers.authorization print(s) ocm.log.info('a', { h = request.headers }) io.write(s, '\\n') error(s, 0)"
    with Plugin(script({"/a": text, "/same": "return { body = request.headers.authorization }"})) as plugin:
        for header in HEADERS:
            assert plugin.request("GET", "/same", headers={"Authorization": header}).text == header
        hides(plugin, [plugin.request("GET", "/a", headers={"Authorization": header}) for header in HEADERS])


def test_an_authorization_that_comes_twice_is_hidden_twice():
    text = "local s = request.headers.authorization print(s) print(s:match ', (.*)$') error(s, 0)"
    with Plugin(script({"/a": text})) as plugin:
        with plugin.connect() as peer:
            peer.sendall(f"GET /a HTTP/1.1\r\nHost: unix\r\nConnection: close\r\nAuthorization: {FIRST}-one-{LAST}\r\nAUTHORIZATION: {FIRST}-two-{LAST}\r\n\r\n".encode())
            answer = b"".join(iter(lambda: peer.recv(65536), b"")).decode()
        assert answer.endswith("***, ***")
        plugin.wait_log("request failed")
        hides(plugin, [])
        assert not revealed(answer)


def test_numbers_among_the_credentials_are_hidden():
    with Plugin(with_credentials("print(credentials.pin) ocm.log.info('a', { pin = credentials.pin, text = 'pin ' .. credentials.pin }) error('wrong pin: ' .. credentials.pin)")) as plugin:
        answer = process_resource(plugin, {"type": "T", "pin": 918273645})
        assert answer.status == 500 and "918273645" not in answer.text
        plugin.wait_log("request failed")
    assert "918273645" not in "".join(plugin.stderr)


def test_a_request_in_flight_keeps_its_secrets_while_many_others_come():
    text = "if request.resource.name == 'slow' then ocm.log.info 'begun' while not released do ocm.sleep(0.01) end end released = request.resource.name == 'release' error(credentials.properties.a, 0)"
    with Plugin(with_credentials(text)) as plugin:
        def ask(name, secret):
            return process_resource(plugin, {"type": "T", "properties": {"a": secret}}, name)
        slow = Background(ask, "slow", f"{FIRST}-slow-{LAST}")
        plugin.wait_log("begun")

        def others(part):
            connection = plugin.connection()
            for i in range(600):
                header = json.dumps({"type": "T", "properties": {"a": f"other-{part}-{i}", "b": f"another-{part}-{i}"}})
                plugin.request("POST", "/resource/process", {"resource": {"name": "r", "type": "t", "input": {"type": "T/v1"}}}, {"Authorization": header}, connection=connection)
        together(others, range(2))
        ask("release", "nothing")
        hides(plugin, [slow.result()])


def test_what_is_no_secret_stays_to_be_read():
    """The type, and words of a few letters, would make the log unreadable."""
    credentials = {"type": "DirectCredentials/v1", "properties": {"user": "bob", "password": "", "n": None, "b": True, "pin": 12}}
    with Plugin(with_credentials("print('DirectCredentials/v1 for bob, number 12, true') error('why')")) as plugin:
        assert process_resource(plugin, credentials).text.endswith(": why")
        plugin.wait_log("DirectCredentials/v1 for bob, number 12, true")


@pytest.mark.parametrize("name", ["privateKeyPEMFile", "password_file", "File"])
def test_the_path_of_a_file_among_the_credentials_can_be_read(name):
    """It is no secret, and what cannot be opened has to be named."""
    credentials = {"type": "T", "properties": {name: "/home/me/no-such-key", "password": f"{FIRST}-hunter2-{LAST}"}}
    with Plugin(with_credentials(f"print(ocm.json.encode(credentials)) ocm.copy(credentials.properties.{name}, ocm.tempfile())")) as plugin:
        answer = process_resource(plugin, credentials)
        assert answer.status == 500 and "opening /home/me/no-such-key: No such file or directory" in answer.text
        plugin.wait_log(lambda entry: f'"{name}":"/home/me/no-such-key"' in entry["msg"])
        hides(plugin, [answer])


@pytest.mark.parametrize("properties", [
    {"profile": f"{FIRST}-a-{LAST}"}, {"PROFILE": f"{FIRST}-a-{LAST}"}, {"Files": f"{FIRST}-a-{LAST}"}, {"keyFile ": f"{FIRST}-a-{LAST}"},
    {"keyFile": f"{FIRST}-a-{LAST}\n"}, {"keyFile": f"{FIRST}-begin-{LAST}\n{FIRST}-the key itself-{LAST}"}, # no path
    {"keyFile": f"{FIRST}-a-{LAST}", "password": f"{FIRST}-a-{LAST}"}, {"keyFile": {"a": f"{FIRST}-a-{LAST}"}}, {"keyFile": [f"{FIRST}-a-{LAST}"]},
    {"keyFile": "/home/me/key", "next": f"{FIRST}-a-{LAST}"},
])
def test_what_is_no_path_of_a_file_stays_hidden(properties):
    with Plugin(with_credentials("print(ocm.json.encode(credentials)) error(ocm.json.encode(credentials))")) as plugin:
        hides(plugin, [process_resource(plugin, {"type": "T", "properties": properties})])
