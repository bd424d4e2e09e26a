"""What a script declares: the capability document that comes of it, and what is said of one that is wrong."""
import base64
import json
import re

import pytest
from harness import capabilities, run

FIRST = 'local ocm = require "ocm"\n'
ANY = {"type": "object"}


def declare(declaration, **options):
    """`capabilities` of a script whose declaration begins on line 2."""
    return capabilities("\nreturn ocm.plugin {" + declaration + "}", **options)


def document(declaration):
    done = declare(declaration)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def schema(entry):
    return json.loads(base64.b64decode(entry["jsonSchema"], validate=True))


def input_types(types):
    """The entries of an inputRepository's types, their schemas decoded."""
    entries = document("inputRepository = { types = " + types + " }")["capabilities"][0]["supportedInputTypes"]
    return [(entry["type"], entry["aliases"], schema(entry)) for entry in entries]


def problems(done):
    """The lines on stderr, as (line of the script, text); stdout has to be empty and the status 1."""
    assert (done.returncode, done.stdout) == (1, "")
    found = [re.fullmatch(r"/\S+/plugin:(\d+): (.+)", line) for line in done.stderr.splitlines()]
    assert all(found), done.stderr
    return [(int(each[1]), each[2]) for each in found]


# ---- the capability document ----

LISTS = {
    "componentVersionRepository": ["supportedRepositorySpecTypes"],
    "componentLister": ["supportedRepositorySpecTypes"],
    "credentialRepository": ["supportedCredentialRepositorySpecTypes", "supportedConsumerIdentityTypes"],
    "credentialPlugin": ["supportedCredentialPluginTypes"],
    "digestProcessorRepository": ["supportedAccessTypes"],
    "inputRepository": ["supportedInputTypes"],
    "resourceRepository": ["supportedAccessTypes"],
    "blobTransformer": ["supportedTransformerSpecTypes"],
    "signingHandler": ["supportedSigningSpecTypes"],
}


@pytest.mark.parametrize("capability", LISTS)
def test_capability_has_the_list_of_its_contract(capability):
    found = document(capability + ' = { types = { "T/v1" } }')
    assert list(found) == ["capabilities"]
    entry, = found["capabilities"]
    assert sorted(entry) == sorted(["type", *LISTS[capability]])
    assert entry["type"] == capability
    (declared,) = entry[LISTS[capability][0]]
    assert (declared["type"], declared["aliases"], schema(declared)) == ("T/v1", None, ANY)


def test_all_capabilities_in_one_plugin():
    found = document(", ".join(capability + ' = { types = { "T/v1" } }' for capability in LISTS))
    assert sorted(entry["type"] for entry in found["capabilities"]) == sorted(LISTS)


def test_credential_repository_has_its_further_lists():
    entry, = document('''credentialRepository = {
        types = { "R/v1" }, identityTypes = { "I/v1", ["J/v1"] = { aliases = { "J" } } }, credentialTypes = { "C/v1" } }''')["capabilities"]
    names = {name: [each["type"] for each in entries] for name, entries in entry.items() if name != "type"}
    assert names == {
        "supportedCredentialRepositorySpecTypes": ["R/v1"], "supportedConsumerIdentityTypes": ["I/v1", "J/v1", "J"], "customCredentialTypes": ["C/v1"],
    }


def test_config_types_are_listed_and_left_out_when_there_are_none():
    declared = 'inputRepository = { types = { "T/v1" } }'
    assert document(declared + ', configTypes = { "a.b-c/v1", "d" }')["supportedConfigTypes"] == ["a.b-c/v1", "d"]
    assert "supportedConfigTypes" not in document(declared + ", configTypes = {}")


def test_document_is_the_same_at_every_run():
    declared = ", ".join(f'{capability} = {{ types = {{ ["B/v1"] = {{ aliases = {{ "B" }} }}, ["A/v1"] = {{}}, "C/v1" }} }}' for capability in LISTS)
    assert len({declare(declared).stdout for _ in range(5)}) == 1


@pytest.mark.parametrize("types, expected", [
    ('{ "A/v1", "B" }', [("A/v1", None, ANY), ("B", None, ANY)]),
    ('{ ["A/v1"] = {} }', [("A/v1", None, ANY)]),
    ('{ "B/v1", ["A/v1"] = {} }', [("B/v1", None, ANY), ("A/v1", None, ANY)]),
    ('{ ["a.b-c_d/v1alpha1"] = {} }', [("a.b-c_d/v1alpha1", None, ANY)]),
    # the manager looks for the exact type: an alias has an entry of its own, with the same schema
    ('{ ["A/v1"] = { aliases = { "A", "AA" }, schema = { type = "object", title = "t" } } }',
     [("A/v1", ["A", "AA"], {**ANY, "title": "t"}), ("A", None, {**ANY, "title": "t"}), ("AA", None, {**ANY, "title": "t"})]),
    ('{ ["A/v1"] = { aliases = {} } }', [("A/v1", [], ANY)]),
    ('{ ["A/v1"] = { schema = "{ \\"type\\": \\"object\\", \\"minProperties\\": 1 }" } }', [("A/v1", None, {**ANY, "minProperties": 1})]),
    ('{ ["A/v1"] = { schema = "true" } }', [("A/v1", None, True)]),
    ('{ ["A/v1"] = { schema = { required = ocm.json.array(), default = ocm.json.null } } }', [("A/v1", None, {"required": [], "default": None})]),
])
def test_types_aliases_and_schemas(types, expected):
    assert input_types(types) == expected


def specs(properties, required):
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": False,
            "properties": {"type": {"type": "string"}, **properties}, "required": sorted([*required, "type"])}


@pytest.mark.parametrize("shorthand, properties, required", [
    ("{}", {}, []),
    ('{ a = "string", b = "integer", c = "number", d = "boolean", e = "object" }',
     {"a": {"type": "string"}, "b": {"type": "integer"}, "c": {"type": "number"}, "d": {"type": "boolean"}, "e": {"type": "object"}}, list("abcde")),
    ('{ a = "any", b = "any?" }', {"a": {}, "b": {}}, ["a"]),
    ('{ a = "string?", b = "integer" }', {"a": {"type": "string"}, "b": {"type": "integer"}}, ["b"]),
    ('{ a = "string[]", b = "object[]?" }',
     {"a": {"type": "array", "items": {"type": "string"}}, "b": {"type": "array", "items": {"type": "object"}}}, ["a"]),
    ('{ mode = { "fast", "safe" } }', {"mode": {"enum": ["fast", "safe"]}}, ["mode"]),
    ('{ type = { "A/v1" } }', {"type": {"enum": ["A/v1"]}}, []),
    ('{ ["mode?"] = { "fast", "safe" }, ["nested?"] = {}, ["text?"] = "string" }',
     {"mode": {"enum": ["fast", "safe"]}, "nested": {"type": "object", "additionalProperties": False, "properties": {}}, "text": {"type": "string"}}, []),
    ('{ nested = { url = "string", deep = { n = "integer?" } } }',
     {"nested": {"type": "object", "additionalProperties": False, "required": ["deep", "url"], "properties": {
         "url": {"type": "string"},
         "deep": {"type": "object", "additionalProperties": False, "properties": {"n": {"type": "integer"}}}}}}, ["nested"]),
])
def test_schema_shorthand(shorthand, properties, required):
    (_, _, found), = input_types('{ ["A/v1"] = { schema = ocm.schema ' + shorthand + " } }")
    assert found == specs(properties, required)


# ---- declarations that are wrong ----

INPUT = 'inputRepository = { types = { "T/v1" } }, '


@pytest.mark.parametrize("declaration, expected", [
    # names, with a near miss where there is one
    ("inputrepository = {}", 'unknown capability "inputrepository", did you mean "inputRepository"?'),
    ("componetLister = {}", 'unknown capability "componetLister", did you mean "componentLister"?'),
    (INPUT + "cleenup = print", 'unknown capability "cleenup", did you mean "cleanup"?'),
    (INPUT + "zzzzzzzzzzzzz = {}", 'unknown capability "zzzzzzzzzzzzz": expected one of blobTransformer, cleanup, componentLister, '),
    ('inputRepository = { types = { "T/v1" }, ProcessResorce = print }', 'inputRepository: unknown method "ProcessResorce", did you mean "ProcessResource"?'),
    ('inputRepository = { types = { "T/v1" }, processSource = print }', 'inputRepository: unknown method "processSource", did you mean "ProcessSource"?'),
    ('inputRepository = { types = { "T/v1" }, GetLocalResource = print }', 'inputRepository: unknown method "GetLocalResource"'),
    ('inputRepository = { type = { "T/v1" }, types = { "T/v1" } }', 'inputRepository: unknown method "type", did you mean "types"?'),
    ('inputRepository = { types = { ["T/v1"] = { alias = {} } } }', 'unknown field "alias", did you mean "aliases"?'),
    ('inputRepository = { types = { ["T/v1"] = { shcema = {} } } }', 'unknown field "shcema", did you mean "schema"?'),
    (INPUT + "limits = { memry = 1 }", 'unknown limit "memry", did you mean "memory"?'),
    # kinds
    ("inputRepository = 7", "inputRepository: expected a table with types and handlers, got number"),
    ('inputRepository = { types = { "T/v1" }, ProcessResource = "x" }',
     "inputRepository.ProcessResource: expected a function (request, credentials), got string"),
    (INPUT + "start = 7", "start: expected a function, got number"),
    (INPUT + "cleanup = {}", "cleanup: expected a function, got table"),
    (INPUT + "logger = true", "logger: expected a function, got boolean"),
    (INPUT + "configTypes = 7", "configTypes: expected a list of types, got number"),
    (INPUT + "configTypes = { 7 }", 'configTypes: expected a type such as "MyType/v1", got number'),
    (INPUT + "limits = 7", "limits: expected a table, got number"),
    (INPUT + "handlers = 7", "handlers: expected a table"),
    # types
    ("inputRepository = {}", "inputRepository.types: expected a table of types"),
    ('inputRepository = { types = "T/v1" }', "inputRepository.types: expected a table of types"),
    ("inputRepository = { types = {} }", "inputRepository.types: expected at least one type"),
    ("inputRepository = { types = { 7 } }", 'inputRepository.types: expected a type such as "MyType/v1", got number'),
    ('inputRepository = { types = { "My Type" } }', 'inputRepository.types: type "My Type": expected a name, or a name and a version'),
    ('inputRepository = { types = { "T/v1/v2" } }', 'inputRepository.types: type "T/v1/v2": expected'),
    ('inputRepository = { types = { "T/v1", ["T/v1"] = {} } }', 'inputRepository.types.T/v1: type "T/v1" is declared twice'),
    ('inputRepository = { types = { "T", ["T/v1"] = { aliases = { "T" } } } }', 'inputRepository.types.T/v1.aliases: type "T" is declared twice'),
    ('inputRepository = { types = { ["T/v1"] = 7 } }', "inputRepository.types.T/v1: expected a table { schema =, aliases =, example = }, got number"),
    ('inputRepository = { types = { ["T/v1"] = { aliases = "T" } } }', "inputRepository.types.T/v1.aliases: expected a list of types, got string"),
    ('inputRepository = { types = { ["T/v1"] = { aliases = { 7 } } } }', 'inputRepository.types.T/v1.aliases: expected a type such as "MyType/v1", got number'),
    ('inputRepository = { types = { ["T/v1"] = { schema = 7 } } }', "inputRepository.types.T/v1.schema: expected a JSON Schema as a table or a text"),
    ('inputRepository = { types = { ["T/v1"] = { schema = "{" } } }', "inputRepository.types.T/v1.schema: expected a JSON Schema: line 1, column 2"),
    ('inputRepository = { types = { ["T/v1"] = { schema = "[" } } }', "inputRepository.types.T/v1.schema: expected a JSON Schema: line 1, column 2"),
    ('inputRepository = { types = { ["T/v1"] = { schema = "7" } } }', "inputRepository.types.T/v1.schema: expected a JSON Schema: it is not an object"),
    ('inputRepository = { types = { ["T/v1"] = { schema = { print } } } }', "inputRepository.types.T/v1.schema: expected a JSON Schema: "),
    ('credentialRepository = { types = { "T/v1" }, identityTypes = 7 }', "credentialRepository.identityTypes: expected a table of types"),
    # limits
    (INPUT + 'limits = { memory = "12 parsecs" }', 'limits.memory: expected bytes, or a size such as "64 MiB", from 1048576 bytes to 1 TiB; got "12 parsecs"'),
    (INPUT + "limits = { memory = 1000 }", "limits.memory: expected bytes"),
    (INPUT + "limits = { body = 0 }", "limits.body: expected bytes"),
    (INPUT + "limits = { body = 1.5 }", "limits.body: expected bytes"),
    (INPUT + 'limits = { body = "2 TiB" }', "limits.body: expected bytes"),
    (INPUT + 'limits = { header = "1 KiB" }', "limits.header: expected bytes"),
    (INPUT + "limits = { header = true }", "limits.header: expected bytes"),
    (INPUT + "limits = { handler = 0 }", "limits.handler: expected seconds, more than 0; got 0"),
    (INPUT + "limits = { handler = '5s' }", "limits.handler: expected seconds, more than 0; got 5s"),
    # custom handlers
    (INPUT + 'handlers = { ["GET healthz"] = print }', 'handlers.GET healthz: expected a method and a path, such as "POST /custom/{name}"'),
    (INPUT + 'handlers = { ["/custom"] = print }', "handlers./custom: expected a method and a path"),
    (INPUT + 'handlers = { ["get /custom"] = print }', "handlers.get /custom: expected a method and a path"),
    (INPUT + "handlers = { print }", "handlers.1: expected a method and a path"),
    (INPUT + 'handlers = { ["GET /custom"] = 7 }', "handlers.GET /custom: expected a function (request), got number"),
    (INPUT + 'handlers = { ["GET /healthz"] = print }', "handlers.GET /healthz: /healthz is the protocol's own"),
    (INPUT + 'handlers = { ["POST /sign"] = print }', "handlers.POST /sign: /sign is the protocol's own"),
    (INPUT + 'handlers = { ["GET /a/b{c}"] = print }', 'handlers.GET /a/b{c}: expected "{name}" to be a whole segment of the path, got "b{c}"'),
    (INPUT + 'handlers = { ["GET /{a}/{a}"] = print }', 'handlers.GET /{a}/{a}: parameter "a" is there twice'),
    (INPUT + 'handlers = { ["GET /x/{a}"] = print, ["GET /x/{b}"] = print }', 'the same place as "GET /x/'),
])
def test_problem_is_said_with_line_key_and_what_was_expected(declaration, expected):
    (line, text), = problems(declare("\n" + declaration + "\n"))
    assert line == 3
    assert expected in text


def test_every_problem_is_reported_at_its_own_line():
    done = declare('''
  inputrepository = {},
  componentLister = {
    types = { "T/v1" },
    ListComponent = print,
  },
  inputRepository = {
    types = {
      ["T/v1"] = {
        schema = 7,
      },
      ["U v1"] = {},
    },
    ProcessResource = 7,
  },
  limits = {
    memory = "1 MiB",
    body = "much",
  },
  handlers = {
    ["GET /custom"] = 7,
  },
  start = "now",
''')
    found = problems(done)
    assert [line for line, _ in found] == [3, 6, 11, 13, 15, 19, 22, 24]
    for (_, text), key in zip(found, ["inputrepository", "ListComponent", "schema", "U v1", "ProcessResource", "limits.body", "GET /custom", "start"]):
        assert key in text


@pytest.mark.parametrize("script, line, expected", [
    ("\nreturn 1 +", 2, "unexpected symbol near <eof>"),
    ("\nlocal x = ", 2, "unexpected symbol"),
    ("\n\nerror 'boom'", 3, "boom"),
    ("\nlocal f = nil\nf()", 3, "attempt to call a nil value (local 'f')"),
    ("\nreturn ocm.plugin { inputRepository = { types = x.y } }", 2, "attempt to index a nil value (global 'x')"),
    ('\nreturn ocm.plugin { a = ocm.schema { path = "strnig" } }', 2, 'ocm.schema: path: unknown type "strnig", did you mean "string"?'),
    ('\nreturn ocm.plugin { a = ocm.schema { a = { b = "bolean[]?" } } }', 2, 'ocm.schema: a.b: unknown type "bolean[]?", did you mean "boolean"?'),
    ("\nreturn ocm.plugin { a = ocm.schema { path = 7 } }", 2, "ocm.schema: path: expected a type, a list of choices or a table, got number"),
    ('\nreturn ocm.plugin { a = ocm.schema { m = { "x", 7 } } }', 2, "ocm.schema: m: a list of choices holds strings"),
    ('\nreturn ocm.plugin { a = ocm.schema { a = { b = "int" } } }', 2, 'ocm.schema: a.b: unknown type "int", did you mean "integer"?'),
    ('\nreturn ocm.plugin { a = ocm.schema { "string" } }', 2, "ocm.schema: field names are strings, got number"),
    ("\nreturn ocm.plugin { a = ocm.schema(7) }", 2, "ocm.schema: expected a table of fields, got number"),
    ("\nreturn ocm.plugin(7)", 2, "ocm.plugin: expected a table, got number"),
    ("\nreturn ocm.plugin { }", 2, "no capability is declared: expected at least one of blobTransformer, componentLister, componentVersionRepository, "),
    ('\nreturn ocm.plugin { handlers = { ["GET /a"] = print } }', 2, "no capability is declared"),
])
def test_script_that_does_not_load_is_reported_with_its_line(script, line, expected):
    (found, text), = problems(capabilities(script))
    assert (found, expected in text) == (line, True), (found, text)


@pytest.mark.parametrize("script, expected", [
    ("", "it returned nothing instead of its declaration: end it with 'return ocm.plugin { … }'"),
    ("return {}", "it returned a table instead of its declaration"),
    ("ocm.plugin { inputRepository = { types = { 'T/v1' } } }", "it returned nothing instead of its declaration"),
    ("error {}", "plugin: table: "),
    ("error(setmetatable({}, { __tostring = function() error 'x' end }))", "plugin: an error that has no text"),
    ("error()", "plugin: nil"),
    ("error('boom', 0)", "plugin: boom"),
    ("ocm.fail(404, 'said so')", "plugin: said so"),
    ("require 'nosuch'", "module 'nosuch' not found"),
    ("local function f() return f() + f() end f()", "stack overflow"),
    ("coroutine.yield()", "attempt to yield from outside a coroutine"),
])
def test_script_without_a_declaration_is_reported(script, expected):
    done = capabilities(script)
    assert (done.returncode, done.stdout) == (1, "")
    assert "/plugin" in done.stderr and expected in done.stderr


def test_problem_in_a_module_beside_the_script_names_that_file(folder):
    (folder / "broken.lua").write_text("\n\nlocal x = = 1")
    (folder / "myplugin").write_text('require "broken"')
    done = run(folder / "myplugin", "capabilities")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(r"broken\.lua:3: unexpected symbol", done.stderr)


def test_wrong_declaration_ends_serving_too(folder):
    (folder / "plugin").write_text(FIRST + "return ocm.plugin { inputrepository = {} }")
    done = run(folder / "plugin", "--config", '{"id":"a","type":"unix"}')
    assert problems(done) == [(2, 'unknown capability "inputrepository", did you mean "inputRepository"?')]


def test_lines_are_counted_behind_a_shebang(folder):
    (folder / "plugin").write_text("#!/usr/bin/env ocmlua\n" + FIRST + "return ocm.plugin { inputrepository = {} }")
    assert problems(run(folder / "plugin", "capabilities"))[0][0] == 3


def test_precompiled_script_is_reported_without_its_text(folder):
    """luac leaves nothing to look lines up in: the problem is still told."""
    (folder / "compile").write_text(f'''local ocm = require "ocm"
local code = string.dump(assert(load('return require "ocm".plugin {{ inputrepository = {{}} }}', "@{folder}/plugin")), true)
io.open("{folder}/plugin", "wb"):write(code):close() return ocm.plugin {{ inputRepository = {{ types = {{ "T" }} }} }}''')
    assert run(folder / "compile", "capabilities").returncode == 0
    done = run(folder / "plugin", "capabilities")
    assert (done.returncode, done.stdout) == (1, "")
    assert 'did you mean "inputRepository"?' in done.stderr
