--- `ocmlua new NAME --capability …`: a folder with a plugin that runs at once, its test and its README, cut out of lua/template.
--
-- The templates have all nine capabilities. A block between a line with `@only NAMES` and one with `@end` is kept when one of the
-- capabilities is wanted, and so is, of the declaration, the table of each one; handlers are annotated with the types of lua/types/contracts.lua. NAME and
-- the spec types (`InputType`, …) are put in at last.

local arguments = require "command.arguments"
local builtin = require "command.builtin"
local contract = require "ocm.contract"
local lfs = require "lfs"
local suggest = require "ocm.suggest"
local terminal = require "command.terminal"

--- Names of spec types in the templates -> what is added to the plugin's own when it has several. Those that share one share the spec.
local type_names = {
  { capabilities = { "componentVersionRepository", "componentLister" }, name = "RepositoryType", ending = "Repository" },
  { capabilities = { "credentialRepository" }, name = "CredentialRepositoryType", ending = "CredentialRepository" },
  { capabilities = { "credentialPlugin" }, name = "CredentialType", ending = "Credential" },
  { capabilities = { "digestProcessorRepository", "resourceRepository" }, name = "AccessType", ending = "Access" },
  { capabilities = { "inputRepository" }, name = "InputType", ending = "Input" },
  { capabilities = { "blobTransformer" }, name = "TransformerType", ending = "Transformer" },
  { capabilities = { "signingHandler" }, name = "SigningType", ending = "Signing" },
}

local capability_of, capability_names = {}, {}
for i, capability in ipairs(contract) do capability_of[capability.name], capability_names[i] = capability, capability.name end

---- what is wanted ----

local function wrong_name(name)
  if name:find "%." then return "the ocm CLI takes only files without a dot in their names for plugins" end
  if not name:find "^%w[%w_-]*$" then return "expected letters, digits, - and _" end
end

--- Capabilities out of words: names, with commas between them. Returns the set and their number, or nil and a text.
local function read_capabilities(words)
  local wanted, count = {}, 0
  for _, word in ipairs(words) do
    for name in word:gmatch "[^,%s]+" do
      name = capability_names[math.tointeger(tonumber(name))] or name
      if not capability_of[name] then return nil, ('unknown capability "%s"%s'):format(name, suggest(name, { table.unpack(capability_names) })) end
      if not wanted[name] then count = count + 1 end
      wanted[name] = true
    end
  end
  if count == 0 then return nil, "expected at least one of " .. table.concat(capability_names, ", ") end
  return wanted, count
end

--- "my-greeting" -> "MyGreeting"
local function type_of(name)
  local type_ = name:gsub("[-_]+(%w?)", string.upper):gsub("^%l", string.upper)
  return type_:find "^%d" and "Type" .. type_ or type_
end

--- "Greeting/v1" or "Greeting" -> name, version; or nil and a text
local function read_type(text)
  local name, version = text:match "^([^%s%c/\"\\%%]+)$", "v1"
  if not name then name, version = text:match "^([^%s%c/\"\\%%]+)/([^%s%c/\"\\%%]+)$" end
  if not name then return nil, ('"%s": expected a name, or a name and a version, such as Greeting/v1'):format(text) end
  return name, version
end

---- questions ----

local function ask(question, default, check)
  while true do
    io.stdout:write(question, default and (" [%s]"):format(default) or "", ": ")
    io.stdout:flush()
    local line = io.read "l"
    if not line then
      io.stdout:write "\n"
      arguments.fail "nothing was made"
    end
    line = line:match "^%s*(.-)%s*$"
    if line == "" and default then line = default end
    local problem = check(line)
    if not problem then return line end
    io.stdout:write("  ", problem, "\n")
  end
end

local function interview(given)
  local name = given[1] or ask("Name of the plugin", nil, wrong_name)
  local style, rows = terminal.styles(1), {}
  for i, capability in ipairs(contract) do
    local methods = {}
    for _, method in ipairs(capability.methods) do methods[#methods + 1] = method.name end
    rows[i] = { ("  %d"):format(i), style.bold(capability.name), table.concat(methods, " ") }
  end
  io.stdout:write("What it can do:\n", table.concat(terminal.columns(rows), "\n"), "\n")
  local wanted = ask("Numbers or names", nil, function(line)
    local set, problem = read_capabilities { line }
    return not set and problem or nil
  end)
  local type_ = given.type or ask("Type of its specs", type_of(name) .. "/v1", function(line)
    local read, problem = read_type(line)
    return not read and problem or nil
  end)
  return name, { wanted }, type_
end

---- texts ----

--- Capability -> method -> { lines of annotation }, of lua/types/contracts.lua.
local function annotations()
  local classes = {}
  for _, entry in ipairs(require "command.reference".entries()) do
    if entry.kind == "class" then classes[entry.name] = entry.fields end
  end
  local made = {}
  for _, capability in ipairs(contract) do
    local methods = {}
    for _, field in ipairs(classes["ocm." .. capability.name:gsub("^%l", string.upper)]) do
      local request, rest, answer = field[2]:match "^fun%(request: ([%w.]+)(.-)%): (.-)%?*, string%?$"
      if request then
        methods[field[1]:gsub("%?$", "")] = {
          text = field[3], request = request, credentials = rest ~= "", answer = answer ~= "any" and answer or nil,
        }
      end
    end
    made[capability.name] = methods
  end
  return made
end

local function annotate(out, indent, known, parameters)
  out[#out + 1] = ("%s--- %s"):format(indent, known.text)
  out[#out + 1] = ("%s---@param request %s"):format(indent, known.request)
  if parameters:find "credentials" then out[#out + 1] = ("%s---@param credentials? ocm.Credentials"):format(indent) end
  if known.answer then out[#out + 1] = ("%s---@return %s"):format(indent, known.answer) end
end

--- A template's lines, without what belongs to capabilities that are not wanted.
local function cut(text, wanted)
  local out, keeping, within, known = {}, true, nil, annotations()
  for line in text:gmatch "([^\n]*)\n" do
    local only, top = line:match "@only ([%w ]+)", line:match "^  (%w+) = {$"
    if only then
      keeping = false
      for name in only:gmatch "%w+" do keeping = keeping or wanted[name] end
    elseif line:find "@end" then
      keeping = true
    else
      if capability_of[top] then within, keeping = top, wanted[top] end
      local indent, method, parameters = line:match "^(%s+)(%w+) = function(%b())$"
      local annotation = keeping and within and method and known[within][method]
      if annotation then annotate(out, indent, annotation, parameters) end
      if keeping then out[#out + 1] = line end
      if within and line == "  }," then within, keeping = nil, true end
    end
  end
  return table.concat(out, "\n") .. "\n"
end

--- Puts in the name and the types. `types`: { [name in the template] = name, … }
local function fill(text, name, types, version)
  for template, type_ in pairs(types) do
    text = text:gsub("%f[%w]" .. template .. "/v1", function() return type_ .. "/" .. version end)
  end
  return (text:gsub("%f[%w]NAME%f[^%w]", function() return name end))
end

local function types_for(wanted, type_)
  local groups, types = {}, {}
  for _, group in ipairs(type_names) do
    for _, capability in ipairs(group.capabilities) do
      if wanted[capability] and groups[#groups] ~= group then groups[#groups + 1] = group end
    end
  end
  for _, group in ipairs(groups) do types[group.name] = #groups == 1 and type_ or type_ .. group.ending end
  types.CredentialConsumerType = type_ .. "Consumer"
  return types
end

local function readme(text, wanted, types, version)
  local rows, unreached, first = {}, {}, nil
  for _, name in ipairs(capability_names) do
    if wanted[name] then
      first = first or name
      for _, group in ipairs(type_names) do
        for _, capability in ipairs(group.capabilities) do
          if capability == name then rows[#rows + 1] = ("| `%s` | `%s/%s` |"):format(name, types[group.name], version) end
        end
      end
      if not builtin.reaches(name) then unreached[#unreached + 1] = name end
    end
  end
  return (text:gsub("TABLE", table.concat(rows, "\n")):gsub("CAPABILITY", first):gsub("UNREACHED", table.concat(unreached, ", ")))
end

--- { { file, text }, … }
local function files(name, wanted, type_, version)
  local texts = require "ocm.native.command".texts "lua/template/"
  local types = types_for(wanted, type_)
  local function made(template) return fill(cut(texts["lua/template/" .. template], wanted), name, types, version) end
  return {
    { name, made "plugin.lua" },
    { name .. "_test.lua", made "test.lua" },
    { "README.md", readme(made "README.md", wanted, types, version) },
  }
end

---- the folder ----

local function is_there(path) return lfs.symlinkattributes(path, "mode") ~= nil end

--- As `mode`, but whoever may read the file may run it, too.
local function executable(path)
  local mode, text = 0, lfs.attributes(path, "permissions")
  for i = 1, 9 do
    if text:sub(i, i) ~= "-" or ((i % 3) == 0 and text:sub(i - 2, i - 2) == "r") then mode = mode | (1 << (9 - i)) end
  end
  return mode
end

local function write(folder, made)
  local fs = require "ocm".fs
  local there = {}
  for _, file in ipairs(made) do
    if is_there(folder .. "/" .. file[1]) then there[#there + 1] = folder .. "/" .. file[1] end
  end
  if #there > 0 then arguments.fail("%s: already there, and left alone. Choose another name, or another folder with --dir", table.concat(there, ", ")) end
  local _, problem = fs.make_dirs(folder)
  if problem then arguments.fail("%s cannot be made: %s", folder, problem) end
  for i = #made, 1, -1 do
    local path = folder .. "/" .. made[i][1]
    local mode = i == 1 and executable(folder .. "/" .. made[2][1]) or nil
    local ok, reason = fs.write(path, made[i][2], { mode = mode })
    if not ok then arguments.fail("%s: %s", path, reason) end
  end
end

local function show(folder, name, made)
  local style = terminal.styles(1)
  local about = { "the plugin: put your own into its handlers", "its test", "what it is, and how to run it with the ocm CLI" }
  local rows = {}
  for i, file in ipairs(made) do rows[i] = { "  " .. folder .. "/" .. file[1], about[i] } end
  local quoted = folder:find "^[%w_./+-]+$" and folder or "'" .. folder:gsub("'", "'\\''") .. "'"
  local next_steps = {
    { "  cd " .. quoted },
    { "  ocmlua check " .. name, "what is wrong or missing" },
    { "  ocmlua test", "runs the test" },
    { "  ocmlua call " .. name, "what can be asked of it, with an example each" },
    { "  ocmlua types", "completion in your editor (Lua language server)" },
  }
  io.stdout:write(style.bold "Made", "\n", table.concat(terminal.columns(rows), "\n"), "\n\n", style.bold "Next", "\n",
    table.concat(terminal.columns(next_steps), "\n"), "\n")
end

return {
  arguments = { 0, 1 },
  options = {
    { name = "capability", short = "c", value = "NAME", many = true, text = "what it can do, see below; may be repeated" },
    { name = "type", short = "t", value = "TYPE", text = "of its specs, by default made of the name: my-greeting: MyGreeting/v1" },
    { name = "dir", value = "DIR", text = "the folder, by default one of the plugin's name" },
  },
  examples = {
    { "ocmlua new", "asks for the name and what it can do" },
    { "ocmlua new greeting --capability inputRepository", "greeting/greeting, with its test and a README" },
    { "ocmlua new vault -c credentialRepository -c credentialPlugin --type Vault/v2", "several capabilities in one plugin" },
  },
  help = "What is made runs at once: its handlers do something simple, which you replace. Nothing that is there is ever overwritten.\n"
    .. "Capabilities, which 'ocmlua docs NAME' explains:\n  " .. table.concat(capability_names, "\n  "),
  run = function(given)
    local name, words, type_ = given[1], given.capability, given.type
    if name and wrong_name(name) then arguments.misuse('"%s": %s', name, wrong_name(name)) end
    if not (name and words) then
      if not terminal.is_terminal(0) or words then arguments.misuse "usage: ocmlua new NAME --capability NAME" end
      name, words, type_ = interview(given)
    end
    local wanted, problem = read_capabilities(words)
    if not wanted then arguments.misuse("%s", problem) end
    local type_name, version = read_type(type_ or type_of(name))
    if not type_name then arguments.misuse("--type %s", version) end
    local folder = given.dir or name
    local made = files(name, wanted, type_name, version)
    write(folder, made)
    show(folder, name, made)
  end,
}
