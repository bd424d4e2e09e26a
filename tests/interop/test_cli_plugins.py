"""Plugins as the user of the `ocm` CLI meets them: how they get there, what is said when one fails, what is left behind."""
import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from cli import VERSION, Cli
from harness import OCMLUA, until
from plugins import DIGEST, INPUT, REPOSITORY, RESOURCE


@pytest.fixture
def cli():
    with Cli() as home:
        yield home


def texts(text="text\n"):
    return {"name": "acme.org/texts", "resources": [{"name": "text", "input": {"type": "Text/v1", "text": text}}]}


# ---- how a plugin gets there ----

def test_plugin_is_installed_from_a_component_version_and_then_works(cli):
    script = cli.plugin("texts", INPUT.replace("record.plugin", "ocm.plugin").replace("return", "record = nil return", 1), folder=cli.path / "source")
    script.write_text(script.read_text().replace(', require "record"', "", 1))  # it travels as one file
    cli.add({"name": "acme.org/plugins/texts",
             "resources": [{"name": "texts", "type": "ocmPlugin", "extraIdentity": {"os": "linux", "architecture": "amd64"},
                            "input": {"type": "file/v1", "path": str(script), "mediaType": "application/x-lua"}}]},
            flags=("--working-directory", cli.path))
    arguments = ("--extra-identity", "os=linux,architecture=amd64", "-f", "json")
    got = cli.ok("download", "plugin", f"ctf//acme.org/plugins/texts:{VERSION}", "--output", cli.plugins, *arguments)
    assert json.loads(got.stdout)["location"] == str(cli.plugins / "texts")
    cli.add(texts())
    assert cli.download("acme.org/texts", "text").read_text() == "text\n"


def test_file_that_is_no_plugin_is_not_installed(cli):
    (cli.path / "broken").write_text('#!/usr/bin/env ocmlua\nreturn require "ocm".plugin { inputRepositry = {} }\n')
    cli.add({"name": "acme.org/plugins/broken",
             "resources": [{"name": "broken", "type": "ocmPlugin", "extraIdentity": {"os": "linux", "architecture": "amd64"},
                            "input": {"type": "file/v1", "path": "broken", "mediaType": "application/x-lua"}}]})
    message = cli.fails("download", "plugin", f"ctf//acme.org/plugins/broken:{VERSION}", "--output", cli.plugins,
                        "--extra-identity", "os=linux,architecture=amd64")
    assert "downloaded binary is not a valid plugin" in message
    assert list(cli.plugins.iterdir()) == []


def link_script(cli):
    script = cli.plugin("texts", INPUT, folder=cli.path / "elsewhere")
    (cli.plugins / "texts").symlink_to(script)


def link_binary(cli):
    (cli.plugins / "texts").symlink_to(OCMLUA)
    beside_binary(cli)


def copy_binary(cli):
    shutil.copy(OCMLUA, cli.plugins / "texts")
    beside_binary(cli)


def beside_binary(cli):
    script = cli.plugin("script", INPUT)
    script.rename(cli.plugins / "texts.lua")


def folder_inside(cli):
    cli.plugin("texts", INPUT, folder=cli.plugins / "inner")


@pytest.mark.parametrize("install", [link_script, link_binary, copy_binary, folder_inside])
def test_plugin_file_can_be(cli, install):
    install(cli)
    cli.add(texts())
    assert cli.descriptor("acme.org/texts")["resources"][0]["access"]["type"] == "LocalBlob/v1"


# ---- what is said when one fails ----

# a handler's body, and what the user reads
FAILURES = [
    ('ocm.fail("the shelf is empty: %s", "books")', "plugin returned status code 500: additional information: the shelf is empty: books"),
    ('ocm.fail(404, "no such shelf")', "plugin returned status code 404: additional information: no such shelf"),
    ('error("it broke", 0)', "plugin returned status code 500: additional information: it broke"),
    ('local nothing = nil; return nothing.field', "attempt to index a nil value (local 'nothing')"),
    ('return nil, "could not"', "plugin returned status code 500: additional information: could not"),
]


@pytest.mark.parametrize("body, expected", FAILURES, ids=[expected for _, expected in FAILURES])
def test_user_reads_why_a_handler_failed(cli, body, expected):
    cli.plugin("texts", f'''return record.plugin {{ inputRepository = {{
      types = {{ "Text/v1" }}, ProcessResource = function() {body} end }} }}''')
    assert expected in cli.fails("add", "cv", *cli.constructor(texts()))


def test_user_reads_what_an_answer_lacks(cli):
    cli.plugin("texts", '''return record.plugin { inputRepository = {
      types = { "Text/v1" }, ProcessResource = function(request) return { resource = request.resource } end } }''')
    message = cli.fails("add", "cv", *cli.constructor(texts()))
    assert "additional information: inputRepository.ProcessResource: answer.location: expected a Location" in message


def test_user_reads_which_method_is_missing(cli):
    cli.plugin("texts", 'return record.plugin { inputRepository = { types = { "Text/v1" } } }')
    message = cli.fails("add", "cv", *cli.constructor(texts()))
    assert "plugin returned status code 501: additional information: this plugin's inputRepository has no ProcessResource" in message


def add(element):
    def flow(cli):
        return cli.fails("add", "cv", *cli.constructor({"name": "acme.org/a", **element}))
    return flow


def download(cli):
    cli.add({"name": "acme.org/a", "resources": [{"name": "file", "access": {"type": "File/v1"}}]})
    return cli.fails("download", "resource", f"ctf//acme.org/a:{VERSION}", "--identity", "name=file")


# flow: the plugin, the handler that fails, the command
FLOWS = {
    "source": (INPUT, "ProcessSource", add({"sources": [{"name": "text", "input": {"type": "Text/v1", "text": ""}}]})),
    "digest": (DIGEST, "ProcessResourceDigest", add({"resources": [{"name": "file", "access": {"type": "File/v1"}}]})),
    "resource": (RESOURCE, "GetGlobalResource", download),
    "repository": (REPOSITORY, "GetComponentVersion",
                   add({"componentReferences": [{"name": "b-reference", "version": VERSION, "componentName": "acme.org/b"}]})),
}


@pytest.mark.parametrize("flow", FLOWS)
def test_failure_is_told_in_every_flow(cli, flow):
    script, method, command = FLOWS[flow]
    cli.plugin("plugin", f"""
        local plugin = record.plugin
        function record.plugin(declaration)
          local _, capability = next(declaration)
          capability.{method} = function() ocm.fail(409, "not today") end
          return plugin(declaration)
        end {script}""")
    cli.configure({"type": "resolvers.config.ocm.software/v1alpha1",
                   "resolvers": [{"componentNamePattern": "acme.org/b", "repository": {"type": "Folder/v1", "path": "/"}}]})
    assert "status code 409: additional information: not today" in command(cli)


def test_plugin_whose_start_fails_says_so_at_once(cli):
    cli.plugin("texts", '''return record.plugin { inputRepository = { types = { "Text/v1" } },
      start = function() error("no licence", 0) end }''')
    message = cli.fails("add", "cv", *cli.constructor(texts()))
    assert "additional information: the plugin's start failed: no licence" in message  # after 30 s the manager would give up, and say that


def test_wrong_declaration_is_explained_where_capabilities_are_asked_for(cli):
    script = cli.plugin("texts", 'return record.plugin {\n  inputRepositry = { types = { "Text/v1" } },\n}')
    script.write_text(script.read_text().replace("record.plugin", "ocm.plugin"))
    done = cli.run("get", "cv", "ctf//acme.org/any:1.0.0")
    assert done.returncode == 1
    assert f'{script}:3: unknown capability "inputRepositry", did you mean "inputRepository"?' in done.stderr
    assert "failed to start plugin texts" in done.stderr


# ---- while it runs, and after ----

def test_log_of_the_plugin_is_in_the_log_of_the_cli(cli):
    cli.plugin("texts", INPUT.replace("local function blob(input)", '''local function blob(input)
      ocm.log.warn("low on ink", { percent = 5, colour = "blue" })
      print("printed", 1)
      local deadline = os.time() + 60
      while not io.open(os.getenv "RECORD" .. "/read") and os.time() < deadline do ocm.sleep(0.01) end'''))
    command = cli.start("add", "cv", *cli.constructor(texts()))
    log = ""
    for line in command.stderr:
        log += line
        if 'msg="printed' in line:  # it came: the CLI waits for nobody's log when it ends
            (cli.record / "read").touch()
            break
    _, rest = cli.finish(command)
    assert command.returncode == 0, log + rest
    assert 'level=WARN msg="low on ink" colour=blue percent=5' in log
    assert 'level=INFO msg="printed\\t1"' in log


def test_idle_timeout_of_the_user_s_configuration_arrives(cli):
    cli.plugin("texts", INPUT.replace("return record.plugin {", "return record.plugin { start = function() end,"))
    cli.configure({"type": "plugin.config.ocm.software/v2alpha1", "idleTimeout": "90s"})
    cli.add(texts())
    [started] = cli.calls("texts", "start")
    assert started["request"]["idleTimeout"] == 90 * 10**9
    assert started["request"]["id"] == "texts"


def test_two_commands_at_once_use_the_same_plugin(cli):
    cli.plugin("texts", INPUT.replace("local deadline = os.time() + 60", '''
      local deadline = os.time() + 60
      local mine <close> = assert(io.open(os.getenv "RECORD" .. "/" .. input.text, "w"))
      local other = os.getenv "RECORD" .. "/" .. (input.text == "one" and "two" or "one")
      while not io.open(other) and os.time() < deadline do ocm.sleep(0.01) end'''))
    commands = []
    for text in "one", "two":
        repository, constructor = f"ctf-{text}", f"{text}.yaml"
        cli.constructor(texts(text))
        (cli.path / "constructor.yaml").rename(cli.path / constructor)
        commands.append(cli.start("add", "cv", "--repository", repository, "--constructor", constructor))
    for command in commands:
        _, stderr = cli.finish(command)
        assert command.returncode == 0, stderr
    assert sorted(call["request"]["resource"]["input"]["text"] for call in cli.calls("texts", "ProcessResource")) == ["one", "two"]


def test_cli_that_cannot_use_sockets_talks_over_tcp(cli):
    cli.plugin("texts", INPUT.replace("local function blob(input)", '''local function blob(input)
      assert(io.open(os.getenv "RECORD" .. "/file", "w")):write(ocm.tempfile():path()):close()'''))
    long = cli.tmp / ("long-" * 24)
    long.mkdir()
    done = cli.run("add", "cv", *cli.constructor(texts()), env={"TMPDIR": str(long)})
    assert done.returncode == 0, done.stderr
    assert "line=http://127.0.0.1:" in done.stderr
    directory = Path((cli.record / "file").read_text()).parent  # not in there: a socket would have no place
    until(lambda: not directory.exists())


def test_ctrl_c_ends_the_command_and_its_plugin(cli):
    cli.plugin("texts", INPUT)
    command = cli.start("add", "cv", *cli.constructor({"name": "acme.org/a", "resources": [
        {"name": "text", "input": {"type": "Text/v1", "text": "", "meet": 2}}]}))
    try:
        until(lambda: cli.calls("texts", "ProcessResource"))
    finally:
        os.killpg(command.pid, signal.SIGINT)
        cli.finish(command)
    assert command.returncode != 0
    cli.settle()
