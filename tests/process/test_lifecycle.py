"""How a plugin ends: the idle timer, signals, /shutdown; what becomes of the requests in flight, and of a script that
does not let go (protocol section 3)."""
import os
import signal
import time

import pytest
from faults import (ANYTHING, COMPARE, EVIL_CLOSE, MATCH, MINIMAL, SPIN, busy, closing, holds, in_flight, run_directories, script,
                    together)
from harness import Plugin, until

SECOND = 10**9
FORCED = 10 # seconds from a signal to the end of a process whose script never lets go
SLACK = 10  # for a sanitizer build on a busy machine

ENDINGS = {
    "SIGINT": lambda plugin: plugin.signal(signal.SIGINT),
    "SIGTERM": lambda plugin: plugin.signal(signal.SIGTERM),
    "/shutdown": lambda plugin: plugin.json("POST", "/shutdown"),
}


@pytest.fixture
def fifo(folder):
    """A named pipe that nobody writes to, for `copy`."""
    os.mkfifo(folder / "fifo")
    return folder / "fifo"


def messages(plugin):
    return [entry.get("msg") for entry in plugin.log()]


def left_after(since):
    return time.monotonic() - since


# ---- the idle timer ----

def test_an_idle_plugin_shuts_down_by_itself():
    with Plugin(script({}, 'cleanup = function() ocm.log.info "cleaned" end'), {"idleTimeout": SECOND // 5}) as plugin:
        assert plugin.wait() == 0
        assert run_directories(plugin) == []
    assert messages(plugin) == ["starting up plugin", "gracefully shutting down plugin", "cleaned"]


@pytest.mark.parametrize("timeout", [1, 2**63 - 1])
def test_the_idle_timeout_is_in_nanoseconds(timeout):
    with Plugin(MINIMAL, {"idleTimeout": timeout}, handshake=False) as plugin:
        if timeout == 1:
            assert plugin.wait() == 0
        else:
            plugin.announced()
            holds(lambda: plugin.process.poll() is None, 0.3)


# Not idle before the first request, however late that comes, if its handler begins with the text.
AT_WORK, BEGIN = "start = function() first = ocm.work() end", "if first then first:close() first = nil end "


@pytest.mark.parametrize("text", ["ocm.sleep(1.5)", busy(1.5)], ids=["sleep", "spin"])
def test_a_request_that_takes_longer_than_the_idle_timeout_is_answered_and_starts_it_anew(text):
    with Plugin(script({"/a": BEGIN + text}, AT_WORK), {"idleTimeout": SECOND}) as plugin:
        began = time.monotonic()
        assert plugin.request("GET", "/a").status == 200
        holds(lambda: plugin.process.poll() is None, began + 2.4 - time.monotonic())
        assert plugin.wait() == 0
        assert left_after(began) >= 2.4


def test_healthz_counts_as_work():
    with Plugin(MINIMAL, {"idleTimeout": 3 * SECOND}) as plugin: # so long that no busy machine makes a pause of that
        holds(lambda: plugin.request("GET", "/healthz").status == 200, 4)
        assert plugin.wait() == 0


def test_an_open_connection_without_a_request_is_idle():
    with Plugin(script({"/a": BEGIN}, AT_WORK), {"idleTimeout": SECOND // 5}) as plugin, plugin.connect() as fresh:
        kept = plugin.connection()
        assert plugin.request("GET", "/a", connection=kept).status == 200
        assert plugin.wait() == 0
        assert fresh.recv(1) == b""
        kept.close()


# "open a", "close a": an ocm.work(); "drop a": one that is forgotten; "begin a", "end a": a request.  Something is always open until the last step.
OVERLAPS = [text.split(", ") for text in (
    "open a, close a",
    "begin a, end a",
    "open a, drop a",
    "open a, open b, close a, close b",
    "open a, open b, close b, close a",
    "begin a, begin b, end a, end b",
    "begin a, begin b, end b, end a",
    "open a, begin b, close a, end b",
    "open a, begin b, end b, close a",
    "begin a, open b, end a, close b",
    "begin a, open b, close b, end a",
    "open a, open b, close a, close a, close b",
)]
OVERLAP = script({
    "/open": "works[request.query.n] = ocm.work()",
    "/close": "works[request.query.n]:close()",
    "/drop": "works[request.query.n] = nil collectgarbage()",
    "/begin": "ocm.log.info('begun ' .. request.query.n) while not released[request.query.n] do ocm.sleep(0.01) end",
    "/end": "released[request.query.n] = true",
}, "start = function() works.start = ocm.work() end", before="works, released = {}, {}")


def test_neither_a_request_nor_work_is_idle_in_whatever_order_they_overlap():
    idle = 0.5

    def check(steps):
        with Plugin(OVERLAP, {"idleTimeout": int(idle * SECOND)}) as plugin:
            for step in steps[:-1]:
                verb, name = step.split()
                if verb == "begin":
                    in_flight(plugin, f"/begin?n={name}", f"begun {name}")
                else:
                    plugin.request("GET", f"/{verb}?n={name}")
                if step == steps[0]:
                    plugin.request("GET", "/close?n=start")
                holds(lambda: plugin.process.poll() is None, 1.5 * idle)
            verb, name = steps[-1].split()
            last = time.monotonic()
            plugin.request("GET", f"/{verb}?n={name}")
            assert plugin.wait() == 0
            assert left_after(last) >= 0.9 * idle
    together(check, OVERLAPS)


# ---- draining ----

@pytest.mark.parametrize("transport", ["unix", "tcp"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_request_in_flight_is_answered_before_the_end(folder, ending, transport):
    wait = f'while not io.open({str(folder / "release")!r}) do ocm.sleep(0.01) end'
    plugin_script = script({"/slow": f'ocm.log.info "begun" {wait} ocm.log.info "served" return {{ body = "done" }}'},
                           'cleanup = function(context) ocm.log.info("cleaned", { left = context:remaining() }) end')
    with Plugin(plugin_script, transport=transport) as plugin:
        kept = plugin.connection()
        plugin.request("GET", "/healthz", connection=kept)
        slow = in_flight(plugin, "/slow")
        ENDINGS[ending](plugin)
        plugin.wait_log("gracefully shutting down plugin")
        refused = until(lambda: refuses(plugin))
        assert refused in (ConnectionRefusedError, FileNotFoundError)
        assert plugin.request("GET", "/healthz", connection=kept).status == 503
        (folder / "release").touch() # within the five seconds that a request has
        assert slow.result()[::2] == (200, b"done")
        assert plugin.wait() == 0
    assert messages(plugin) == ["starting up plugin", "begun", "gracefully shutting down plugin", "served", "cleaned"]
    assert 0 < plugin.log("cleaned")[0]["left"] <= 5


def refuses(plugin):
    """How a new connection fails; None when it does not."""
    try:
        plugin.connect(1).close()
    except OSError as error:
        return type(error)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
def test_shutdown_may_be_asked_for_with_any_method(method):
    with Plugin(MINIMAL) as plugin:
        assert plugin.request(method, "/shutdown")[::2] == (200, b"")
        assert plugin.wait() == 0


HANGING = {
    "sleep": "ocm.sleep(1000)",
    "loop": SPIN,
    "loop in pcall": f"while true do pcall(function() {SPIN} end) end",
    "copy": "ocm.copy(request.query.fifo, ocm.tempfile())",
    "coroutine": "coroutine.wrap(function() ocm.sleep(1000) end)()",
    "parallel": "ocm.parallel(function() ocm.sleep(1000) end, function() ocm.sleep(1000) end)",
}


def test_what_still_runs_after_5_seconds_is_cancelled_closed_and_answered_503():
    """All of it at once in one process; then cleanup has the time that it was promised."""
    handlers = {f"/{name.replace(' ', '-')}": f"{closing(busy(0.1) + f'ocm.log.info {name!r}')} ocm.log.info 'begun {name}' {text}" for name, text in HANGING.items()}
    cleanup = f'cleanup = function(context) local before = context:remaining() {busy(0.5)} ocm.log.info("cleaned", {{ before = before, after = context:remaining() }}) end'

    def check(ending):
        with Plugin(script(handlers, cleanup)) as plugin:
            fifo = plugin.folder / "fifo"
            os.mkfifo(fifo)
            requests = [in_flight(plugin, f"/{name.replace(' ', '-')}?fifo={fifo}", f"begun {name}") for name in HANGING]
            since = time.monotonic()
            ENDINGS[ending](plugin)
            for request in requests:
                answer = request.result()
                assert answer.status == 503 and "shutting down" in answer.text
                assert 4.5 < left_after(since) < 5 + SLACK
            assert plugin.wait() == 0
        log = messages(plugin)
        assert set(HANGING) <= set(log)
        cleaned = plugin.log("cleaned")[0]
        assert cleaned["before"] > cleaned["after"] > 0
    together(check, ENDINGS)


def test_a_coroutine_of_the_scripts_is_closed_with_its_cancelled_request():
    inner = closing("ocm.log.info 'inner closed'") + " ocm.log.info 'begun' ocm.sleep(1000)"
    handlers = {"/a": f"{closing('ocm.log.info [[outer closed]]')} for _ in coroutine.wrap(function() pcall(coroutine.wrap(function() {inner} end)) end) do end"}
    with Plugin(script(handlers, "limits = { handler = 0.5 }")) as plugin:
        assert in_flight(plugin, "/a").result().status == 500
        plugin.wait_log("outer closed")
    assert messages(plugin).index("inner closed") < messages(plugin).index("outer closed")


# ---- cleanup ----

STUCK = {
    "sleep": "ocm.sleep(1000)",
    "loop": SPIN,
    "loop in pcall": f"while true do pcall(function() {SPIN} end) end",
    "comparator": COMPARE,
    "copy": "ocm.copy(fifo, ocm.tempfile())",
    "parallel": "ocm.parallel(function() ocm.sleep(1000) end, function() ocm.sleep(1000) end)",
    "coroutine": f"coroutine.wrap(function() {SPIN} end)()",
    "close": f"do {EVIL_CLOSE} end",
}


def test_a_cleanup_that_takes_too_long_is_cut_off(fifo):
    def check(case):
        name, ending = case
        with Plugin(script({}, f'start = function() fifo = os.getenv "FIFO" end, cleanup = function() {STUCK[name]} end'), env={"FIFO": str(fifo)}) as plugin:
            ENDINGS[ending](plugin)
            assert plugin.wait(5 + SLACK) == 0
        assert "cleanup failed" in messages(plugin)
    together(check, [(name, ending) for name in STUCK for ending in ("SIGINT", "/shutdown")])


@pytest.mark.parametrize("reason", ['error "why"', "error()", "error {}", 'ocm.fail(400, "why")', "return nil .. 1"])
def test_a_cleanup_that_fails_changes_nothing(reason):
    with Plugin(script({}, f"cleanup = function() {reason} end")) as plugin:
        plugin.request("POST", "/shutdown")
        assert plugin.wait() == 0
    assert "cleanup failed" in messages(plugin)


def test_cleanup_can_wait_copy_and_make_files():
    cleanup = 'local copied = ocm.copy(arg[0], ocm.tempfile()) ocm.parallel(function() ocm.sleep(0.01) end) ocm.log.info("cleaned", { bytes = copied.bytes })'
    with Plugin(script({}, f"cleanup = function() {cleanup} end")) as plugin:
        plugin.request("POST", "/shutdown")
        assert plugin.wait() == 0
    assert plugin.log("cleaned")[0]["bytes"] > 0


# ---- a script that does not let go ----

GC_LOOP = "setmetatable({}, { __gc = function() while true do end end })"
CLINGING = {
    "sleep": "ocm.sleep(1000)",
    "loop": SPIN,
    "comparator": COMPARE,
    "comparator in pcall": f"while true do pcall(function() {COMPARE} end) end",
    "pattern match": MATCH,
    "finaliser": f"local _ = {GC_LOOP} _ = nil collectgarbage()",
    "close of a coroutine": f"local c = coroutine.create(function() {EVIL_CLOSE} coroutine.yield() end) coroutine.resume(c) coroutine.close(c)",
    "close behind an error": f"coroutine.wrap(function() {EVIL_CLOSE} error 'x' end)()",
    "close behind a wait": f"coroutine.wrap(function() {EVIL_CLOSE} ocm.sleep(1000) end)()",
}
AT_THE_END = ("end", "finaliser") # when Lua itself is closed
CASES = [(where, what) for where in ("handler", "start", "cleanup") for what in CLINGING] + [AT_THE_END]


def clinging(where, what, delay=""):
    """A plugin that comes to do that there, and does not let go. It may be ended by force: then the next start sweeps."""
    text = f'ocm.log.info "begun" {delay} {CLINGING[what]}'
    text = {
        "handler": script({"/a": text}),
        "start": script({}, f"start = function() {text} end"),
        "cleanup": script({}, f"cleanup = function() {text} end"),
        "end": script({}, before=f"last = {GC_LOOP}"),
    }[where]
    return Plugin(text, handshake=where != "start", exits=None, leaves=ANYTHING)


def arrive(plugin, where):
    """Waits until it does, where no signal is needed for that."""
    if where == "handler":
        in_flight(plugin, "/a")
    elif where == "start":
        plugin.wait_log("begun")


def test_a_second_signal_ends_it_at_once():
    def check(case):
        where, what = case
        with clinging(where, what) as plugin:
            arrive(plugin, where)
            if where in ("cleanup", "end"):
                plugin.request("POST", "/shutdown")
                plugin.wait_log("begun" if where == "cleanup" else "gracefully shutting down plugin")
            plugin.signal(signal.SIGINT)
            plugin.signal(signal.SIGTERM) # not the same one: two of a kind may arrive as one
            since = time.monotonic()
            assert plugin.wait() != 0 or where == "start" # which the first one ends, on a busy machine before the second is there
            assert left_after(since) < 5 # what a request in flight has behind the first
    together(check, CASES)


def test_one_signal_is_enough():
    """So is /shutdown, also for what begins to cling while the requests drain."""
    def check(case):
        where, what, ending = case
        with clinging(where, what, delay="" if ending == "SIGINT" else "ocm.sleep(0.5)") as plugin:
            arrive(plugin, where)
            ENDINGS[ending](plugin)
            plugin.wait(FORCED + SLACK)
    together(check, [(where, what, ending) for where, what in CASES for ending in ("SIGINT", "/shutdown") if where != "start" or ending == "SIGINT"])


def test_a_signal_during_start_ends_it_without_an_announcement(fifo):
    def check(what):
        with Plugin(script({}, f'start = function() ocm.log.info "begun" {STUCK[what]} end', before=f"fifo = {str(fifo)!r}"), handshake=False) as plugin:
            plugin.wait_log("begun")
            plugin.signal()
            assert plugin.wait(3 + SLACK) == 0
        assert plugin.stdout == []
    together(check, STUCK)


def test_a_signal_while_a_child_process_runs_is_not_lost():
    with Plugin(script({"/a": 'ocm.log.info "begun" os.execute "sleep 1" return { body = "done" }'})) as plugin:
        request = in_flight(plugin, "/a")
        plugin.signal()
        assert request.result().text == "done"
        assert plugin.wait(SLACK) == 0


# ---- start ----

@pytest.mark.parametrize("reason,shown", [
    ('error("no database", 0)', "no database"),
    ('ocm.fail("no database")', "no database"),
    ('ocm.fail(404, "no %s", "database")', "no database"),
    ("error()", ""),
    ("error {}", ""),
    ("return nil .. 1", "attempt to concatenate a nil value"),
    ("coroutine.yield()", ""),
    ("local function f() return 1 + f() end f()", "stack overflow"),
    ('("x"):rep(1 << 30)', "not enough memory"),
])
def test_a_plugin_whose_start_fails_announces_itself_and_gives_the_reason(reason, shown):
    with Plugin(script({"/a": ""}, f"start = function() {reason} end")) as plugin:
        assert plugin.request("GET", "/healthz").status == 200
        for method, path in (("GET", "/a"), ("POST", "/identity"), ("GET", "/nothing")):
            answer = plugin.request(method, path, {} if method == "POST" else None)
            assert answer.status == 500
            assert "start failed" in answer.text and shown in answer.text
        assert plugin.request("POST", "/shutdown").status == 200
        assert plugin.wait() == 0
    assert any(entry["level"] == "ERROR" and shown in str(entry) for entry in plugin.log())


def test_start_can_wait_copy_and_make_files_before_the_announcement():
    start = 'ocm.sleep(0.1) copied = ocm.copy(arg[0], ocm.tempfile()) ocm.parallel(function() ocm.sleep(0.01) ready = true end)'
    with Plugin(script({"/a": "return { body = tostring(ready and copied.bytes > 0) }"}, f"start = function() {start} end")) as plugin:
        assert plugin.request("GET", "/a").text == "true"


def test_two_processes_of_the_same_id_run_side_by_side():
    with Plugin(script({"/a": "return { body = 'one' }"})) as one, Plugin(script({"/a": "return { body = 'two' }"}), env={"TMPDIR": str(one.tmp)}) as two:
        assert one.location != two.location
        assert len(run_directories(one)) == 2
        assert (one.request("GET", "/a").text, two.request("GET", "/a").text) == ("one", "two")
        two.request("POST", "/shutdown")
        assert two.wait() == 0
        assert one.request("GET", "/a").text == "one"
