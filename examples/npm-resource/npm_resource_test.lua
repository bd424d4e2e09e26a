--- What becomes of packages, with a registry of the test's own; run it with 'ocmlua test'.

local ocm = require "ocm"
local test = require "ocm.test"

local tarball <const> = "what npm packs"
local plugin, registry, dist

test.before(function()
  plugin = test.load "npm-resource"
  dist = { integrity = "sha512-" .. ocm.base64.encode(ocm.crypto.digest("sha512", tarball)) }
  registry = test.http(function(request)
    if request.path == "/@acme/greeting" then
      dist.tarball = dist.tarball or registry.url .. "/greeting.tgz"
      return { body = ocm.json.encode { versions = { ["1.2.3"] = { dist = dist } } } }
    end
    return request.path == "/greeting.tgz" and { body = tarball } or { status = 404 }
  end)
end)

local function resource(version)
  local access = { type = "NPMPackage/v1", registry = registry.url, package = "@acme/greeting", version = version or "1.2.3" }
  return { resource = { name = "greeting", version = "1.2.3", type = "npmPackage", access = access } }
end

test("a version of a package is its tarball", function()
  local answer = plugin:call("GetGlobalResource", resource())
  test.equal(plugin:blob(answer), tarball)
  test.equal(answer.location.mediaType, "application/x-tgz")
end)

test("its digest is the tarball's SHA-256", function()
  test.equal(plugin:call("ProcessResourceDigest", resource()).resource.digest, ocm.blob_digest(ocm.bytes(tarball)))
end)

test("a tarball that is not what the registry says is refused", function()
  dist.integrity = "sha512-" .. ocm.base64.encode(("x"):rep(64))
  test.raises("its digest is sha512:%x+ instead of the expected", function() plugin:call("GetGlobalResource", resource()) end)
end)

test("a tarball that is not what the component version says is refused", function()
  local request = resource()
  request.resource.digest = ocm.blob_digest(ocm.bytes "another")
  test.raises("it is not what the component version has", function() plugin:call("GetGlobalResource", request) end)
end)

test("a version that is not there is said", function()
  local refusal = test.raises(404, function() plugin:call("GetGlobalResource", resource "9.9.9") end)
  test.equal(refusal.text, "@acme/greeting@9.9.9 in " .. registry.url .. ": the registry has the package, but not this version")
end)

test("credentials are for the registry alone", function()
  local elsewhere = test.http { ["GET /greeting.tgz"] = { body = tarball } }
  dist.tarball = elsewhere.url .. "/greeting.tgz"
  plugin:call("GetGlobalResource", resource(), { type = "DirectCredentials/v1", properties = { token = "s3cr3t" } })
  test.equal(registry.requests[1].headers.authorization, "Bearer s3cr3t")
  test.equal(elsewhere.requests[1].headers.authorization, nil)
end)

test("credentials are looked up by where the registry is", function()
  local access = { type = "NPMPackage", registry = "https://example.org/npm/", package = "greeting", version = "1.2.3" }
  test.equal(plugin:call("resourceRepository", "GetIdentity", { type = access }),
    { identity = { type = "NpmRegistry", scheme = "https", hostname = "example.org", path = "npm" } })
end)
