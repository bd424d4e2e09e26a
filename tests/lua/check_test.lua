-- ocm.check: which values have a shape, what goes on the wire for them, and what is said of all others.
-- luacheck: globals TestCheck TestLocation
local unit = require "luaunit"
local ocm = require "ocm"
local check = require "ocm.check"

local null, array, encode = ocm.json.null, ocm.json.array, ocm.json.encode

-- "where: expected X, got Y", or nil when the value has the shape.
local function complaint(shape, value)
  local checked, where, expected, got = check.compile(shape)(value)
  if checked == nil and expected then return ("%s: expected %s, got %s"):format(where, expected, got) end
end

-- What goes on the wire.
local function wire(shape, value)
  unit.assertNil(complaint(shape, value))
  return encode((check.compile(shape)(value)))
end

TestCheck = {}

function TestCheck.test_scalars()
  local values = {
    string = "", integer = 0, float = 1.5, boolean = false, null = null, table = { a = 1 }, array = array { 1 }, ["function"] = print,
  }
  local fits = { string = { string = true }, integer = { integer = true }, boolean = { boolean = true }, object = { table = true } }
  for shape, good in pairs(fits) do
    for name, value in pairs(values) do
      local text = complaint(shape, value)
      if good[name] then unit.assertNil(text) else unit.assertStrContains(text, ": expected ") end
    end
  end
  unit.assertNil(complaint("any", null))
  unit.assertIs(check.compile "boolean"(false), false)
end

function TestCheck.test_what_is_said_of_a_value()
  for _, case in ipairs {
    { nil, "nothing" }, { null, "null" }, { array {}, "an array" }, { {}, "a table" }, { 1, "a number" }, { "secret", "a string" },
    { print, "a function" }, { io.stderr, "an userdata" }, { true, "a boolean" },
  } do
    unit.assertEquals(check.describe(case[1]), case[2])
  end
end

function TestCheck.test_arrays_stay_arrays_when_empty()
  unit.assertEquals(wire("[string]", {}), "[]")
  unit.assertEquals(wire("[string]", array {}), "[]")
  unit.assertEquals(wire("[string]", { "1.0.0", "2.0.0" }), '["1.0.0","2.0.0"]')
  unit.assertEquals(wire("Resource", { name = "a", type = "b", labels = {}, srcRefs = { { labels = {} } } }),
    '{"labels":[],"name":"a","srcRefs":[{"labels":[]}],"type":"b"}')
end

function TestCheck.test_the_place_of_an_error_is_said()
  for _, case in ipairs {
    { "[string]", "1.0.0", ": expected an array, got a string" },
    { "[string]", { a = 1 }, ": expected an array, got a table with named members" },
    { "[string]", { "a", 2 }, "[2]: expected a string, got a number" },
    { "[string]", { "a", null }, "[2]: expected a string, got null" },
    { "Resource", { type = "b" }, ".name: expected a string, got nothing" },
    { "Resource", { name = null, type = "b" }, ".name: expected a string, got null" },
    { "Resource", { name = "a", type = "b", labels = { { name = "l" }, { value = 1 } } }, ".labels[2].name: expected a string, got nothing" },
    { "Resource", array {}, ": expected an object, got an array" },
    { "Descriptor", { meta = { schemaVersion = "v2" } }, ".component: expected an object, got nothing" },
    { "Descriptor", { meta = {}, component = {} }, ".component.name: expected a string, got nothing" },
    { "DigestAnswer", { resource = { name = "a", type = "b" } }, ".resource.digest: expected an object, got nothing" },
    { "Components", {}, ".list: expected an array, got nothing" },
    { "Components", { list = {}, header = { last = 5 } }, ".header.last: expected a string, got a number" },
    { "Identity", { "a" }, ": expected an object of strings, got a list" },
    { "Identity", { a = 1 }, ".a: expected a string, got a number" },
    { "Identity", null, ": expected an object of strings, got null" },
  } do
    unit.assertEquals(complaint(case[1], case[2]), case[3])
  end
end

function TestCheck.test_what_may_be_absent_may_be_null()
  unit.assertEquals(wire("Resource", { name = "a", type = "b", digest = null, labels = null }), '{"digest":null,"labels":null,"name":"a","type":"b"}')
end

function TestCheck.test_members_that_no_shape_names_pass()
  unit.assertEquals(wire("Resource", { name = "a", type = "b", more = { 1, { deep = {} } } }), '{"more":[1,{"deep":{}}],"name":"a","type":"b"}')
end

function TestCheck.test_an_identity_may_be_left_out_in_every_way()
  for _, none in ipairs { {}, { identity = null }, { identity = {} }, { identity = array {} } } do
    unit.assertEquals(wire("IdentityAnswer", none), "{}")
  end
  unit.assertEquals(wire("IdentityAnswer", { identity = { type = "t" } }), '{"identity":{"type":"t"}}')
  unit.assertEquals(complaint("IdentityAnswer", { type = "t" }), ": expected { identity = { … } }, got a table without it")
  unit.assertEquals(complaint("IdentityAnswer", { identity = { port = 80 } }), ".identity.port: expected a string, got a number")
  unit.assertEquals(complaint("IdentityAnswer", "t"), ": expected { identity = { … } }, got a string")
end

function TestCheck.test_a_query_carries_an_identity_in_base64()
  local identity = check.compile "EncodedIdentity"
  unit.assertEquals(identity(ocm.base64.encode '{"name":"a","version":"ü"}'), { name = "a", version = "ü" })
  unit.assertIs(identity(ocm.base64.encode "null"), null)
  for _, case in ipairs {
    { "e30", "base64 of a JSON object" }, { "{}", "base64 of a JSON object" }, { "", "base64 of a JSON object" },
    { ocm.base64.encode "{", "base64 of a JSON object" }, { ocm.base64.encode "[]", "an object of strings" },
    { ocm.base64.encode '{"a":1}', "a string" }, { 5, "base64 of a JSON object" },
  } do
    unit.assertStrContains(complaint("EncodedIdentity", case[1]), "expected " .. case[2])
  end
end

function TestCheck.test_the_fields_of_a_request()
  local checked = check.fields { name = "string", last = "string?" }
  unit.assertEquals(checked { name = "a" }, { name = "a" })
  unit.assertEquals(select(2, checked {}), ".name")
  unit.assertEquals(select(2, checked { name = "a", last = {} }), ".last")
end

TestLocation = {}

function TestLocation.test_a_path_stands_for_its_location()
  unit.assertEquals(check.compile "Location"("/a/b"), { type = "localFile", value = "/a/b" })
  unit.assertEquals(check.compile "Location"("b"), { type = "localFile", value = require "lfs".currentdir() .. "/b" })
  unit.assertEquals(check.compile "Location" { value = "/a", mediaType = "text/plain" }, { type = "localFile", value = "/a", mediaType = "text/plain" })
end

function TestLocation.test_a_tempfile_stands_for_its_location()
  local file = ocm.tempfile():write "text"
  local expected = { type = "localFile", value = file:path() }
  unit.assertEquals(check.compile "Location"(file), expected)
  expected.mediaType = "text/plain"
  unit.assertEquals(check.compile "Location" { value = file, mediaType = "text/plain" }, expected)
  unit.assertEquals(io.open(file:path()):read "a", "text")
end

function TestLocation.test_urls_are_left_alone()
  local url = { type = "remoteURL", value = "https://example.org/a" }
  unit.assertEquals(check.compile "Location"(url), url)
end

function TestLocation.test_what_is_none_is_said()
  for _, case in ipairs {
    { nil, ": expected a Location (a path, a tempfile, or { type =, value =, mediaType = }), got nothing" },
    { array { "/a" }, ": expected a Location (a path, a tempfile, or { type =, value =, mediaType = }), got an array" },
    { 5, ": expected a Location (a path, a tempfile, or { type =, value =, mediaType = }), got a number" },
    { {}, ".value: expected a path, a tempfile or a URL, got nothing" },
    { { value = "" }, ".value: expected a path, a tempfile or a URL, got a string" },
    { { value = "/a", type = "localfile" }, '.type: expected "localFile", "unixNamedPipe" or "remoteURL", got a string' },
    { { value = "/a", mediaType = 1 }, ".mediaType: expected a string, got a number" },
  } do
    unit.assertEquals(complaint("Location", case[1]), case[2])
  end
end
