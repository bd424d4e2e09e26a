--- ocm.plugin: takes a script's declaration and checks all of it.
--
-- declare(table) never raises for what the table says: it collects the problems, each with the keys that lead to it, and
-- `ocm.load` reports them with file and line. A declaration without problems has what C and dispatch need:
-- `capabilities` (the document), `limits` (bytes and nanoseconds), `requests` (makes dispatch), `start` and `cleanup`. `declared` is what the
-- script passed: for commands, which look further than the manager.

local contract = require "ocm.contract"
local json = require "ocm.json"

--- Only when something is wrong.
local function suggest(...) return require "ocm.suggest"(...) end

local plugin = {}

local Declaration = { __name = "ocm.plugin" }

function plugin.is_declaration(value) return getmetatable(value) == Declaration end

local capability_of = {}
for _, capability in ipairs(contract) do capability_of[capability.name] = capability end

local function methods_of(capability)
  local methods = {}
  for _, method in ipairs(capability.methods) do methods[method.name] = method end
  return methods
end

local function keys_of(...)
  local keys = {}
  for i = 1, select("#", ...) do
    for key in next, (select(i, ...)) do keys[#keys + 1] = key end
  end
  return keys
end

--- Problems: { keys = { "inputRepository", "types" }, text = "inputRepository.types: …" }
local Problems = {}
Problems.__index = Problems

--- With the keys in front.
function Problems:add(keys, format, ...)
  local parts = {}
  for i, key in ipairs(keys) do parts[i] = tostring(key) end
  local where = #parts > 0 and table.concat(parts, ".") .. ": " or ""
  self[#self + 1] = { keys = keys, text = where .. format:format(...) }
end

--- The text says it all.
function Problems:say(keys, format, ...)
  self[#self + 1] = { keys = keys, text = format:format(...) }
end

local function expect(problems, keys, value, kind, what)
  if type(value) == kind then return true end
  problems:add(keys, "expected %s, got %s", what, type(value) == "nil" and "nothing" or type(value))
  return false
end

local function type_name(problems, keys, name)
  if type(name) ~= "string" then
    problems:add(keys, "expected a type such as \"MyType/v1\", got %s", type(name))
    return false
  end
  if name:find "^[^%s%c/]+$" or name:find "^[^%s%c/]+/[^%s%c/]+$" then return true end
  problems:add(keys, 'type "%s": expected a name, or a name and a version, such as "MyType/v1"', name)
  return false
end

--- A schema as its JSON text: from a table, a JSON text, or none (then any object will do).
local function schema_text(problems, keys, schema)
  if schema == nil then return '{"type":"object"}' end
  if type(schema) == "string" then
    local ok, decoded = pcall(json.decode, schema)
    if ok and (type(decoded) == "table" or type(decoded) == "boolean") then return schema end
    problems:add(keys, "expected a JSON Schema: %s", ok and "it is not an object" or decoded)
  elseif type(schema) == "table" then
    local ok, text = pcall(json.encode, schema)
    if ok then return text end
    problems:add(keys, "expected a JSON Schema: %s", text)
  else
    problems:add(keys, "expected a JSON Schema as a table or a text, or ocm.schema{…}; got %s", type(schema))
  end
  return "{}"
end

local type_fields = { aliases = true, schema = true, example = true }

--- The entries of a capability's type list, and all names that it answers to, with their schemas. An alias gets an entry of its own, since the manager
-- looks for the spec's exact type; but not where it registers an entry's aliases itself.
local function type_entries(problems, keys, types, with_aliases)
  local base64 = require "ocm.native.text".base64
  local entries, seen = json.array(), {}
  local function add(where, name, aliases, schema)
    if not type_name(problems, where, name) then return end
    if seen[name] then return problems:add(where, 'type "%s" is declared twice', name) end
    seen[name] = schema
    entries[#entries + 1] = { type = name, aliases = aliases or json.null, jsonSchema = base64.encode(schema) }
  end
  if not expect(problems, keys, types, "table", 'a table of types: { ["MyType/v1"] = { schema = … } } or { "MyType/v1" }') then return entries, seen end
  local names = keys_of(types)
  table.sort(names, function(a, b)
    if math.type(a) and math.type(b) then return a < b end
    return tostring(a) < tostring(b)
  end)
  for _, name in ipairs(names) do
    local entry = types[name]
    if math.type(name) then
      add(keys, entry, nil, '{"type":"object"}')
    else
      local where = { keys[1], keys[2], name }
      if expect(problems, where, entry, "table", "a table { schema =, aliases =, example = }") then
        for field in next, entry do
          if not type_fields[field] then
            problems:add({ keys[1], keys[2], name }, 'unknown field "%s"%s', tostring(field), suggest(tostring(field), keys_of(type_fields)))
          end
        end
        local schema = schema_text(problems, { keys[1], keys[2], name, "schema" }, entry.schema)
        if entry.example ~= nil then expect(problems, { keys[1], keys[2], name, "example" }, entry.example, "table", "a spec, as a table") end
        local aliases = entry.aliases
        if aliases ~= nil and not expect(problems, { keys[1], keys[2], name, "aliases" }, aliases, "table", "a list of types") then aliases = nil end
        add(where, name, aliases and json.array { table.unpack(aliases) }, schema)
        for _, alias in ipairs(not with_aliases and aliases or {}) do add({ keys[1], keys[2], name, "aliases" }, alias, nil, schema) end
      end
    end
  end
  if #names == 0 then problems:add(keys, "expected at least one type") end
  return entries, seen
end

--- One capability: its document, and what dispatch needs of it.
local function capability(problems, name, declared, found)
  local keys = { name }
  local document = { type = name }
  local live = { name = name, contract = found, handlers = {}, types = {} }
  local methods = methods_of(found)
  if not expect(problems, keys, declared, "table", "a table with types and handlers") then return document, live end
  for key, value in next, declared do
    if methods[key] then
      if expect(problems, { name, key }, value, "function", "a function (request, credentials)") then live.handlers[key] = value end
    elseif not found.lists[key] then
      problems:say({ name, key }, '%s: unknown method "%s"%s', name, tostring(key), suggest(tostring(key), keys_of(methods, found.lists)))
    end
  end
  for field, list in next, found.lists do
    if field == "types" then
      document[list], live.types = type_entries(problems, { name, "types" }, declared.types)
    elseif declared[field] ~= nil then
      document[list] = type_entries(problems, { name, field }, declared[field], field == "credentialTypes")
    elseif field == "identityTypes" then
      document[list] = json.array()
    end
  end
  return document, live
end

local units = { [""] = 1, b = 1, kb = 1000, mb = 1000 ^ 2, gb = 1000 ^ 3, kib = 1024, mib = 1024 ^ 2, gib = 1024 ^ 3, tb = 1000 ^ 4, tib = 1024 ^ 4 }

--- Bytes from a number, or from a text such as "512 MiB".
local function bytes(problems, keys, value, least)
  local number
  if type(value) == "string" then
    local digits, unit = value:match "^%s*([%d%.]+)%s*(%a*)%s*$"
    local factor = unit and units[unit:lower()]
    number = factor and tonumber(digits) and math.tointeger(math.floor(tonumber(digits) * factor))
  else
    number = math.tointeger(value)
  end
  if not number or number < least or number > 1 << 40 then
    problems:add(keys, 'expected bytes, or a size such as "64 MiB", from %d bytes to 1 TiB; got %s', least, type(value) == "string" and '"' .. value .. '"' or tostring(value))
    return nil
  end
  return number
end

local least = { memory = 1 << 20, body = 1, header = 8 << 10 }

local function limits(problems, declared)
  local made = {}
  if declared == nil then return made end
  if not expect(problems, { "limits" }, declared, "table", "a table") then return made end
  for key, value in next, declared do
    if least[key] then
      made[key] = bytes(problems, { "limits", key }, value, least[key])
    elseif key == "handler" then
      if type(value) == "number" and value > 0 and value < 1e9 then
        made.handler = math.ceil(value * 1e9)
      else
        problems:add({ "limits", "handler" }, "expected seconds, more than 0; got %s", tostring(value))
      end
    else
      problems:say({ "limits", key }, 'limits: unknown limit "%s"%s', tostring(key), suggest(tostring(key), { "memory", "body", "header", "handler" }))
    end
  end
  return made
end

--- Whether a path is one of the protocol's.
local function reserved(path)
  if path == "/healthz" or path == "/shutdown" then return true end
  for _, each in ipairs(contract) do
    for _, method in ipairs(each.methods) do
      if method.path == path then return true end
    end
  end
  return false
end

--- "POST /custom/{name}" -> { method, segments, handler }; segments: { text = } or { parameter = }
local function custom_route(problems, pattern, handler)
  local keys = { "handlers", pattern }
  local method, path = tostring(pattern):match "^(%u+) (/%S*)$"
  if not method then
    problems:add(keys, 'expected a method and a path, such as "POST /custom/{name}"')
    return nil
  end
  if reserved(path) then
    problems:add(keys, "%s is the protocol's own", path)
    return nil
  end
  if not expect(problems, keys, handler, "function", "a function (request)") then return nil end
  local route, seen = { method = method, path = path, handler = handler, parameters = 0 }, {}
  for segment in path:gmatch "/([^/]*)" do
    local parameter = segment:match "^{([%a_][%w_]*)}$"
    if not parameter and segment:find "[{}]" then
      problems:add(keys, 'expected "{name}" to be a whole segment of the path, got "%s"', segment)
      return nil
    end
    if parameter and seen[parameter] then problems:add(keys, 'parameter "%s" is there twice', parameter) end
    if parameter then
      seen[parameter] = true
      route.parameters = route.parameters + 1
    end
    route[#route + 1] = parameter and { parameter = parameter } or { text = segment }
  end
  return route
end

--- The same place for two routes: parameters are alike whatever their name.
local function shape_of(route)
  local parts = { route.method }
  for _, segment in ipairs(route) do parts[#parts + 1] = segment.text or "{}" end
  return table.concat(parts, "/")
end

local function custom_routes(problems, declared)
  local routes, shapes = {}, {}
  if declared == nil then return routes end
  if not expect(problems, { "handlers" }, declared, "table", 'a table { ["POST /custom/{name}"] = function(request) … end }') then return routes end
  for pattern, handler in next, declared do
    local route = custom_route(problems, pattern, handler)
    if route then
      local shape = shape_of(route)
      if shapes[shape] then problems:add({ "handlers", pattern }, 'the same place as "%s"', shapes[shape]) end
      shapes[shape] = pattern
      routes[#routes + 1] = route
    end
  end
  table.sort(routes, function(a, b) -- what is written out goes before what is a parameter
    if a.parameters ~= b.parameters then return a.parameters < b.parameters end
    return shape_of(a) < shape_of(b)
  end)
  return routes
end

local function config_types(problems, declared)
  if declared == nil then return nil end
  if not expect(problems, { "configTypes" }, declared, "table", "a list of types") then return nil end
  local list = json.array()
  for _, name in ipairs(declared) do
    if type_name(problems, { "configTypes" }, name) then list[#list + 1] = name end
  end
  return #list > 0 and list or nil
end

--- What `cleanup` gets.
local function cleanup_context(clock, ending)
  return { remaining = function() return math.max(0, ending - clock()) end }
end

local top_level = { configTypes = true, handlers = true, start = true, cleanup = true, logger = true, limits = true }

--- ocm.plugin { … }
function plugin.declare(declared)
  local problems = setmetatable({}, Problems)
  if type(declared) ~= "table" then
    problems:say({}, "ocm.plugin: expected a table, got %s", declared == nil and "nothing" or type(declared))
    return setmetatable({ problems = problems }, Declaration)
  end
  local document, live = { capabilities = json.array() }, {}
  for _, each in ipairs(contract) do
    if declared[each.name] ~= nil then
      local entry, part = capability(problems, each.name, declared[each.name], capability_of[each.name])
      table.insert(document.capabilities, entry)
      live[#live + 1] = part
    end
  end
  for key in next, declared do
    if not capability_of[key] and not top_level[key] then
      problems:say({ key }, 'unknown capability "%s"%s', tostring(key), suggest(tostring(key), keys_of(capability_of, top_level)))
    end
  end
  for _, key in ipairs { "start", "cleanup", "logger" } do
    if declared[key] ~= nil then expect(problems, { key }, declared[key], "function", "a function") end
  end
  document.supportedConfigTypes = config_types(problems, declared.configTypes)
  local made = {
    capabilities = document, limits = limits(problems, declared.limits), problems = problems, declared = declared,
  }
  local routes = custom_routes(problems, declared.handlers)
  if #live == 0 and #problems == 0 then
    local names = keys_of(capability_of)
    table.sort(names)
    problems:say({}, "no capability is declared: expected at least one of %s", table.concat(names, ", "))
  end
  if #problems == 0 then
    made.logger = declared.logger
    function made.requests(specs) return require "ocm.dispatch"(live, routes, specs) end
    function made.start(config)
      getmetatable(require "ocm.log").set_logger(declared.logger)
      if declared.start then declared.start(config) end
    end
    function made.cleanup(ending)
      if declared.cleanup then declared.cleanup(cleanup_context(require "ocm.native.task".clock, ending)) end
    end
  end
  return setmetatable(made, Declaration)
end

return plugin
