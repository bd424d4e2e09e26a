"""The real plugin manager calls every method of every contract, on plugins of ours."""
import json
import shutil

import pytest
from driver import Manager
from harness import until
from reference import HERE

CREDENTIALS = {"type": "DirectCredentials/v1", "properties": {"username": "änne", "password": 'p"w'}}
DIGEST = {"hashAlgorithm": "SHA-256", "normalisationAlgorithm": "jsonNormalisation/v4", "value": "abc"}
SIGNATURE = {"name": "mine", "digest": DIGEST, "signature": {"algorithm": "plain", "value": "abc", "mediaType": "text/plain"}}
RESOURCE = {"name": "it", "version": "1.0.0", "type": "blob", "relation": "external", "labels": [{"name": "list", "value": []}]}
SOURCE = {"name": "it", "version": "1.0.0", "type": "git"}
STORED = {"access": {"type": "Stored/v1", "content": "some bytes"}}
LOCAL = {"version": "1.0.0", "type": "blob", "relation": "local", "access": {"type": "Stored/v1"}}
AT = {"component": "acme.org/ok", "version": "1.0.0"}
IT = {"identity": {"name": "it"}}


def blob(text):
    return {"content": text, "size": len(text)}


def identity(capability):
    return {"type": "Shop/v1", "by": capability, "of": f"{capability}/v1"}


def descriptor(name="acme.org/ok", version="1.0.0"):
    return {"meta": {"schemaVersion": "v2"}, "component": {"name": name, "version": version, "provider": "acme", "repositoryContexts": None,
                                                           "resources": None, "sources": None, "componentReferences": None}}


# capability: [(method, what the driver is given, what it must find in the result, what the plugin must have been asked)]
METHODS = {
    "componentVersionRepository": [
        ("GetComponentVersion", AT, descriptor(), {"name": "acme.org/ok", "version": "1.0.0"}),
        ("ListComponentVersions", AT, ["1.0.0", "2.0.0"], {"name": "acme.org/ok"}),
        ("GetLocalResource", {**AT, **IT}, {"resource": {"name": "it", **LOCAL}, "blob": blob("a resource")}, {**IT, "version": "1.0.0"}),
        ("GetLocalSource", {**AT, **IT}, {"source": {"name": "it"}, "blob": blob("a source")}, {**IT, "version": "1.0.0"}),
        ("AddComponentVersion", {"descriptor": descriptor("acme.org/added")}, None, {"descriptor": descriptor("acme.org/added")}),
        ("AddLocalResource", {**AT, "resource": {**RESOURCE, "access": {"type": "localBlob/v1"}}, "blob": {}}, {**RESOURCE, **STORED},
         {"name": "acme.org/ok", "version": "1.0.0"}),
        ("AddLocalSource", {**AT, "source": {**SOURCE, "access": {"type": "localBlob/v1"}}, "blob": {}}, {**SOURCE, **STORED},
         {"name": "acme.org/ok", "version": "1.0.0"}),
        ("CheckHealth", {}, None, {"repository": {"type": "componentVersionRepository/v1"}}),
    ],
    "componentLister": [
        ("ListComponents", {}, {"names": ["acme.org/a", "acme.org/b", "after acme.org/b"]}, {"last": ""}),
        ("ListComponents", {"last": "x"}, {"names": ["after x"], "pages": [["after x"]]}, {"last": "x"}),
    ],
    "credentialRepository": [
        ("ConsumerIdentityForConfig", {"consumer": "Consumer/v1"}, {"type": "Vault/v1"}, {"config": {"type": "credentialRepository/v1"}}),
        ("Resolve", {"identity": {"type": "Consumer/v1", "hostname": "h"}},
         {"type": "Credentials/v1", "properties": {"username": "h", "by": "credentialRepository"}},
         {"identity": {"type": "Consumer/v1", "hostname": "h"}, "config": {"type": "credentialRepository/v1"}}),
        ("Resolve", {"identity": {"type": "Consumer", "hostname": "h"}}, {"properties": {"username": "h"}}, {}),
    ],
    "credentialPlugin": [
        ("GetConsumerIdentity", {}, {"type": "credentialPlugin/v1"}, {"credential": {"type": "credentialPlugin/v1"}}),
        ("Resolve", {"identity": {"type": "credentialPlugin/v1", "hostname": "h"}},
         {"type": "Credentials/v1", "properties": {"username": "h", "by": "credentialPlugin"}},
         {"identity": {"type": "credentialPlugin/v1", "hostname": "h"}}),
    ],
    "digestProcessorRepository": [
        ("ProcessResourceDigest", {"resource": RESOURCE}, {**RESOURCE, "digest": {**DIGEST, "normalisationAlgorithm": "genericBlobDigest/v1"}},
         {"resource": {**RESOURCE, "access": {"type": "digestProcessorRepository/v1"}}}),
    ],
    "inputRepository": [
        ("ProcessResource", {"resource": RESOURCE}, {"resource": {"name": "it"}, "blob": {**blob("an input"), "mediaType": "text/plain"}},
         {"resource": {**RESOURCE, "input": {"type": "inputRepository/v1"}}}),
        ("ProcessSource", {"source": SOURCE}, {"source": {"name": "it"}, "blob": blob("an input")},
         {"source": {**SOURCE, "input": {"type": "inputRepository/v1"}}}),
    ],
    "resourceRepository": [
        ("GetGlobalResource", {"resource": RESOURCE}, {"blob": {**blob("far away"), "mediaType": "text/plain"}},
         {"resource": {**RESOURCE, "access": {"type": "resourceRepository/v1"}}}),
        ("AddGlobalResource", {"resource": RESOURCE, "blob": {}}, {**RESOURCE, **STORED}, {}),
    ],
    "blobTransformer": [
        ("TransformBlob", {"blob": {}}, {"blob": {**blob("SOME BYTES"), "mediaType": "text/plain"}},
         {"specification": {"type": "blobTransformer/v1"}}),
    ],
    "signingHandler": [
        ("GetSignerIdentity", {"digest": DIGEST, "name": "mine"}, identity("signingHandler"), {"digest": DIGEST, "name": "mine"}),
        ("Sign", {"digest": DIGEST}, {"algorithm": "plain", "value": "abc", "mediaType": "text/plain"}, {"digest": DIGEST}),
        ("GetVerifierIdentity", {"signature": SIGNATURE}, identity("signingHandler"), {"signature": SIGNATURE}),
        ("Verify", {"signature": SIGNATURE}, None, {"signature": SIGNATURE}),
    ],
}
for name, methods in METHODS.items():
    if "credential" not in name and name != "signingHandler":  # those have no /identity
        element = {"resource": RESOURCE} if name in ("inputRepository", "digestProcessorRepository", "resourceRepository") else {}
        methods.append(("identity", element, identity(name), {"type": {"type": f"{name}/v1"}}))

CASES = [(name, *case) for name, methods in METHODS.items() for case in methods]
NAMES = [f"{case[0]}.{case[1]}" for case in CASES]
IDENTITIES = {"identity", "GetSignerIdentity", "GetVerifierIdentity", "GetConsumerIdentity", "ConsumerIdentityForConfig"}
WITHOUT_ANSWER = {"AddComponentVersion", "CheckHealth", "Verify"}
WITH_DEFAULT = {"identity", "CheckHealth"}


@pytest.fixture(scope="module")
def manager():
    """All capabilities, each in a plugin of its own."""
    with Manager() as running:
        install(running, *METHODS)
        yield running


@pytest.fixture(scope="module")
def bare():
    """The same without handlers."""
    with Manager() as running:
        install(running, *(f"missing-{name}" for name in METHODS))
        yield running


def install(manager, *names):
    shutil.copy(HERE / "record.lua", manager.plugins)
    for name in names:
        shutil.copy(HERE / "nine.lua", manager.plugins / name)
        (manager.plugins / name).chmod(0o755)
    (manager.path / "some").write_text("some bytes")


def arguments(manager, capability, given, mode=None, credentials=None):
    """What the driver is given: the spec and the blob are filled in, and the mode where nine.lua looks for it."""
    filled = {"spec": {"type": f"{capability}/v1"}, "credentials": credentials, **given}
    if "blob" in given:
        filled["blob"] = {"path": str(manager.path / "some")}
    if mode:
        filled["spec"]["mode"] = mode
        if "identity" in filled:
            filled["identity"] = {**filled["identity"], "mode": mode}
        if "component" in filled:
            filled["component"] = f"acme.org/{mode}"
    return filled


def includes(value, expected):
    """Whether all that is expected is there; further members of objects may be."""
    if isinstance(expected, dict):
        return isinstance(value, dict) and all(includes(value.get(name), part) for name, part in expected.items())
    return value == expected


@pytest.mark.parametrize("capability, method, given, expected, asked", CASES, ids=NAMES)
def test_method_is_called_and_its_answer_understood(manager, capability, method, given, expected, asked):
    result = manager.call(capability, method, **arguments(manager, capability, given, credentials=CREDENTIALS))
    assert includes(result, expected), result
    if method == "ListComponents":
        return  # its last page is another call
    call = manager.calls(capability)[-1]
    assert call["method"] == {"identity": "GetIdentity"}.get(method, method)
    assert includes(call["request"], asked), call
    assert call.get("credentials") == (None if method in IDENTITIES else CREDENTIALS)


@pytest.mark.parametrize("capability, method, given", [case[:3] for case in CASES], ids=NAMES)
def test_failure_of_a_handler_arrives(manager, capability, method, given):
    name = {"identity": "GetIdentity"}.get(method, method)
    message = manager.error(capability, method, **arguments(manager, capability, given, "fail"))
    assert f"plugin returned status code 418: additional information: {name} refused" in message
    message = manager.error(capability, method, **arguments(manager, capability, given, "error"))
    assert f"plugin returned status code 500: additional information: {name} broke" in message


@pytest.mark.parametrize("capability, method, given", [case[:3] for case in CASES], ids=NAMES)
def test_answer_that_is_none_or_wrong_is_explained(manager, capability, method, given):
    name = {"identity": "GetIdentity"}.get(method, method)
    for mode, got in ("nothing", "nothing"), ("wrong", "a number"):
        filled = arguments(manager, capability, given, mode)
        if method in WITHOUT_ANSWER or (mode == "nothing" and method in WITH_DEFAULT):
            manager.call(capability, method, **filled)
            continue
        message = manager.error(capability, method, **filled)
        assert f"plugin returned status code 500: additional information: {capability}.{name}: answer: expected " in message
        assert f", got {got}" in message


@pytest.mark.parametrize("capability, method, given", [case[:3] for case in CASES], ids=NAMES)
def test_missing_handler_is_named(bare, capability, method, given):
    filled = arguments(bare, capability, given)
    if method in WITH_DEFAULT:
        assert bare.call(capability, method, **filled) == (None if method == "CheckHealth" else {"type": f"{capability}/v1"})
    else:
        message = bare.error(capability, method, **filled)
        assert f"plugin returned status code 501: additional information: this plugin's {capability} has no {method}" in message


@pytest.mark.parametrize("capability", METHODS)
def test_alias_is_a_type_of_its_own(manager, capability):
    method, given, expected, _ = METHODS[capability][-1]
    given = {**given, "spec": {"type": capability}}
    if capability == "credentialPlugin":  # is looked up by the identity's type
        given["identity"] = {**given["identity"], "type": capability}
    result = manager.call(capability, method, **arguments(manager, capability, given))
    assert includes(result, {**expected, "of": capability} if method == "identity" else expected)


@pytest.mark.parametrize("capability", METHODS)
def test_plugin_with_all_capabilities_serves_each(capability):
    with Manager() as manager:
        install(manager, "everything")
        for method, given, expected, _ in METHODS[capability]:
            result = manager.call(capability, method, **arguments(manager, capability, given))
            assert includes(result, expected), result


def test_lists_may_be_empty(manager):
    assert manager.call("componentVersionRepository", "ListComponentVersions", spec={"type": "componentVersionRepository/v1"},
                        component="acme.org/none") == []
    listed = manager.call("componentLister", "ListComponents", spec={"type": "componentLister/v1", "empty": True})
    assert not listed["names"]


def test_get_without_an_identity_finds_none(manager):
    result = manager.call("componentVersionRepository", "GetLocalResource", spec={"type": "componentVersionRepository/v1"}, identity=None, **AT)
    assert result["resource"]["name"] == "none"


def test_descriptor_survives_a_round_trip(manager):
    value = {"list": [], "object": {}, "none": None, "nested": [[], {}, None, ""], "text": "\u0000\U0001f600ä/\"\\", "number": 1.5}
    whole = descriptor("acme.org/round-trip")
    whole["component"] |= {
        "labels": [{"name": "any", "value": value, "signing": True}],
        "resources": [{**RESOURCE, "access": {"type": "Stored/v1", "any": value}, "extraIdentity": {"ü": "ä"},
                       "srcRefs": [{"identitySelector": {"name": "it"}, "labels": [{"name": "l", "value": []}]}]}],
        "sources": [{**SOURCE, "access": {"type": "Stored/v1", "any": value}}],
        "componentReferences": [{"name": "reference", "version": "1.0.0", "componentName": "acme.org/other", "digest": DIGEST}],
        "repositoryContexts": [{"type": "Stored/v1", "any": value}],
    }
    whole["signatures"] = [SIGNATURE]
    spec = {"type": "componentVersionRepository/v1"}
    manager.call("componentVersionRepository", "AddComponentVersion", spec=spec, descriptor=whole)
    sent = manager.calls("componentVersionRepository", "AddComponentVersion")[-1]["request"]["descriptor"]
    got = manager.call("componentVersionRepository", "GetComponentVersion", spec=spec, component="acme.org/round-trip", version="1.0.0")
    assert got["component"]["labels"] == whole["component"]["labels"]
    assert got == sent


def test_requests_are_served_at_once(manager):
    spec = {"type": "componentVersionRepository/v1"}
    given = {"spec": spec, "component": "acme.org/meet", "async": True}
    ids = [manager.send("componentVersionRepository", "GetComponentVersion", **given, version=str(number)) for number in range(16)]
    answers = [manager.receive() for _ in ids]
    assert sorted(answer["id"] for answer in answers) == ids
    assert all(answer["ok"] for answer in answers), answers
    assert {answer["result"]["component"]["version"] for answer in answers} == {str(number) for number in range(16)}


def test_plugin_ends_when_it_is_idle_for_long_enough():
    with Manager("--idle-timeout", "3s") as manager:  # enough for the first request to come, also on a busy machine
        install(manager, "blobTransformer")
        filled = arguments(manager, "blobTransformer", {"blob": {}})
        manager.call("blobTransformer", "TransformBlob", **filled)
        until(lambda: list(manager.tmp.glob("ocm-*")) == [])
        assert manager.process.poll() is None
        assert "failed to send request to plugin" in manager.error("blobTransformer", "TransformBlob", **filled)


CUSTOM = {"type": "custom.config/v1", "list": [], "nested": {"number": 1}}


def test_configuration_of_the_declared_type_arrives_at_start():
    with Manager("--config-types", json.dumps([CUSTOM, {"type": "other.config/v1"}])) as manager:
        install(manager, "everything")
        manager.call("componentLister", "identity", spec={"type": "componentLister/v1"})
        [started] = manager.calls("everything", "start")
        assert started["request"]["configTypes"] == [CUSTOM]


def test_plugin_whose_configuration_is_missing_is_refused_by_its_declaration():
    with Manager("--config-types", '[{"type": "other.config/v1"}]') as manager:
        install(manager, "everything")
        message = manager.error("componentLister", "identity", spec={"type": "componentLister/v1"})
        assert "no configuration found for plugin everything; requested configuration types: [custom.config/v1]" in message
