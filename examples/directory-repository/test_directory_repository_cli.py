"""directory-repository with the ocm CLI, which follows references to components that live in directories."""
import hashlib
import json
import os
import re
from contextlib import suppress

import pytest
from harness import until


def shelve(directory, name, references=(), provider="acme.org"):
    """A component version as files, as the README describes them; its resource `text` holds its name."""
    blob = name.encode()
    digest = hashlib.sha256(blob).hexdigest()
    access = {"type": "localBlob/v1", "localReference": f"sha256:{digest}", "mediaType": "text/plain"}
    component = {"name": name, "version": "1.0.0", "provider": provider, "repositoryContexts": None, "sources": [],
                 "componentReferences": [reference(other) for other in references],
                 "resources": [{"name": "text", "version": "1.0.0", "type": "text", "relation": "local", "access": access}]}
    descriptor = directory / "components" / name.replace("/", "%2F") / "1.0.0.json"
    for folder in (directory / "blobs", descriptor.parent):
        folder.mkdir(parents=True, exist_ok=True)
    (directory / f"blobs/sha256.{digest}").write_bytes(blob)
    descriptor.write_text(json.dumps({"meta": {"schemaVersion": "v2"}, "component": component}))
    return descriptor


def reference(name, version="1.0.0"):
    return {"name": name.rsplit("/", 1)[1], "componentName": name, "version": version}


def resolve(cli, **directories):
    """Components acme.org/NAME/… are in the directory of that name."""
    cli.configure({"type": "resolvers.config.ocm.software/v1alpha1", "resolvers": [
        {"componentNamePattern": f"acme.org/{name}/*", "repository": {"type": "DirectoryRepository/v1", "path": str(path)}}
        for name, path in directories.items()]})


def root(name="acme.org/demo/top", version="1.0.0"):
    return {"name": "acme.org/root", "componentReferences": [reference(name, version)]}


def graph(cli):
    """The names and providers that `get cv` finds, in its order."""
    found = json.loads(cli.ok("get", "cv", "ctf//acme.org/root:1.0.0", "--recursive=-1", "-o", "json").stdout)
    return [(each["component"]["name"].removeprefix("acme.org/"), each["component"]["provider"]) for each in found]


def contents(folder):
    return {path: path.is_file() and not path.is_symlink() and path.read_bytes() for path in folder.rglob("*")}


COPY = ("--external-component-version-copy-policy", "copy-or-fail")
DIAMOND = {"demo/top": ("acme.org/demo/left", "acme.org/demo/right"), "demo/left": ("acme.org/demo/base",), "demo/right": ("acme.org/demo/base",), "demo/base": ()}


@pytest.fixture
def diamond(cli):
    """The CLI, with a directory in which one component refers to two, and both to a fourth."""
    cli.shelf = cli.path / "shelf"
    for name, references in DIAMOND.items():
        shelve(cli.shelf, f"acme.org/{name}", references)
    resolve(cli, demo=cli.shelf)
    return cli


def test_references_are_followed_to_their_ends(diamond):
    diamond.add(root())
    assert [name for name, _ in graph(diamond)] == ["root", "demo/top", "demo/left", "demo/base", "demo/right", "demo/base"]


def test_referenced_versions_are_copied_with_their_blobs_and_references(diamond):
    before = contents(diamond.shelf)
    diamond.add(root(), flags=COPY)
    resolve(diamond)  # from here on, all is in the CTF
    assert len(graph(diamond)) == 6
    for name in DIAMOND:
        copy = diamond.path / name.replace("/", "-")
        diamond.ok("download", "resource", f"ctf//acme.org/{name}:1.0.0", "--identity", "name=text", "--output", copy)
        assert copy.read_text() == f"acme.org/{name}"
    assert contents(diamond.shelf) == before


def test_missing_version_is_said(diamond):
    message = diamond.fails("add", "cv", *diamond.constructor(root(version="9.9.9")), *COPY)
    assert f"there is no version 9.9.9 of acme.org/demo/top in {diamond.shelf}" in message


# ---- two directories ----

@pytest.fixture
def two(cli):
    """The CLI, with two directories, and references that lead from the one to the other and back."""
    cli.one, cli.two = cli.path / "one", cli.path / "two"
    shelve(cli.one, "acme.org/one/first", ["acme.org/two/second"])
    shelve(cli.two, "acme.org/two/second", ["acme.org/one/third"])
    shelve(cli.one, "acme.org/one/third")
    resolve(cli, one=cli.one, two=cli.two)
    cli.add(root("acme.org/one/first"))
    return cli


def test_references_lead_from_directory_to_directory(two):
    expected = [("root", "acme"), ("one/first", "acme.org"), ("two/second", "acme.org"), ("one/third", "acme.org")]
    assert graph(two) == expected
    shelve(two.two, "acme.org/one/third")  # the same in both
    assert graph(two) == expected


@pytest.mark.parametrize("command", ["get", "add"])
def test_version_that_differs_between_directories_is_refused(two, command):
    """The CLI goes to directory one, to two, and back to one, without saying so: either could be meant."""
    shelve(two.two, "acme.org/one/third", provider="somebody else")
    arguments = ["ctf//acme.org/root:1.0.0", "--recursive=-1"] if command == "get" else [*two.constructor(root("acme.org/one/first")), *COPY,
                                                                                        "--component-version-conflict-policy", "replace"]
    message = two.fails(command, "cv", *arguments)
    assert f"acme.org/one/third 1.0.0 has different content in {two.two} and in {two.one}, and the request does not say which is meant" in message


# ---- its end in the middle ----

def pipe_at(path):
    """Puts a named pipe there. The function that it returns waits until somebody reads it, and gives its other end."""
    fresh = path.with_name("fresh")
    os.mkfifo(fresh)
    fresh.rename(path)

    def opened():
        with suppress(OSError):  # nobody reads
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        return None
    return lambda: until(opened)


def test_plugin_killed_while_references_are_copied_leaves_nothing_half_made(diamond):
    """The last descriptor is a named pipe: the CLI gets it, asks for the blob, and the plugin ends while it reads the descriptor for that."""
    descriptor = diamond.shelf / "components/acme.org%2Fdemo%2Fbase/1.0.0.json"
    text, before = descriptor.read_bytes(), contents(diamond.shelf)
    reader = pipe_at(descriptor)
    command = diamond.start("add", "cv", *diamond.constructor(root()), *COPY)
    first, reader = reader(), pipe_at(descriptor)
    os.write(first, text)
    os.close(first)
    second = reader()
    diamond.kill_plugin("directory-repository")
    _, stderr = diamond.finish(command)
    os.close(second)
    assert command.returncode == 1
    message = stderr[stderr.rindex("Error: "):]  # of the request that was under way, or of the first that nobody took any more
    assert message.startswith("Error: failed to render components recursively: constructing component versions failed: "), message
    assert re.search(" from directory-repository: .*(connection reset by peer|connection refused|broken pipe|EOF)$", message, re.M), message
    assert contents(diamond.path / "ctf") == {}
    descriptor.unlink()
    descriptor.write_bytes(text)
    assert contents(diamond.shelf) == before
    diamond.add(root(), flags=COPY)
    resolve(diamond)
    assert len(graph(diamond)) == 6
