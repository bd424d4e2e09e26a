"""ocmlua dev: a plugin that is loaded anew when its files change, while requests come."""
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import threading
from pathlib import Path

import pytest
from faults import sanitized
from harness import DEADLINE, OCMLUA, ROOT, UnixConnection, environment, run, until
from terminal import Terminal

SHARED = ROOT.parent / "shared/interop"


def script(answer, before="", declared=""):
    """A plugin that answers with a text of its own, and with what its garbage collector holds."""
    return f'''local ocm = require "ocm"
{before}
return ocm.plugin {{ inputRepository = {{ types = {{ ["T/v1"] = {{ schema = ocm.schema {{ text = "string?" }} }} }},
  ProcessResource = function(request)
    return {{ resource = request.resource, location = {{ value = ocm.tempfile():write({answer}), mediaType = "text/plain" }} }}
  end }},
  handlers = {{
    ["GET /say"] = function() return {{ body = tostring({answer}) }} end,
    ["GET /slow"] = function() local mine = {answer} ocm.sleep(0.3) return {{ body = tostring(mine) }} end,
    ["GET /held"] = function() -- until there is a file "release"
      ocm.log.info "held"
      while not io.open "release" do ocm.sleep(0.01) end
      return {{ body = tostring({answer}) }}
    end,
    ["GET /memory"] = function() collectgarbage() collectgarbage() return {{ body = ("%d"):format(collectgarbage "count" * 1024 // 1) }} end,
    ["GET /crash"] = function() error "crashed" end,
  }},
  {declared} }}
'''


class Dev:
    """`ocmlua dev`, by default with --json: `events` is what it told so far. Ended by Ctrl-C, which has to leave nothing behind."""

    def __init__(self, folder, text, *words, name="plugin.lua", json_=True):
        self.folder, self.tmp, self.plugins, self.file = folder, folder / "tmp", folder / "plugins", folder / name
        self.words, self.json = words, json_
        self.file.write_text(text)
        self.tmp.mkdir(exist_ok=True)
        self.shim = self.plugins / name.partition(".")[0]
        self.events, self.lines = [], []

    def __enter__(self):
        command = [OCMLUA, "dev", self.file.name, "--into", self.plugins, *(["--json"] if self.json else []), *self.words]
        self.process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env=environment(self.tmp, {"HOME": str(self.folder)}))
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        return self

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)
            if self.json:
                self.events.append(json.loads(line))

    def wait(self, name, start=0, **members):
        """The first such event behind the first `start` of them."""
        def look():
            for event in self.events[start:]:
                if event.get("event", "log") == name and all(event.get(key) == value for key, value in members.items()):
                    return event
            assert self.process.poll() is None, (self.process.stderr.read(), self.lines)
            return None
        try:
            return until(look)
        except AssertionError:
            raise AssertionError(f"no {name} {members} in {self.events}") from None

    def connection(self):
        if not hasattr(self, "address"):
            self.address = self.wait("serving")["location"].removeprefix("http+unix://")
        return UnixConnection(self.address)

    def get(self, path, connection=None, body=None):
        own = connection or self.connection()
        own.request("POST" if body else "GET", path, json.dumps(body) if body else None)
        answer = own.getresponse()
        text = answer.read().decode()
        if not connection:
            own.close()
        return answer.status, text

    def write(self, text, name=None):
        """As an editor does that does not rename: cut off, then written."""
        (self.folder / (name or self.file.name)).write_text(text)

    def __exit__(self, kind, *_):
        try:
            self.process.send_signal(signal.SIGINT)
            assert self.process.wait(DEADLINE) == 130 or kind
            self.reader.join(DEADLINE)
            assert kind or (not self.shim.exists() and list(self.tmp.iterdir()) == [])
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process.stderr.close()


def rss(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) * 1024


# ---- the file in the plugin directory ----

def test_shim_is_a_plugin_with_the_scripts_name_and_goes_with_dev(folder):
    with Dev(folder, script('"one"')) as dev:
        dev.wait("loaded")
        assert [file.name for file in dev.plugins.iterdir()] == ["plugin"]
        assert dev.shim.stat().st_mode & stat.S_IXUSR
        done = subprocess.run([dev.shim, "capabilities"], capture_output=True, text=True, timeout=DEADLINE, env=environment(dev.tmp), check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout)["capabilities"][0]["supportedInputTypes"][0]["type"] == "T/v1"
        dev.wait("loaded", check=False)
    assert not dev.shim.exists()


def test_default_is_the_plugin_directory_of_the_user(folder):
    dev = Dev(folder, script('"one"'))
    dev.plugins = folder / ".config/ocm/plugins"
    dev.shim = dev.plugins / "plugin"
    command = [OCMLUA, "dev", dev.file]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment(dev.tmp, {"HOME": str(folder)}))
    try:
        until(dev.shim.exists)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=DEADLINE)
    assert not dev.shim.exists()


@pytest.mark.parametrize("make", [lambda path: path.write_text("#!/bin/sh\n"), lambda path: path.symlink_to("/nowhere"), lambda path: path.mkdir()],
                         ids=["file", "link", "folder"])
def test_what_is_not_its_own_is_never_overwritten(folder, make):
    dev = Dev(folder, script('"one"'))
    dev.plugins.mkdir()
    make(dev.shim)
    before = os.lstat(dev.shim)
    done = run("dev", dev.file, "--into", dev.plugins)
    assert done.returncode == 1 and str(dev.shim) in done.stderr and "--into" in done.stderr
    after = os.lstat(dev.shim)
    assert (before.st_ino, before.st_mtime_ns, before.st_size) == (after.st_ino, after.st_mtime_ns, after.st_size)


def test_script_in_the_plugin_directory_is_not_overwritten_by_itself(folder):
    plugin = folder / "plugin"
    plugin.write_text(script('"one"'))
    done = run("dev", plugin, "--into", folder)
    assert done.returncode == 1 and plugin.read_text() == script('"one"')


def test_two_devs_do_not_share_a_name(folder):
    with Dev(folder, script('"one"')) as dev:
        dev.wait("loaded")
        text = dev.shim.read_text()
        done = run("dev", dev.file, "--into", dev.plugins)
        assert done.returncode == 1 and "another ocmlua dev" in done.stderr
        assert dev.shim.read_text() == text


def test_file_that_took_the_shims_place_is_left_alone(folder):
    with Dev(folder, script('"one"')) as dev:
        dev.wait("loaded")
        dev.shim.unlink()
        dev.shim.write_text("somebody else's")
        dev.shim = folder / "none"
    assert (folder / "plugins/plugin").read_text() == "somebody else's"


def test_shim_of_a_dev_that_was_killed_still_works_and_is_replaced_by_the_next(folder):
    dev = Dev(folder, script('"one"'))
    process = subprocess.Popen([OCMLUA, "dev", dev.file, "--into", dev.plugins], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment(dev.tmp))
    try:
        for line in process.stdout: # up to when all of it has been done once
            if b"good" in line:
                break
        assert dev.shim.exists()
    finally:
        process.kill()
        process.communicate()
    shutil.rmtree(dev.tmp)
    dev.tmp.mkdir()
    done = subprocess.run([dev.shim, "capabilities"], capture_output=True, text=True, timeout=DEADLINE, env=environment(dev.tmp), check=False)
    assert (done.returncode, done.stderr) == (0, "")
    with Dev(folder, script('"one"')) as again:
        again.wait("loaded")


# ---- reloading ----

def test_change_is_there_for_the_next_request(folder):
    with Dev(folder, script('"one"'), "--serve") as dev:
        assert dev.get("/say") == (200, "one")
        dev.write(script('"two"'))
        assert dev.get("/say") == (200, "two")
        assert dev.wait("reloaded")["serial"] == 2


def test_change_of_a_module_in_the_scripts_folder_is_seen(folder):
    (folder / "words").mkdir()
    (folder / "words/init.lua").write_text('return { word = require "words.one" }')
    (folder / "words/one.lua").write_text('return "one"')
    with Dev(folder, script('require("words").word'), "--serve") as dev:
        assert dev.get("/say") == (200, "one")
        dev.write('return "two"', "words/one.lua")
        assert dev.get("/say") == (200, "two")
        files = dev.wait("reloaded")["files"]
        dev.get("/say")
        assert str(folder / "plugin.lua") in files


def test_globals_are_the_versions_own_and_shared_with_its_modules(folder):
    (folder / "counter.lua").write_text("count = (count or 0) + 1 return count")
    with Dev(folder, script("count", before='require "counter" mine = (mine or 0) + 1 count = count + mine'), "--serve") as dev:
        assert dev.get("/say") == (200, "2")
        dev.write(script("count .. '!'", before='require "counter" mine = (mine or 0) + 1 count = count + mine'))
        assert dev.get("/say") == (200, "2!")


def test_request_that_runs_is_finished_by_its_version(folder):
    with Dev(folder, script('"one"', declared='cleanup = function() ocm.log.info "cleaned one" end,'), "--serve") as dev:
        held = dev.connection()
        held.request("GET", "/held")
        dev.wait("log", msg="held")
        dev.write(script('"two"'))
        assert dev.get("/say") == (200, "two")
        assert "cleaned one" not in [event.get("msg") for event in dev.events]
        (folder / "release").touch()
        assert held.getresponse().read() == b"one"
        held.close()
        dev.wait("log", msg="cleaned one")


@pytest.mark.parametrize(("broken", "text"), [
    ("return 1 +\n", "plugin.lua:2:"),
    ('return require "ocm".plugin { inputRepositry = {} }', "inputRepositry"),
    ('require "missing_module"', "missing_module"),
    (script('"x"', declared='start = function() error "no start" end,'), None),
], ids=["syntax", "declaration", "module", "start"])
def test_broken_version_is_reported_and_the_last_good_one_serves(folder, broken, text):
    with Dev(folder, script('"one"'), "--serve") as dev:
        assert dev.get("/say") == (200, "one")
        dev.write(broken)
        if text: # without anybody asking
            assert text in dev.wait("broken", check=True)["problem"]
        for _ in range(3):
            assert dev.get("/say") == (200, "one")
        assert (text or "no start") in dev.wait("broken", serial=1)["problem"]
        dev.write(script('"three"'))
        assert dev.get("/say") == (200, "three")


def test_module_that_was_missing_is_found_when_it_comes(folder):
    with Dev(folder, script('"one"'), "--serve") as dev:
        assert dev.get("/say") == (200, "one")
        dev.write(script('require "late"', before='require "late"'))
        assert dev.get("/say") == (200, "one")
        dev.write('return "late"', "late.lua")
        assert dev.get("/say") == (200, "late")


def test_script_that_is_broken_at_first_is_served_when_it_is_mended(folder):
    with Dev(folder, "return 1 +\n", "--serve") as dev:
        dev.wait("broken")
        dev.write(script('"one"'))
        assert dev.get("/say") == (200, "one")


def test_start_that_fails_at_first_is_mended_by_a_reload(folder):
    with Dev(folder, script('"one"', declared='start = function() error "no start" end,'), "--serve") as dev:
        status, text = dev.get("/say")
        assert status == 500 and "no start" in text
        dev.write(script('"two"'))
        assert dev.get("/say") == (200, "two")


def test_repositories_that_were_seen_survive_a_reload(folder):
    text = '''local ocm = require "ocm"
return ocm.plugin { componentVersionRepository = { types = { "R/v1" }, ListComponentVersions = function(request) return { request.repository.path, "%s" } end } }'''
    with Dev(folder, text % "one", "--serve") as dev:
        assert dev.get("/identity", body={"type": {"type": "R/v1", "path": "p"}})[0] == 200
        dev.write(text % "two")
        assert dev.get("/component-versions?name=x") == (200, '["p","two"]')


def test_serving_process_that_ends_is_started_again_by_a_change(folder):
    with Dev(folder, script('os.exit(5)'), "--serve") as dev:
        connection = dev.connection()
        connection.request("GET", "/say")
        with pytest.raises(OSError):
            connection.getresponse()
        connection.close()
        assert dev.wait("log", status=5)
        seen = len(dev.events)
        dev.write(script('"two"'))
        dev.address = dev.wait("serving", start=seen)["location"].removeprefix("http+unix://")
        assert dev.get("/say") == (200, "two")


def test_hundred_reloads_lose_no_request_and_hold_no_memory(folder):
    """Under a stream of requests on two connections, each of which has to get an answer of a version that was there."""
    big = 'local ballast = {} for i = 1, 20000 do ballast[i] = "entry " .. i end '
    with Dev(folder, script("0", before=big), "--serve") as dev:
        answers, ending, failures = [], threading.Event(), []
        dev.connection().close()

        def stream(path):
            connection = dev.connection()
            try:
                while not ending.is_set():
                    status, text = dev.get(path, connection)
                    answers.append((path, status, int(text)))
            except Exception as failure: # noqa: BLE001
                failures.append(failure)
            finally:
                connection.close()

        threads = [threading.Thread(target=stream, args=(path,)) for path in ("/say", "/slow")]
        for thread in threads:
            thread.start()
        first = None
        for version in range(1, 121):
            dev.write(script(str(version), before=big + "--" + "x" * version)) # of a length of its own: two may be written within a tick of the clock
            until(lambda version=version: dev.get("/say") == (200, str(version)))
            if version == 20:
                pid = next(event["pid"] for event in dev.events if event.get("event") == "request")
                first = (int(dev.get("/memory")[1]), rss(pid), len(os.listdir(f"/proc/{pid}/fd")))
        until(lambda: len(answers) > 200)
        ending.set()
        for thread in threads:
            thread.join(DEADLINE)
        assert failures == []
        assert {status for _, status, _ in answers} == {200}
        said = [version for path, _, version in answers if path == "/say"]
        assert said == sorted(said)
        until(lambda: int(dev.get("/memory")[1]) < first[0] + 300_000) # a version holds 2 MB
        until(lambda: len(os.listdir(f"/proc/{pid}/fd")) <= first[2] + 2)
        assert sanitized() or rss(pid) < first[1] + 8_000_000
        assert next(event["pid"] for event in reversed(dev.events) if event.get("event") == "request") == pid
        until(lambda: sum(event.get("event") == "reloaded" for event in dev.events) >= 120)
        until(lambda: sum(event.get("event") == "request" and event["path"] in ("/say", "/slow") for event in dev.events) >= len(answers))


# ---- what is shown ----

def test_requests_are_told_with_status_answer_and_log(folder):
    with Dev(folder, script('"one"'), "--serve") as dev:
        body = {"resource": {"name": "x", "type": "t", "input": {"type": "T/v1"}}}
        assert dev.get("/resource/process", body=body)[0] == 200
        event = dev.wait("request")
        assert (event["method"], event["path"], event["status"]) == ("POST", "/resource/process", 200)
        assert json.loads(event["request"]) == body and json.loads(event["answer"])["resource"]["name"] == "x"
        assert event["seconds"] >= 0
        assert dev.get("/crash")[0] == 500
        crash = dev.wait("request", path="/crash")
        assert crash["status"] == 500 and "crashed" in crash["answer"]
        assert "traceback" in dev.wait("log", msg="request failed")
        assert dev.get("/none")[0] == 404
        assert dev.wait("request", path="/none")["status"] == 404


def test_bytes_that_are_no_text_and_long_bodies_do_not_disturb(folder):
    with Dev(folder, script('"\\xff\\xfe" .. ("é"):rep(100000)'), "--serve") as dev:
        connection = dev.connection()
        connection.request("GET", "/say")
        assert connection.getresponse().read()[:2] == b"\xff\xfe"
        connection.request("GET", "/say")
        assert len(connection.getresponse().read()) == 200002
        connection.close()
        assert len(dev.wait("request")["answer"]) <= 4096


def test_credentials_are_not_told(folder):
    text = '''local ocm = require "ocm"
return ocm.plugin {
  credentialPlugin = { types = { "C/v1" }, Resolve = function() return { type = "Credentials/v1", properties = { password = "sesame-1234" } } end },
  inputRepository = { types = { "T/v1" }, ProcessResource = function(request, credentials)
    ocm.log.info("got " .. credentials.password)
    ocm.fail(400, "no use for %s", credentials.password)
  end } }'''
    with Dev(folder, text, "--serve") as dev:
        assert "sesame-1234" in dev.get("/resolve", body={"identity": {"type": "x"}})[1]
        connection = dev.connection()
        connection.request("POST", "/resource/process", '{"resource":{}}', {"Authorization": '{"password":"open-5678"}'})
        assert connection.getresponse().status == 400
        connection.close()
        dev.wait("request", path="/resource/process")
        assert "sesame" not in "".join(dev.lines) and "open-5678" not in "".join(dev.lines)


def test_terminal_shows_requests_in_colour_and_no_control_bytes(folder):
    dev = Dev(folder, script('"a\\27]0;b"'), json_=False)
    env = {"NO_COLOR": None, "TMPDIR": str(dev.tmp)}
    with Terminal(OCMLUA, "dev", "plugin.lua", "--into", "plugins", "--serve", cwd=folder, size=(24, 60), env=env) as terminal:
        terminal.shows("--socket ")
        dev.address = terminal.shows(" ").rstrip(" ")
        assert dev.get("/say")[0] == 200
        terminal.shows("GET /say")
        dev.write("return 1 +\n")
        terminal.shows("plugin.lua:2:")
        terminal.type("\x03")
        assert terminal.ends()[0] == 130
        text = terminal.seen.decode(errors="replace")
    assert "\x1b[32m200\x1b[0m" in text and "\x1b[31mbroken\x1b[0m" in text and "\x1b]" not in text
    assert "traceback" not in text
    assert not dev.shim.exists() and list(dev.tmp.iterdir()) == []


# ---- with the CLI ----

def ocm_program(folder):
    found = os.environ.get("OCM") or shutil.which("ocm")
    if found:
        return found
    if not (SHARED / "ocm.xz").exists():
        pytest.skip("no ocm: $OCM is not set, there is none in $PATH, ../shared/interop has none")
    cache = ROOT / "build/interop/ocm"
    if cache.exists():
        return cache
    subprocess.run([SHARED / "unpack", folder / "bin"], check=True)
    return folder / "bin/ocm"


def test_ocm_cli_uses_a_plugin_that_is_being_worked_on(folder):
    program = ocm_program(folder)
    (folder / "config.yaml").write_text('{"type":"generic.config.ocm.software/v1","configurations":[]}')
    with Dev(folder, script('"first"')) as dev:
        dev.wait("loaded")
        for name, word in (("a", "first"), ("b", "second")):
            dev.write(script(f'"{word}"'))
            (folder / "constructor.yaml").write_text(json.dumps({"components": [{
                "name": f"acme.org/{name}", "version": "1.0.0", "provider": {"name": "acme"},
                "resources": [{"name": "blob", "version": "1.0.0", "type": "blob", "input": {"type": "T/v1"}}]}]}))
            ocm = [program, "--plugin-directory", dev.plugins, "--config", "config.yaml"]
            options = {"cwd": folder, "env": environment(dev.tmp, {"HOME": str(folder)}), "capture_output": True, "text": True, "stdin": subprocess.DEVNULL,
                       "timeout": 4 * DEADLINE, "check": False}
            done = subprocess.run([*ocm, "add", "cv", "--repository", "ctf", "--constructor", "constructor.yaml"], **options)
            assert done.returncode == 0, done.stderr
            out = folder / f"out-{name}"
            done = subprocess.run([*ocm, "download", "resource", f"ctf//acme.org/{name}:1.0.0", "--identity", "name=blob", "--output", out], **options)
            assert done.returncode == 0, done.stderr
            assert out.read_text() == word
        asked = dev.wait("request", path="/resource/process")
        assert asked["status"] == 200 and dev.wait("ended", pid=asked["pid"])
        until(lambda: [file.name for file in dev.tmp.glob("ocm-*") if not file.name.startswith("ocm-command")] == [])
