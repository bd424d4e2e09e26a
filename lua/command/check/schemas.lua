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

--- `document`: what capabilities prints; `declared`: what the script passed to ocm.plugin (nil: unknown); line_of: as ocm.source has it, or nil.
return function(report, document, declared, script, line_of)
  local before, count = report:count "problem", 0
  local lists = {}
  for _, capability in ipairs(contract) do lists[capability.name] = capability.lists end
  for _, capability in ipairs(document.capabilities) do
    for field, list in next, lists[capability.type] or {} do
      local seen = {} -- an alias has an entry with the same schema
      for _, entry in ipairs(type(capability[list]) == "table" and capability[list] or {}) do
        local text = base64.decode(entry.jsonSchema or "") or ""
        local keys = { capability.type, field, entry.type }
        local where = { file = script, line = line_of and line_of(keys), key = table.concat(keys, ".") }
        local ok, schema = pcall(json.decode, text)
        local fields = type(declared) == "table" and type(declared[capability.type]) == "table" and declared[capability.type][field]
        local own = type(fields) == "table" and type(fields[entry.type]) == "table" and fields[entry.type] or {}
        if not ok then
          report:problem(group, ("%s: the schema is not JSON: %s"):format(entry.type, schema), where)
        elseif not seen[text] or own.example ~= nil then
          count = count + 1
          local sound = seen[text] or check_schema(report, where, entry.type, schema)
          if sound and not seen[text] then check_examples(report, where, entry.type, schema) end
          if sound and type(own.example) == "table" then check_example(report, where, entry.type, schema, own.example) end
          seen[text] = sound
        end
      end
    end
  end
  if report:count "problem" == before then report:ok(group, ("%d schema%s, and what examples there are fit"):format(count, count == 1 and "" or "s")) end
end
