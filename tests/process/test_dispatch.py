"""From a request to its handler and back: capabilities that share a path, repositories on GETs, identities, locations, and specs that stay as they are."""
import base64
import json
import os
from urllib.parse import quote

import pytest
from contracts import BY_NAME, CVR, INPUT, LISTER, RESOURCE, answering, script
from harness import Plugin

# ---- capabilities that share a path ----

WITH_IDENTITY = ["componentVersionRepository", "componentLister", "digestProcessorRepository", "inputRepository", "resourceRepository", "blobTransformer"]


def test_identity_goes_to_the_capability_of_the_specs_type():
    with Plugin(script({name: {"GetIdentity": f"function() return {{ identity = {{ type = 'from {name}' }} }} end"} for name in WITH_IDENTITY})) as plugin:
        for name in WITH_IDENTITY * 2:
            assert plugin.json("POST", "/identity", {"type": {"type": name + "/v1"}}) == {"identity": {"type": f"from {name}"}}
        answer = plugin.request("POST", "/identity", {"type": {"type": "Other/v1"}})
        assert (answer.status, answer.text) == (400, "/identity: the request fits none of " + ", ".join(WITH_IDENTITY) + ": neither its fields nor its spec's type")


def test_identity_of_an_alias_goes_to_its_capability_too():
    with Plugin('''
local function from(name) return function() return { identity = { type = name } } end end
return ocm.plugin {
  inputRepository = { types = { ["In/v1"] = { aliases = { "In" } } }, GetIdentity = from "input" },
  resourceRepository = { types = { ["Out/v1"] = { aliases = { "Out", "O" } } }, GetIdentity = from "resource" },
}''') as plugin:
        for name, expected in (("In", "input"), ("In/v1", "input"), ("Out", "resource"), ("O", "resource"), ("Out/v1", "resource")):
            assert plugin.json("POST", "/identity", {"type": {"type": name}})["identity"]["type"] == expected


def test_of_two_capabilities_with_the_same_type_the_one_with_a_handler_answers():
    for named in (CVR, LISTER):
        methods = {CVR: {}, LISTER: {}, named: {"GetIdentity": f"function() return {{ identity = {{ type = '{named}' }} }} end"}}
        with Plugin(script(methods).replace(f"{LISTER}/v1", f"{CVR}/v1")) as plugin:
            assert plugin.json("POST", "/identity", {"type": {"type": CVR + "/v1"}})["identity"]["type"] == named


@pytest.mark.parametrize("path, repository, plugin_request", [
    ("/consumer-identity", {"config": {"type": "credentialRepository/v1"}}, {"credential": {"type": "credentialPlugin/v1"}}),
    ("/resolve", {"config": {"type": "credentialRepository/v1"}, "identity": {"type": "I"}}, {"identity": {"type": "I"}}),
])
def test_credential_endpoints_are_told_apart_by_their_fields(path, repository, plugin_request):
    def says(text):
        return f"function() return {{ type = '{text}' }} end"
    with Plugin(script({"credentialPlugin": {"GetConsumerIdentity": says("plugin"), "Resolve": says("plugin")},
                        "credentialRepository": {"ConsumerIdentityForConfig": says("repository"), "Resolve": says("repository")}})) as plugin:
        assert plugin.json("POST", path, repository) == {"type": "repository"}
        assert plugin.json("POST", path, plugin_request) == {"type": "plugin"}
        answer = plugin.request("POST", path, {"nothing": "known"})
        assert (answer.status, answer.text.startswith(f"{path}: the request fits none of ")) == (400, True)


def test_shared_path_without_a_handler_says_which_is_missing():
    with Plugin(script({"credentialPlugin": {}, "credentialRepository": {}})) as plugin:
        answer = plugin.request("POST", "/consumer-identity", {"config": {"type": "credentialRepository/v1"}})
        assert (answer.status, answer.text) == (501, "this plugin's credentialRepository has no ConsumerIdentityForConfig")


def test_single_capability_takes_specs_of_any_type():
    """The manager has chosen the plugin already; what the type means is the handler's business."""
    with Plugin(script({INPUT: {"GetIdentity": "function(request) return { identity = { type = request.type.type } } end"}})) as plugin:
        assert plugin.json("POST", "/identity", {"type": {"type": "Any/v9"}}) == {"identity": {"type": "Any/v9"}}


# ---- specs that the manager has not checked ----

def test_access_of_a_digest_fits_its_schema_when_the_handler_sees_it():
    with Plugin("""
local types = { ["File/v1"] = { aliases = { "File" }, schema = ocm.schema { path = "string", at = { line = "integer" } } }, ["Free/v1"] = {} }
return ocm.plugin {
  digestProcessorRepository = {
    types = types,
    ProcessResourceDigest = function(request)
      request.resource.digest = ocm.blob_digest(ocm.bytes(request.resource.access.path or ""))
      return request
    end,
  },
}""") as plugin:
        def process(access):
            return plugin.request("POST", "/resource/digest/process", {"resource": {**RESOURCE, "access": access}})

        fitting = {"path": "/x", "at": {"line": 1}}
        for access in ({"type": "File/v1", **fitting}, {"type": "File", **fitting}, {"type": "Free/v1", "any": 1}, {"type": "Other/v1"}):
            assert process(access).status == 200, access
        for access, text in (
            ({"type": "File/v1", **fitting, "pth": "/y"}, 'access: unknown member "pth"'), ({"type": "File", "at": {"line": 1}}, 'access: "path" is missing'),
            ({"type": "File", "path": "/x", "at": {"line": "1"}}, "access/at/line: expected an integer, got a string"),
        ):
            answer = process(access)
            assert (answer.status, answer.text[:len(text)]) == (400, text)


# ---- the repository of a GET ----

SEEN = '''function(request)
  local names = {}
  for i, spec in ipairs(request.repositories) do names[i] = spec.name or spec.type end
  return { request.repository and (request.repository.name or "unnamed") or "none", table.unpack(names) }
end'''


def repository(name):
    return {"type": "T/v1", "name": name}


def seen(plugin):
    """[the one repository, all of them], as a GET's handler has them."""
    one, *every = plugin.json("GET", "/component-versions?name=x")
    return one, every


@pytest.fixture
def store():
    methods = {"ListComponentVersions": SEEN, "AddComponentVersion": "function() end", "AddLocalResource": "function(request) return request.resource end",
               "AddLocalSource": "function(request) return request.source end"}
    with Plugin(script({CVR: methods})) as plugin:
        yield plugin


def test_get_has_no_repository_before_one_was_seen(store):
    assert seen(store) == ("none", [])


def test_get_has_the_one_repository_that_was_seen(store):
    for _ in range(2):
        store.json("POST", "/identity", {"type": repository("a")})
        assert seen(store) == ("a", ["a"])


def test_get_with_several_repositories_has_all_the_latest_first(store):
    for name in ("a", "b", "c", "b"):
        store.json("POST", "/identity", {"type": repository(name)})
    assert seen(store) == ("none", ["b", "c", "a"])


@pytest.mark.parametrize("path, more", [
    ("/identity", {}),
    ("/component-version/check-health", {}),
    ("/component-version/upload", {"descriptor": {}}),
    ("/local-resource/upload", {"name": "c", "version": "1", "resourceLocation": {"type": "localFile", "value": "/x"}, "resource": RESOURCE}),
    ("/local-source/upload", {"name": "c", "version": "1", "sourceLocation": {"type": "localFile", "value": "/x"}, "source": {"name": "s", "type": "t"}}),
])
def test_repositories_are_learnt_from_every_request_that_carries_one(store, path, more):
    field = "type" if path == "/identity" else "repository"
    store.json("POST", path, {field: repository("a"), **more})
    assert seen(store) == ("a", ["a"])


def test_repository_is_learnt_from_an_identity_that_another_capability_answers():
    methods = {CVR: {"ListComponentVersions": SEEN}, LISTER: {"GetIdentity": "function() end"}}
    with Plugin(script(methods).replace(f"{LISTER}/v1", f"{CVR}/v1")) as plugin:
        plugin.json("POST", "/identity", {"type": {"type": CVR + "/v1", "name": "a"}})
        assert seen(plugin) == ("a", ["a"])


def test_repository_is_learnt_when_its_request_has_succeeded():
    identity = "function(request) if request.type.name == 'bad' then ocm.fail(400, 'no such folder') end end"
    with Plugin(script({CVR: {"ListComponentVersions": SEEN, "GetIdentity": identity}})) as plugin:
        assert plugin.request("POST", "/identity", {"type": repository("bad")}).status == 400
        assert seen(plugin) == ("none", [])
        plugin.json("POST", "/identity", {"type": repository("good")})
        assert seen(plugin) == ("good", ["good"])


def test_repository_is_not_learnt_from_specs_of_other_capabilities():
    with Plugin(script({CVR: {"ListComponentVersions": SEEN}, INPUT: {}})) as plugin:
        plugin.json("POST", "/identity", {"type": {"type": INPUT + "/v1"}})
        assert seen(plugin) == ("none", [])


def test_remembered_repository_is_not_changed_by_what_handlers_do_to_theirs():
    change = '''function(request)
      local name = request.repository.name
      request.repository.name = name .. "!" request.repositories[1].name = name .. "?" request.repositories[2] = {}
      return { name }
    end'''
    identity = '''function(request) request.type.name = "changed" end'''
    with Plugin(script({CVR: {"ListComponentVersions": change, "GetIdentity": identity}})) as plugin:
        plugin.json("POST", "/identity", {"type": repository("a")})
        for _ in range(3):
            assert plugin.json("GET", "/component-versions?name=x") == ["a"]


def test_repository_of_a_get_cannot_come_from_its_query(store):
    assert store.json("GET", "/component-versions?name=x&repository=y&repositories=z") == ["none"]


def test_number_of_remembered_repositories_is_bounded(store):
    for number in range(100):
        store.json("POST", "/identity", {"type": repository(str(number))})
    _, every = seen(store)
    assert 10 <= len(every) <= 64
    assert every[0] == "99"


# ---- the spec of a credential plugin's Resolve ----

def test_credential_plugin_resolves_with_the_specs_that_it_was_asked_about():
    methods = {"GetConsumerIdentity": "function(request) if request.credential.name == 'bad' then ocm.fail(400, 'no') end return { type = 'T/v1' } end",
               "Resolve": "function(request) return { type = 'C/v1', one = request.credential, all = ocm.json.array(request.credentialSpecs) } end"}
    with Plugin(script({"credentialPlugin": methods})) as plugin:
        def resolved():
            answer = plugin.json("POST", "/resolve", {"identity": {"type": "Consumer"}})
            return answer.get("one"), answer["all"]

        specs = [{"type": "credentialPlugin/v1", "name": name} for name in ("a", "bad", "b")]
        assert resolved() == (None, [])
        for spec in specs[:2]:
            plugin.request("POST", "/consumer-identity", {"credential": spec})
        assert resolved() == (specs[0], [specs[0]])
        plugin.json("POST", "/consumer-identity", {"credential": specs[2]})
        assert resolved() == (None, [specs[2], specs[0]])


# ---- the identity of a GET ----

def encoded(text):
    return quote(base64.b64encode(text if isinstance(text, bytes) else text.encode()), safe="")


@pytest.fixture(scope="module")
def local():
    """Answers with the identity it was asked for."""
    with Plugin(script({CVR: {"GetLocalResource": '''function(request)
      return { location = "/x", resource = { name = request.name, type = type(request.identity), extraIdentity = request.identity } }
    end'''}})) as plugin:
        yield plugin


@pytest.mark.parametrize("parameter, expected", [
    ("", None),
    ("&identity=" + encoded("null"), None),
    ("&identity=" + encoded("{}"), {}),
    ("&identity=" + encoded('{"name":"r"}'), {"name": "r"}),
    ("&identity=" + encoded('{"name":"é€😀","":"","a b":"c/d"}'), {"name": "é€😀", "": "", "a b": "c/d"}),
    ("&identity=" + encoded('{"a":"~~~???>>>"}'), {"a": "~~~???>>>"}), # + and / in its base64
])
def test_identity_of_a_get_is_decoded(local, parameter, expected):
    found = local.json("GET", "/local-resource/download?name=n&version=1" + parameter)["resource"]
    assert (found["type"], found.get("extraIdentity")) == ("nil" if expected is None else "table", expected)


@pytest.mark.parametrize("parameter, expected", [
    ("eyJuYW1lIjoiciJ", "base64"),           # not padded
    ("!!!!", "not base64 at byte 1"),
    ("eyJ*", "not base64 at byte 4"),
    (encoded("not JSON"), "line 1, column 1"),
    (encoded('{"a":'), "line 1, column 6"),
    (encoded("[]"), "expected an object of strings, got an array"),
    (encoded("7"), "expected an object of strings, got a number"),
    (encoded('{"a":1}'), "request.identity.a: expected a string, got a number"),
    (encoded(b'{"a":"\xff"}'), "UTF-8"),
    (encoded('{"name":"r"}').replace("%3D", "").replace("%2B", "+") + "+", "base64"), # '+' is a blank in a query
])
def test_identity_that_cannot_be_decoded_is_a_400(local, parameter, expected):
    answer = local.request("GET", "/local-resource/download?name=n&version=1&identity=" + parameter)
    assert (answer.status, expected in answer.text) == (400, True), answer.text
    assert answer.text.startswith("componentVersionRepository.GetLocalResource: request.identity")


# ---- locations ----

@pytest.mark.parametrize("expression, expected", [
    ("'/a/b'", {"type": "localFile", "value": "/a/b"}),
    ("'a/b'", {"type": "localFile", "value": "{cwd}/a/b"}),
    ("{ value = '/a/b' }", {"type": "localFile", "value": "/a/b"}),
    ("{ value = 'b', mediaType = 'text/plain' }", {"type": "localFile", "value": "{cwd}/b", "mediaType": "text/plain"}),
    ("{ type = 'unixNamedPipe', value = '/p' }", {"type": "unixNamedPipe", "value": "/p"}),
    ("{ type = 'remoteURL', value = 'https://acme.org/x' }", {"type": "remoteURL", "value": "https://acme.org/x"}),
    ("{ type = 'localFile', value = '/a', more = 1 }", {"type": "localFile", "value": "/a"}),
])
def test_location_may_be_a_path_or_a_table(folder, expression, expected):
    endpoint = BY_NAME["resourceRepository.GetGlobalResource"]
    with Plugin(answering(endpoint, f"{{ location = {expression} }}"), cwd=folder) as plugin:
        found = json.loads(endpoint.send(plugin).body)["location"]
        assert found == {**expected, "value": expected["value"].format(cwd=os.path.realpath(folder))}


def test_location_of_a_source_has_a_media_type():
    """The CLI fails over a source's blob without one."""
    endpoint = BY_NAME["inputRepository.ProcessSource"]
    for given, expected in (("'/x'", "application/octet-stream"), ("{ value = '/x', mediaType = 'text/plain' }", "text/plain")):
        with Plugin(answering(endpoint, f"{{ source = {{ name = 's', type = 't' }}, location = {given} }}")) as plugin:
            assert json.loads(endpoint.send(plugin).body)["location"] == {"type": "localFile", "value": "/x", "mediaType": expected}


@pytest.mark.parametrize("form, more", [("file", {}), ("{ value = file, mediaType = 'text/plain' }", {"mediaType": "text/plain"}), ("file:path()", {})])
def test_location_may_be_a_tempfile_which_stays_until_the_end(form, more):
    endpoint = BY_NAME["resourceRepository.GetGlobalResource"]
    handler = f"function() local file = ocm.tempfile():write 'con':write('tent') return {{ location = {form} }} end"
    with Plugin(script({endpoint.capability: {endpoint.method: handler}},
                       after='  handlers = { ["POST /collect"] = function() collectgarbage() collectgarbage() end },\n')) as plugin:
        found = json.loads(endpoint.send(plugin).body)["location"]
        path = found.pop("value")
        assert found == {"type": "localFile", **more}
        assert plugin.request("POST", "/collect").status == 200
        assert open(path, encoding="ascii").read() == "content"
        assert path.startswith(str(plugin.tmp))
    assert not os.path.exists(path)


# ---- specs, labels and identities that stay as they are ----

UNCHANGED = [
    "[]", "{}", "null", "[[],{},[null]]", '{"a":[],"b":{},"c":null}', "[null,null]", "true", '""',
    "9223372036854775807", "-9223372036854775808", "9007199254740993", "0", "-1",
    "18446744073709551615", "123456789012345678901234567890", "-9223372036854775809", "3.141592653589793238462643", "1e400", "1e-400",
    "0.1", "1.5", "-0.0", "1e+300", "5e-324",
    '{"":1," ":2,"$ref":3,"__index":4,"a.b":5,"a/b":6,"é":7}', '{"1":"a","2":"b"}', r'{"\u0000":"\u0000\u001f"}', r'"\"\\"', '"é€😀"',
    '"' + "x" * 100000 + '"', "[" * 500 + "]" * 500, '{"__close":1,"__gc":2,"__metatable":3,"__name":4}',
]


@pytest.fixture(scope="module")
def mirror():
    """Answers with the `config` that it was given."""
    with Plugin(script({"credentialPlugin": {"Resolve": "function(request) return { type = 'T/v1', config = request.config } end"}})) as plugin:
        yield plugin


@pytest.mark.parametrize("text", UNCHANGED, ids=lambda text: text[:24])
def test_json_passes_through_a_handler_unchanged(mirror, text):
    answer = mirror.request("POST", "/resolve", f'{{"config":{text},"identity":{{}}}}')
    assert (answer.status, answer.body) == (200, f'{{"config":{text},"type":"T/v1"}}'.encode())


@pytest.mark.parametrize("text, value", [("1.0", 1.0), ("1e3", 1000.0), ("1E3", 1000.0), ("-0", 0), ("1.50", 1.5), ("100e-2", 1.0), ("1e22", 1e22)])
def test_number_may_be_written_otherwise_but_stays_the_same_number(mirror, text, value):
    answer = mirror.request("POST", "/resolve", f'{{"config":[{text}],"identity":{{}}}}')
    found, = json.loads(answer.body)["config"]
    assert found == value
    # one that was not written as an integer is not read as one, and vice versa: Go decodes strictly
    assert isinstance(found, float) == any(mark in text for mark in ".eE") or text == "-0"


def test_members_are_written_sorted(mirror):
    answer = mirror.request("POST", "/resolve", '{"identity":{},"config":{"b":1,"a":{"d":1,"c":2},"B":3,"aa":4}}')
    assert answer.body == b'{"config":{"B":3,"a":{"c":2,"d":1},"aa":4,"b":1},"type":"T/v1"}'
