"""`ocmlua types`: what an editor's language server is given, and that nothing of the user's is lost."""
import json

import pytest
from harness import ROOT, run

STUBS = {path.name: path.read_text() for path in (ROOT / "lua/types").glob("*.lua")}
OURS = {"runtime.version": "Lua 5.4", "workspace.library": [".ocmlua"]}


def types(folder, *arguments):
    done = run("types", *arguments, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "the Lua language server now knows ocm" in done.stdout
    return json.loads((folder / ".luarc.json").read_text())


def test_stubs_and_settings_are_written(folder):
    assert types(folder) == OURS
    assert {path.name: path.read_text() for path in (folder / ".ocmlua").iterdir()} == STUBS


def test_another_folder(folder):
    (folder / "plugins").mkdir()
    done = run("types", "plugins", cwd=folder)
    assert done.returncode == 0 and (folder / "plugins/.ocmlua/ocm.lua").exists()
    assert json.loads((folder / "plugins/.luarc.json").read_text()) == OURS


def test_again_changes_nothing_but_old_stubs(folder):
    types(folder)
    before = (folder / ".luarc.json").read_text()
    (folder / ".ocmlua/ocm.lua").write_text("old")
    types(folder)
    assert (folder / ".luarc.json").read_text() == before
    assert (folder / ".ocmlua/ocm.lua").read_text() == STUBS["ocm.lua"]


@pytest.mark.parametrize("before, after", [
    ({"diagnostics.globals": ["x"], "workspace.library": ["/usr/lib"], "runtime.version": "LuaJIT"},
     {"diagnostics.globals": ["x"], "workspace.library": ["/usr/lib", ".ocmlua"], "runtime.version": "LuaJIT"}),
    ({"workspace": {"library": ["a"]}, "runtime": {}}, {"workspace": {"library": ["a", ".ocmlua"]}, "runtime": {"version": "Lua 5.4"}}),
    ({"empty": [], "none": {}, "number": 1.0}, {"empty": [], "none": {}, "number": 1.0, **OURS}),
])
def test_settings_that_are_there_are_kept(folder, before, after):
    (folder / ".luarc.json").write_text(json.dumps(before))
    assert types(folder) == after


@pytest.mark.parametrize("text, says", [
    ("// mine\n{}", "is no plain JSON object, so it is left alone"), ("[1", "is no plain JSON object"), ("[1]", "is no plain JSON object"), ("[]", "is no plain JSON object"), ("3", "is no plain JSON object"), ("", "is no plain JSON object"),
    ('{"workspace.library":"a"}', "workspace.library is no array"),
])
def test_settings_that_are_not_understood_are_left_alone(folder, text, says):
    (folder / ".luarc.json").write_text(text)
    done = run("types", cwd=folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert says in done.stderr and "traceback" not in done.stderr
    assert [path.name for path in folder.iterdir()] == [".luarc.json"] and (folder / ".luarc.json").read_text() == text


def test_missing_folder_and_one_that_cannot_be_made(folder):
    assert "there is no folder none" in run("types", "none", cwd=folder).stderr
    (folder / ".ocmlua").write_text("a file")
    done = run("types", cwd=folder)
    assert done.returncode == 1 and "traceback" not in done.stderr
    assert not (folder / ".luarc.json").exists()
