--- Tests of NAME, run by `ocmlua test`. A call is checked and dispatched like one of the plugin manager; what there is to check with: `ocmlua docs`.

local test = require "ocm.test"
--@only signingHandler
local ocm = require "ocm"
--@end

test("what is declared has no problems", function()
  test.truthy(#test.load("NAME").capabilities.capabilities > 0)
end)
--@only componentVersionRepository

test("a component version comes back with its resource", function()
  local plugin = test.load "NAME"
  local repository = { type = "RepositoryType/v1", path = test.folder() }
  local resource = { name = "greeting", version = "1.0.0", type = "blob", relation = "local" }
  local stored = plugin:call("componentVersionRepository", "AddLocalResource", {
    repository = repository, name = "example.org/it", version = "1.0.0", resourceLocation = test.blob "hello", resource = resource,
  })
  local descriptor = { meta = { schemaVersion = "v2" }, component = { name = "example.org/it", version = "1.0.0", resources = { stored } } }
  plugin:call("componentVersionRepository", "AddComponentVersion", { repository = repository, descriptor = descriptor })

  local of = { name = "example.org/it", version = "1.0.0" }
  test.equal(plugin:call("componentVersionRepository", "GetComponentVersion", of), descriptor)
  test.equal(plugin:call("componentVersionRepository", "ListComponentVersions", { name = "example.org/it" }), { "1.0.0" })
  of.identity = { name = "greeting" }
  test.equal(plugin:blob(plugin:call("componentVersionRepository", "GetLocalResource", of)), "hello")
end)

test("a component version that is not there is a 404", function()
  local plugin = test.load "NAME"
  plugin:call("componentVersionRepository", "GetIdentity", { type = { type = "RepositoryType/v1", path = test.folder() } })
  test.raises(404, function() plugin:call("componentVersionRepository", "GetComponentVersion", { name = "example.org/it", version = "1.0.0" }) end)
end)
--@end
--@only componentLister

test("the components of a repository are listed", function()
  local folder = test.folder()
  test.write(folder .. "/example.org%2Fit/1.0.0/descriptor.json", "{}")
  local answer = test.load("NAME"):call("componentLister", "ListComponents", { repository = { type = "RepositoryType/v1", path = folder } })
  test.equal(answer.list, { "example.org/it" })
end)
--@end
--@only credentialRepository

test("a host's credentials are found in the repository", function()
  local path = test.write(test.folder() .. "/credentials.json", '{"example.org":{"username":"me","password":"secret"}}')
  local plugin = test.load "NAME"
  local config = { type = "CredentialRepositoryType/v1", path = path }
  local function resolve(hostname)
    return plugin:call("credentialRepository", "Resolve", { config = config, identity = { type = "CredentialConsumerType/v1", hostname = hostname } })
  end
  test.equal(resolve("example.org").properties, { username = "me", password = "secret" })
  test.raises(404, function() resolve "example.com" end)
end)
--@end
--@only credentialPlugin

test("credentials are found by the consumer's identity", function()
  local path = test.write(test.folder() .. "/credentials.json", '{"example.org":{"username":"me","password":"secret"}}')
  local plugin = test.load "NAME"
  plugin:call("credentialPlugin", "GetConsumerIdentity", { credential = { type = "CredentialType/v1", path = path } })
  local identity = { type = "HelmChartRepository", hostname = "example.org" }
  test.equal(plugin:call("credentialPlugin", "Resolve", { identity = identity }).properties, { username = "me", password = "secret" })
end)
--@end
--@only digestProcessorRepository

test("a resource gets the digest of its file", function()
  local access = { type = "AccessType/v1", path = test.write(test.folder() .. "/blob", "abc") }
  local resource = { name = "it", version = "1.0.0", type = "blob", relation = "external", access = access }
  local answer = test.load("NAME"):call("digestProcessorRepository", "ProcessResourceDigest", { resource = resource })
  test.equal(answer.resource.digest.value, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
end)
--@end
--@only inputRepository

test("a spec becomes a blob", function()
  local plugin = test.load "NAME"
  local resource = { name = "it", version = "1.0.0", type = "blob", input = { type = "InputType/v1", text = "hello" } }
  local answer = plugin:call("inputRepository", "ProcessResource", { resource = resource })
  test.equal(answer.resource.name, "it")
  test.equal(plugin:blob(answer), "hello")
end)
--@end
--@only resourceRepository

test("a resource is stored and fetched", function()
  local plugin = test.load "NAME"
  local access = { type = "AccessType/v1", path = test.folder() .. "/blob" }
  local resource = { name = "it", version = "1.0.0", type = "blob", relation = "external", access = access }
  plugin:call("resourceRepository", "AddGlobalResource", { resourceLocation = test.blob "hello", resource = resource })
  test.equal(plugin:blob(plugin:call("resourceRepository", "GetGlobalResource", { resource = resource })), "hello")
end)
--@end
--@only blobTransformer

test("a blob is transformed", function()
  local plugin = test.load "NAME"
  local specification = { type = "TransformerType/v1", case = "upper" }
  local answer = plugin:call("blobTransformer", "TransformBlob", { location = test.blob "hello", specification = specification })
  test.equal(plugin:blob(answer), "HELLO")
end)
--@end
--@only signingHandler

test("a signature verifies, and of another digest does not", function()
  local plugin = test.load "NAME"
  local key = ocm.crypto.generate { type = "rsa", bits = 2048 }
  local credentials = { type = "Credentials/v1", properties = { privateKey = key:private_pem(), publicKey = key:public():pem() } }
  local config = { type = "SigningType/v1" }
  local digest = { hashAlgorithm = "SHA-256", normalisationAlgorithm = "jsonNormalisation/v4alpha1", value = ("ab"):rep(32) }
  local signed = plugin:call("signingHandler", "Sign", { digest = digest, config = config }, credentials)

  local signature = { name = "default", digest = digest, signature = signed.signature }
  plugin:call("signingHandler", "Verify", { signature = signature, config = config }, credentials)
  signature.digest.value = ("cd"):rep(32)
  test.raises(400, function() plugin:call("signingHandler", "Verify", { signature = signature, config = config }, credentials) end)
end)
--@end
