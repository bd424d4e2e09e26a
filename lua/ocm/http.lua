--- ocm.http: requests as parts of a pipe, and one that is a whole pipe of its own. C sends them (work/http.c, vm/lib_http.c); this
-- file makes of what scripts say the tables that it takes.

local json = require "ocm.json"
local part = require "ocm.part"
local pipe = require "ocm.pipe"
local warn = require "ocm.log".warn

local http = {}

local common = {
  url = "string", method = "string?", headers = "table?", query = "table?", username = "string?", password = "string?", bearer = "string?",
  credentials = "any?", ca = "string?", cert = "string?", key = "string?", unix_socket = "string?", timeout = "number?",
  connect_timeout = "number?", idle = "number?", redirects = "integer?", retries = "integer?",
}

local function with(more)
  local options = {}
  for name, shape in pairs(common) do options[name] = shape end
  for name, shape in pairs(more) do options[name] = shape end
  return options
end

--- Raises in the name of the line that called the function which called this; after a tail call nobody knows that line.
local function fail(message)
  local caller = debug.getinfo(2, "t")
  error(message, caller and caller.istailcall and 0 or 3)
end

---- what is sent ----

local function escape(value) return (tostring(value):gsub("[^%w%-._~]", function(byte) return ("%%%02X"):format(byte:byte()) end)) end

local function sorted_names(what, given)
  local names = {}
  for name in pairs(given) do
    if type(name) ~= "string" then error(("ocm.http: %s: expected { name = value }"):format(what), 0) end
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

--- Calls f(name, value) for each name and, where it has a list of values, for each of them.
local function each_value(what, given, f)
  for _, name in ipairs(sorted_names(what, given)) do
    local value = given[name]
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      local kind = type(one)
      if kind ~= "string" and kind ~= "number" and not (kind == "boolean" and what == "query") then
        error(("ocm.http: %s: %s: expected string or number, got %s"):format(what, name, kind), 0)
      end
      f(name, tostring(one))
    end
  end
end

local function add_query(url, query)
  local pairs_of = {}
  each_value("query", query, function(name, value) pairs_of[#pairs_of + 1] = escape(name) .. "=" .. escape(value) end)
  if #pairs_of == 0 then return url end
  local before, fragment = url:match "^([^#]*)(.*)$"
  return before .. (before:find("?", 1, true) and "&" or "?") .. table.concat(pairs_of, "&") .. fragment
end

local function text(value) return type(value) == "string" and value ~= "" and value or nil end

--- What credentials of the protocol say, typed ones (OCICredentials: members) and DirectCredentials (properties).
local function add_credentials(to, credentials)
  if type(credentials) ~= "table" then
    if credentials ~= nil and credentials ~= json.null then error("ocm.http: credentials: expected table, got " .. type(credentials), 0) end
    return
  end
  local given = type(credentials.properties) == "table" and credentials.properties or credentials
  if not (to.username or to.bearer) then
    if text(given.username) and text(given.password) then
      to.username, to.password = given.username, given.password
    else
      to.bearer = text(given.accessToken) or text(given.identityToken) or text(given.registryToken) or text(given.token)
    end
  end
  to.ca = to.ca or text(given.certificateAuthority)
  if not to.cert and text(given.certificate) then to.cert, to.key = given.certificate, text(given.privateKey) end
  if not (to.username or to.bearer or to.ca or to.cert) then
    local names = {}
    for name in pairs(given) do names[#names + 1] = name ~= "type" and tostring(name) or nil end
    table.sort(names)
    warn("the credentials have nothing in them that a request could use", { members = table.concat(names, ", "), known = "username and password, or token" })
  end
end

--- Makes of a constructor's table what C takes.
local function finish(made, method)
  made.method = made.method or method
  made.fields = {}
  each_value("headers", made.headers or {}, function(name, value)
    made.fields[#made.fields + 1] = name
    made.fields[#made.fields + 1] = value
  end)
  made.url = made.query and add_query(made.url, made.query) or made.url
  add_credentials(made, made.credentials)
  made.headers, made.query, made.credentials = nil, nil, nil
  return made
end

local function has_header(made, name)
  for i = 1, #made.fields, 2 do
    if made.fields[i]:lower() == name then return true end
  end
end

---- get and put ----

local make_get = part.constructor { name = "http.get", first = "url", options = with { size = "integer?", resume = "boolean?" } }
local make_put = part.constructor { name = "http.put", first = "url", options = with { length = "integer?" } }

local function maker(make, method)
  return function(...)
    local ok, made = pcall(make, ...)
    if ok then ok, made = pcall(finish, made, method) end
    if not ok then fail(made) end
    return made
  end
end

http.get = maker(make_get, "GET")
http.put = maker(make_put, "PUT")

---- request ----

local make_request = part.constructor {
  name = "http.request", first = "url",
  options = with { body = "any?", sink = "any?", digest = "string?", size = "integer?", resume = "boolean?", max = "integer?" },
}

local locations = { localFile = true, unixNamedPipe = true, remoteURL = true }
local sends = { POST = true, PUT = true, PATCH = true }

--- Sets what the request sends; returns the source of what it reads from the pipe, if it does.
local function set_body(made)
  local body = made.body
  made.body = nil
  if body == nil then
    if sends[made.method] then made.data = "" end
  elseif type(body) == "string" then
    made.data = body
  elseif type(body) == "userdata" then
    made.file = body
  elseif part.is_part(body) then
    return body
  elseif type(body) == "table" and locations[body.type] and body.value ~= nil then
    if body.type ~= "localFile" then return body end
    made.file = body.value
  elseif type(body) == "table" then
    made.data = json.encode(body)
    if not has_header(made, "content-type") then
      made.fields[#made.fields + 1] = "Content-Type"
      made.fields[#made.fields + 1] = "application/json"
    end
  else
    error("ocm.http.request: body: expected string, table, tempfile, Location or source, got " .. type(body), 0)
  end
end

--- The answer; or nil and what went wrong, which is not the script's fault.
local function request(...)
  local made = finish(make_request(...), "GET")
  local source = set_body(made)
  local sink, digest, max = made.sink, made.digest, made.max
  made.sink, made.digest, made.max = nil, nil, nil
  made.any_status = sink == nil
  local parts = { source or made }
  if source then parts[2] = made end
  if digest then parts[#parts + 1] = pipe.digest(sink and digest or digest:match "^[^:]*") end
  parts[#parts + 1] = sink or pipe.string(max)
  local ok, result = pcall(pipe.pipe, table.unpack(parts)) -- without this file's name before its text
  if not ok and pipe.is_misuse(result) then error(result, 0) end
  if not ok then return nil, result end
  local answer = {
    status = result.status, headers = result.headers, url = result.url, bytes = result.written, digests = result.digests, body = result.string,
  }
  if digest and not sink and digest:find(":", 1, true) and answer.status // 100 == 2 and answer.digests[#answer.digests] ~= digest:lower() then
    return nil, ("%s %s: its digest is %s instead of the expected %s"):format(made.method, answer.url:match "^[^?]*", answer.digests[#answer.digests], digest)
  end
  return answer
end

function http.request(...)
  local ok, answer, failure = pcall(request, ...)
  if not ok then fail(answer) end
  return answer or error(failure, 0)
end

---- a client: requests that share options ----

--- The URL of what a client is asked for: below its base, or the same written out.
local function below(base, url)
  if url == nil then return base end
  if type(url) ~= "string" then error("ocm.http.client: url: expected string, got " .. type(url), 0) end
  if url:sub(1, #base) == base then return url end
  if url:find "^%a[%w+.-]*:" or url:find "^//" then error("ocm.http.client: url: it is not below the client's base", 0) end
  return base .. url:gsub("^/+", "")
end

local function merged(defaults, base, options)
  if type(options) == "string" then options = { url = options } end
  if options ~= nil and type(options) ~= "table" then error("ocm.http.client: expected a URL or a table of options, got " .. type(options), 0) end
  local all = {}
  for name, value in pairs(defaults) do all[name] = value end
  for name, value in pairs(options or {}) do all[name] = value end
  all.headers = {}
  for _, headers in ipairs { defaults.headers or {}, options and options.headers or {} } do
    for name, value in pairs(headers) do all.headers[name] = value end
  end
  all.url = below(base, options and options.url)
  return all
end

function http.client(options)
  if type(options) ~= "table" or type(options.base) ~= "string" then fail "ocm.http.client: base: expected a URL" end
  local defaults, base = {}, (options.base:gsub("/*$", "/"))
  for name, value in pairs(options) do defaults[name] = value end
  defaults.base = nil
  local ok, problem = pcall(make_request, merged(defaults, base)) -- what is wrong is said here, not at the first request
  if not ok then fail(problem) end
  local client = {}
  for name, f in pairs { get = http.get, put = http.put, request = request } do
    client[name] = function(given)
      local made, result, failure = pcall(function() return f(merged(defaults, base, given)) end)
      if not made then fail(result) end
      return result or error(failure, 0)
    end
  end
  return client
end

return http
