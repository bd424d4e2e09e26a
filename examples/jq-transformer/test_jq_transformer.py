"""jq-transformer: what it makes of blobs and filters, against jq itself, over the socket and through the plugin manager."""
import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from faults import sanitized
from harness import Plugin, sizes, until

SCRIPT = Path(__file__).resolve().parent / "jq-transformer"
SANITIZED = sanitized()

if not shutil.which("jq"):
    pytest.skip("jq is not installed", allow_module_level=True)
YQ = shutil.which("yq") and "mikefarah" not in subprocess.run(["yq", "--version"], capture_output=True, text=True, check=False).stdout
needs_yq = pytest.mark.skipif(not YQ, reason="yq is not installed, or the other program of that name is")


@pytest.fixture(scope="module")
def plugin():
    with Plugin(SCRIPT, env={"SECRET_OF_THE_PLUGIN": "hunter2hunter2"}) as running:
        yield running


def ask(plugin, blob, media_type=None, headers=None, **spec):
    location = {"type": "localFile", "value": str(blob), **({"mediaType": media_type} if media_type else {})}
    return plugin.request("POST", "/blob/transform", {"location": location, "specification": {"type": "JQTransformer/v1", **spec}}, headers)


def transform(plugin, folder, text, media_type=None, **spec):
    """(text, media type) of what a text becomes."""
    (folder / "in").write_bytes(text.encode() if isinstance(text, str) else text)
    answer = ask(plugin, folder / "in", media_type, **spec)
    assert answer.status == 200, answer.text
    location = json.loads(answer.body)["location"]
    return Path(location["value"]).read_text(), location["mediaType"]


def written(plugin):
    """What stands in the plugin's folder: answers stay there until it ends."""
    return {path for path, size in sizes(plugin.tmp).items() if size > 0}


def refused(plugin, folder, text, **spec):
    """The text of a 400, which leaves nothing behind."""
    (folder / "in").write_bytes(text.encode() if isinstance(text, str) else text)
    before = written(plugin)
    answer = ask(plugin, folder / "in", **spec)
    assert answer.status == 400, answer.text
    assert written(plugin) == before
    return answer.text


def tool(name, *arguments, text=""):
    return subprocess.run([name, *arguments], input=text, text=True, capture_output=True, check=True).stdout


# ---- JSON ----

RELEASE = '{"b": 1, "a": [1.0, 1e1000, 0.1, 100000000000000000000, -0, 1e-7], "s": "\\u00fc\\n\\ud83d\\ude00\\u0001", "e": {}, "l": [], "n": null}\n'


@pytest.mark.parametrize("text", [RELEASE, '1 2\n"three" [4]', "", "[]"])
@pytest.mark.parametrize("filter", [".", ".. | numbers", "[.]", "empty", "type", "tojson", "-1", "# nothing", "def f: 1; f, f", ".?", "input?", "[inputs]"])
@pytest.mark.parametrize("options, flags", [({}, []), ({"compact": True}, ["-c"]), ({"slurp": True, "compact": True}, ["-s", "-c"]), ({"raw": True}, ["-r"]), ({"sortKeys": True}, ["-S"])])
def test_result_is_jq_s_own(plugin, folder, text, filter, options, flags):
    expected = tool("jq", *flags, " " + filter, text=text)
    assert transform(plugin, folder, text, filter=filter, **options) == (expected, "text/plain" if "raw" in options else "application/json")


def test_arguments_are_strings_whatever_is_in_them(plugin, folder):
    arguments = {"a": "--slurp", "b": '"; $ENV', "c": "$(id)\n", "_": "", "D9": "ü😀"}
    text, _ = transform(plugin, folder, "null", filter="[$a, $b, $c, $_, $D9]", arguments=arguments)
    assert json.loads(text) == list(arguments.values())


def test_media_type_of_the_spec_wins(plugin, folder):
    assert transform(plugin, folder, "{}", filter=".", mediaType="application/vnd.acme+json")[1] == "application/vnd.acme+json"


def test_large_input_streams(folder):
    with open(folder / "in", "wb") as file:
        for _ in range(10 if SANITIZED else 100):
            file.write(b"0\n" * 1000 + b" " * (1 << 20))
        file.write(b"1\n")
    with Plugin(SCRIPT) as fresh:
        answer = ask(fresh, folder / "in", filter="select(. == 1)")
        assert Path(json.loads(answer.body)["location"]["value"]).read_text() == "1\n"
        peak = next(line for line in Path(f"/proc/{fresh.pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
        assert SANITIZED or int(peak.split()[1]) < 30_000, peak


# ---- YAML ----

YAML = """\
# a comment
anchors:
  base: &base {image: "nginx", ports: [80, 0x1F]}
  copy: *base
  merged: {<<: *base, image: other}
strings: [plain text, 'single ''quoted''', "double\\n\\u00fc", '123', "true", !!str 5, 2001-01-01, 1.2.3, ~x, -x, 12:30:45]
others: [1, -5, +7, .5, 1.5e+3, true, False, null, ~, ]
empty: {map: {}, list: [], string: "", nothing: }
literal: |
  two
  lines
folded: >-
  one
  line
? complex key
: 1
zürich: 😀
"""


@needs_yq
def test_yaml_keeps_its_order_its_documents_and_what_is_a_string(plugin, folder):
    text, _ = transform(plugin, folder, YAML, input="yaml", output="json", filter=".", compact=True)
    assert text == (
        '{"anchors":{"base":{"image":"nginx","ports":[80,31]},"copy":{"image":"nginx","ports":[80,31]},"merged":{"image":"other","ports":[80,31]}},'
        '"strings":["plain text","single \'quoted\'","double\\nü","123","true","5","2001-01-01","1.2.3","~x","-x","12:30:45"],'
        '"others":[1,-5,7,0.5,1500,true,false,null,null],"empty":{"map":{},"list":[],"string":"","nothing":null},'
        '"literal":"two\\nlines\\n","folded":"one line","complex key":1,"zürich":"😀"}\n')
    text, _ = transform(plugin, folder, "[yes, NO, on, Off, y]", input="yaml", output="json", filter=".", compact=True)
    assert text == '["yes","NO","on","Off","y"]\n'


HARD = ["", " ", "a b ", " a", "yes", "No", "y", "null", "~", "true", "1", "1.5", "1e3", "0x1F", "0o7", "0644", "1_000", "12:30:45", "2001-01-01", ".inf", "=", "<<", "-", "- a",
        "a: b", "a:", "# a", "a #b", "a\nb", "a\nb\n", "a\nb\n\n", "\n", " \n a", "a \nb", "\ta", "a\tb\n c", "'", '"', "\\", "{a}", "[a", "*a", "&a", "!a", "%a", "@a", "`a", "|", ">", ", a",
        "? a", "---", "...", "--- a", "...\na", "ü", "😀", "\x01", "x" * 2000, "x y " * 500, "a\r\nb", "\r", "é\n😀"]


@needs_yq
def test_json_survives_being_yaml(plugin, folder):
    value = {"strings": HARD, "numbers": [0, -1, 1.5, -1e-7, 123456789012], "empty": [{}, [], [[]], {"": {}}], "deep": [[{"a": [1, {"b": None}]}]],
             "flags": [True, False, None], "keys": {text: 1 for text in HARD if len(text) < 100}}
    text, media_type = transform(plugin, folder, json.dumps(value), output="yaml", filter=".")
    assert media_type == "application/yaml"
    back, _ = transform(plugin, folder, text, media_type=media_type, output="json", filter=".")
    assert json.loads(back) == value


@needs_yq
def test_streams_of_documents(plugin, folder):
    text, media_type = transform(plugin, folder, "a: 1\n---\nb: 2\n---\n- 3\n", media_type="application/yaml", filter=".")
    assert (text, media_type) == ("a: 1\n---\nb: 2\n---\n- 3\n", "application/yaml")
    assert transform(plugin, folder, text, input="yaml", output="json", filter=".", slurp=True, compact=True)[0] == '[{"a":1},{"b":2},[3]]\n'
    assert transform(plugin, folder, "", input="yaml", filter=".") == ("", "application/yaml")
    assert transform(plugin, folder, "a: 1\n---\nb: 2\n", input="yaml", filter="empty") == ("", "application/yaml")


@needs_yq
def test_default_formats(plugin, folder):
    for media_type in "application/yaml", "text/x-yaml", "application/vnd.acme+yaml":
        assert transform(plugin, folder, "a: 1", media_type=media_type, filter=".a")[1] == "application/yaml"
    assert transform(plugin, folder, "a: 1", media_type="application/yaml", filter=".a", raw=True) == ("1\n", "text/plain")
    assert transform(plugin, folder, '{"a": 1}', media_type="text/x-yaml", input="json", filter=".a") == ("1\n", "application/json")
    assert refused(plugin, folder, "{}", filter=".", raw=True, output="yaml") == "raw: strings as they are make no YAML; leave output out"


@needs_yq
@pytest.mark.parametrize("text, message", [
    ("a: [", "did not find expected node content"),
    ("a: b: c", "mapping values are not allowed in this context"),
    ("a: *b", "found undefined alias"),
    (b"a: \xff", "can't encode character"),
])
def test_yaml_that_is_none_is_said(plugin, folder, text, message):
    assert message in refused(plugin, folder, text, input="yaml", filter=".")


@needs_yq
def test_yaml_makes_no_objects_and_runs_nothing(plugin, folder):
    (folder / "in").write_text(f"a: !!python/object/apply:os.system ['touch {folder}/ran']")
    ask(plugin, folder / "in", input="yaml", filter=".")
    assert not (folder / "ran").exists()


@needs_yq
def test_a_billion_laughs_are_not_laughed(plugin, folder):
    lines = ["a0: &a0 [lol]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "detected unsafe YAML entity expansion" in refused(plugin, folder, "\n".join(lines), input="yaml", filter=".")


# ---- filters that are wrong, or mean harm ----

@pytest.mark.parametrize("filter, message", [
    (".a.b |", "jq: exit status 3: jq: error: syntax error, unexpected $end at line 1 of the filter:\n.a.b |"),
    ("1\n| nosuch", "jq: exit status 3: jq: error: nosuch/0 is not defined at line 2 of the filter:\n| nosuch"),
    (".a.b", 'jq: exit status 5: jq: error (at <stdin>:0): Cannot index number with string "b"'),
    ('"fine", error("no\\nway")', "jq: exit status 5: jq: error (at <stdin>:0): no\nway"),
    ("halt_error(7)", 'jq: exit status 7: {"a":1}'),
])
def test_what_is_wrong_is_said_in_jq_s_words(plugin, folder, filter, message):
    assert refused(plugin, folder, '{"a":1}', filter=filter).rstrip() == message


def test_what_is_no_json_is_said(plugin, folder):
    assert "Unfinished JSON term" in refused(plugin, folder, '{"a":', filter=".")
    assert "Invalid" in refused(plugin, folder, "hello", filter=".")
    taken = "(taken for JSON: for YAML, set input)"
    assert refused(plugin, folder, "a: 1", filter=".").endswith(taken)
    assert not refused(plugin, folder, "a: 1", filter=".", input="json").endswith(taken)


def test_endless_filters_are_ended(plugin, folder):
    assert refused(plugin, folder, "1", filter="def f: f; f", timeout=0.3) == "timed out after 0.3 s"
    assert refused(plugin, folder, "1", filter="repeat(1)", maxBytes=100_000) == "the result is more than 100,000 bytes"
    if YQ:
        assert "cannot allocate memory" in refused(plugin, folder, '"' + "x" * 1000 + '"', filter="repeat(.)", output="yaml", maxMemory=100 << 20)
    assert "cannot allocate memory" in refused(plugin, folder, "1", filter="[range(1e9)]", maxMemory=100 << 20)
    until(lambda: children(plugin.pid) == [])


def test_filters_see_nothing_of_the_machine(plugin, folder):
    for name in "module.jq", "module.json":
        (folder / name).write_text('{"secret": "hunter2"}' if name.endswith("json") else 'def secret: "hunter2";')
    assert json.loads(transform(plugin, folder, "null", filter="[env, $ENV, get_search_list, input_filename]")[0])[:2] == [{"HOME": "/nonexistent", "PATH": os.environ["PATH"]}] * 2
    for filter in (f'import "module" as $m {{search: "{folder}"}}; $m', f'import "module" as m {{search: "{folder}"}}; m::secret', f'include "module" {{search: "{folder}"}}; secret',
                   f'# a comment\ninclude "module" {{search: "{folder}"}}; secret', f'module {{}}; include "module" {{search: "{folder}"}}; secret'):
        assert "syntax error" in refused(plugin, folder, "null", filter=filter)
    for name in "module", f"{folder}/module", f"../{folder}/module":
        assert "hunter2" not in refused(plugin, folder, "null", filter=f'"{name}" | modulemeta')
    for filter in "-f", "--version", "-n", "--args":
        text = ask(plugin, folder / "in", filter=filter).text
        assert "exit status 3" in text, text
    assert refused(plugin, folder, "null", filter="\0") == "filter and arguments cannot hold NUL"


def test_without_jq_it_says_so(folder):
    with Plugin(SCRIPT, env={"PATH": str(folder)}) as bare:
        assert refused(bare, folder, "1", filter=".") == f"jq: No such file or directory in PATH ({folder})"


def test_without_yq_or_with_another_it_says_so_and_json_works(folder):
    (folder / "bin").mkdir()
    (folder / "bin/jq").symlink_to(shutil.which("jq"))
    with Plugin(SCRIPT, env={"PATH": str(folder / "bin")}) as bare:
        assert refused(bare, folder, "a: 1", input="yaml", filter=".") == f"yq: No such file or directory in PATH ({folder}/bin)"
        assert transform(bare, folder, "1", filter=".") == ("1\n", "application/json")
        (folder / "bin/yq").write_text("#!/bin/sh\necho \"Error: unknown shorthand flag: 'c' in -c\" >&2; exit 1\n") # as the one in Go does
        (folder / "bin/yq").chmod(0o755)
        assert refused(bare, folder, "a: 1", input="yaml", filter=".") == "yq: this is another program of that name, see README.md"


# ---- ends in the middle ----

def children(pid):
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError, IndexError):
            if process.name.isdigit() and int((process / "stat").read_bytes().rsplit(b")", 1)[1].split()[1]) == pid:
                found.append(int(process.name))
    return found


def test_jq_that_is_killed_in_the_middle_is_said_and_leaves_nothing(plugin, folder):
    answers, before = [], written(plugin)
    thread = threading.Thread(target=lambda: answers.append(refused(plugin, folder, "1", filter="repeat(1)", maxBytes=1 << 40)))
    thread.start()
    [jq] = until(lambda: children(plugin.pid))
    until(lambda: written(plugin) != before)
    os.kill(jq, signal.SIGKILL)
    thread.join()
    assert answers == ["jq: ended by signal 9 (KILL)"]
    assert transform(plugin, folder, "1", filter=".")[0] == "1\n"


def test_manager_is_told_when_the_plugin_is_killed_in_the_middle_and_the_next_one_tidies_up(manager, folder):
    (folder / "in").write_text("1")
    manager.send("blobTransformer", "TransformBlob", spec={"type": "JQTransformer/v1", "filter": "def f: f; f", "timeout": 3600}, blob={"path": str(folder / "in")}, **{"async": True})
    [run] = until(lambda: list(manager.tmp.glob("ocm-jq-transformer-*")))
    [jq] = until(lambda: children(manager.plugin_pid("jq-transformer")))
    try:
        manager.kill_plugin("jq-transformer")
        answer = manager.receive()
        assert not answer["ok"]
        assert "EOF" in answer["error"] or "connection reset" in answer["error"]
    finally:
        os.kill(jq, signal.SIGKILL)  # nobody is left who would end it
    with Plugin(SCRIPT, env={"TMPDIR": str(manager.tmp)}):
        until(lambda: not run.exists())


# ---- through the plugin manager ----

def test_manager_gets_the_blob_and_is_told_what_is_wrong(manager, folder):
    (folder / "in").write_text('{"name": "web"}')
    def arguments(**spec):
        return {"spec": {"type": "JQTransformer", **spec}, "blob": {"path": str(folder / "in")}}
    assert manager.call("blobTransformer", "TransformBlob", **arguments(filter=".name", raw=True))["blob"]["content"] == "web\n"
    if YQ:
        answer = manager.call("blobTransformer", "TransformBlob", **arguments(filter=".", output="yaml"))["blob"]
        assert (answer["content"], answer["mediaType"]) == ("name: web\n", "application/yaml")
    error = lambda **spec: manager.error("blobTransformer", "TransformBlob", **arguments(**spec))
    assert "missing property 'filter'" in error()
    assert "value must be one of 'json', 'yaml'" in error(filter=".", output="xml")
    assert "'a-b' does not match pattern" in error(filter=".", arguments={"a-b": "1"})
    assert "got number, want string" in error(filter=".", arguments={"a": 1})
    assert "jq: exit status 3: jq: error: syntax error, unexpected $end at line 1 of the filter" in error(filter=".[")


def test_credentials_are_ignored_and_told_to_nobody(folder):
    (folder / "in").write_text("1")
    headers = {"Authorization": json.dumps({"type": "DirectCredentials/v1", "properties": {"username": "me", "password": "swordfish99"}})}
    with Plugin(SCRIPT, env={"SECRET_OF_THE_PLUGIN": "hunter2hunter2"}) as plugin:
        assert ask(plugin, folder / "in", headers=headers, filter=".").status == 200
        answer = ask(plugin, folder / "in", headers=headers, filter=".a.b")
        assert (answer.status, "swordfish" in answer.text) == (400, False)
        identity = plugin.json("POST", "/identity", {"type": {"type": "JQTransformer/v1", "filter": "."}})
        assert identity == {"identity": {"type": "JQTransformer/v1"}}
    assert not [line for line in plugin.stderr if "swordfish" in line or "hunter2hunter2" in line]
