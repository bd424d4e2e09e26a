-- ocm.validate: what fits a JSON Schema, and what is no schema; ocm.regex: its patterns.
-- luacheck: globals TestValidate TestSchemas TestRegex
local unit = require "luaunit"
local json = require "ocm".json
local lfs = require "lfs"
local regex = require "ocm.regex"
local validate = require "ocm.validate"

-- The official suite: of Debian's json-schema-test-suite (drafts up to 7), or a newer one.
local suite = os.getenv "JSON_SCHEMA_TEST_SUITE" or "/usr/share/json-schema-test-suite/tests"
local drafts = { "draft2020-12", "draft7" }

-- What is not followed, by design (see the opening comment of the module), and what draft 7 has of its own.
local left_out = {
  dynamicRef = true, unevaluatedItems = true, unevaluatedProperties = true, refRemote = true, vocabulary = true, format = true, default = true,
  dependencies = true, additionalItems = true, definitions = true,
}
local left_out_cases = { ["ref overrides any sibling keywords"] = true, ["$ref prevents a sibling $id from changing the base uri"] = true,
  ["order of evaluation: $id and $anchor and $ref"] = true }

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return json.decode(file:read "a")
end

TestValidate = {}

local function run_draft(folder)
  local count, noted, wrong = 0, 0, {}
  for name in lfs.dir(folder) do
    local keyword = name:match "^(.*)%.json$"
    for _, group in ipairs(keyword and not left_out[keyword] and read(folder .. "/" .. name) or {}) do
      for _, case in ipairs(left_out_cases[group.description] and {} or group.tests) do
        local ok, failures, notes = pcall(validate.value, group.schema, case.data)
        count = count + 1
        if ok and #notes > 0 then
          noted = noted + 1
        elseif not ok or (#failures == 0) ~= case.valid then
          wrong[#wrong + 1] = ("%s: %s: %s"):format(keyword, group.description, ok and case.description or failures)
        end
      end
    end
  end
  unit.assertEquals(wrong, {})
  unit.assertTrue(count > 300, count .. " cases")
  unit.assertTrue(noted < count / 10, noted .. " cases were not looked at")
end

function TestValidate.test_the_official_suite()
  local found = false
  for _, draft in ipairs(drafts) do
    if lfs.attributes(suite .. "/" .. draft, "mode") == "directory" then
      run_draft(suite .. "/" .. draft)
      found = true
    end
  end
  if not found then unit.skip("no " .. suite .. " (Debian's json-schema-test-suite)") end
end

-- The first failure as "path text", or "fits".
local function said(schema, value)
  local failures = validate.value(json.decode(schema), json.decode(value))
  return failures[1] and failures[1].path .. " " .. failures[1].text or "fits"
end

function TestValidate.test_what_is_said()
  for _, case in ipairs {
    { '{"type":"string"}', "7", " expected a string, got an integer" },
    { '{"type":["string","null"]}', "[]", " expected a string or null, got an array" },
    { '{"type":"integer"}', "1.0", "fits" },
    { '{"type":"integer"}', "123456789012345678901234567890", "fits" },
    { '{"enum":["fast","safe"]}', '"quick"', ' expected one of "fast", "safe"; got "quick"' },
    { '{"const":{"a":1}}', '{"a":1.0}', "fits" },
    { '{"required":["path"]}', "{}", ' "path" is missing' },
    { '{"properties":{"path":{}},"additionalProperties":false}', '{"pth":1}', ' unknown member "pth", did you mean "path"?' },
    { '{"properties":{"a/b":{"items":{"minimum":3}}}}', '{"a/b":[3,2]}', "/a~1b/1 expected at least 3, got 2" },
    { '{"patternProperties":{"^x-":{"type":"string"}}}', '{"x-a":1}', "/x-a expected a string, got an integer" },
    { '{"minLength":3}', '"äö"', " expected at least 3 characters, got 2" },
    { '{"pattern":"^a+$"}', '"ab"', ' "ab" does not match the pattern "^a+$"' },
    { '{"anyOf":[{"type":"string"},{"type":"null"}]}', "1", " fits none of 2 alternatives; the nearest:  expected a string, got an integer" },
    { '{"oneOf":[{},true]}', "1", " fits 2 of 2 alternatives, of which exactly one should fit" },
    { '{"not":{}}', "1", " is what the schema says it must not be" },
    { '{"uniqueItems":true}', "[1,2,1]", "/2 is the same as item 0" },
    { '{"$ref":"#"}', "1", " the schema goes deeper than 150 levels, or refers to itself without end" },
    { '{"$ref":"#/$defs/a","$defs":{"a":false}}', "1", " nothing may stand here" },
  } do
    unit.assertEquals(said(case[1], case[2]), case[3])
  end
end

function TestValidate.test_what_was_not_looked_at_is_noted()
  for schema, note in pairs {
    ['{"pattern":"\\\\p{L}"}'] = 'the pattern "\\\\p{L}" was not looked at: \\p is not looked at here',
    ['{"pattern":"^(a*)*$"}'] = false,
    ['{"$ref":"https://example.org/x.json"}'] = '"https://example.org/x.json" was not followed',
    ['{"unevaluatedProperties":false}'] = "unevaluatedProperties was not looked at",
  } do
    local failures, notes = validate.value(json.decode(schema), "aaaaaa")
    unit.assertEquals(failures, {})
    unit.assertEquals(notes[1] or false, note)
  end
end

TestSchemas = {}

function TestSchemas.test_what_is_no_schema()
  for _, case in ipairs {
    { "7", false, " expected a schema: an object, or true or false; got an integer" },
    { '{"type":"strng"}', false, '/type expected a type, not "strng", did you mean "string"?, got "strng"' },
    { '{"type":[]}', false, "/type expected at least one type, got an array" },
    { '{"minLength":-1}', false, "/minLength expected an integer, at least 0, got -1" },
    { '{"required":"a"}', false, '/required expected an array of strings, got "a"' },
    { '{"required":["a","a"]}', false, '/required expected each name once, but "a" is there twice, got an array' },
    { '{"properties":{"a":7}}', false, "/properties/a expected a schema: an object, or true or false; got an integer" },
    { '{"items":[{}]}', false, "/items an array belongs into prefixItems since draft 2020-12" },
    { '{"anyOf":[]}', false, "/anyOf expected an array of schemas, at least one" },
    { '{"$ref":"#/$defs/b","$defs":{"a":{}}}', false, '/$ref "#/$defs/b" leads nowhere' },
    { '{"pattern":"a(?=b)"}', false, '/pattern the pattern "a(?=b)": it looks ahead or behind, which Go\'s regular expressions cannot' },
    { '{"patternProperties":{"[":{}}}', false, '/patternProperties the pattern "[": a [ has no ]' },
    { '{"pattern":"\\\\p{L}"}', true, '/pattern the pattern "\\\\p{L}": \\p is not looked at here' },
    { '{"requierd":["a"]}', true, '/requierd unknown keyword "requierd", which says nothing, did you mean "required"?' },
    { '{"$ref":"other.json"}', true, '/$ref "other.json" leads out of the schema: the manager has to fetch it' },
    { '{"required":["a"],"properties":{"b":{}},"additionalProperties":false}', true, '/required "a" is required, but is none of the properties, and others are refused: nothing fits' },
  } do
    local found = validate.schema(json.decode(case[1]))
    unit.assertEquals(#found, 1, case[1])
    unit.assertEquals(found[1].path .. " " .. found[1].text, case[3])
    unit.assertEquals(found[1].warning or false, case[2])
  end
end

function TestSchemas.test_what_is_one()
  for _, schema in ipairs {
    "true", "{}", '{"x-note":1}', '{"$schema":"http://json-schema.org/draft-07/schema#","items":[{}],"definitions":{"a":{}}}',
    '{"$ref":"#tail","$defs":{"a":{"$anchor":"tail"}}}', '{"$id":"https://example.org/s","$ref":"https://example.org/s#/$defs/a","$defs":{"a":{}}}',
  } do
    unit.assertEquals(validate.schema(json.decode(schema)), {})
  end
end

TestRegex = {}

function TestRegex.test_matches()
  for _, case in ipairs {
    { "", "", true }, { "b", "abc", true }, { "^b", "abc", false }, { "c$", "abc", true }, { "^a.c$", "a\nc", false },
    { "^(ab|c)+$", "abcab", true }, { "^(ab|c)+$", "abca", false }, { "^a{2,3}$", "aaaa", false }, { "^a{2,}$", "aaaa", true }, { "^a{2}$", "aa", true },
    { "^a??b$", "ab", true }, { "^(?:a|ab)c$", "abc", true }, { "^(?P<n>a)$", "a", true }, { "^[a-c]+$", "abc", true }, { "^[^a-c]+$", "xaz", false },
    { "^[]a]+$", "]a", true }, { "^[\\w-]+$", "a_-9", true }, { "^\\d+$", "12a", false }, { "^\\D$", "x", true }, { "\\bfoo\\b", "a foo b", true },
    { "\\bfoo\\b", "afoo", false }, { "^\\x41\\x{e4}$", "Aä", true }, { "^ä.$", "äö", true }, { "^\\.$", ".", true }, { "^a{x$", "a{x", true },
    { "^[0-9a-f]{64}$", ("a"):rep(64), true }, { "^(a*)*$", "aaab", false }, { "x*", "", true },
    { "^v?\\d+(\\.\\d+){0,2}$", "v1.20.3", true },
  } do
    unit.assertEquals(assert(regex(case[1]))(case[2]), case[3], case[1])
  end
end

function TestRegex.test_a_long_text_is_no_problem()
  unit.assertTrue(regex "^[a-z]*$"(("a"):rep(200000)))
end

function TestRegex.test_endless_backtracking_ends()
  unit.assertErrorMsgContains("too many steps", regex "^(a|a)*$", ("a"):rep(40) .. "b")
end

function TestRegex.test_what_it_refuses()
  for pattern, refused in pairs {
    ["("] = true, [")"] = true, ["[a"] = true, ["[b-a]"] = true, ["*a"] = true, ["a**"] = true, ["\\"] = true, ["(?=a)"] = true, ["(a)\\1"] = true,
    ["a{2000}"] = true, ["a\xff"] = true, ["\\p{L}"] = false, ["(?i)a"] = false, ["[[:alpha:]]"] = false,
  } do
    local compiled, reason, manager = regex(pattern)
    unit.assertNil(compiled, pattern)
    unit.assertEquals(type(reason), "string")
    unit.assertEquals(manager, refused, pattern)
  end
end
