"""A plugin of the Go SDK and the same plugin as a script, side by side: asked the same, they say the same.

Where they don't, tests/README.md has a row, with both outcomes and the reason. A difference without its row fails, and so does a
row that no longer tells one.
"""
import itertools
import json
import os
import re
import signal
import socket
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness import OCMLUA, ROOT, Plugin, run, until
from reference import HERE, program

GO_PLUGIN = program("go-plugin")
SPEC = {"type": "DummyRepository/v1", "baseUrl": "https://example.com"}
RESOURCE = {"name": "it", "version": "1.0.0", "type": "blob", "relation": "local", "access": {"type": "localBlob/v1"}}
SOURCE = {"name": "it", "version": "1.0.0", "type": "git", "access": {"type": "localBlob/v1"}}
LOCATION = {"type": "localFile", "value": "/dev/null"}
DESCRIPTOR = {"meta": {"schemaVersion": "v2"}, "component": {"name": "acme.org/a", "version": "1.0.0", "provider": "acme", "labels": [],
                                                             "repositoryContexts": [], "resources": [RESOURCE], "sources": [SOURCE],
                                                             "componentReferences": [], "creationTime": "2026-01-02T03:04:05Z"}}
NONE = {"Authorization": "{}"}
counter = itertools.count()


class Peer:
    """One of the two: how it is started, and a running one for the requests (`plugin`)."""

    def __init__(self, command, stray):
        self.command, self.stray, self.plugin = command, stray, None

    def name(self):
        return f"interop-{os.getpid()}-{next(counter)}"

    @contextmanager
    def start(self, config=None, **options):
        config = {"id": self.name(), **(config or {})}
        try:
            with Plugin(None, command=self.command, config=config, raw_log=True, **options) as plugin:
                yield plugin
                for file in plugin.tmp.glob(self.stray):  # the Go plugin leaves its files
                    file.unlink()
        finally:  # and, now and then, these
            for name in "socket", "socket.lock":
                Path(f'/tmp/{config["id"]}-plugin.{name}').unlink(missing_ok=True)

    def run(self, *arguments):
        return run(*self.command[1:], *arguments, program=self.command[0])


@pytest.fixture(scope="module")
def peers():
    go, ours = Peer([GO_PLUGIN], "test-*-file*"), Peer([OCMLUA, HERE / "peer.lua"], "-")
    with go.start() as go.plugin, ours.start() as ours.plugin:
        yield go, ours


# ---- what is compared: functions (peer) -> outcome, a text ----

def outcome(status, body=b""):
    """Of an error the status only: its text is for people."""
    if status != 200:
        return str(status)
    if not body:
        return "200, empty"
    document = json.loads(body)
    if isinstance(document, dict) and "location" in document:  # its file, not its name
        document["location"]["value"] = Path(document["location"]["value"]).read_text(encoding="utf-8")
    for name in "resource", "source":  # how the Go plugin's access looks is compared on its own
        if isinstance(document, dict) and name in document:
            del document[name]["access"]
    return "200 " + json.dumps(document, sort_keys=True, separators=(",", ":"))


def ask(method, path, body=None, headers=NONE):
    def compare(peer):
        answer = peer.plugin.request(method, path, body, headers)
        return outcome(answer.status, answer.body)
    return compare


def status(*request, **options):
    return lambda peer: str(peer.plugin.request(*request, **{"headers": NONE, **options}).status)


def text(method, path, body=None, headers=NONE):
    return lambda peer: peer.plugin.request(method, path, body, headers).text.rstrip("\n")


def header(name, method, path, body=None, headers=NONE):
    return lambda peer: str(peer.plugin.request(method, path, body, headers).headers.get(name))


def sends(data):
    """The status lines that come for these bytes."""
    def compare(peer):
        answer = peer.plugin.raw(data).decode("latin-1")
        return " ".join(re.findall(r"^HTTP/1\.[01] (\d+)", answer, re.MULTILINE)) or "no answer"
    return compare


def kept_alive(peer):
    connection = peer.plugin.connection()
    statuses = [peer.plugin.request("GET", "/healthz", connection=connection).status for _ in range(3)]
    kept = connection.sock is not None
    connection.close()
    return f"{statuses}, kept {kept}"


def capabilities(peer):
    done = peer.run("capabilities")
    document = json.loads(done.stdout)
    for entry in document["capabilities"][0]["supportedRepositorySpecTypes"]:
        entry["jsonSchema"] = type(entry["jsonSchema"]).__name__
    return f"{done.returncode} {json.dumps(document, sort_keys=True)}"


def exit_of(*arguments):
    def compare(peer):
        done = peer.run(*arguments)
        return f"exit {done.returncode}, stdout {'empty' if done.stdout == '' else done.stdout}"
    return compare


def ended_by(end):
    """exit status, whether the location is gone, and whether the manager's users find the words they know in the log."""
    def compare(peer):
        with peer.start({"idleTimeout": 10**8} if end == "idle" else None, exits=None) as plugin:
            if end != "idle":  # which it may already have been for long enough
                plugin.request("GET", "/healthz")
                plugin.signal(end)
            status = plugin.wait()
            gone = not Path(plugin.address).exists()
            said = [msg for msg in ("starting up plugin", "gracefully shutting down plugin") if plugin.log(msg)]
        return f"exit {status}, location gone: {gone}, log: {said}"
    return compare


def shutdown(peer):
    with peer.start() as plugin:
        try:
            return str(plugin.request("POST", "/shutdown").status)
        except ConnectionError:
            return "no answer"


def announced(transport):
    def compare(peer):
        with peer.start(transport=transport, handshake=False) as plugin:
            until(lambda: plugin.stdout)
            line = plugin.stdout[0].replace(str(plugin.tmp), "TMPDIR").replace(plugin.config["id"], "ID")
            return re.sub(r":\d+$", ":PORT", re.sub(r"ID-\w{6}/", "ID-XXXXXX/", line))
    return compare


def configured_location(peer):
    with peer.start({"location": f"/tmp/{peer.name()}.socket"}) as plugin:
        return "used" if plugin.address == plugin.config["location"] else "ignored"


def second_of_the_same_name(peer):
    with peer.start() as first:
        return serves(peer, first.config["id"])


def serves(peer, name):
    """Whether a process of that name comes up."""
    with peer.start({"id": name}, handshake=False, exits=None) as plugin:
        until(lambda: plugin.stdout or plugin.process.poll() is not None)
        return "serves" if plugin.process.poll() is None else f"exit {plugin.wait()}"


def after_a_killed_one(peer):
    with peer.start(exits=-signal.SIGKILL) as first:
        first.signal(signal.SIGKILL)
        first.wait()
        for left in first.tmp.glob("ocm-*"):  # that a later start sweeps them is the process tests' affair
            for file in left.iterdir():
                file.unlink()
            left.rmdir()
        return serves(peer, first.config["id"])


def beside_a_left_socket(peer):
    name = peer.name()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(f"/tmp/{name}-plugin.socket")
    return serves(peer, name)


def left_files(peer):
    with peer.start() as plugin:
        plugin.json("GET", "/local-resource/download?name=a&version=1", headers=NONE)
        plugin.signal(signal.SIGINT)
        plugin.wait()
        return str(len(list(plugin.tmp.iterdir())))


VERSION = "/component-version/download?name=acme.org/a&version=1.0.0"
LOCAL = "/local-resource/download?name=a&version=1.0.0"
UPLOAD = {"repository": SPEC, "descriptor": DESCRIPTOR}
UPLOAD_RESOURCE = {"repository": SPEC, "name": "acme.org/a", "version": "1.0.0", "resource": RESOURCE, "resourceLocation": LOCATION}
UPLOAD_SOURCE = {"repository": SPEC, "name": "acme.org/a", "version": "1.0.0", "source": SOURCE, "sourceLocation": LOCATION}
POST = b"POST /component-version/upload HTTP/1.1\r\nHost: unix\r\nAuthorization: {}\r\nConnection: close\r\n"
BODY = json.dumps(UPLOAD).encode()

COMPARISONS = {
    "`GET /healthz`": ask("GET", "/healthz"),
    "`HEAD /healthz`": ask("HEAD", "/healthz"),
    "`POST /healthz`": ask("POST", "/healthz"),
    "`POST /healthz`, its text": text("POST", "/healthz"),
    "`DELETE /healthz`": ask("DELETE", "/healthz"),
    "`POST /shutdown`": shutdown,
    "an unknown path": ask("GET", "/nowhere"),
    "a path with `..`": ask("GET", "/nowhere/../healthz"),
    "a path with `//`": ask("GET", "//healthz"),
    "a path with `%`": ask("GET", "/%68ealthz"),
    "`GET /identity`": ask("GET", "/identity"),
    "`HEAD` where `GET` is due": ask("HEAD", VERSION),
    "`POST` where `GET` is due": status("POST", VERSION),

    "no identity": ask("POST", "/identity", {"type": SPEC}),
    "identity, not JSON": ask("POST", "/identity", "{"),
    "GetComponentVersion": ask("GET", VERSION),
    "GetComponentVersion, no name": status("GET", "/component-version/download?version=1.0.0"),
    "GetComponentVersion, `Content-Type`": header("Content-Type", "GET", VERSION),
    "ListComponentVersions": ask("GET", "/component-versions?name=acme.org/a"),
    "GetLocalResource": ask("GET", LOCAL + "&identity=eyJhIjoiYiJ9"),
    "GetLocalResource, identity `null`": ask("GET", LOCAL + "&identity=bnVsbA%3D%3D"),
    "GetLocalResource, no identity": ask("GET", LOCAL),
    "GetLocalResource, identity not base64": ask("GET", LOCAL + "&identity=***"),
    "GetLocalResource, identity not JSON": ask("GET", LOCAL + "&identity=e30e"),
    "GetLocalResource, identity an array": ask("GET", LOCAL + "&identity=W10="),
    "GetLocalResource, identity of numbers": ask("GET", LOCAL + "&identity=eyJhIjoxfQ=="),
    "GetLocalResource, an access without a type": status("GET", LOCAL.replace("name=a", "name=untyped")),
    "GetLocalSource": ask("GET", "/local-source/download?name=a&version=1.0.0&identity=eyJhIjoiYiJ9"),
    "AddComponentVersion": ask("POST", "/component-version/upload", UPLOAD),
    "AddComponentVersion, unknown fields": ask("POST", "/component-version/upload", {**UPLOAD, "more": [1]}),
    "AddComponentVersion, not JSON": ask("POST", "/component-version/upload", "{"),
    "AddComponentVersion, an array": ask("POST", "/component-version/upload", []),
    "AddComponentVersion, no body": ask("POST", "/component-version/upload"),
    "AddComponentVersion, 8 MiB": ask("POST", "/component-version/upload", {**UPLOAD, "more": "x" * (8 << 20)}),
    "AddLocalResource": status("POST", "/local-resource/upload", UPLOAD_RESOURCE),
    "AddLocalResource, not JSON": ask("POST", "/local-resource/upload", "{"),
    "AddLocalSource": status("POST", "/local-source/upload", UPLOAD_SOURCE),
    "CheckHealth": ask("POST", "/component-version/check-health", {"repository": SPEC}),

    "credentials": ask("GET", VERSION, headers={"Authorization": '{"type":"DirectCredentials/v1","properties":{"username":"ä"}}'.encode()}),
    "credentials, none": status("GET", VERSION, headers=None),
    "credentials, not JSON": ask("GET", VERSION, headers={"Authorization": "Bearer x"}),
    "credentials, an array": ask("GET", VERSION, headers={"Authorization": "[]"}),
    "credentials, a string": ask("GET", VERSION, headers={"Authorization": '"x"'}),
    "credentials, 48 KiB": ask("GET", VERSION, headers={"Authorization": json.dumps({"type": "T/v1", "token": "x" * (48 << 10)})}),
    "credentials, 200 KiB": status("GET", VERSION, headers={"Authorization": json.dumps({"type": "T/v1", "token": "x" * (200 << 10)})}),

    "three requests on a connection": kept_alive,
    "two requests at once on a connection": sends(b"GET /healthz HTTP/1.1\r\nHost: unix\r\n\r\n" * 2),
    "HTTP/1.0": sends(b"GET /healthz HTTP/1.0\r\n\r\n"),
    "no `Host`": sends(b"GET /healthz HTTP/1.1\r\n\r\n"),
    "a body in chunks": sends(POST + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)),
    "`Expect: 100-continue`": sends(POST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)),
    "not HTTP": sends(b"hello\r\n\r\n"),

    "`capabilities`": capabilities,
    "no `--config`": exit_of(),
    "`--config`, not JSON": exit_of("--config", "{"),
    "`--config`, no id": exit_of("--config", '{"type":"unix"}'),
    "`--config`, unknown type": exit_of("--config", '{"id":"x","type":"pigeon"}'),
    "`--config`, with a location": configured_location,
    "the handshake, unix": announced("unix"),
    "the handshake, tcp": announced("tcp"),
    "SIGINT": ended_by(signal.SIGINT),
    "SIGTERM": ended_by(signal.SIGTERM),
    "idle for long enough": ended_by("idle"),
    "a second process of the same id": second_of_the_same_name,
    "a process of the same id was killed": after_a_killed_one,
    "a socket without its lock is left over": beside_a_left_socket,
    "files left by GetLocalResource": left_files,
}


def documented():
    """The rows of the table in tests/README.md: {what: (Go SDK, ocmlua, why)}"""
    lines = (ROOT / "tests/README.md").read_text(encoding="utf-8").splitlines()
    start = lines.index("| what | Go SDK | ocmlua | why |") + 2
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines[start:])
    return {what: cells for what, *cells in ([cell.strip() for cell in row.strip("|").split(" | ")] for row in rows)}


DOCUMENTED = documented()


@pytest.mark.parametrize("what", COMPARISONS)
def test_go_sdk_and_ocmlua_agree_but_for_what_is_documented_on(peers, what):
    go, ours = (COMPARISONS[what](peer) for peer in peers)
    if go == ours:
        assert what not in DOCUMENTED, f"they no longer differ, both: {ours}"
    else:
        assert what in DOCUMENTED, f"no row in tests/README.md:\n| {what} | {go} | {ours} | ? |"
        assert DOCUMENTED[what][:2] == [go, ours]
        assert DOCUMENTED[what][2], "a reason is missing"


def test_every_row_is_of_something_that_is_compared():
    assert set(DOCUMENTED) <= set(COMPARISONS)
