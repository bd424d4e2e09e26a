--- Reads secrets over Vault's HTTP API (https://developer.hashicorp.com/vault/api-docs).
--
-- The token of a login is kept until shortly before its lease ends. It, and what is read, is never logged or told in an error.

local ocm = require "ocm"

local vault = {}

local margin <const> = 30 -- seconds before the end of its lease from which on a token is not used any more
local logins = {} -- { token =, ends = } by server, namespace and AppRole

local meanings = {
  [400] = "it does not accept the request",
  [403] = "permission denied: the token is not valid (any more), or none of its policies allows to read this",
  [404] = "it has nothing of that name",
  [412] = "this node has not caught up with the others yet: try again",
  [429] = "it is asked too often, or is a standby node: try again",
  [472] = "it is a node for disaster recovery, which does not answer",
  [473] = "it is a standby node",
  [501] = "it is not initialized",
  [503] = "it is sealed, or down for maintenance",
}

local function object(value) return type(value) == "table" and value or {} end

--- A list of texts from outside as one line that is fit for an error.
local function line(list)
  local texts = {}
  for i, text in ipairs(object(list)) do texts[i] = tostring(text):gsub("[%s%c]+", " "):match "^ ?(.-) ?$":sub(1, 300) end
  return table.concat(texts, "; ")
end

local function request(spec, path, options)
  options.url = spec.serverURL:gsub("/$", "") .. "/v1/" .. path:gsub("[^%w%-._~/]", function(c) return ("%%%02X"):format(c:byte()) end)
  options.headers = { ["X-Vault-Request"] = "true", ["X-Vault-Namespace"] = spec.namespace, ["X-Vault-Token"] = options.token }
  options.token = nil
  options.redirects = 0 -- a login would take its secret_id along
  options.timeout, options.max = 60, 4 << 20
  local answer = ocm.try("Vault " .. spec.serverURL, ocm.http.request, options)
  local readable, body = pcall(ocm.json.decode, answer.body)
  return answer, readable and object(body) or {}
end

--- The answer's body when all went well; else says what did not.
local function expect(spec, what, answer, body)
  for _, warning in ipairs(object(body.warnings)) do ocm.log.warn("Vault warns", { server = spec.serverURL, what = what, warning = line { warning } }) end
  if answer.status == 200 then return body end
  local meaning, said = meanings[answer.status] or "it failed", line(body.errors)
  local metadata = object(object(body.data).metadata)
  if answer.status == 404 and metadata.destroyed == true then
    meaning = "its version " .. line { metadata.version } .. " was destroyed"
  elseif answer.status == 404 and metadata.deletion_time then
    meaning = "its version " .. line { metadata.version } .. " was deleted at " .. line { metadata.deletion_time }
  elseif answer.headers.location then
    meaning = "it redirects to another server: name that one as serverURL"
  end
  ocm.fail(answer.status == 404 and 404 or 502, "Vault %s: %s: %s (%d%s)", spec.serverURL, what, meaning, answer.status, said ~= "" and ": " .. said or "")
end

--- The token of a login as an AppRole, and whether it is an earlier one's.
local function login(spec, properties, key)
  local kept = logins[key]
  if kept and os.time() < kept.ends then return kept.token, true end
  local body = { role_id = properties.role_id, secret_id = properties.secret_id }
  local auth = object(expect(spec, "login as AppRole", request(spec, "auth/approle/login", { method = "POST", body = body, ca = properties.certificateAuthority })).auth)
  local token, lease = auth.client_token, math.tointeger(auth.lease_duration)
  if type(token) ~= "string" or not lease then ocm.fail(502, "Vault %s: login as AppRole: the answer has no token and lease", spec.serverURL) end
  logins[key] = { token = token, ends = lease == 0 and math.huge or os.time() + lease - margin } -- 0: no end
  return token, false
end

--- The keys and values of a secret.
function vault.read(spec, path, properties)
  local place = (spec.mountPath or "secret") .. "/data/" .. path
  if ("/" .. place .. "/"):find "/%.?%.?/" then ocm.fail(400, "mountPath and path: expected names with single slashes between them") end
  local key = table.concat({ spec.serverURL, spec.namespace or "", properties.role_id or "", properties.secret_id or "" }, "\0")

  local function ask()
    local token, kept = properties.token, false
    if not token then token, kept = login(spec, properties, key) end
    local answer, body = request(spec, place, { token = token, ca = properties.certificateAuthority })
    return answer, body, kept
  end

  local answer, body, kept = ask()
  if kept and answer.status == 403 then -- that token may have been revoked
    logins[key] = nil
    answer, body = ask()
  end
  local data = object(expect(spec, place, answer, body).data).data
  if type(data) ~= "table" then ocm.fail(502, "Vault %s: %s: that is no secret of a key-value engine of version 2", spec.serverURL, place) end
  for name, value in pairs(data) do
    if type(value) ~= "string" then ocm.fail(502, "Vault %s: %s: the value of %q is no string", spec.serverURL, place, tostring(name)) end
  end
  return data
end

return vault
