-- The contract table is consistent, and the shapes that it names do what they say.
local luaunit = require "luaunit"
local check = require "ocm.check"
local contract = require "ocm.contract"
local json = require "ocm".json
local shapes = require "ocm.shape"

TestContract = {}

function TestContract.test_there_are_nine_capabilities_each_with_a_list_for_its_types()
  luaunit.assertEquals(#contract, 9)
  for _, capability in ipairs(contract) do luaunit.assertStrMatches(capability.lists.types, "supported.+Types") end
end

function TestContract.test_every_shape_that_is_named_exists()
  local function known(name) check.compile((name:gsub("%?$", ""))) end
  for _, fields in pairs(shapes) do
    for _, name in pairs(fields) do known(name) end
  end
  for _, capability in ipairs(contract) do
    for _, method in ipairs(capability.methods) do
      for _, name in pairs(method.request or method.query) do known(name) end
      if method.answer ~= "nothing" and method.answer ~= "done" then known(method.answer) end
    end
  end
end

function TestContract.test_a_capability_has_each_path_and_each_method_once()
  for _, capability in ipairs(contract) do
    local seen = {}
    for _, method in ipairs(capability.methods) do
      local where = method.http .. " " .. method.path
      luaunit.assertNil(seen[where])
      luaunit.assertNil(seen[method.name])
      seen[where], seen[method.name] = true, true
    end
  end
end

function TestContract.test_a_spec_is_a_field_of_its_request()
  for _, capability in ipairs(contract) do
    for _, method in ipairs(capability.methods) do
      if method.spec then luaunit.assertEquals(method.request[method.spec], "Spec") end
      if method.remember then luaunit.assertNotNil(method.spec) end
    end
  end
end

TestCheck = {}

function TestCheck.test_an_empty_table_becomes_an_array_where_one_belongs()
  local answer = check.compile "Components" { list = {} }
  luaunit.assertEquals(json.encode(answer), '{"list":[]}')
end

function TestCheck.test_what_is_wrong_is_said_with_its_place()
  local value, where, expected, got = check.compile "Components" { list = { "a", 7 } }
  luaunit.assertNil(value)
  luaunit.assertEquals({ where, expected, got }, { ".list[2]", "a string", "a number" })
end

function TestCheck.test_a_path_stands_for_its_location()
  luaunit.assertEquals(check.compile "Location" "/tmp/x", { type = "localFile", value = "/tmp/x" })
end

function TestCheck.test_an_array_is_no_object()
  local value, _, expected, got = check.compile "object"(json.array {})
  luaunit.assertEquals({ value, expected, got }, { nil, "an object", "an array" })
end

function TestCheck.test_an_identity_holds_strings()
  local value, where = check.compile "Identity" { name = "a", n = 1 }
  luaunit.assertEquals({ value, where }, { nil, ".n" })
end
