--- The way of a request: find its endpoint, read what it carries, check it, call the handler, check and write the answer.
--
-- Runs in the request's own task. Errors are raised: `failed` turns whatever was raised into status and text.

local check = require "ocm.check"
local contract = require "ocm.contract"
local fail = require "ocm.fail"
local json = require "ocm.json"
local wire = require "ocm.native.request"

local text_type <const>, json_type <const> = "text/plain; charset=utf-8", "application/json"
local remembered_limit <const> = 64 -- specs of a kind

local null = json.null

--- Refuses the request: the caller's fault.
local function refuse(status, format, ...) fail.fail(status, format, ...) end

--- Specs that were seen, latest first, as text: each request gets tables of its own. `names`: a method's `remember`.
local function memory(texts, names)
  local function remember(text)
    if texts[1] == text then return end
    for i, known in ipairs(texts) do
      if known == text then
        table.remove(texts, i)
        break
      end
    end
    table.insert(texts, 1, text)
    texts[remembered_limit + 1] = nil
  end
  local function recall(request)
    local specs = {}
    for i, text in ipairs(texts) do specs[i] = json.decode(text) end
    request[names.all] = specs
    request[names.one] = #specs == 1 and specs[1] or nil
  end
  return { remember = remember, recall = recall }
end

--- nil where there are none: an absent header, `{}` or null.
local function read_credentials()
  local credentials, reason = wire.credentials()
  if reason then refuse(401, "Authorization: the credentials are not JSON: %s", reason) end
  if credentials == nil or credentials == null then return nil end
  if type(credentials) ~= "table" or (next(credentials) == nil and getmetatable(credentials)) or #credentials > 0 then
    refuse(401, "Authorization: the credentials are not a JSON object")
  end
  if next(credentials) == nil then return nil end
  return credentials
end

local function read_body()
  local request, reason = wire.json()
  if request == nil then refuse(400, "request body: %s", reason) end
  if type(request) ~= "table" then refuse(400, "request body: expected an object, got %s", check.describe(request)) end
  return request
end

local function read_query()
  local request, reason = wire.query()
  if not request then refuse(400, "query: %s", reason) end
  return request
end

--- Refuses a spec that does not fit the schema of its type, where the manager doesn't.
local function check_spec(types, spec, field)
  local schema = type(spec) == "table" and types[spec.type]
  if not schema then return end
  for _, problem in ipairs(require "ocm.validate".value(json.decode(schema), spec)) do
    refuse(400, "%s%s: %s", field, problem.path, problem.text)
  end
end

--- An identity has a type. The manager fails over one without, and most of its flows over none at all: then it is the spec's, for
-- which nobody needs to have credentials.
local function typed_identity(identity, spec)
  if identity and identity.type then return identity end
  local typed = { type = spec.type }
  for name, value in next, identity or {} do typed[name] = value end
  return typed
end

--- Writes the answer that the contract has for what the handler returned.
local function writer(where, method)
  if method.answer == "nothing" then
    return function() wire.answer(200) end
  elseif method.answer == "done" then
    return function() wire.answer(200, json_type, "{}") end
  end
  local checked = check.compile(method.answer)
  local _, _, expected = checked(nil)
  local identifies = method.answer == "IdentityAnswer"
  return function(value, request)
    local answer, field, wanted, got = checked(value)
    if value == nil then field, wanted, got = "", expected, "nothing" end
    if answer == nil then fail.bug("%s: answer%s: expected %s, got %s", where, field, wanted, got) end
    if method.mediaType and not answer.location.mediaType then answer.location.mediaType = method.mediaType end
    if identifies then answer = { identity = typed_identity(answer.identity, request[method.spec]) } end
    local ok, reason = wire.answer_json(answer)
    if not ok then fail.bug("%s: answer: %s", where, reason) end
  end
end

--- One method of one capability, ready to serve.
local function endpoint(capability, method, memory_of)
  local where = capability.name .. "." .. method.name
  local handler = capability.handlers[method.name]
  local checked = check.fields(method.request or method.query)
  local write = writer(where, method)
  local recall = method.recall and memory_of(method.recall).recall
  local serve = { capability = capability, method = method, remember = method.remember and memory_of(method.remember).remember }
  local optional = {}
  for field, shape in next, method.request or method.query do
    if shape:sub(-1) == "?" then optional[#optional + 1] = field end
  end

  --- Whether the body could be meant for this one: its fields are there, and its spec's type is the capability's.
  function serve.fits(body)
    for field, shape in next, method.request do
      if shape:sub(-1) ~= "?" and body[field] == nil then return false end
    end
    if not method.spec then return true end
    local spec = body[method.spec]
    return type(spec) == "table" and capability.types[spec.type] ~= nil
  end

  function serve.call(request, credentials)
    local ok, field, wanted, got = checked(request)
    if not ok then refuse(400, "%s: request%s: expected %s, got %s", where, field, wanted, got) end
    for i = 1, #optional do
      local name = optional[i]
      if request[name] == null then request[name] = nil end
    end
    if recall then recall(request) end
    if method.unchecked then check_spec(capability.types, request.resource[method.unchecked], method.unchecked) end
    if not handler then
      if method.default == nil then fail.fail(501, "this plugin's %s has no %s", capability.name, method.name) end
      return write(method.default, request)
    end
    local answer, reason = handler(request, credentials)
    if not answer and type(reason) == "string" then fail.fail(500, "%s", reason) end
    if answer == false then fail.bug("%s: the handler returned false", where) end
    if answer == nil then answer = method.default end
    write(answer, request)
  end

  return serve
end

--- Which of several capabilities with the same path a body is meant for.
local function choose(candidates, body)
  local fallback
  for _, serve in ipairs(candidates) do
    if serve.fits(body) then
      if serve.capability.handlers[serve.method.name] then return serve end
      fallback = fallback or serve
    end
  end
  if fallback then return fallback end
  local names = {}
  for i, serve in ipairs(candidates) do names[i] = serve.capability.name end
  refuse(400, "%s: the request fits none of %s: neither its fields nor its spec's type", candidates[1].method.path, table.concat(names, ", "))
end

--- path -> HTTP method -> function
local function contract_routes(capabilities, specs)
  local memories = {}
  local function memory_of(names)
    specs[names.one] = specs[names.one] or {}
    memories[names] = memories[names] or memory(specs[names.one], names)
    return memories[names]
  end
  local routes = {}
  for _, capability in ipairs(capabilities) do
    for _, method in ipairs(capability.contract.methods) do
      local by_method = routes[method.path] or {}
      routes[method.path] = by_method
      by_method[method.http] = by_method[method.http] or {}
      table.insert(by_method[method.http], endpoint(capability, method, memory_of))
    end
  end
  for _, by_method in next, routes do
    for http, candidates in next, by_method do
      local read = http == "GET" and read_query or read_body
      local first, several, authorized = candidates[1], #candidates > 1, false
      local remembering
      for _, serve in ipairs(candidates) do
        authorized = authorized or serve.method.credentials
        if serve.remember then remembering = serve end
      end
      by_method[http] = function()
        local credentials = authorized and read_credentials() or nil
        local request = read()
        local serve = several and choose(candidates, request) or first
        -- The spec as it came, before the handler may change it; remembered when the handler has accepted it.
        local spec = remembering and (not several or remembering.fits(request)) and request[remembering.method.spec]
        local text = type(spec) == "table" and json.encode(spec)
        serve.call(request, credentials)
        if text then remembering.remember(text) end
      end
    end
  end
  return routes
end

--- ---- the script's own endpoints ----

local function matches(route, segments)
  if #route ~= #segments then return nil end
  local params = {}
  for i, segment in ipairs(route) do
    if segment.text == nil then
      if segments[i] == "" then return nil end
      params[segment.parameter] = segments[i]
    elseif segment.text ~= segments[i] then
      return nil
    end
  end
  return params
end

local function call_custom(route, path, params)
  local query, reason = wire.query()
  if not query then refuse(400, "query: %s", reason) end
  local request = { method = route.method, path = path, params = params, query = query, headers = wire.headers(), body = wire.body() }
  local answer, why = route.handler(request)
  if not answer and type(why) == "string" then fail.fail(500, "%s", why) end
  local where = route.method .. " " .. route.path
  if answer == nil then answer = {} end
  if type(answer) ~= "table" then fail.bug("%s: answer: expected a table { status =, headers =, body = }, got %s", where, check.describe(answer)) end
  local status, body, headers = answer.status or 200, answer.body or "", answer.headers or {}
  if math.type(status) ~= "integer" or status < 200 or status > 599 then fail.bug("%s: answer.status: expected 200 to 599", where) end
  if type(body) ~= "string" then fail.bug("%s: answer.body: expected a string, got %s", where, check.describe(body)) end
  if type(headers) ~= "table" then fail.bug("%s: answer.headers: expected a table, got %s", where, check.describe(headers)) end
  wire.answer(status, "", body)
  for name, value in next, headers do
    if type(name) ~= "string" or not name:find "^[%w!#$%%&'*+%-.^_`|~]+$" then fail.bug("%s: answer.headers: a name is not one", where) end
    if type(value) ~= "string" and type(value) ~= "number" or tostring(value):find "[%c]" then
      fail.bug("%s: answer.headers: %s: expected a text without control characters", where, name)
    end
    wire.field(name, tostring(value))
  end
end

local function not_allowed(path, methods)
  table.sort(methods)
  wire.answer(405, text_type, ("%s takes %s only"):format(path, table.concat(methods, ", ")))
  wire.field("Allow", table.concat(methods, ", "))
end

--- Whether another plugin would have the path: then the text says so.
local function not_found(path)
  for _, capability in ipairs(contract) do
    for _, method in ipairs(capability.methods) do
      if method.path == path then refuse(404, "%s belongs to %s, which this plugin does not declare", path, capability.name) end
    end
  end
  refuse(404, "no such path: %s", path)
end

--- The functions that C calls, for these capabilities and custom routes. `specs`: a table that keeps the specs that were seen, for
-- the next version of the same script (ocm.dev).
return function(capabilities, custom, specs)
  local routes = contract_routes(capabilities, specs or {})

  local function dispatch(method, path)
    local by_method = routes[path]
    if by_method then
      local serve = by_method[method]
      if serve then return serve() end
      local methods = {}
      for each in next, by_method do methods[#methods + 1] = each end
      return not_allowed(path, methods)
    end
    local methods = {}
    if #custom > 0 then
      local segments, reason = wire.segments()
      if not segments then refuse(400, "path: %s", reason) end
      for _, route in ipairs(custom) do
        local params = matches(route, segments)
        if params and route.method == method then return call_custom(route, path, params) end
        if params then methods[#methods + 1] = route.method end
      end
    end
    if #methods > 0 then return not_allowed(path, methods) end
    not_found(path)
  end

  --- What was raised: status, text, and whether it belongs into the log.
  local function failed(reason)
    if fail.is_failure(reason) then return reason.status, reason.text, reason.bug end
    if type(reason) == "string" then return 500, reason, true end
    local ok, text = pcall(tostring, reason)
    return 500, ok and text or "an error that has no text", true
  end

  return { dispatch = dispatch, failed = failed }
end
