"""What the tests of faults share: scripts from a table of handlers, requests in the background, many cases at once, a look
into /proc.

Waiting for a deadline of the program's (5 s of draining, 15 s for a slow sender) costs no more for twenty cases than for one
when they run side by side: `together`.
"""
import json
import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness import DEADLINE, OCMLUA

CAPABILITY = 'inputRepository = { types = { "T/v1" } }'
MINIMAL = f"return ocm.plugin {{ {CAPABILITY} }}"



class Anything:
    def __contains__(self, _):
        return True


ANYTHING = Anything() # what a process that is ended by force may leave: Plugin(…, leaves=ANYTHING)

# Lua texts to build handlers from
SPIN = "while true do end"
COMPARE = "table.sort({ 3, 2, 1 }, function() while true do end end)"
MATCH = 'local _ = (("a"):rep(60)):find(("a?"):rep(60) .. ("a"):rep(60))' # years
EVIL_CLOSE = "local evil <close> = setmetatable({}, { __close = function() while true do end end })"


def closing(text):
    """Lua: a `<close>` variable that runs this text."""
    return f"local closed <close> = setmetatable({{}}, {{ __close = function() {text} end }})"


def busy(seconds):
    """Lua: computes for so long, by the wall clock, without ever waiting."""
    return f'do local clock = require "ocm.native.task".clock local ends = clock() + {seconds} while clock() < ends do end end '


def script(handlers, rest="", before=""):
    """A plugin with these custom handlers, { "GET /path": the body of a function (request) }; one that has no method is a GET."""
    entries = ", ".join(f'["{key if " " in key else "GET " + key}"] = function(request) {text} end' for key, text in handlers.items())
    return f"{before} return ocm.plugin {{ {CAPABILITY}, handlers = {{ {entries} }}, {rest} }}"


def with_credentials(text, rest="", before=""):
    """A plugin whose ProcessResource, a function (request, credentials), is this text."""
    return f'{before} return ocm.plugin {{ inputRepository = {{ types = {{ "T/v1" }}, ProcessResource = function(request, credentials) {text} end }}, {rest} }}'


def process_resource(plugin, credentials, name="r", **options):
    """Calls ProcessResource with credentials: text as it is, anything else as JSON."""
    text = credentials if isinstance(credentials, str) else json.dumps(credentials)
    return plugin.request("POST", "/resource/process", {"resource": {"name": name, "type": "t", "input": {"type": "T/v1"}}}, {"Authorization": text}, **options)


class Background(threading.Thread):
    """Calls a function in a thread; result() gives what it returned, or raises what it raised."""

    def __init__(self, function, *arguments, **options):
        super().__init__(daemon=True)
        self.call, self.value, self.error = (function, arguments, options), None, None
        self.start()

    def run(self):
        function, arguments, options = self.call
        try:
            self.value = function(*arguments, **options)
        except Exception as error: # pylint: disable=broad-except
            self.error = error

    def result(self, seconds=DEADLINE):
        self.join(seconds)
        assert not self.is_alive(), "it is still running"
        if self.error:
            raise self.error
        return self.value


def in_flight(plugin, path, mark="begun", **options):
    """A request in the background whose handler has logged `mark`."""
    request = Background(plugin.request, "GET", path, **options)
    plugin.wait_log(mark)
    return request


def together(check, cases):
    """check(case) for all of them at once; then says which failed, and how."""
    def one(case):
        try:
            check(case)
        except BaseException as error: # pylint: disable=broad-except
            return f"{case}: {type(error).__name__}: {error}"
    cases = list(cases)
    with ThreadPoolExecutor(len(cases)) as pool:
        failed = [text for text in pool.map(one, cases) if text]
    assert not failed, "\n".join(failed)


def holds(condition, seconds):
    """Asserts that condition() stays true for so long. What it says later, on a machine that was busy, does not count."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        kept = condition()
        assert kept or time.monotonic() >= ends, f"no longer so: {getattr(condition, '__name__', condition)}"
        time.sleep(0.01)


def healthy(plugin):
    try:
        return plugin.request("GET", "/healthz").status == 200
    except OSError: # it is not there yet
        return False


def run_directories(plugin):
    """Its run directory, and others beside it."""
    return sorted(path for path in plugin.tmp.iterdir() if path.name.startswith("ocm-"))


def descriptors(plugin):
    return len(os.listdir(f"/proc/{plugin.pid}/fd"))


def resident(plugin):
    """Kilobytes of memory that are its own."""
    return int(re.search(r"^RssAnon:\s+(\d+)", Path(f"/proc/{plugin.pid}/status").read_text(), re.M)[1])


def sanitized():
    """Whether the program is a sanitizer build: then memory and time say nothing."""
    return any(name in OCMLUA.read_bytes() for name in (b"__asan_init", b"__tsan_init"))

