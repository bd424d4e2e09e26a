--- The JSON Schemas of the declared types: whether they are any, and whether the examples in and beside them fit.

local contract = require "ocm.contract"
local json = require "ocm".json
local validate = require "ocm.validate"
local base64 = require "ocm".base64

local group <const> = "Schemas"

--- Calls f(path, schema) for a schema and the schemas of its properties and items, which have examples of their own.
local function each_schema(path, schema, f)
  if type(schema) ~= "table" then return end
  f(path, schema)
  for name, inner in next, type(schema.properties) == "table" and schema.properties or {} do
    each_schema(("%s/properties/%s"):format(path, name), inner, f)
  end
  each_schema(path .. "/items", schema.items, f)
end

local function check_value(report, where, what, schema, value, root)
  local failures, notes = validate.value(schema, value, root)
  for _, failure in ipairs(failures) do
    report:problem(group, ("%s does not fit its schema: %s%s"):format(what, failure.path ~= "" and failure.path .. ": " or "", failure.text), where)
  end
  for _, note in ipairs(notes) do report:warning(group, ("%s: %s"):format(what, note), where) end
end

local function check_schema(report, where, name, schema)
  local wrong = false
  for _, found in ipairs(validate.schema(schema)) do
    local text = ("%s: the schema%s: %s"):format(name, found.path ~= "" and "'s " .. found.path or "", found.text)
    if found.warning then report:warning(group, text, where) else report:problem(group, text, where) end
    wrong = wrong or not found.warning
  end
  return not wrong
end

local function check_examples(report, where, name, schema)
  each_schema("", schema, function(path, part)
    for i, value in ipairs(type(part.examples) == "table" and part.examples or {}) do
      check_value(report, where, ("%s: the schema's %s/examples/%d"):format(name, path, i - 1), part, value, schema)
    end
    if part.default ~= nil then check_value(report, where, ("%s: the schema's %s/default"):format(name, path), part, part.default, schema) end
  end)
end

--- The example that is declared beside a schema, as JSON has it.
local function check_example(report, where, name, schema, example)
  local ok, text = pcall(json.encode, example)
  if not ok then return report:problem(group, ("%s: the example is not JSON: %s"):format(name, text), where) end
  local value = json.decode(text)
  if value.type == nil then value.type = name end
  check_value(report, where, name .. ": the example", schema, value)
end

--- What the script declared under these keys, as far as there are tables.
local function declared_at(declared, keys)
  for _, key in ipairs(keys) do
    if type(declared) ~= "table" then return nil end
    declared = declared[key]
  end
  return declared
end

--- The entries of one list of types. Returns the number of their schemas.
local function check_entries(report, entries, keys, known)
  local seen, count = {}, 0 -- schema -> whether it is sound; an alias has an entry with the same one
  for _, entry in ipairs(entries) do
    local path = { keys[1], keys[2], entry.type }
    local where = { file = known.script, line = known.line_of and known.line_of(path), key = table.concat(path, ".") }
    local text = base64.decode(entry.jsonSchema or "") or ""
    local ok, schema = pcall(json.decode, text)
    if seen[text] == nil then
      count = count + 1
      seen[text] = ok and check_schema(report, where, entry.type, schema)
      if not ok then report:problem(group, ("%s: the schema is not JSON: %s"):format(entry.type, schema), where) end
      if seen[text] then check_examples(report, where, entry.type, schema) end
    end
    local own = declared_at(known.declared, path)
    if seen[text] and type(own) == "table" and type(own.example) == "table" then check_example(report, where, entry.type, schema, own.example) end
  end
  return count
end

--- `document`: what capabilities prints; `known`, each as far as it is known: { declared = what the script passed to ocm.plugin, script = its path,
-- line_of = as ocm.source finds lines }.
return function(report, document, known)
  local before, count, lists = report:count "problem", 0, {}
  for _, capability in ipairs(contract) do lists[capability.name] = capability.lists end
  for _, capability in ipairs(document.capabilities) do
    for field, list in next, lists[capability.type] or {} do
      if type(capability[list]) == "table" then count = count + check_entries(report, capability[list], { capability.type, field }, known) end
    end
  end
  if report:count "problem" == before then report:ok(group, ("%d schema%s, and what examples there are fit"):format(count, count == 1 and "" or "s")) end
end
