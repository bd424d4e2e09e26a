"""The command line: the ways to start a plugin, and what is said when an argument is wrong."""
import json
import os
import re
import shutil
import subprocess

import pytest
from harness import OCMLUA, ROOT, Plugin, capabilities, run, script_file

SCRIPT = 'return ocm.plugin { inputRepository = { types = { "T/v1" } } }'
FILE = 'local ocm = require "ocm"\n' + SCRIPT
GOOD = {"id": "a", "type": "unix"}


def types_of(done):
    """The input types that `capabilities` printed; it has to have succeeded."""
    assert (done.returncode, done.stderr) == (0, "")
    return [entry["type"] for entry in json.loads(done.stdout)["capabilities"][0]["supportedInputTypes"]]


def refused(done):
    """The one line that a start ended with, after which nothing runs and nothing is on stdout."""
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("\n") and done.stderr.count("\n") == 1
    return done.stderr.rstrip("\n")


# ---- the program itself ----

@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_says_what_it_is_and_how_to_use_it(arguments):
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    for text in ("Open Component Model", "PLUGIN capabilities", "--config JSON", "--version", "#!/usr/bin/env ocmlua"):
        assert text in done.stdout


def test_version_is_the_projects():
    project = re.search(r"project\(ocmlua VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())
    done = run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"ocmlua {project[1]}\n", "")


# ---- capabilities ----

def test_capabilities_prints_one_json_document_and_a_newline():
    done = capabilities(SCRIPT)
    assert types_of(done) == ["T/v1"]
    assert done.stdout.count("\n") == 1 and done.stdout.endswith("}\n")


@pytest.mark.parametrize("noise", [
    'print "noise"', 'io.write "noise"', 'io.stdout:write("noise\\n")', 'io.stdout:write(("noise "):rep(100000), "\\n")',
    'io.stdout:setvbuf "full" io.write "noise"', 'io.stdout:close() print "noise"', 'os.execute "echo noise"',
    'io.popen("cat >&2", "w"):write("noise"):close()', 'io.popen("cat", "w"):write("noise"):close()', 'ocm.log.info "noise"',
])
def test_capabilities_prints_nothing_more_whatever_the_script_prints(noise):
    done = capabilities(noise + " " + SCRIPT)
    assert done.returncode == 0
    assert done.stdout == capabilities(SCRIPT).stdout


def test_capabilities_that_cannot_be_written_are_an_error(folder):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([OCMLUA, script_file(folder, SCRIPT), "capabilities"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "ocmlua: writing to stdout: No space left on device\n")


def test_capabilities_needs_no_writable_tmpdir_and_no_environment():
    done = capabilities(SCRIPT, env={"TMPDIR": "/nonexistent", "HOME": None, "PATH": None})
    assert types_of(done) == ["T/v1"]


# ---- ways to start ----

@pytest.mark.parametrize("joined", [False, True])
def test_serves_with_config_as_one_argument_or_two(joined):
    with Plugin(SCRIPT, joined=joined) as plugin:
        assert plugin.request("GET", "/healthz").status == 200


def test_unknown_members_of_config_are_ignored():
    more = {"pluginType": "x", "future": {"a": [1, {"id": 7}]}, "configTypes": None, "idleTimeout": None, "location": None}
    with Plugin(SCRIPT, config=more) as plugin:
        assert plugin.request("GET", "/healthz").status == 200


def executable(file, text):
    file.write_text(text)
    file.chmod(0o755)
    return file


def test_shebang_line_finds_ocmlua_through_the_path(folder):
    plugin = executable(folder / "shebang", "#!/usr/bin/env ocmlua\n" + FILE)
    (folder / "bin").mkdir()
    (folder / "bin" / "ocmlua").symlink_to(OCMLUA)
    env = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    assert types_of(run("capabilities", program=plugin, env=env)) == ["T/v1"]
    with Plugin(None, command=[plugin], env=env) as running:
        assert running.request("GET", "/healthz").status == 200


@pytest.mark.parametrize("how", [shutil.copy2, os.symlink, os.link], ids=["copy", "symlink", "hard link"])
def test_binary_under_another_name_runs_the_script_beside_it(folder, how):
    (folder / "myplugin.lua").write_text(FILE)
    try:
        how(OCMLUA, folder / "myplugin")
    except OSError as error:
        pytest.skip(f"not possible here: {error}")
    assert types_of(run("capabilities", program=folder / "myplugin")) == ["T/v1"]
    assert types_of(run("capabilities", program="./myplugin", cwd=folder)) == ["T/v1"]
    assert types_of(run("capabilities", program="myplugin", cwd="/", env={"PATH": f"/nonexistent:{folder}"})) == ["T/v1"]
    with Plugin(None, command=[folder / "myplugin"]) as plugin:
        assert plugin.request("GET", "/healthz").status == 200


def test_binary_under_another_name_takes_no_script_as_argument(folder):
    (folder / "myplugin.lua").write_text(FILE)
    (folder / "myplugin").symlink_to(OCMLUA)
    assert 'unknown argument "other.lua"' in refused(run("other.lua", "capabilities", program=folder / "myplugin"))


def test_binary_under_another_name_without_its_script_says_which_is_missing(folder):
    (folder / "myplugin").symlink_to(OCMLUA)
    message = refused(run("capabilities", program=folder / "myplugin"))
    assert f"there is no script {folder}/myplugin.lua beside {folder}/myplugin" in message


def test_linked_script_finds_the_modules_beside_the_file_itself(folder):
    """The manager takes symbolic links in its plugin directory for plugins."""
    for name in ("plugins", "real"):
        (folder / name).mkdir()
    (folder / "real" / "helper.lua").write_text("return true")
    (folder / "real" / "myplugin").write_text('require "helper" ' + FILE)
    (folder / "plugins" / "myplugin").symlink_to(folder / "real" / "myplugin")
    assert types_of(run(folder / "plugins" / "myplugin", "capabilities")) == ["T/v1"]


def test_linked_binary_finds_the_script_beside_the_file_itself(folder):
    for name in ("plugins", "real"):
        (folder / name).mkdir()
    (folder / "real" / "myplugin.lua").write_text(FILE)
    shutil.copy2(OCMLUA, folder / "real" / "myplugin")
    (folder / "plugins" / "myplugin").symlink_to(folder / "real" / "myplugin")
    assert types_of(run("capabilities", program=folder / "plugins" / "myplugin")) == ["T/v1"]


def test_script_is_found_relative_to_the_working_directory(folder):
    (folder / "my plugin").write_text(FILE)
    assert types_of(run("my plugin", "capabilities", cwd=folder)) == ["T/v1"]


def test_arg_is_that_of_the_standalone_lua(folder):
    """The script and what stands behind it, whatever the program's name."""
    (folder / "myplugin.lua").write_text('error(table.concat({ arg[0], ... }, "|"), 0)')
    (folder / "myplugin").symlink_to(OCMLUA)
    for program, script in ((OCMLUA, ["./myplugin.lua"]), ("./myplugin", [])):
        assert refused(run(*script, "capabilities", program=program, cwd=folder)).endswith(f": {(script or [program])[0]}|capabilities")


# ---- wrong arguments ----

@pytest.mark.parametrize("arguments, message", [
    ([], "--config is missing"),
    (["--config"], "--config needs a JSON object"),
    (["serve"], 'unknown argument "serve": expected capabilities or --config JSON'),
    (["capabilities", "now"], 'unknown argument "now"'),
    (["--conf", "{}"], 'unknown argument "--conf"'),
])
def test_wrong_argument_is_named(folder, arguments, message):
    assert message in refused(run(script_file(folder, SCRIPT), *arguments))


def test_unknown_option_of_the_program_is_named():
    assert "unknown option --verson: see ocmlua --help" in refused(run("--verson"))


@pytest.mark.parametrize("command", [["capabilities"], ["--config", json.dumps(GOOD)]])
def test_script_that_is_not_there_is_named(folder, command):
    assert re.search(r"nosuch\b.*No such file or directory", refused(run(folder / "nosuch", *command)))
    assert "Is a directory" in refused(run(folder, *command))


@pytest.mark.parametrize("text, message", [
    ("", "line 1, column 1"),
    ("{", "line 1, column 2"),
    ('{"id":', "line 1, column 7"),
    ('{"id":"a","type":"unix",}', "line 1, column 25"),
    ('{"id":"a","type":"unix"} more', "line 1, column 26"),
    ('{"id":"a","type":"unix","x":{"y":01}}', "line 1, column"),
    ("{'id':'a'}", "line 1, column 2"),
    ("[]", "expected a JSON object"),
    ("null", "expected a JSON object"),
    ("not json", "line 1, column 1"),
])
def test_config_that_is_not_json_is_refused_saying_where(folder, text, message):
    error = refused(run(script_file(folder, SCRIPT), "--config", text))
    assert error.startswith("ocmlua: --config: ") and message in error


@pytest.mark.parametrize("change, message", [
    ({"id": None}, "id is missing"),
    ({"id": ""}, "id is missing"),
    ({"id": 7}, "id: expected a string"),
    ({"id": "x" * 300}, "id: expected at most 255 bytes"),
    ({"id": "a\0b"}, "id: expected at most 255 bytes, none of them NUL"),
    ({"type": None}, 'type is missing: expected "unix" or "tcp"'),
    ({"type": "udp"}, 'unknown type: expected "unix" or "tcp"'),
    ({"type": "Unix"}, "unknown type"),
    ({"type": "a type with a very long name"}, "unknown type"),
    ({"type": ["unix"]}, "type: expected a string"),
    ({"idleTimeout": 0}, "idleTimeout: expected nanoseconds"),
    ({"idleTimeout": -1}, "idleTimeout: expected nanoseconds"),
    ({"idleTimeout": 1.5}, "idleTimeout: expected nanoseconds"),
    ({"idleTimeout": "1h"}, "idleTimeout: expected nanoseconds"),
    ({"idleTimeout": 1 << 63}, "idleTimeout: expected nanoseconds"),
    ({"idleTimeout": {"seconds": 1}}, "idleTimeout: expected nanoseconds"),
    ({"location": 7}, "location: expected a string"),
    ({"location": "/x" * 600}, "location: expected at most 1023 bytes"),
])
def test_wrong_member_of_config_is_named(folder, change, message):
    config = {name: value for name, value in {**GOOD, **change}.items() if value is not None}
    error = refused(run(script_file(folder, SCRIPT), "--config", json.dumps(config)))
    assert error.startswith("ocmlua: --config: ") and message in error


@pytest.mark.parametrize("change, message", [
    ({"location": "/nonexistent/socket"}, "/nonexistent/socket"),
    ({"location": "/" + "x" * 200}, "longer than 107 bytes"),
    ({"type": "tcp", "location": "nonsense"}, "expected host:port"),
    ({"type": "tcp", "location": "127.0.0.1:http"}, "expected host:port"),
    ({"type": "tcp", "location": "127.0.0.1:99999"}, "99999"),
    ({"type": "tcp", "location": "192.0.2.1:0"}, "192.0.2.1"),
])
def test_location_that_cannot_be_used_ends_the_start(folder, change, message):
    done = run(script_file(folder, SCRIPT), "--config", json.dumps({**GOOD, **change}))
    assert message in json.loads(refused(done))["msg"]


def test_location_that_is_another_file_is_refused_and_left_alone(folder):
    (folder / "place").write_text("precious")
    done = run(script_file(folder, SCRIPT), "--config", json.dumps({**GOOD, "location": str(folder / "place")}))
    assert "place is there and is not a socket" in json.loads(refused(done))["msg"]
    assert (folder / "place").read_text() == "precious"
    assert sorted(path.name for path in folder.iterdir()) == ["place", "plugin"]


def test_wrong_config_is_refused_before_the_script_runs(folder):
    marker = folder / "ran"
    done = run(script_file(folder, f'io.open("{marker}", "w") ' + SCRIPT), "--config", "{}")
    assert done.returncode == 1
    assert not marker.exists()
