--- Component versions and blobs, there and back; run it with 'ocmlua test'.

local test = require "ocm.test"

local plugin, spec

test.before(function()
  plugin, spec = test.load "directory-repository", { type = "DirectoryRepository/v1", path = test.folder() }
end)

local function descriptor(name, version)
  return { meta = { schemaVersion = "v2" }, component = { name = name, version = version, provider = "acme.org", resources = {} } }
end

local function add(name, version) plugin:call("AddComponentVersion", { repository = spec, descriptor = descriptor(name, version) }) end

test("a version that was added is listed and found", function()
  add("acme.org/it", "1.0.0")
  add("acme.org/it", "1.1.0")
  test.equal(plugin:call("ListComponentVersions", { name = "acme.org/it" }), { "1.0.0", "1.1.0" })
  test.equal(plugin:call("GetComponentVersion", { name = "acme.org/it", version = "1.1.0" }), descriptor("acme.org/it", "1.1.0"))
end)

test("a version that is not there is a 404", function()
  add("acme.org/it", "1.0.0")
  local refusal = test.raises(404, function() plugin:call("GetComponentVersion", { name = "acme.org/it", version = "2.0.0" }) end)
  test.contains(refusal.text, "there is no version 2.0.0 of acme.org/it")
end)

test("a blob comes back by its identity", function()
  local added = plugin:call("AddLocalResource", {
    repository = spec, name = "acme.org/it", version = "1.0.0", resourceLocation = test.blob("hello", "text/plain"),
    resource = { name = "greeting", version = "1.0.0", type = "text", relation = "local", access = { type = "localBlob/v1", localReference = "x", mediaType = "text/plain" } },
  })
  local whole = descriptor("acme.org/it", "1.0.0")
  whole.component.resources = { added }
  plugin:call("AddComponentVersion", { repository = spec, descriptor = whole })
  local answer = plugin:call("GetLocalResource", { name = "acme.org/it", version = "1.0.0", identity = { name = "greeting" } })
  test.equal(plugin:blob(answer.location), "hello")
  test.equal(answer.location.mediaType, "text/plain")
end)

test("components are listed, whatever capability is asked for the identity", function()
  add("acme.org/it", "1.0.0")
  test.equal(plugin:call("ListComponents", { repository = spec }), { list = { "acme.org/it" } })
  test.equal(plugin:call("componentVersionRepository", "GetIdentity", { type = spec }), { identity = { type = "DirectoryRepository", path = spec.path } })
end)
