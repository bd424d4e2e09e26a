"""`ocmlua bundle`: one program of a plugin, as a person makes and uses it, and what becomes of one that is damaged."""
import hashlib
import json
import os
import shutil
import stat
import struct
import subprocess
import zipfile

import pytest
from harness import OCMLUA, Plugin, environment, run

SCRIPT = '''#!/usr/bin/env ocmlua
local ocm = require "ocm"
local util = require "util"
return ocm.plugin {
  inputRepository = { types = { ["T/v1"] = { schema = ocm.schema { name = util.kind } } } },
  handlers = {
    ["GET /late"] = function() return { body = require("lib.text").greeting } end,
    ["GET /arg"] = function() return { body = arg[0] } end,
    ["GET /fail"] = function() error "here" end,
    ["GET /missing"] = function() return { body = tostring(select(2, pcall(require, "nothing.there"))) } end,
  },
}
'''
FILES = {"myplugin.lua": SCRIPT, "util.lua": 'return { kind = "string" }\n', "lib/text/init.lua": 'return { greeting = "hello" .. require "lib.mark" }\n',
         "lib/mark.lua": 'return "!"\n', "unused.lua": "return 1\n"}
NAMES = ["myplugin.lua", "lib/mark.lua", "lib/text/init.lua", "util.lua"]


def write(folder, files=None):
    for name, text in (files or FILES).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def made(folder):
    """A bundle in a folder of its own, the sources gone."""
    source = write(folder / "source")
    done = run("bundle", source / "myplugin.lua", "-o", folder / "myplugin")
    assert (done.returncode, done.stderr) == (0, "")
    shutil.rmtree(source)
    return folder / "myplugin"


def refused(*arguments, status=1, **options):
    done = run("bundle", *arguments, **options)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith("ocmlua bundle: ") and "traceback" not in done.stderr
    return done.stderr


# ---- what is made ----

def test_says_what_it_wrote(folder):
    write(folder)
    done = run("bundle", "myplugin.lua", "-o", "myplugin", cwd=folder)
    assert done.stdout.startswith("wrote myplugin (") and done.stdout.endswith(" with " + ", ".join(NAMES) + "\n")
    done = run("bundle", "myplugin.lua", "--output=other", "--json", cwd=folder)
    told = json.loads(done.stdout)
    assert (told["path"], told["files"], told["notes"], told["os"]) == ("other", NAMES, [], "linux")
    assert told["size"] == (folder / "other").stat().st_size


def test_is_a_program_with_a_zip_that_others_read(made):
    assert made.stat().st_mode & stat.S_IXUSR
    with zipfile.ZipFile(made) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == NAMES
        for entry in archive.infolist():
            assert (entry.date_time, entry.extra, entry.comment) == ((1980, 1, 1, 0, 0, 0), b"", b"")
            assert archive.read(entry).decode() == FILES[entry.filename]


@pytest.mark.skipif(not shutil.which("unzip"), reason="there is no unzip")
def test_unzip_extracts_it_and_finds_nothing_to_complain_of(made):
    done = subprocess.run(["unzip", "-q", made, "-d", made.parent / "out"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert run("./myplugin.lua", "capabilities", cwd=made.parent / "out").returncode == 0


def test_same_input_gives_the_same_bytes(folder):
    sums = set()
    for place in ("a", "b"):
        write(folder / place)
        os.utime(folder / place / "util.lua", (1, 1 if place == "a" else 2_000_000_000))
        run("bundle", "./myplugin.lua", "-o", "out", cwd=folder / place)
        sums.add(hashlib.sha256((folder / place / "out").read_bytes()).hexdigest())
    assert len(sums) == 1


# ---- what it does ----

def test_works_alone(made):
    plain = write(made.parent / "plain")
    env = {"PATH": "/nowhere", "LUA_PATH": "", "LUA_CPATH": ""}
    alone = run("capabilities", program=made, env=env, cwd="/")
    beside = run(plain / "myplugin.lua", "capabilities")
    assert (alone.returncode, alone.stdout, alone.stderr) == (0, beside.stdout, "")


@pytest.mark.parametrize("name", ["another", "ocmlua", "ocmlua-greeting"])
def test_is_the_plugin_whatever_it_is_called(made, name):
    os.rename(made, made.parent / name)
    assert run("capabilities", program=made.parent / name).returncode == 0


def test_is_found_in_path_and_through_a_link(made):
    (made.parent / "bin").mkdir()
    (made.parent / "bin/link").symlink_to(made)
    done = subprocess.run(["link", "capabilities"], env={"PATH": str(made.parent / "bin")}, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "T/v1" in done.stdout


def test_serves_with_modules_of_all_ways_to_be_found(made):
    with Plugin(None, command=[made]) as plugin:
        assert plugin.request("GET", "/late").text == "hello!"
        assert plugin.request("GET", "/arg").text == str(made)
        assert "no file 'nothing/there.lua' in this program's bundle" in plugin.request("GET", "/missing").text


def test_errors_name_the_script_and_its_line(made, folder):
    with Plugin(None, command=[made]) as plugin:
        assert plugin.request("GET", "/fail").text == "myplugin.lua:9: here"
        assert "myplugin.lua:9: in " in plugin.wait_log(lambda entry: "traceback" in entry)["traceback"]


def test_wrong_declaration_is_reported_with_the_scripts_line(folder):
    write(folder, {"p.lua": 'local ocm = require "ocm"\n\nlocal key = os.getenv "WRONG" or "types"\nreturn ocm.plugin {\n  inputRepository = { [key] = { "T/v1" } } }\n'})
    run("bundle", "p.lua", "-o", "p", cwd=folder)
    done = run("capabilities", program=folder / "p", env={"WRONG": "typos"})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("p.lua:5: inputRepository.")


def test_modules_beside_the_program_and_in_the_working_directory_are_not_taken_instead(made):
    write(made.parent, {"util.lua": "error 'from the folder'"})
    assert run("capabilities", program=made, cwd=made.parent).returncode == 0


def test_other_arguments_are_those_of_a_plugin(made):
    done = run("bundle", "x", "-o", "y", program=made)
    assert done.returncode == 1 and 'unknown argument "bundle": expected capabilities or --config JSON' in done.stderr


# ---- damage ----

def test_cut_program_is_an_error(made):
    whole = made.read_bytes()
    for cut in (1, 22, 100, 300):
        made.write_bytes(whole[:-cut])
        done = run("capabilities", program=made)
        assert (done.returncode, done.stdout) == (1, "")
        assert "the bundle at the end of" in done.stderr and "is damaged: its end is missing" in done.stderr


@pytest.mark.parametrize("change, says", [
    (lambda b: b.replace(FILES["util.lua"].encode(), FILES["util.lua"].upper().encode()), "the checksum of util.lua"),
    (lambda b: b[:-6] + b"\xff\xff\xff\xff" + b[-2:], "its directory is not where its end says"),
    (lambda b: b[:-2] + b"\xff\xff", "its directory is not where its end says"),
    (lambda b: b.replace(b"PK\1\2", b"PK\1\3"), "its directory is cut short"),
    (lambda b: b.replace(b"PK\3\4", b"PK\3\5"), "a file is not where its directory says"),
])
def test_damaged_program_is_an_error(made, change, says):
    program, archive = OCMLUA.read_bytes(), made.read_bytes()[OCMLUA.stat().st_size:]
    assert change(archive) != archive
    made.write_bytes(program + change(archive))
    done = run("capabilities", program=made)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the bundle at the end of this program is damaged: " + says in done.stderr


# ---- what is refused ----

def test_never_overwrites_without_force(folder):
    write(folder)
    (folder / "out").write_text("mine")
    assert "out is there already: --force overwrites it" in refused("myplugin.lua", "-o", "out", cwd=folder)
    assert (folder / "out").read_text() == "mine"
    assert run("bundle", "myplugin.lua", "-o", "out", "--force", cwd=folder).returncode == 0
    assert run("capabilities", program=folder / "out").returncode == 0
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".")) == []


def test_overwrites_a_program_that_is_running(folder):
    write(folder)
    run("bundle", "myplugin.lua", "-o", "out", cwd=folder)
    with Plugin(None, command=[folder / "out"]) as plugin:
        assert run("bundle", "myplugin.lua", "-o", "out", "--force", cwd=folder).returncode == 0
        assert plugin.request("GET", "/late").text == "hello!"


@pytest.mark.parametrize("output, status, says", [
    ("out.exe", 2, "no dot in its name"), ("folder/", 2, "not of a folder"), ("none/out", 1, "No such file or directory"),
])
def test_bad_output_is_refused(folder, output, status, says):
    write(folder)
    (folder / "folder").mkdir()
    assert says in refused("myplugin.lua", "-o", output, cwd=folder, status=status)


def test_script_is_never_the_output(folder):
    write(folder)
    (folder / "myplugin.lua").rename(folder / "myplugin")
    assert "is what the bundle is made of" in refused("myplugin", "-o", "./myplugin", "--force", cwd=folder)
    assert (folder / "myplugin").read_text() == SCRIPT


def test_without_an_output_it_is_misuse(folder):
    write(folder)
    assert "-o NAME" in refused("myplugin.lua", cwd=folder, status=2)


def test_wrong_plugin_is_refused_with_file_and_line(folder):
    write(folder, {"bad.lua": 'local ocm = require "ocm"\nreturn ocm.plugin { inputRepositry = {} }'})
    assert 'bad.lua:2: ' in refused("bad.lua", "-o", "bad", cwd=folder)
    assert not (folder / "bad").exists()
    assert "there is no script gone.lua" in refused("gone.lua", "-o", "x", cwd=folder)


def test_bundle_of_a_bundle_is_refused(made):
    assert "is a program, not a Lua script" in refused(made, "-o", made.parent / "twice")
    write(made.parent)
    assert "has a bundle already" in refused(made.parent / "myplugin.lua", "-o", made.parent / "twice", "--program", made)


DECLARE = 'return require "ocm".plugin { inputRepository = { types = { "T/v1" } } }\n'


def test_c_modules_are_refused(folder):
    write(folder, {"p.lua": 'local function later() return require "native" end\n' + DECLARE, "native.so": ""})
    assert f'"native" is a C module (' in refused("p.lua", "-o", "p", cwd=folder)


def test_literals_that_lead_nowhere_are_noted(folder):
    write(folder, {"p.lua": 'local function later() return require "cjson", require("absent.module"), require "ocm.json", require "string" end\n' + DECLARE})
    done = run("bundle", "p.lua", "-o", "p", cwd=folder)
    assert (done.returncode, done.stderr) == (0, 'note: p.lua:1 requires "absent.module", which is not found: the bundle does not hold it\n')


@pytest.mark.parametrize("opens", ["io.open(path):close()", "for _ in io.lines(path) do end", "dofile(path)", "loadfile(path)"])
def test_other_files_that_the_script_opens_are_noted(folder, opens):
    write(folder, {"p.lua": 'local path = arg[0]:match "^(.-)[^/]*$" .. "data.txt" ' + opens + ' io.open("/dev/null"):close() io.open "none"\n' + DECLARE,
                   "data.txt": ""})
    done = run("bundle", "p.lua", "-o", "p", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "note: p.lua opens data.txt: the bundle does not hold it\n")


def test_what_a_script_prints_is_not_in_the_way(folder):
    write(folder, {"p.lua": 'print("a", 1) io.write "b"\n' + DECLARE})
    done = run("bundle", "p.lua", "-o", "p", "--json", cwd=folder)
    assert json.loads(done.stdout)["path"] == "p" and done.stderr == "a\t1\nb"


def test_module_of_a_path_that_the_script_sets_is_held(folder):
    write(folder, {"p.lua": 'package.path = arg[0]:match "^(.-)[^/]*$" .. "parts/?.lua;" .. package.path\nrequire "piece"\n' + DECLARE, "parts/piece.lua": "return 1"})
    told = json.loads(run("bundle", "p.lua", "-o", "p", "--json", cwd=folder).stdout)
    assert told["files"] == ["p.lua", "piece.lua"]
    shutil.rmtree(folder / "parts")
    assert run("capabilities", program=folder / "p").returncode == 0


# ---- another machine ----

def test_architecture_is_the_programs(folder):
    write(folder)
    foreign = bytearray(OCMLUA.read_bytes())
    here = json.loads(run("bundle", "myplugin.lua", "-o", "here", "--json", cwd=folder).stdout)["architecture"]
    machine, other = (183, "arm64") if here == "amd64" else (62, "amd64")
    foreign[18:20] = struct.pack("<H", machine)
    (folder / "foreign").write_bytes(foreign)
    assert f"this ocmlua is built for {here}" in refused("myplugin.lua", "-o", "out", "--arch", other, cwd=folder)
    done = run("bundle", "myplugin.lua", "-o", "out", "--arch", other, "--program", "foreign", "--json", cwd=folder)
    assert json.loads(done.stdout)["architecture"] == other
    (folder / "text").write_text("no program")
    assert "text is no program" in refused("myplugin.lua", "-o", "out2", "--program", "text", cwd=folder)


# ---- the constructor ----

def test_constructor_is_written_and_not_overwritten(folder):
    write(folder)
    arguments = ["myplugin.lua", "-o", "out", "--constructor", "c.yaml", "--component", "acme.org/plugins/out", "--version", "1.2.3"]
    assert run("bundle", *arguments, cwd=folder).returncode == 0
    text = (folder / "c.yaml").read_text()
    for line in ('  - name: "acme.org/plugins/out"', '    version: "1.2.3"', "        type: ocmPlugin", '          os: "linux"', '          path: "./out"'):
        assert line + "\n" in text
    (folder / "out").unlink()
    assert "c.yaml is there already" in refused(*arguments, cwd=folder)
    assert (folder / "c.yaml").read_text() == text
    assert not (folder / "out").exists()


@pytest.mark.parametrize("arguments, says", [
    ([], "--component acme.org/plugins/NAME"), (["--component", "greeting"], "is no name of a component"),
    (["--component", "acme.org/x", "--version", "one"], "is no version"),
])
def test_constructor_needs_a_component(folder, arguments, says):
    write(folder)
    assert says in refused("myplugin.lua", "-o", "out", "--constructor", "c.yaml", *arguments, cwd=folder, status=2)
    assert not (folder / "out").exists()


def test_full_disk_leaves_nothing(folder):
    write(folder)
    done = subprocess.run(["sh", "-c", f'ulimit -f 100; trap "" XFSZ; exec "{OCMLUA}" bundle myplugin.lua -o out'], cwd=folder, env=environment(folder),
                          capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "writing out: File too large" in done.stderr
    assert sorted(path.name for path in folder.iterdir()) == sorted({name.split("/")[0] for name in FILES})
