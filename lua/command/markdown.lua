--- The reference as one Markdown file: markdown(entries) -> text. Types link to where they are described.

local contract = require "ocm.contract"
local reference = require "command.reference"

local anchors -- of entries, while one document is made

local function title(name) return name:sub(1, 1):upper() .. name:sub(2) end

local function heading_of(entry) return entry.kind == "section" and title(entry.name) or entry.signature or entry.name end

local function contract_heading(capability) return "The contract " .. capability.name end

local function link(text, entry) return ("[%s](#%s)"):format(text, anchors[entry]) end

--- Where the headings of a document can be linked to, as GitHub makes it: of the same ones, the second has "-1" behind it.
local function find_anchors(entries)
  local found, counts = {}, {}
  local function add(heading, entry)
    local anchor = heading:lower():gsub("[^%w%s_-]", ""):gsub("%s", "-")
    local count = counts[anchor] or 0
    counts[anchor] = count + 1
    found[entry] = count == 0 and anchor or ("%s-%d"):format(anchor, count)
  end
  for _, entry in ipairs(entries) do
    add(heading_of(entry), entry)
    if entry.file == "contracts" then
      for _, capability in ipairs(contract) do add(contract_heading(capability), capability) end
    end
  end
  return found
end

--- In a table's cell.
local function cell(text) return (text:gsub("|", "\\|"):gsub("\n", " ")) end

--- A type, as code, with what is known linked.
local function typed(known, text)
  local out, from = {}, 1
  local function code(piece)
    if piece ~= "" then out[#out + 1] = "`" .. piece .. "`" end
  end
  while true do
    local first, last = text:find("ocm%.[%w_]+", from)
    if not first then break end
    local entry = known[text:sub(first, last)]
    if entry then
      code(text:sub(from, first - 1))
      out[#out + 1] = link("`" .. text:sub(first, last) .. "`", entry)
    else
      code(text:sub(from, last))
    end
    from = last + 1
  end
  code(text:sub(from))
  return table.concat(out)
end

--- The same for a shape's name, of the contracts.
local function shape(known, name)
  local inner = name:match "%w+"
  local entry = known["ocm." .. inner]
  local linked = entry and link("`" .. inner .. "`", entry) or "`" .. inner .. "`"
  if name:find "^%[" then linked = "array of " .. linked end
  return linked .. (name:find "%?$" and ", or nothing" or "")
end

local function shapes(known, fields)
  local names, out = {}, {}
  for name in pairs(fields or {}) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do out[i] = ("`%s`: %s"):format(name, shape(known, fields[name])) end
  return table.concat(out, "; ")
end

local function contracts(out, known)
  for _, capability in ipairs(contract) do
    out[#out + 1] = ("### %s\n"):format(contract_heading(capability))
    out[#out + 1] = "| method | endpoint | credentials | request | answer | when it is left out |\n| --- | --- | --- | --- | --- | --- |"
    for _, method in ipairs(capability.methods) do
      out[#out + 1] = ("| `%s` | %s `%s` | %s | %s | %s | %s |"):format(method.name, method.http, method.path, method.credentials and "yes" or "no",
        shapes(known, method.request or method.query), method.answer == "nothing" and "nothing" or shape(known, method.answer),
        method.default ~= nil and "a default" or "501")
    end
    out[#out + 1] = ""
  end
end

local function rows(out, known, name, list)
  if #list == 0 then return end
  out[#out + 1] = ("| %s | type | |\n| --- | --- | --- |"):format(name)
  for _, row in ipairs(list) do
    out[#out + 1] = (("| `%s` | %s | %s |"):format(row[1], cell(typed(known, row[2])), cell(row[3])):gsub("  |$", " |"))
  end
  out[#out + 1] = ""
end

local function returns(out, known, list)
  local lines = {}
  for i, row in ipairs(list) do
    lines[i] = ("%s%s%s"):format(row[1] ~= "" and "`" .. row[1] .. "` " or "", typed(known, row[2]), row[3] ~= "" and ": " .. row[3] or "")
  end
  if #lines == 1 then
    out[#out + 1] = "Returns " .. lines[1] .. "\n"
  elseif #lines > 1 then
    out[#out + 1] = "Returns\n\n- " .. table.concat(lines, "\n- ") .. "\n"
  end
end

local function show(out, known, entry)
  if entry.kind == "part" then
    out[#out + 1] = ("## %s\n\n%s\n"):format(entry.name, entry.text)
    if entry.file == "contracts" then contracts(out, known) end
    return
  end
  if entry.kind == "section" then
    out[#out + 1] = ("### %s\n"):format(heading_of(entry))
    return
  end
  out[#out + 1] = ("#### %s\n"):format(heading_of(entry))
  if entry.text ~= "" then out[#out + 1] = entry.text .. "\n" end
  if entry.parent then out[#out + 1] = ("With all fields of %s.\n"):format(typed(known, entry.parent)) end
  if entry.example ~= "" then out[#out + 1] = ("```lua\n%s\n```\n"):format(entry.example) end
  if entry.type and entry.type ~= "" then out[#out + 1] = typed(known, entry.type) .. "\n" end
  rows(out, known, "parameter", entry.parameters)
  rows(out, known, "field", entry.fields)
  returns(out, known, entry.returns)
end

--- What there is: a line for each function, under its part.
local function contents(out, entries)
  for _, entry in ipairs(entries) do
    if entry.kind == "part" then
      out[#out + 1] = ("- %s"):format(link(entry.name, entry))
      if entry.file == "contracts" then
        for _, capability in ipairs(contract) do out[#out + 1] = "  - " .. link("`" .. capability.name .. "`", capability) end
      end
    elseif entry.kind == "function" and entry.name:find "^ocm%." then
      out[#out + 1] = ("  - %s: %s"):format(link("`" .. entry.name .. "`", entry), reference.summary(entry))
    end
  end
  out[#out + 1] = ""
end

return function(entries)
  local known = {}
  anchors = find_anchors(entries)
  for _, entry in ipairs(entries) do
    if entry.kind == "class" or entry.kind == "alias" then known[entry.name] = entry end
  end
  local out = {
    "# ocmlua: the reference\n",
    "Made of the contract table and of [lua/types](types) by `ocmlua docs --markdown`; `ocmlua docs TOPIC` shows a part of it.\n",
  }
  contents(out, entries)
  for _, entry in ipairs(entries) do show(out, known, entry) end
  return (table.concat(out, "\n"):gsub("\n\n\n+", "\n\n"):gsub("%s*$", "\n"))
end
