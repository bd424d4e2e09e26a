"""directory-repository: all methods of both contracts, over the socket and through the plugin manager."""
import base64
import contextlib
import hashlib
import http.client
import json
import os
import threading
from pathlib import Path
from urllib.parse import urlencode

import pytest
from harness import Plugin, until

SCRIPT = Path(__file__).resolve().parent / "directory-repository"
COMPONENT = "acme.org/demo/app"


class Repository:
    """The plugin's methods, for one directory."""

    def __init__(self, plugin, path):
        self.plugin, self.path = plugin, path
        self.spec = {"type": "DirectoryRepository/v1", "path": str(path)}
        plugin.json("POST", "/identity", {"type": self.spec}) # as the manager does before its first GET

    def post(self, path, **body):
        return self.plugin.request("POST", path, {"repository": self.spec, **body})

    def add(self, descriptor):
        answer = self.post("/component-version/upload", descriptor=descriptor)
        assert (answer.status, answer.body) == (200, b"")

    def add_blob(self, kind, element, content):
        file = self.path.parent / "handed-over"
        file.write_bytes(content)
        answer = self.post(f"/local-{kind}/upload", name=COMPONENT, version="1.0.0",
                           **{kind: element, f"{kind}Location": {"type": "localFile", "value": str(file)}})
        assert answer.status == 200, answer.text
        return json.loads(answer.body)

    def get(self, path, **query):
        return self.plugin.request("GET", f"{path}?{urlencode(query)}")

    def version(self, name=COMPONENT, version="1.0.0"):
        return self.get("/component-version/download", name=name, version=version)

    def versions(self, name=COMPONENT):
        return json.loads(self.get("/component-versions", name=name).body)

    def blob(self, kind, identity, version="1.0.0"):
        encoded = base64.b64encode(json.dumps(identity).encode()).decode()
        return self.get(f"/local-{kind}/download", name=COMPONENT, version=version, identity=encoded)

    def components(self, last=""):
        answer = self.post("/components/list", last=last)
        assert answer.status == 200, answer.text
        return json.loads(answer.body)

    def files(self):
        return sorted(str(file.relative_to(self.path)) for file in self.path.rglob("*") if file.is_file())


@pytest.fixture
def plugin(folder):
    with Plugin(SCRIPT, cwd=folder) as running:
        yield running


@pytest.fixture
def repository(plugin, folder):
    return make(plugin, folder / "repository")


def make(plugin, path):
    path.mkdir()
    return Repository(plugin, path)


def descriptor(name=COMPONENT, version="1.0.0", **component):
    return {"meta": {"schemaVersion": "v2"}, "component": {"name": name, "version": version, "provider": "acme.org", "repositoryContexts": None,
            "resources": [], "sources": [], "componentReferences": [], **component}}


def shelve(path, names):
    """Components of these names, put there by hand."""
    for name in names:
        place = path / "components" / name.replace("/", "%2F")
        place.mkdir(parents=True)
        (place / "1.0.0.json").write_text("{}")


def exact(text):
    """JSON with the digits of its numbers."""
    return json.loads(text, parse_int=lambda digits: ("number", digits), parse_float=lambda digits: ("number", digits))


# ---- component versions ----

def test_descriptor_comes_back_exactly(repository):
    text = json.dumps(descriptor(labels=[{"name": "odd", "value": {"none": None, "list": [], "object": {}, "große Zahl": 9223372036854775807, "text": "\"\\\n\u2028😀"}}]))
    text = text.replace('"none"', '"huge": 123456789012345678901234567890, "float": 1.0, "exponent": 1e400, "none"')
    answer = repository.plugin.request("POST", "/component-version/upload", f'{{"repository": {json.dumps(repository.spec)}, "descriptor": {text}}}')
    assert answer.status == 200, answer.text
    assert exact(repository.version().body) == exact(text)


def test_version_is_a_file_that_people_can_read(repository):
    repository.add(descriptor())
    assert repository.files() == ["components/acme.org%2Fdemo%2Fapp/1.0.0.json"]
    text = (repository.path / repository.files()[0]).read_text()
    assert json.loads(text) == descriptor()
    assert '\n    "name": "acme.org/demo/app",\n' in text


def test_version_that_is_uploaded_again_is_replaced(repository):
    repository.add(descriptor())
    repository.add(descriptor(provider="somebody else"))
    assert json.loads(repository.version().body)["component"]["provider"] == "somebody else"
    assert repository.versions() == ["1.0.0"]


def test_versions_may_hold_any_character(repository):
    versions = ["0.1.0-rc.1+build.7", "1.0.0+linux/amd64", "1.0.0 final", "2%2F", "Überversion", "v1.0", "ver*?[s]ion", "~1"]
    for version in versions:
        repository.add(descriptor(version=version))
    assert repository.versions() == sorted(versions)
    for version in versions:
        assert json.loads(repository.version(version=version).body)["component"]["version"] == version


def test_components_with_similar_names_are_kept_apart(repository):
    names = ["acme.org/a", "acme.org/a/b", "acme.org/a/1.0.0", "acme.org%2Fa", "acme.org/A"]
    for name in names:
        repository.add(descriptor(name=name))
    assert [repository.versions(name) for name in names] == [["1.0.0"]] * len(names)
    assert repository.components()["list"] == sorted(names)


def test_no_versions_are_an_empty_list(repository):
    assert repository.get("/component-versions", name=COMPONENT).body == b"[]"


def test_missing_version_is_404_that_says_where_it_looked(repository):
    repository.add(descriptor())
    for name, version in [(COMPONENT, "2.0.0"), ("acme.org/other", "1.0.0")]:
        answer = repository.version(name, version)
        assert (answer.status, answer.text) == (404, f"there is no version {version} of {name} in {repository.path}")


def test_missing_directory_is_said_by_reads_too(plugin, folder):
    answer = Repository(plugin, folder / "shelv").version()
    assert (answer.status, answer.text) == (404, f"there is no version 1.0.0 of {COMPONENT} in {folder}/shelv (there is no such directory)")


@pytest.mark.parametrize("text, reason", [
    ('{"a":', "line 1, column 6: expected a value, not the end of the text"),
    ("[]", "that is no component descriptor"),
    ("{}", "that is no component descriptor"),
])
def test_file_that_is_no_descriptor_is_named(repository, text, reason):
    repository.add(descriptor())
    (repository.path / "components/acme.org%2Fdemo%2Fapp/1.0.0.json").write_text(text)
    answer = repository.version()
    assert (answer.status, answer.text) == (502, f"{COMPONENT} 1.0.0 in {repository.path}: {reason}")


def test_get_before_any_repository_was_named_is_404(plugin):
    answer = plugin.request("GET", "/component-version/download?name=acme.org/a&version=1")
    assert (answer.status, answer.text) == (404, "there is no version 1 of acme.org/a in any repository: none has been named yet")


def test_get_asks_all_repositories_that_were_named(plugin, folder):
    first, second = make(plugin, folder / "first"), make(plugin, folder / "second")
    first.add(descriptor(version="1.0.0"))
    second.add(descriptor(version="2.0.0"))
    for repository in (first, second):
        repository.add(descriptor(version="3.0.0"))
    assert [first.version(version=version).status for version in ("1.0.0", "2.0.0", "3.0.0", "4.0.0")] == [200, 200, 200, 404]
    assert first.versions() == ["1.0.0", "2.0.0", "3.0.0"]
    assert f"in {second.path}, {first.path}" in first.version(version="4.0.0").text


def test_version_that_differs_between_repositories_is_not_guessed(plugin, folder):
    first, second = make(plugin, folder / "first"), make(plugin, folder / "second")
    for repository in (first, second):
        stored = repository.add_blob("resource", {"name": "it", "type": "text"}, repository.path.name.encode())
        repository.add(descriptor(resources=[stored]))
    for answer in first.version(), first.blob("resource", {"name": "it"}):
        assert (answer.status, answer.text) == (
            409, f"{COMPONENT} 1.0.0 has different content in {second.path} and in {first.path}, and the request does not say which is meant")


HOSTILE = ["..", ".", "", "/etc/passwd", "../../escape", "acme.org/../../escape", "acme.org//a", "acme.org/a/", ".hidden", "acme.org/.git", "a\0b", "a\nb"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused_and_write_nothing(repository, folder, name):
    before = sorted(folder.rglob("*"))
    for hostile in ({"name": name}, {"version": name}):
        answers = [repository.post("/component-version/upload", descriptor=descriptor(**hostile)),
                   repository.get("/component-version/download", **{"name": COMPONENT, "version": "1", **hostile})]
        assert [answer.status for answer in answers] == [400, 400], (hostile, answers)
        assert "cannot be the " + ("name" if "name" in hostile else "version") in answers[0].text
    assert repository.get("/component-versions", name=name).status == 400
    assert sorted(folder.rglob("*")) == before


def test_name_that_is_too_long_for_a_file_is_an_error_not_a_missing_version(repository):
    repository.add(descriptor())
    answer = repository.version(version="1" * 300)
    assert (answer.status, "File name too long" in answer.text) == (500, True)


# ---- resources and sources ----

ACCESSES = [
    (None, {"type": "localBlob/v1", "mediaType": "application/octet-stream"}),
    ({"type": "LocalBlob/v1", "mediaType": "text/plain"}, {"type": "LocalBlob/v1", "mediaType": "text/plain"}),
    ({"type": "localBlob", "mediaType": "text/plain", "localReference": "else", "referenceName": "acme/demo"},
     {"type": "localBlob", "mediaType": "text/plain", "referenceName": "acme/demo"}),
    ({"type": "ociArtifact", "imageReference": "example.org/image"}, {"type": "localBlob/v1", "mediaType": "application/octet-stream"}),
    ({"type": "localBlobber/v1"}, {"type": "localBlob/v1", "mediaType": "application/octet-stream"}),
]


@pytest.mark.parametrize("access, expected", ACCESSES)
@pytest.mark.parametrize("kind", ["resource", "source"])
def test_uploaded_blob_gets_an_access_that_finds_it(repository, kind, access, expected):
    element = {"name": "it", "version": "1.0.0", "type": "blob", "labels": [{"name": "l", "value": []}]}
    answer = repository.add_blob(kind, {**element, "access": access}, b"content")
    digest = hashlib.sha256(b"content").hexdigest()
    assert answer == {**element, "access": {**expected, "localReference": "sha256:" + digest}}
    assert repository.files() == ["blobs/sha256." + digest]
    repository.add(descriptor(**{kind + "s": [answer]}))
    found = json.loads(repository.blob(kind, {"name": "it"}).body)
    assert found == {kind: answer, "location": {"type": "localFile", "value": f"{repository.path}/blobs/sha256.{digest}", "mediaType": expected["mediaType"]}}
    assert Path(found["location"]["value"]).read_bytes() == b"content"


def test_same_content_is_stored_once(repository):
    for name in ("a", "b"):
        repository.add_blob("resource", {"name": name, "type": "blob"}, b"same")
    assert len(repository.files()) == 1


IDENTITIES = [ # identity, and what it means of the resources below: the content of the blob, or status and text
    ({"name": "tool", "version": "1.0.0", "os": "linux", "arch": "arm"}, "linux/arm"),
    ({"name": "tool", "arch": "amd64"}, "linux/amd64"),
    ({"name": "tool", "version": "1.0.0"}, "any"), # in full, though others have more to them
    ({"name": "tool", "version": "2.0.0"}, "two"),
    ({"version": "2.0.0"}, "two"),
    ({"name": "tool", "os": "linux"}, (400, 'acme.org/demo/app 1.0.0 has 2 resources with identity {"name":"tool","os":"linux"}: say more of it')),
    ({"name": "tool"}, (400, "has 4 resources with identity")),
    ({}, (400, "has 5 resources with identity {}")),
    (None, (400, "has 5 resources with identity {}")),
    ({"name": "nope"}, (404, 'acme.org/demo/app 1.0.0 has no resource with identity {"name":"nope"}')),
    ({"name": "tool", "os": "plan9"}, (404, "has no resource with identity")),
    ({"name": "tool", "version": "1.0.0", "os": "linux", "arch": "arm", "more": "1"}, (404, "has no resource with identity")),
    ({"name": "elsewhere"}, (404, "resource elsewhere: its access is not a local blob")),
]


@pytest.fixture
def stocked(repository):
    elements = [("1.0.0", None, "any"), ("1.0.0", {"os": "linux", "arch": "amd64"}, "linux/amd64"), ("1.0.0", {"os": "linux", "arch": "arm"}, "linux/arm"),
                ("2.0.0", {}, "two")]
    stored = [repository.add_blob("resource", {"name": "tool", "version": version, "type": "blob", "extraIdentity": extra}, content.encode())
              for version, extra, content in elements]
    elsewhere = {"name": "elsewhere", "version": "3", "type": "ociImage", "access": {"type": "ociArtifact", "imageReference": "example.org/i"}}
    repository.add(descriptor(resources=[*stored, elsewhere]))
    return repository


@pytest.mark.parametrize("identity, expected", IDENTITIES)
def test_resource_is_found_by_identity(stocked, identity, expected):
    answer = stocked.blob("resource", identity)
    if isinstance(expected, str):
        assert answer.status == 200, answer.text
        assert Path(json.loads(answer.body)["location"]["value"]).read_text() == expected
    else:
        assert (answer.status, expected[1] in answer.text) == (expected[0], True), answer


def test_version_without_elements_has_no_resource(repository):
    for elements in ([], None):
        repository.add(descriptor(resources=elements, sources=elements))
        assert [repository.blob(kind, {"name": "it"}).status for kind in ("resource", "source")] == [404, 404]
    assert repository.blob("resource", {"name": "it"}, version="2.0.0").text.startswith("there is no version 2.0.0 of ")


@pytest.mark.parametrize("reference", ["sha256:" + "0" * 64, "sha256:../../secret", "../../secret", "/etc/passwd", "sha256:00/../../../secret", "sha256:", ""])
def test_reference_that_is_not_a_stored_blob_is_404(repository, folder, reference):
    (folder / "secret").write_text("secret")
    (repository.path / "blobs/sha256.00").mkdir(parents=True)
    repository.add(descriptor(resources=[{"name": "it", "version": "1", "type": "blob", "access": {"type": "localBlob/v1", "localReference": reference}}]))
    answer = repository.blob("resource", {"name": "it"})
    assert (answer.status, answer.text) == (404, f"resource it: its blob {reference} is not in {repository.path}")


# ---- the repository ----

def test_directory_has_to_be_there(plugin, folder):
    (folder / "file").write_text("")
    for path in (folder / "missing", folder / "file", Path(f"{folder}\0/x")):
        repository = Repository(plugin, path)
        answers = [repository.post("/component-version/check-health"), repository.post("/component-version/upload", descriptor=descriptor()),
                   repository.post("/components/list")]
        assert {answer.status for answer in answers} <= {400, 404}, answers
    assert not (folder / "missing").exists()


def test_directory_is_healthy_and_left_alone(repository):
    answer = repository.post("/component-version/check-health")
    assert (answer.status, answer.body) == (200, b"")
    assert list(repository.path.iterdir()) == []


def test_identity_tells_repositories_apart(plugin):
    for path in ("/a", "/b"):
        identity = plugin.json("POST", "/identity", {"type": {"type": "DirectoryRepository", "path": path}})
        assert identity == {"identity": {"type": "DirectoryRepository", "path": path}}


def test_relative_path_starts_where_ocm_was_called(plugin, folder):
    (folder / "here").mkdir()
    plugin.json("POST", "/component-version/upload", {"repository": {"type": "DirectoryRepository/v1", "path": "here"}, "descriptor": descriptor()})
    assert (folder / "here/components").is_dir()


def test_credentials_are_ignored_and_told_to_nobody(plugin, repository):
    headers = {"Authorization": json.dumps({"type": "DirectCredentials/v1", "properties": {"username": "me", "password": "hunter2hunter2"}})}
    repository.add(descriptor())
    for version, status in ("1.0.0", 200), ("9.9.9", 404):
        answer = plugin.request("GET", f"/component-version/download?name={COMPONENT}&version={version}", headers=headers)
        assert (answer.status, "hunter2" in answer.text) == (status, False)
    plugin.stop()
    assert "hunter2" not in "".join(plugin.stderr)


# ---- listing ----

def test_components_are_listed_in_pages(repository):
    names = [f"acme.org/component-{number:04}" for number in range(1001)]
    shelve(repository.path, names)
    (repository.path / "components/acme.org%2Fcomponent-0000x").mkdir() # no version
    (repository.path / "components/.hidden").mkdir()
    pages, last = [], ""
    while not pages or "header" in pages[-1]:
        pages.append(repository.components(last))
        last = pages[-1].get("header", {}).get("last")
    assert [len(page["list"]) for page in pages] == [500, 500, 1]
    assert [page["header"]["last"] for page in pages[:-1]] == [names[499], names[999]]
    assert [name for page in pages for name in page["list"]] == names


@pytest.mark.parametrize("count, sizes", [(0, [0]), (500, [500])])
def test_last_page_says_that_it_is(repository, count, sizes):
    shelve(repository.path, [f"acme.org/{number}" for number in range(count)])
    answer = repository.components()
    assert ([len(answer["list"])], "header" in answer) == (sizes, False)
    assert isinstance(answer["list"], list)


# ---- several processes, and their ends ----

def test_processes_share_a_directory_without_torn_or_left_over_files(repository, folder):
    """Two processes upload the same version and the same blob over and over, while both are read."""
    padding = {"name": "padding", "value": "x" * 200_000}
    content = bytes(300_000)
    failures, done = [], threading.Event()

    def work(other, provider):
        handed = other.path.parent / f"handed-{provider}-{threading.get_ident()}" # each thread its own: it is read while the other would write it
        handed.write_bytes(content)
        try:
            for _ in range(15):
                other.add(descriptor(provider=provider, labels=[padding]))
                answer = other.post("/local-resource/upload", name=COMPONENT, version="1.0.0", resource={"name": "it", "type": "blob"},
                                    resourceLocation={"type": "localFile", "value": str(handed)})
                assert answer.status == 200, answer.text
        except BaseException as failure:
            failures.append(failure)

    def read(other):
        try:
            while not done.is_set():
                found = json.loads(other.version().body)
                assert found["component"]["provider"] in ("one", "two") and found["component"]["labels"] == [padding]
        except BaseException as failure:
            failures.append(failure)

    with Plugin(SCRIPT, cwd=folder) as second_plugin:
        second = Repository(second_plugin, repository.path)
        repository.add(descriptor(provider="one", labels=[padding]))
        readers = [threading.Thread(target=read, args=(each,)) for each in (repository, second)]
        writers = [threading.Thread(target=work, args=each) for each in ((repository, "one"), (repository, "two"), (second, "one"), (second, "two"))]
        for thread in readers + writers:
            thread.start()
        for thread in writers:
            thread.join()
        done.set()
        for thread in readers:
            thread.join()
    assert failures == []
    assert repository.files() == ["blobs/sha256." + hashlib.sha256(content).hexdigest(), "components/acme.org%2Fdemo%2Fapp/1.0.0.json"]


def test_upload_that_a_kill_ends_is_not_there(folder):
    """The plugin is killed when half of a blob has come; the next one has a directory to work with as before."""
    os.mkfifo(folder / "handed-over")
    (folder / "repository").mkdir()
    element = {"name": "it", "version": "1.0.0", "type": "blob"}
    plugin = Plugin(SCRIPT).start()
    try:
        repository = Repository(plugin, folder / "repository")
        repository.add(descriptor())
        upload = threading.Thread(target=ignoring_its_end, args=(repository.post, "/local-resource/upload"), kwargs={
            "name": COMPONENT, "version": "1.0.0", "resource": element, "resourceLocation": {"type": "localFile", "value": str(folder / "handed-over")}})
        upload.start()
        with open(folder / "handed-over", "wb") as half:
            half.write(bytes(500_000))
            half.flush()
            until(lambda: [file for file in repository.path.glob("blobs/.*") if file.stat().st_size > 0])
            plugin.kill()
            upload.join()
    finally:
        plugin.kill()
    (folder / "handed-over").unlink()
    with Plugin(SCRIPT) as plugin:
        repository = Repository(plugin, folder / "repository")
        assert [file for file in repository.files() if not Path(file).name.startswith(".")] == ["components/acme.org%2Fdemo%2Fapp/1.0.0.json"]
        assert json.loads(repository.version().body) == descriptor()
        repository.add(descriptor(resources=[repository.add_blob("resource", element, b"whole")]))
        assert Path(json.loads(repository.blob("resource", {"name": "it"}).body)["location"]["value"]).read_bytes() == b"whole"


def ignoring_its_end(function, *arguments, **named):
    with contextlib.suppress(OSError, http.client.HTTPException):
        function(*arguments, **named)


# ---- through the plugin manager ----

def test_manager_stores_a_version_with_its_blobs_and_reads_it_back(manager, folder):
    (folder / "blob").write_text("content")
    spec = {"type": "DirectoryRepository/v1", "path": str(folder)}
    name = {"component": COMPONENT, "version": "1.0.0"}

    def call(method, **arguments):
        return manager.call("componentVersionRepository", method, spec=spec, **arguments)

    assert call("identity") == {"type": "DirectoryRepository", "path": str(folder)}
    assert call("CheckHealth") is None
    assert call("ListComponentVersions", component=COMPONENT) == []
    access = {"type": "LocalBlob/v1", "mediaType": "text/plain"}
    blob = {"path": str(folder / "blob")}
    resource = call("AddLocalResource", **name, blob=blob, resource={
        "name": "it", "version": "1.0.0", "type": "text", "relation": "local", "extraIdentity": {"os": "linux"}, "access": access})
    source = call("AddLocalSource", **name, blob=blob, source={"name": "it", "version": "1.0.0", "type": "text", "access": access})
    assert call("AddComponentVersion", descriptor=descriptor(resources=[resource], sources=[source])) is None
    stored = call("GetComponentVersion", **name)["component"]
    assert (stored["resources"], stored["sources"]) == ([resource], [source])
    for method, element, kind in [("GetLocalResource", resource, "resource"), ("GetLocalSource", source, "source")]:
        found = call(method, **name, identity={"name": "it", "version": "1.0.0"})
        assert found[kind] == element
        assert (found["blob"]["content"], found["blob"]["mediaType"]) == ("content", "text/plain")
    assert call("ListComponentVersions", component=COMPONENT) == ["1.0.0"]


def test_manager_reads_every_page_of_components(manager, folder):
    names = sorted(f"acme.org/{number}" for number in range(501))
    shelve(folder, names)
    listed = manager.call("componentLister", "ListComponents", spec={"type": "DirectoryRepository", "path": str(folder)})
    assert [len(page) for page in listed["pages"]] == [500, 1]
    assert listed["names"] == names


def test_manager_passes_on_what_is_missing(manager, folder):
    spec = {"type": "DirectoryRepository/v1", "path": str(folder)}
    manager.call("componentVersionRepository", "identity", spec=spec)
    error = manager.error("componentVersionRepository", "GetComponentVersion", spec=spec, component=COMPONENT, version="1.0.0")
    assert f"there is no version 1.0.0 of {COMPONENT} in {folder}" in error
