-- ocm.base64 and ocm.hex, against RFC 4648.
-- luacheck: globals TestBase64 TestHex
local unit = require "luaunit"
local ocm = require "ocm"

local base64, hex = ocm.base64, ocm.hex

local every_byte = {}
for i = 0, 255 do every_byte[#every_byte + 1] = string.char(i) end
every_byte = table.concat(every_byte)

local function round_trips(code)
  for length = 0, 300 do
    local bytes = every_byte:rep(2):sub(1, length)
    unit.assertEquals(code.decode(code.encode(bytes)), bytes)
  end
  local long = every_byte:rep(4096)
  unit.assertTrue(code.decode(code.encode(long)) == long)
end

local function refuses(code, cases)
  for text, reason in pairs(cases) do
    local decoded, why = code.decode(text)
    unit.assertNil(decoded, text)
    unit.assertEquals(why, reason, text)
  end
end

TestBase64 = {}

function TestBase64.test_vectors() -- RFC 4648 section 10
  for bytes, text in pairs {
    [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==", fooba = "Zm9vYmE=", foobar = "Zm9vYmFy", ["\0\0\0"] = "AAAA", ["\255\255\255"] = "////",
    ["\251\239\190"] = "++++",
  } do
    unit.assertEquals(base64.encode(bytes), text)
    unit.assertEquals(base64.decode(text), bytes)
  end
end

function TestBase64.test_round_trips() round_trips(base64) end

function TestBase64.test_refuses_all_else()
  refuses(base64, {
    ["Z"] = "not padded base64: it ends at byte 1", ["Zg"] = "not padded base64: it ends at byte 2", ["Zg="] = "not padded base64: it ends at byte 3",
    ["Zm9vZg"] = "not padded base64: it ends at byte 6",
    ["===="] = "not base64 at byte 1", ["Z==="] = "not base64 at byte 2", ["=Zg="] = "not base64 at byte 1", ["Zg==Zg=="] = "not base64 at byte 3",
    ["Zm=v"] = "not base64 at byte 3", ["Zm9-"] = "not base64 at byte 4", ["Zm9_"] = "not base64 at byte 4", ["Zm 9"] = "not base64 at byte 3",
    ["Zm9v\n\n\n\n"] = "not base64 at byte 5", ["Zm9\0"] = "not base64 at byte 4", ["Zm9\xE9"] = "not base64 at byte 4",
    ["Zh=="] = "not canonical base64: bits are left over at byte 4", ["Zm9="] = "not canonical base64: bits are left over at byte 4",
  })
end

TestHex = {}

function TestHex.test_vectors() -- RFC 4648 section 10
  for bytes, text in pairs { [""] = "", f = "66", fo = "666f", foobar = "666f6f626172", ["\0\255\16"] = "00ff10" } do
    unit.assertEquals(hex.encode(bytes), text)
    unit.assertEquals(hex.decode(text), bytes)
    unit.assertEquals(hex.decode(text:upper()), bytes)
  end
end

function TestHex.test_round_trips() round_trips(hex) end

function TestHex.test_refuses_all_else()
  refuses(hex, {
    ["6"] = "half a byte at byte 1", ["666"] = "half a byte at byte 3", ["6g"] = "not hexadecimal at byte 2", ["g6"] = "not hexadecimal at byte 1",
    ["66 6"] = "not hexadecimal at byte 3", ["0x"] = "not hexadecimal at byte 2", ["6\0"] = "not hexadecimal at byte 2", ["66\n\n"] = "not hexadecimal at byte 3",
    ["\xE9\xE9"] = "not hexadecimal at byte 1", ["@G"] = "not hexadecimal at byte 1", ["/:"] = "not hexadecimal at byte 1", ["`f"] = "not hexadecimal at byte 1",
  })
end

function TestHex.test_strings_only()
  for _, f in ipairs { base64.encode, base64.decode, hex.encode, hex.decode } do
    unit.assertErrorMsgContains("string expected", f)
    unit.assertErrorMsgContains("string expected", f, {})
    unit.assertErrorMsgContains("string expected", f, ocm.json.null)
  end
end
