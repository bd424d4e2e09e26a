"""oci-repository against Debian's docker-registry: through the plugin manager, with the ocm CLI, and compared with the CLI's own OCI repositories."""
import gzip
import hashlib
import io
import json
import shutil
import tarfile
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

import pytest
from docker_registry import COMPONENT, INDEX, MANIFEST, ROOT, Repository, compact, descriptor, digest, needs_registry, resolve
from harness import Plugin, sizes, until
from http_server import Server
from relay import Relay

SCRIPT = Path(__file__).resolve().parent / "oci-repository"
LAYOUT = "application/vnd.ocm.software.oci.layout.v1+tar+gzip"

pytestmark = needs_registry


def image():
    """An OCI image layout with one image: (archive, digest of its manifest, {digest: bytes})."""
    config, layer = compact({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}), gzip.compress(b"layer" * 1000, mtime=0)
    blobs = {digest(config): config, digest(layer): layer}
    manifest = compact({"schemaVersion": 2, "mediaType": MANIFEST,
                        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(config), "size": len(config)},
                        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest(layer), "size": len(layer)}]})
    blobs[digest(manifest)] = manifest
    index = {"schemaVersion": 2, "manifests": [{"mediaType": MANIFEST, "digest": digest(manifest), "size": len(manifest)}]}
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": compact(index)}
    files |= {"blobs/" + name.replace(":", "/"): content for name, content in blobs.items()}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue(), digest(manifest), blobs


def blobs_of(archive):
    """{digest: bytes} of an OCI image layout."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:*") as opened:
        return {"sha256:" + Path(entry.name).name: opened.extractfile(entry).read() for entry in opened if entry.isfile() and "blobs/sha256/" in entry.name}


# ---- the layout is the one of ocm ----

VERSION, TAG = "1.2.3-rc.1+build.7", "1.2.3-rc.1.build-build.7"


def add_everything(repository):
    """A version with several resources, of which two have the same name, and a source; its descriptor."""
    resources = [
        repository.add_blob({"name": "text"}, b"hello", version=VERSION),
        repository.add_blob({"name": "tool", "extraIdentity": {"os": "linux", "architecture": "amd64"}}, b"amd64", version=VERSION),
        repository.add_blob({"name": "tool", "extraIdentity": {"os": "linux", "architecture": "arm64", "variant": "v8"}}, b"arm64", version=VERSION),
        repository.add_blob({"name": "empty", "version": "2"}, b"", version=VERSION, media_type="application/octet-stream"),
    ]
    sources = [repository.add_blob({"name": "code"}, b"hello", kind="source", version=VERSION)]
    whole = descriptor(VERSION, resources=resources, sources=sources, labels=[{"name": "list", "value": []}, {"name": "object", "value": {}}])
    assert repository.call("AddComponentVersion", descriptor=whole) is None
    return whole


def without_nulls(value):
    if isinstance(value, dict):
        return {name: without_nulls(each) for name, each in value.items() if each not in (None, [])}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


def test_ocm_reads_what_the_plugin_writes(repository, registry, cli):
    whole = add_everything(repository)
    reference = f"{registry.url}/prefix//{COMPONENT}:{VERSION}"
    found = json.loads(cli.ok("get", "cv", reference, "-o", "json").stdout)[0]
    assert without_nulls(found["component"]) == without_nulls(whole["component"])
    for identity, content in [("name=text", b"hello"), ("name=tool,architecture=amd64", b"amd64"), ("name=tool,architecture=arm64", b"arm64")]:
        output = cli.path / "out" / identity
        cli.ok("download", "resource", reference, "--identity", identity, "--output", output)
        assert output.read_bytes() == content
    assert VERSION in cli.ok("get", "cv", f"{registry.url}/prefix//{COMPONENT}").stdout


def test_plugin_writes_the_manifest_that_ocm_writes(repository, registry, cli):
    """All of it but for the words of some annotations, and the spelling of the descriptor."""
    whole = add_everything(repository)["component"]
    contents = {"text": "hello", "tool": None, "empty": "", "code": "hello"}

    def made(element):
        content = contents[element["name"]]
        if content is None:
            content = element["extraIdentity"]["architecture"]
        name = f"blob-{digest(content.encode())[-8:]}"
        (cli.path / name).write_text(content)
        kept = {name: element[name] for name in ("name", "version", "type", "extraIdentity") if name in element}
        return {**kept, "input": {"type": "file/v1", "path": name, "mediaType": element["access"]["mediaType"]}}

    _, _, *constructor = cli.constructor({"name": COMPONENT, "version": VERSION, **{
        kind: [made(element) for element in whole[kind]] for kind in ("resources", "sources")}})
    cli.ok("add", "cv", "--repository", f"{registry.url}/theirs", *constructor)
    ours, theirs = registry.manifest(TAG), registry.manifest(TAG, sub="theirs")
    for manifest in (ours, theirs):
        for each in (manifest["config"], manifest["layers"][0]):
            assert each.pop("digest").startswith("sha256:") and each.pop("size") > 0
        manifest["annotations"] = {"software.ocm.componentversion": manifest["annotations"]["software.ocm.componentversion"]}
    assert ours == theirs


def test_manager_reads_what_ocm_writes(registry, cli, manager):
    resource = {"name": "text", "extraIdentity": {"os": "linux"}, "input": {"type": "utf8/v1", "text": "hello"}}
    source = {"name": "code", "input": {"type": "utf8/v1", "text": "code"}}
    _, _, *constructor = cli.constructor({"name": COMPONENT, "version": VERSION, "resources": [resource], "sources": [source]})
    cli.ok("add", "cv", "--repository", f"{registry.url}/prefix", *constructor)
    repository = Repository(manager, registry.spec())
    assert repository.call("ListComponentVersions", component=COMPONENT) == [VERSION]
    found = repository.call("GetComponentVersion", component=COMPONENT, version=VERSION)
    assert [each["name"] for each in found["component"]["resources"]] == ["text"]
    blob = repository.blob({"name": "text", "os": "linux"}, version=VERSION)
    assert blob["blob"] == {"content": "hello", "mediaType": "text/plain", "size": 5, "sha256": hashlib.sha256(b"hello").hexdigest()}
    assert repository.blob({"name": "code"}, kind="source", version=VERSION)["blob"]["content"] == "code"


def test_manager_reads_back_what_it_wrote(repository):
    whole = add_everything(repository)
    assert repository.call("GetComponentVersion", component=COMPONENT, version=VERSION) == whole
    assert repository.blob({"name": "tool", "version": "1.0.0", "os": "linux", "architecture": "arm64", "variant": "v8"}, version=VERSION)["blob"]["content"] == "arm64"
    assert repository.blob({"name": "empty", "version": "2"}, version=VERSION)["blob"]["size"] == 0
    error = repository.error("GetLocalResource", component=COMPONENT, version=VERSION, identity={"name": "tool", "os": "linux"})
    assert f'{COMPONENT} {VERSION} has 2 resources with identity {{"name":"tool","os":"linux"}}: say more of it' in error


def test_versions_are_listed_the_latest_first(repository, registry):
    for version in ["1.9.0", "1.10.0-rc.2", "1.10.0", "1.10.0-rc.10", "v2.0.0", "1.10.0+b"]:
        repository.call("AddComponentVersion", descriptor=descriptor(version))
    manifest = registry.get(f"prefix/component-descriptors/{COMPONENT}/manifests/v2.0.0")
    for tag in ("latest", "v2.0.1"): # the same version under other names
        put_manifest(registry, f"prefix/component-descriptors/{COMPONENT}", tag, manifest)
    versions = repository.call("ListComponentVersions", component=COMPONENT)
    assert sorted(versions[1:3]) == ["1.10.0", "1.10.0+b"]
    assert versions[:1] + versions[3:] == ["v2.0.0", "1.10.0-rc.10", "1.10.0-rc.2", "1.9.0"]
    assert repository.call("ListComponentVersions", component="acme.org/other") == []


YAML = f"""
meta:
  schemaVersion: v2
component:
  name: {COMPONENT}
  version: 1.0.0
  provider: acme.org
  creationTime: "2022-08-04T11:12:13Z"
  labels:
  - {{name: number, value: 1.5}}
  - {{name: nothing, value: null}}
  repositoryContexts: []
  sources: []
  componentReferences: []
  resources:
  - name: text
    version: "1.10"
    relation: local
    type: blob
    access: {{type: localBlob, localReference: "{digest(b'hello')}", mediaType: text/plain}}
"""


@pytest.mark.parametrize("packed", [False, True])
def test_descriptors_in_yaml_are_read_as_ocm_reads_them(repository, registry, cli, packed):
    content, media_type = YAML.encode(), "application/vnd.ocm.software.component-descriptor.v2+yaml"
    if packed:
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as opened:
            entry = tarfile.TarInfo("component-descriptor.yaml")
            entry.size = len(content)
            opened.addfile(entry, io.BytesIO(content))
        content, media_type = archive.getvalue(), media_type + "+tar"
    layer = {"mediaType": media_type, "digest": digest(content), "size": len(content)}
    config = compact({"componentDescriptorLayer": layer})
    for number, blob in enumerate((content, config, b"hello")):
        repository.add_blob({"name": f"blob-{number}"}, blob)
    text = {"mediaType": "text/plain", "digest": digest(b"hello"), "size": 5}
    config = {"mediaType": "application/vnd.ocm.software.component.config.v1+json", "digest": digest(config), "size": len(config)}
    put_manifest(registry, f"prefix/component-descriptors/{COMPONENT}", "1.0.0", compact(
        {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer, text]}))
    assert repository.call("ListComponentVersions", component=COMPONENT) == ["1.0.0"]
    answer = repository.manager.answer("componentVersionRepository", "GetComponentVersion", spec=repository.spec, component=COMPONENT, version="1.0.0")
    if "install lyaml" in answer.get("error", ""):
        pytest.skip("there is no lyaml")
    found = answer["result"]
    theirs = json.loads(cli.ok("get", "cv", f"{registry.url}/prefix//{COMPONENT}:1.0.0", "-o", "json").stdout)[0]
    assert without_nulls(found) == without_nulls(theirs)
    assert repository.blob({"name": "text", "version": "1.10"})["blob"]["content"] == "hello"


def put_manifest(registry, name, tag, manifest):
    request = urllib.request.Request(f"{registry.url}/v2/{name}/manifests/{tag}", data=manifest, method="PUT", headers={"Content-Type": json.loads(manifest)["mediaType"]})
    urllib.request.urlopen(request).close()


def test_version_is_not_there_before_it_is_written_whole(repository, registry):
    resource = repository.add_blob({"name": "text"}, b"hello")
    assert registry.tags() == []
    assert repository.call("ListComponentVersions", component=COMPONENT) == []
    missing = {**resource, "access": {**resource["access"], "localReference": digest(b"never uploaded")}}
    error = repository.error("AddComponentVersion", descriptor=descriptor(resources=[missing]))
    assert f"resource text: its blob {digest(b'never uploaded')} has not been uploaded" in error
    assert registry.tags() == []


def test_blob_that_is_there_is_not_sent_again(repository, manager):
    for _ in range(3):
        repository.add_blob({"name": "text"}, b"hello")

    def requests(method):
        return [line for line in list(manager.log) if f"method={method}" in line]
    until(lambda: len(requests("HEAD")) == 3)  # and all that was logged before the third
    assert len(requests("PUT")) == 1


# ---- local blobs that are OCI artifacts ----

def test_image_becomes_an_image_of_the_registry_and_an_archive_again(repository, registry, cli):
    archive, top, blobs = image()
    resource = repository.add_blob({"name": "image", "type": "ociImage"}, archive, media_type=LAYOUT)
    assert (resource["access"]["localReference"], resource["access"]["mediaType"]) == (top, MANIFEST)
    repository.call("AddComponentVersion", descriptor=descriptor(resources=[resource, repository.add_blob({"name": "text"}, b"hello")]))
    index = registry.manifest("1.0.0")
    assert (index["mediaType"], [each["digest"] for each in index["manifests"][1:]]) == (INDEX, [top])
    assert digest(registry.get(f"prefix/component-descriptors/{COMPONENT}/manifests/{top}")) == top

    found = repository.blob({"name": "image"})["blob"]
    assert found["mediaType"] == LAYOUT
    assert blobs_of(Path(found["path"]).read_bytes()) == blobs
    reference = f"{registry.url}/prefix//{COMPONENT}:1.0.0"
    for name in ("image", "text"):
        cli.ok("download", "resource", reference, "--identity", f"name={name}", "--output", cli.path / name, "--extraction-policy", "disable")
    assert blobs_of((cli.path / "image").read_bytes()) == blobs
    assert (cli.path / "text").read_bytes() == b"hello"


def test_cli_copies_an_image_that_ocm_put_there_as_the_plugin_does(registry, cli, repository):
    archive, top, blobs = image()
    (cli.path / "image.tgz").write_bytes(archive)
    element = {"name": "image", "type": "ociImage", "extraIdentity": {"os": "linux"}}
    _, _, *constructor = cli.constructor({"name": COMPONENT, "resources": [{**element, "input": {"type": "file/v1", "path": "image.tgz", "mediaType": LAYOUT}}]})
    cli.ok("add", "cv", "--repository", f"{registry.url}/theirs", *constructor)
    resource = repository.add_blob(element, archive, media_type=LAYOUT)
    repository.call("AddComponentVersion", descriptor=descriptor(resources=[resource]))
    ours, theirs = registry.manifest("1.0.0"), registry.manifest("1.0.0", sub="theirs")
    assert ours["manifests"][1:] == theirs["manifests"][1:] and ours["manifests"][1]["digest"] == top
    assert (ours.keys(), ours["manifests"][0].keys()) == (theirs.keys(), theirs["manifests"][0].keys())
    resolve(cli, registry, sub="theirs")
    cli.add(ROOT, flags=["--external-component-version-copy-policy", "copy-or-fail"])
    assert blobs_of(cli.download(COMPONENT, "image", "--extraction-policy", "disable").read_bytes()) == blobs


def test_archive_that_is_not_what_it_says_is_refused(repository, registry, manager):
    archive, top, blobs = image()
    packed = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened, tarfile.open(fileobj=packed, mode="w:gz") as altered:
        for entry in opened:
            content = opened.extractfile(entry).read()
            altered.addfile(entry, io.BytesIO(content.replace(b"amd64", b"arm64")))
    config = next(name for name, content in blobs.items() if b"amd64" in content)
    path = manager.path / "altered"
    path.write_bytes(packed.getvalue())
    resource = {"name": "image", "version": "1", "type": "ociImage", "relation": "local", "access": {"type": "LocalBlob/v1", "mediaType": LAYOUT}}
    error = repository.error("AddLocalResource", component=COMPONENT, version="1.0.0", resource=resource, blob={"path": str(path)})
    assert f"under the name of {config}" in error


# ---- with the ocm CLI: references to components that live in the registry ----

def test_cli_follows_references_and_copies_what_is_behind_them(registry, cli):
    _, _, *constructor = cli.constructor({"name": COMPONENT, "resources": [{"name": "text", "input": {"type": "utf8/v1", "text": "hello"}}]})
    cli.ok("add", "cv", "--repository", f"{registry.url}/prefix", *constructor)
    resolve(cli, registry)
    cli.add(ROOT)
    found = json.loads(cli.ok("get", "cv", "ctf//acme.org/root:1.0.0", "--recursive=-1", "-o", "json").stdout)
    assert [each["component"]["name"] for each in found] == ["acme.org/root", COMPONENT]
    shutil.rmtree(cli.path / "ctf")
    cli.add(ROOT, flags=["--external-component-version-copy-policy", "copy-or-fail"])
    assert cli.download(COMPONENT, "text").read_bytes() == b"hello"


def test_cli_says_what_is_missing(registry, cli):
    resolve(cli, registry)
    message = cli.fails("add", "cv", *cli.constructor(ROOT), "--external-component-version-copy-policy", "copy-or-fail")
    assert f"there is no version 1.0.0 of {COMPONENT} in {registry.url}/prefix/component-descriptors/{COMPONENT}" in message


# ---- what goes wrong ----

def test_blob_that_was_tampered_with_is_refused(repository, registry):
    resource = repository.add_blob({"name": "text"}, b"hello")
    repository.call("AddComponentVersion", descriptor=descriptor(resources=[resource]))
    registry.blob_file(digest(b"hello")).write_bytes(b"jello")
    error = repository.error("GetLocalResource", component=COMPONENT, version="1.0.0", identity={"name": "text"})
    assert digest(b"hello") in error and digest(b"jello") in error
    layer = registry.manifest("1.0.0")["layers"][0]["digest"]
    registry.blob_file(layer).write_bytes(registry.blob_file(layer).read_bytes().replace(b"acme", b"evil"))
    assert layer in repository.error("GetComponentVersion", component=COMPONENT, version="1.0.0")


def test_manifest_that_was_tampered_with_is_refused(repository, registry):
    repository.call("AddComponentVersion", descriptor=descriptor())
    path = registry.blob_file(digest(registry.get(f"prefix/component-descriptors/{COMPONENT}/manifests/1.0.0")))
    path.write_bytes(path.read_bytes().replace(b"OCM component", b"MCO component"))
    assert "its digest is sha256:" in repository.error("GetComponentVersion", component=COMPONENT, version="1.0.0")


def test_registry_that_dies_while_a_blob_is_read(repository, registry, manager):
    content = bytes(range(256)) * 40_000
    repository.call("AddComponentVersion", descriptor=descriptor(resources=[repository.add_blob({"name": "large"}, content)]))
    with Relay(registry.port) as relay:
        relayed = Repository(manager, registry.spec(relay.port))
        relay.cut_after(3_000_000, registry.kill)
        error = relayed.error("GetLocalResource", component=COMPONENT, version="1.0.0", identity={"name": "large"})
        assert f"GET http://127.0.0.1:{relay.port}/v2/prefix/component-descriptors/{COMPONENT}/blobs/{digest(content)}: " in error
        until(lambda: not [size for run in manager.tmp.glob("ocm-*") for size in sizes(run).values() if size > 10_000])
        gone = relayed.error("ListComponentVersions", component=COMPONENT)
        assert f"code 502: additional information: the OCI registry: GET http://127.0.0.1:{relay.port}/v2/" in gone
        relay.mend(registry.start().port)
        assert relayed.blob({"name": "large"})["blob"]["sha256"] == hashlib.sha256(content).hexdigest()


def test_registry_that_dies_while_a_blob_is_written(registry, manager):
    path = manager.path / "large"
    with open(path, "wb") as sparse:
        sparse.truncate(64 << 20)
    resource = {"name": "large", "version": "1.0.0", "type": "blob", "relation": "local", "access": {"type": "LocalBlob/v1", "mediaType": "text/plain"}}
    arguments = {"component": COMPONENT, "version": "1.0.0", "resource": resource, "blob": {"path": str(path)}}

    def kill():
        until(lambda: any(size > 1 << 20 for size in sizes(registry.storage).values()))
        registry.kill()

    with Relay(registry.port) as relay:
        repository = Repository(manager, registry.spec(relay.port))
        relay.cut_after(32 << 20, kill, of="client")
        error = repository.error("AddLocalResource", **arguments)
        assert f"PUT http://127.0.0.1:{relay.port}/v2/prefix/component-descriptors/{COMPONENT}/blobs/uploads/" in error
        relay.mend(registry.start().port)
        assert registry.tags() == [] and not list(registry.storage.rglob("blobs/sha256/*/*/data"))
        assert repository.call("ListComponentVersions", component=COMPONENT) == []
        path.write_bytes(b"smaller")
        added = repository.call("AddLocalResource", **arguments)
        repository.call("AddComponentVersion", descriptor=descriptor(resources=[added]))
        assert repository.blob({"name": "large"})["blob"]["content"] == "smaller"


@pytest.mark.parametrize("name, version, problem", [
    ("acme.org/App", "1.0.0", "cannot be the name of a repository in an OCI registry"),
    ("acme.org/../../admin", "1.0.0", "cannot be the name of a repository in an OCI registry"),
    ("acme.org/a?x=", "1.0.0", "cannot be the name of a repository in an OCI registry"),
    ("acme.org/a", "../1.0.0", '"../1.0.0" cannot be the tag of a version in an OCI registry'),
    ("acme.org/a", "1+2+3", '"1+2+3" cannot be the tag of a version in an OCI registry'),
    ("acme.org/a", "1" * 129, "cannot be the tag of a version in an OCI registry"),
])
def test_names_that_a_registry_has_no_place_for(name, version, problem):
    with Server() as server, Plugin(SCRIPT) as plugin:
        plugin.json("POST", "/identity", {"type": {"type": "OCIScriptRepository", "baseUrl": server.url}})
        answer = plugin.request("GET", "/component-version/download?" + urlencode({"name": name, "version": version}))
        assert (answer.status, problem in answer.text, server.seen) == (400, True, []), answer.text


@pytest.mark.parametrize("base, sub, identity", [
    ("ghcr.io", None, {"hostname": "ghcr.io"}),
    ("https://ghcr.io/", "/acme/", {"scheme": "https", "hostname": "ghcr.io", "path": "acme"}),
    ("ghcr.io/acme/components", None, {"hostname": "ghcr.io", "path": "acme/components"}),
    ("oci://127.0.0.1:5000", None, {"scheme": "oci", "hostname": "127.0.0.1", "port": "5000"}),
    ("http://[::1]:5000", None, {"scheme": "http", "hostname": "::1", "port": "5000"}),
    ("ftp://ghcr.io", None, None), ("https://me:secret@ghcr.io", None, None), ("", None, None), ("http://", None, None),
])
def test_identity_is_the_one_of_ocms_own_repositories(base, sub, identity):
    with Plugin(SCRIPT) as plugin:
        spec = {"type": "OCIScriptRepository", "baseUrl": base, **({"subPath": sub} if sub else {})}
        answer = plugin.request("POST", "/identity", {"type": spec})
        if identity:
            assert json.loads(answer.body) == {"identity": {"type": "OCIRegistry", **identity}}
        else:
            assert (answer.status, answer.text) == (400, "baseUrl: expected [http:// or https://] host [:port] [/path]")


# ---- components ----

def test_components_are_found_in_all_pages_of_the_catalog(registry, manager):
    names = ["acme.org/a", "acme.org/b", "example.org/c"]
    with Plugin(SCRIPT) as plugin:
        for name in [*names, "acme.org/untagged"]:
            plugin.json("POST", "/component-version/upload", {"repository": registry.spec(), "descriptor": descriptor(name=name)})
        repositories = registry.storage / "docker/registry/v2/repositories"
        for tag in (repositories / "prefix/component-descriptors/acme.org/untagged/_manifests/tags").iterdir(): # as blobs alone are
            shutil.rmtree(tag)
        assert plugin.json("GET", "/component-versions?name=acme.org/untagged") == []
    ours = repositories / "prefix/component-descriptors"
    for number in range(101): # others come first: more than a page of them
        shutil.copytree(ours / names[0], repositories / f"images/{number}")
    shutil.copytree(ours / names[0], ours / "acme.org/other") # not what its name says
    listed = manager.call("componentLister", "ListComponents", spec=registry.spec())
    assert listed["names"] == names
    assert manager.call("componentLister", "ListComponents", spec=registry.spec(sub="elsewhere"))["names"] == []


def test_registry_without_a_catalog_says_so():
    with Server() as server, Plugin(SCRIPT) as plugin:
        answer = plugin.request("POST", "/components/list", {"repository": {"type": "OCIScriptRepository", "baseUrl": server.url}, "last": ""})
        assert (answer.status, answer.text) == (404, f"GET {server.url}/v2/_catalog: 404")
