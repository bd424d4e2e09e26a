"""jq-transformer: what it makes of blobs and filters, against jq and yq themselves, over the socket and through the plugin manager."""
import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from harness import Plugin, until

SCRIPT = Path(__file__).resolve().parent / "jq-transformer"
SANITIZED = any(name in os.environ.get("OCMLUA", "") for name in ("asan", "tsan"))

if not shutil.which("jq"):
    pytest.skip("jq is not installed", allow_module_level=True)


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
    return {path for run in plugin.tmp.iterdir() for path in run.glob("file-*") if path.stat().st_size > 0}


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
  base: &base {image: "nginx", ports: [80, 0x1F, 0o17]}
  copy: *base
  merged: {<<: *base, image: other}
strings: [plain text, 'single ''quoted''', "double\\n\\u00fc", '123', "true", !!str 5, 2001-01-01, 1.2.3, ~x, -x, 12:30:45]
others: [1, -5, +7, .5, 1.5e3, true, False, null, ~, ]
empty: {map: {}, list: [], string: "", nothing: }
literal: |
  two
  lines
folded: >-
  one
  line
? complex key
: 1
2: number
zürich: 😀
"""


def from_yaml(text):
    """What yq makes of it, where YAML 1.1 and 1.2 agree."""
    return [json.loads(line) for line in tool("yq", "-c", ".", text=text).split("\n") if line]


@pytest.mark.skipif(not shutil.which("yq"), reason="yq is not installed")
def test_yaml_is_what_yq_reads_in_it(plugin, folder):
    agreed = YAML.replace(", 0o17", "").replace(", 12:30:45", "").replace("2: number", "'2': number").replace("1.5e3", "1.5e+3")
    text, media_type = transform(plugin, folder, agreed, input="yaml", output="json", filter=".")
    assert media_type == "application/json"
    assert [json.loads(text)] == from_yaml(agreed)


def test_yaml_has_the_types_of_1_2_and_keeps_its_order(plugin, folder):
    text, _ = transform(plugin, folder, YAML, input="yaml", output="json", filter=".", compact=True)
    assert text == (
        '{"anchors":{"base":{"image":"nginx","ports":[80,31,15]},"copy":{"image":"nginx","ports":[80,31,15]},"merged":{"image":"other","ports":[80,31,15]}},'
        '"strings":["plain text","single \'quoted\'","double\\nü","123","true","5","2001-01-01","1.2.3","~x","-x","12:30:45"],'
        '"others":[1,-5,7,0.5,1500,true,false,null,null],"empty":{"map":{},"list":[],"string":"","nothing":null},'
        '"literal":"two\\nlines\\n","folded":"one line","complex key":1,"2":"number","zürich":"😀"}\n')
    text, _ = transform(plugin, folder, "[yes, NO, on, Off, y, 1_000, 0b1, '0644', 0x, 1e, ., +, -.5, 1., 00.5]", input="yaml", output="json", filter=".", compact=True)
    assert text == '["yes","NO","on","Off","y","1_000","0b1","0644","0x","1e",".","+",-0.5,1,0.5]\n'


HARD = ["", " ", "a b ", " a", "yes", "No", "y", "null", "~", "true", "1", "1.5", "1e3", "0x1F", "0o7", "0644", "1_000", "12:30:45", "2001-01-01", ".inf", "=", "<<", "-", "- a",
        "a: b", "a:", "# a", "a #b", "a\nb", "a\nb\n", "a\nb\n\n", "\n", " \n a", "a \nb", "\ta", "a\tb\n c", "'", '"', "\\", "{a}", "[a", "*a", "&a", "!a", "%a", "@a", "`a", "|", ">", ", a",
        "? a", "---", "...", "--- a", "...\na", "ü", "😀", "\x01", "\x7f", "\x85", "\u2028", "\ufeff", "x" * 2000, "x y " * 500, "a\r\nb", "\r", "é\n😀"]


@pytest.mark.parametrize("reader", ["itself", "yq"])
def test_json_survives_being_yaml(plugin, folder, reader):
    value = {"strings": HARD, "numbers": [0, -1, 1.5, 1e300, -1e-7, 123456789012], "empty": [{}, [], [[]], {"": {}}], "deep": [[{"a": [1, {"b": None}]}]],
             "flags": [True, False, None], "keys": {text: 1 for text in HARD}}
    if reader == "yq":
        if not shutil.which("yq"):
            pytest.skip("yq is not installed")
        value["keys"] = {text: 1 for text in HARD if len(text) < 1000}
    text, media_type = transform(plugin, folder, json.dumps(value), output="yaml", filter=".")
    assert media_type == "application/yaml"
    if reader == "yq":
        assert from_yaml(text) == [value]
        return
    back, _ = transform(plugin, folder, text, media_type=media_type, output="json", filter=".")
    assert json.loads(back) == value


def test_streams_of_documents(plugin, folder):
    text, media_type = transform(plugin, folder, "a: 1\n---\nb: 2\n---\n- 3\n", media_type="application/yaml", filter=".")
    assert (text, media_type) == ("a: 1\n---\nb: 2\n---\n- 3\n", "application/yaml")
    assert transform(plugin, folder, text, input="yaml", output="json", filter=".", slurp=True, compact=True)[0] == '[{"a":1},{"b":2},[3]]\n'
    assert transform(plugin, folder, "", input="yaml", filter=".") == ("", "application/yaml")
    assert transform(plugin, folder, "a: 1\n---\nb: 2\n", input="yaml", filter="empty") == ("", "application/yaml")


def test_default_formats(plugin, folder):
    for media_type in "application/yaml", "text/x-yaml", "application/vnd.acme+yaml":
        assert transform(plugin, folder, "a: 1", media_type=media_type, filter=".a")[1] == "application/yaml"
    assert transform(plugin, folder, "a: 1", media_type="application/yaml", filter=".a", raw=True) == ("1\n", "text/plain")
    assert transform(plugin, folder, '{"a": 1}', media_type="text/x-yaml", input="json", filter=".a") == ("1\n", "application/json")
    assert refused(plugin, folder, "{}", filter=".", raw=True, output="yaml") == "raw: strings as they are make no YAML; leave output out"


@pytest.mark.parametrize("text, message", [
    ("a: [", "line 2, column 1: did not find expected node content"),
    ("a: b: c", "line 1, column 5: mapping values are not allowed in this context"),
    ("a: 1\nb: 2\na: 3", 'line 3: the key "a" is there twice'),
    ("mode: 0644", "line 1: 0644 is octal in YAML 1.1 and decimal in YAML 1.2: quote it, or write it with 0o or without the zeros"),
    ("a:\n- .NaN", "line 2: .NaN has no place in JSON: quote it"),
    ("a: !Ref b", "line 1: the tag !Ref says nothing in JSON"),
    ("a: !!python/object/apply:os.system [id]", "line 1: the tag tag:yaml.org,2002:python/object/apply:os.system says nothing in JSON"),
    ("a: !!int x", 'line 1: "x" is not of the type that its tag says: tag:yaml.org,2002:int'),
    ("? [a]\n: b", "line 1: a key that is no scalar has no place in JSON"),
    ("a: *b", "line 1: the alias *b stands for nothing before it"),
    ("&a [*a]", "line 1: the alias *a stands for nothing before it"),
    ("a: &a 1\n---\nb: *a", "line 3: the alias *a stands for nothing before it"),
    ("a: {<<: 1}", "line 1: behind << there is no mapping"),
    ("a: 0x1234567890abcdef1", "line 1: 0x1234567890abcdef1 is too large a number: quote it"),
    ("[" * 300 + "]" * 300, "line 1: it is more than 256 deep"),
    (b"a: \xff", "invalid leading UTF-8 octet"),
])
def test_yaml_that_has_no_place_in_json_is_said(plugin, folder, text, message):
    assert refused(plugin, folder, text, input="yaml", filter=".") == message


def test_a_billion_laughs_are_not_laughed(plugin, folder):
    lines = ["a0: &a0 [lol]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert refused(plugin, folder, "\n".join(lines), input="yaml", filter=".") == "line 8: its aliases make more than 16777216 bytes of it"
    assert "more than 16,777,216 bytes" in refused(plugin, folder, "- " + "x" * (17 << 20), input="yaml", filter=".")


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


def test_endless_filters_are_ended(plugin, folder):
    assert refused(plugin, folder, "1", filter="def f: f; f", timeout=0.3) == "jq: timed out after 0.3 s"
    assert refused(plugin, folder, "1", filter="repeat(1)", maxBytes=100_000) == "the result is more than 100,000 bytes"
    assert "16,777,216 bytes" in refused(plugin, folder, '"' + "x" * 1000 + '"', filter="repeat(.)", output="yaml")
    assert "cannot allocate memory" in refused(plugin, folder, "1", filter="[range(1e9)]", maxMemory=100 << 20)
    assert children(plugin.pid) == []


def test_filters_see_nothing_of_the_machine(plugin, folder):
    for name in "module.jq", "module.json":
        (folder / name).write_text('{"secret": "hunter2"}' if name.endswith("json") else 'def secret: "hunter2";')
    assert json.loads(transform(plugin, folder, "null", filter="[env, $ENV, get_search_list, input_filename]")[0])[:2] == [{"HOME": "/nonexistent"}] * 2
    for filter in (f'import "module" as $m {{search: "{folder}"}}; $m', f'import "module" as m {{search: "{folder}"}}; m::secret', f'include "module" {{search: "{folder}"}}; secret',
                   f'# a comment\ninclude "module" {{search: "{folder}"}}; secret', f'module {{}}; include "module" {{search: "{folder}"}}; secret'):
        assert "syntax error" in refused(plugin, folder, "null", filter=filter)
    for name in "module", f"{folder}/module", f"../{folder}/module":
        assert "hunter2" not in refused(plugin, folder, "null", filter=f'"{name}" | modulemeta')
    for filter in "-f", "--version", "-n", "--args":
        text = ask(plugin, folder / "in", filter=filter).text
        assert "exit status 3" in text, text
    assert refused(plugin, folder, "null", filter="\0") == "ocm.command: argument 3: it holds a NUL byte"


def test_without_jq_it_says_so(folder):
    with Plugin(SCRIPT, env={"PATH": str(folder)}) as bare:
        assert refused(bare, folder, "1", filter=".") == f"jq: No such file or directory in PATH ({folder})"


def test_without_lua_yaml_it_says_so_and_json_works(folder):
    with Plugin(SCRIPT, env={"LUA_CPATH": "/nonexistent/?.so"}) as bare:
        assert refused(bare, folder, "a: 1", input="yaml", filter=".") == "YAML needs libyaml's Lua module (Debian: lua-yaml), and it is not there"
        assert transform(bare, folder, "1", filter=".") == ("1\n", "application/json")


# ---- ends in the middle ----

def children(pid):
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError, IndexError):
            if process.name.isdigit() and (process / "stat").read_text().rsplit(")", 1)[1].split()[1] == str(pid):
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
    [killed] = until(lambda: [pid for pid in children(manager.process.pid) if children(pid)])
    [jq] = children(killed)
    try:
        os.kill(killed, signal.SIGKILL)
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
    answer = manager.call("blobTransformer", "TransformBlob", **arguments(filter=".", output="yaml"))["blob"]
    assert (answer["content"], answer["mediaType"]) == ("name: web\n", "application/yaml")
    error = lambda **spec: manager.error("blobTransformer", "TransformBlob", **arguments(**spec))
    assert "missing property 'filter'" in error()
    assert "value must be one of 'json', 'yaml'" in error(filter=".", output="xml")
    assert "'a-b' does not match pattern" in error(filter=".", arguments={"a-b": "1"})
    assert "got number, want string" in error(filter=".", arguments={"a": 1})
    assert "jq: exit status 3: jq: error: syntax error, unexpected $end at line 1 of the filter" in error(filter=".[")


def test_credentials_are_ignored_and_told_to_nobody(plugin, folder):
    (folder / "in").write_text("1")
    headers = {"Authorization": json.dumps({"type": "DirectCredentials/v1", "properties": {"username": "me", "password": "swordfish99"}})}
    assert ask(plugin, folder / "in", headers=headers, filter=".").status == 200
    answer = ask(plugin, folder / "in", headers=headers, filter=".a.b")
    assert (answer.status, "swordfish" in answer.text) == (400, False)
    assert not [line for line in plugin.stderr if "swordfish" in line or "hunter2hunter2" in line]
    identity = plugin.json("POST", "/identity", {"type": {"type": "JQTransformer/v1", "filter": "."}})
    assert identity == {"identity": {"type": "JQTransformer/v1"}}
