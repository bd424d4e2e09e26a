-- Every function that a script gets is documented in lua/types.
local lfs = require "lfs"
local luaunit = require "luaunit"
local ocm = require "ocm"

TestTypes = {}

local folder = arg[0]:gsub("tests/lua/[^/]*$", "lua/types/")

local function stubs()
  local texts = {}
  for name in lfs.dir(folder) do
    if name:find "%.lua$" then
      local file <close> = assert(io.open(folder .. name))
      texts[name] = file:read "a"
    end
  end
  return texts
end

function TestTypes.test_the_stubs_are_lua()
  for name, text in pairs(stubs()) do luaunit.assertNotNil(load(text, "=" .. name), name) end
end

function TestTypes.test_every_function_is_documented()
  local texts = {}
  for _, text in pairs(stubs()) do texts[#texts + 1] = text end
  local all = table.concat(texts, "\n")
  local function documented(name)
    local plain = name:gsub("%.", "%%.")
    local last = name:match "[^.]+$"
    return all:find("function ocm%." .. plain .. "%(") or all:find("ocm%." .. plain .. " =") or all:find("@field " .. last .. " ") or all:find("{[^\n]*" .. last .. ":")
  end
  for name in pairs(getmetatable(ocm).lazy) do luaunit.assertNotNil(ocm[name], name) end
  for name, value in pairs(ocm) do
    luaunit.assertNotNil(documented(name), name)
    if type(value) == "table" then
      for inner in pairs(value) do luaunit.assertNotNil(documented(name .. "." .. inner), name .. "." .. inner) end
    end
  end
end
