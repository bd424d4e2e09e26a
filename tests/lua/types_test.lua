-- Every function that a script gets is documented in lua/types.
local luaunit = require "luaunit"
local ocm = require "ocm"

TestTypes = {}

local function stubs()
  local file <close> = assert(io.open((arg[0]:gsub("tests/lua/[^/]*$", "lua/types/ocm.lua"))))
  return file:read "a"
end

function TestTypes.test_the_stubs_are_lua()
  luaunit.assertNotNil(load(stubs()))
end

function TestTypes.test_every_function_is_documented()
  local text = stubs()
  local function documented(name)
    local plain = name:gsub("%.", "%%.")
    local last = name:match "[^.]+$"
    return text:find("function ocm%." .. plain .. "%(") or text:find("ocm%." .. plain .. " =") or text:find("@field " .. last .. " ") or text:find("{[^\n]*" .. last .. ":")
  end
  for name, value in pairs(ocm) do
    luaunit.assertNotNil(documented(name), name)
    if type(value) == "table" then
      for inner in pairs(value) do luaunit.assertNotNil(documented(name .. "." .. inner), name .. "." .. inner) end
    end
  end
end
