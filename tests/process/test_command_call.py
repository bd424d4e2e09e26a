"""ocmlua call: one request to a plugin, as the plugin manager sends it."""
import contextlib
import hashlib
import json
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess

import pytest
from harness import DEADLINE, OCMLUA, ROOT, environment, gone, run, until

NINE = ROOT / "tests/interop/nine.lua"

GREETING = '''local ocm = require "ocm"
return ocm.plugin { inputRepository = {
  types = { ["Greeting/v1"] = { schema = ocm.schema { name = "string", times = "integer?" }, aliases = { "Greeting" } } },
  ProcessResource = function(request, credentials)
    ocm.log.info("greeting", { who = request.resource.input.name })
    if request.resource.input.name == "nobody" then ocm.fail(404, "nobody is there") end
    if credentials then ocm.log.warn("given " .. credentials.properties.password) end
    return { resource = request.resource, location = { value = ocm.tempfile():write("Hello, " .. request.resource.input.name), mediaType = "text/plain" } }
  end } }
'''


def write(path, text, executable=False):
    path.write_text(text)
    if executable:
        path.chmod(0o755)
    return path


@pytest.fixture
def greeting(folder):
    return write(folder / "greeting.lua", GREETING)


@pytest.fixture
def nine(folder):
    """A folder with the plugin `everything`; calls in it: call(words…) -> (stdout decoded, what the plugin was asked)."""
    (folder / "record").mkdir()
    shutil.copy(NINE.parent / "record.lua", folder)
    shutil.copy(NINE, folder / "everything")
    (folder / "file").write_text("content")

    def call(*words, plugin="everything"):
        record = folder / "record" / plugin
        record.unlink(missing_ok=True)
        done = run("call", f"./{plugin}", *words, cwd=folder, env={"RECORD": str(folder / "record")})
        assert done.returncode == 0, done.stderr
        asked = [json.loads(line) for line in record.read_text().splitlines()]
        return (json.loads(done.stdout) if done.stdout else None), [one for one in asked if one["method"] != "start"]

    call.folder = folder
    return call


def lines_of(done, plugin):
    return [shlex.split(line)[3:] for line in done.stdout.splitlines() if line.startswith(f"  ocmlua call {plugin} ")]


# ---- the methods of all contracts ----

def test_without_a_method_it_lists_all_methods_and_each_example_works(nine):
    done = run("call", "./everything", cwd=nine.folder, env={"RECORD": str(nine.folder / "record")})
    assert (done.returncode, done.stderr) == (0, "")
    examples = lines_of(done, "./everything")
    assert len(examples) == 29 and len({(words[0], tuple(words)) for words in examples}) == 29
    for words in examples:
        _, asked = nine(*words)
        assert asked[-1]["method"] == words[0]


@pytest.mark.parametrize(("words", "methods", "request_", "answer"), [
    (["GetComponentVersion", "name=acme.org/ok", "version=1.2.3", "path=/srv"], ["GetIdentity", "GetComponentVersion"],
     {"name": "acme.org/ok", "version": "1.2.3", "repository": {"type": "componentVersionRepository/v1", "path": "/srv"}},
     lambda answer: answer["component"]["version"] == "1.2.3"),
    (["GetLocalResource", "name=acme.org/ok", "version=1", "identity.name=blob"], ["GetIdentity", "GetLocalResource"], {"identity": {"name": "blob"}},
     lambda answer: answer["resource"]["name"] == "blob"),
    (["AddComponentVersion", "descriptor.component.name=acme.org/mine", "n:=12345678901234567890"], ["GetIdentity", "AddComponentVersion"],
     {"repository": {"type": "componentVersionRepository/v1", "n": 12345678901234567890}}, lambda answer: answer is None),
    (["AddLocalResource", "resourceLocation=file", "resource.name=x"], ["GetIdentity", "AddLocalResource"], {"name": "example.org/test"},
     lambda answer: answer["name"] == "x" and answer["access"]["content"] == "content"),
    (["ListComponents", "last=b"], ["GetIdentity", "ListComponents"], {"last": "b"}, lambda answer: answer["list"] == ["after b"]),
    (["ConsumerIdentityForConfig", "path=/v"], ["ConsumerIdentityForConfig"], {"config": {"type": "credentialRepository/v1", "path": "/v"}},
     lambda answer: answer["path"] == "/v"),
    (["Resolve", "--capability", "credentialRepository", "identity.hostname=h"], ["Resolve"], {"identity": {"hostname": "h"}},
     lambda answer: answer["properties"] == {"by": "credentialRepository", "username": "h"}),
    (["Resolve", "--capability", "credentialPlugin", "identity.hostname=h", "name=n"], ["GetConsumerIdentity", "Resolve"],
     {"identity": {"hostname": "h"}, "credential": {"type": "credentialPlugin/v1", "name": "n"}},
     lambda answer: answer["properties"]["by"] == "credentialPlugin"),
    (["ProcessResourceDigest", "url=u"], ["GetIdentity", "ProcessResourceDigest"], {}, lambda answer: answer["resource"]["access"]["url"] == "u"),
    (["ProcessResource", "resource.name=hi"], ["GetIdentity", "ProcessResource"], {}, lambda answer: answer["resource"]["name"] == "hi"),
    (["GetGlobalResource", "ref=x"], ["GetIdentity", "GetGlobalResource"], {}, lambda answer: answer["location"]["type"] == "localFile"),
    (["TransformBlob", "location=./file"], ["GetIdentity", "TransformBlob"], {"specification": {"type": "blobTransformer/v1"}},
     lambda answer: "location" in answer),
    (["Sign", "digest=sha256:abc"], ["GetSignerIdentity", "Sign"], {}, lambda answer: answer["signature"]["value"] == "abc"),
    (["Verify", 'signature.signature:={"algorithm":"plain","value":"abc","mediaType":"text/plain"}'], ["GetVerifierIdentity", "Verify"], {},
     lambda answer: answer == {}),
], ids=lambda value: "-".join(value[:3]) if isinstance(value, list) else "")
def test_request_is_made_of_words_and_identity_is_asked_first(nine, words, methods, request_, answer):
    got, asked = nine(*words)
    assert [one["method"] for one in asked] == methods
    sent = asked[-1]["request"]
    assert {name: sent[name] for name in request_} == request_
    assert answer(got)


def test_request_is_a_json_file_that_words_change(nine):
    (nine.folder / "r.json").write_text('{"resource":{"name":"a","type":"t","labels":[],"input":{"type":"inputRepository/v1","x":1.0}}}')
    _, asked = nine("ProcessResource", "r.json", "resource.name=b")
    assert asked[-1]["request"] == {"resource": {"name": "b", "type": "t", "labels": [], "input": {"type": "inputRepository/v1", "x": 1.0}}}


def test_type_of_the_spec_tells_whose_method_is_meant(nine):
    got, _ = nine("GetIdentity", "type=blobTransformer/v1")
    assert got["identity"]["by"] == "blobTransformer"


def test_method_of_several_capabilities_has_to_be_chosen(nine):
    done = run("call", "./everything", "Resolve", "hostname=x", cwd=nine.folder, env={"RECORD": str(nine.folder / "record")})
    assert done.returncode == 2
    assert "credentialRepository and credentialPlugin" in done.stderr and "--capability" in done.stderr


def test_credentials_reach_the_handler(nine):
    (nine.folder / "c.json").write_text('{"type":"DirectCredentials/v1","properties":{"username":"u"}}')
    _, asked = nine("ProcessResource", "--credentials", "@c.json")
    assert asked[-1]["credentials"] == {"type": "DirectCredentials/v1", "properties": {"username": "u"}}
    assert "credentials" not in asked[0]


# ---- what is checked before ----

def test_spec_that_the_manager_would_refuse_is_not_sent(greeting):
    done = run("call", greeting, "ProcessResource", "nme=x", "times=five")
    assert (done.returncode, done.stdout) == (1, "")
    assert "resource.input does not fit the schema of Greeting/v1" in done.stderr
    assert '"nme"' in done.stderr and '"name" is missing' in done.stderr and "/times" in done.stderr
    assert "greeting who" not in done.stderr


def test_text_where_the_schema_wants_something_else_is_told_how_to_give_it(greeting):
    hint = "name=value is a text, name:=5 JSON"
    assert hint in run("call", greeting, "ProcessResource", "name=x", "times=5").stderr
    assert hint not in run("call", greeting, "ProcessResource", "name=x", "times:=[]").stderr


def test_type_that_is_not_declared_is_named(greeting):
    done = run("call", greeting, "ProcessResource", "type=Greting/v1", "name=x")
    assert done.returncode == 1 and '"Greting/v1"' in done.stderr and "Greeting/v1" in done.stderr


@pytest.mark.parametrize(("words", "text"), [
    (["ProcesResource"], "ProcessResource"),
    (["ProcessResource", "--capability", "inputRepo"], "inputRepository"),
    (["ProcessResource", "name"], "name"),
    (["ProcessResource", "resource=x"], "resource is an object"),
    (["GetIdentity", "-o", "x"], "names no blob"),
    (["ProcessResource", "name=x", "--timeout", "soon"], "--timeout"),
])
def test_misuse_says_what_is_meant(greeting, words, text):
    done = run("call", greeting, *words)
    assert done.stdout == "" and text in done.stderr and "traceback" not in done.stderr
    assert done.returncode == (1 if words[-1] == "name" else 2)


# ---- what comes back ----

def test_answer_goes_to_stdout_and_log_blob_and_time_to_stderr(greeting):
    done = run("call", greeting, "ProcessResource", "name=World")
    assert done.returncode == 0
    assert json.loads(done.stdout)["location"]["mediaType"] == "text/plain"
    digest = hashlib.sha256(b"Hello, World").hexdigest()
    assert re.search(rf"^blob 12 bytes, sha256:{digest}, text/plain, ", done.stderr, re.MULTILINE)
    assert "INFO  greeting who=World\n" in done.stderr
    assert re.search(r"^200 in \d+\.\d+ m?s$", done.stderr, re.MULTILINE)


def test_blob_is_saved_but_never_over_a_file(greeting, folder):
    out = folder / "out"
    assert run("call", greeting, "ProcessResource", "name=World", "-o", out).returncode == 0
    assert out.read_text() == "Hello, World"
    again = run("call", greeting, "ProcessResource", "name=You", "-o", out)
    assert again.returncode == 1 and "is there already" in again.stderr
    assert out.read_text() == "Hello, World"


def test_another_status_than_200_is_a_failure_with_its_text(greeting):
    done = run("call", greeting, "ProcessResource", "name=nobody")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("ProcessResource: 404: nobody is there\n")


def test_json_holds_all_of_it(greeting):
    done = run("call", greeting, "ProcessResource", "name=World", "--json")
    result = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert (result["status"], result["blob"]["size"], result["answer"]["resource"]["name"]) == (200, 12, "test")
    assert result["identity"] == {"identity": {"type": "Greeting/v1"}}
    assert "greeting" in [line["msg"] for line in result["log"]]
    failed = run("call", greeting, "ProcessResource", "name=nobody", "--json")
    assert failed.returncode == 1 and json.loads(failed.stdout)["text"] == "nobody is there"


@pytest.mark.parametrize("more", [[], ["-v"], ["--json"]])
def test_credentials_are_never_echoed(greeting, more):
    for name in ("World", "nobody"):
        done = run("call", greeting, "ProcessResource", f"name={name}", "--credentials", '{"properties":{"password":"sesame-1234"}}', *more)
        assert "sesame" not in done.stdout + done.stderr
    wrong = run("call", greeting, "ProcessResource", "name=x", "--credentials", '{"password":"sesame-1234"', *more)
    assert wrong.returncode == 1 and "sesame" not in wrong.stdout + wrong.stderr


def test_log_is_in_colour_at_a_terminal(greeting, folder):
    leader, follower = pty.openpty()
    try:
        done = subprocess.run([OCMLUA, "call", greeting, "ProcessResource", "name=World"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=follower,
                              timeout=DEADLINE, env=environment(folder, {"NO_COLOR": None, "TERM": "xterm"}), check=False)
    finally:
        os.close(follower)
    shown = b""
    with contextlib.suppress(OSError), open(leader, "rb", buffering=0) as terminal: # at its end, that the other side is closed
        while more := terminal.read(65536):
            shown += more
    assert done.returncode == 0 and b"\x1b" not in done.stdout
    assert b"\x1b[32mINFO \x1b[0m greeting" in shown


# ---- plugins that fail, and the end ----

def test_broken_script_is_reported_with_file_and_line(folder):
    done = run("call", write(folder / "broken", "return 1 +\n"), "ProcessResource")
    assert done.returncode == 1 and "broken:2:" in done.stderr and "traceback" not in done.stderr


def test_plugin_that_ends_before_it_is_there_is_reported(folder):
    script = GREETING.replace("inputRepository", "start = function() os.exit(3) end, inputRepository", 1)
    done = run("call", write(folder / "p", script), "ProcessResource", "name=x")
    assert done.returncode == 1 and "exit status 3" in done.stderr


def test_plugin_that_dies_in_a_request_is_reported(folder):
    script = GREETING.replace('ocm.log.info(', 'os.exit(4) ocm.log.info(', 1)
    done = run("call", write(folder / "p", script), "ProcessResource", "name=x")
    assert done.returncode == 1 and "no answer" in done.stderr and "exit status 4" in done.stderr


CLOSES_FIRST = '''#!/usr/bin/env python3
import os, socket, sys, time
if "capabilities" in sys.argv:
    print('{"capabilities":[{"type":"inputRepository","supportedInputTypes":[{"type":"T/v1","jsonSchema":"e30="}]}]}')
    sys.exit()
server = socket.socket(socket.AF_UNIX)
server.bind(os.environ["TMPDIR"] + "/socket")
server.listen()
print("http+unix://" + os.environ["TMPDIR"] + "/socket", flush=True)
while True:
    connection, _ = server.accept()
    if b"/healthz" not in connection.recv(65536):
        break
    connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
    connection.close()
connection.close()
time.sleep(0.3)
sys.exit(4)
'''


def test_plugin_that_ends_a_moment_after_it_closed_the_connection_is_reported(folder):
    done = run("call", write(folder / "p", CLOSES_FIRST, True), "ProcessResource", env=environment(folder))
    assert done.returncode == 1 and "no answer" in done.stderr and "exit status 4" in done.stderr


STUBBORN = '''#!/bin/sh
if [ "$1" = capabilities ]; then
  echo '{"capabilities":[{"type":"inputRepository","supportedInputTypes":[{"type":"T/v1","jsonSchema":"e30="}]}]}'
  exit
fi
echo $$ > pid
trap '' INT TERM
echo nothing that is a location
while :; do sleep 0.05; done
'''


def test_plugin_that_never_announces_is_given_up_and_ended(folder):
    done = run("call", write(folder / "p", STUBBORN, True), "ProcessResource", "--timeout", "2", cwd=folder) # long enough to write its pid
    assert done.returncode == 1 and "has not announced within 2 s" in done.stderr
    assert gone(int((folder / "pid").read_text()))


SLEEPER = '''local ocm = require "ocm"
local pid = require "lfs".symlinkattributes("/proc/self", "target")
return ocm.plugin { inputRepository = { types = { "T/v1" }, ProcessResource = function()
  io.open("pid", "w"):write(pid):close()
  ocm.sleep(1000)
end } }
'''


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("script", "words"), [(SLEEPER, []), (STUBBORN, [])], ids=["in-a-request", "before-it-is-there"])
def test_interrupt_ends_the_plugin_too(folder, script, words, number):
    plugin, tmp = write(folder / "p", script, script is STUBBORN), folder / "tmp"
    tmp.mkdir()
    process = subprocess.Popen([OCMLUA, "call", plugin, "ProcessResource", *words], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=environment(tmp))
    try:
        pid = int(until(lambda: (folder / "pid").exists() and (folder / "pid").read_text()))
        process.send_signal(number)
        process.communicate(timeout=DEADLINE)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert gone(pid)
    assert script is STUBBORN or list(tmp.iterdir()) == []


def test_nothing_is_left_behind(greeting, folder):
    tmp = folder / "tmp"
    tmp.mkdir()
    done = subprocess.run([OCMLUA, "call", greeting, "ProcessResource", "name=x"], capture_output=True, stdin=subprocess.DEVNULL, timeout=DEADLINE,
                          env=environment(tmp), check=False)
    assert done.returncode == 0 and list(tmp.iterdir()) == []
