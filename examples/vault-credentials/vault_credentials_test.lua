--- What is asked of Vault, and what becomes of its answers; run it with 'ocmlua test'.

local json = require "ocm".json
local test = require "ocm.test"

local approle <const> = { role_id = "59d6d1ca-47bb", secret_id = "84896a0c-1347" }
local plugin, answers, server

test.before(function()
  answers = {
    ["POST /v1/auth/approle/login"] = { auth = { client_token = "hvs.made-by-login", lease_duration = 3600 } },
    ["GET /v1/secret/data/registries/quay.io"] = { data = { data = { username = "robot", password = "open sesame" }, metadata = { version = 1 } } },
  }
  plugin, server = test.load "vault-credentials", test.http(function(request)
    local body = answers[request.method .. " " .. request.path] or { errors = {} }
    return { status = not body.errors and 200 or body.errors[1] and 403 or 404, body = json.encode(body) }
  end)
end)

local function spec() return { type = "HashiCorpVault/v1", serverURL = server.url, path = "registries/{hostname}" } end

local function resolve(properties, hostname)
  return plugin:call("credentialRepository", "Resolve", { config = spec(), identity = { type = "OCIRegistry", hostname = hostname or "quay.io" } },
    properties and { type = "Credentials/v1", properties = properties })
end

test("an AppRole logs in once, and reads the secret of the consumer", function()
  local expected = { type = "Credentials/v1", properties = { username = "robot", password = "open sesame" } }
  test.equal(resolve(approle), expected)
  test.equal(resolve(approle), expected)
  test.equal(#server.requests, 3)
  test.equal(server.requests[3].headers["x-vault-token"], "hvs.made-by-login")
end)

test("whose credentials open Vault is told, and that there are none", function()
  local identity = plugin:call("ConsumerIdentityForConfig", { config = spec() })
  test.equal(server.url, ("http://%s:%s"):format(identity.hostname, identity.port))
  test.raises("no token, and no role_id with secret_id, in the credentials for", function() resolve() end)
end)

test("a token that Vault does not take is not in the error", function()
  answers["GET /v1/secret/data/registries/quay.io"] = { errors = { "permission denied for hvs.wrong" } }
  local refusal = test.raises(502, function() resolve { token = "hvs.wrong" } end)
  test.match(refusal.text, "permission denied: the token is not valid.*%(403: permission denied for %*%*%*%)$")
end)

test("a secret that is not there is said, and no consumer leads to another's", function()
  test.raises(404, function() resolve({ token = "hvs.t" }, "ghcr.io") end)
  test.raises("is no plain name", function() resolve({ token = "hvs.t" }, "../ghcr.io") end)
end)

test("a graph asks without the spec: with two of them, nobody can tell which is meant", function()
  local function ask() return plugin:call("credentialPlugin", "Resolve", { identity = { type = "OCIRegistry", hostname = "quay.io" } },
    { type = "Credentials/v1", properties = { token = "hvs.t" } }) end
  local one, other = spec(), spec()
  other.path = "others/{hostname}"
  plugin:call("GetConsumerIdentity", { credential = one })
  test.equal(ask().properties.username, "robot")
  plugin:call("GetConsumerIdentity", { credential = other })
  test.raises("different credentials of type", ask)
end)
