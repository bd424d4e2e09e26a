--- Checks of requests and answers against the contract's shapes.
--
-- check.compile(shape) gives a function (value) -> value, or nil, where, expected, got. What it gives back is what goes on
-- the wire: an empty table where an array belongs is marked as one, a path or a tempfile has become a Location.

local shapes = require "ocm.shape"
local json = require "ocm.json"
local file = require "ocm.native.file"
local native = require "ocm.native.check"

local check = {}

local null = json.null
local array_metatable = getmetatable(json.array())

--- What a value is, for an error text; never the value itself, which may be a secret.
local function describe(value)
  local kind = type(value)
  if value == nil then return "nothing" end
  if value == null then return "null" end
  if kind == "table" then return getmetatable(value) == array_metatable and "an array" or "a table" end
  return (kind:find "^[aeiou]" and "an " or "a ") .. kind
end
check.describe = describe

local function scalar(kind, expected)
  return function(value)
    if type(value) == kind then return value end
    return nil, "", expected, describe(value)
  end
end

local function is_object(value)
  return type(value) == "table" and getmetatable(value) ~= array_metatable
end

local function object(value)
  if is_object(value) then return value end
  return nil, "", "an object", describe(value)
end

local function identity(value)
  if not is_object(value) then return nil, "", "an object of strings", describe(value) end
  for name, part in next, value do
    if type(name) ~= "string" then return nil, "", "an object of strings", "a list" end
    if type(part) ~= "string" then return nil, "." .. name, "a string", describe(part) end
  end
  return value
end

local location_types = { localFile = true, unixNamedPipe = true, remoteURL = true }
local location_expected = "a Location (a path, a tempfile, or { type =, value =, mediaType = })"

local function absolute(path)
  if path:sub(1, 1) == "/" then return path end
  return require "lfs".currentdir() .. "/" .. path
end

--- A path or a tempfile stands for its Location, also as the `value` of one.
local function location(value)
  if value == "" then return nil, "", location_expected, "an empty text" end
  if type(value) == "string" then return { type = "localFile", value = absolute(value) } end
  if file.is_tempfile(value) then return { type = "localFile", value = value:path() } end
  if not is_object(value) then return nil, "", location_expected, describe(value) end
  local place, kind = value.value, value.type
  if file.is_tempfile(place) then place = place:path() end
  if type(place) ~= "string" or place == "" then return nil, ".value", "a path, a tempfile or a URL", describe(value.value) end
  if kind == nil then kind = "localFile" end
  if not location_types[kind] then return nil, ".type", '"localFile", "unixNamedPipe" or "remoteURL"', describe(kind) end
  if value.mediaType ~= nil and type(value.mediaType) ~= "string" then return nil, ".mediaType", "a string", describe(value.mediaType) end
  if kind ~= "remoteURL" then place = absolute(place) end
  return { type = kind, value = place, mediaType = value.mediaType }
end

--- GET parameters carry an identity as base64 of JSON.
local function encoded_identity(value)
  if type(value) ~= "string" then return nil, "", "base64 of a JSON object", describe(value) end
  local text, reason = require "ocm.native.text".base64.decode(value)
  if not text then return nil, "", "base64 of a JSON object", reason end
  local ok, decoded = pcall(json.decode, text)
  if not ok then return nil, "", "base64 of a JSON object", "something else: " .. decoded end
  if decoded == null then return null end
  return identity(decoded)
end

--- `{ identity = … }`; without it, or with an empty one, there is none.
local function identity_answer(value)
  if not is_object(value) then return nil, "", "{ identity = { … } }", describe(value) end
  local inner = value.identity
  if inner == nil and next(value) ~= nil then return nil, "", "{ identity = { … } }", "a table without it" end
  if inner == nil or inner == null or (type(inner) == "table" and next(inner) == nil) then return {} end
  local checked, where, expected, got = identity(inner)
  if checked == nil then return nil, ".identity" .. where, expected, got end
  return value
end

local function boolean(value)
  if type(value) == "boolean" then return value end
  return nil, "", "true or false", describe(value)
end

local simple = {
  string = scalar("string", "a string"),
  boolean = boolean,
  object = object,
  any = function(value) return value end,
  integer = function(value)
    if math.type(value) == "integer" then return value end
    return nil, "", "an integer", describe(value)
  end,
  Identity = identity,
  Location = location,
  EncodedIdentity = encoded_identity,
  IdentityAnswer = identity_answer,
}

local compiled = {}

local function array_of(element)
  return function(value)
    if type(value) ~= "table" then return nil, "", "an array", describe(value) end
    if next(value) == nil then
      if getmetatable(value) == nil then return json.array(value) end
      return value
    end
    local length = #value
    if length == 0 then return nil, "", "an array", "a table with named members" end
    for i = 1, length do
      local item = value[i]
      local checked, where, expected, got = element(item)
      if checked == nil then return nil, ("[%d]%s"):format(i, where), expected, got end
      if checked ~= item then value[i] = checked end
    end
    return value
  end
end

--- One check for each field of an object; other members pass.
local function object_of(fields)
  local names, checks, optional, expected_of = {}, {}, {}, {}
  for name in next, fields do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    local shape = fields[name]
    local checked = check.compile((shape:gsub("%?$", "")))
    local _, _, expected = checked(nil)
    optional[i] = shape:sub(-1) == "?"
    checks[i] = checked ~= simple.string and checked
    expected_of[i] = expected
  end
  return native.object(names, checks, optional, function(i, value, member, _, where, expected, got)
    if i == 0 then return nil, "", "an object", describe(value) end
    if expected then return nil, "." .. names[i] .. where, expected, got end
    return nil, "." .. names[i], expected_of[i], describe(member)
  end)
end

--- The check of a shape, by its name in the contract.
function check.compile(shape)
  local known = simple[shape] or compiled[shape]
  if known then return known end
  local made
  local element = shape:match "^%[(.+)%]$"
  if element then
    made = array_of(check.compile(element))
  else
    made = object_of(shapes[shape] or error("unknown shape " .. shape))
  end
  compiled[shape] = made
  return made
end

--- The check of a request's fields.
function check.fields(fields) return object_of(fields) end

return check
