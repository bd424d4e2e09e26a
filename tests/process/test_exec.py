"""ocm.exec and ocm.command in a running plugin: many at once, and nothing stays of one whose task has ended."""
import hashlib
import json
import os
import signal
import time

import pytest
from faults import Background, descriptors, script
from harness import Plugin, runner, until


@pytest.fixture(scope="module")
def plugin():
    with Plugin(runner()) as running:
        yield running


def processes():
    """{pid: (its state, its parent)} of all."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                    state, parent = file.read().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            found[int(name)] = (state, int(parent))
    return found


def children(plugin):
    """Those of the plugin, zombies too."""
    return [pid for pid, (_, parent) in processes().items() if parent == plugin.pid]


def running(pid):
    return processes().get(pid, ("Z",))[0] not in "ZX"


def pids(path):
    """The process ids that a command wrote there, once they are all there: the last line is "ready"."""
    text = until(lambda: path.exists() and path.read_text().endswith("ready\n") and path.read_text())
    return [int(word) for word in text.split()[:-1]]


# A shell and its child that both ignore SIGTERM, and another child; {0}: where they are noted
STUBBORN = "trap '' TERM; sleep 1000 & echo $$ $! > {0}; (trap - TERM; exec sleep 1000) & echo $! ready >> {0}; while :; do wait; done"


def gone(plugin, folder):
    for pid in pids(folder / "pids"):
        until(lambda pid=pid: not running(pid))
    until(lambda: children(plugin) == [])


# ---- results ----

def test_many_bytes_through_cat(plugin, folder):
    data = os.urandom(30 << 20)
    (folder / "in").write_bytes(data)
    result, = plugin.run(f'ocm.exec {{ "cat", stdin = {{ value = "{folder}/in" }}, stdout = "{folder}/out" }}')
    assert (result["bytes"], result["digests"]) == (len(data), ["sha256:" + hashlib.sha256(data).hexdigest()])
    assert (folder / "out").read_bytes() == data


def test_fifty_at_once_while_others_are_served(plugin, folder):
    """None of them goes on before all are there: a named pipe is opened when it has a writer, too."""
    os.mkfifo(folder / "fifo")
    before = descriptors(plugin)
    many = Background(plugin.run, '''local functions = {}
      for i = 1, 50 do functions[i] = function() return ocm.exec { "sh", "-c", ": < FIFO; cat; echo $0", i, stdin = ("x"):rep(100000) }.stdout end end
      local results = { ocm.parallel(table.unpack(functions)) }
      for i = 1, 50 do assert(results[i] == ("x"):rep(100000) .. i .. "\\n") end
      return #results'''.replace("FIFO", f"{folder}/fifo"))
    until(lambda: len(children(plugin)) == 50)
    assert plugin.request("GET", "/healthz").status == 200
    assert plugin.run("1") == [1]
    assert many.is_alive()
    with open(folder / "fifo", "wb"):
        assert many.result() == [50]
    until(lambda: children(plugin) == [])
    until(lambda: descriptors(plugin) <= before)


def test_a_child_gets_nothing_of_the_plugins(plugin):
    """Neither its descriptors (the socket, the log, a file that the script has open) nor its ignored SIGPIPE."""
    listed, = plugin.run('''local file <close> = io.open "/etc/passwd"
      return ocm.exec { "sh", "-c", "for fd in /proc/$$/fd/*; do readlink $fd; done; grep SigIgn /proc/$$/status", stdin = "" }.stdout''')
    lines = listed.splitlines()
    assert len(lines) == 4 and all(line.startswith("pipe:") for line in lines[:3])
    assert int(lines[3].split()[1], 16) & 1 << (signal.SIGPIPE - 1) == 0


def test_a_reader_that_ends_early_ends_the_writer(plugin):
    assert plugin.run('ocm.exec { "sh", "-c", "yes | head -n 1" }')[0]["stdout"] == "y\n"
    assert plugin.run('ocm.pipe(ocm.bytes(("x"):rep(5000000)), ocm.command { "head", "-c", "3" }, ocm.string()).string') == ["xxx"]
    assert plugin.run_error('ocm.pipe(ocm.command { "yes" }, ocm.limit(1000000), ocm.null())').endswith("more than 1,000,000 bytes")
    until(lambda: children(plugin) == [])


def test_a_daemon_that_holds_the_output_open_is_not_waited_for(plugin):
    pid = int(plugin.run('ocm.exec { "sh", "-c", "sleep 1000 & echo $!" }')[0]["stdout"])
    assert running(pid)
    os.kill(pid, signal.SIGKILL)


# ---- ends ----

def test_a_timeout_ends_the_group(plugin, folder):
    assert plugin.run_error(f'ocm.exec {{ "sh", "-c", "{STUBBORN.format(folder / "pids")}", timeout = 2 }}') == "sh: timed out after 2 s" # when it has noted its pids
    gone(plugin, folder)


def test_an_error_beside_it_ends_the_group(plugin, folder):
    command = STUBBORN.format(folder / "pids")
    assert plugin.run_error(f'''local lfs = require "lfs"
      ocm.parallel(function() ocm.exec {{ "sh", "-c", "{command}" }} end, function()
        while not (ocm.fs.read("{folder}/pids") or ""):find "ready" do ocm.sleep(0.01) end
        error("enough", 0)
      end)''') == "enough"
    gone(plugin, folder)


@pytest.mark.parametrize("call", ['ocm.exec {{ "sh", "-c", "{0}" }}', 'ocm.pipe(ocm.command {{ "sh", "-c", "{0}" }}, "{1}/out")',
                                  'ocm.pipe(ocm.command {{ "yes" }}, ocm.command {{ "sh", "-c", "{0}" }}, "{1}/out")',
                                  'ocm.pipe(ocm.command {{ "yes" }}, ocm.command {{ "sh", "-c", "{0}" }})'])
def test_the_handlers_limit_ends_the_group(folder, call):
    handlers = {"/run": call.format(STUBBORN.format(folder / "pids"), folder)}
    with Plugin(script(handlers, "limits = { handler = 2 }")) as plugin:
        assert plugin.request("GET", "/run").status == 500
        gone(plugin, folder)
        assert sorted(path.name for path in folder.iterdir()) == ["pids"]


def test_shutdown_ends_the_group(folder):
    with Plugin(script({"/run": f'ocm.exec {{ "sh", "-c", "{STUBBORN.format(folder / "pids")}" }}'})) as plugin:
        request = Background(plugin.request, "GET", "/run")
        found = pids(folder / "pids")
        plugin.signal(signal.SIGINT)
        assert plugin.wait() == 0
        until(lambda: not any(running(pid) for pid in found))
        assert request.result().status == 503


def test_in_start_it_blocks_and_ends_with_an_interrupt(folder):
    with Plugin(script({}, f'start = function() ocm.exec {{ "sh", "-c", "{STUBBORN.format(folder / "pids")}" }} end'), handshake=False, exits=None) as plugin:
        found = pids(folder / "pids")
        plugin.signal(signal.SIGTERM)
        plugin.wait()
        until(lambda: not any(running(pid) for pid in found))


def test_nothing_stays_of_hundreds_that_failed_in_every_way(plugin, folder):
    before = descriptors(plugin)
    for _ in range(20):
        plugin.run(f'''local ways = {{
            function() ocm.exec {{ "false" }} end,
            function() ocm.exec {{ "no-such-program" }} end,
            function() ocm.exec {{ "cat", cwd = "/no/such" }} end,
            function() ocm.exec {{ "cat", stdin = {{ value = "/no/such" }} }} end,
            function() ocm.exec {{ "yes", max = 10 }} end,
            function() ocm.exec {{ "yes", stdout = "/dev/full" }} end,
            function() ocm.exec {{ "sh", "-c", "yes >&2", stderr = "/dev/full" }} end,
            function() ocm.exec {{ "sleep", "1000", timeout = 0.01 }} end,
            function() ocm.exec {{ "sh", "-c", "kill -KILL $$" }} end,
            function() ocm.pipe(ocm.bytes "x", ocm.command {{ "false" }}, ocm.command {{ "cat" }}, "{folder}/out") end,
          }}
          for i, way in ipairs(ways) do assert(not pcall(way), i) end''')
    until(lambda: children(plugin) == [])
    until(lambda: list(folder.iterdir()) == [])
    until(lambda: descriptors(plugin) <= before)


# ---- the log ----

def test_secrets_are_in_no_argument_no_error_and_no_line_of_the_log():
    secret = "hunter2-and-more"
    code = '''local password = credentials.password
      ocm.exec { "sh", "-c", "echo password is $0 >&2; exit 3", password }'''
    text = f'return ocm.plugin {{ inputRepository = {{ types = {{ "T/v1" }}, ProcessResource = function(request, credentials) {code} end }} }}'
    with Plugin(text) as plugin:
        answer = plugin.request("POST", "/resource/process", {"resource": {"name": "r", "type": "t", "input": {"type": "T/v1"}}},
                                {"Authorization": json.dumps({"password": secret})})
        assert answer.status == 500
        assert answer.text.endswith("sh: exit status 3: password is ***")
        line = plugin.wait_log("password is ***")
        assert (line["level"], line["program"]) == ("DEBUG", "sh")
        plugin.wait_log("a program has ended")
    assert secret not in "\n".join(plugin.stderr)


def test_stderr_that_is_kept_in_a_string_is_the_scripts_alone():
    code = """local result = ocm.exec { "sh", "-c", "echo whispered >&2; exit 3", stderr = ocm.string(), check = false }
      ocm.fail("%d %s", result.status, result.stderr:upper())"""
    text = f'return ocm.plugin {{ inputRepository = {{ types = {{ "T/v1" }}, ProcessResource = function() {code} end }} }}'
    with Plugin(text) as plugin:
        answer = plugin.request("POST", "/resource/process", {"resource": {"name": "r", "type": "t", "input": {"type": "T/v1"}}})
        assert (answer.status, answer.text) == (500, "3 WHISPERED\n")
        plugin.wait_log("a program has ended")
    assert "whispered" not in "\n".join(plugin.stderr)


# ---- ocm.fs ----

def test_walks_and_removals_go_on_beside_other_requests(plugin, folder):
    made = f'''for i = 1, 30 do
        assert(ocm.fs.make_dirs(("{folder}/tree/%d/a/b"):format(i)))
        for j = 1, 30 do assert(ocm.fs.write(("{folder}/tree/%d/a/b/%d"):format(i, j), "x")) end
      end'''
    plugin.run(made)
    assert plugin.run(f'''local function count()
        local n = 0
        for _, entry in ocm.fs.walk "{folder}/tree" do n = n + 1 end
        return n
      end
      return ocm.parallel(count, count, count)''') == [990, 990, 990]
    assert plugin.run(f'ocm.fs.remove_all "{folder}/tree"') == [991]


def test_a_walk_that_is_left_or_cancelled_keeps_nothing_open(plugin):
    before = descriptors(plugin)
    plugin.run('''for i = 1, 100 do for path in ocm.fs.walk "/usr" do break end end
      pcall(ocm.parallel, function() for path in ocm.fs.walk "/usr" do end end, function() ocm.sleep(0.01) error "x" end)''')
    until(lambda: descriptors(plugin) <= before)


def test_a_write_is_seen_whole(plugin, folder):
    """Whoever reads meanwhile finds one content or the other."""
    plugin.run(f'ocm.fs.write("{folder}/file", ("a"):rep(1000000))')
    writer = Background(plugin.run, f'''for i = 1, 50 do assert(ocm.fs.write("{folder}/file", (i % 2 == 0 and "a" or "b"):rep(1000000))) end''')
    ends = time.monotonic() + 30
    while writer.is_alive() and time.monotonic() < ends:
        content = (folder / "file").read_bytes()
        assert len(content) == 1000000 and len(set(content)) == 1
    writer.result()
    assert [path.name for path in folder.iterdir()] == ["file"]
