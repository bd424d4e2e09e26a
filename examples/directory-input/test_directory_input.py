"""directory-input: what becomes of directories and files, asked over the socket, through the plugin manager and with the ocm CLI."""
import hashlib
import io
import json
import os
import re
import socket
import tarfile
from pathlib import Path

import pytest
from harness import Plugin, sizes, until

SCRIPT = Path(__file__).resolve().parent / "directory-input"
LONG = "n" * 120


@pytest.fixture
def plugin(folder):
    """The plugin, running in an empty directory that holds `tree`."""
    plant(folder / "tree")
    with Plugin(SCRIPT, cwd=folder) as running:
        yield running


def plant(tree):
    """A directory with everything that archives find hard."""
    for name, content in {
        "README.md": b"# read me\n", "empty": b"", "block": b"b" * 512, "large.bin": os.urandom(700_001), "docs/guide.md": b"guide\n",
        "docs/deep/er/notes.md": b"notes\n", "docs/deep/er/notes.txt": b"text\n", "zürich/straße.txt": b"UTF-8\n", f"{LONG}/{LONG}": b"long\n",
        "bin/tool": b"#!/bin/sh\n",
    }.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    (tree / "bin/tool").chmod(0o700)
    (tree / "hollow").mkdir()
    (tree / "link").symlink_to("docs/guide.md")
    (tree / "loop").symlink_to(".")
    (tree / "long link").symlink_to(f"{LONG}/{LONG}")


def ask(plugin, kind="resource", **spec):
    element = {"name": "a", "version": "1.0.0", "type": "blob", "input": {"type": "DirectoryInput/v1", **spec}}
    return plugin.request("POST", f"/{kind}/process", {kind: element})


def blob(plugin, kind="resource", **spec):
    """(bytes, media type) of what a spec becomes."""
    element = {"name": "a", "version": "1.0.0", "type": "blob", "input": {"type": "DirectoryInput/v1", **spec}}
    answer = plugin.json("POST", f"/{kind}/process", {kind: element})
    assert answer[kind] == element
    assert answer["location"]["type"] == "localFile"
    return Path(answer["location"]["value"]).read_bytes(), answer["location"]["mediaType"]


def entries(archive):
    return tarfile.open(fileobj=io.BytesIO(archive), mode="r:", encoding="utf-8", errors="strict").getmembers()


def names(archive):
    return [entry.name for entry in entries(archive)]


# ---- directories ----

def test_directory_becomes_a_tar_with_everything_in_it(plugin, folder):
    archive, media_type = blob(plugin, path="tree")
    assert media_type == "application/x-tar"
    tree = folder / "tree"
    expected = sorted(str(path.relative_to(tree)) for path in tree.rglob("*"))
    assert sorted(names(archive)) == expected
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        for entry in opened:
            original = tree / entry.name
            assert (entry.issym(), entry.isdir(), entry.isfile()) == (original.is_symlink(), original.is_dir() and not original.is_symlink(),
                                                                     original.is_file() and not original.is_symlink()), entry.name
            if entry.issym():
                assert entry.linkname == os.readlink(original)
            elif entry.isfile():
                assert opened.extractfile(entry).read() == original.read_bytes(), entry.name


def test_names_that_ustar_has_no_place_for_are_pax_records(plugin):
    archive, _ = blob(plugin, path="tree", include=["long link", LONG, "zürich"])
    assert [entry.pax_headers for entry in entries(archive)] == [
        {"linkpath": f"{LONG}/{LONG}"}, {"path": f"{LONG}/"}, {"path": f"{LONG}/{LONG}"}, {"path": "zürich/"}, {"path": "zürich/straße.txt"}]


def test_archive_ends_as_tar_asks_for(plugin):
    archive, _ = blob(plugin, path="tree")
    assert len(archive) % 512 == 0
    assert archive.endswith(bytes(1024))


def test_parents_come_before_what_they_hold_and_siblings_in_order(plugin):
    archive, _ = blob(plugin, path="tree", include=["docs", "bin"])
    assert names(archive) == ["bin", "bin/tool", "docs", "docs/deep", "docs/deep/er", "docs/deep/er/notes.md", "docs/deep/er/notes.txt", "docs/guide.md"]


def test_same_content_gives_the_same_bytes_whoever_has_it(plugin, folder):
    large = (folder / "tree/large.bin").read_bytes()
    plant(folder / "twin")
    (folder / "twin/large.bin").write_bytes(large)
    for path in [folder / "twin/README.md", folder / "twin/docs"]:
        os.utime(path, (1, 1))
    (folder / "twin/README.md").chmod(0o600)
    (folder / "twin/docs").chmod(0o700)
    assert blob(plugin, path="tree")[0] == blob(plugin, path=str(folder / "twin"))[0]


def test_archives_stay_as_the_readme_shows_them(plugin, folder):
    for name, text in {"index.html": "<h1>Hello</h1>\n", "css/style.css": "h1 { color: teal }\n", "index.html.bak": "draft\n"}.items():
        (folder / "site" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "site" / name).write_text(text)
    archive, _ = blob(plugin, path="site", exclude=["*.bak"])
    assert f"value: {hashlib.sha256(archive).hexdigest()}\n" in (SCRIPT.parent / "README.md").read_text()


def test_owners_and_times_are_left_out_and_executable_is_kept(plugin):
    archive, _ = blob(plugin, path="tree")
    assert {(entry.uid, entry.gid, entry.uname, entry.gname, entry.mtime) for entry in entries(archive)} == {(0, 0, "", "", 0)}
    modes = {entry.name: oct(entry.mode) for entry in entries(archive)}
    assert {name: modes[name] for name in ("bin/tool", "README.md", "docs", "link")} == \
        {"bin/tool": "0o755", "README.md": "0o644", "docs": "0o755", "link": "0o777"}


def test_empty_directory_is_an_empty_archive(plugin):
    assert blob(plugin, path="tree/hollow")[0] == bytes(1024)


def test_link_to_a_directory_is_that_directory(plugin, folder):
    (folder / "alias").symlink_to("tree/docs")
    assert blob(plugin, path="alias")[0] == blob(plugin, path="tree/docs")[0]


@pytest.mark.parametrize("selection, expected", [
    ({"include": ["*.md"]}, ["README.md", "docs/deep/er/notes.md", "docs/guide.md"]),
    ({"include": ["/*.md"]}, ["README.md"]),
    ({"include": ["docs/*.md"]}, ["docs/guide.md"]),
    ({"include": ["docs/**/*.md"]}, ["docs/deep/er/notes.md", "docs/guide.md"]),
    ({"include": ["docs/**/notes.*"], "exclude": ["*.txt"]}, ["docs/deep/er/notes.md"]),
    ({"include": ["docs/"], "exclude": ["deep"]}, ["docs", "docs/guide.md"]),
    ({"include": ["er"]}, ["docs/deep/er", "docs/deep/er/notes.md", "docs/deep/er/notes.txt"]),
    ({"include": ["**"], "exclude": ["*n*", "/docs", "l*", "z*", "b*"]}, ["README.md", "empty", "hollow"]),
    ({"include": ["b???k", "z?rich/*"]}, ["block", "zürich/straße.txt"]),
    ({"include": ["README"]}, []),
    ({"include": ["README%.md", ".+", "[a-z]*"]}, []),
    ({"include": []}, []),
])
def test_globs_choose_what_is_archived(plugin, selection, expected):
    assert names(blob(plugin, path="tree", **selection)[0]) == expected


def test_what_cannot_be_archived_is_refused_by_name_unless_it_is_excluded(plugin, folder):
    os.mkfifo(folder / "tree/docs/pipe")
    answer = ask(plugin, path="tree")
    assert (answer.status, answer.text) == (400, "tree/docs/pipe: a named pipe has no place in an archive, exclude it")
    assert "docs/pipe" not in names(blob(plugin, path="tree", exclude=["pipe"])[0])


def test_excluded_directories_are_not_looked_into(plugin, folder):
    (folder / "tree/private").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "tree/private/socket"))
        assert "private" not in names(blob(plugin, path="tree", exclude=["private"])[0])


# ---- files ----

@pytest.mark.parametrize("name, media_type", [
    ("chart.tgz", "application/x-tgz"), ("data.json", "application/json"), ("values.YAML", "application/yaml"), ("page.html", "text/html"),
    ("module.wasm", "application/wasm"), ("no-extension", "application/octet-stream"), ("odd.extension", "application/octet-stream"),
    (".json", "application/octet-stream"), ("folder.json/file", "application/octet-stream"),
])
def test_file_is_taken_as_it_is_with_a_media_type_by_its_extension(plugin, folder, name, media_type):
    content = os.urandom(1000)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    assert blob(plugin, path=name) == (content, media_type)


def test_media_type_of_the_spec_wins(plugin):
    assert blob(plugin, path="tree/README.md", mediaType="text/x-notes")[1] == "text/x-notes"
    assert blob(plugin, path="tree", mediaType="application/vnd.acme+tar")[1] == "application/vnd.acme+tar"


def test_blob_does_not_change_with_the_original(plugin, folder):
    answer = plugin.json("POST", "/resource/process", {"resource": {"name": "a", "type": "b", "input": {"type": "DirectoryInput/v1", "path": "tree/README.md"}}})
    (folder / "tree/README.md").write_text("changed\n")
    assert Path(answer["location"]["value"]).read_bytes() == b"# read me\n"


def test_sources_are_taken_like_resources(plugin):
    assert blob(plugin, kind="source", path="tree/docs/guide.md") == (b"guide\n", "text/markdown")
    assert names(blob(plugin, kind="source", path="tree", include=["*.txt"])[0]) == ["docs/deep/er/notes.txt", "zürich/straße.txt"]


# ---- paths ----

def test_missing_path_is_said_with_the_directory_it_was_looked_for_in(plugin, folder):
    answer = ask(plugin, path="tree/nope")
    assert (answer.status, answer.text) == (404, f'path "tree/nope": there is no such file or directory, seen from {folder.resolve()}')


@pytest.mark.parametrize("path, status, text", [
    ("/dev/null", 400, 'path "/dev/null": neither a file nor a directory, but a char device'),
    ("tree\0/docs", 400, "a path cannot hold a NUL byte"),
    ("", 404, "there is no such file or directory"),
])
def test_odd_paths_are_refused(plugin, path, status, text):
    answer = ask(plugin, path=path)
    assert answer.status == status
    assert text in answer.text


# ---- credentials ----

def test_credentials_are_ignored_and_told_to_nobody(plugin):
    headers = {"Authorization": json.dumps({"type": "DirectCredentials/v1", "properties": {"username": "me", "password": "hunter2hunter2"}})}
    for path, status in ("tree/README.md", 200), ("tree/nope", 404):
        element = {"name": "a", "version": "1.0.0", "type": "blob", "input": {"type": "DirectoryInput/v1", "path": path}}
        answer = plugin.request("POST", "/resource/process", {"resource": element}, headers)
        assert (answer.status, "hunter2" in answer.text) == (status, False)
    plugin.stop()
    assert "hunter2" not in "".join(plugin.stderr)


# ---- through the plugin manager ----

def test_manager_gets_resources_and_sources_with_their_media_type(manager):
    plant(manager.path / "tree")
    for method, kind in [("ProcessResource", "resource"), ("ProcessSource", "source")]:
        answer = manager.call("inputRepository", method, **{kind: {"name": "it", "version": "1.0.0", "type": "text", "input": {
            "type": "DirectoryInput", "path": "tree/docs/guide.md"}}})
        assert answer[kind]["name"] == "it"
        assert (answer["blob"]["content"], answer["blob"]["mediaType"]) == ("guide\n", "text/markdown")
    error = manager.error("inputRepository", "ProcessResource", spec={"type": "DirectoryInput/v1", "path": "nope"}, resource={"name": "it", "type": "text"})
    assert 'path "nope": there is no such file or directory' in error


# ---- with the ocm CLI ----

@pytest.fixture
def planted(cli):
    plant(cli.path / "tree")
    return cli


def resource(**spec):
    return {"name": "acme.org/it", "resources": [{"name": "it", "input": {"type": "DirectoryInput/v1", **spec}}]}


def test_cli_adds_a_directory_and_extracts_it_again(planted):
    planted.add(resource(path="tree", exclude=["l*"])) # this CLI cannot extract links
    extracted = planted.download("acme.org/it", "it")
    for path in (planted.path / "tree").rglob("*"):
        copy = extracted / path.relative_to(planted.path / "tree")
        if path.is_symlink() or path.name == "large.bin":
            assert not copy.exists()
        elif path.is_file():
            assert copy.read_bytes() == path.read_bytes()
    assert os.access(extracted / "bin/tool", os.X_OK)


def test_cli_stores_the_archive_with_its_digest(planted):
    planted.add(resource(path="tree"))
    archive = planted.download("acme.org/it", "it", "--extraction-policy", "disable").read_bytes()
    assert {"link", "loop", "long link", f"{LONG}/{LONG}"} < set(names(archive))
    [stored] = planted.descriptor("acme.org/it")["resources"]
    assert stored["access"] == {"type": "LocalBlob/v1", "localReference": "sha256:" + stored["digest"]["value"], "mediaType": "application/x-tar"}
    assert stored["digest"]["value"] == hashlib.sha256(archive).hexdigest()


def test_cli_takes_files_of_the_alias_type_as_sources(planted):
    planted.add({"name": "acme.org/it", "sources": [{"name": "it", "input": {"type": "DirectoryInput", "path": "tree/docs/guide.md"}}]})
    [stored] = planted.descriptor("acme.org/it")["sources"]
    assert (stored["access"]["mediaType"], stored["access"]["localReference"]) == ("text/markdown", "sha256:" + hashlib.sha256(b"guide\n").hexdigest())


def test_cli_relative_paths_start_where_it_was_called(planted):
    (planted.path / "elsewhere").mkdir()
    arguments = list(planted.constructor(resource(path="tree/docs/guide.md")))
    (planted.path / arguments[-1]).rename(planted.path / "elsewhere/constructor.yaml")
    planted.ok("add", "cv", *arguments[:-1], "elsewhere/constructor.yaml")
    assert planted.download("acme.org/it", "it").read_bytes() == b"guide\n"


@pytest.mark.parametrize("spec, message", [
    ({"path": "tree/nope"}, 'path "tree/nope": there is no such file or directory, seen from '),
    ({"path": "tree", "exlude": ["docs"]}, "additional properties 'exlude' not allowed"),
    ({}, "missing property 'path'"),
])
def test_cli_says_what_is_wrong_with_a_spec(planted, spec, message):
    assert message in planted.fails("add", "cv", *planted.constructor(resource(**spec)))


def test_plugin_killed_while_it_archives_leaves_no_component_version(planted):
    os.truncate(planted.path / "tree/large.bin", 4 << 30)  # nothing but a hole, but it takes seconds
    small, large = ({"name": name, "input": {"type": "DirectoryInput/v1", "path": path}} for name, path in [("small", "tree/docs"), ("large", "tree")])
    command = planted.start("add", "cv", *planted.constructor({"name": "acme.org/it", "resources": [small, large]}))
    until(lambda: any(size > 1_000_000 for run in planted.tmp.glob("ocm-*") for size in sizes(run).values()))
    planted.kill_plugin("directory-input")
    _, stderr = planted.finish(command)
    message = stderr[stderr.rindex("Error: "):]
    assert command.returncode == 1
    assert re.search('error processing resource "name=(large|small),version=1.0.0"', message)  # they are sent at the same time
    assert "failed to process resource input directory-input: failed to send request to plugin: " in message
    left = [path for path in (planted.path / "ctf").rglob("*") if path.is_file()]  # perhaps the small one
    assert [path for path in left if path.name != f"sha256.{hashlib.sha256(path.read_bytes()).hexdigest()}"] == []
    planted.add({"name": "acme.org/it", "resources": [small]})
    assert [stored["name"] for stored in planted.descriptor("acme.org/it")["resources"]] == ["small"]
