--- ocm.schema: a JSON Schema (draft 2020-12) for a spec, from a shorthand.
--
--   ocm.schema { path = "string", depth = "integer?", tags = "string[]?", mode = { "fast", "safe" }, nested = { url = "string" } }
--
-- A field is a type (string, integer, number, boolean, object, any), with "[]" for an array of it and "?" when it may be left
-- out; a list of strings is a choice; a table is an object of its own; a "?" behind the field's name says the same for those two: ["mode?"]. Every spec also has its `type`. Other fields are refused,
-- so that a misspelt one is found before the plugin is called.

local json = require "ocm.json"

local types = { string = true, integer = true, number = true, boolean = true, object = true, any = true }

local object

--- The schema of one field, and whether it may be left out.
local function field(shorthand, where)
  if type(shorthand) == "table" then
    if #shorthand > 0 then
      for _, choice in ipairs(shorthand) do
        if type(choice) ~= "string" then error(("ocm.schema: %s: a list of choices holds strings"):format(where), 0) end
      end
      return { enum = json.array { table.unpack(shorthand) } }, false
    end
    return object(shorthand, where .. "."), false
  end
  if type(shorthand) ~= "string" then
    error(("ocm.schema: %s: expected a type, a list of choices or a table, got %s"):format(where, type(shorthand)), 0)
  end
  local name, list, optional = shorthand:match "^(%a+)(%[?%]?)(%??)$"
  if not types[name] or (list ~= "" and list ~= "[]") then
    local known = {}
    for each in next, types do known[#known + 1] = each end
    error(('ocm.schema: %s: unknown type "%s"%s'):format(where, shorthand, require "ocm.suggest"(name or shorthand, known)), 0)
  end
  local schema = name == "any" and {} or { type = name }
  if list == "[]" then schema = { type = "array", items = schema } end
  return schema, optional == "?"
end

function object(fields, where)
  local properties, required = {}, json.array()
  for name, shorthand in next, fields do
    if type(name) ~= "string" then error(("ocm.schema: %sfield names are strings, got %s"):format(where, type(name)), 0) end
    local plain, maybe = name:match "^(.-)(%??)$" -- ["mode?"] = { "fast", "safe" }
    local optional
    properties[plain], optional = field(shorthand, where .. plain)
    if not optional and maybe == "" then required[#required + 1] = plain end
  end
  table.sort(required)
  return { type = "object", properties = properties, required = #required > 0 and required or nil, additionalProperties = false }
end

--- The schema of a spec with these fields, as a table.
return function(fields)
  if type(fields) ~= "table" then error("ocm.schema: expected a table of fields, got " .. type(fields), 2) end
  local ok, schema = pcall(object, fields, "")
  if not ok then error(schema, 2) end
  schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
  if not schema.properties.type then
    schema.properties.type = { type = "string" }
    schema.required = schema.required or json.array()
    table.insert(schema.required, "type")
    table.sort(schema.required)
  end
  return schema
end
