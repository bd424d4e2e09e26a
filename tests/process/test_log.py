"""The log: ocm.log, what print and stdout become, and the plugin's own logger. Every line is one that the manager's reader takes (protocol section 1)."""
import os
import re

import pytest
from harness import Plugin, runner

LINE_LIMIT = 32 * 1024 # the manager's reader gives up at 64 KiB
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z")


def logged(code, **options):
    """The log of a plugin that runs this in a handler, without what ocmlua says of its start and end."""
    with Plugin(runner(options.pop("declared", "")), **options) as plugin:
        plugin.run(code + " return 0")
    own = ("starting up plugin", "gracefully shutting down plugin")
    entries = [entry for entry in plugin.log() if entry["msg"] not in own] # an unfinished line on stdout comes after the last
    assert len(entries) == len(plugin.stderr) - len(own)
    assert len(plugin.stdout) == 1
    assert all(len(line) < LINE_LIMIT for line in plugin.stderr)
    for entry in entries:
        assert TIME.fullmatch(entry.pop("time"))
    return entries


# ---- ocm.log ----

@pytest.mark.parametrize("level", ["debug", "info", "warn", "error"])
def test_levels_are_the_managers(level):
    assert logged(f'ocm.log.{level}("text", {{ key = "value" }})') == [{"level": level.upper(), "msg": "text", "key": "value"}]


@pytest.mark.parametrize("message, expected", [
    ("'a \"quoted\"\\nline'", 'a "quoted"\nline'), ("'é€😀'", "é€😀"), ("''", ""), ("7", "7"), ("nil", "nil"), ("true", "true"),
    ("'nul\\0nul'", "nul\0nul"), ("'bad\\xff'", "bad\ufffd"), ("setmetatable({}, { __tostring = function() return 'object' end })", "object"),
])
def test_message_is_any_value_as_text(message, expected):
    assert logged(f"ocm.log.info({message})") == [{"level": "INFO", "msg": expected}]


def test_attributes_are_written_as_json():
    entry, = logged('''ocm.log.info("m", { text = "é\\0", integer = 9007199254740993, float = 1.5, yes = true, null = ocm.json.null, list = { 1, "a" },
      empty = {}, array = ocm.json.array(), nested = { a = { b = 1 } }, [""] = 1, ["a b"] = 2 })''')
    assert entry == {"level": "INFO", "msg": "m", "text": "é\0", "integer": 9007199254740993, "float": 1.5, "yes": True, "null": None, "list": [1, "a"],
                     "empty": {}, "array": [], "nested": {"a": {"b": 1}}, "": 1, "a b": 2}


def test_attribute_that_is_not_json_is_logged_as_text():
    entry, = logged("local cycle = {} cycle.cycle = cycle ocm.log.info('m', { f = print, nan = 0/0, cycle = cycle, bad = '\\xff', file = io.stderr })")
    assert entry["f"].startswith("function: ") and entry["cycle"].startswith("table: ") and entry["file"].startswith("file (")
    assert (entry["nan"].lstrip("-"), entry["bad"]) == ("nan", "\ufffd")


def test_attribute_whose_text_is_a_function_of_the_scripts_may_log_and_fail_itself():
    code = '''
local function text(f) return setmetatable({ f = print }, { __tostring = f }) end
local function talkative() ocm.log.debug("inner", { a = ("i"):rep(10), b = text(function() return "innermost" end) }) return "outer" end
ocm.log.info("m", { a = ("o"):rep(100), b = text(talkative), c = "c" })
local ok, reason = pcall(ocm.log.info, "m", { a = 1, b = text(function() error("no text", 0) end) })
ocm.log.info(reason, { a = 1 })'''
    assert logged(code) == [
        {"level": "DEBUG", "msg": "inner", "a": "i" * 10, "b": "innermost"}, {"level": "INFO", "msg": "m", "a": "o" * 100, "b": "outer", "c": "c"},
        {"level": "INFO", "msg": "no text", "a": 1}]


def test_attributes_cannot_replace_what_the_manager_reads():
    """A level or message that is no string would make it panic."""
    entry, = logged('ocm.log.info("m", { level = 7, msg = {}, time = false })')
    assert (entry["level"], entry["msg"]) == ("INFO", "m")
    assert sorted(map(str, (entry["level_"], entry["msg_"], entry["time_"]))) == ["7", "False", "{}"]


@pytest.mark.parametrize("code", [
    "ocm.log.info(('x'):rep(1 << 20))", "ocm.log.info(('\\1'):rep(1 << 20))", "ocm.log.info(('é'):rep(1 << 20))", "ocm.log.info(('\\xff'):rep(1 << 20))",
    "print(('x'):rep(1 << 20))", "io.write(('x'):rep(1 << 20), '\\n')",
    "os.execute \"head -c 1000000 /dev/zero | tr '\\\\0' x\"",
    "ocm.log.info('m', { big = ('y'):rep(1 << 20), small = 1 })", "local many = {} for i = 1, 5000 do many['name' .. i] = i end ocm.log.info('m', many)",
    "ocm.log.info(('x'):rep(40000), { big = ('y'):rep(20000) })",
])
def test_line_that_is_too_long_is_shortened(code):
    """`logged` measures each."""
    entries = logged(code)
    assert entries and all(entry["level"] == "INFO" for entry in entries)


def test_shortened_line_keeps_what_fits():
    long, cut = logged("ocm.log.info(('é'):rep(20000)) ocm.log.info('m', { big = ('y'):rep(1 << 20), small = 1 })")
    assert set(long["msg"].rstrip("…")) == {"é"} and len(long["msg"]) > 4000
    assert (cut["msg"], cut["small"], cut["truncated"], "big" in cut) == ("m", 1, True, False)


@pytest.mark.parametrize("code, expected", [
    ("ocm.log.info('m', 7)", "run:1: ocm.log.info: expected a table of attributes behind the message, got number"),
    ("ocm.log.info('m', { 1 })", "run:1: ocm.log.info: "),
    ("ocm.log.inform 'm'", "run:1: attempt to call a nil value (field 'inform')"),
])
def test_misuse_of_the_log_is_raised_where_it_happens(code, expected):
    with Plugin(runner()) as plugin:
        assert plugin.run_error(code + " return 0").startswith(expected)


def test_failed_request_is_logged_with_its_traceback():
    with Plugin(runner(before='''
local function inner() error "went wrong" end
function outer() inner() end
function misuse() ocm.log.info("m", 7) end''')) as plugin:
        plugin.run_error("outer() return 0")
        entry = plugin.wait_log("request failed")
        assert (entry["level"], entry["method"], entry["path"]) == ("ERROR", "POST", "/run")
        assert entry["error"].endswith("plugin:2: went wrong")
        for frame in ("plugin:2: in upvalue 'inner'", "plugin:3: in ", "run:1: in "):
            assert frame in entry["traceback"]
        plugin.run_error("misuse() return 0")
        entry = plugin.wait_log(lambda entry: "expected a table" in entry.get("error", ""))
        assert "plugin:4: in " in entry["traceback"]


def test_answer_that_breaks_the_contract_is_logged_as_an_error():
    """It is the plugin's own fault, and its author looks for it there."""
    with Plugin('return ocm.plugin { inputRepository = { types = { "T/v1" }, ProcessResource = function() return {} end } }') as plugin:
        answer = plugin.request("POST", "/resource/process", {"resource": {}})
        assert answer.status == 500
        assert plugin.wait_log(lambda entry: entry.get("error") == answer.text or entry.get("reason") == answer.text)["level"] == "ERROR"


def test_refused_request_is_logged_at_debug_level():
    with Plugin(runner()) as plugin:
        plugin.request("GET", "/nope")
        entry = plugin.wait_log("request refused")
        assert (entry["level"], entry["path"], entry["reason"]) == ("DEBUG", "/nope", "no such path: /nope")


# ---- print and stdout ----

@pytest.mark.parametrize("code, expected", [
    ("print('a', nil, 1, true)", ["a\tnil\t1\ttrue"]),
    ("print()", [""]),
    ("print(setmetatable({}, { __tostring = function() return 'object' end }))", ["object"]),
    ("print 'two\\nlines'", ["two\nlines"]),
    ("io.write('a', 1, '\\n')", ["a1"]),
    ("io.write 'a' io.write 'b\\nc\\n'", ["ab", "c"]),
    ("io.stdout:write('\\n\\nx\\n\\n')", ["x"]),
    ("io.stdout:write 'no newline' io.stdout:flush()", ["no newline"]),
    ("io.stdout:write 'at the end'", ["at the end"]),
    ("io.output():write 'x\\n'", ["x"]),
    ("io.stdout:close() print 'still there' io.write 'this, too\\n'", ["still there", "this, too"]),
    ("os.execute 'echo child; echo again'", ["child", "again"]),
    ("os.execute 'printf \"no newline\"'", ["no newline"]),
    ("io.popen('cat', 'w'):write('through cat\\n'):close()", ["through cat"]),
    ("os.execute 'printf \"bad \\\\377 utf8\\\\n\"'", ["bad \ufffd utf8"]),
])
def test_what_is_printed_becomes_info_lines(code, expected):
    assert logged(code) == [{"level": "INFO", "msg": text} for text in expected]


@pytest.mark.parametrize("code, expected", [
    ("io.stderr:write('a', 1, '\\nb\\n')", [("WARN", "a1"), ("WARN", "b")]),
    ("io.stderr:write 'no newline' io.stderr:flush()", [("WARN", "no newline")]),
    ("io.stderr:write 'at the end'", [("WARN", "at the end")]),
    ("os.execute 'echo error >&2'", [("INFO", "error")]),
])
def test_what_goes_to_stderr_is_logged_too(code, expected):
    """The manager drops a line that is none of the log."""
    assert [(entry["level"], entry["msg"]) for entry in logged(code)] == expected


@pytest.mark.parametrize("code, expected", [
    ("os.execute()", [True]), ("os.execute 'true'", [True, "exit", 0]), ("os.execute 'exit 3'", [None, "exit", 3]),
    ("os.execute 'kill -9 $$'", [None, "signal", 9]), ("os.execute 'nosuchcommand 2>/dev/null'", [None, "exit", 127]),
])
def test_os_execute_answers_as_the_standard_one(code, expected):
    with Plugin(runner()) as plugin:
        assert plugin.run(code) == expected


def test_child_process_output_that_is_read_is_not_logged():
    assert logged("assert(io.popen 'echo x':read 'a' == 'x\\n')") == []


def test_output_is_not_lost_when_it_is_much():
    """More than the pipes between hold; from a child, too."""
    entries = logged("for i = 1, 2000 do print(i) end os.execute 'seq 2001 4000'")
    assert sorted(int(entry["msg"]) for entry in entries) == list(range(1, 4001))


def test_printing_before_the_handshake_does_not_disturb_it():
    before = "print 'print' io.write 'write\\n' os.execute 'echo child' ocm.log.warn 'log' print(('x'):rep(200000))"
    with Plugin(runner("start = function() print 'start' end,", before=before)) as plugin:
        assert plugin.run("1") == [1]
    assert plugin.stdout == [plugin.location]
    assert {entry["msg"] for entry in plugin.log()} >= {"print", "write", "child", "log", "start"}


def test_text_goes_to_a_terminal():
    """JSON is for the manager; a person sees lines with time, level, message and attributes."""
    leader, follower = os.openpty()
    with Plugin(runner(), stderr=follower, env={"NO_COLOR": "1"}) as plugin:
        plugin.run("ocm.log.warn('careful\\27[31m', { n = 1, list = { 'a' } }) return 0")
    os.close(follower)
    text = b""
    try:
        while chunk := os.read(leader, 65536):
            text += chunk
    except OSError: # all of it was read, and the other side is closed
        pass
    os.close(leader)
    assert re.search(rb'^\d\d:\d\d:\d\d\.\d{3} WARN  careful\?\[31m list=\["a"\] n=1\r?$', text, re.M), text
    assert b"starting up plugin" in text


# ---- the plugin's own logger ----

OWN = "logger = function(level, msg, attributes) ocm.log.debug('own', { its = level, text = msg, attributes = attributes }) end,"


@pytest.mark.parametrize("code, expected", [
    ("ocm.log.info 'i'", ["INFO", "i", {}]),
    ("ocm.log.error('e', { a = 1 })", ["ERROR", "e", {"a": 1}]),
    ("print('a', 1)", ["INFO", "a\t1", {}]),
])
def test_logger_gets_what_the_script_logs(code, expected):
    entry, = logged(code, declared=OWN)
    assert [entry["its"], entry["text"], entry["attributes"]] == expected


def test_logger_that_fails_loses_nothing():
    failure, line = logged("ocm.log.warn('w', { a = 1 })", declared="logger = function() error 'broken' end,")
    assert (failure["level"], failure["msg"], line) == ("ERROR", "the plugin's logger failed", {"level": "WARN", "msg": "w", "a": 1})
    assert failure["error"].endswith("broken")


def test_logger_may_drop_lines():
    assert logged("ocm.log.info 'kept' ocm.log.debug 'dropped'",
                  declared="logger = function(level, msg, attributes) if level ~= 'DEBUG' then ocm.log.info(msg) end end,") == [{"level": "INFO", "msg": "kept"}]
