--- Requests from what stands on a command line: `type=Dir/v1 path=./x` and the contract table make the body, or the query, of a method.
--
--   name=value          a text                name:=5          JSON              name:=@file     JSON in a file
--   a.b.c=value         nested                {"a":1}, FILE, - a whole request as JSON, which further words change
--
-- A name whose first part is one of the request's fields stands for it; every other, and `type`, belongs to the typed spec, wherever in the
-- request that is. What is left out is made up where that is harmless.

local arguments = require "command.arguments"
local check = require "ocm.check"
local json = require "ocm.json"
local launch = require "command.launch"
local lfs = require "lfs"
local ocm = require "ocm"

local request = {}

--- Where the typed spec is, when it is no field of the request: in the element that is processed.
local places = {
  ProcessResource = "resource.input", ProcessSource = "source.input", ProcessResourceDigest = "resource.access",
  GetGlobalResource = "resource.access", AddGlobalResource = "resource.access",
}

local digest = { hashAlgorithm = "SHA-256", normalisationAlgorithm = "jsonNormalisation/v4alpha1", value = ("0"):rep(64) }

--- What is made up for fields that are left out, when there is something to build on. GETs ask for something that has to exist.
local made_up = {
  name = "example.org/test", version = "1.0.0", last = "",
  resource = { name = "test", version = "1.0.0", type = "blob", relation = "local" },
  source = { name = "test", version = "1.0.0", type = "blob" },
  descriptor = {
    meta = { schemaVersion = "v2" },
    component = { name = "example.org/test", version = "1.0.0", provider = "example.org", repositoryContexts = {}, resources = {}, sources = {}, componentReferences = {} },
  },
  digest = digest,
  signature = { name = "test", digest = digest, signature = { algorithm = "test", value = "00", mediaType = "text/plain" } },
}

--- How a plain text stands for a field that is an object.
local shorthands = {
  location = function(text)
    local path = launch.absolute(text)
    if not lfs.attributes(path, "mode") then arguments.fail("there is no %s", text) end
    return { type = "localFile", value = path }
  end,
  digest = function(text)
    local made = json.decode(json.encode(digest))
    made.value = text:gsub("^sha256:", "")
    return made
  end,
}
shorthands.resourceLocation, shorthands.sourceLocation = shorthands.location, shorthands.location

local function fields_of(method) return method.request or method.query end

--- The path of the typed spec in the request; nil: it isn't in there, but in one before it (`recall` of the contract table).
local function place_of(method) return method.spec or places[method.name] end

local function split(path)
  local parts = {}
  for part in (path .. "."):gmatch "(.-)%." do parts[#parts + 1] = part end
  return parts
end

local function get(tree, path)
  for _, part in ipairs(split(path)) do
    if type(tree) ~= "table" then return nil end
    tree = tree[part]
  end
  return tree
end

local function set(tree, path, value)
  local parts = split(path)
  for i = 1, #parts - 1 do
    if tree[parts[i]] == nil then tree[parts[i]] = {} end
    tree = tree[parts[i]]
    if type(tree) ~= "table" then arguments.misuse("%s: %s is no object", path, table.concat(parts, ".", 1, i)) end
  end
  tree[parts[#parts]] = value
end

---- words ----

local function read(path)
  local file, problem = io.stdin, nil
  if path ~= "-" then file, problem = io.open(path, "rb") end
  if not file then arguments.fail("%s", problem) end
  local text = file:read "a"
  if path ~= "-" then file:close() end
  return text
end

--- JSON, or what is wrong with it: never the text itself.
function request.json(what, text)
  if text:sub(1, 1) == "@" then text = read(text:sub(2)) end
  local ok, value = pcall(json.decode, text)
  if not ok then arguments.fail("%s: it is not JSON: %s", what, value) end
  return value
end

--- The name and the value of a word; nil: it is a whole request.
local function pair(word)
  if word:sub(1, 1) == "{" then return nil end
  local name, sign, value = word:match "^([^=]-)(:?=)(.*)$"
  if not name then return nil end
  if name == "" or name:find "^%." or name:find "%.%." or name:find "%.$" then arguments.misuse("%s: expected name=value", word) end
  if sign == ":=" then return name, request.json(name, value) end
  return name, value, true
end

local function whole(word)
  local value = request.json(word:sub(1, 1) == "{" and "the request" or word, word:sub(1, 1) == "{" and word or "@" .. word)
  if type(value) ~= "table" or getmetatable(value) then arguments.fail("%s: expected a JSON object", word) end
  return value
end

---- the declared types ----

--- { type = schema as JSON text, … } of a capability, and the types without their aliases.
function request.types(entry, contract)
  local schemas, aliases, names = {}, {}, {}
  local list = entry[contract.lists.types]
  for _, each in ipairs(type(list) == "table" and list or {}) do
    schemas[each.type] = type(each.jsonSchema) == "string" and ocm.base64.decode(each.jsonSchema) or "" -- of equal ones the last counts
    for _, alias in ipairs(type(each.aliases) == "table" and each.aliases or {}) do aliases[alias] = true end
  end
  for name in pairs(schemas) do
    if not aliases[name] then names[#names + 1] = name end
  end
  table.sort(names)
  return schemas, names
end

---- building ----

local function apply(made, method, word)
  local name, value, is_text = pair(word)
  local first = name:match "^[^.]+"
  local field = fields_of(method)[first]
  if name == "type" or not field then
    local place = made.place
    if place then name = place .. "." .. name else made.told = true end
    return set(place and made.fields or made.told_spec, name, value)
  end
  if is_text and name == first then
    if shorthands[name] then
      value = shorthands[name](value)
    elseif method.request and field == "object" or field:find "^Spec" or field:find "Identity" then
      arguments.misuse("%s is an object: %s.NAME=value, or %s:=JSON", name, name, name)
    end
  end
  set(made.fields, name, value)
end

local function fill(made, method)
  for name, shape in pairs(fields_of(method)) do
    local default = made_up[name]
    local optional = shape:sub(-1) == "?" and name ~= "last"
    if made.fields[name] == nil and default ~= nil and not optional and method.request then
      made.fields[name] = type(default) == "table" and json.decode(json.encode(default)) or default
    end
  end
end

--- The request for a method of a capability: { fields = what is sent, place = the path of its spec, or nil, told_spec = the one that an earlier
-- request has to tell, spec = either, told = whether there is a told_spec }.
function request.build(method, types, words)
  local made = { fields = {}, place = place_of(method), told_spec = {} }
  local rest, exact = table.move(words, 1, #words, 1, {}), false
  if rest[1] and pair(rest[1]) == nil then
    made.fields, exact = whole(table.remove(rest, 1)), true
  end
  if not exact then fill(made, method) end
  for _, word in ipairs(rest) do
    if pair(word) == nil then arguments.misuse("%s: expected name=value", word) end
    apply(made, method, word)
  end
  if made.place and get(made.fields, made.place) == nil and not exact then set(made.fields, made.place, {}) end
  made.spec = made.told_spec
  if made.place then made.spec = get(made.fields, made.place) end
  if type(made.spec) == "table" and made.spec.type == nil and #types == 1 then made.spec.type = types[1] end
  if method.query and type(made.fields.identity) == "table" then made.fields.identity = ocm.base64.encode(json.encode(made.fields.identity)) end
  return made
end

--- Raises for what the plugin would refuse, before it is asked.
function request.check(method, made, types)
  if made.place or made.told then
    local spec = made.spec
    if type(spec) ~= "table" or type(spec.type) ~= "string" then
      arguments.misuse("%s has no type: type=%s", made.place or "the " .. method.recall.one, #types > 0 and table.concat(types, ", or type=") or "…")
    end
  end
  local copy = json.decode(json.encode(made.fields)) -- a check changes what it is given
  local ok, where, wanted, got = check.fields(fields_of(method))(copy)
  if not ok then
    local name = where:match "^%.([^.%[]+)$"
    arguments.misuse("%s: request%s: expected %s, got %s%s", method.name, where, wanted, got, name and (": %s=…"):format(name) or "")
  end
end

---- examples ----

local placeholders = { string = "=…", integer = ":=1", number = ":=1", boolean = ":=true", object = ":={}", array = ":=[]" }

local function spec_words(words, schema, several, type_name)
  if several then words[#words + 1] = "type=" .. type_name end
  local ok, decoded = pcall(json.decode, schema or "")
  if not ok or type(decoded) ~= "table" or type(decoded.required) ~= "table" then return end
  for _, name in ipairs(decoded.required) do
    local property = type(decoded.properties) == "table" and decoded.properties[name]
    local kind = type(property) == "table" and property.type
    local choice = type(property) == "table" and type(property.enum) == "table" and property.enum[1]
    if name ~= "type" then words[#words + 1] = name .. (type(choice) == "string" and "=" .. choice or placeholders[kind] or "=…") end
  end
end

--- Words that make a request of a method: a short way to it.
function request.example(method, schemas, types)
  local words = {}
  local names = {}
  for name, shape in pairs(fields_of(method)) do
    if shape:sub(-1) ~= "?" then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    if method.query then
      words[#words + 1] = name .. (name == "version" and "=1.0.0" or "=example.org/test")
    elseif name:lower():find "location$" then
      words[#words + 1] = name .. "=./file"
    elseif name == "identity" then
      words[#words + 1] = "identity.hostname=example.org"
    end
  end
  spec_words(words, schemas[types[1]], #types > 1, types[1])
  return words
end

return request
