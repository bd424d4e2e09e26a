--- `ocmlua docs [TOPIC]`: the reference, made of the contract table and of lua/types.

local arguments = require "command.arguments"
local terminal = require "command.terminal"
local contract = require "ocm.contract"

local function dots(names)
  local out = {}
  for name, shape in pairs(names or {}) do out[#out + 1] = name .. ": " .. shape end
  table.sort(out)
  return table.concat(out, ", ")
end

--- ---- Markdown ----

local function contract_markdown(out)
  out[#out + 1] = "## Contracts\n"
  for _, capability in ipairs(contract) do
    out[#out + 1] = ("### %s\n"):format(capability.name)
    out[#out + 1] = "| method | endpoint | request | answer | left out |\n| --- | --- | --- | --- | --- |"
    for _, method in ipairs(capability.methods) do
      out[#out + 1] = ("| `%s` | %s `%s`%s | %s | %s | %s |"):format(method.name, method.http, method.path,
        method.credentials and ", credentials" or "", dots(method.request or method.query), method.answer, method.default ~= nil and "has a default" or "501")
    end
    out[#out + 1] = ""
  end
end

local function rows(out, title, list)
  if #list == 0 then return end
  out[#out + 1] = ("| %s | type | |\n| --- | --- | --- |"):format(title)
  for _, row in ipairs(list) do
    out[#out + 1] = ("| %s | `%s` | %s |"):format(row[1] ~= "" and "`" .. row[1] .. "`" or "", (row[2]:gsub("|", "\\|")), (row[3]:gsub("|", "\\|")))
  end
  out[#out + 1] = ""
end

local function entry_markdown(out, entry)
  if entry.kind == "section" then
    out[#out + 1] = ("## %s\n"):format(entry.name:sub(1, 1):upper() .. entry.name:sub(2))
    return
  end
  if entry.kind == "class" and entry.text == "" and #entry.fields == 0 then return end
  out[#out + 1] = ("### %s\n"):format(entry.signature or entry.name)
  if entry.text ~= "" then out[#out + 1] = entry.text .. "\n" end
  if entry.example ~= "" then out[#out + 1] = ("```lua\n%s\n```\n"):format(entry.example) end
  if entry.type and entry.type ~= "" then out[#out + 1] = ("`%s`\n"):format(entry.type) end
  rows(out, "parameter", entry.parameters)
  rows(out, "returns", entry.returns)
  rows(out, "field", entry.fields)
end

local function markdown(entries)
  local out = { "# ocmlua: the reference\n", "Made by `ocmlua docs --markdown` of the contract table and of [lua/types](types).\n" }
  contract_markdown(out)
  for _, entry in ipairs(entries) do entry_markdown(out, entry) end
  return table.concat(out, "\n"):gsub("\n\n\n+", "\n\n"):gsub("%s*$", "\n")
end

--- ---- the terminal ----

local function overview(entries)
  local style, out = terminal.styles(1), {}
  out[#out + 1] = style.bold "Contracts" .. "  (ocmlua docs NAME)"
  local lines = {}
  for _, capability in ipairs(contract) do
    local methods = {}
    for _, method in ipairs(capability.methods) do methods[#methods + 1] = method.name end
    lines[#lines + 1] = { "  " .. capability.name, table.concat(methods, " ") }
  end
  table.move(terminal.columns(lines), 1, #lines, #out + 1, out)
  lines = {}
  for _, entry in ipairs(entries) do
    if entry.kind == "function" then lines[#lines + 1] = { "  " .. entry.name, (entry.text:match "^[^\n]-[.:]%f[%s\0]" or entry.text:match "^[^\n]*") } end
  end
  out[#out + 1] = "\n" .. style.bold "Functions"
  table.move(terminal.columns(lines), 1, #lines, #out + 1, out)
  io.stdout:write(table.concat(out, "\n"), "\n")
end

local function show_contract(capability)
  local style = terminal.styles(1)
  io.stdout:write(style.bold(capability.name), "\n")
  for _, method in ipairs(capability.methods) do
    io.stdout:write(("\n  %s  %s %s\n"):format(style.bold(method.name), method.http, method.path))
    io.stdout:write(("    request      %s\n"):format(dots(method.request or method.query)))
    io.stdout:write(("    answer       %s\n"):format(method.answer))
    io.stdout:write(("    credentials  %s\n"):format(method.credentials and "yes" or "no"))
    io.stdout:write(("    left out     %s\n"):format(method.default ~= nil and "there is a default" or "501, with the method's name"))
  end
  io.stdout:write("\nShapes: ocmlua docs Resource, ocmlua docs Location, ...\n")
end

local function show_entry(entry)
  local style = terminal.styles(1)
  io.stdout:write(style.bold(entry.signature or entry.name), "\n")
  if entry.text ~= "" then io.stdout:write("\n", entry.text, "\n") end
  if entry.example ~= "" then io.stdout:write("\n", style.cyan("  " .. entry.example:gsub("\n", "\n  ")), "\n") end
  local lines = {}
  for _, list in ipairs { entry.parameters, entry.fields } do
    for _, row in ipairs(list) do lines[#lines + 1] = { "  " .. row[1], row[2], row[3] } end
  end
  for _, row in ipairs(entry.returns) do lines[#lines + 1] = { "  returns", row[2], row[1] .. (row[3] ~= "" and ": " .. row[3] or "") } end
  if entry.type and entry.type ~= "" then lines[#lines + 1] = { "  " .. entry.type } end
  if #lines > 0 then io.stdout:write("\n", table.concat(terminal.columns(lines), "\n"), "\n") end
end

local function same(name, topic) return name == topic or name == "ocm." .. topic or name:match "[.:]([^.:]+)$" == topic end

return {
  arguments = { 0, 1 },
  options = { { name = "markdown", text = "print all of it as one Markdown file" } },
  examples = {
    { "ocmlua docs", "what there is" },
    { "ocmlua docs inputRepository", "a contract" },
    { "ocmlua docs ocm.pipe", "a function" },
    { "ocmlua docs Resource", "a shape" },
  },
  run = function(given)
    local entries = require "command.reference".entries()
    if given.markdown then
      io.stdout:write((markdown(entries)))
      return 0
    end
    local topic = given[1]
    if not topic then return overview(entries) end
    local known, found = {}, false
    for _, capability in ipairs(contract) do
      known[#known + 1] = capability.name
      local has = capability.name == topic
      for _, method in ipairs(capability.methods) do has = has or method.name == topic end
      if has then
        show_contract(capability)
        found = true
      end
    end
    for _, entry in ipairs(entries) do
      if entry.kind ~= "section" then
        known[#known + 1] = entry.name
        if same(entry.name, topic) then
          if found then io.stdout:write "\n" end
          show_entry(entry)
          found = true
        end
      end
    end
    if not found then
      local hint = require "ocm.suggest"(topic, known)
      arguments.fail('there is nothing about "%s"%s', topic, #hint < 100 and hint or ": ocmlua docs lists what there is")
    end
  end,
}
