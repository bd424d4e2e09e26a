--- The reference: lua/types, read as data. entries() gives, in the order of the files, { kind = "section" | "function" | "class" | "alias",
-- name =, text = (Markdown, without the examples), example = (Lua), fields / parameters / returns = { { name, type, text } }, signature = }.

local texts = require "ocm.native.command".texts

local reference = {}

local order = { "ocm.lua", "pipe.lua" } -- then what else there is, by name; the contracts last

local function files()
  local all, names = texts "lua/types/", {}
  local rank = { ["contracts.lua"] = 1000 }
  for i, name in ipairs(order) do rank[name] = i end
  for name in pairs(all) do names[#names + 1] = name:match "[^/]+$" end
  table.sort(names, function(a, b)
    local x, y = rank[a] or 500, rank[b] or 500
    if x ~= y then return x < y end
    return a < b
  end)
  local result = {}
  for _, name in ipairs(names) do result[#result + 1] = all["lua/types/" .. name] end
  return result
end

--- A type at the beginning of a text: up to a space outside of brackets, strings and `fun(…): …`.
local function take_type(text)
  local depth, i = 0, 1
  while i <= #text do
    local c = text:sub(i, i)
    if c:find "[<({%[]" then depth = depth + 1 elseif c:find "[>)}%]]" then depth = depth - 1 end
    if c == '"' then i = text:find('"', i + 1, true) or #text end
    if c == " " and depth == 0 and not text:sub(1, i - 1):find "[:,|]$" then break end
    i = i + 1
  end
  return text:sub(1, i - 1), (text:sub(i):gsub("^%s+", ""))
end

local function new_block() return { lines = {}, example = {}, fields = {}, parameters = {}, returns = {} } end

local function annotation(block, tag, rest)
  local name, after = rest:match "^(%S+)%s*(.*)$"
  if tag == "class" then
    block.kind, block.name = "class", rest:match "^[^:%s]+"
  elseif tag == "alias" then
    block.kind, block.name = "alias", name
    block.type = after
  elseif tag == "field" then
    if name == "[string]" or name:sub(1, 1) ~= "[" then
      local kind, text = take_type(after)
      table.insert(block.fields, { name, kind, text })
    end
  elseif tag == "param" then
    local kind, text = take_type(after)
    table.insert(block.parameters, { name, kind, text })
  elseif tag == "return" then
    local kind, text = take_type(rest)
    local label, more = text:match "^([%w_]+)%s*(.*)$"
    table.insert(block.returns, { label or "", kind, label and more or text })
  end
end

local function finish(entries, block)
  if not block.kind then return end
  block.text = table.concat(block.lines, "\n"):gsub("^%s+", ""):gsub("%s+$", "")
  block.example = table.concat(block.example, "\n")
  entries[#entries + 1] = block
end

function reference.entries()
  local entries = {}
  for _, text in ipairs(files()) do
    local block = new_block()
    for line in (text .. "\n"):gmatch "(.-)\n" do
      local section = line:match "^%-%-%-%-%s*(.-)%s*%-%-%-%-$"
      local tag, rest = line:match "^%-%-%-@(%w+)%s*(.*)$"
      local example = line:match "^%-%-%-     (.*)$" or line:match "^%-%-%-    (%s*%S.*)$"
      local comment = line:match "^%-%-%- ?(.*)$"
      local name, parameters = line:match "^function ([%w_.:]+)(%b())"
      if section then
        finish(entries, block)
        entries[#entries + 1] = { kind = "section", name = section }
        block = new_block()
      elseif tag then
        annotation(block, tag, rest)
      elseif example then
        table.insert(block.example, example)
      elseif comment then
        table.insert(block.lines, comment)
      elseif name then
        block.kind, block.name, block.signature = "function", name, name .. parameters
        finish(entries, block)
        block = new_block()
      elseif line:match "%S" == nil or not line:match "^%-%-" then
        finish(entries, block)
        block = new_block()
      end
    end
    finish(entries, block)
  end
  return entries
end

return reference
