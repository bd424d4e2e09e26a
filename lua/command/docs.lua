--- `ocmlua docs [TOPIC]`: the reference, made of the contract table and of lua/types.

local arguments = require "command.arguments"
local terminal = require "command.terminal"
local reference = require "command.reference"
local contract = require "ocm.contract"

local function dots(names)
  local out = {}
  for name, shape in pairs(names or {}) do out[#out + 1] = name .. ": " .. shape end
  table.sort(out)
  return table.concat(out, ", ")
end

--- The functions of a part, a line each.
local function functions(entries, part)
  local rows = {}
  for _, entry in ipairs(entries) do
    if entry.part == part and entry.kind == "function" then rows[#rows + 1] = { "  " .. entry.name, reference.summary(entry) } end
  end
  return terminal.columns(rows)
end

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
  for _, part in ipairs(entries) do
    if part.kind == "part" and part.file ~= "contracts" then
      out[#out + 1] = "\n" .. style.bold(part.name) .. ("  (ocmlua docs %s)"):format(part.file)
      for _, line in ipairs(functions(entries, part)) do out[#out + 1] = line end
    end
  end
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
  if entry.parent then io.stdout:write("\nWith all fields of ", entry.parent, ".\n") end
  if entry.example ~= "" then io.stdout:write("\n", style.cyan("  " .. entry.example:gsub("\n", "\n  ")), "\n") end
  local lines = {}
  for _, list in ipairs { entry.parameters, entry.fields } do
    for _, row in ipairs(list) do lines[#lines + 1] = { "  " .. row[1], row[2], row[3] } end
  end
  for _, row in ipairs(entry.returns) do lines[#lines + 1] = { "  returns", row[2], row[1] .. (row[3] ~= "" and ": " .. row[3] or "") } end
  if entry.type and entry.type ~= "" then lines[#lines + 1] = { "  " .. entry.type } end
  if #lines > 0 then io.stdout:write("\n", table.concat(terminal.columns(lines), "\n"), "\n") end
end

local function show_part(entries, part)
  io.stdout:write(terminal.styles(1).bold(part.name), "\n\n", part.text, "\n\n", table.concat(functions(entries, part), "\n"), "\n")
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
  words = function()
    local words = {}
    for _, capability in ipairs(contract) do words[#words + 1] = capability.name end
    for _, entry in ipairs(reference.entries()) do
      if entry.kind == "part" then words[#words + 1] = entry.file end
      if entry.kind == "function" and entry.name:find "^ocm" then words[#words + 1] = entry.name end
    end
    return words
  end,
  run = function(given)
    local entries = reference.entries()
    if given.markdown then
      io.stdout:write(require "command.markdown"(entries))
      return 0
    end
    local topic = given[1]
    if not topic then return overview(entries) end
    local known, shown = {}, 0
    local function show(name, matches, f, ...)
      known[#known + 1] = name
      if not matches then return end
      if shown > 0 then io.stdout:write "\n" end
      shown = shown + 1
      f(...)
    end
    for _, capability in ipairs(contract) do
      local has = capability.name == topic
      for _, method in ipairs(capability.methods) do has = has or method.name == topic end
      show(capability.name, has, show_contract, capability)
    end
    for _, entry in ipairs(entries) do
      if entry.kind == "part" then
        show(entry.file, entry.file == topic, show_part, entries, entry)
      elseif entry.kind ~= "section" then
        show(entry.name, same(entry.name, topic), show_entry, entry)
      end
    end
    if shown == 0 then
      local hint = require "ocm.suggest"(topic, known)
      arguments.fail('there is nothing about "%s"%s', topic, #hint < 100 and hint or ": ocmlua docs lists what there is")
    end
  end,
}
