--- A plugin in the hands of a test: loaded as the program loads it, asked through dispatch, as a request over HTTP would be.

local contract = require "ocm.contract"
local json = require "ocm.json"
local native = require "ocm.native.test"
local scope = require "ocm.test.scope"
local suggest = require "ocm.suggest"

local plugin = {}

local cleanup_seconds <const> = 4
local print_before, arg_before, path_before, cpath_before

--- ---- loading ----

local kept = { cjson = true, ["cjson.safe"] = true, lfs = true, command = true, ocm = true }
for name in next, package.loaded do kept[name] = true end

--- What a plugin loads of its own is loaded anew; C modules stay.
local function forget_modules()
  for name in next, package.loaded do
    if not kept[name] and not name:find "^ocm%." and not name:find "^command%." then package.loaded[name] = nil end
  end
end

--- As a fresh process has it.
local function reset()
  print_before, arg_before = print_before or print, arg_before or arg
  path_before, cpath_before = path_before or package.path, cpath_before or package.cpath
  print, package.path, package.cpath = print_before, path_before, cpath_before -- luacheck: ignore
  getmetatable(require "ocm.log").set_logger(nil)
  forget_modules()
end

local function declaration_of(path)
  local real = require "ocm.native.command".real_path(path)
  if not real then scope.fail(("there is no plugin %s"):format(path)) end
  scope.folders[real:match "^(.*)/" .. "/"] = true
  reset()
  arg = { [0] = path } -- luacheck: ignore
  local declaration, problems = require "ocm.load"(path, real)
  arg = arg_before -- luacheck: ignore
  if not declaration then scope.fail(("%s does not load:\n%s"):format(path, tostring(problems))) end
  return declaration
end

local function config_of(config)
  local made = { id = "test", type = "unix" }
  for name, value in next, config or {} do made[name] = value end
  return json.decode(json.encode(made))
end

--- ---- requests ----

local function escape(text)
  return (tostring(text):gsub("[^%w%-._~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local function query_text(query)
  if type(query) ~= "table" then return query end
  local parts = {}
  for name, value in next, query do parts[#parts + 1] = escape(name) .. "=" .. escape(value) end
  table.sort(parts)
  return #parts > 0 and table.concat(parts, "&") or nil
end

local Refusal = { __name = "ocm.test.Refusal", __tostring = function(refusal) return ("%d %s"):format(refusal.status, refusal.text) end }

function plugin.is_refusal(value) return getmetatable(value) == Refusal end

local Plugin = {}
Plugin.__index = Plugin

function Plugin:request(request)
  if self.closed then error("the plugin is closed", 2) end
  if type(request) ~= "table" or type(request.path) ~= "string" then error("plugin:request: expected a table { method =, path =, query =, headers =, body = }", 2) end
  local path, query = request.path:match "^([^?]*)%??(.*)$"
  local body, headers = request.body, {}
  for name, value in next, request.headers or {} do table.move({ name, tostring(value) }, 1, 2, #headers + 1, headers) end
  local status, answered, text = native.request(self.functions, {
    method = request.method or (body ~= nil and "POST" or "GET"), path = path, query = query_text(request.query) or (query ~= "" and query or nil),
    headers = headers, body = type(body) == "table" and json.encode(body) or body, limit = self.limit,
  })
  return { status = status, headers = answered, body = text }
end

--- The contract's method, and its capability's name.
local function find_method(self, capability, name)
  local found, owners, known = nil, {}, {}
  for _, each in ipairs(contract) do
    for _, method in ipairs(self.declared[each.name] and (not capability or capability == each.name) and each.methods or {}) do
      known[#known + 1] = method.name
      if method.name == name then
        found = method
        owners[#owners + 1] = each.name
      end
    end
  end
  if #owners == 1 then return found, owners[1] end
  if #owners > 1 then error(('plugin:call: %s is a method of %s: say which, plugin:call("%s", "%s", …)'):format(name, table.concat(owners, " and "), owners[1], name), 3) end
  error(("plugin:call: %s has no method %s%s"):format(capability or "the plugin", tostring(name), suggest(tostring(name), known)), 3)
end

--- What goes over the wire in a query.
local function to_query(method, request)
  local query = {}
  for field, value in next, request or {} do
    if (method.query[field] or ""):find "^EncodedIdentity" and type(value) == "table" then
      value = require "ocm.native.text".base64.encode(json.encode(value))
    elseif type(value) == "table" then
      error(("plugin:call: request.%s: a query holds texts, got a table"):format(field), 3)
    end
    query[field] = value
  end
  return query
end

function Plugin:call(capability, name, request, credentials)
  if type(name) ~= "string" then capability, name, request, credentials = nil, capability, name, request end
  if capability and not self.declared[capability] then
    local known = {}
    for each in next, self.declared do known[#known + 1] = each end
    error(("plugin:call: the plugin does not declare %s%s"):format(tostring(capability), suggest(tostring(capability), known)), 2)
  end
  if request ~= nil and type(request) ~= "table" then error("plugin:call: expected the request as a table, got a " .. type(request), 2) end
  local method, owner = find_method(self, capability, name)
  local answer = self:request {
    method = method.http, path = method.path,
    query = method.query and to_query(method, request) or nil,
    body = not method.query and json.encode(request or {}) or nil,
    headers = { Authorization = credentials and json.encode(credentials) or nil, ["Content-Type"] = not method.query and "application/json" or nil },
  }
  if answer.status ~= 200 then error(setmetatable({ status = answer.status, text = answer.body, capability = owner, method = name }, Refusal), 0) end
  if answer.body == "" then return true end
  return json.decode(answer.body)
end

function Plugin:blob(location) -- luacheck: no self
  if type(location) == "table" and location.location then location = location.location end
  if type(location) ~= "table" or location.type ~= "localFile" or type(location.value) ~= "string" then
    error("plugin:blob: expected a Location of type localFile, got " .. require "ocm.test.compare".show(location), 2)
  end
  local file, problem = io.open(location.value, "rb")
  if not file then scope.fail(("the answer's location: %s"):format(problem)) end
  local bytes = file:read "a"
  file:close()
  return bytes
end

function Plugin:close()
  if self.closed then return end
  self.closed = true
  self.declaration.cleanup(require "ocm.native.task".clock() + cleanup_seconds)
end

--- Loads and starts it.
function plugin.load(path, config)
  local declaration = declaration_of(path)
  local capabilities = json.decode(json.encode(declaration.capabilities))
  local made = setmetatable({
    declaration = declaration, capabilities = capabilities, declared = {}, functions = declaration.requests(), limit = declaration.limits.handler,
  }, Plugin)
  for _, each in ipairs(capabilities.capabilities) do made.declared[each.type] = true end
  scope.undo(function() made:close() end)
  local ok, reason = pcall(declaration.start, config_of(config))
  if not ok then scope.fail(("the plugin's start failed: %s"):format(tostring(reason))) end
  return made
end

--- At the end of a test: what the plugin has put in place of the program's own.
plugin.reset = reset

return plugin
