"""git-input: what becomes of revisions, from git's own servers and with git itself as the oracle; over the socket, through the plugin manager
and with the ocm CLI."""
import base64
import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
import threading
from pathlib import Path

import pytest
from git_server import Daemon, HttpServer, Repository, git, path_without_git
from harness import Folder, Plugin, run
from http_server import RawServer
from relay import Relay

SCRIPT = Path(__file__).resolve().parent / "git-input"
LABEL = "org.opencontainers.image.revision"
PASSWORD = "s3cret/&?%20word"
LONG = "n" * 120
FILES = {
    "README.md": b"# read me\n", "empty": b"", "large.bin": os.urandom(300_001), "docs/guide.md": b"guide\n", "docs/deep/notes.md": b"notes\n",
    "zürich/straße.txt": b"UTF-8\n", f"{LONG}/{LONG}": b"long\n", "with space/[odd]*": b"odd\n", "bin/tool": b"#!/bin/sh\n", "link": "docs/guide.md",
    ".gitattributes": b"version export-subst\nsecret.txt export-ignore\n*.crlf text eol=crlf\n", "version": b"$Format:%H$\n", "secret.txt": b"internal\n",
    "windows.crlf": b"one\ntwo\n",
}


@pytest.fixture(scope="module")
def repository():
    """With two commits on main, a branch and tags at the first, and everything that archives find hard. Tests only read it."""
    with Folder() as folder:
        made = Repository(folder / "project")
        (folder / "project/bin").mkdir()
        (folder / "project/bin/tool").touch(0o755)
        made.first = made.commit(FILES, "first")
        for arguments in (["branch", "old/branch"], ["tag", "v1.0"], ["tag", "--annotate", "--message=x", "v1.0+signed"]):
            made.git(*arguments)
        made.second = made.commit({"README.md": b"# read me again\n"}, "second")
        yield made


@pytest.fixture
def plugin(folder):
    with Plugin(SCRIPT, cwd=folder) as running:
        yield running


@pytest.fixture(scope="module")
def server(repository):
    with HttpServer(repository.path.parent) as serving:
        yield serving


def ask(plugin, repository, kind="resource", credentials=None, element=None, **spec):
    element = {"name": "a", "version": "1.0.0", "type": "blob", **(element or {}), "input": {"type": "GitInput/v1", "repository": repository, **spec}}
    return plugin.request("POST", f"/{kind}/process", {kind: element}, authorization(credentials))


def authorization(properties):
    return {"Authorization": json.dumps({"type": "DirectCredentials/v1", "properties": properties})} if properties else {}


def blob(plugin, repository, kind="resource", **options):
    """(the archive, gunzipped; the commit of the label) of what a spec becomes."""
    answer = ask(plugin, repository, kind, **options)
    assert answer.status == 200, answer.text
    answer = json.loads(answer.body)
    assert (answer["location"]["type"], answer["location"]["mediaType"]) == ("localFile", options.get("mediaType", "application/x-tgz"))
    [commit] = [label["value"] for label in answer[kind]["labels"] if label["name"] == LABEL]
    return gzip.decompress(Path(answer["location"]["value"]).read_bytes()), commit


def left(plugin, blobs=0):
    """What is left among the plugin's temporary files, but for so many blobs."""
    found = sorted(path for path in plugin.tmp.glob("ocm-*/*") if path.name not in (".ocmlua-run", "socket"))
    return found[blobs:] if all(path.is_file() for path in found[:blobs]) else found


# ---- revisions: the same bytes as 'git archive' ----

def test_branch_or_tag_becomes_what_git_archive_makes_of_it(plugin, server, repository):
    latest, older = (None, "main", "refs/heads/main"), ("old/branch", "v1.0", "v1.0+signed", "refs/tags/v1.0")
    for ref in (*latest, *older):
        commit = repository.second if ref in latest else repository.first
        archive, label = blob(plugin, server.url + "/project", **({"ref": ref} if ref else {}))
        assert (label, archive == repository.archive(commit)) == (commit, True), ref
    assert left(plugin, blobs=len(latest + older)) == []


def test_commit_goes_before_the_ref(plugin, server, repository):
    for spec in ({}, {"ref": "main"}):
        archive, label = blob(plugin, server.url + "/project", commit=repository.first, **spec)
        assert (archive, label) == (repository.archive(repository.first), repository.first)


def test_path_selects_and_keeps_its_names(plugin, server, repository):
    for path in ("docs", "docs/deep/", "README.md", "zürich", LONG, "with space/[odd]*", "link"):
        archive, _ = blob(plugin, server.url + "/project", path=path)
        assert archive == git(repository.path, "--literal-pathspecs", "archive", "--format=tar", repository.second, path)
        names = [entry.name for entry in tarfile.open(fileobj=io.BytesIO(archive))]
        assert names and all(name.startswith(path.split("/", maxsplit=1)[0]) for name in names)


def test_archive_names_its_commit(plugin, server, repository):
    archive, _ = blob(plugin, server.url + "/project")
    assert subprocess.run(["git", "get-tar-commit-id"], input=archive, capture_output=True, check=True).stdout.decode().strip() == repository.second


def test_same_revision_is_the_same_blob_wherever_it_comes_from(plugin, server, repository, folder):
    """From two servers, a clone, a shallow one, and a branch: also the compression, and what the archive says of the commit."""
    git(folder, "clone", "--quiet", "--bare", repository.path, "copy.git")
    git(folder, "clone", "--quiet", "--depth=1", f"file://{repository.path}", "shallow")
    with Daemon(folder) as daemon:
        specs = [{"repository": server.url + "/project"}, {"repository": daemon.url + "/copy.git", "commit": repository.second},
                 {"repository": f"file://{folder}/copy.git", "ref": "main"}, {"repository": f"file://{folder}/shallow"}]
        answers = [json.loads(ask(plugin, **spec).body)["location"]["value"] for spec in specs]
    digests = {hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in answers}
    assert len(digests) == 1


def test_archive_holds_what_is_in_the_revision_and_no_secrets_of_the_machine(plugin, server, repository, folder):
    (folder / "home/.config/git").mkdir(parents=True)
    (folder / "home/.gitconfig").write_text(
        "[tar]\n\tumask = 0777\n[core]\n\tautocrlf = true\n\tfsmonitor = touch ran\n\thooksPath = /\n[url \"http://127.0.0.1:1/\"]\n\tinsteadOf = http://\n")
    (folder / "home/.config/git/attributes").write_text("README.md export-ignore\n")
    hostile = {"HOME": str(folder / "home"), "XDG_CONFIG_HOME": str(folder / "home/.config"), "GIT_DIR": str(folder / "none"), "GIT_INDEX_FILE": "none",
               "GIT_OBJECT_DIRECTORY": "none", "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "tar.umask", "GIT_CONFIG_VALUE_0": "0777", "GIT_NAMESPACE": "none",
               "GIT_DEFAULT_HASH": "sha256", "GIT_CONFIG_GLOBAL": str(folder / "home/.gitconfig"), "GIT_CONFIG_PARAMETERS": "'tar.umask'='0777'"}
    with Plugin(SCRIPT, env=hostile, cwd=folder) as other:
        archive, _ = blob(other, server.url + "/project")
    assert [path.name for path in folder.iterdir()] == ["home"]
    assert archive == repository.archive(repository.second)
    files = {entry.name: entry for entry in tarfile.open(fileobj=io.BytesIO(archive))}
    assert "secret.txt" not in files
    assert (files["link"].issym(), files["bin/tool"].mode & 0o111, files["README.md"].mode & 0o111) == (True, 0o111, 0)
    assert tarfile.open(fileobj=io.BytesIO(archive)).extractfile("version").read().decode() == f"{repository.second}\n"


def test_labels_stay_and_the_commit_is_one_of_them(plugin, repository):
    other = {"name": "acme.org/tier", "value": [1]}
    for kind in ("resource", "source"):
        for labels in (None, [], [other], [{"name": LABEL, "value": "old"}, other]):
            answer = json.loads(ask(plugin, f"file://{repository.path}", kind, element={"labels": labels}).body)
            assert answer[kind]["labels"] == [{"name": LABEL, "value": repository.second}, *([other] if labels else [])]


def test_media_type_of_the_spec_wins(plugin, server):
    blob(plugin, server.url + "/project", mediaType="application/x-tar+gzip")


def test_large_repository_never_is_in_memory(folder):
    made = Repository(folder / "large")
    made.commit({"random": os.urandom(20 << 20)})
    with Plugin(SCRIPT, cwd=folder) as plugin:
        def peak():
            status = dict(line.split(":", 1) for line in Path(f"/proc/{plugin.pid}/status").read_text().splitlines())
            return int(status["VmHWM"].split()[0]) << 10

        before = peak()
        answer = json.loads(ask(plugin, f"file://{folder}/large").body)
        assert Path(answer["location"]["value"]).stat().st_size > 20 << 20
        assert peak() - before < 10 << 20


# ---- what goes wrong ----

def test_what_is_not_there_is_said(plugin, server, repository):
    url = server.url + "/project"
    nowhere = "1" * 40
    for spec, status, text in [
        ({"repository": url, "ref": "nope"}, 502, f"nope of {url}: fatal: couldn't find remote ref nope"),
        ({"repository": url, "commit": nowhere}, 502, f"{nowhere} of {url}: fatal: remote error: upload-pack: not our ref {nowhere}"),
        ({"repository": url, "path": "docs/nope"}, 502, f"HEAD of {url}: git archive: exit status 128: fatal: pathspec 'docs/nope' did not match any files"),
        ({"repository": url, "path": "*.md"}, 502, f"HEAD of {url}: git archive: exit status 128: fatal: pathspec '*.md' did not match any files"),
        ({"repository": url, "path": "../project"}, 502, f"HEAD of {url}: git archive: exit status 128: fatal: "),
        ({"repository": url, "path": "/etc"}, 502, f"HEAD of {url}: git archive: exit status 128: fatal: "),
        ({"repository": server.url + "/nope"}, 502, f"HEAD of {server.url}/nope: fatal: repository '{server.url}/nope/' not found"),
        ({"repository": "file:///nope"}, 502, "HEAD of file:///nope: fatal: '/nope' does not appear to be a git repository; "
                                              "fatal: Could not read from remote repository."),
        ({"repository": "http://127.0.0.1:1/project"}, 502, "HEAD of http://127.0.0.1:1/project: fatal: unable to access 'http://127.0.0.1:1/project/': "
                                                           "Failed to connect to 127.0.0.1 port 1"),
    ]:
        answer = ask(plugin, **spec)
        assert answer.status == status and answer.text.startswith(text) and "\n" not in answer.text, (spec, answer)
    assert [path for path in left(plugin) if path.is_dir()] == []


HOSTILE = [
    ({"repository": "ext::sh -c 'touch ran'"}, "repository: expected a URL such as https://example.org/project.git, of https, http, ssh, git, file"),
    ({"repository": "--upload-pack=touch ran"}, "repository: expected a URL"),
    ({"repository": "git@example.org:project.git"}, "repository: expected a URL"),
    ({"repository": "/srv/project.git"}, "repository: expected a URL"),
    ({"repository": "ftp://example.org/project.git"}, "repository: expected a URL"),
    ({"repository": f"https://example.org/project.git?token={PASSWORD}"}, "repository: expected a URL"),
    ({"repository": "https://example.org/a\nb"}, "repository: expected a URL"),
    ({"repository": "https://me:s3cret@example.org/project.git"}, "repository: no user (but for ssh) and no password in the URL"),
    ({"repository": "https://token@example.org/project.git"}, "repository: no user (but for ssh) and no password in the URL"),
    ({"repository": "ssh://git:secret@example.org/project.git"}, "repository: no user (but for ssh) and no password in the URL"),
    ({"repository": "ssh://-oProxyCommand=touch@example.org/project.git"}, "repository: no user (but for ssh) and no password in the URL"),
    ({"repository": "ssh://-oProxyCommand=touch/project.git"}, 'repository: "-oProxyCommand=touch" is no host for ssh'),
    ({"repository": "file://example.org/project.git"}, 'repository: "example.org" is no host for file'),
    ({"ref": "--upload-pack=ran"}, 'ref "--upload-pack=ran": expected a branch or a tag'),
    ({"ref": "+main"}, 'ref "+main": expected'),
    ({"ref": "main:refs/heads/other"}, 'ref "main:refs/heads/other": expected'),
    ({"ref": "refs/heads/*"}, 'ref "refs/heads/*": expected'),
    ({"commit": "abc123"}, 'commit "abc123": expected all of its 40 digits'),
    ({"commit": "--" + "1" * 38}, 'expected all of its 40 digits'),
    ({"path": "--output=ran"}, 'path "--output=ran": it can\'t begin with a dash'),
    ({"path": "a\0b"}, "or hold control characters"),
]


def test_hostile_specs_are_refused(plugin, folder):
    for spec, text in HOSTILE:
        answer = ask(plugin, **{"repository": "http://127.0.0.1:1/project", **spec})
        assert answer.status == 400 and text in answer.text, (spec, answer)
        assert "secret" not in answer.text and "s3cret" not in answer.text
    assert list(folder.iterdir()) == []


def test_server_that_ends_in_the_middle_leaves_nothing(plugin, server, repository):
    with Relay(server.port) as relay:
        url = f"http://127.0.0.1:{relay.port}/project"
        relay.cut_after(100_000)
        answer = ask(plugin, url)
        assert relay.cut
        assert answer.status == 502 and answer.text.startswith(f"HEAD of {url}: error: RPC failed; curl 18 "), answer
        assert "\n" not in answer.text
        assert left(plugin) == []
        relay.mend(server.port)
        assert blob(plugin, url) == (repository.archive(repository.second), repository.second)


def test_shutdown_in_the_middle_leaves_nothing(folder):
    """What Plugin checks at its end: exit status and temporary files."""
    waiting, release = threading.Event(), threading.Event()

    def serve(_):
        waiting.set()
        release.wait(60)

    with RawServer(serve) as server, Plugin(SCRIPT, cwd=folder) as plugin:
        asking = threading.Thread(target=lambda: ask(plugin, server.url + "/project"))
        asking.start()
        assert waiting.wait(30)
        plugin.signal()
        plugin.wait()
        asking.join()
        release.set()


def test_without_git_it_says_so(folder):
    with Plugin(SCRIPT, cwd=folder, env={"PATH": path_without_git(folder / "bin")}) as plugin:
        answer = ask(plugin, "file:///nope")
    assert (answer.status, answer.text) == (502, f"HEAD of file:///nope: git: No such file or directory in PATH ({folder}/bin)")


def test_git_that_says_nothing_is_quoted_by_its_status(folder):
    (folder / "git").write_text("#!/bin/sh\nexit 3\n")
    (folder / "git").chmod(0o755)
    with Plugin(SCRIPT, cwd=folder, env={"PATH": f"{folder}:{os.environ['PATH']}"}) as plugin:
        assert ask(plugin, "file:///nope").text == "HEAD of file:///nope: git: exit status 3"


# ---- credentials ----

def test_identity_says_where(plugin):
    for repository, identity in [
        ("https://example.org/acme/project.git", {"scheme": "https", "hostname": "example.org", "path": "acme/project.git"}),
        ("http://127.0.0.1:8080/p", {"scheme": "http", "hostname": "127.0.0.1", "port": "8080", "path": "p"}),
        ("https://[::1]:8443/p", {"scheme": "https", "hostname": "[::1]", "port": "8443", "path": "p"}),
        ("ssh://git@example.org/~me/p", {"scheme": "ssh", "hostname": "example.org", "path": "~me/p"}),
        ("file:///srv/p", {"scheme": "file", "path": "srv/p"}),
    ]:
        assert plugin.json("POST", "/identity", {"type": {"type": "GitInput/v1", "repository": repository}}) == {"identity": {"type": "Git", **identity}}


@pytest.mark.parametrize("wanted", [{"user": "me", "password": PASSWORD}, {"token": PASSWORD}])
def test_credentials_are_sent_and_wrong_ones_are_not_told(plugin, repository, wanted):
    right = {"username": "me", "password": PASSWORD} if "user" in wanted else {"token": PASSWORD}
    wrong = {"username": "me", "password": "wr0ng-one"} if "user" in wanted else {"token": "wr0ng-one"}
    with HttpServer(repository.path.parent, **wanted) as server:
        url = server.url + "/project"
        assert blob(plugin, url, credentials=right)[0] == repository.archive(repository.second)
        answer = ask(plugin, url, credentials=wrong)
        said = f"Authentication failed for '{url}/'" if "user" in wanted else f"could not read Username for '{server.url}': terminal prompts disabled"
        identity = json.dumps({"hostname": "127.0.0.1", "path": "project", "port": str(server.port), "scheme": "http", "type": "Git"}, separators=(",", ":"))
        assert (answer.status, answer.text) == (502, f"HEAD of {url}: fatal: {said}; it refuses the credentials for {identity}")
        nobody = ask(plugin, url)
        assert (nobody.status, nobody.text) == (
            502, f"HEAD of {url}: fatal: could not read Username for '{server.url}': terminal prompts disabled; "
                 f"it wants credentials, and none with a password or a token are configured for {identity}")
    assert left(plugin, blobs=1) == []
    plugin.stop()
    told = answer.text + "".join(plugin.stderr)
    for secret in (PASSWORD, "wr0ng-one", base64.b64encode(f"me:{PASSWORD}".encode()).decode(), base64.b64encode(b"me:wr0ng-one").decode()):
        assert secret not in told


def test_redirect_takes_no_credentials_along(plugin, repository):
    """Neither to a server that asks for them, nor to one that doesn't."""
    root = repository.path.parent
    for credentials in ({"username": "me", "password": PASSWORD}, {"token": PASSWORD}):
        for asks in ({"user": "me", "password": PASSWORD}, {}):
            with HttpServer(root, **asks) as elsewhere, HttpServer(root, redirect=elsewhere.url) as server:
                answer = ask(plugin, server.url + "/project", credentials=credentials)
                assert (answer.status == 200) == (not asks and "token" not in credentials)
                assert {sent for _, sent in elsewhere.seen} <= {None}


def test_redirect_is_followed(plugin, server, repository):
    with HttpServer(repository.path.parent, redirect=server.url) as first:
        assert blob(plugin, first.url + "/project")[0] == repository.archive(repository.second)


def test_ssh_goes_through_the_users_ssh_without_questions(repository, folder):
    """An ssh that runs what it is asked to run, here."""
    (folder / "bin").mkdir()
    (folder / "bin/ssh").write_text('#!/bin/sh\necho "$@" >>"$RECORD"\nfor last; do :; done\nexec sh -c "$last"\n')
    (folder / "bin/ssh").chmod(0o755)
    env = {"PATH": f"{folder}/bin:{os.environ['PATH']}", "RECORD": str(folder / "record"), "GIT_SSH_COMMAND": None}
    with Plugin(SCRIPT, cwd=folder, env=env) as plugin:
        assert blob(plugin, f"ssh://git@example.org:2222{repository.path}")[0] == repository.archive(repository.second)
    assert (folder / "record").read_text().splitlines()[-1].startswith("-o BatchMode=yes ")


# ---- as one program ----

def test_bundle_works_without_the_folder(repository, folder):
    assert run("bundle", SCRIPT, "-o", folder / "bundled").returncode == 0
    with Plugin(None, command=[folder / "bundled"], cwd=folder) as plugin:
        assert blob(plugin, f"file://{repository.path}")[1] == repository.second


# ---- through the plugin manager ----

def test_manager_gets_blob_and_commit(manager, repository):
    spec = {"type": "GitInput", "repository": f"file://{repository.path}", "ref": "v1.0", "path": "docs"}
    for method, kind in [("ProcessResource", "resource"), ("ProcessSource", "source")]:
        answer = manager.call("inputRepository", method, **{kind: {"name": "it", "version": "1.0.0", "type": "blob", "input": spec}})
        assert {"name": LABEL, "value": repository.first} in answer[kind]["labels"]
        assert answer["blob"]["mediaType"] == "application/x-tgz"
    assert manager.call("inputRepository", "identity", resource={"name": "it", "version": "1.0.0", "type": "blob", "input": spec})["type"] == "Git"
    error = manager.error("inputRepository", "ProcessResource", spec={**spec, "ref": "nope"}, resource={"name": "it", "version": "1.0.0", "type": "blob"})
    assert "fatal: couldn't find remote ref nope" in error


# ---- with the ocm CLI ----

def component(kind="resources", **spec):
    return {"name": "acme.org/it", kind: [{"name": "it", "input": {"type": "GitInput/v1", **spec}}]}


def test_cli_adds_a_revision_and_downloads_what_git_archive_makes(cli, server, repository):
    cli.add(component(repository=server.url + "/project", ref="v1.0"))
    archive = cli.download("acme.org/it", "it").read_bytes()
    assert gzip.decompress(archive) == repository.archive(repository.first)
    [stored] = cli.descriptor("acme.org/it")["resources"]
    assert (stored["digest"]["value"], stored["access"]["mediaType"]) == (hashlib.sha256(archive).hexdigest(), "application/x-tgz")
    assert "labels" not in stored # of an input's answer the CLI takes the location alone


def test_cli_extracts_it_where_the_media_type_says_so(cli, server, repository):
    cli.add(component(repository=server.url + "/project", path="docs", mediaType="application/x-tar+gzip"))
    extracted = cli.download("acme.org/it", "it")
    assert {str(path.relative_to(extracted)): path.read_bytes() for path in extracted.rglob("*") if path.is_file()} == \
        {"docs/guide.md": b"guide\n", "docs/deep/notes.md": b"notes\n"}


def test_cli_takes_sources_and_several_at_once(cli, server, repository):
    specs = {"tag": {"ref": "v1.0"}, "commit": {"commit": repository.first}, "docs": {"path": "docs"}, "all": {}}
    elements = [{"name": name, "input": {"type": "GitInput", "repository": server.url + "/project", **spec}} for name, spec in specs.items()]
    cli.add({"name": "acme.org/it", "resources": elements[:3], "sources": elements[3:]})
    stored = cli.descriptor("acme.org/it")
    assert stored["sources"][0]["access"]["mediaType"] == "application/x-tgz"
    digests = [each["digest"]["value"] for each in stored["resources"]]
    assert digests[0] == digests[1] != digests[2]


def test_cli_finds_credentials_and_tells_nobody(cli, repository):
    def consumer(password, port):
        return {"type": "credentials.config.ocm.software", "consumers": [{
            "identity": {"type": "Git", "scheme": "http", "hostname": "127.0.0.1", "port": str(port)},
            "credentials": [{"type": "Credentials/v1", "properties": {"username": "me", "password": password}}]}]}

    with HttpServer(repository.path.parent, user="me", password=PASSWORD) as server:
        cli.configure(consumer("wr0ng-one", server.port))
        arguments = cli.constructor(component(repository=server.url + "/project"))
        failed = cli.run("add", "cv", *arguments)
        assert failed.returncode == 1
        assert f"HEAD of {server.url}/project: fatal: Authentication failed for '{server.url}/project/'" in failed.stderr
        assert "wr0ng-one" not in failed.stderr
        cli.configure(consumer(PASSWORD, server.port))
        done = cli.ok("add", "cv", *arguments)
        assert PASSWORD not in done.stderr
    assert gzip.decompress(cli.download("acme.org/it", "it").read_bytes()) == repository.archive(repository.second)


def test_cli_shows_that_the_server_has_ended(cli, server, repository):
    with Relay(server.port) as relay:
        arguments = cli.constructor(component(repository=f"http://127.0.0.1:{relay.port}/project"))
        relay.cut_after(100_000)
        assert f"HEAD of http://127.0.0.1:{relay.port}/project: error: RPC failed; curl 18 " in cli.fails("add", "cv", *arguments)
        relay.mend(server.port)
        cli.ok("add", "cv", *arguments)


@pytest.mark.parametrize("spec, message", [
    ({"repository": "file:///nope"}, "fatal: '/nope' does not appear to be a git repository"),
    ({"repository": "file:///nope", "branch": "x"}, "additional properties 'branch' not allowed"),
    ({}, "missing property 'repository'"),
])
def test_cli_says_what_is_wrong(cli, spec, message):
    assert message in cli.fails("add", "cv", *cli.constructor(component(**spec)))
