"""The flows of the `ocm` CLI that reach plugins, with plugins of ours: what it asks, what it makes of the answers."""
import gzip
import hashlib
import io
import json
import tarfile

import pytest
from cli import VERSION, Cli
from plugins import DIGEST, INPUT, REPOSITORY, RESOURCE, SIGNING


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def cli():
    with Cli() as home:
        yield home


# ---- inputs ----

def test_input_plugin_makes_blobs_of_resources_and_sources(cli):
    cli.plugin("texts", INPUT)
    texts = {f"text-{number}": f"text number {number}\n" for number in range(6)}
    cli.add({"name": "acme.org/texts",
             "resources": [{"name": name, "input": {"type": "Text/v1", "text": text}} for name, text in texts.items()],
             "sources": [{"name": "source", "input": {"type": "Text/v1", "text": "a source\n", "mediaType": "text/x-source"}}]})
    component = cli.descriptor("acme.org/texts")
    assert {resource["name"]: resource["digest"]["value"] for resource in component["resources"]} == {n: sha256(t) for n, t in texts.items()}
    assert component["sources"][0]["access"] == {"type": "LocalBlob/v1", "localReference": "sha256:" + sha256("a source\n"),
                                                 "mediaType": "text/x-source"}
    assert cli.download("acme.org/texts", "text-3").read_text() == texts["text-3"]


def test_source_without_a_media_type_is_bytes(cli):
    cli.plugin("texts", INPUT)
    cli.add({"name": "acme.org/source", "sources": [{"name": "source", "input": {"type": "Text/v1", "text": "a source\n"}}]})
    assert cli.descriptor("acme.org/source")["sources"][0]["access"]["mediaType"] == "application/octet-stream"


def test_four_inputs_are_under_way_at_once(cli):
    cli.plugin("texts", INPUT)
    cli.add({"name": "acme.org/crowd",
             "resources": [{"name": f"text-{number}", "input": {"type": "Text/v1", "text": "together", "meet": 4}} for number in range(4)]})
    digests = {resource["digest"]["value"] for resource in cli.descriptor("acme.org/crowd")["resources"]}
    assert digests == {sha256("together")}


def test_input_of_an_alias_type_is_found_and_checked_against_the_schema(cli):
    cli.plugin("texts", INPUT)
    cli.add({"name": "acme.org/alias", "resources": [{"name": "text", "input": {"type": "Text", "text": "by its alias"}}]})
    assert [call["request"]["resource"]["input"]["type"] for call in cli.calls("texts", "ProcessResource")] == ["Text"]


def test_spec_that_the_schema_refuses_never_reaches_the_plugin(cli):
    cli.plugin("texts", INPUT)
    message = cli.fails("add", "cv", *cli.constructor(
        {"name": "acme.org/misspelt", "resources": [{"name": "text", "input": {"type": "Text/v1", "text": "", "mediatype": "text/plain"}}]}))
    assert "additional properties 'mediatype' not allowed" in message
    assert cli.calls("texts") == []


def test_input_request_arrives_as_the_constructor_has_it(cli):
    cli.plugin("texts", INPUT.replace('mediaType = "string?"', 'mediaType = "string?", more = "any"'))
    more = {"integer": 9007199254740993, "float": 1.5, "none": None, "list": [], "object": {}, "ümläut \"quoted\"": [[], {}, "\U0001f600"]}
    resource = {"name": "text", "type": "odd", "labels": [{"name": "a", "value": {"list": []}}], "extraIdentity": {"platform": "x"},
                "input": {"type": "Text/v1", "text": "t", "more": more}}
    cli.add({"name": "acme.org/faithful", "resources": [resource]})
    [call] = cli.calls("texts", "ProcessResource")
    got = call["request"]["resource"]
    assert {name: got[name] for name in ("name", "version", "type", "labels", "extraIdentity")} == \
        {"name": "text", "version": VERSION, "type": "odd", "labels": resource["labels"], "extraIdentity": {"platform": "x"}}
    got_more = got["input"]["more"]
    assert abs(got_more.pop("integer") - more.pop("integer")) <= 1  # the CLI rounds it before it gets here
    assert got_more == more


# ---- digests ----

def test_digest_plugin_digests_an_access(cli):
    cli.plugin("digests", DIGEST)
    cli.add({"name": "acme.org/digested", "resources": [{"name": "file", "access": {"type": "File/v1", "digest": "abc"}}]})
    [resource] = cli.descriptor("acme.org/digested")["resources"]
    assert resource["digest"] == {"hashAlgorithm": "SHA-256", "normalisationAlgorithm": "genericBlobDigest/v1", "value": "abc"}


# ---- resources ----

def tar_of(name, text):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    return out.getvalue()


TEXT = b"some text\n"
TAR = tar_of("member", TEXT)
# what is answered, with which media type, and what the user gets: "as is", "decompressed", "extracted" or "fails"
DOWNLOADS = [
    (TEXT, None, (), "as is"),
    (TEXT, "text/plain", (), "as is"),
    (gzip.compress(TAR), "application/x-tgz", (), "as is"),
    (gzip.compress(TEXT), "application/gzip", (), "decompressed"),
    (gzip.compress(TAR), "application/x-tar+gzip", (), "extracted"),
    (gzip.compress(TAR), "application/tar+gzip", (), "extracted"),
    (TAR, "application/x-tar", (), "fails"),
    (TAR, "application/x-tar", ("--extraction-policy", "disable"), "as is"),
]


def test_media_type_of_the_answer_decides_how_a_resource_is_saved(cli):
    cli.plugin("digests", DIGEST)
    cli.plugin("files", RESOURCE)
    resources = []
    for number, (content, media_type, _, _) in enumerate(DOWNLOADS):
        path = cli.path / f"content-{number}"
        path.write_bytes(content)
        access = {"type": "File/v1", "path": str(path), "digest": "x", **({"mediaType": media_type} if media_type else {})}
        resources.append({"name": f"file-{number}", "access": access})
    cli.add({"name": "acme.org/files", "resources": resources})
    for number, (content, media_type, flags, outcome) in enumerate(DOWNLOADS):
        if outcome == "fails":
            cli.download("acme.org/files", f"file-{number}", *flags, command=cli.fails)
            continue
        saved = cli.download("acme.org/files", f"file-{number}", *flags)
        expected = content if outcome == "as is" else TEXT
        assert (saved / "member" if outcome == "extracted" else saved).read_bytes() == expected, (media_type, flags)


# ---- repositories ----

def descriptor(name, version=VERSION, **members):
    return {"meta": {"schemaVersion": "v2"},
            "component": {"name": name, "version": version, "provider": "acme", "repositoryContexts": [], "resources": [], "sources": [],
                          "componentReferences": [], **members}}


def repository(cli, *patterns):
    """A folder with versions of acme.org/remote and acme.org/plugin for each pattern of components, and the configuration for it."""
    cli.plugin("folders", REPOSITORY)
    resolvers = []
    for number, pattern in enumerate(patterns):
        folder = cli.path / f"repository-{number}"
        folder.mkdir()
        resolvers.append({"componentNamePattern": pattern, "repository": {"type": "Folder/v1", "path": str(folder)}})
    cli.configure({"type": "resolvers.config.ocm.software/v1alpha1", "resolvers": resolvers})
    return [resolver["repository"] for resolver in resolvers]


def publish(spec, document):
    component = document["component"]
    file = f'{component["name"].replace("/", ".")}-{component["version"]}.json'
    with open(f'{spec["path"]}/{file}', "w", encoding="utf-8") as out:
        json.dump(document, out)


def reference(name, **members):
    return {"name": name.rpartition("/")[2], "version": VERSION, "componentName": name, **members}


def test_references_are_followed_into_a_plugin_s_repository(cli):
    [spec] = repository(cli, "acme.org/remote*")
    publish(spec, descriptor("acme.org/remote", labels=[{"name": "number", "value": 12345}],
                             componentReferences=[reference("acme.org/remote/leaf")]))
    publish(spec, descriptor("acme.org/remote/leaf"))
    cli.add({"name": "acme.org/root", "componentReferences": [reference("acme.org/remote")]})
    got = json.loads(cli.ok("get", "cv", f"ctf//acme.org/root:{VERSION}", "--recursive=-1", "-o", "json").stdout)
    assert [each["component"]["name"] for each in got] == ["acme.org/root", "acme.org/remote", "acme.org/remote/leaf"]
    assert got[1]["component"]["labels"] == [{"name": "number", "value": 12345}]
    cli.ok("transfer", "cv", "-r", f"ctf//acme.org/root:{VERSION}", "ctf::copy")
    cli.configure()
    assert cli.descriptor("acme.org/remote/leaf", repository="copy")["provider"] == "acme"
    for call in cli.calls("folders", "GetComponentVersion"):
        assert call["request"]["repository"] == spec


def test_two_repositories_of_one_plugin_are_both_known_to_a_get(cli):
    first, second = repository(cli, "acme.org/one", "acme.org/two")
    publish(first, descriptor("acme.org/one", componentReferences=[reference("acme.org/two")]))
    publish(second, descriptor("acme.org/two"))
    cli.add({"name": "acme.org/root", "componentReferences": [reference("acme.org/one")]})
    got = json.loads(cli.ok("get", "cv", f"ctf//acme.org/root:{VERSION}", "--recursive=-1", "-o", "json").stdout)
    assert [each["component"]["name"] for each in got] == ["acme.org/root", "acme.org/one", "acme.org/two"]
    known = [call["request"]["repositories"] for call in cli.calls("folders", "GetComponentVersion") if call["request"]["name"] == "acme.org/two"]
    assert known and all(specs == [second, first] for specs in known)


def test_copy_policy_fetches_the_local_resources_of_a_reference(cli):
    [spec] = repository(cli, "acme.org/remote")
    resource = {"name": "poem", "version": VERSION, "type": "blob", "relation": "local",
                "access": {"type": "localBlob", "localReference": "sha256:" + sha256("roses\n"), "mediaType": "text/plain"}}
    publish(spec, descriptor("acme.org/remote", resources=[resource]))
    with open(f'{spec["path"]}/poem', "w", encoding="utf-8") as out:
        out.write("roses\n")
    cli.add({"name": "acme.org/root", "componentReferences": [reference("acme.org/remote")]},
            flags=("--external-component-version-copy-policy", "copy-or-fail"))
    [call] = cli.calls("folders", "GetLocalResource")
    assert call["request"]["identity"] == {"name": "poem", "version": VERSION}
    assert cli.download("acme.org/remote", "poem").read_text() == "roses\n"


def test_plugin_registry_reads_descriptors_from_a_plugin_s_repository(cli):
    [spec] = repository(cli, "acme.org/plugins/*")
    publish(spec, descriptor("acme.org/plugins/tool"))
    info = {"name": "ocm.software/pluginInfo", "value": {"description": "a tool", "platforms": ["linux/amd64"]}}
    cli.add({"name": "acme.org/registry", "componentReferences": [reference("acme.org/plugins/tool", labels=[info])]})
    got = cli.ok("plugin", "registry", "get", "tool", "--registry", f"ctf//acme.org/registry:{VERSION}", "--component-descriptor", "-o", "json")
    assert [each["component"]["name"] for each in json.loads(got.stdout)] == ["acme.org/plugins/tool"]


# ---- signatures ----

def test_signing_plugin_signs_and_verifies(cli):
    cli.plugin("signer", SIGNING)
    cli.configure({"type": "signing.config.ocm.software/v1alpha1", "signer": {"type": "Plain/v1"}})
    cli.add({"name": "acme.org/signed"})
    cli.ok("sign", "cv", f"ctf//acme.org/signed:{VERSION}", "--signature", "mine")
    cli.write("verifier.yaml", {"type": "Plain/v1"})
    cli.ok("verify", "cv", f"ctf//acme.org/signed:{VERSION}", "--signature", "mine", "--verifier-spec", "verifier.yaml")
    assert {call["method"] for call in cli.calls("signer")} == {"Sign", "Verify"}
