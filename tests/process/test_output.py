"""What a plugin writes: nobody reads it, somebody stops reading, descriptors are closed or full; and what its log lines
look like, whatever they are made of."""
import json
import os
import subprocess

import pytest
from faults import Background, closing, healthy, script, together
from harness import DEADLINE, OCMLUA, Plugin, script_file, until

OK = {"/ok": "return { body = 'ok' }"}


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
    """A pipe for a plugin's stderr that nobody reads, until read_into()."""

    def __enter__(self):
        self.reader, self.writer = os.pipe()
        return self

    def close_writer(self):
        os.close(self.writer)
        self.writer = None

    def close_reader(self):
        os.close(self.reader)
        self.reader = None

    def read_into(self, lines):
        with open(self.reader, encoding="utf-8", closefd=False) as file:
            for line in file:
                lines.append(line)

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
    handlers = {"/shout": "for i = 1, 4000 do ocm.log.info(('x'):rep(1000), { i = i }) end", "/once": "ocm.log.info 'once'", "/last": "ocm.log.info 'last'"}
    with Pipe() as pipe, Plugin(script(handlers), stderr=pipe.writer) as plugin:
        pipe.close_writer()
        assert plugin.request("GET", "/shout").status == 200
        lines, asked = [], 0
        reading = Background(pipe.read_into, lines)

        def once_is_there(): # the first ones may be lost, too, as long as the reader is behind
            nonlocal asked
            asked += 1
            plugin.request("GET", "/once")
            return any('"once"' in line for line in list(lines))
        until(once_is_there)
        plugin.request("GET", "/last")
        plugin.signal()
        assert plugin.wait() == 0
        reading.result()
    entries = [json.loads(line) for line in lines]
    lost = sum(entry["lost"] for entry in entries if "lost" in entry)
    numbers = [entry["i"] for entry in entries if "i" in entry]
    once = sum(entry["msg"] == "once" for entry in entries)
    assert lost > 0 and len(numbers) + once + lost == 4000 + asked
    assert numbers == sorted(numbers)
    assert [entry["msg"] for entry in entries][-2:] == ["last", "gracefully shutting down plugin"]


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
