"""The nine contracts, endpoint by endpoint: what handlers are given and may answer, and what is said when either is wrong."""
import json

import pytest
from contracts import BY_NAME, CAPABILITIES, DESCRIPTOR, DIGEST, ENDPOINTS, LOCATION, RESOURCE, SIGNATURE_INFO, SOURCE, answering, lua, script
from harness import Plugin, runner

# Every method of every contract in one plugin; each remembers what it was called with, for GET /calls.
COMPLETE = script(
    {capability: {each.method: f"called({json.dumps(each.name)}, {lua(each.answer)})" for each in ENDPOINTS if each.capability == capability}
     for capability in CAPABILITIES},
    before='''local calls = {}
local function called(name, answer)
  return function(request, credentials)
    calls[#calls + 1] = { name = name, request = request, credentials = credentials or ocm.json.null }
    if answer ~= ocm.json.null then return answer end
  end
end''',
    after='''  handlers = { ["GET /calls"] = function() local text = ocm.json.encode(ocm.json.array(calls)) calls = {} return { body = text } end },
''')
TOKEN = {"type": "Direct/v1", "properties": {"token": "t"}}


@pytest.fixture(scope="module")
def complete():
    with Plugin(COMPLETE) as plugin:
        yield plugin


def endpoints(*, where=lambda endpoint: True):
    return pytest.mark.parametrize("endpoint", [each for each in ENDPOINTS if where(each)], ids=lambda each: each.name)


def test_contract_of_the_program_is_the_protocols():
    """lua/ocm/contract.lua and these tests agree on names, paths and credentials."""
    with Plugin(runner()) as plugin:
        table, = plugin.run('require "ocm.contract"')
    found = {(capability["name"], method["name"], method["http"], method["path"], method.get("credentials", False))
             for capability in table for method in capability["methods"]}
    assert found == {(each.capability, each.method, each.http, each.path, each.credentials) for each in ENDPOINTS}


# ---- success ----

@endpoints()
def test_handler_gets_the_request_and_its_answer_is_sent(complete, endpoint):
    answer = endpoint.send(complete, headers={"Authorization": json.dumps(TOKEN)})
    assert answer.status == 200, answer.text
    if endpoint.answer is None:
        assert (answer.body, answer.headers["Content-Type"]) == (b"", None)
    else:
        assert (json.loads(answer.body), answer.headers["Content-Type"]) == (endpoint.answer, "application/json")
    call, = complete.json("GET", "/calls")
    assert (call["name"], call["credentials"]) == (endpoint.name, TOKEN if endpoint.credentials else None)
    if endpoint.http == "POST":
        recalled = {"credential", "credentialSpecs"} if endpoint.name == "credentialPlugin.Resolve" else set()
        assert {name: value for name, value in call["request"].items() if name not in recalled} == endpoint.request
    else:
        assert {name: call["request"][name] for name in endpoint.request if name != "identity"} == {
            name: value for name, value in endpoint.request.items() if name != "identity"}


@endpoints()
def test_optional_fields_may_be_absent_and_unknown_ones_are_passed_on(complete, endpoint):
    request = {name: value for name, value in endpoint.request.items() if name not in endpoint.optional}
    answer = endpoint.send(complete, {**request, "future": "x"})
    assert answer.status == 200, answer.text
    call, = complete.json("GET", "/calls")
    assert call["request"]["future"] == "x"


@endpoints(where=lambda endpoint: endpoint.optional and endpoint.http == "POST")
def test_optional_field_that_is_null_is_absent_for_the_handler(complete, endpoint):
    assert endpoint.send(complete, {**endpoint.request, **dict.fromkeys(endpoint.optional)}).status == 200
    call, = complete.json("GET", "/calls")
    assert not set(endpoint.optional) & set(call["request"])


@pytest.mark.parametrize("access", [{}, {"size": 1}, {"type": ""}, None])
def test_what_a_request_holds_is_the_handlers_to_judge(complete, access):
    """An answer's access needs a type; a request's may be what somebody else once wrote into a descriptor."""
    element, other = {**RESOURCE, "access": access}, {**SOURCE, "access": access}
    changed = {"resource": element, "source": other, "descriptor": {**DESCRIPTOR, "component": {**DESCRIPTOR["component"], "resources": [element], "sources": [other]}}}
    for endpoint in ENDPOINTS:
        request = {**(endpoint.request or {}), **{name: value for name, value in changed.items() if name in (endpoint.request or {})}}
        if endpoint.http == "POST" and request != endpoint.request:
            answer = complete.request("POST", endpoint.path, request)
            assert answer.status == 200, (endpoint.name, answer.text)
            call, = complete.json("GET", "/calls")
            assert (call["name"], call["request"]) == (endpoint.name, request)


# ---- handlers that are missing, and that fail ----

@endpoints(where=lambda endpoint: not endpoint.default)
def test_missing_handler_is_a_501_that_says_which(endpoint):
    with Plugin(script({endpoint.capability: {}})) as plugin:
        answer = endpoint.send(plugin)
        assert (answer.status, answer.text) == (501, f"this plugin's {endpoint.capability} has no {endpoint.method}")


@endpoints(where=lambda endpoint: endpoint.default)
def test_missing_get_identity_and_check_health_have_defaults(endpoint):
    """The identity is the spec's type, for which nobody has credentials; a repository is healthy."""
    with Plugin(script({endpoint.capability: {}})) as plugin:
        answer = endpoint.send(plugin)
        expected = b"" if endpoint.method == "CheckHealth" else json.dumps({"identity": {"type": endpoint.spec["type"]}}).replace(" ", "").encode()
        assert (answer.status, answer.body) == (200, expected)


@endpoints()
def test_failure_of_a_handler_is_its_answer(endpoint):
    with Plugin(answering(endpoint, 'ocm.fail(409, "conflict: %s", "it is there")')) as plugin:
        answer = endpoint.send(plugin)
        assert (answer.status, answer.text) == (409, "conflict: it is there")


@pytest.mark.parametrize("body, status, expected", [
    ("nil, 'no such version'", 500, "no such version"),
    ("ocm.fail('no such version')", 500, "no such version"),
    ("ocm.fail('no %s: %d%%', 'such', 7)", 500, "no such: 7%"),
    ("ocm.fail(404, '100%')", 404, "100%"),
    ("ocm.fail(599, '')", 599, ""),
    ("error('went wrong', 0)", 500, "went wrong"),
    ("error 'went wrong'", 500, "/plugin:4: went wrong"),
    ("nil + 1", 500, "/plugin:4: attempt to perform arithmetic on a nil value"),
    ("error(setmetatable({}, { __tostring = function() return 'an object' end }))", 500, "an object"),
    ("error {}", 500, "table: 0x"),
    ("error()", 500, "nil"),
    ("ocm.fail(200, 'fine')", 500, "ocm.fail: expected a status from 400 to 599, or a text"),
    ("ocm.fail(404)", 500, "ocm.fail: expected a text behind the status"),
    ("ocm.fail {}", 500, "ocm.fail: expected a status from 400 to 599, or a text"),
    ("assert(false, 'asserted')", 500, "asserted"),
    ("select(2, pcall(ocm.fail, 404, 'x')).nope.deep", 500, "attempt to index a nil value"),
    ("coroutine.wrap(function() ocm.fail(404, 'inner') end)()", 404, "inner"),
    ("require 'nosuch'", 500, "module 'nosuch' not found"),
    ("false", 500, "inputRepository.ProcessResource: the handler returned false"),
])
def test_ways_to_fail(body, status, expected):
    endpoint = BY_NAME["inputRepository.ProcessResource"]
    with Plugin(script({endpoint.capability: {endpoint.method: f"function() return {body} end"}})) as plugin:
        answer = endpoint.send(plugin)
        assert (answer.status, expected in answer.text) == (status, True), answer.text
        assert plugin.request("GET", "/healthz").status == 200


# ---- checks of requests ----

WRONG = {dict: (7, "text", None), str: (7, {}, None), list: (7, {}, None)}


@endpoints()
def test_request_that_lacks_something_is_a_400_that_names_it(endpoint):
    with Plugin(answering(endpoint, "error 'it is called'")) as plugin:
        for name in endpoint.request:
            if name not in endpoint.optional:
                answer = endpoint.send(plugin, {**{key: value for key, value in endpoint.request.items() if key != name}, "other": "x"})
                assert answer.status == 400
                assert answer.text.startswith(f"{endpoint.name}: request.{name}: expected "), answer.text
                assert answer.text.endswith(", got nothing")


@endpoints(where=lambda endpoint: endpoint.http == "POST")
def test_field_of_a_wrong_kind_is_a_400_that_names_it(endpoint):
    with Plugin(answering(endpoint, lua(endpoint.answer))) as plugin:
        for name, value in endpoint.request.items():
            for wrong in WRONG[type(value)]:
                answer = endpoint.send(plugin, {**endpoint.request, name: wrong})
                if wrong is None and name in endpoint.optional:
                    assert answer.status == 200
                else:
                    assert answer.status == 400, (name, wrong)
                    assert answer.text.startswith(f"{endpoint.name}: request.{name}: expected "), answer.text


@pytest.mark.parametrize("name, change, expected", [
    ("componentVersionRepository.GetIdentity", {"type": {}}, "request.type.type: expected a string, got nothing"),
    ("componentVersionRepository.GetIdentity", {"type": {"type": 7}}, "request.type.type: expected a string, got a number"),
    ("componentVersionRepository.GetIdentity", {"type": []}, "request.type: expected an object, got an array"),
    ("componentVersionRepository.CheckHealth", {"repository": {"type": None}}, "request.repository.type: expected a string, got null"),
    ("credentialPlugin.Resolve", {"identity": {"a": 1}}, "request.identity.a: expected a string, got a number"),
    ("credentialPlugin.Resolve", {"identity": {"a": None}}, "request.identity.a: expected a string, got null"),
    ("credentialPlugin.Resolve", {"identity": []}, "request.identity: expected an object of strings, got an array"),
    ("inputRepository.ProcessResource", {"resource": []}, "request.resource: expected an object, got an array"),
    ("componentLister.ListComponents", {"last": 7}, "request.last: expected a string, got a number"),
])
def test_request_check_names_the_member_inside(name, change, expected):
    endpoint = BY_NAME[name]
    with Plugin(script({endpoint.capability: {}})) as plugin:
        answer = endpoint.send(plugin, {**endpoint.request, **change})
        assert (answer.status, answer.text) == (400, f"{name}: {expected}")


# ---- checks of answers ----

@endpoints(where=lambda endpoint: endpoint.answer not in (None, {}) and not endpoint.default)
def test_no_answer_is_a_500_that_says_what_was_expected(endpoint):
    """Such as the manager's panics over: a 200 without what it reads."""
    for expression in ("nil", "7", "'text'", "true"):
        with Plugin(answering(endpoint, expression)) as plugin:
            answer = endpoint.send(plugin)
            assert answer.status == 500
            assert answer.text.startswith(f"{endpoint.name}: answer: expected "), answer.text


@endpoints(where=lambda endpoint: isinstance(endpoint.answer, dict) and endpoint.method != "GetIdentity")
def test_answer_without_a_required_member_is_a_500_that_names_it(endpoint):
    optional = {"labels", "extraIdentity", "version", "relation", "access", "header", "properties", "hostname", "identity"}
    for name in endpoint.answer:
        if name in optional or endpoint.answer is BY_NAME["credentialPlugin.GetConsumerIdentity"].answer:
            continue
        rest = {key: value for key, value in endpoint.answer.items() if key != name}
        with Plugin(answering(endpoint, lua(rest))) as plugin:
            answer = endpoint.send(plugin)
            assert answer.status == 500
            assert answer.text.startswith(f"{endpoint.name}: answer.{name}: expected "), answer.text


def without(value, *path):
    """A copy without the member at that path."""
    copy = json.loads(json.dumps(value))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return lua(copy)


@pytest.mark.parametrize("name, expression, expected", [
    ("componentVersionRepository.ListComponentVersions", "{ 'v1', 7 }", "[2]: expected a string, got a number"),
    ("componentVersionRepository.ListComponentVersions", "{ versions = { 'v1' } }", ": expected an array, got a table with named members"),
    ("componentVersionRepository.ListComponentVersions", "'v1'", ": expected an array, got a string"),
    ("componentVersionRepository.ListComponentVersions", "{ 'v1', ocm.json.null }", "[2]: expected a string, got null"),
    ("componentVersionRepository.GetComponentVersion", without(DESCRIPTOR, "component", "name"), ".component.name: expected a string, got nothing"),
    ("componentVersionRepository.GetComponentVersion", without(DESCRIPTOR, "meta"), ".meta: expected an object, got nothing"),
    ("componentVersionRepository.GetComponentVersion", without(DESCRIPTOR, "component", "resources", 0, "type"),
     ".component.resources[1].type: expected a string, got nothing"),
    ("componentVersionRepository.GetComponentVersion", lua({**DESCRIPTOR, "component": {**DESCRIPTOR["component"], "resources": {"a": 1}}}),
     ".component.resources: expected an array, got a table with named members"),
    ("componentVersionRepository.GetComponentVersion", lua({**DESCRIPTOR, "signatures": [{"name": "s", "digest": DIGEST}]}),
     ".signatures[1].signature: expected an object, got nothing"),
    ("componentVersionRepository.GetComponentVersion", lua({**DESCRIPTOR, "component": {**DESCRIPTOR["component"], "labels": [{"value": 1}]}}),
     ".component.labels[1].name: expected a string, got nothing"),
    ("componentVersionRepository.GetLocalResource", lua({"resource": RESOURCE}), ".location: expected a Location"),
    ("componentVersionRepository.GetLocalSource", lua({"location": LOCATION}), ".source: expected an object, got nothing"),
    ("componentVersionRepository.AddLocalResource", lua({**RESOURCE, "extraIdentity": {"a": 1}}), ".extraIdentity.a: expected a string, got a number"),
    ("componentVersionRepository.AddLocalResource", lua({**RESOURCE, "extraIdentity": ["a"]}), ".extraIdentity: expected an object of strings"),
    ("componentVersionRepository.AddLocalSource", lua({**SOURCE, "access": {}}), ".access.type: expected a string, got nothing"),
    ("componentLister.ListComponents", "{ list = 'a' }", ".list: expected an array, got a string"),
    ("componentLister.ListComponents", "{ list = {}, header = {} }", ".header.last: expected a string, got nothing"),
    ("componentLister.ListComponents", "{ 'a', 'b' }", ".list: expected an array, got nothing"),
    ("credentialPlugin.GetConsumerIdentity", "{ a = 1 }", ".a: expected a string, got a number"),
    ("credentialPlugin.GetConsumerIdentity", "{ 'a' }", ": expected an object of strings, got a list"),
    ("credentialRepository.Resolve", "{ properties = {} }", ".type: expected a string, got nothing"),
    ("digestProcessorRepository.ProcessResourceDigest", lua({"resource": RESOURCE}), ".resource.digest: expected an object, got nothing"),
    ("digestProcessorRepository.ProcessResourceDigest", lua({"resource": {**RESOURCE, "digest": {**DIGEST, "value": 7}}}),
     ".resource.digest.value: expected a string, got a number"),
    ("inputRepository.ProcessResource", lua({"resource": RESOURCE}), ".location: expected a Location (a path, a tempfile, or { type =, value =, mediaType = }), got nothing"),
    ("inputRepository.ProcessResource", "{ resource = request.resource, location = 7 }", ".location: expected a Location"),
    ("inputRepository.ProcessResource", "{ resource = request.resource, location = {} }", ".location.value: expected a path, a tempfile or a URL, got nothing"),
    ("inputRepository.ProcessResource", "{ resource = request.resource, location = { value = '/x', type = 'file' } }",
     '.location.type: expected "localFile", "unixNamedPipe" or "remoteURL"'),
    ("inputRepository.ProcessResource", "{ resource = request.resource, location = { value = '/x', mediaType = 7 } }", ".location.mediaType: expected a string"),
    ("inputRepository.ProcessSource", lua({"source": SOURCE, "location": None}), ".location: expected a Location"),
    ("signingHandler.Sign", lua({"signature": {**SIGNATURE_INFO, "mediaType": None}}), ".signature.mediaType: expected a string, got null"),
    ("signingHandler.GetSignerIdentity", "{ identity = { a = {} } }", ".identity.a: expected a string, got a table"),
    ("signingHandler.GetSignerIdentity", "{ hostname = 'h' }", ": expected { identity = { … } }, got a table without it"),
    ("inputRepository.GetIdentity", "{ type = 'Id/v1' }", ": expected { identity = { … } }, got a table without it"),
    # what is no JSON
    ("credentialPlugin.Resolve", "{ type = 'T/v1', f = print }", ": f: "),
    ("credentialPlugin.Resolve", "{ type = 'T/v1', n = { 0/0 } }", ": n[1]: "),
    ("credentialPlugin.Resolve", r"{ type = 'T/v1', s = '\xff' }", ": s: "),
    ("credentialPlugin.Resolve", "{ type = 'T/v1', t = { 'a', b = 1 } }", ": t.b: a named member in an array"),
])
def test_wrong_answer_is_a_500_that_names_contract_method_and_field(name, expression, expected):
    endpoint = BY_NAME[name]
    with Plugin(answering(endpoint, expression)) as plugin:
        answer = endpoint.send(plugin)
        assert answer.status == 500
        assert answer.text.startswith(f"{name}: answer{expected}"), answer.text


@pytest.mark.parametrize("name, expression, body", [
    ("componentVersionRepository.ListComponentVersions", "{}", "[]"),
    ("componentVersionRepository.ListComponentVersions", "ocm.json.array()", "[]"),
    ("componentVersionRepository.AddComponentVersion", "{ ignored = 1 }", ""),
    ("componentVersionRepository.AddComponentVersion", "nil", ""),
    ("componentVersionRepository.CheckHealth", "true", ""),
    ("componentVersionRepository.CheckHealth", "nil", ""),
    ("componentVersionRepository.AddLocalSource", "{ name = 's', type = 't', labels = {}, extraIdentity = {}, more = {} }",
     '{"extraIdentity":{},"labels":[],"more":{},"name":"s","type":"t"}'),
    ("componentVersionRepository.GetComponentVersion", "{ meta = { schemaVersion = 'v2' }, component = { name = 'n', version = '1', resources = {}, sources = {},"
     " componentReferences = {}, repositoryContexts = {}, labels = {} }, signatures = {} }",
     '{"component":{"componentReferences":[],"labels":[],"name":"n","repositoryContexts":[],"resources":[],"sources":[],"version":"1"},'
     '"meta":{"schemaVersion":"v2"},"signatures":[]}'),
    ("componentLister.ListComponents", "{ list = {} }", '{"list":[]}'),
    ("componentLister.ListComponents", "{ list = { 'a' }, header = ocm.json.null }", '{"header":null,"list":["a"]}'),
    ("credentialPlugin.GetConsumerIdentity", "{}", "{}"),
    ("signingHandler.Verify", "nil", "{}"),
    ("signingHandler.Verify", "{ more = 1 }", "{}"),
    ("signingHandler.GetSignerIdentity", "{ identity = { type = 'I' } }", '{"identity":{"type":"I"}}'),
])
def test_empty_tables_are_written_as_the_contract_has_them(name, expression, body):
    endpoint = BY_NAME[name]
    with Plugin(answering(endpoint, expression)) as plugin:
        answer = endpoint.send(plugin)
        assert (answer.status, answer.text) == (200, body)


@pytest.mark.parametrize("expression, expected", [
    ("nil", {}), ("{}", {}), ("{ identity = {} }", {}), ("{ identity = ocm.json.null }", {}),
    ("{ identity = { hostname = 'h' } }", {"hostname": "h"}), ("{ identity = { type = 'Own/v1' } }", {"type": "Own/v1"}),
])
@endpoints(where=lambda endpoint: endpoint.method == "GetIdentity")
def test_identity_always_has_a_type(endpoint, expression, expected):
    """The manager fails over one without."""
    with Plugin(answering(endpoint, expression)) as plugin:
        assert json.loads(endpoint.send(plugin).body) == {"identity": {"type": endpoint.spec["type"], **expected}}
