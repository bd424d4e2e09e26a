--- `ocmlua call PLUGIN METHOD …`: starts a plugin as the OCM plugin manager does, sends one request as it does, shows what comes.

local arguments = require "command.arguments"
local contract = require "ocm.contract"
local json = require "ocm.json"
local launch = require "command.launch"
local lfs = require "lfs"
local ocm = require "ocm"
local request = require "command.request"
local shapes = require "ocm.shape"
local show = require "command.show"
local suggest = require "ocm.suggest"
local terminal = require "command.terminal"
local validate = require "ocm.validate"

local IDLE <const>, DYING <const> = 600, 2 -- seconds; the latter for a plugin that answers no more

--- Which method tells for whom the manager looks up credentials, and so tells the plugin a spec; in all others that have one it is GetIdentity.
local identified_by = {
  signingHandler = { Sign = "GetSignerIdentity", Verify = "GetVerifierIdentity", GetSignerIdentity = false, GetVerifierIdentity = false },
  credentialRepository = {}, credentialPlugin = { Resolve = "GetConsumerIdentity" },
}

local function method_of(capability, name)
  for _, method in ipairs(capability.methods) do
    if method.name == name then return method end
  end
end

--- The declared capabilities: { contract =, entry =, schemas =, types = }.
local function declared(document)
  local list = {}
  for _, entry in ipairs(document.capabilities) do
    for _, each in ipairs(contract) do
      if each.name == entry.type then
        local schemas, types = request.types(entry, each)
        list[#list + 1] = { contract = each, schemas = schemas, types = types }
      end
    end
  end
  return list
end

---- the list of methods ----

local function list(given, capabilities)
  local style = terminal.styles(1)
  for i, capability in ipairs(capabilities) do
    io.stdout:write(i > 1 and "\n" or "", style.bold(capability.contract.name), "  ", table.concat(capability.types, ", "), "\n")
    for _, method in ipairs(capability.contract.methods) do
      local words = request.example(method, capability.schemas, capability.types)
      local shared = 0
      for _, other in ipairs(capabilities) do shared = shared + (method_of(other.contract, method.name) and 1 or 0) end
      if shared > 1 then table.insert(words, "--capability " .. capability.contract.name) end
      table.insert(words, 1, method.name)
      io.stdout:write(("  ocmlua call %s %s\n"):format(given[1], table.concat(words, " ")))
    end
  end
end

---- the choice of one ----

local function names_of(capabilities)
  local names, methods = {}, {}
  for _, capability in ipairs(capabilities) do
    names[#names + 1] = capability.contract.name
    for _, method in ipairs(capability.contract.methods) do methods[#methods + 1] = method.name end
  end
  return names, methods
end

--- The capability, the method and the request. Where several have the method, the type of the spec tells.
local function choose(given, capabilities)
  local name, wanted = given[2], given.capability
  local names, methods = names_of(capabilities)
  local found, words = {}, table.move(given, 3, #given, 1, {})
  local known = not wanted
  for _, capability in ipairs(capabilities) do
    known = known or capability.contract.name == wanted
    local method = method_of(capability.contract, name)
    if method and (not wanted or capability.contract.name == wanted) then found[#found + 1] = { capability = capability, method = method } end
  end
  if not known then arguments.misuse("the plugin does not declare %s%s", wanted, suggest(wanted, names)) end
  if #found == 0 then arguments.misuse('no capability of this plugin (%s) has a method "%s"%s', table.concat(names, ", "), name, suggest(name, methods)) end
  local fitting = {}
  for _, each in ipairs(found) do
    each.made = request.build(each.method, #found == 1 and each.capability.types or {}, words)
    local spec = each.made.spec
    if #found == 1 or (type(spec) == "table" and each.capability.schemas[spec.type]) then fitting[#fitting + 1] = each end
  end
  if #fitting ~= 1 then
    local having = {}
    for i, each in ipairs(found) do having[i] = each.capability.contract.name end
    arguments.misuse("%s is a method of %s: choose one with --capability, or by the type of its spec", name, table.concat(having, " and "))
  end
  fitting[1].made = request.build(fitting[1].method, fitting[1].capability.types, words)
  return fitting[1]
end

---- what the manager does before a request ----

--- The manager validates the spec against the schema of the entry with exactly its type.
local function violations(capability, spec)
  local schema = capability.schemas[spec.type]
  if schema == nil then
    return { ('no entry has the type "%s"%s: the manager looks for exactly this one'):format(spec.type, suggest(spec.type, table.move(capability.types, 1, #capability.types, 1, {}))) }
  end
  local ok, decoded = pcall(json.decode, schema)
  if not ok then return { "its JSON Schema is empty, or is not JSON: the manager refuses every call" } end
  local texts = {}
  for _, problem in ipairs(validate.schema(decoded)) do
    if not problem.warning then texts[#texts + 1] = ("its JSON Schema%s: %s"):format(problem.path, problem.text) end
  end
  if #texts > 0 then return texts end
  for _, problem in ipairs((validate.value(decoded, json.decode(json.encode(spec))))) do
    texts[#texts + 1] = (problem.path ~= "" and problem.path .. ": " or "") .. problem.text
  end
  return texts
end

local function validated(chosen)
  local made = chosen.made
  if not made.place and not made.told and made.spec.type == nil then return false end
  local problems = violations(chosen.capability, made.spec)
  if #problems == 0 then return true end
  if not made.place and not made.told then return false end
  local text = table.concat(problems, "\n  ")
  if text:find ", got a string" then text = text .. "\nname=value is a text, name:=5 JSON" end
  arguments.fail("the manager would not send this: %s does not fit the schema of %s:\n  %s", made.place or "the " .. chosen.method.recall.one, made.spec.type, text)
end

--- The request by which the manager learns whose credentials it takes; nil: there is none.
local function identity_request(chosen, known)
  local capability, method, made = chosen.capability.contract, chosen.method, chosen.made
  local of = identified_by[capability.name]
  local name
  if of then name = of[method.name] or nil else name = "GetIdentity" end
  local identity = name and name ~= method.name and method_of(capability, name)
  if not identity or not known then return nil end
  local fields = {}
  for field in pairs(identity.request) do fields[field] = field == identity.spec and made.spec or made.fields[field] end
  return identity, fields
end

local function credentials_of(text)
  if not text then return nil end
  local value = request.json("--credentials", text)
  if type(value) ~= "table" or getmetatable(value) then arguments.misuse "--credentials: expected a JSON object, such as {\"type\":\"DirectCredentials/v1\",\"properties\":{\"username\":…}}" end
  return json.encode(value)
end

---- what comes back ----

local function decode(body)
  if body == "" then return nil end
  local ok, value = pcall(json.decode, body)
  if ok then return value end
end

--- Size, digest and media type of the blob that an answer's location names; saved to `output`.
local function blob_of(answer, output)
  local location = type(answer) == "table" and answer.location
  if type(location) ~= "table" then return nil end
  local blob = { type = location.type, value = location.value, mediaType = location.mediaType }
  if location.type ~= "localFile" then
    if output then arguments.fail("the blob is a %s, which is not read here", tostring(location.type)) end
    return blob
  end
  local ok, moved = pcall(ocm.copy, location, output or ocm.null())
  if not ok then arguments.fail("the blob of the answer: %s", moved) end
  blob.size, blob.digest, blob.saved = moved.bytes, moved.digests[1], output
  return blob
end

local function blob_text(blob, stays)
  local parts = {}
  if blob.size then parts = { ("%d bytes"):format(blob.size), blob.digest } end
  parts[#parts + 1] = blob.mediaType and show.plain(tostring(blob.mediaType)) or "no media type"
  parts[#parts + 1] = blob.saved and "saved to " .. blob.saved or (stays or not blob.size) and show.plain(tostring(blob.value)) or "gone with the plugin (-o FILE saves it)"
  return table.concat(parts, ", ")
end

---- the call ----

local function reporter(given)
  local style, lines = terminal.styles(2), {}
  return style, lines, function(line)
    local entry = show.parse(line)
    lines[#lines + 1] = entry or line
    if given.json or (entry and not given.verbose and (entry.level == "DEBUG" or entry.msg == "starting up plugin" or entry.msg == "gracefully shutting down plugin")) then return end
    io.stderr:write(entry and show.log(style, entry) or show.plain(line), "\n")
  end
end

local function send(session, method, fields, credentials, note)
  local options = { path = method.path, method = method.http }
  if method.query then options.query = fields else options.body = json.encode(fields) end
  local given = method.credentials and credentials
  options.headers = { -- plugins of the Go SDK refuse a request without the header
    Authorization = method.credentials and (credentials or "{}") or nil, ["Content-Type"] = method.request and "application/json" or nil,
  }
  note("%s %s %s%s", method.http, method.path, json.encode(fields), given and "  (with credentials)" or "")
  local answer, problem = session:request(options)
  if answer then return answer end
  local status, signal = session:ended(DYING)
  arguments.fail("%s: no answer: %s%s", method.name, problem, status and (signal and "; the plugin was ended by signal %d" or "; the plugin ended with exit status %d"):format(signal or status) or "")
end

local function refused(method, answer)
  arguments.fail("%s: %d: %s", method.name, answer.status, answer.body ~= "" and show.plain(answer.body) or "(an empty text)")
end

local function run_requests(session, chosen, credentials, known, note)
  local identity, fields = identity_request(chosen, known)
  local told
  if identity then
    local answer = send(session, identity, fields, nil, note)
    if answer.status ~= 200 then refused(identity, answer) end
    told = decode(answer.body)
    note("200 in %s: %s", show.seconds(answer.seconds), answer.body)
  end
  return send(session, chosen.method, chosen.made.fields, credentials, note), told
end

local function report(given, chosen, result, style)
  if given.json then
    io.stdout:write(json.encode(result, { pretty = true }), "\n")
    return result.status == 200 and 0 or 1
  end
  if result.status ~= 200 then refused(chosen.method, { status = result.status, body = result.text }) end
  if result.answer ~= nil then io.stdout:write(show.plain(json.encode(result.answer, { pretty = true })), "\n") end
  io.stdout:flush()
  io.stderr:write(style.green "200", " in ", show.seconds(result.seconds), result.answer == nil and ", an empty answer" or "", "\n")
  if result.blob then io.stderr:write(style.bold "blob", " ", blob_text(result.blob, given.socket), "\n") end
  return 0
end

local function run(given)
  local argv = launch.argv(given[1])
  local capabilities = declared(launch.capabilities(argv))
  if not given[2] then return list(given, capabilities) end
  local timeout = tonumber(given.timeout or 30)
  if not timeout or timeout <= 0 or timeout > 1e6 then arguments.misuse("--timeout: expected seconds") end
  local credentials = credentials_of(given.credentials)
  local chosen = choose(given, capabilities)
  local answer_shape = shapes[chosen.method.answer]
  if given.output and not (answer_shape and answer_shape.location) then arguments.misuse("-o %s: the answer of %s names no blob", given.output, chosen.method.name) end
  if given.output and lfs.symlinkattributes(given.output, "mode") then arguments.fail("%s is there already: it is not overwritten", given.output) end
  request.check(chosen.method, chosen.made, chosen.capability.types)
  local known = validated(chosen)
  local style, lines, on_line = reporter(given)
  local function note(format, ...)
    if given.verbose and not given.json then io.stderr:write(style.dim(show.plain(format:format(...))), "\n") end
  end
  if not known and not chosen.made.place then note("the %s is not told (type=…), so nobody is asked for an identity first", chosen.method.recall.one) end

  local session = given.socket and launch.connect(given.socket) or launch.session(on_line)
  local _child <close> = session.child
  if not given.socket then
    session:start(argv, launch.id(given[1]), { idle = IDLE })
    session:await(timeout)
  end
  local answer, identity = run_requests(session, chosen, credentials, known, note)
  local ok = answer.status == 200
  local result = { method = chosen.method.name, capability = chosen.capability.contract.name, status = answer.status, seconds = answer.seconds, identity = identity }
  if ok then
    result.answer = decode(answer.body)
    if answer.body ~= "" and result.answer == nil then arguments.fail("the answer is not JSON: %s", show.short(answer.body, 200)) end
    result.blob = blob_of(result.answer, given.output)
  else
    result.text = answer.body
  end
  local status = session:stop()
  if session.child and status ~= 0 then
    io.stderr:write("ocmlua call: the plugin ", status and "ended with exit status " .. status or "does not end after SIGINT", "\n")
  end
  result.log = json.array(lines)
  return report(given, chosen, result, style)
end

return {
  arguments = { 1, math.huge },
  options = {
    { name = "capability", value = "NAME", text = "whose method, where several have it" },
    { name = "credentials", value = "JSON", text = "sent with the request; @FILE reads them from a file" },
    { name = "output", short = "o", value = "FILE", text = "save the blob that the answer names" },
    { name = "json", text = "print status, answer, blob, log and time as one JSON document" },
    { name = "verbose", short = "v", text = "show what is sent, and all of the plugin's log" },
    { name = "timeout", value = "SECONDS", text = "how long the plugin may take to start (30, as with the manager)" },
    { name = "socket", value = "PATH", text = "ask the plugin that serves there instead of starting one" },
  },
  examples = {
    { "ocmlua call ./greeting", "its methods, each with an example" },
    { "ocmlua call ./greeting ProcessResource name=World", "fields of the input spec" },
    { "ocmlua call ./greeting ProcessResource name=World resource.name=hi -o blob", "fields of the request, and the blob" },
    { "ocmlua call ./store GetComponentVersion name=acme.org/app version=1.0.0 path=/srv", "GetIdentity tells the repository first" },
    { "ocmlua call ./store AddComponentVersion path=/srv descriptor:=@cd.json", "JSON from a file" },
    { "ocmlua call ./signer Sign request.json --credentials @key.json", "a whole request" },
  },
  help = [[
name=value is a text, name:=5 JSON, name:=@file JSON in a file, a.b=value nested. A name that is no field of the request, and type, belongs to
the typed spec; its type may be left out where the plugin has only one. What is left out of a resource, a source, a digest or a
descriptor is made up. The spec is validated against the declared JSON Schema, as the manager does it.
The answer goes to stdout; log, time and failures to stderr. Exit status: 0, 1 failed or another status than 200, 2 misuse.]],
  run = run,
}
