--- YAML as JSON and JSON as YAML, on the events of libyaml (the module `yaml` of Debian's lua-yaml).
--
-- From event to text, without tables in between: so members stay in their order, [] and {} stay apart and numbers keep their digits, which is
-- lost in what lyaml.load makes. Types are those of YAML 1.2's core schema (yaml.org/spec/1.2.2, 10.3), and << merges, as everybody expects.

local ocm = require "ocm"

local DEPTH <const> = 256 -- as jq's

local function library()
  local found, yaml = pcall(require, "yaml")
  if not found then error("YAML needs libyaml's Lua module (Debian: lua-yaml), and it is not there", 0) end
  return yaml
end

-- ---- scalars ----

--- The JSON of a number as YAML writes it; nil: it is none.
local function number(text)
  local sign, rest = text:match "^([-+]?)(.*)$"
  sign = sign == "-" and "-" or ""
  local base = text:find "^0o[0-7]+$" and 8 or text:find "^0x%x+$" and 16
  if base then
    if #text > 17 then error(text .. " is too large a number: quote it", 0) end -- in 64 bits there is room for 15 digits of either
    return ("%d"):format(tonumber(text:sub(3), base))
  end
  local mantissa, exponent = rest:match "^([%d.]+)(.*)$"
  if not mantissa or not (exponent == "" or exponent:find "^[eE][-+]?%d+$") then return nil end
  local whole, dot, fraction = mantissa:match "^(%d*)(%.?)(%d*)$"
  if not whole or whole .. fraction == "" then return nil end
  if #whole > 1 and whole:find "^0" and dot .. exponent == "" then
    error(text .. " is octal in YAML 1.1 and decimal in YAML 1.2: quote it, or write it with 0o or without the zeros", 0)
  end
  whole = whole:gsub("^0+(%d)", "%1")
  return sign .. (whole == "" and "0" or whole) .. (fraction == "" and "" or "." .. fraction) .. exponent
end

local words = {
  [""] = "null", ["~"] = "null", null = "null", Null = "null", NULL = "null",
  ["true"] = "true", True = "true", TRUE = "true", ["false"] = "false", False = "false", FALSE = "false",
}

--- What a plain scalar is, as JSON; nil: a string.
local function resolve(text)
  if words[text] then return words[text] end
  if text:find "^[-+]?%.[iI][nN][fF]$" or text:find "^%.[nN][aA][nN]$" then error(text .. " has no place in JSON: quote it", 0) end
  return number(text)
end

local core = "tag:yaml.org,2002:"
local fits = {
  int = function(json) return json:find "^-?%d+$" end, float = function(json) return json:find "^[-%d]" end,
  bool = function(json) return json == "true" or json == "false" end, null = function(json) return json == "null" end,
}

local function scalar(event)
  local tag = event.tag
  if tag == "!" or tag == core .. "str" or (not tag and event.style ~= "PLAIN") then return ocm.json.encode(event.value) end
  if not tag then return resolve(event.value) or ocm.json.encode(event.value) end
  local kind = tag:sub(1, #core) == core and fits[tag:sub(#core + 1)]
  if not kind then error(("the tag %s says nothing in JSON"):format(tag), 0) end
  local json = resolve(event.value)
  if not json or not kind(json) then error(("%q is not of the type that its tag says: %s"):format(event.value, tag), 0) end
  return json
end

-- ---- YAML to JSON ----

--- Reads the events of one stream. A node is { json =, members = (of a mapping) { key, json, key, json, … } }.
local Reader = {}
Reader.__index = Reader

function Reader:advance()
  local ok, event = pcall(self.next)
  self.event = ok and event
  if ok then return event.type end
  local what, line, column = event:match "^(.-) at document: %d+, line: (%d+), column: (%d+)"
  error(what and ("line %s, column %s: %s"):format(line, column, what) or event:gsub(" at document.*", ""), 0)
end

--- What aliases repeat counts, so that a few lines don't become all of the memory there is.
function Reader:grow(bytes)
  self.size = self.size + bytes
  if self.size > self.most then error(("its aliases make more than %d bytes of it"):format(self.most), 0) end
end

function Reader:alias()
  local node = self.anchors[self.event.anchor]
  if not node then error(("the alias *%s stands for nothing before it"):format(self.event.anchor), 0) end
  self:grow(#node.json)
  return node
end

function Reader:sequence(depth)
  local items = {}
  while self:advance() ~= "SEQUENCE_END" do items[#items + 1] = self:node(depth).json end
  return { json = "[" .. table.concat(items, ",") .. "]" }
end

--- The mappings behind <<: one, or a sequence of them.
function Reader:merged(depth)
  local nodes = {}
  if self:advance() == "SEQUENCE_START" then
    while self:advance() ~= "SEQUENCE_END" do nodes[#nodes + 1] = self:node(depth) end
  else
    nodes[1] = self:node(depth)
  end
  for _, node in ipairs(nodes) do
    if not node.members then error("behind << there is no mapping", 0) end
  end
  return nodes
end

function Reader:mapping(depth)
  local members, there, merges = {}, {}, {}
  local function add(key, json)
    there[key] = true
    members[#members + 1], members[#members + 2] = key, json
  end
  while self:advance() ~= "MAPPING_END" do
    local event = self.event
    if event.type == "ALIAS" or event.type == "SCALAR" then
      if event.type == "SCALAR" and event.style == "PLAIN" and event.value == "<<" and not event.tag then
        for _, node in ipairs(self:merged(depth)) do merges[#merges + 1] = node end
      else
        local key = self:node(depth).text
        if not key then error("a key that is no scalar has no place in JSON", 0) end
        key = ocm.json.encode(key)
        if there[key] then error(("the key %s is there twice"):format(key), 0) end
        self:advance()
        add(key, self:node(depth).json)
      end
    else
      error("a key that is no scalar has no place in JSON", 0)
    end
  end
  for _, node in ipairs(merges) do
    for i = 1, #node.members, 2 do
      if not there[node.members[i]] then add(node.members[i], node.members[i + 1]) end
    end
  end
  local pairs_of = {}
  for i = 1, #members, 2 do pairs_of[#pairs_of + 1] = members[i] .. ":" .. members[i + 1] end
  return { json = "{" .. table.concat(pairs_of, ",") .. "}", members = members }
end

local collections = { SEQUENCE_START = "sequence", MAPPING_START = "mapping" }

function Reader:node(depth)
  local event = self.event
  local node
  if event.type == "ALIAS" then return self:alias() end
  if depth == DEPTH then error(("it is more than %d deep"):format(DEPTH), 0) end
  if event.type == "SCALAR" then
    node = { json = scalar(event), text = event.value }
  else
    local kind = collections[event.type]
    if event.tag and event.tag ~= "!" and event.tag ~= core .. (kind == "mapping" and "map" or "seq") then
      error(("the tag %s says nothing in JSON"):format(event.tag), 0)
    end
    node = self[kind](self, depth + 1)
  end
  if event.anchor then self.anchors[event.anchor] = node end
  return node
end

function Reader:documents()
  local documents = {}
  while self:advance() ~= "STREAM_END" do
    if self.event.type == "DOCUMENT_START" then
      self.anchors = {}
      self:advance()
      documents[#documents + 1] = self:node(0).json
    end
  end
  return documents
end

local yaml_json = {}

--- The documents of a YAML stream as JSON texts. Raises a string for what is not YAML, or has no place in JSON; `most`: bytes that aliases make.
function yaml_json.decode(text, most)
  local reader = setmetatable({ next = library().parser(text), most = most, size = 0, anchors = {} }, Reader)
  local ok, result = pcall(reader.documents, reader)
  if ok then return result end
  error(reader.event and ("line %d: %s"):format(reader.event.start_mark.line + 1, result) or result, 0)
end

-- ---- JSON to YAML ----

--- Strings that are not plain, since YAML 1.1 or 1.2 would take them for something else: y, NO, 1.5, 0x1F, 2001-01-01, 12:30:45, ~, <<, …
local not_plain = { [""] = true, y = true, n = true, yes = true, no = true, on = true, off = true, ["true"] = true, ["false"] = true, null = true }

local function string_event(value, is_key)
  local style = "PLAIN" -- which libyaml takes back where the syntax forbids it
  if not_plain[value:lower()] or value:find "^[-+.%d~=<]" then style = "SINGLE_QUOTED" end
  if value:find "\n" then style = is_key and "DOUBLE_QUOTED" or "LITERAL" end
  return { type = "SCALAR", value = value, plain_implicit = true, quoted_implicit = true, style = style }
end

--- A number, true, false or null. Of 1e+30, YAML 1.1 makes a string.
local function literal_event(text)
  return { type = "SCALAR", value = text:gsub("^(-?%d+)([eE])", "%1.0%2"), plain_implicit = true, quoted_implicit = true, style = "PLAIN" }
end

local structure = {
  ["{"] = { type = "MAPPING_START", implicit = true, style = "BLOCK" }, ["}"] = { type = "MAPPING_END" },
  ["["] = { type = "SEQUENCE_START", implicit = true, style = "BLOCK" }, ["]"] = { type = "SEQUENCE_END" },
}

--- Emits the events of one JSON value, as `jq -c` writes it: no spaces, nothing wrong in it.
local function emit_value(emit, json)
  local at = 1
  while at <= #json do
    local character, stop = json:sub(at, at), at
    if character == '"' then
      repeat
        stop = json:find('["\\]', stop + 1)
        local escape = json:sub(stop, stop) == "\\"
        if escape then stop = stop + 1 end
      until not escape
      emit(string_event(ocm.json.decode(json:sub(at, stop)), json:sub(stop + 1, stop + 1) == ":"))
    elseif structure[character] then
      emit(structure[character])
    elseif character ~= "," and character ~= ":" then
      stop = select(2, json:find("^[^,%]}]+", at))
      emit(literal_event(json:sub(at, stop)))
    end
    at = stop + 1
  end
end

--- JSON values, a line each, as a stream of YAML documents.
function yaml_json.encode(lines)
  local emitter = library().emitter()
  local function emit(event)
    local ok, result = emitter.emit(event)
    if not ok then error(result, 0) end
    return result
  end
  emit { type = "STREAM_START", encoding = "UTF8" }
  local first = true
  for line in lines:gmatch "[^\n]+" do
    emit { type = "DOCUMENT_START", implicit = first }
    emit_value(emit, line)
    emit { type = "DOCUMENT_END", implicit = true }
    first = false
  end
  return emit { type = "STREAM_END" }
end

return yaml_json
