--- JSON Schema (draft 2020-12, and what older drafts share with it): is a schema one, and does a value fit it?
--
--   validate.schema(schema) -> { { path =, text =, warning = }, … }     what the plugin manager would refuse; warning: it would not
--   validate.value(schema, value) -> { { path =, text = }, … }, notes   what does not fit; notes: texts, what was not looked at
--
-- A path is a JSON Pointer (RFC 6901), "" for the whole. Schemas and values are as ocm.json.decode gives them: pass a table of a script through
-- encode and decode first. Not followed: references out of the document, $dynamicRef, an $id below the
-- root, unevaluatedItems and -Properties, formats. `value` expects a schema in which `schema` finds nothing.

local json = require "ocm.json"
local regex = require "ocm.regex"
local suggest = require "ocm.suggest"

local null = json.null
local array_metatable = getmetatable(json.array())

local validate = {}

local function is_array(value) return type(value) == "table" and getmetatable(value) == array_metatable end
local function is_object(value) return type(value) == "table" and getmetatable(value) ~= array_metatable end
local function is_number(value) return type(value) == "number" or (type(value) == "userdata" and value ~= null) end
local function number(value) return type(value) == "number" and value or tonumber(json.encode(value)) end

local function is_integer(value)
  if not is_number(value) then return false end
  return number(value) == math.floor(number(value))
end

local function kind_of(value)
  if value == null or value == nil then return "null" end
  if type(value) == "string" or type(value) == "boolean" then return type(value) end
  if type(value) == "table" then return is_array(value) and "array" or "object" end
  return is_integer(value) and "integer" or "number"
end

local function with_article(kind)
  if kind == "null" then return kind end
  return (kind:find "^[aeio]" and "an " or "a ") .. kind
end

local function step(path, key) return path .. "/" .. tostring(key):gsub("~", "~0"):gsub("/", "~1") end

local function equal(a, b)
  if is_number(a) and is_number(b) then return a == b or json.encode(a) == json.encode(b) end
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  if is_array(a) ~= is_array(b) then return false end
  for key, value in next, a do
    if b[key] == nil or not equal(value, b[key]) then return false end
  end
  for key in next, b do
    if a[key] == nil then return false end
  end
  return true
end

local function sorted(object)
  local names = {}
  for name in next, object do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function short(value)
  local text = json.encode(value)
  return #text > 60 and text:sub(1, 57) .. "…" or text
end

---- a schema ----

local type_names = { "array", "boolean", "integer", "null", "number", "object", "string" }
local is_type = {}
for _, name in ipairs(type_names) do is_type[name] = true end

--- What a keyword's value has to be.
local shapes = {
  any = function() return true end,
  string = function(value) return type(value) == "string", "a string" end,
  boolean = function(value) return type(value) == "boolean", "true or false" end,
  number = function(value) return is_number(value), "a number" end,
  positive = function(value) return is_number(value) and number(value) > 0, "a number more than 0" end,
  count = function(value) return is_integer(value) and number(value) >= 0, "an integer, at least 0" end,
  array = function(value) return is_array(value), "an array" end,
  names = function(value)
    if not is_array(value) then return false, "an array of strings" end
    for i, name in ipairs(value) do
      if type(name) ~= "string" then return false, "an array of strings" end
      for k = 1, i - 1 do
        if value[k] == name then return false, ('each name once, but "%s" is there twice'):format(name) end
      end
    end
    return true
  end,
  names_map = function(value)
    if not is_object(value) then return false, "an object of arrays of strings" end
    for _, names in next, value do
      if not is_array(names) then return false, "an object of arrays of strings" end
    end
    return true
  end,
  type = function(value)
    local list = is_array(value) and value or { value }
    for _, name in ipairs(list) do
      if not is_type[name] then
        return false, type(name) == "string" and ('a type, not "%s"%s'):format(name, suggest(name, { table.unpack(type_names) })) or "a type, or an array of types"
      end
    end
    return #list > 0, "at least one type"
  end,
}

local old = "draft%-0[3467]"

--- Keyword -> its shape; "schema", "schemas" (an array of them) and "schema_map" are walked into.
local keywords = {
  ["$schema"] = "string", ["$id"] = "string", ["$ref"] = "string", ["$anchor"] = "string", ["$comment"] = "string", ["$defs"] = "schema_map",
  ["$dynamicRef"] = "string", ["$dynamicAnchor"] = "string", ["$vocabulary"] = "any", definitions = "schema_map",
  type = "type", enum = "array", const = "any",
  properties = "schema_map", patternProperties = "schema_map", additionalProperties = "schema", propertyNames = "schema", required = "names",
  minProperties = "count", maxProperties = "count", dependentRequired = "names_map", dependentSchemas = "schema_map", dependencies = "any",
  items = "schema", prefixItems = "schemas", additionalItems = "schema", contains = "schema", minContains = "count", maxContains = "count",
  minItems = "count", maxItems = "count", uniqueItems = "boolean", unevaluatedItems = "schema", unevaluatedProperties = "schema",
  minimum = "number", maximum = "number", exclusiveMinimum = "number", exclusiveMaximum = "number", multipleOf = "positive",
  minLength = "count", maxLength = "count", pattern = "string", format = "string", contentEncoding = "string", contentMediaType = "string", contentSchema = "schema",
  allOf = "schemas", anyOf = "schemas", oneOf = "schemas", ["not"] = "schema", ["if"] = "schema", ["then"] = "schema", ["else"] = "schema",
  title = "string", description = "string", default = "any", examples = "array", deprecated = "boolean", readOnly = "boolean", writeOnly = "boolean",
}

--- What a JSON Pointer leads to, or nil.
local function follow(document, pointer)
  local at = document
  for part in pointer:gmatch "/([^/]*)" do
    part = part:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end):gsub("~1", "/"):gsub("~0", "~")
    if type(at) ~= "table" then return nil end
    if is_array(at) then at = at[(math.tointeger(tonumber(part)) or -1) + 1] else at = at[part] end
  end
  return at
end

local function find_anchor(schema, name, depth)
  if type(schema) ~= "table" or depth > 64 then return nil end
  if schema["$anchor"] == name or schema["$dynamicAnchor"] == name then return schema end
  for _, inner in next, schema do
    local found = find_anchor(inner, name, depth + 1)
    if found then return found end
  end
end

--- The schema that a reference means: found, or nil, whether it leads out of the document.
local function resolve(root, reference)
  local base, fragment = reference:match "^([^#]*)#?(.*)$"
  local id = is_object(root) and root["$id"]
  if base ~= "" and base ~= (type(id) == "string" and id:gsub("#$", "")) then return nil, true end
  if fragment == "" then return root end
  if fragment:sub(1, 1) == "/" then return follow(root, fragment), false end
  return find_anchor(root, fragment, 0), false
end

local function check_pattern(add, path, pattern)
  local compiled, reason, refused = regex(pattern)
  if not compiled then add(path, not refused, "the pattern %s: %s", short(pattern), reason) end
end

local walk

local function walk_map(state, path, map)
  if not is_object(map) then return state.add(path, false, "expected an object of schemas, got %s", with_article(kind_of(map))) end
  for _, name in ipairs(sorted(map)) do walk(state, step(path, name), map[name]) end
end

local function walk_list(state, path, list)
  if not is_array(list) or #list == 0 then return state.add(path, false, "expected an array of schemas, at least one") end
  for i, inner in ipairs(list) do walk(state, step(path, i - 1), inner) end
end

function walk(state, path, schema)
  if type(schema) == "boolean" then return end
  if not is_object(schema) then return state.add(path, false, "expected a schema: an object, or true or false; got %s", with_article(kind_of(schema))) end
  for _, name in ipairs(sorted(schema)) do
    local shape, value, where = keywords[name], schema[name], step(path, name)
    if shape == "schema" then
      if is_array(value) and name == "items" then
        if not state.old then state.add(where, false, "an array belongs into prefixItems since draft 2020-12") end
        walk_list(state, where, value)
      else
        walk(state, where, value)
      end
    elseif shape == "schemas" then
      walk_list(state, where, value)
    elseif shape == "schema_map" then
      walk_map(state, where, value)
      if name == "patternProperties" and is_object(value) then
        for _, pattern in ipairs(sorted(value)) do check_pattern(state.add, where, pattern) end
      end
    elseif shape then
      local fits, expected = shapes[shape](value)
      if not fits and not (state.old and type(value) == "boolean" and name:find "^exclusive") then
        state.add(where, false, "expected %s, got %s", expected, type(value) == "table" and with_article(kind_of(value)) or short(value))
      elseif name == "pattern" then
        check_pattern(state.add, where, value)
      elseif name == "$ref" then
        local found, outside = resolve(state.root, value)
        if found == nil then
          if outside then state.add(where, true, "%s leads out of the schema: the manager has to fetch it", short(value))
          else state.add(where, false, "%s leads nowhere", short(value)) end
        end
      end
    else
      local known = {}
      for keyword in next, keywords do known[#known + 1] = keyword end
      local hint = suggest(name, known)
      if hint:find "did you mean" then state.add(where, true, 'unknown keyword "%s", which says nothing%s', name, hint) end
    end
  end
  for _, name in ipairs(is_array(schema.required) and schema.required or {}) do
    if is_object(schema.properties) and schema.additionalProperties == false and schema.properties[name] == nil and schema.patternProperties == nil then
      state.add(step(path, "required"), true, '"%s" is required, but is none of the properties, and others are refused: nothing fits', tostring(name))
    end
  end
end

function validate.schema(schema)
  local found = {}
  local declared = is_object(schema) and schema["$schema"]
  local state = { root = schema, old = type(declared) == "string" and (declared:find(old) or declared:find "2019%-09") ~= nil }
  function state.add(path, warning, format, ...) found[#found + 1] = { path = path, text = format:format(...), warning = warning or nil } end
  walk(state, "", schema)
  return found
end

---- a value ----

local check

--- How many of the schemas a value fits.
local function fitting(state, list, value, path)
  local count, closest = 0, nil
  for _, schema in ipairs(list) do
    local failures = {}
    check(state, schema, value, path, failures)
    if #failures == 0 then count = count + 1 elseif not closest or #failures < #closest then closest = failures end
  end
  return count, closest
end

local function fits(state, schema, value, path) return fitting(state, { schema }, value, path) == 1 end

local function matcher(state, pattern)
  local known = state.patterns[pattern]
  if known == nil then
    local compiled, reason = regex(pattern)
    if not compiled then state.note('the pattern %s was not looked at: %s', short(pattern), reason) end
    known = compiled and function(text)
      local ok, result = pcall(compiled, text)
      if not ok then state.note("the pattern %s was not looked at: %s", short(pattern), result) end
      return not ok or result
    end or false
    state.patterns[pattern] = known
  end
  return known
end

--- Keyword -> function (state, limit, value, path, add, schema, failures); `add` takes a path and a format.
local any, strings, numbers, arrays, objects = {}, {}, {}, {}, {}

function any.type(_, wanted, value, path, add)
  local kind = kind_of(value)
  local list = is_array(wanted) and wanted or { wanted }
  for _, name in ipairs(list) do
    if name == kind or (name == "number" and kind == "integer") then return end
  end
  local texts = {}
  for i, name in ipairs(list) do texts[i] = with_article(name) end
  add(path, "expected %s, got %s", table.concat(texts, " or "), with_article(kind))
end

any["enum"] = function(_, choices, value, path, add)
  local texts = {}
  for i, choice in ipairs(choices) do
    if equal(choice, value) then return end
    texts[i] = short(choice)
  end
  add(path, "expected one of %s; got %s", table.concat(texts, ", "), short(value))
end

function any.const(_, wanted, value, path, add)
  if not equal(wanted, value) then add(path, "expected %s, got %s", short(wanted), short(value)) end
end

function any.allOf(state, list, value, path, _, _, failures)
  for _, schema in ipairs(list) do check(state, schema, value, path, failures) end
end

function any.anyOf(state, list, value, path, add)
  local count, closest = fitting(state, list, value, path)
  if count == 0 then add(path, "fits none of %d alternatives%s", #list, closest and ("; the nearest: %s %s"):format(closest[1].path, closest[1].text) or "") end
end

function any.oneOf(state, list, value, path, add)
  local count, closest = fitting(state, list, value, path)
  if count == 0 then add(path, "fits none of %d alternatives%s", #list, closest and ("; the nearest: %s %s"):format(closest[1].path, closest[1].text) or "")
  elseif count > 1 then add(path, "fits %d of %d alternatives, of which exactly one should fit", count, #list) end
end

any["not"] = function(state, schema, value, path, add)
  if fits(state, schema, value, path) then add(path, "is what the schema says it must not be") end
end

any["if"] = function(state, schema, value, path, _, whole, failures)
  local branch = whole[fits(state, schema, value, path) and "then" or "else"]
  if branch ~= nil then check(state, branch, value, path, failures) end
end

any["$ref"] = function(state, reference, value, path, _, _, failures)
  local schema = resolve(state.root, reference)
  if schema == nil then return state.note("%s was not followed", short(reference)) end
  check(state, schema, value, path, failures)
end

function strings.minLength(_, least, value, path, add)
  if utf8.len(value) < number(least) then add(path, "expected at least %s characters, got %d", json.encode(least), utf8.len(value)) end
end

function strings.maxLength(_, most, value, path, add)
  if utf8.len(value) > number(most) then add(path, "expected at most %s characters, got %d", json.encode(most), utf8.len(value)) end
end

function strings.pattern(state, pattern, value, path, add)
  local match = matcher(state, pattern)
  if match and not match(value) then add(path, "%s does not match the pattern %s", short(value), short(pattern)) end
end

local function bound(keyword, words, within)
  numbers[keyword] = function(_, limit, value, path, add)
    if is_number(limit) and not within(number(value), number(limit)) then add(path, "expected %s %s, got %s", words, json.encode(limit), json.encode(value)) end
  end
end
bound("minimum", "at least", function(value, limit) return value >= limit end)
bound("maximum", "at most", function(value, limit) return value <= limit end)
bound("exclusiveMinimum", "more than", function(value, limit) return value > limit end)
bound("exclusiveMaximum", "less than", function(value, limit) return value < limit end)
bound("multipleOf", "a multiple of", function(value, limit)
  local ratio = value / limit
  if ratio == math.huge or ratio == -math.huge then return math.fmod(value, limit) == 0 end
  return math.abs(ratio - math.floor(ratio + 0.5)) < 1e-9 * math.max(1, math.abs(ratio))
end)

local function size(keywords_of, keyword, words, count, within)
  keywords_of[keyword] = function(_, limit, value, path, add)
    local found = count(value)
    if not within(found, number(limit)) then add(path, "expected %s %s, got %d", words, json.encode(limit), found) end
  end
end
local function at_least(found, limit) return found >= limit end
local function at_most(found, limit) return found <= limit end
local function length(value) return #value end
local function members(value) return #sorted(value) end
size(arrays, "minItems", "items, at least", length, at_least)
size(arrays, "maxItems", "items, at most", length, at_most)
size(objects, "minProperties", "members, at least", members, at_least)
size(objects, "maxProperties", "members, at most", members, at_most)

function arrays.prefixItems(state, list, value, path, _, _, failures)
  for i, schema in ipairs(list) do
    if value[i] ~= nil then check(state, schema, value[i], step(path, i - 1), failures) end
  end
end

function arrays.items(state, schema, value, path, _, whole, failures)
  if is_array(schema) then return arrays.prefixItems(state, schema, value, path, nil, nil, failures) end
  for i = #(whole.prefixItems or {}) + 1, #value do check(state, schema, value[i], step(path, i - 1), failures) end
end

function arrays.contains(state, schema, value, path, add, whole)
  local count = 0
  for i, item in ipairs(value) do count = count + (fits(state, schema, item, step(path, i - 1)) and 1 or 0) end
  local least, most = number(whole.minContains or 1), whole.maxContains and number(whole.maxContains) or math.huge
  if count < least or count > most then add(path, "%d items are as some of them should be, expected %s", count, count < least and "at least " .. least or "at most " .. most) end
end

function arrays.uniqueItems(_, wanted, value, path, add)
  if not wanted then return end
  for i = 1, #value do
    for k = 1, i - 1 do
      if equal(value[i], value[k]) then return add(step(path, i - 1), "is the same as item %d", k - 1) end
    end
  end
end

function objects.required(_, names, value, path, add)
  for _, name in ipairs(names) do
    if value[name] == nil then add(path, '"%s" is missing', name) end
  end
end

function objects.properties(state, properties, value, path, _, _, failures)
  for _, name in ipairs(sorted(properties)) do
    if value[name] ~= nil then check(state, properties[name], value[name], step(path, name), failures) end
  end
end

local function by_pattern(state, patterns, name)
  local schemas = {}
  for _, pattern in ipairs(sorted(patterns or {})) do
    local match = matcher(state, pattern)
    if not match then
      schemas[#schemas + 1] = true -- it may be this one's: nothing is said against it
    elseif match(name) then
      schemas[#schemas + 1] = patterns[pattern]
    end
  end
  return schemas
end

function objects.patternProperties(state, patterns, value, path, _, _, failures)
  for _, name in ipairs(sorted(value)) do
    for _, schema in ipairs(by_pattern(state, patterns, name)) do check(state, schema, value[name], step(path, name), failures) end
  end
end

function objects.additionalProperties(state, schema, value, path, add, whole, failures)
  local properties = whole.properties or {}
  for _, name in ipairs(sorted(value)) do
    if properties[name] == nil and #by_pattern(state, whole.patternProperties, name) == 0 then
      if schema == false then
        local known = sorted(properties)
        add(path, 'unknown member "%s"%s', name, #known > 0 and suggest(name, known) or "")
      else
        check(state, schema, value[name], step(path, name), failures)
      end
    end
  end
end

function objects.propertyNames(state, schema, value, path, _, _, failures)
  for _, name in ipairs(sorted(value)) do check(state, schema, name, step(path, name), failures) end
end

function objects.dependentRequired(_, map, value, path, add)
  for _, name in ipairs(sorted(map)) do
    for _, other in ipairs(value[name] ~= nil and map[name] or {}) do
      if value[other] == nil then add(path, '"%s" is missing, which "%s" needs', other, name) end
    end
  end
end

function objects.dependentSchemas(state, map, value, path, _, _, failures)
  for _, name in ipairs(sorted(map)) do
    if value[name] ~= nil then check(state, map[name], value, path, failures) end
  end
end

local families = {
  string = strings, integer = numbers, number = numbers, array = arrays, object = objects, boolean = {}, null = {},
}
local unseen = { "$dynamicRef", "unevaluatedItems", "unevaluatedProperties", "dependencies", "additionalItems" }
local deepest <const> = 150

function check(state, schema, value, path, failures)
  local function add(where, format, ...) failures[#failures + 1] = { path = where, text = format:format(...) } end
  if schema == true then return end
  if schema == false then return add(path, "nothing may stand here") end
  if not is_object(schema) then return end -- validate.schema says so
  state.depth = state.depth + 1
  if state.depth > deepest then
    add(path, "the schema goes deeper than %d levels, or refers to itself without end", deepest)
  else
    local family = families[kind_of(value)]
    for _, keyword in ipairs(sorted(schema)) do
      local rule = any[keyword] or family[keyword]
      if rule then rule(state, schema[keyword], value, path, add, schema, failures) end
    end
    for _, keyword in ipairs(unseen) do
      if schema[keyword] ~= nil then state.note("%s was not looked at", keyword) end
    end
  end
  state.depth = state.depth - 1
end

function validate.value(schema, value)
  local failures, notes, noted = {}, {}, {}
  local state = { root = schema, depth = 0, patterns = {} }
  function state.note(format, ...)
    local text = format:format(...)
    if not noted[text] then notes[#notes + 1] = text end
    noted[text] = true
  end
  check(state, schema, value, "", failures)
  return failures, notes
end

return validate
