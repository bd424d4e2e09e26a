-- ocm.plugin: what a declaration becomes, and the problems of one that is wrong, with the keys that lead to them.
-- luacheck: globals TestDeclaration TestProblems
local unit = require "luaunit"
local ocm = require "ocm"
local plugin = require "ocm.plugin"

local function handler() end

local function lister(more)
  local capability = { types = { "A/v1" } }
  for key, value in pairs(more or {}) do capability[key] = value end
  return capability
end

local function with(more)
  local declared = { componentLister = lister() }
  for key, value in pairs(more) do declared[key] = value end
  return declared
end

local function made(declared)
  local declaration = plugin.declare(declared)
  for _, problem in ipairs(declaration.problems) do error(problem.text) end
  return declaration
end

-- "keys: text", a line each
local function problems(declared)
  local lines = {}
  for i, problem in ipairs(plugin.declare(declared).problems) do
    local keys = {}
    for j, key in ipairs(problem.keys) do keys[j] = tostring(key) end
    lines[i] = ("[%s] %s"):format(table.concat(keys, " "), problem.text)
  end
  table.sort(lines)
  return table.concat(lines, "\n")
end

TestDeclaration = {}

function TestDeclaration.test_it_is_told_from_other_tables()
  unit.assertTrue(plugin.is_declaration(ocm.plugin(with {})))
  for _, value in ipairs { {}, "text", ocm.json.null, with {} } do unit.assertFalse(plugin.is_declaration(value)) end
end

function TestDeclaration.test_the_document()
  local schema = ocm.schema { path = "string" }
  local declaration = made {
    componentLister = { types = { ["B/v1"] = { schema = schema, aliases = { "B" } }, "A/v1" } },
    credentialRepository = { types = { "C" }, credentialTypes = { ["D/v1"] = { aliases = { "D" } } } },
    configTypes = { "x.config/v1" },
  }
  local any, text = ocm.base64.encode '{"type":"object"}', ocm.base64.encode(ocm.json.encode(schema))
  unit.assertEquals(ocm.json.decode(ocm.json.encode(declaration.capabilities)), {
    capabilities = {
      { type = "componentLister", supportedRepositorySpecTypes = {
        { type = "A/v1", aliases = ocm.json.null, jsonSchema = any },
        { type = "B/v1", aliases = { "B" }, jsonSchema = text },
        { type = "B", aliases = ocm.json.null, jsonSchema = text },
      } },
      { type = "credentialRepository",
        supportedCredentialRepositorySpecTypes = { { type = "C", aliases = ocm.json.null, jsonSchema = any } },
        supportedConsumerIdentityTypes = {},
        customCredentialTypes = { { type = "D/v1", aliases = { "D" }, jsonSchema = any } } },
    },
    supportedConfigTypes = { "x.config/v1" },
  })
end

function TestDeclaration.test_the_document_is_the_same_every_time()
  local function document()
    return ocm.json.encode(made { componentLister = { types = { Z = {}, A = {}, M = { aliases = { "y", "x" } }, "L", "K" } }, blobTransformer = lister() }.capabilities)
  end
  local first = document()
  for _ = 1, 20 do unit.assertEquals(document(), first) end
end

function TestDeclaration.test_types_of_any_kind_can_stand_together()
  local types = { ["5x"] = {}, ["95"] = {}, ["A/v1"] = {} }
  for i = 1, 40 do types[i] = "T" .. i end
  unit.assertEquals(#made { componentLister = { types = types } }.capabilities.capabilities[1].supportedRepositorySpecTypes, 43)
end

function TestDeclaration.test_a_schema_may_be_text()
  local text = ' {"type":"object", "x": 1.0} '
  local declaration = made { componentLister = { types = { A = { schema = text } } } }
  unit.assertEquals(ocm.base64.decode(declaration.capabilities.capabilities[1].supportedRepositorySpecTypes[1].jsonSchema), text)
end

function TestDeclaration.test_limits_are_bytes_and_nanoseconds()
  for text, bytes in pairs {
    ["1 MiB"] = 1 << 20, ["1MiB"] = 1 << 20, ["64mib"] = 64 << 20, ["1.5 GiB"] = 3 << 29, ["2 MB"] = 2000000, ["1048576"] = 1 << 20,
    [" 1024 KiB "] = 1 << 20, ["1 TiB"] = 1 << 40, ["2000000 b"] = 2000000,
  } do
    unit.assertEquals(made(with { limits = { memory = text } }).limits.memory, bytes, text)
  end
  unit.assertEquals(made(with { limits = { memory = 1 << 20, body = 1, header = 8192.0, handler = 0.25 } }).limits,
    { memory = 1 << 20, body = 1, header = 8192, handler = 250000000 })
  unit.assertEquals(made(with {}).limits, {})
end

function TestDeclaration.test_start_and_cleanup_are_called_with_what_they_get()
  local seen = {}
  local declaration = made(with {
    start = function(config) seen.id = config.id end,
    cleanup = function(context) seen.first, seen.later = context:remaining(), context.remaining() end,
  })
  declaration.start { id = "x" }
  declaration.cleanup(require "ocm.native.task".clock() + 60)
  unit.assertEquals(seen.id, "x")
  unit.assertTrue(seen.first > 30 and seen.first <= 60 and seen.later <= seen.first)
  declaration.cleanup(0)
  unit.assertEquals(seen.first, 0) -- never below
  made(with {}).start {}
  made(with {}).cleanup(0)
end

TestProblems = {}

function TestProblems.test_no_declaration()
  unit.assertEquals(problems(nil), "[] ocm.plugin: expected a table, got nothing")
  unit.assertEquals(problems "x", "[] ocm.plugin: expected a table, got string")
  unit.assertStrContains(problems {}, "[] no capability is declared: expected at least one of blobTransformer, componentLister, ")
  unit.assertStrContains(problems { handlers = { ["GET /x"] = handler } }, "no capability is declared")
end

function TestProblems.test_names()
  unit.assertEquals(problems(with { inputrepository = {} }), '[inputrepository] unknown capability "inputrepository", did you mean "inputRepository"?')
  unit.assertEquals(problems(with { cleanUp = handler }), '[cleanUp] unknown capability "cleanUp", did you mean "cleanup"?')
  unit.assertStrContains(problems(with { handler }), '[1] unknown capability "1": expected one of ')
  unit.assertEquals(problems { componentLister = lister { ListComponent = handler } },
    '[componentLister ListComponent] componentLister: unknown method "ListComponent", did you mean "ListComponents"?')
  unit.assertEquals(problems { componentLister = lister { type = {} } }, '[componentLister type] componentLister: unknown method "type", did you mean "types"?')
  unit.assertStrContains(problems { componentLister = lister { identityTypes = {} } }, 'componentLister: unknown method "identityTypes"')
  unit.assertEquals(problems { componentLister = { types = { A = { alias = {} } } } }, '[componentLister types A] componentLister.types.A: unknown field "alias", did you mean "aliases"?')
end

function TestProblems.test_kinds()
  for _, case in ipairs {
    { { componentLister = "x" }, "[componentLister] componentLister: expected a table with types and handlers, got string" },
    { { componentLister = lister { ListComponents = {} } }, "[componentLister ListComponents] componentLister.ListComponents: expected a function (request, credentials), got table" },
    { with { start = 1 }, "[start] start: expected a function, got number" },
    { with { cleanup = {} }, "[cleanup] cleanup: expected a function, got table" },
    { with { logger = "x" }, "[logger] logger: expected a function, got string" },
    { with { limits = "1 MiB" }, "[limits] limits: expected a table, got string" },
    { with { configTypes = "x" }, "[configTypes] configTypes: expected a list of types, got string" },
    { with { configTypes = { 5 } }, '[configTypes] configTypes: expected a type such as "MyType/v1", got number' },
    { with { configTypes = { "a/b/c" } }, '[configTypes] configTypes: type "a/b/c": expected a name, or a name and a version, such as "MyType/v1"' },
  } do
    unit.assertEquals(problems(case[1]), case[2])
  end
end

function TestProblems.test_types()
  for _, case in ipairs {
    { nil, '[componentLister types] componentLister.types: expected a table of types: { ["MyType/v1"] = { schema = … } } or { "MyType/v1" }, got nothing' },
    { "A/v1", '[componentLister types] componentLister.types: expected a table of types: { ["MyType/v1"] = { schema = … } } or { "MyType/v1" }, got string' },
    { {}, "[componentLister types] componentLister.types: expected at least one type" },
    { { "A/v1", "A/v1" }, '[componentLister types] componentLister.types: type "A/v1" is declared twice' },
    { { "A", ["A"] = {} }, '[componentLister types A] componentLister.types.A: type "A" is declared twice' },
    { { ["A/v1"] = { aliases = { "A", "A" } } }, '[componentLister types A/v1 aliases] componentLister.types.A/v1.aliases: type "A" is declared twice' },
    { { ["A/v1"] = { aliases = "A" } }, "[componentLister types A/v1 aliases] componentLister.types.A/v1.aliases: expected a list of types, got string" },
    { { ["A/v1"] = { aliases = { {} } } }, '[componentLister types A/v1 aliases] componentLister.types.A/v1.aliases: expected a type such as "MyType/v1", got table' },
    { { ["A/v1"] = true }, "[componentLister types A/v1] componentLister.types.A/v1: expected a table { schema =, aliases =, example = }, got boolean" },
    { { ["A"] = { schema = 5 } }, "[componentLister types A schema] componentLister.types.A.schema: expected a JSON Schema as a table or a text, or ocm.schema{…}; got number" },
    { { ["A"] = { schema = "{" } }, "[componentLister types A schema] componentLister.types.A.schema: expected a JSON Schema: line 1, column 2: " },
    { { ["A"] = { schema = "5" } }, "[componentLister types A schema] componentLister.types.A.schema: expected a JSON Schema: it is not an object" },
    { { ["A"] = { schema = { f = handler } } }, "[componentLister types A schema] componentLister.types.A.schema: expected a JSON Schema: f: " },
    { { { "A" } }, '[componentLister types] componentLister.types: expected a type such as "MyType/v1", got table' },
    { { "a b" }, '[componentLister types] componentLister.types: type "a b": expected a name' },
    { { "" }, '[componentLister types] componentLister.types: type "": expected a name' },
    { { "A/" }, '[componentLister types] componentLister.types: type "A/": expected a name' },
  } do
    local text = problems { componentLister = { types = case[1] } }
    unit.assertEquals(text:sub(1, #case[2]), case[2])
    unit.assertNil(text:find("\n", 1, true))
  end
  unit.assertStrContains(problems { credentialRepository = { types = { "A" }, identityTypes = {} } }, "credentialRepository.identityTypes: expected at least one type")
end

function TestProblems.test_limits()
  for _, value in ipairs { "1 XB", "MiB", "-1", "1e6", "", "1.2.3 MiB", 0, -1, 1.5, 1 << 41, "2 TiB", {}, true, 0 / 0, 1023 } do
    unit.assertStrContains(problems(with { limits = { memory = value } }), '[limits memory] limits.memory: expected bytes, or a size such as "64 MiB", from 1048576 bytes to 1 TiB; got ')
  end
  for _, value in ipairs { 0, -1, "1", 0 / 0, math.huge, {} } do
    unit.assertStrContains(problems(with { limits = { handler = value } }), "[limits handler] limits.handler: expected seconds, more than 0; got ")
  end
  unit.assertEquals(problems(with { limits = { headers = 1 } }), '[limits headers] limits: unknown limit "headers", did you mean "header"?')
end

function TestProblems.test_handlers()
  for pattern, text in pairs {
    ["/x"] = 'expected a method and a path, such as "POST /custom/{name}"', ["post /x"] = "expected a method and a path",
    ["POST x"] = "expected a method and a path", ["POST  /x"] = "expected a method and a path", ["POST /a b"] = "expected a method and a path",
    ["GET /healthz"] = "/healthz is the protocol's own", ["GET /identity"] = "/identity is the protocol's own", ["PUT /blob/transform"] = "/blob/transform is the protocol's own",
    ["GET /a/{b"] = 'expected "{name}" to be a whole segment of the path, got "{b"', ["GET /{a}{b}"] = 'got "{a}{b}"', ["GET /x{a}"] = 'got "x{a}"',
    ["GET /{}"] = 'got "{}"', ["GET /{1}"] = 'got "{1}"', ["GET /{a}/{a}"] = 'parameter "a" is there twice',
  } do
    local found = problems(with { handlers = { [pattern] = handler } })
    unit.assertStrContains(found, ("[handlers %s] handlers.%s: "):format(pattern, pattern))
    unit.assertStrContains(found, text)
  end
  unit.assertStrContains(problems(with { handlers = { ["GET /x"] = 5 } }), "handlers.GET /x: expected a function (request), got number")
  unit.assertStrContains(problems(with { handlers = { handler } }), "expected a method and a path")
  unit.assertStrContains(problems(with { handlers = handler }), "[handlers] handlers: expected a table")
  unit.assertStrContains(problems(with { handlers = { ["GET /{a}"] = handler, ["GET /{b}"] = handler } }), 'the same place as "GET /{')
  unit.assertEquals(problems(with { handlers = { ["GET /{a}"] = handler, ["GET /a"] = handler, ["PUT /{b}"] = handler, ["GET /"] = handler, ["GET /a/"] = handler } }), "")
end

function TestProblems.test_all_are_reported()
  local found = problems { componentLister = { types = {}, Nonsense = 1 }, start = 1, nonsense = 1, limits = { a = 1, memory = 1 } }
  unit.assertEquals(select(2, found:gsub("%f[^\n\0]%[", "")), 6)
end
