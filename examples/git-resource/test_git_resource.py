"""git-resource: resources that stay in git repositories, from git's own servers and with git itself as the oracle; over the socket, through the
plugin manager and with the ocm CLI."""
import gzip
import hashlib
import json
import os
from pathlib import Path

import pytest
from git_server import HttpServer, Repository, path_without_git
from harness import Plugin, run
from relay import Relay

SCRIPT = Path(__file__).resolve().parent / "git-resource"
PASSWORD = "s3cret/&?%20word"
FILES = {"README.md": b"# read me\n", "docs/guide.md": b"guide\n", "bin/tool": b"#!/bin/sh\n", "link": "docs/guide.md", "large.bin": os.urandom(300_001)}


@pytest.fixture
def repository(folder):
    made = Repository(folder / "project")
    made.first = made.commit(FILES, "first")
    made.git("tag", "v1.0")
    return made


@pytest.fixture
def server(repository):
    with HttpServer(repository.path.parent) as serving:
        yield serving


@pytest.fixture
def plugin(folder):
    with Plugin(SCRIPT, cwd=folder) as running:
        yield running


def resource(repository, digest=None, **access):
    return {"name": "it", "version": "1.0.0", "type": "blob", "relation": "external", "digest": digest,
            "access": {"type": "GitCommit/v1", "repository": repository, **access}}


def process(plugin, element, credentials=None):
    return plugin.request("POST", "/resource/digest/process", {"resource": element}, authorization(credentials))


def get(plugin, element, credentials=None):
    return plugin.request("POST", "/resource/get", {"resource": element}, authorization(credentials))


def authorization(properties):
    return {"Authorization": json.dumps({"type": "DirectCredentials/v1", "properties": properties})} if properties else {}


def content(answer):
    assert answer.status == 200, answer.text
    return Path(json.loads(answer.body)["location"]["value"]).read_bytes()


# ---- digest and content ----

def test_digest_is_that_of_what_is_downloaded_and_the_commit_is_noted(plugin, server, repository):
    url = server.url + "/project"
    for access in ({}, {"ref": "main"}, {"ref": "v1.0", "path": "docs"}, {"commit": repository.first, "mediaType": "application/x-tar+gzip"}):
        answer = process(plugin, resource(url, **access))
        assert answer.status == 200, answer.text
        processed = json.loads(answer.body)["resource"]
        assert processed["access"] == {"type": "GitCommit/v1", "repository": url, **access, "commit": repository.first}
        location = json.loads(get(plugin, processed).body)["location"]
        archive = Path(location["value"]).read_bytes()
        assert gzip.decompress(archive) == repository.archive(repository.first, *([access["path"]] if "path" in access else []))
        assert location["mediaType"] == access.get("mediaType", "application/x-tgz")
        assert processed["digest"] == {"hashAlgorithm": "SHA-256", "normalisationAlgorithm": "genericBlobDigest/v1", "value": hashlib.sha256(archive).hexdigest()}


def test_commit_stays_what_it_was_when_the_branch_moves(plugin, server, repository):
    processed = json.loads(process(plugin, resource(server.url + "/project", ref="main")).body)["resource"]
    before = content(get(plugin, processed))
    repository.commit({"README.md": b"# changed\n"})
    assert content(get(plugin, processed)) == before
    repository.git("checkout", "--quiet", "--orphan", "other")
    repository.commit({"new": b"new\n"})
    repository.git("branch", "-D", "main") # nothing but the tag leads there any more
    assert content(get(plugin, processed)) == before


def test_content_that_is_not_what_was_recorded_is_refused(plugin, server, repository):
    url = server.url + "/project"
    recorded = json.loads(process(plugin, resource(url, ref="main")).body)["resource"]["digest"]
    moved = repository.commit({"README.md": b"# changed\n"})
    for ask in (process, get):
        answer = ask(plugin, resource(url, ref="main", digest=recorded))
        assert answer.status == 502
        assert answer.text.startswith(f"it: commit {moved} is not what the component version has: ")
        assert answer.text.endswith(f" instead of the expected sha256:{recorded['value']}")
        answer = ask(plugin, resource(url, ref="v1.0", digest={**recorded, "hashAlgorithm": "MD5"}))
        assert answer.status == 502 and answer.text.startswith(f"it: commit {repository.first} is not what the component version has: "), answer.text
        strong = {**recorded, "hashAlgorithm": "SHA-512", "value": hashlib.sha512(content(get(plugin, resource(url, ref="v1.0")))).hexdigest()}
        assert ask(plugin, resource(url, ref="v1.0", digest=strong)).status == 200
        assert ask(plugin, resource(url, ref="v1.0", digest=recorded)).status == 200


# ---- what goes wrong ----

def test_what_is_not_there_is_said(plugin, server, repository):
    url = server.url + "/project"
    for ask in (process, get):
        for access, text in [({"ref": "nope"}, f"nope of {url}: fatal: couldn't find remote ref nope"),
                             ({"path": "nope"}, f"HEAD of {url}: git archive: exit status 128: fatal: pathspec 'nope' did not match any files"),
                             ({"commit": "1234"}, 'commit "1234": expected all of its 40 digits')]:
            answer = ask(plugin, resource(url, **access))
            assert answer.status in (400, 500, 502) and answer.text == text


def test_server_that_ends_in_the_middle_leaves_nothing(plugin, server, repository):
    with Relay(server.port) as relay:
        url = f"http://127.0.0.1:{relay.port}/project"
        for ask in (process, get):
            relay.cut_after(100_000)
            answer = ask(plugin, resource(url))
            assert answer.status == 502 and answer.text.startswith(f"HEAD of {url}: error: RPC failed; curl 18 "), answer
            assert [path for path in plugin.tmp.glob("ocm-*/*") if path.name not in (".ocmlua-run", "socket")] == []
            relay.mend(server.port)
        assert gzip.decompress(content(get(plugin, resource(url)))) == repository.archive(repository.first)


def test_wrong_credentials_are_refused_and_not_told(plugin, repository):
    with HttpServer(repository.path.parent, user="me", password=PASSWORD) as server:
        url = server.url + "/project"
        for ask in (process, get):
            answer = ask(plugin, resource(url), {"username": "me", "password": "wr0ng-one"})
            assert answer.status == 502
            assert answer.text.startswith(f"HEAD of {url}: fatal: Authentication failed for '{url}/'; it refuses the credentials for {{")
            assert ask(plugin, resource(url), {"username": "me", "password": PASSWORD}).status == 200
    plugin.stop()
    assert not [line for line in plugin.stderr if "wr0ng-one" in line or PASSWORD in line]


def test_without_git_it_says_so(folder):
    with Plugin(SCRIPT, cwd=folder, env={"PATH": path_without_git(folder / "bin")}) as plugin:
        answer = get(plugin, resource("file:///nope"))
    assert (answer.status, answer.text) == (502, f"HEAD of file:///nope: git: No such file or directory in PATH ({folder}/bin)")


def test_uploads_are_not_its_business(plugin, server, folder):
    (folder / "blob").write_bytes(b"x")
    answer = plugin.request("POST", "/resource/add", {"resource": resource(server.url + "/project"),
                                                      "resourceLocation": {"type": "localFile", "value": str(folder / "blob")}})
    assert answer.status == 501 and "AddGlobalResource" in answer.text


def test_bundle_takes_the_module_behind_the_link_along(repository, folder):
    assert run("bundle", SCRIPT, "-o", folder / "bundled").returncode == 0
    with Plugin(None, command=[folder / "bundled"], cwd=folder) as plugin:
        assert gzip.decompress(content(get(plugin, resource(f"file://{repository.path}")))) == repository.archive(repository.first)


# ---- through the plugin manager ----

def test_manager_gets_the_content(manager, server, repository):
    element = resource(server.url + "/project", ref="main")
    del element["digest"]
    found = manager.call("resourceRepository", "GetGlobalResource", resource=element)["blob"]
    assert found["mediaType"] == "application/x-tgz"
    identity = manager.call("resourceRepository", "identity", resource=element)
    assert identity == {"type": "Git", "scheme": "http", "hostname": "127.0.0.1", "port": str(server.port), "path": "project"}
    assert "fatal: couldn't find remote ref nope" in manager.error(
        "resourceRepository", "GetGlobalResource", resource={**element, "access": {**element["access"], "ref": "nope"}})


def test_manager_gets_digest_and_commit(manager, server, repository):
    element = resource(server.url + "/project", ref="main")
    del element["digest"]
    processed = manager.call("digestProcessorRepository", "ProcessResourceDigest", resource=element)
    processed = processed.get("resource", processed)
    assert processed["access"]["commit"] == repository.first
    assert len(processed["digest"]["value"]) == 64


# ---- with the ocm CLI ----

def component(**access):
    return {"name": "acme.org/it", "resources": [{"name": "it", "access": {"type": "GitCommit/v1", **access}}]}


def test_cli_records_digest_and_commit_and_downloads_it_when_the_branch_has_moved(cli, server, repository):
    cli.add(component(repository=server.url + "/project", ref="main"))
    [stored] = cli.descriptor("acme.org/it")["resources"]
    assert stored["access"] == {"type": "GitCommit/v1", "repository": server.url + "/project", "ref": "main", "commit": repository.first}
    repository.commit({"README.md": b"# changed\n"})
    archive = cli.download("acme.org/it", "it").read_bytes()
    assert gzip.decompress(archive) == repository.archive(repository.first)
    assert stored["digest"] == {"hashAlgorithm": "SHA-256", "normalisationAlgorithm": "genericBlobDigest/v1", "value": hashlib.sha256(archive).hexdigest()}


def test_cli_extracts_it_where_the_media_type_says_so(cli, server, repository):
    cli.add(component(repository=server.url + "/project", path="docs", mediaType="application/x-tar+gzip"))
    assert (cli.download("acme.org/it", "it") / "docs/guide.md").read_bytes() == b"guide\n"


def test_cli_does_not_get_what_is_not_recorded(cli, server, repository):
    """Neither where the constructor names a digest, nor where a descriptor has one, made without this plugin."""
    element = component(repository=server.url + "/project", ref="main")
    cli.add(element)
    [stored] = cli.descriptor("acme.org/it")["resources"]
    element["resources"][0]["digest"] = stored["digest"]
    replace = "--component-version-conflict-policy", "replace"
    (cli.plugins / "git-resource").rename(cli.path / "aside")
    cli.add(element, flags=replace)
    (cli.path / "aside").rename(cli.plugins / "git-resource")
    assert "commit" not in cli.descriptor("acme.org/it")["resources"][0]["access"]
    cli.download("acme.org/it", "it")
    moved = repository.commit({"README.md": b"# changed\n"})
    assert f"it: commit {moved} is not what the component version has: " in cli.download_fails("acme.org/it", "it")
    assert f"instead of the expected sha256:{stored['digest']['value']}" in cli.fails("add", "cv", *cli.constructor(element), *replace)


def test_cli_shows_that_the_server_has_ended(cli, server, repository):
    with Relay(server.port) as relay:
        arguments = cli.constructor(component(repository=f"http://127.0.0.1:{relay.port}/project"))
        said = f"HEAD of http://127.0.0.1:{relay.port}/project: error: RPC failed; curl 18 "
        relay.cut_after(100_000)
        assert said in cli.fails("add", "cv", *arguments)
        relay.mend(server.port)
        cli.ok("add", "cv", *arguments)
        relay.cut_after(100_000)
        assert said.replace("HEAD", repository.first) in cli.download_fails("acme.org/it", "it")
        relay.mend(server.port)
        assert gzip.decompress(cli.download("acme.org/it", "it").read_bytes()) == repository.archive(repository.first)


def test_cli_finds_credentials(cli, repository):
    with HttpServer(repository.path.parent, user="me", password=PASSWORD) as server:
        def configure(password):
            cli.configure({"type": "credentials.config.ocm.software", "consumers": [{
                "identity": {"type": "Git", "scheme": "http", "hostname": "127.0.0.1", "port": str(server.port), "path": "pro*"},
                "credentials": [{"type": "Credentials/v1", "properties": {"username": "me", "password": password}}]}]})

        configure(PASSWORD)
        cli.add(component(repository=server.url + "/project"))
        assert gzip.decompress(cli.download("acme.org/it", "it").read_bytes()) == repository.archive(repository.first)
        configure("wr0ng-one")
        said = cli.download_fails("acme.org/it", "it")
        assert f"Authentication failed for '{server.url}/project/'; it refuses the credentials for {{" in said and "wr0ng-one" not in said
