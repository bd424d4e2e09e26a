-- ocm.schema's shorthand, near misses, and the texts of base64 and hex.
local luaunit = require "luaunit"
local ocm = require "ocm"
local suggest = require "ocm.suggest"

TestSchema = {}

function TestSchema.test_a_shorthand_is_a_strict_object_with_a_type()
  local schema = ocm.schema { path = "string", depth = "integer?", tags = "string[]?", ["mode?"] = { "fast", "safe" } }
  luaunit.assertEquals(schema.required, { "path", "type" })
  luaunit.assertEquals(schema.additionalProperties, false)
  luaunit.assertEquals(schema.properties.tags, { type = "array", items = { type = "string" } })
  luaunit.assertEquals(schema.properties.mode, { enum = { "fast", "safe" } })
end

function TestSchema.test_a_table_is_an_object_of_its_own()
  local schema = ocm.schema { where = { url = "string" } }
  luaunit.assertEquals(schema.properties.where.required, { "url" })
  luaunit.assertEquals(schema.properties.where.properties.url, { type = "string" })
end

function TestSchema.test_an_unknown_type_is_named_with_what_was_meant()
  luaunit.assertErrorMsgContains('depth: unknown type "integr", did you mean "integer"?', ocm.schema, { depth = "integr" })
end

TestSuggest = {}

function TestSuggest.test_near_words_are_suggested_and_far_ones_are_not()
  local known = { "inputRepository", "signingHandler" }
  luaunit.assertEquals(suggest("inputrepository", known), ', did you mean "inputRepository"?')
  luaunit.assertEquals(suggest("input", known), ', did you mean "inputRepository"?')
  luaunit.assertEquals(suggest("zebra", known), ": expected one of inputRepository, signingHandler")
end

TestText = {}

-- RFC 4648 section 10
local vectors = { { "", "", "" }, { "f", "Zg==", "66" }, { "fo", "Zm8=", "666f" }, { "foo", "Zm9v", "666f6f" }, { "foobar", "Zm9vYmFy", "666f6f626172" } }

function TestText.test_the_vectors_of_rfc_4648_go_both_ways()
  for _, vector in ipairs(vectors) do
    luaunit.assertEquals(ocm.base64.encode(vector[1]), vector[2])
    luaunit.assertEquals(ocm.base64.decode(vector[2]), vector[1])
    luaunit.assertEquals(ocm.hex.encode(vector[1]), vector[3])
    luaunit.assertEquals(ocm.hex.decode(vector[3]:upper()), vector[1])
  end
end

function TestText.test_malformed_text_is_nil_and_a_message()
  for _, text in ipairs { "Zg", "Zg=", "Z===", "Zh==", "Zm9=", "Z m9v", "Zg==Zg==", "====", "Zm\0v" } do
    local bytes, message = ocm.base64.decode(text)
    luaunit.assertNil(bytes)
    luaunit.assertStrContains(message, "at byte")
  end
  for _, text in ipairs { "6", "6g", "0x" } do luaunit.assertNil((ocm.hex.decode(text))) end
end

TestFail = {}

function TestFail.test_a_failure_has_a_status_and_exactly_its_text()
  local ok, failure = pcall(ocm.fail, 404, "no %s", "thing")
  luaunit.assertEquals({ ok, failure.status, failure.text, tostring(failure) }, { false, 404, "no thing", "no thing" })
  ok, failure = pcall(ocm.fail, "100% broken")
  luaunit.assertEquals({ ok, failure.status, failure.text }, { false, 500, "100% broken" })
  luaunit.assertErrorMsgContains("from 400 to 599", ocm.fail, 200, "fine")
end
