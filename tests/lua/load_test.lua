-- ocm.load: what comes of a script, and on which line its problems are.
-- luacheck: globals TestLoad
local unit = require "luaunit"
local ocm = require "ocm"
local lfs = require "lfs"
local load_script = require "ocm.load"

local folder

-- Writes the file and returns its path.
local function write(name, text)
  local path = folder .. "/" .. name
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
  return path
end

-- What is said of a script: "line: text", a line each.
local function complaint(text)
  local path = write("plugin", text)
  local declaration, reason = load_script(path)
  unit.assertNil(declaration)
  return (("\n" .. reason):gsub("\n" .. path:gsub("%p", "%%%0") .. ":", "\n"):sub(2))
end

TestLoad = {}

function TestLoad:setUp()
  self.path, self.cpath = package.path, package.cpath
  folder = ocm.tempfile():path() .. "-scripts" -- in the run directory, which goes with the process
  assert(lfs.mkdir(folder))
end

function TestLoad:tearDown() package.path, package.cpath = self.path, self.cpath end

function TestLoad.test_a_script()
  local declaration, reason = load_script(write("plugin", '#!/usr/bin/env ocmlua\nreturn require "ocm".plugin { componentLister = { types = { "A/v1" } } }'))
  unit.assertNil(reason)
  unit.assertEquals(declaration.capabilities.capabilities[1].type, "componentLister")
end

function TestLoad.test_modules_beside_it()
  write("beside.lua", 'return { "Beside/v1" }')
  lfs.mkdir(folder .. "/deep")
  write("deep/init.lua", 'return require "beside"')
  local declaration = load_script(write("plugin", 'return require "ocm".plugin { componentLister = { types = require "deep" } }'))
  package.loaded.beside, package.loaded.deep = nil, nil
  unit.assertEquals(declaration.capabilities.capabilities[1].supportedRepositorySpecTypes[1].type, "Beside/v1")
end

function TestLoad.test_what_is_no_script_is_said()
  for text, expected in pairs {
    ["return {"] = "1: unexpected symbol near <eof>",
    ["\n\nerror 'broken'"] = "3: broken",
    ["error('plain', 0)"] = " plain",
    ["local x = nil + 1"] = "1: attempt to perform arithmetic on a nil value",
    [""] = " it returned nothing instead of its declaration: end it with 'return ocm.plugin { … }'",
    ["return {}"] = " it returned a table instead of its declaration: end it with 'return ocm.plugin { … }'",
    ["return require 'ocm'"] = " it returned a table instead",
    ["error { code = 5 }"] = " table: ",
    ["error(setmetatable({}, { __tostring = function() return 'own text' end }))"] = " own text",
    ["error(setmetatable({}, { __tostring = function() error 'again' end }))"] = " an error that has no text",
    ["require 'ocm'.fail(404, 'no %s', 'way')"] = " no way",
  } do
    unit.assertEquals(complaint(text):sub(1, #expected), expected)
  end
  local declaration, reason = load_script(folder .. "/missing")
  unit.assertNil(declaration)
  unit.assertStrContains(reason, folder .. "/missing: No such file or directory")
end

function TestLoad.test_problems_have_their_lines()
  unit.assertEquals(complaint [[
local ocm = require "ocm"

local start = 5 -- another start
return ocm.plugin {
  inputrepository = {
    types = { "A/v1" },
  },
  componentLister = {
    types = {
      ["A/v1"] = { aliases = { "A" } },
      ["B/v1"] = {
        schema = 7,
      },
    },
    GetIdentity = function() end,
    ListComponent = function() end,
  },
  resourceRepository = {
    types = { "A/v1", "A/v1" },
    GetIdentity = 5,
  },
  limits = { memory = 1 },
  handlers = {
    ["GET /healthz"] = function() end,
  },
  start = start,
}
]], [[
5: unknown capability "inputrepository", did you mean "inputRepository"?
12: componentLister.types.B/v1.schema: expected a JSON Schema as a table or a text, or ocm.schema{…}; got number
16: componentLister: unknown method "ListComponent", did you mean "ListComponents"?
19: resourceRepository.types: type "A/v1" is declared twice
20: resourceRepository.GetIdentity: expected a function (request, credentials), got number
22: limits.memory: expected bytes, or a size such as "64 MiB", from 1048576 bytes to 1 TiB; got 1
24: handlers.GET /healthz: /healthz is the protocol's own
26: start: expected a function, got number]])
end

function TestLoad.test_a_declaration_in_another_form_has_a_line_too()
  unit.assertEquals(complaint 'local plugin = require "ocm".plugin\nlocal x = { strat = 1 }\nreturn plugin(x)', [[
2: unknown capability "strat", did you mean "start"?]])
  unit.assertEquals(complaint 'local declare = require "ocm"["plugin"]\nreturn declare\n{\n strat = 1 }', [[
4: unknown capability "strat", did you mean "start"?]])
  unit.assertStrContains(complaint 'return\nrequire "ocm".plugin {}', "2: no capability is declared")
end

function TestLoad.test_names_that_mean_something_in_a_pattern()
  unit.assertStrContains(complaint 'return require "ocm".plugin { componentLister = { types = {\n\n["a.b-c%d(x)/v1"] = 5 } } }', "3: componentLister.types.a.b-c%d(x)/v1: expected a table")
end
