-- ocm.json as scripts see it: what values text becomes, what text values become, and what is refused.
-- luacheck: globals TestDecode TestEncode TestArray TestNumber
local unit = require "luaunit"
local json = require "ocm".json

local null = json.null

-- The message that f(...) raises, without the position in this file.
local function message(f, ...)
  local ok, err = pcall(f, ...)
  unit.assertFalse(ok)
  return (err:gsub("^[^:]+:%d+: ", ""))
end

TestDecode = {}

function TestDecode.test_scalars()
  unit.assertIs(json.decode "true", true)
  unit.assertIs(json.decode " false\n", false)
  unit.assertIs(json.decode "null", null)
  unit.assertEquals(json.decode '"a\\u00e9\\ud83d\\ude00\\u0000\\n"', "aé😀\0\n")
end

function TestDecode.test_null_is_cjson_null()
  unit.assertIs(null, require "cjson".null)
end

function TestDecode.test_whole_numbers_are_integers()
  for text, value in pairs {
    ["0"] = 0, ["-7"] = -7, ["9007199254740993"] = 9007199254740993,
    ["9223372036854775807"] = math.maxinteger, ["-9223372036854775808"] = math.mininteger,
  } do
    unit.assertEquals(json.decode(text), value)
    unit.assertEquals(math.type(json.decode(text)), "integer")
  end
end

function TestDecode.test_others_are_floats_where_a_float_has_the_same_value()
  for text, value in pairs { ["1.0"] = 1.0, ["1e2"] = 100.0, ["0.1"] = 0.1, ["-2.5e-3"] = -0.0025, ["1e22"] = 1e22 } do
    unit.assertEquals(json.decode(text), value)
    unit.assertEquals(math.type(json.decode(text)), "float")
  end
  unit.assertEquals(1 / json.decode "-0", -math.huge)
end

function TestDecode.test_numbers_beyond_floats_keep_their_text()
  for _, text in ipairs { "18446744073709551615", "1e400", "3.141592653589793238", "-9223372036854775809", "1e-400" } do
    local number = json.decode(text)
    unit.assertEquals(type(number), "userdata")
    unit.assertEquals(tostring(number), text)
    unit.assertEquals(json.encode { number }, "[" .. text .. "]")
  end
end

function TestDecode.test_arrays_and_objects()
  unit.assertEquals(json.decode '[1,[],{"a":{"b":[null]}}]', { 1, {}, { a = { b = { null } } } })
  unit.assertEquals(#json.decode "[null,null]", 2)
end

function TestDecode.test_wide_arrays_and_objects()
  for _, count in ipairs { 0, 1, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1000, 5000 } do
    local elements, members = {}, {}
    for i = 1, count do
      elements[i] = i
      members[i] = ('"k%d":[%d]'):format(i, i)
    end
    local array = json.decode("[" .. table.concat(elements, ",") .. "]")
    local object = json.decode("{" .. table.concat(members, ",") .. "}")
    unit.assertEquals(#array, count)
    local found = 0
    for key, value in pairs(object) do
      found = found + 1
      unit.assertEquals(key, "k" .. value[1])
    end
    unit.assertEquals(found, count)
    for i = 1, count do unit.assertEquals(array[i], i) end
  end
end

function TestDecode.test_the_last_of_duplicate_names_wins()
  unit.assertEquals(json.decode '{"a":1,"b":2,"a":3}', { a = 3, b = 2 })
  local members = {}
  for i = 1, 300 do members[i] = ('"k%d":%d'):format(i % 100, i) end
  local object = json.decode("{" .. table.concat(members, ",") .. "}")
  unit.assertEquals(object.k1, 201)
  unit.assertEquals(object.k0, 300)
end

function TestDecode.test_errors_say_where_and_never_quote_the_text()
  unit.assertEquals(message(json.decode, '{"password": "hunter2" "x"}'), "line 1, column 24: expected ',' or '}'")
  unit.assertEquals(message(json.decode, "[1,\n 2,\n é]"), "line 3, column 2: expected a value")
  unit.assertEquals(message(json.decode, ""), "line 1, column 1: expected a value, not the end of the text")
  unit.assertEquals(message(json.decode, '"\xff"'), "line 1, column 2: expected valid UTF-8")
end

function TestDecode.test_nesting_has_a_limit()
  local deep = json.decode(("["):rep(512) .. ("]"):rep(512))
  unit.assertEquals(json.encode(deep), ("["):rep(512) .. ("]"):rep(512))
  unit.assertStrContains(message(json.decode, ("["):rep(513) .. ("]"):rep(513)), "no more than 512")
end

function TestDecode.test_wants_a_string()
  unit.assertStrContains(message(json.decode), "string expected")
  unit.assertStrContains(message(json.decode, {}), "string expected")
end

TestEncode = {}

function TestEncode.test_scalars()
  for _, case in ipairs {
    { true, "true" }, { false, "false" }, { null, "null" }, { 0, "0" }, { -12, "-12" }, { math.mininteger, "-9223372036854775808" },
    { 1.0, "1.0" }, { 0.1, "0.1" }, { 1e300, "1e+300" }, { -0.0, "-0.0" }, { 1 / 3, "0.3333333333333333" }, { 5e-324, "5e-324" },
    { "", '""' }, { 'a"\\/\b\n\1é', '"a\\"\\\\/\\b\\n\\u0001é"' },
  } do
    unit.assertEquals(json.encode(case[1]), case[2])
  end
end

function TestEncode.test_members_are_sorted_by_the_bytes_of_their_names()
  unit.assertEquals(json.encode { b = 1, a = 2, ["é"] = 3, B = 4, [""] = 5, aa = 6, ["a\0"] = 7 },
    '{"":5,"B":4,"a":2,"a\\u0000":7,"aa":6,"b":1,"é":3}')
end

function TestEncode.test_wide_objects_are_sorted_too()
  for _, count in ipairs { 21, 22, 23, 24, 25, 100, 2000 } do
    local object, names, members = { [""] = { 0 }, ["!"] = { 0 } }, { "", "!" }, {}
    for i = 1, count do
      names[i + 2] = "k" .. i * 7919 % 10007
      object[names[i + 2]] = { i }
    end
    table.sort(names)
    for i, name in ipairs(names) do members[i] = ('"%s":[%d]'):format(name, object[name][1]) end
    unit.assertEquals(json.encode(object), "{" .. table.concat(members, ",") .. "}")
  end
end

function TestEncode.test_tables_with_keys_from_1_to_n_are_arrays()
  unit.assertEquals(json.encode { 1, "a", { 2 } }, '[1,"a",[2]]')
  local backwards = {}
  for i = 100, 1, -1 do backwards[i] = i end
  local forwards = {}
  for i = 1, 100 do forwards[i] = i end
  unit.assertEquals(json.encode(backwards), json.encode(forwards))
  unit.assertEquals(json.encode { [2] = "b", [1] = "a", [3] = { [2] = 2, [1] = 1 } }, '["a","b",[1,2]]')
end

function TestEncode.test_an_empty_table_is_an_object_unless_it_is_marked()
  unit.assertEquals(json.encode {}, "{}")
  unit.assertEquals(json.encode(json.array()), "[]")
  unit.assertEquals(json.encode(json.decode '{"a":[],"b":{}}'), '{"a":[],"b":{}}')
end

function TestEncode.test_decoded_arrays_stay_arrays()
  local value = json.decode '{"list":["a"]}'
  table.remove(value.list)
  unit.assertEquals(json.encode(value), '{"list":[]}')
end

function TestEncode.test_errors_say_where()
  local cycle = { a = { {} } }
  cycle.a[1].b = cycle
  local loop = {}
  loop[1] = loop
  for _, case in ipairs {
    { { component = { labels = { 1, { value = 0 / 0 } } } }, "component.labels[2].value: NaN is not JSON" },
    { { 1, math.huge }, "[2]: an infinite number is not JSON" },
    { { a = print }, "a: a function is not JSON" },
    { { a = { coroutine.create(print) } }, "a[1]: a thread is not JSON" },
    { { a = io.stdout }, "a: a userdata is not JSON" },
    { print, "a function is not JSON" },
    { { ["a.b/c"] = { [""] = "\xff" } }, '["a.b/c"][""]: a string that is not UTF-8, at byte 1' },
    { { a = "ok \xc3" }, "a: a string that is not UTF-8, at byte 4" },
    { { a = { ["b\xff"] = 1 } }, "a[\"b\u{FFFD}\"]: a name that is not UTF-8" },
    { { a = { 1, nil, 3 } }, "a[2]: a hole in an array" },
    { { a = { [2] = 1 } }, "a[1]: a hole in an array" },
    { { a = { 1, b = 2 } }, "a.b: a named member in an array" },
    { { a = json.array { b = 2 } }, "a.b: a named member in an array" },
    { { a = { [1.5] = 1 } }, "a: an array with a key that is neither a name nor 1 or more" },
    { { a = { [0] = 1 } }, "a: an array with a key that is neither a name nor 1 or more" },
    { { a = { [true] = 1 } }, "a: a key that is not a string" },
    { cycle, "a[1].b: a table that contains itself" },
    { loop, "[1]: a table that contains itself" },
  } do
    unit.assertEquals(message(json.encode, case[1]), case[2])
  end
end

function TestEncode.test_errors_in_wide_objects_say_where()
  local wide = {}
  for i = 1, 100 do wide["k" .. i] = i end
  wide.k50 = { x = print }
  unit.assertEquals(message(json.encode, { { a = wide } }), "[1].a.k50.x: a function is not JSON")
  wide.k50 = nil
  wide[7] = 1
  unit.assertStrMatches(message(json.encode, wide), ".*in an? .*")
end

function TestEncode.test_the_same_table_twice_is_no_cycle()
  local shared = { 1 }
  unit.assertEquals(json.encode { a = shared, b = { shared, shared } }, '{"a":[1],"b":[[1],[1]]}')
end

function TestEncode.test_nesting_has_a_limit()
  local deep = {}
  for _ = 1, 512 do deep = { a = deep } end
  unit.assertStrMatches(message(json.encode, deep), "a%.a%.a.*…: more than 512 tables within one another")
end

function TestEncode.test_no_metamethod_is_called()
  local t = setmetatable({ a = 1 }, { __index = error, __len = error, __pairs = error, __tostring = error })
  unit.assertEquals(json.encode(t), '{"a":1}')
end

function TestEncode.test_after_an_error_it_works_as_before()
  message(json.encode, { ("x"):rep(1000), print })
  unit.assertEquals(json.encode { 1 }, "[1]")
end

function TestEncode.test_pretty()
  unit.assertEquals(json.encode({ b = { 1, { c = true } }, a = json.array(), o = {} }, { pretty = true }), [[
{
  "a": [],
  "b": [
    1,
    {
      "c": true
    }
  ],
  "o": {}
}]])
  local wide = {}
  for i = 1, 100 do wide["k" .. i] = { i } end
  unit.assertEquals(json.decode(json.encode(wide, { pretty = true })), wide)
  unit.assertStrContains(json.encode(wide, { pretty = true }), '\n  "k7": [\n    7\n  ],\n')
  unit.assertEquals(json.encode({ 1 }, { pretty = false }), "[1]")
  unit.assertEquals(json.encode({ 1 }, nil), "[1]")
end

function TestEncode.test_wants_a_value_and_a_table_of_options()
  unit.assertStrContains(message(json.encode), "value expected")
  unit.assertStrContains(message(json.encode, 1, true), "table expected")
  unit.assertEquals(message(json.encode, nil), "nil is not JSON")
end

TestArray = {}

function TestArray.test_marks_and_returns_its_table()
  local t = { 1 }
  unit.assertIs(json.array(t), t)
  unit.assertIs(json.array(t), t) -- again
  unit.assertEquals(json.encode(json.array {}), "[]")
end

function TestArray.test_refuses_what_is_no_plain_table()
  unit.assertStrContains(message(json.array, 1), "table expected")
  unit.assertStrContains(message(json.array, nil), "table expected")
  unit.assertStrContains(message(json.array, setmetatable({}, {})), "has a metatable")
end

TestNumber = {}

function TestNumber.test_gives_what_decode_gives()
  unit.assertEquals(math.type(json.number "12"), "integer")
  unit.assertEquals(math.type(json.number "12.0"), "float")
  unit.assertEquals(tostring(json.number "1e999"), "1e999")
  unit.assertTrue(json.number "1e999" == json.decode "1e999")
  unit.assertFalse(json.number "1e999" == json.number "10e998")
  unit.assertFalse(json.number "1e999" == io.stdout)
end

function TestNumber.test_refuses_what_is_no_number()
  for _, text in ipairs { "", "01", "1.", " 1", "1 ", "NaN", "0x10", "1e", "+1", "1\0", "null", "[1]" } do
    unit.assertStrContains(message(json.number, text), "JSON number expected")
  end
end
