--- The reference: lua/types, read as data.
--
-- entries() gives, in the order of the files, { kind = "part" | "section" | "function" | "class" | "alias", name =, text = (Markdown, without the
-- examples), example = (Lua), fields / parameters / returns = { { name, type, text } }, signature =, parent = (of a class), type = (of an alias),
-- part = (the part that it is in) }. A part is a file, its text what the file begins with.

local texts = require "ocm.native.command".texts

local reference = {}

--- The parts' titles, in their order; files that are not named here come last, by name.
local titles = {
  { "ocm", "Plugins" },
  { "contracts", "Contracts" },
  { "descriptor", "Component descriptors" },
  { "pipe", "Pipes" },
  { "codec", "Compression" },
  { "archive", "Archives" },
  { "http", "HTTP" },
  { "exec", "Programs" },
  { "fs", "Files and folders" },
  { "crypto", "Cryptography" },
}

local function files()
  local all, rank, result = texts "lua/types/", {}, {}
  for i, title in ipairs(titles) do rank[title[1]] = i end
  for path, text in pairs(all) do
    local name = path:match "([^/]+)%.lua$"
    local title = rank[name] and titles[rank[name]][2] or name:sub(1, 1):upper() .. name:sub(2)
    result[#result + 1] = { name = name, title = title, text = text, rank = rank[name] or #titles + 1 }
  end
  table.sort(result, function(x, y)
    if x.rank ~= y.rank then return x.rank < y.rank end
    return x.name < y.name
  end)
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
    block.kind, block.name, block.parent = "class", rest:match "^[^:%s]+", rest:match "^[^:%s]+%s*:%s*(%S+)"
  elseif tag == "alias" then
    block.kind, block.name = "alias", name
    block.type = after
  elseif tag == "field" then
    local kind, text = take_type(after)
    table.insert(block.fields, { name, kind, text })
  elseif tag == "param" then
    local kind, text = take_type(after)
    table.insert(block.parameters, { name, kind, text })
  elseif tag == "return" then
    local kind, text = take_type(rest)
    local label, more = text:match "^([%w_.]+)%s*(.*)$"
    table.insert(block.returns, { label or "", kind, label and more or text })
  end
end

--- A class that only stands for a table of functions says nothing.
local function finish(part, entries, block)
  if not block.kind then return end
  block.text = table.concat(block.lines, "\n"):gsub("^%s+", ""):gsub("%s+$", "")
  block.example = table.concat(block.example, "\n")
  block.part = part
  if block.kind == "class" and block.text == "" and #block.fields == 0 and not block.parent then return end
  entries[#entries + 1] = block
end

--- What a file begins with: comments of two dashes.
local function introduction(text)
  local lines = {}
  for line in text:gmatch "(.-)\n" do
    local comment = line:match "^%-%- ?([^-].*)$" or line:match "^%-%-$" and ""
    if not comment and not line:match "^%-%-%-@meta" then break end
    lines[#lines + 1] = comment
  end
  return table.concat(lines, "\n")
end

local function read(part, text, entries)
  local block = new_block()
  for line in (text .. "\n"):gmatch "(.-)\n" do
    local section = line:match "^%-%-%-%-%s*(.-)%s*%-%-%-%-$"
    local tag, rest = line:match "^%-%-%-@(%w+)%s*(.*)$"
    local example = line:match "^%-%-%-     (.*)$" or line:match "^%-%-%-    (%s*%S.*)$"
    local comment = line:match "^%-%-%- ?(.*)$"
    local name, parameters = line:match "^function ([%w_.:]+)(%b())"
    if section then
      finish(part, entries, block)
      entries[#entries + 1] = { kind = "section", name = section, part = part }
      block = new_block()
    elseif tag then
      annotation(block, tag, rest)
    elseif example then
      table.insert(block.example, example)
    elseif comment then
      table.insert(block.lines, comment)
    elseif name then
      block.kind, block.name, block.signature = "function", name, name .. parameters
      finish(part, entries, block)
      block = new_block()
    elseif line:match "%S" == nil or not line:match "^%-%-" then
      finish(part, entries, block)
      block = new_block()
    end
  end
  finish(part, entries, block)
end

function reference.entries()
  local entries = {}
  for _, file in ipairs(files()) do
    local part = { kind = "part", name = file.title, file = file.name, text = introduction(file.text) }
    entries[#entries + 1] = part
    read(part, file.text, entries)
  end
  return entries
end

--- Where a sentence ends: at a full stop outside of code and brackets, before a space or the end.
local function first_sentence(text)
  local depth, code = 0, false
  for i = 1, #text do
    local c = text:sub(i, i)
    if c == "`" then
      code = not code
    elseif not code and c:find "[(%[{]" then
      depth = depth + 1
    elseif not code and c:find "[)%]}]" then
      depth = depth - 1
    elseif c == "." and not code and depth <= 0 and text:find("^%s", i + 1) then
      return text:sub(1, i - 1)
    end
  end
  return (text:gsub("%.$", ""))
end

--- What an entry is, in a line: its first sentence, or what it returns.
function reference.summary(entry)
  local paragraph = (entry.text .. "\n\n"):match "^(.-)\n\n"
  if paragraph ~= "" then return first_sentence((paragraph:gsub("\n%*.*", ""):gsub("\n", " "))) end
  local returned = entry.returns and entry.returns[1]
  if not returned then return "" end
  return (returned[1] ~= "" and returned[1] or returned[2]) .. (returned[3] ~= "" and ": " .. returned[3] or "")
end

return reference
