-- ocm.schema: the JSON Schemas that the shorthand stands for, and what is wrong with one.
-- luacheck: globals TestSchema
local unit = require "luaunit"
local ocm = require "ocm"

-- The schema's `properties` and `required`, as JSON, without the `type` that every spec has.
local function of(fields)
  local schema = ocm.schema(fields)
  unit.assertEquals({ schema["$schema"], schema.type, schema.additionalProperties }, { "https://json-schema.org/draft/2020-12/schema", "object", false })
  unit.assertEquals(schema.properties.type, { type = "string" })
  schema.properties.type = nil
  return ocm.json.encode(schema.properties), table.concat(schema.required, " ")
end

TestSchema = {}

function TestSchema.test_every_type()
  for shorthand, schema in pairs {
    string = '{"type":"string"}', integer = '{"type":"integer"}', number = '{"type":"number"}', boolean = '{"type":"boolean"}',
    object = '{"type":"object"}', any = "{}", ["string[]"] = '{"items":{"type":"string"},"type":"array"}', ["any[]"] = '{"items":{},"type":"array"}',
  } do
    local properties, required = of { f = shorthand }
    unit.assertEquals(properties, '{"f":' .. schema .. "}")
    unit.assertEquals(required, "f type")
    properties, required = of { f = shorthand .. "?" }
    unit.assertEquals(properties, '{"f":' .. schema .. "}")
    unit.assertEquals(required, "type")
  end
end

function TestSchema.test_choices_and_objects()
  local properties, required = of { mode = { "fast", "safe" }, nested = { url = "string", port = "integer?", deep = { a = "any" } } }
  unit.assertEquals(properties, '{"mode":{"enum":["fast","safe"]},"nested":{"additionalProperties":false,"properties":'
    .. '{"deep":{"additionalProperties":false,"properties":{"a":{}},"required":["a"],"type":"object"},"port":{"type":"integer"},"url":{"type":"string"}},'
    .. '"required":["deep","url"],"type":"object"}}')
  unit.assertEquals(required, "mode nested type")
end

function TestSchema.test_a_question_mark_behind_the_name()
  local properties, required = of { ["mode?"] = { "fast", "safe" }, ["nested?"] = { a = "string?" }, ["s?"] = "string" }
  unit.assertEquals(properties, '{"mode":{"enum":["fast","safe"]},"nested":{"additionalProperties":false,"properties":{"a":{"type":"string"}},"type":"object"},"s":{"type":"string"}}')
  unit.assertEquals(required, "type")
end

function TestSchema.test_nothing_but_a_type()
  unit.assertEquals({ of {} }, { "{}", "type" })
end

function TestSchema.test_the_type_may_be_narrowed()
  local schema = ocm.schema { type = { "A/v1", "A" } }
  unit.assertEquals(ocm.json.encode(schema.properties), '{"type":{"enum":["A/v1","A"]}}')
  unit.assertEquals(schema.required, { "type" })
end

function TestSchema.test_what_is_wrong_is_said_with_its_place()
  for _, case in ipairs {
    { nil, "ocm.schema: expected a table of fields, got nil" },
    { "string", "ocm.schema: expected a table of fields, got string" },
    { { a = "strng" }, 'ocm.schema: a: unknown type "strng", did you mean "string"?' },
    { { a = "String" }, 'ocm.schema: a: unknown type "String", did you mean "string"?' },
    { { a = "" }, 'ocm.schema: a: unknown type ""' }, { { a = "string[" }, 'ocm.schema: a: unknown type "string["' },
    { { a = "string?[]" }, 'ocm.schema: a: unknown type "string?[]"' }, { { a = "string[][]" }, 'ocm.schema: a: unknown type "string[][]"' },
    { { a = 5 }, "ocm.schema: a: expected a type, a list of choices or a table, got number" },
    { { a = { b = { c = true } } }, "ocm.schema: a.b.c: expected a type, a list of choices or a table, got boolean" },
    { { a = { "x", 2 } }, "ocm.schema: a: a list of choices holds strings" },
    { { "string" }, "ocm.schema: field names are strings, got number" },
    { { a = { [1.5] = "string" } }, "ocm.schema: a.field names are strings, got number" },
  } do
    unit.assertErrorMsgContains(case[2], ocm.schema, case[1])
  end
end

function TestSchema.test_an_error_names_the_callers_line()
  local _, text = pcall(function() ocm.schema { a = "strng" } end)
  unit.assertStrContains(text, "schema_test.lua:")
end
