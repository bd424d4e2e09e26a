"""Handlers are tasks: whatever one of them does, the others go on; what ends one ends no other, and not the process."""
import json
import os

import pytest
from faults import (COMPARE, EVIL_CLOSE, SPIN, Background, busy, closing, in_flight, resident, sanitized, script,
                    together)
from harness import DEADLINE, Plugin

OK = {"/ok": "return { body = 'ok' }"}


def alive(plugin):
    """Others are served: /healthz without Lua, /ok with."""
    assert plugin.request("GET", "/healthz").status == 200
    assert plugin.request("GET", "/ok").text == "ok"


def failure(plugin, path):
    """The line in the log that says why the request failed."""
    return plugin.wait_log(lambda entry: entry.get("path") == path and entry["level"] == "ERROR")


# ---- nobody waits for a handler ----

BLOCKED = { # a handler that would never end; {fifo} is one without a writer
    "sleep": "ocm.sleep(1000)",
    "copy": "ocm.copy(request.query.fifo, ocm.tempfile())",
    "loop": SPIN,
    "loop in pcall": f"pcall(function() {SPIN} end)",
    "loop around pcall": "while true do pcall(error) end",
    "loop in a coroutine": f"coroutine.resume(coroutine.create(function() {SPIN} end))",
    "loop in a coroutine of a coroutine": f"coroutine.wrap(function() coroutine.wrap(function() {SPIN} end)() end)()",
    "loop in an iterator": "for _ in coroutine.wrap(function() while true do coroutine.yield(1) end end) do end",
    "loop in pcall in a coroutine": f"coroutine.wrap(function() while true do pcall(function() {SPIN} end) end end)()",
    "loop of new coroutines": "while true do coroutine.wrap(function() return 1 end)() end",
    "loop in a metamethod": f"local _ = setmetatable({{}}, {{ __index = function() {SPIN} end }}).x",
    "loop in __close": f"do {EVIL_CLOSE} end",
    "loop in a for iterator's __close": f"for _ in next, {{ 1 }}, nil, setmetatable({{}}, {{ __close = function() {SPIN} end }}) do end",
    "loop of C calls": "while true do string.rep('x', 10) end",
    "loop of goto": "::again:: goto again",
    "loop in parallel": f"ocm.parallel(function() {SPIN} end, function() {SPIN} end)",
    "loop in parallel in a coroutine": f"coroutine.wrap(function() ocm.parallel(function() {SPIN} end) end)()",
    "sleep in a coroutine": "coroutine.wrap(function() ocm.sleep(1000) end)()",
    "sleep in pcall in a coroutine": "coroutine.wrap(function() pcall(ocm.sleep, 1000) end)()",
    "copy in a coroutine": "coroutine.wrap(function() ocm.copy(request.query.fifo, ocm.tempfile()) end)()",
    "sleep in __close": f"do {closing('ocm.sleep(1000)')} end",
    "endless sleep(0)": "while true do ocm.sleep(0) end",
    "endless yields between coroutines": "local c = coroutine.wrap(function() while true do coroutine.yield() end end) while true do c() end",
}

PINNED = { # the same where nothing can yield to the loop: the others have to wait, but for no longer than the limit
    "loop in a comparator": COMPARE,
    "loop around pcall in a comparator": f"table.sort({{ 3, 2, 1 }}, function() while true do pcall(function() {SPIN} end) end end)",
    "loop around a comparator": f"while true do pcall(function() {COMPARE} end) end",
    "loop in gsub": f"string.gsub('x', 'x', function() {SPIN} end)",
    "loop in xpcall's handler": f"xpcall(error, function() {SPIN} end)",
    "loop in a comparator in a coroutine": f"coroutine.wrap(function() {COMPARE} end)()",
    "coroutine in a comparator": f"table.sort({{ 3, 2, 1 }}, function() coroutine.wrap(function() {SPIN} end)() end)",
    "comparator in a coroutine in pcall": f"pcall(coroutine.wrap(function() {COMPARE} end))",
    "sleep in a comparator": "table.sort({ 3, 2, 1 }, function() ocm.sleep(1000) end)",
    "copy in a comparator": "table.sort({ 3, 2, 1 }, function() ocm.copy(request.query.fifo, ocm.tempfile()) end)",
    "parallel in a comparator": "table.sort({ 3, 2, 1 }, function() ocm.parallel(function() ocm.sleep(1000) end) end)",
    "close of a coroutine": f"local c = coroutine.create(function() {EVIL_CLOSE} coroutine.yield() end) coroutine.resume(c) coroutine.close(c)",
    "close behind an error": f"coroutine.wrap(function() {EVIL_CLOSE} error 'x' end)()",
}


def blocked_plugin(what, text, limit):
    return Plugin(script({"/a": f"{closing('ocm.log.info [[closed]]')} ocm.log.info 'begun' {text}", **OK}, f"limits = {{ handler = {limit} }}", before=f"-- {what}\n"))


def make_fifo(plugin):
    fifo = plugin.folder / "fifo"
    os.mkfifo(fifo)
    return fifo


def ends_at_its_limit(plugin, request):
    """limits.handler: a 500 that says so, which no pcall swallows; `<close>` variables run; others are served."""
    answer = request.result()
    assert answer.status == 500 and "limits.handler" in answer.text, answer
    assert "limits.handler" in failure(plugin, "/a")["error"]
    plugin.wait_log("closed")
    alive(plugin)


def test_a_handler_that_never_ends_keeps_nobody_waiting_and_ends_at_its_limit():
    """The limit is long: others have to be served before, while all of the cases keep all processors busy."""
    def check(what):
        with blocked_plugin(what, BLOCKED[what], 4) as plugin:
            request = in_flight(plugin, f"/a?fifo={make_fifo(plugin)}")
            alive(plugin)
            assert plugin.log("closed") == []
            ends_at_its_limit(plugin, request)
    together(check, BLOCKED)


def test_all_of_them_in_one_process_keep_nobody_waiting():
    handlers = {f"/{i}": f"ocm.log.info 'begun {i}' {text}" for i, text in enumerate(BLOCKED.values())}
    with Plugin(script({**handlers, **OK}, "limits = { handler = 3 }")) as plugin:
        fifo = make_fifo(plugin)
        requests = [in_flight(plugin, f"/{i}?fifo={fifo}", f"begun {i}") for i in range(len(BLOCKED))]
        alive(plugin)
        for request in requests:
            assert request.result().status == 500
        alive(plugin)


def test_a_handler_that_cannot_yield_ends_at_its_limit_too():
    def check(what):
        with blocked_plugin(what, PINNED[what], 0.3) as plugin:
            ends_at_its_limit(plugin, Background(plugin.request, "GET", f"/a?fifo={make_fifo(plugin)}"))
    together(check, PINNED)


@pytest.mark.parametrize("seconds,status", [(0.2, 500), (5, 200)])
def test_the_limit_counts_the_time_in_parallel_and_while_waiting(seconds, status):
    with Plugin(script({"/a": "ocm.parallel(function() ocm.sleep(0.4) end, function() ocm.sleep(0.4) end)"}, f"limits = {{ handler = {seconds} }}")) as plugin:
        assert plugin.request("GET", "/a").status == status


def test_a_limited_handler_that_loops_in_its_close_variables_ends_all_the_same():
    with Plugin(script({"/a": f"{closing('ocm.log.info [[outer]]')} {EVIL_CLOSE} {SPIN}", **OK}, "limits = { handler = 0.2 }")) as plugin:
        assert plugin.request("GET", "/a").status == 500
        alive(plugin)


def test_many_waiting_copies_keep_no_other_copy_waiting():
    handlers = {"/wait": "ocm.log.info('begun ' .. request.query.n) ocm.copy(request.query.fifo, ocm.tempfile())",
                "/copy": "return { body = tostring(ocm.copy(arg[0], ocm.tempfile()).bytes) }"}
    with Plugin(script(handlers)) as plugin:
        fifo = make_fifo(plugin)
        waiting = [in_flight(plugin, f"/wait?fifo={fifo}&n={n}", f"begun {n}") for n in range(16)]
        assert int(plugin.request("GET", "/copy").text) > 0
        with open(fifo, "wb") as writer: # the readers are there: this does not block
            writer.write(b"x")
        for request in waiting:
            assert request.result().status == 200


def test_a_loop_in_one_handler_does_not_starve_another_that_computes():
    with Plugin(script({"/loop": f"ocm.log.info 'begun' {SPIN}", "/busy": busy(0.3) + "return { body = 'done' }"}, "limits = { handler = 2 }")) as plugin:
        loops = [in_flight(plugin, "/loop"), Background(plugin.request, "GET", "/loop")]
        assert plugin.request("GET", "/busy").text == "done"
        for loop in loops:
            assert loop.result().status == 500


def test_a_failing_part_ends_the_others_and_starves_nobody():
    """A part that is ready to run is taken out of the queue by one that runs."""
    handlers = {"/loop": f"ocm.log.info 'begun' {SPIN}", "/a": f"ocm.parallel(function() {busy(0.05)} error 'x' end, function() {SPIN} end)", **OK}
    with Plugin(script(handlers, "limits = { handler = 2 }")) as plugin:
        loop = in_flight(plugin, "/loop")
        for _ in range(10):
            answer = plugin.request("GET", "/a", timeout=DEADLINE)
            assert answer.status == 500 and answer.text.endswith(": x")
        assert loop.result().status == 500
        alive(plugin)


def test_what_a_closing_variable_does_costs_no_other_request_its_life():
    handlers = {"/a": f"{closing('ocm.parallel(function() ocm.sleep(2) end)')} error 'x'", "/busy": f"ocm.log.info 'begun' {busy(1.5)} return {{ body = 'done' }}"}
    with Plugin(script(handlers)) as plugin:
        other = in_flight(plugin, "/busy")
        assert plugin.request("GET", "/a").status == 500
        assert other.result().text == "done"


# ---- primitives inside of the script's own coroutines ----

def test_primitives_in_a_scripts_coroutine_pass_values_as_ever():
    text = """
      local seen = {}
      local c = coroutine.wrap(function(first)
        seen[#seen + 1] = first
        ocm.sleep(0.01)
        local back = coroutine.yield("a", nil, "b")
        seen[#seen + 1] = back
        local copied = ocm.copy(arg[0], ocm.tempfile())
        seen[#seen + 1] = coroutine.yield(copied.bytes > 0)
        local one, two = ocm.parallel(function() ocm.sleep(0.01) return 1 end, function() return 2 end)
        return one + two
      end)
      local results = { table.pack(c "x"), table.pack(c "y"), table.pack(c "z") }
      return { body = ocm.json.encode { seen = seen, n = { results[1].n, results[2].n, results[3].n }, last = results[3][1], b = results[1][3] } }"""
    with Plugin(script({"/a": text})) as plugin:
        assert plugin.json("GET", "/a") == {"seen": ["x", "y", "z"], "n": [3, 1, 1], "last": 3, "b": "b"}


def test_an_error_behind_a_wait_in_a_scripts_coroutine_is_that_coroutines():
    text = """
      local c = coroutine.create(function() ocm.sleep(0.01) error({ code = 7 }) end)
      local ok, e = coroutine.resume(c)
      local again, why = coroutine.resume(c)
      return { body = ocm.json.encode { ok, e.code, coroutine.status(c), again, why } }"""
    with Plugin(script({"/a": text})) as plugin:
        assert plugin.json("GET", "/a") == [False, 7, "dead", False, "cannot resume dead coroutine"]


@pytest.mark.parametrize("wait", ["while not released do ocm.sleep(0.05) end", "ocm.copy(request.query.fifo, ocm.tempfile())"])
@pytest.mark.parametrize("touch", ["coroutine.resume(shared)", "coroutine.close(shared)", "coroutine.resume(coroutine.create(function() return assert(coroutine.resume(shared)) end))"])
def test_a_coroutine_that_waits_for_one_request_is_out_of_reach_for_another(wait, touch):
    handlers = {"/a": f"shared = coroutine.create(function() ocm.log.info 'begun' {wait} return 'waited' end) local _, value = coroutine.resume(shared) return {{ body = value }}",
                "/release": "released = true",
                "/b": f"local done, ok, why = pcall(function() return {touch} end) return {{ body = ocm.json.encode {{ done and ok, coroutine.status(shared) }} }}"}
    with Plugin(script(handlers)) as plugin:
        fifo = make_fifo(plugin)
        first = in_flight(plugin, f"/a?fifo={fifo}")
        assert plugin.json("GET", "/b")[0] is False
        if "copy" in wait:
            fifo.write_text("x")
        plugin.request("GET", "/release")
        assert first.result().text == "waited"


# ---- failures ----

ERRORS = { # text: what the answer has
    'error("why", 0)': "why",
    'error("why")': ": why",
    "error()": "nil",
    "error(nil)": "nil",
    "error(42)": "42",
    "error(4.5)": "4.5",
    "error(true)": "true",
    "error(false)": "false",
    "error {}": "table",
    "error(print)": "function",
    "error(io.stdin)": "file",
    "error(coroutine.create(print))": "thread",
    "error(ocm.tempfile())": "tempfile",
    "error(ocm.json.null)": "",
    'error("a\\0b", 0)': "a\0b",
    'error("", 0)': "",
    'error(("x"):rep(3000000))': "xxx",
    'error(setmetatable({}, { __tostring = function() return "told" end }))': "told",
    'error(setmetatable({}, { __tostring = function() error "again" end }))': "",
    "error(setmetatable({}, { __tostring = function() return {} end }))": "",
    "error(setmetatable({}, { __tostring = function() coroutine.yield() end }))": "",
    f"error(setmetatable({{}}, {{ __tostring = function() {SPIN} end }}))": "",
    "error(setmetatable({}, { __metatable = false, __name = 7, __index = error }))": "",
    "local x = nil + 1": "attempt to perform arithmetic on a nil value",
    "assert(false)": "assertion failed!",
    "assert(nil, { 1 })": "table",
    "local function f() return 1 + f() end f()": "stack overflow",
    "local function f() pcall(f) error 'x' end f()": ": x",
    "local function f() coroutine.wrap(f)() end f()": "C stack overflow",
    "local t = setmetatable({}, {}) getmetatable(t).__index = function(_, k) return t[k] end return t.x": "stack overflow",
    "local function f() return (string.gsub('x', 'x', f)) end f()": "stack overflow",
    "local function f() return xpcall(f, f) end f() error 'after'": ": after",
    "load(('('):rep(300) .. '1' .. (')'):rep(300))() ": "",
    "coroutine.yield(1)": "coroutine.yield",
    "coroutine.wrap(function() coroutine.yield(1) end)() coroutine.yield()": "coroutine.yield",
    "pcall(coroutine.yield)": "coroutine.yield",
    "ocm.parallel(function() coroutine.yield() end)": "coroutine.yield",
    "table.sort({ 2, 1 }, function() coroutine.yield() end)": "attempt to yield across a C-call boundary",
    "ocm.parallel(function() ocm.sleep(0.01) error('part', 0) end, function() ocm.sleep(1000) end)": "part",
    "ocm.parallel(function() error() end)": "nil",
    "ocm.parallel(function() local function f() return 1 + f() end f() end)": "stack overflow",
    "setmetatable({}, { __gc = function() error('in gc', 0) end }) collectgarbage()": "in gc",
    closing("error('in close', 0)"): "in close",
    closing("error('in close', 0)") + " error 'before'": "",
    closing("coroutine.yield()"): "",
    closing("local function f() return 1 + f() end f()"): "stack overflow",
    "for _ in next, { 1 }, nil, setmetatable({}, { __close = function() error('in close', 0) end }) do end": "in close",
    "return 1": "expected a table",
    "return { status = 1 }": "answer.status",
    "return { body = {} }": "answer.body",
    "return { headers = { ['a b'] = 'c' } }": "answer.headers",
    "return { headers = { a = 'b\\r\\nc: d' } }": "answer.headers",
    "return setmetatable({}, { __index = function() error('index', 0) end })": "index",
    "return nil, 'why'": "why",
    "ocm.sleep(-1)": "0 or more",
    "ocm.sleep(0/0)": "",
    "ocm.parallel(1)": "function expected",
    "ocm.copy('/nonexistent', ocm.tempfile())": "No such file",
    "ocm.copy('/', ocm.tempfile())": "directory",
    "ocm.copy(arg[0], '/nonexistent/x')": "No such file",
    "debug.sethook() error('why', 0)": "why",
    "string.rep('x', -1, 1):bad()": "attempt to call",
}


def test_whatever_a_handler_raises_is_a_500_and_the_next_request_works():
    """One process serves all of them, so that what one leaves behind meets the next."""
    keys = {f"/{i}": text for i, text in enumerate(ERRORS)}
    with Plugin(script({**keys, **OK})) as plugin:
        for path, text in keys.items():
            answer = plugin.request("GET", path)
            assert (answer.status, ERRORS[text] in answer.text) == (500, True), (text, answer.text[:1000])
            alive(plugin)


TRACED = [text for text in ERRORS if text.startswith(("error", "local", "assert", "table.sort", "coroutine", "pcall", "setmetatable", "load"))]


def test_every_unexpected_error_is_in_the_log_with_a_traceback():
    with Plugin(script({f"/{i}": text for i, text in enumerate(TRACED)})) as plugin:
        for i, text in enumerate(TRACED):
            plugin.request("GET", f"/{i}")
            entry = failure(plugin, f"/{i}")
            assert entry.get("traceback", "").startswith("stack traceback:") and "error" in entry, text


def test_an_error_in_gc_is_blamed_on_no_other_request():
    bad = "setmetatable({}, { __gc = function() error 'in gc' end }) collectgarbage()"
    handlers = {"/fails": f"{bad} error 'x'", "/waits": f"{bad} ocm.log.info 'begun' ocm.sleep(0.3)", "/parts": f"ocm.parallel(function() {bad} ocm.sleep(0.3) end)", **OK}
    with Plugin(script(handlers)) as plugin:
        assert plugin.request("GET", "/fails").status == 500
        alive(plugin)
        for path in ("/waits", "/parts"):
            waiting = Background(plugin.request, "GET", path)
            while waiting.is_alive():
                alive(plugin)
            assert waiting.result().status == 500


def test_ocm_fail_passes_through_coroutines_and_parallel():
    handlers = {"/a": "ocm.parallel(function() ocm.sleep(0.01) ocm.fail(404, 'gone') end)", "/b": "local ok, e = coroutine.resume(coroutine.create(function() ocm.fail(409, 'busy') end)) error(e)"}
    with Plugin(script(handlers)) as plugin:
        assert plugin.request("GET", "/a")[::2] == (404, b"gone")
        assert plugin.request("GET", "/b")[::2] == (409, b"busy")


# ---- memory ----

GREEDY = {
    "string": "local s = ('x'):rep(1 << 30)",
    "concatenation": "local s = 'x' while true do s = s .. s end",
    "tables": "local t = {} while true do t[#t + 1] = {} end",
    "strings": "local t = {} while true do t[#t + 1] = ('x'):rep(100000) .. #t end",
    "closures": "local f while true do local g = f f = function() return g end end",
    "coroutines": "local t = {} while true do t[#t + 1] = coroutine.create(print) end",
    "in a coroutine": "coroutine.wrap(function() local t = {} while true do t[#t + 1] = {} end end)()",
    "in parallel": "ocm.parallel(function() local t = {} while true do t[#t + 1] = {} end end, function() ocm.sleep(1000) end)",
    "in pcall, raised again": "local t = {} local ok, e = pcall(function() while true do t[#t + 1] = ('x'):rep(100000) .. #t end end) error(e)",
    "with full hands": f"local t = {{}} {closing('local u = {} for i = 1, 100 do u[i] = {} end')} while true do t[#t + 1] = ('x'):rep(1000) .. #t end",
    "table.concat": "local t = {} for i = 1, 1000 do t[i] = ('x'):rep(100000) end return { body = table.concat(t) }",
    "json": "return { body = ocm.json.encode(('x'):rep(30 << 20)):rep(10) }",
    "tempfiles": "local t = {} while true do t[#t + 1] = setmetatable({}, { __gc = function() end }) end",
    "error": "error(('x'):rep(40 << 20) .. ('y'):rep(40 << 20))",
}


def test_out_of_memory_fails_the_task_alone():
    with Plugin(script({**{f"/{i}": text for i, text in enumerate(GREEDY.values())}, **OK}, "limits = { memory = '64 MiB' }")) as plugin:
        sleeper = Background(plugin.request, "GET", "/ok")
        for i, what in enumerate(GREEDY):
            answer = plugin.request("GET", f"/{i}")
            assert answer.status == 500 and "not enough memory" in answer.text, what
            alive(plugin)
        assert sleeper.result().status == 200
        if not sanitized():
            assert resident(plugin) < 300 * 1024


def test_a_request_that_does_not_fit_into_memory_is_a_500():
    with Plugin(script({"POST /a": "return { body = tostring(#request.body) }", **OK}, "limits = { memory = '8 MiB' }")) as plugin:
        for path in ("/a", "/identity"):
            answer = plugin.request("POST", path, json.dumps({"type": {"type": "T/v1", "x": ["y"] * 2_000_000}}))
            assert answer.status == 500 and "memory" in answer.text
            alive(plugin)


def test_tasks_that_run_out_of_memory_side_by_side_all_get_an_answer():
    with Plugin(script({"/a": GREEDY["strings"], "/b": "local t = {} for i = 1, 50 do t[i] = ('x'):rep(1 << 20) ocm.sleep(0.001) end", **OK}, "limits = { memory = '64 MiB' }")) as plugin:
        def check(path):
            assert plugin.request("GET", path).status in (200, 500)
        together(check, ["/a", "/b", "/b", "/b", "/a", "/b"])
        alive(plugin)
