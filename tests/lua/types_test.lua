-- Every function that a script gets is documented in lua/types.
local luaunit = require "luaunit"
local ocm = require "ocm"
local lfs = require "lfs"

TestTypes = {}

--- All stubs, one behind the other; `check` is called with each.
local function stubs(check)
  local folder, texts = arg[0]:gsub("tests/lua/[^/]*$", "lua/types"), {}
  for name in lfs.dir(folder) do
    if name:find "%.lua$" then
      local file <close> = assert(io.open(folder .. "/" .. name))
      texts[#texts + 1] = file:read "a"
      if check then check(name, texts[#texts]) end
    end
  end
  return table.concat(texts)
end

function TestTypes.test_the_stubs_are_lua()
  stubs(function(name, text) luaunit.assertNotNil(load(text), name) end)
end

function TestTypes.test_every_function_is_documented()
  local text = stubs()
  local function documented(name)
    local plain = name:gsub("%.", "%%.")
    local last = name:match "[^.]+$"
    return text:find("function ocm%." .. plain .. "%(") or text:find("ocm%." .. plain .. " =") or text:find("@field " .. last .. " ") or text:find("{[^\n]*" .. last .. ":")
  end
  local names = {} -- also of what is loaded at its first use
  for name in pairs(ocm) do names[name] = true end
  for name in pairs(getmetatable(ocm).lazy) do names[name] = true end
  for name in pairs(names) do
    local value = ocm[name]
    luaunit.assertNotNil(documented(name), name)
    if type(value) == "table" then
      for inner in pairs(value) do luaunit.assertNotNil(documented(name .. "." .. inner), name .. "." .. inner) end
    end
  end
end
