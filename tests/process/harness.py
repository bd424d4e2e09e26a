"""Runs plugins as the OCM plugin manager does, and talks to them.

    from harness import Plugin, capabilities, run, until

    with Plugin('return ocm.plugin { inputRepository = { types = { "T/v1" } } }') as plugin:
        status, headers, body = plugin.request("POST", "/identity", {"type": {"type": "T/v1"}})

- A script is Lua text (str: `local ocm = require "ocm"` is put in front, on its first line) or a file (Path: as it is).
- Every plugin has a TMPDIR of its own, made when it starts. At the end of the `with` block it gets SIGINT, and then: its exit
  status is 0 (`exits=`), nothing is left in its TMPDIR (`leaves=`: names that may be), and every line that it
  wrote to stderr is a JSON object with strings `level` and `msg` (`raw_log=True`: not checked).
- All waiting has a deadline: DEADLINE seconds, long enough for a sanitizer build on a busy machine.
- The program is $OCMLUA, else build/release/ocmlua.
"""
import http.client
import json
import os
import random
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
OCMLUA = Path(os.environ.get("OCMLUA", ROOT / "build/release/ocmlua")).resolve()
DEADLINE = 30

os.umask(0o022) # tests look at modes

# What tools say is compared in English, and all servers are on 127.0.0.1: nothing of the user's languages and proxies is seen.
for variable in [name for name in os.environ if name.startswith("LC_") or name == "LANGUAGE" or name.lower().endswith("_proxy")]:
    del os.environ[variable]
os.environ["LC_ALL"] = "C.UTF-8"

# Runs the chunk, or the expressions, that it is sent, and answers with the results as an array; `ocm` is there.
RUN = '''["POST /run"] = function(request)
    local chunk = load("local ocm = ... return " .. request.body, "=run") or assert(load("local ocm = ... " .. request.body, "=run"))
    local results = table.pack(chunk(ocm))
    for i = 1, results.n do if results[i] == nil then results[i] = ocm.json.null end end
    results.n = nil
    return { body = ocm.json.encode(ocm.json.array(results)) }
  end'''


def runner(declared="", before=""):
    """A plugin for Plugin.run; `declared`: further fields of its declaration."""
    return before + ' return ocm.plugin { inputRepository = { types = { "T/v1" } }, ' + declared + "\n  handlers = { " + RUN + " } }"


class Response(NamedTuple):
    """An answer; `body` is bytes, `headers` is looked up without case."""
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self):
        return self.body.decode()


def until(predicate, seconds=DEADLINE):
    """Calls predicate until it gives something true, which is returned; fails when that takes more than `seconds`."""
    deadline = time.monotonic() + seconds
    pause = 0.001
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not so within {seconds} s: {getattr(predicate, '__name__', predicate)}")
        time.sleep(pause)
        pause = min(2 * pause, 0.05)


def free_port():
    """A port of 127.0.0.1 for a service that has to be told one: below those that the kernel gives out by itself, so that nobody else, who
    asks for any or connects to somebody, gets it meanwhile."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        with suppress(OSError), socket.create_server(("127.0.0.1", random.randrange(10_000, max(lowest, 20_000)))) as free:
            return free.getsockname()[1]


def sizes(folder):
    """{path: bytes} of the files below a folder, without those that go while it looks."""
    found = {}
    for directory, _, names in os.walk(folder):
        for path in (Path(directory, name) for name in names):
            with suppress(FileNotFoundError):
                status = path.lstat()
                if stat.S_ISREG(status.st_mode):
                    found[path] = status.st_size
    return found


def short_directory():
    """A fresh directory below TMPDIR, or /tmp where that is too long: the path of a socket has at most 107 bytes."""
    parent = os.path.realpath(tempfile.gettempdir())
    return Path(tempfile.mkdtemp(prefix="ocmt-", dir=parent if len(parent) <= 32 else "/tmp"))


class Folder:
    """A temporary directory with a short path, removed at the end of the block."""

    def __enter__(self):
        self.path = short_directory()
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


def script_file(folder, script):
    """The file of a script: a Path is one; text is written to folder/plugin."""
    if isinstance(script, Path):
        return script
    file = folder / "plugin"
    file.write_text('local ocm = require "ocm" ' + script)
    return file


def environment(tmpdir, env=None):
    """This process's environment with that TMPDIR and what `env` adds; None removes a variable."""
    merged = {**os.environ, "TMPDIR": str(tmpdir), **(env or {})}
    return {name: value for name, value in merged.items() if value is not None}


def run(*arguments, env=None, cwd=None, program=OCMLUA, **options):
    """Runs the program to its end, with stdin empty. stdout and stderr are text."""
    with Folder() as tmp:
        return subprocess.run([str(program), *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=DEADLINE, env=environment(tmp, env), cwd=cwd, check=False, **options)


def capabilities(script, **options):
    """`ocmlua SCRIPT capabilities`, as a subprocess.CompletedProcess."""
    with Folder() as folder:
        return run(script_file(folder, script), "capabilities", **options)


def gone(pid):
    """Whether the process is no longer there, or only as a zombie that somebody else has to reap."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError): # the latter when it goes between open and read
        return True


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket, with the Host that Go's client sends."""

    def __init__(self, path, timeout=DEADLINE):
        super().__init__("unix", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Plugin:
    """A running plugin.

    script     Lua text or a Path, see above; or None: `command` is all that is run
    config     further members of --config; `id` and `type` have defaults
    transport  "unix" or "tcp"
    env        variables to add; None removes one
    files      {name: text} of files beside the script
    command    what to run instead of [ocmlua, script]
    handshake  False: don't wait for the announcement
    joined     True: --config=JSON in one argument
    Further keyword arguments go to subprocess.Popen.

    Afterwards: `location` (the announced one), `address` (socket path, or (host, port)), `pid`, `process`, `tmp` (its TMPDIR),
    `folder` (that of the script), `stdout` (lines so far, the handshake included).
    """

    def __init__(self, script, config=None, transport="unix", env=None, files=None, command=None, handshake=True, joined=False,
                 exits=0, leaves=(), raw_log=False, **popen):
        self.config = {"id": "test", "type": transport, "pluginType": "", **(config or {})}
        self.joined = joined
        self.script, self.env, self.files, self.command, self.popen = script, env, files or {}, command, popen
        self.wait_handshake, self.exits, self.leaves, self.raw_log = handshake, exits, leaves, raw_log
        self.stdout, self.stderr, self.location, self.address = [], [], None, None

    # ---- its life ----

    def start(self):
        self.root = short_directory()
        self.tmp, self.folder = self.root / "tmp", self.root / "script"
        try:
            self.tmp.mkdir()
            self.folder.mkdir()
            for name, text in self.files.items():
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                (self.folder / name).write_text(text)
            command = self.command or [OCMLUA, script_file(self.folder, self.script)]
            options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **self.popen}
            text = json.dumps(self.config)
            arguments = [f"--config={text}"] if self.joined else ["--config", text]
            self.process = subprocess.Popen([*map(str, command), *arguments], env=environment(self.tmp, self.env), **options)
            self.pid = self.process.pid
            self.readers = [threading.Thread(target=self._collect, args=(stream, lines), daemon=True)
                            for stream, lines in ((self.process.stdout, self.stdout), (self.process.stderr, self.stderr)) if stream]
            for reader in self.readers:
                reader.start()
            if self.wait_handshake:
                self.announced()
        except BaseException:
            self.kill()
            raise
        return self

    @staticmethod
    def _collect(stream, lines):
        for line in stream:
            lines.append(line.rstrip(b"\n").decode(errors="backslashreplace"))

    def announced(self):
        """Waits for the handshake line as the manager does, and returns the location."""
        def look():
            ended = self.process.poll() is not None
            if ended:
                self.wait()  # what it said is here then, also when it has ended since
            found = [line for line in list(self.stdout) if line.startswith(("http://", "http+unix://"))]
            assert found or not ended, f"ended with {self.process.returncode} before its handshake: {self.stderr}"
            return found
        self.location = until(look)[0]
        if self.location.startswith("http+unix://"):
            self.address = self.location.removeprefix("http+unix://")
        else:
            host, _, port = self.location.removeprefix("http://").rpartition(":")
            self.address = (host.strip("[]"), int(port))
        return self.location

    def signal(self, number=signal.SIGINT):
        self.process.send_signal(number)

    def wait(self, seconds=DEADLINE):
        """Waits for its end; returns the exit status, -N for signal N. Then all of stdout and the log is there."""
        status = self.process.wait(seconds)
        for reader in self.readers:
            reader.join(seconds)
        return status

    def stop(self):
        """SIGINT, then the checks of the module's description."""
        if self.process.poll() is None:
            self.signal(signal.SIGINT)
        status = self.wait()
        if self.exits is not None:
            assert status == self.exits, (status, self.stderr)
        left = sorted(str(path.relative_to(self.tmp)) for path in self.tmp.rglob("*"))
        assert [name for name in left if name.split("/")[0] not in self.leaves] == []
        if not self.raw_log:
            assert [entry for entry in self.log() if not isinstance(entry.get("level"), str) or not isinstance(entry.get("msg"), str)] == []

    def kill(self):
        """Ends it at once and removes its directories; harmless when it is gone."""
        process = getattr(self, "process", None)
        if process is not None:
            if process.poll() is None:
                process.kill()
                process.wait()
            for reader in getattr(self, "readers", []):
                reader.join(1) # a child that outlives it may keep a pipe open
            for stream, reader in zip((process.stdout, process.stderr), getattr(self, "readers", [])):
                if stream and not reader.is_alive():
                    stream.close()
        shutil.rmtree(self.root, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.stop()
        finally:
            self.kill()

    # ---- requests ----

    def connection(self, timeout=DEADLINE):
        """An http.client connection, kept alive between requests."""
        if isinstance(self.address, str):
            return UnixConnection(self.address, timeout)
        return http.client.HTTPConnection(*self.address, timeout=timeout)

    def connect(self, timeout=DEADLINE):
        """A connected raw socket."""
        if isinstance(self.address, str):
            raw = socket.socket(socket.AF_UNIX)
        else:
            raw = socket.socket(socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET)
        raw.settimeout(timeout)
        raw.connect(self.address)
        return raw

    def request(self, method, path, body=None, headers=None, connection=None, timeout=DEADLINE):
        """One request; `body`: bytes or text as they are, None for none, anything else as JSON. Without `connection`, on one of its own."""
        own = connection or self.connection(timeout)
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # what is refused before all is sent has its answer nevertheless
                own.request(method, path, encode(body), {**(headers or {})})
            answer = own.getresponse()
            return Response(answer.status, answer.headers, answer.read())
        finally:
            if connection is None:
                own.close()

    def json(self, method, path, body=None, headers=None, **options):
        """A request that succeeds: asserts 200, and returns the decoded answer (None: an empty one)."""
        answer = self.request(method, path, body, headers, **options)
        assert answer.status == 200, (answer.status, answer.text)
        return json.loads(answer.body) if answer.body else None

    def run(self, code):
        """The results of Lua expressions, or of a chunk, run by a handler of a `runner` plugin: a list."""
        return self.json("POST", "/run", code)

    def run_error(self, code):
        """The error that it ends with: the text of a 500."""
        answer = self.request("POST", "/run", code)
        assert answer.status == 500, (answer.status, answer.text)
        return answer.text

    def raw(self, data, timeout=DEADLINE):
        """Sends these bytes on a connection of their own, and returns all that comes until the other side closes it."""
        with self.connect(timeout) as peer:
            peer.sendall(data)
            peer.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: peer.recv(65536), b""))

    # ---- its log ----

    def log(self, msg=None):
        """The lines on stderr so far, decoded; a line that is not a JSON object is {"raw": line}. `msg`: only those that say this."""
        entries = [parse(line) for line in list(self.stderr)]
        return entries if msg is None else [entry for entry in entries if entry.get("msg") == msg]

    def wait_log(self, predicate, seconds=DEADLINE):
        """Waits for a log line for which predicate(entry) holds, or that says `predicate`; returns it."""
        if isinstance(predicate, str):
            msg = predicate
            predicate = lambda entry: entry.get("msg") == msg # noqa: E731
        try:
            return until(lambda: next((entry for entry in self.log() if predicate(entry)), None), seconds)
        except AssertionError:
            raise AssertionError(f"no such line in the log: {self.stderr}") from None


def encode(body):
    if body is None or isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def parse(line):
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    return entry if isinstance(entry, dict) else {"raw": line}
