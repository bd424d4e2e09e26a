--- What becomes of artifacts, with a repository of the test's own; run it with 'ocmlua test'.

local ocm = require "ocm"
local test = require "ocm.test"

local jar <const> = "what is in the jar"
local plugin, repository, files

test.before(function()
  plugin = test.load "maven-resource"
  files = {
    ["/org/acme/greeting/1.0/greeting-1.0.jar"] = jar,
    ["/org/acme/greeting/1.0/greeting-1.0.jar.sha1"] = ocm.hex.encode(ocm.crypto.digest("sha1", jar)),
  }
  repository = test.http(function(request)
    local body = files[request.path]
    return { status = body and 200 or 404, body = body }
  end)
end)

local function resource(more)
  local access = { type = "MavenArtifact/v1", repoUrl = repository.url, groupId = "org.acme", artifactId = "greeting", version = "1.0" }
  for name, value in pairs(more or {}) do access[name] = value end
  return { resource = { name = "greeting", version = "1.0.0", type = "mavenPackage", access = access } }
end

test("an artifact is the file of its coordinates", function()
  local answer = plugin:call("GetGlobalResource", resource())
  test.equal(plugin:blob(answer), jar)
  test.equal(answer.location.mediaType, "application/java-archive")
end)

test("its digest is the file's SHA-256", function()
  test.equal(plugin:call("ProcessResourceDigest", resource()).resource.digest, ocm.blob_digest(ocm.bytes(jar)))
end)

test("a file that is not what the repository says is refused", function()
  files["/org/acme/greeting/1.0/greeting-1.0.jar"] = "something else"
  test.raises("its digest is sha1:%x+ instead of the expected", function() plugin:call("GetGlobalResource", resource()) end)
end)

test("a file without a checksum is refused, unless the component version has its digest", function()
  files["/org/acme/greeting/1.0/greeting-1.0.jar.sha1"] = nil
  test.raises("the repository has no .sha512, .sha256 or .sha1 of it", function() plugin:call("GetGlobalResource", resource()) end)
  local request = resource()
  request.resource.digest = ocm.blob_digest(ocm.bytes(jar))
  test.equal(plugin:blob(plugin:call("GetGlobalResource", request)), jar)
end)

test("a snapshot is its newest build", function()
  local build = "/org/acme/greeting/1.1-SNAPSHOT/greeting-1.1-20260102.030405-2.jar"
  files["/org/acme/greeting/1.1-SNAPSHOT/maven-metadata.xml"] = [[
    <metadata><versioning><snapshotVersions><snapshotVersion>
      <extension>jar</extension><value>1.1-20260102.030405-2</value>
    </snapshotVersion></snapshotVersions></versioning></metadata>]]
  files[build], files[build .. ".sha1"] = jar, ocm.hex.encode(ocm.crypto.digest("sha1", jar))
  test.equal(plugin:blob(plugin:call("GetGlobalResource", resource { version = "1.1-SNAPSHOT" })), jar)
  test.equal(plugin:blob(plugin:call("GetGlobalResource", resource { version = "1.1-20260102.030405-2" })), jar)
end)

test("an artifact that is not there is said", function()
  local refusal = test.raises(404, function() plugin:call("GetGlobalResource", resource { classifier = "sources" }) end)
  test.contains(refusal.text, "org.acme:greeting:jar:sources:1.0 in " .. repository.url .. ": the repository has no ")
end)

test("coordinates stay in their place in the URL", function()
  for name, value in pairs { groupId = "..", artifactId = "a/b", version = "1.0?x", classifier = "%2e", extension = "jar/.." } do
    test.raises("is no part of Maven coordinates", function() plugin:call("GetGlobalResource", resource { [name] = value }) end)
  end
  test.equal(#repository.requests, 0)
end)
