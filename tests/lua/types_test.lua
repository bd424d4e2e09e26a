-- Every function that a script gets is documented in lua/types.
local luaunit = require "luaunit"
local ocm = require "ocm"
local lfs = require "lfs"

TestTypes = {}

local folder = arg[0]:gsub("tests/lua/[^/]*$", "lua/types")

local function stubs()
  local texts = {}
  for name in lfs.dir(folder) do
    if name:find "%.lua$" then
      local file <close> = assert(io.open(folder .. "/" .. name))
      texts[name] = file:read "a"
    end
  end
  return texts
end

function TestTypes.test_the_stubs_are_lua()
  local texts = stubs()
  luaunit.assertNotNil(texts["ocm.lua"])
  for name, text in pairs(texts) do
    luaunit.assertNotNil(load(text), name)
    luaunit.assertStrMatches(text:match "^[^\n]*", "%-%-%-@meta.*", nil, nil, name)
  end
end

function TestTypes.test_what_test_files_get_is_documented()
  local text = stubs()["test.lua"]
  for name in pairs(require "ocm.test") do luaunit.assertNotNil(text:find("function test." .. name .. "(", 1, true), name) end
end

local function documented(text, name)
  local plain = name:gsub("%.", "%%.")
  local last = name:match "[^.]+$"
  return text:find("function ocm%." .. plain .. "%(") or text:find("ocm%." .. plain .. " =") or text:find("@field " .. last .. " ") or text:find("{[^\n]*" .. last .. ":")
end

local function check(text, prefix, table)
  for name, value in pairs(table) do
    luaunit.assertNotNil(documented(text, prefix .. name), prefix .. name)
    if type(value) == "table" then check(text, prefix .. name .. ".", value) end
  end
end

function TestTypes.test_every_function_is_documented()
  local all = {}
  for _, text in pairs(stubs()) do all[#all + 1] = text end
  local text = table.concat(all, "\n")
  for name in pairs(getmetatable(ocm).lazy) do luaunit.assertNotNil(ocm[name], name) end -- loads them
  check(text, "", ocm)
end

--- Commands write and show the embedded ones.
function TestTypes.test_every_file_is_embedded_as_it_is()
  local embedded = require "ocm.native.command".texts "lua/types/"
  for name, text in pairs(stubs()) do
    luaunit.assertEquals(embedded["lua/types/" .. name], text, name .. " has to be in `packed_files` in src/CMakeLists.txt")
    embedded["lua/types/" .. name] = nil
  end
  luaunit.assertNil(next(embedded))
end

--- What a person who writes a handler looks up: each function, capability, request and answer.
function TestTypes.test_every_function_capability_request_and_answer_has_an_example()
  for _, entry in ipairs(require "command.reference".entries()) do
    local name = entry.name
    local wanted = entry.kind == "function" or name:find "Request$" or name:find "Answer$"
    for _, capability in ipairs(require "ocm.contract") do
      wanted = wanted or name == "ocm." .. capability.name:gsub("^%l", string.upper)
    end
    local of_http = { ["ocm.CustomRequest"] = true, ["ocm.CustomAnswer"] = true, ["ocm.HttpRequest"] = true, ["ocm.HttpAnswer"] = true,
      ["ocm.test.Request"] = true, ["ocm.test.Answer"] = true, ["ocm.test.ServedRequest"] = true } -- tables of fields: their functions have it
    if wanted and not of_http[name] then luaunit.assertNotEquals(entry.example, "", name) end
  end
end
