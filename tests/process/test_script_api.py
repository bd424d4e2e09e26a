"""What scripts can call, besides files (test_files.py) and the log (test_log.py): modules, encodings, parallel, sleep, work, start, limits."""
import base64
import json

import pytest
from harness import Plugin, capabilities, run, runner

@pytest.fixture(scope="module")
def plugin():
    with Plugin(runner()) as running:
        yield running


# ---- modules ----

def test_ocm_has_what_the_design_says(plugin):
    names, = plugin.run("local names = {} for name in pairs(ocm) do names[#names + 1] = name end table.sort(names) return names")
    assert set(names) >= {"base64", "copy", "fail", "hex", "json", "log", "parallel", "plugin", "schema", "sleep", "tempfile", "work"}


@pytest.mark.parametrize("code, expected", [
    ('require "cjson".encode { 1, { a = true } }', ['[1,{"a":true}]']),
    ('require "cjson".null == ocm.json.null', [True]),
    ('require "cjson.safe".decode "{"', [None, "Expected object key string but found T_END at character 2"]),
    ('type(require "lfs".currentdir())', ["string"]),
    ('require "ocm" == ocm, require "ocm.json" == ocm.json', [True, True]),
    ('_VERSION, math.type(3), utf8.char(233)', ["Lua 5.4", "integer", "é"]),
    ('debug.traceback and true, io.open and true, os.time and true', [True, True, True]),
    ('io.read "a"', [""]), # stdin is empty
])
def test_libraries_are_there(plugin, code, expected):
    assert plugin.run(code) == expected


def test_require_finds_modules_beside_the_script():
    files = {"one.lua": "return { name = ... }", "sub/two.lua": "return (...)", "three/init.lua": 'return require "one".name .. " again"',
             "lfs.lua": 'return "mine"', "broken.lua": "return +"}
    script = 'local one, two, three = require "one", require "sub.two", require "three" found = { one.name, two, three }'
    with Plugin(runner(before=script), files=files, cwd="/") as plugin:
        assert plugin.run("table.unpack(found)") == ["one", "sub.two", "one again"]
        assert plugin.run('type(require "lfs")') == ["table"] # what is built in cannot be replaced by accident
        assert "module 'nosuch' not found" in plugin.run_error('require "nosuch"')
        assert "broken.lua:1: unexpected symbol" in plugin.run_error('require "broken"')


def test_arg_is_there_when_serving():
    with Plugin(runner(before="local more = { ... } argument = { arg[0], more[1], #more }")) as plugin:
        script, option, count = plugin.run("table.unpack(argument)")
        assert (script, option, count) == (str(plugin.folder / "plugin"), "--config", 2)
        assert json.loads(plugin.run("arg[2]")[0]) == plugin.config


# ---- json, base64, hex ----

@pytest.mark.parametrize("code, expected", [
    ("ocm.json.encode { b = 1, a = { 1, 2.5, true, ocm.json.null } }", ['{"a":[1,2.5,true,null],"b":1}']),
    ("ocm.json.encode(ocm.json.array()), ocm.json.encode {}", ["[]", "{}"]),
    ('ocm.json.decode "[1,[],{}]"', [[1, [], {}]]),
    ('ocm.json.encode(ocm.json.number "18446744073709551616")', ["18446744073709551616"]),
    ("ocm.json.encode({ a = { 1 } }, { pretty = true })", ['{\n  "a": [\n    1\n  ]\n}']),
    ('pcall(ocm.json.decode, "[1,]")', [False, "line 1, column 4: expected a value"]),
])
def test_json(plugin, code, expected):
    assert plugin.run(code) == expected


@pytest.mark.parametrize("code, expected", [
    ('ocm.json.decode "{"', "run:1: line 1, column 2: expected"),
    ("ocm.json.encode(print)", "run:1: a function is not JSON"),
    ("ocm.json.encode { a = { 0/0 } }", "run:1: a[1]: "),
    ("local t = {} t.t = t ocm.json.encode(t)", "run:1: t"),
    ("ocm.json.decode()", "run:1: bad argument #1 to 'decode'"),
    ('ocm.json.number "x"', "run:1: bad argument #1 to 'number' (JSON number expected)"),
])
def test_json_misuse_is_raised_where_it_happens(plugin, code, expected):
    assert plugin.run_error(code).startswith(expected)


@pytest.mark.parametrize("data", [b"", b"a", b"ab", b"abc", b"abcd", bytes(range(256)), b"\0" * 1000])
def test_base64_and_hex_go_there_and_back(plugin, data):
    literal = '"' + "".join(f"\\{byte:03}" for byte in data) + '"'
    assert plugin.run(f"ocm.base64.encode({literal}), ocm.hex.encode({literal})") == [base64.b64encode(data).decode(), data.hex()]
    assert plugin.run(f'ocm.base64.decode "{base64.b64encode(data).decode()}" == {literal}') == [True]
    for text in (data.hex(), data.hex().upper()):
        assert plugin.run(f'ocm.hex.decode "{text}" == {literal}') == [True]


@pytest.mark.parametrize("code, expected", [
    ('ocm.base64.decode "YQ"', "not padded base64: it ends at byte 2"),
    ('ocm.base64.decode "YQ=a"', "not base64 at byte 3"),
    ('ocm.base64.decode "Y Q="', "not base64 at byte 2"),
    ('ocm.base64.decode "===="', "not base64 at byte 1"),
    ('ocm.base64.decode "YR=="', "not canonical base64: bits are left over at byte 4"),
    ('ocm.base64.decode "-_-_"', "not base64 at byte 1"),
    ('ocm.hex.decode "abc"', "half a byte at byte 3"),
    ('ocm.hex.decode "0x"', "not hexadecimal at byte 2"),
    ('ocm.hex.decode "g0"', "not hexadecimal at byte 1"),
])
def test_what_cannot_be_decoded_is_nil_and_a_message(plugin, code, expected):
    assert plugin.run(code) == [None, expected]


# ---- sleep, parallel, work ----

@pytest.mark.parametrize("seconds", [0, 1e-9, 0.02])
def test_sleep_takes_at_least_its_time(plugin, seconds):
    before, after = plugin.run(f"local clock = require 'ocm.native.task'.clock local before = clock() ocm.sleep({seconds}) return before, clock()")
    assert after - before >= seconds


@pytest.mark.parametrize("argument, expected", [
    ("", "number expected, got no value"), ("'x'", "number expected, got string"), ("-1", "expected seconds, 0 or more"),
    ("0/0", "expected seconds, 0 or more"), ("1/0", "expected seconds, 0 or more"), ("1e300", "expected seconds, 0 or more"),
])
def test_sleep_refuses_what_is_no_time(plugin, argument, expected):
    assert plugin.run_error(f"ocm.sleep({argument})").startswith(f"run:1: bad argument #1 to 'sleep' ({expected}")


@pytest.mark.parametrize("code, expected", [
    ("ocm.parallel()", []),
    ("ocm.parallel(function() return 1, 2 end)", [1]),
    ("return ocm.parallel(function() ocm.sleep(0.02) return 'slow' end, function() return 'fast' end, function() end)", ["slow", "fast", None]),
    ("ocm.parallel(function() return (ocm.parallel(function() ocm.sleep(0.001) return 'deep' end)) end)", ["deep"]),
    ("ocm.parallel(function() return pcall(error, 'x') end)", [False]),
    ("local f = {} for i = 1, 200 do f[i] = function() ocm.sleep(0.001) return i end end return select(200, ocm.parallel(table.unpack(f)))", [200]),
    ("return coroutine.wrap(function() return ocm.parallel(function() ocm.sleep(0.001) return 1 end, function() return 2 end) end)()", [1, 2]),
])
def test_parallel_gives_the_first_result_of_each(plugin, code, expected):
    assert plugin.run(code) == expected


def test_parallel_runs_its_parts_at_the_same_time(plugin):
    """Each waits for what the other does."""
    assert plugin.run('''local a, b
      return ocm.parallel(function() a = true while not b do ocm.sleep(0.001) end return "a" end,
                          function() while not a do ocm.sleep(0.001) end b = true return "b" end)''') == ["a", "b"]


def test_parallel_ends_the_others_when_one_fails(plugin):
    """Their variables are closed before the error is seen, and they never go on."""
    ok, message, closed = plugin.run('''local closed, late = {}
      local function guard(name) return setmetatable({}, { __close = function() closed[#closed + 1] = name end }) end
      local ok, message = pcall(ocm.parallel,
        function() local one <close> = guard "one" ocm.sleep(1000) late = true end,
        function() local two <close> = guard "two" while true do ocm.sleep(0.001) end end,
        function() ocm.sleep(0.005) error "three" end)
      return ok, message, closed, late''')[:3]
    assert (ok, message, sorted(closed)) == (False, "run:6: three", ["one", "two"])


@pytest.mark.parametrize("code, status, expected", [
    ("ocm.parallel(function() ocm.sleep(0.001) ocm.fail(404, 'gone') end, function() ocm.sleep(1000) end)", 404, "gone"),
    ("ocm.parallel(function() ocm.sleep(1000) end, function() error { } end)", 500, "table: "),
    ("ocm.parallel(function() end, 7)", 500, "run:1: bad argument #2 to 'parallel' (function expected, got number)"),
    ("ocm.parallel(function() ocm.parallel(function() error 'deep' end) end, function() ocm.sleep(1000) end)", 500, "run:1: deep"),
])
def test_failure_of_a_part_is_that_of_the_whole(plugin, code, status, expected):
    answer = plugin.request("POST", "/run", code)
    assert (answer.status, answer.text[:len(expected)]) == (status, expected)


def test_work_is_closed_once(plugin):
    assert plugin.run('''local first = ocm.work() first:close() first:close()
      do local second <close> = ocm.work() end
      return pcall(first.close, 7)''')[0] is False


# ---- start ----

def test_start_gets_the_config_and_may_wait():
    script = runner('''start = function(config)
      given = config
      local file = ocm.tempfile()
      ocm.sleep(0.001)
      waited = { ocm.copy("/proc/self/status", file).bytes > 0, ocm.parallel(function() ocm.sleep(0.002) return 1 end, function() return 2 end) }
    end,''')
    config = {"configTypes": [{"type": "acme.config/v1", "list": [], "number": 9007199254740993}], "idleTimeout": 3600 * 10**9}
    with Plugin(script, config=config) as plugin:
        assert plugin.run("given") == [plugin.config]
        assert plugin.run("table.unpack(waited)") == [True, 1, 2]


def test_start_runs_once_before_the_socket_is_announced(folder):
    script = runner(f'start = function() n = n + 1 io.open("{folder}/started", "a"):write(n):close() end,', before="local n = 0")
    with Plugin(script) as plugin:
        assert (folder / "started").read_text() == "1"
        assert plugin.run("1") == [1]
    assert (folder / "started").read_text() == "1"


@pytest.mark.parametrize("failure, expected", [
    ("error 'no database'", "the plugin's start failed: {script}:1: no database"),
    ("ocm.fail('no database: %s', 'x')", "the plugin's start failed: no database: x"),
    ("ocm.fail(503, 'no database')", "the plugin's start failed: no database"),
    ("error(setmetatable({}, { __tostring = function() return 'an object' end }))", "the plugin's start failed: an object"),
    ("local x = nil + 1", "the plugin's start failed: {script}:1: attempt to perform arithmetic on a nil value"),
])
def test_failed_start_is_announced_and_answers_everything(failure, expected):
    """A plugin that just ended would show up as a timeout, half a minute later."""
    with Plugin(runner(f"start = function() {failure} end,")) as plugin:
        text = expected.format(script=plugin.folder / "plugin")
        assert plugin.request("GET", "/healthz").status == 200
        for method, path, body in (("POST", "/identity", {"type": {"type": "T/v1"}}), ("POST", "/run", "return 1"), ("GET", "/nope", None)):
            answer = plugin.request(method, path, body)
            assert (answer.status, answer.text) == (500, text)
        assert plugin.wait_log(lambda entry: entry["level"] == "ERROR")["error"] == text


# ---- the end, from inside ----

@pytest.mark.parametrize("code, status", [("os.exit(3)", 3), ("os.exit(true)", 0), ("ocm.sleep(0.001) os.exit(4, true)", 4),
                                          ("ocm.parallel(function() os.exit(5, true) end)", 5)])
def test_os_exit_ends_the_process_and_leaves_nothing(code, status):
    with Plugin(runner(), exits=status) as plugin:
        with plugin.connect() as peer:
            peer.sendall(f"POST /run HTTP/1.1\r\nHost: unix\r\nContent-Length: {len(code)}\r\n\r\n{code}".encode())
            assert plugin.wait() == status


def test_os_exit_with_close_meets_no_tick_of_the_watch_and_no_worker():
    """What comes behind the state, as removing many files, lasts several ticks; a worker reads a string of the script's."""
    code = """local dir = ocm.tempdir()
      for i = 1, 20000 do assert(io.open(dir:path(tostring(i)), "w")):close() end
      local bytes = ("x"):rep(1024):rep(16 << 10)
      ocm.parallel(function() ocm.pipe(ocm.bytes(bytes), ocm.xz { level = 9 }, ocm.null()) end, function() ocm.sleep(0.001) os.exit(6, true) end)"""
    with Plugin(runner(), exits=6) as plugin:
        with plugin.connect() as peer:
            peer.sendall(f"POST /run HTTP/1.1\r\nHost: unix\r\nContent-Length: {len(code)}\r\n\r\n{code}".encode())
            assert plugin.wait() == 6
        assert list(plugin.tmp.glob("ocm-*")) == []


@pytest.mark.parametrize("end", ["", "os.exit(0, true)"])
def test_finaliser_at_the_end_finds_that_there_are_no_workers_any_more(folder, end):
    (folder / "script.lua").write_text("""local ocm = require "ocm"
      kept = setmetatable({}, { __gc = function()
        local asked = { { ocm.fs.read, "/etc/hostname" }, { ocm.pipe, "/etc/hostname", ocm.string() }, { ocm.exec, { "true" } } }
        for _, call in ipairs(asked) do io.stderr:write(select(2, pcall(table.unpack(call))), "\\n") end
        ocm.sleep(0.001)
        os.exit(0, true)
      end }) """ + end)
    done = run("run", folder / "script.lua")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.count("the program is ending\n") == 3


# ---- limits ----

@pytest.mark.parametrize("body, most", [("100", 100), ('"100"', 100), ('"100b"', 100), ('"1 kB"', 1000), ('"1KiB"', 1024), ('"1.5 KiB"', 1536),
                                        ('"0.1 MB"', 100000), ('" 1 mib "', 1 << 20), ("1e3", 1000)])
def test_sizes_may_have_units(body, most):
    with Plugin(runner(f"limits = {{ body = {body} }},")) as plugin:
        assert plugin.run("'" + "x" * (most - len("''")) + "'")
        answer = plugin.request("POST", "/run", b"x" * (most + 1))
        assert (answer.status, answer.text) == (413, f"the body is longer than limits.body allows: {most} bytes")


@pytest.mark.parametrize("limits", ['memory = "1 MiB"', 'memory = "1 GiB"', 'body = "1 TiB"', 'header = "8 KiB"', "handler = 0.001", "handler = 3600"])
def test_limits_are_accepted_up_to_their_bounds(limits):
    assert capabilities(runner(f"limits = {{ {limits} }},")).returncode == 0
