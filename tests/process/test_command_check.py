"""`ocmlua check`: plugins that are broken in one way each, and what is said of it."""
import json
import os
import shutil
import stat

import pytest
from harness import OCMLUA, run
from terminal import Terminal

SHEBANG = "#!/usr/bin/env ocmlua\n"
GOOD = SHEBANG + '''local ocm = require "ocm"

return ocm.plugin {
  inputRepository = {
    types = { ["T/v1"] = { schema = ocm.schema { text = "string" }, example = { text = "hello" } } },
    ProcessResource = function(request) return { resource = request.resource, location = ocm.tempfile() } end,
    ProcessSource = function(request) return { source = request.source, location = ocm.tempfile() } end,
  },
}
'''


@pytest.fixture
def env(folder):
    """With `ocmlua` in PATH."""
    (folder / "bin").mkdir()
    (folder / "bin" / "ocmlua").symlink_to(OCMLUA)
    return {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}


def write(folder, text, name="it", mode=0o755):
    file = folder / name
    file.write_text(text)
    file.chmod(mode)
    return file


def declaring(capability, types="T/v1", more=""):
    """A plugin's text with one type and every method."""
    methods = {"inputRepository": ["ProcessResource", "ProcessSource"], "digestProcessorRepository": ["ProcessResourceDigest"],
               "signingHandler": ["GetSignerIdentity", "Sign", "GetVerifierIdentity", "Verify"], "blobTransformer": ["TransformBlob"]}[capability]
    handlers = " ".join(f"{name} = function() end," for name in methods)
    return f'{capability} = {{ types = {{ ["{types}"] = {{ {more} }} }}, {handlers} }},'


def script(*declared):
    return SHEBANG + 'local ocm = require "ocm"\nreturn ocm.plugin {\n' + "\n".join(declared) + "\n}\n"


def check(folder, env, text=None, name="it", mode=0o755, status=None):
    """The report, and its problems and warnings as texts."""
    if text is not None:
        write(folder, text, name, mode)
    done = run("check", folder / name, "--json", env=env)
    report = json.loads(done.stdout)
    assert done.returncode == (0 if report["ok"] else 1) and report["ok"] == (report["problems"] == 0)
    assert status is None or done.returncode == status, report["findings"]
    by_level = {level: [finding for finding in report["findings"] if finding["level"] == level] for level in ("problem", "warning", "ok", "note")}
    assert (len(by_level["problem"]), len(by_level["warning"])) == (report["problems"], report["warnings"])
    return report, by_level["problem"], by_level["warning"]


def one(findings):
    assert len(findings) == 1, findings
    return findings[0]


# ---- what is fine ----

def test_good_plugin_has_no_findings(folder, env):
    report, problems, warnings = check(folder, env, GOOD, status=0)
    assert (problems, warnings) == ([], [])
    assert report["endpoints"] == [
        {"capability": "inputRepository", "method": "ProcessResource", "http": "POST", "path": "/resource/process", "state": "handler"},
        {"capability": "inputRepository", "method": "ProcessSource", "http": "POST", "path": "/source/process", "state": "handler"},
        {"capability": "inputRepository", "method": "GetIdentity", "http": "POST", "path": "/identity", "state": "default"},
    ]
    assert report["capabilities"] == json.loads(run(folder / "it", "capabilities").stdout)
    assert report["milliseconds"] > 0


def test_text_is_for_people_and_has_no_colours_in_a_pipe(folder, env):
    write(folder, GOOD)
    done = run("check", "it", cwd=folder, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    for line in ("File", "Declaration", "Schemas", "Handlers", "With the ocm CLI", "Start", "Endpoints", "it: nothing is wrong"):
        assert f"{line}\n" in done.stdout
    assert "\033" not in done.stdout and "✗" not in done.stdout
    write(folder, GOOD.replace("ProcessSource", "ProcessSorce"))
    done = run("check", "it", cwd=folder, env=env)
    assert done.returncode == 1 and done.stderr == ""
    assert '  ✗ it:8: inputRepository: unknown method "ProcessSorce", did you mean "ProcessSource"?\n' in done.stdout
    assert "it: 2 problems, 1 warning\n" in done.stdout


def test_program_beside_its_script_is_checked(folder, env):
    shutil.copy2(OCMLUA, folder / "it")
    write(folder, GOOD, "it.lua", 0o644)
    for name in ("it", "it.lua"):
        report, problems, warnings = check(folder, env, name=name, status=0)
        assert (problems, warnings) == ([], []) and report["plugin"] == str(folder / "it")


@pytest.mark.parametrize("noise", ['print "noise"', 'io.write "noise\\n"', 'io.stdout:write "noise\\n"', 'os.execute "echo noise"',
                                   'io.popen("cat", "w"):write("noise"):close()'])
def test_what_a_script_writes_is_not_in_the_document(folder, env, noise):
    _, problems, warnings = check(folder, env, GOOD.replace("return ocm", noise + "\nreturn ocm"))
    assert problems == [] and "noise" in one(warnings)["text"] # it goes to stderr in the plugin


def test_file_that_is_not_there_is_named(folder):
    for path, message in ((folder / "nosuch", "nosuch"), (folder, "is a directory")):
        done = run("check", path)
        assert (done.returncode, done.stdout) == (1, "") and message in done.stderr


# ---- the file ----

@pytest.mark.parametrize("text, name, mode, message", [
    (GOOD, "it.plugin", 0o755, 'rename it to "it"'),
    (GOOD, "it", 0o644, "it may not be run: chmod +x "),
    (GOOD.replace(SHEBANG, ""), "it", 0o755, 'expected "#!/usr/bin/env ocmlua"'),
    (GOOD.replace("ocmlua", "lua", 1), "it", 0o755, '"#!/usr/bin/env lua" does not run ocmlua'),
    (GOOD.replace("/usr/bin/env ocmlua", "/nonexistent/ocmlua", 1), "it", 0o755, "there is no program /nonexistent/ocmlua"),
    (GOOD.replace("ocmlua\n", "ocmlua\r\n", 1), "it", 0o755, "the line ends with a carriage return"),
])
def test_file_that_the_manager_cannot_start(folder, env, text, name, mode, message):
    report, problems, _ = check(folder, env, text, name, mode, status=1)
    assert message in one(problems)["text"] and problems[0]["group"] == "File"
    assert report["capabilities"]["capabilities"][0]["type"] == "inputRepository" # the rest is looked at all the same


def test_ocmlua_that_is_not_in_the_path(folder):
    write(folder, GOOD)
    done = run("check", folder / "it", "--json", env={"PATH": "/nonexistent"})
    problem = one([finding for finding in json.loads(done.stdout)["findings"] if finding["level"] == "problem"])
    assert "ocmlua is not in the PATH" in problem["text"] and problem["line"] == 1


# ---- the declaration ----

def test_declaration_problems_are_told_at_once_with_their_lines(folder, env):
    text = script('inputRepositry = {},', 'digestProcessorRepository = { types = {}, ProcessResourceDigest = 7 },', 'limits = { memry = 1 },')
    _, problems, _ = check(folder, env, text, status=1)
    declared = {(problem.get("line"), problem.get("key")): problem["text"] for problem in problems if problem["group"] == "Declaration"}
    assert 'did you mean "inputRepository"?' in declared[4, "inputRepositry"]
    assert "expected at least one type" in declared[5, "digestProcessorRepository.types"]
    assert "expected a function" in declared[5, "digestProcessorRepository.ProcessResourceDigest"]
    assert 'did you mean "memory"?' in declared[6, "limits.memry"]
    start = one([problem for problem in problems if problem["group"] == "Start"])
    assert "every ocm command fails" in start["text"] and "memry" not in start["text"] # said once


@pytest.mark.parametrize("text, message", [
    ("return {", "unexpected symbol"),
    ('error "no luck"', "no luck"),
    ("return 7", "it returned a number instead of its declaration"),
    ("os.exit(0)", "the script calls os.exit"),
    ('require "nosuch"', "module 'nosuch' not found"),
])
def test_script_that_declares_nothing(folder, env, text, message):
    _, problems, _ = check(folder, env, SHEBANG + text, status=1)
    assert any(message in problem["text"] for problem in problems if problem["group"] == "Declaration")
    assert one([problem for problem in problems if problem["group"] == "Start"])


# ---- schemas ----

@pytest.mark.parametrize("more, message", [
    ("schema = { type = 'strng' }", "the schema's /type: unknown type \"strng\", did you mean \"string\"?"),
    ("schema = { properties = { a = { minLength = -1 } } }", "the schema's /properties/a/minLength: expected an integer, at least 0"),
    ("schema = { ['$ref'] = '#/$defs/a' }", "the schema's /$ref: \"#/$defs/a\" leads nowhere"),
    ("schema = { properties = { a = { pattern = 'a(?=b)' } } }", "looks ahead or behind"),
    ("schema = ocm.schema { a = 'string' }, example = {}", 'the example does not fit its schema: "a" is missing'),
    ("schema = ocm.schema { text = 'string' }, example = { text = '', txt = '' }", 'the example does not fit its schema: unknown member "txt", did you mean "text"?'),
    ("schema = ocm.schema { a = 'string' }, example = { a = 1 }", "the example does not fit its schema: /a: expected a string, got an integer"),
    ("schema = { type = 'object', examples = { { type = 'T/v1' }, 7 } }", "the schema's /examples/1 does not fit its schema: expected an object, got an integer"),
    ("schema = { type = 'object', properties = { a = { type = 'string', default = 7 } } }", "the schema's /properties/a/default does not fit its schema"),
    ("schema = { type = 'object' }, example = 7", "inputRepository.types.T/v1.example: expected a spec, as a table, got number"),
])
def test_schema_or_example_that_is_wrong(folder, env, more, message):
    _, problems, _ = check(folder, env, script(declaring("inputRepository", more=more)), status=1)
    problem = next(problem for problem in problems if problem["group"] in ("Schemas", "Declaration"))
    assert message in problem["text"]
    assert problem["line"] == 4 and problem["key"].startswith("inputRepository.types.T/v1")


def test_examples_that_fit_and_aliases_are_told_once(folder, env):
    more = "aliases = { 'T' }, schema = { type = 'object', required = { 'a' }, properties = { a = { ['$ref'] = '#/$defs/s' } }, ['$defs'] = { s = { type = 'string', default = 'x' } } }, example = { a = 'b' }"
    _, problems, warnings = check(folder, env, script(declaring("inputRepository", more=more)), status=0)
    assert (problems, warnings) == ([], [])
    _, problems, _ = check(folder, env, script(declaring("inputRepository", more="aliases = { 'T' }, schema = { type = 'strng' }")), status=1)
    assert one(problems)


def test_misspelt_keyword_of_a_schema_is_a_warning(folder, env):
    _, problems, warnings = check(folder, env, script(declaring("inputRepository", more="schema = { requierd = { 'a' } }")), status=0)
    assert problems == [] and 'did you mean "required"?' in one(warnings)["text"]


# ---- handlers ----

def test_missing_handlers_are_a_warning_and_all_of_them_a_problem(folder, env):
    text = script('inputRepository = { types = { "T/v1" }, ProcessResource = function() end },')
    report, problems, warnings = check(folder, env, text, status=0)
    assert problems == [] and "inputRepository has no ProcessSource: a call is answered with 501" in one(warnings)["text"]
    assert [endpoint["state"] for endpoint in report["endpoints"]] == ["handler", "501", "default"]
    _, problems, _ = check(folder, env, script('inputRepository = { types = { "T/v1" } },'), status=1)
    assert "ProcessResource, ProcessSource" in one(problems)["text"]


def test_credential_repository_that_the_manager_never_finds(folder, env):
    text = script('credentialRepository = { types = { "T/v1" }, Resolve = function() end, ConsumerIdentityForConfig = function() end },')
    _, problems, _ = check(folder, env, text, status=1)
    assert "has no identityTypes" in one(problems)["text"]


# ---- among others ----

@pytest.mark.parametrize("capability, name", [
    ("inputRepository", "file/v1"), ("digestProcessorRepository", "OCIImage"), ("signingHandler", "RSASigningConfiguration"),
])
def test_type_that_the_cli_has_itself(folder, env, capability, name):
    _, problems, _ = check(folder, env, script(declaring(capability, name)), status=1)
    assert f'the CLI has the type "{name}" itself' in one(problems)["text"]
    assert (problems[0]["line"], problems[0]["key"]) == (4, f"{capability}.types.{name}")
    _, problems, _ = check(folder, env, script(declaring("blobTransformer", name)), status=0) # there is none of that kind


def test_capabilities_that_one_command_starts_both(folder, env):
    _, problems, warnings = check(folder, env, script(declaring("inputRepository"), declaring("digestProcessorRepository")), status=0)
    assert problems == [] and "'ocm add cv' may need inputRepository and digestProcessorRepository" in one(warnings)["text"]
    _, _, warnings = check(folder, env, script(declaring("inputRepository"), declaring("signingHandler")), status=0)
    assert warnings == []


def test_neighbour_with_the_same_type(folder, env):
    write(folder, script(declaring("inputRepository", "T/v1")), "other")
    write(folder, script(declaring("blobTransformer", "U/v1")), "another")
    _, problems, _ = check(folder, env, script(declaring("inputRepository", "T/v1"), declaring("blobTransformer", "T/v1")), status=1)
    assert f'{folder}/other declares the inputRepository type "T/v1", too' in one(problems)["text"]


def test_neighbours_that_are_no_plugins_of_ours_are_not_run(folder, env):
    write(folder, f"#!/bin/sh\ntouch {folder}/ran\n", "tool")
    write(folder, "all:\n", "Makefile", 0o644)
    write(folder, SHEBANG + "return {", "broken")
    write(folder, SHEBANG + "return {", "ignored.lua")
    _, problems, warnings = check(folder, env, GOOD, status=0)
    texts = sorted(warning["text"] for warning in warnings)
    assert problems == [] and len(texts) == 2
    assert "broken beside it is a plugin that does not start: it ends with status 1" in texts[0]
    assert texts[1].endswith("Makefile, tool")
    assert not (folder / "ran").exists()


# ---- the start ----

def test_noise_on_stderr_is_a_warning(folder, env):
    _, problems, warnings = check(folder, env, GOOD.replace("return ocm", 'io.stderr:write("deprecated\\n")\nreturn ocm'), status=0)
    assert problems == [] and "deprecated" in one(warnings)["text"]


def test_start_that_fails_only_as_a_process_shows_what_it_said(folder, env):
    marker = folder / "marker" # the process is the first of the two to run the script
    text = GOOD.replace("return ocm", f'local file = io.open("{marker}") if not file then io.open("{marker}", "w"):close() error "only the first time" end\nreturn ocm')
    _, problems, _ = check(folder, env, text, status=1)
    assert "it ends with status 1" in one(problems)["text"] and "only the first time" in problems[0]["text"]


def test_plugin_of_another_kind_is_judged_by_what_it_prints(folder, env):
    """A program without a script of ours: a bundle, or another SDK's."""
    shutil.copy2("/bin/true", folder / "it")
    _, problems, _ = check(folder, env, status=1)
    assert "stdout is not exactly one JSON document" in one(problems)["text"]


def test_it_leaves_nothing_behind(folder, env):
    write(folder, GOOD)
    before = sorted(os.listdir(folder))
    check(folder, env)
    assert sorted(os.listdir(folder)) == before
    assert stat.S_IMODE((folder / "it").stat().st_mode) == 0o755


def test_at_a_terminal_there_are_colours_and_with_no_color_none(folder, env):
    write(folder, GOOD)
    for no_color in ("", "1"):
        with Terminal(OCMLUA, "check", "it", cwd=folder, env={**env, "NO_COLOR": no_color}) as terminal:
            status, text = terminal.ends()
        assert status == 0
        assert ("\033[32m✓\033[0m" in text) == (no_color == "")
