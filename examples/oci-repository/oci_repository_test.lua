--- Component versions in a registry that is a table here; run it with 'ocmlua test'. What a real registry says is test_oci_repository.py's.

local ocm = require "ocm"
local test = require "ocm.test"

local plugin, spec, store, server, answer

local function digest(text) return "sha256:" .. ocm.hex.encode(ocm.crypto.digest("sha256", text)) end

--- The part of a registry that keeps things: blobs and manifests by their paths.
local function keep(request)
  local name, kind, reference = request.path:match "^/v2/(.-)/(%w+)/([^/]*)$"
  if kind == "uploads" and request.method == "POST" then
    return { status = 202, headers = { Location = "/v2/" .. name:gsub("/blobs$", "") .. "/uploads/1?_state=x" } }
  elseif kind == "uploads" then
    store[name .. "/blobs/" .. request.query.digest] = request.body
    return { status = 201 }
  elseif request.method == "PUT" then
    store[name .. "/manifests/" .. reference], store[name .. "/manifests/" .. digest(request.body)] = request.body, request.body
    return { status = 201 }
  end
  local found = kind and store[name .. "/" .. kind .. "/" .. reference]
  return { status = found and 200 or 404, body = found or "" }
end

test.before(function()
  store, answer = {}, keep
  server = test.http(function(request) return answer(request) end)
  plugin, spec = test.load "oci-repository", { type = "OCIScriptRepository/v1", baseUrl = server.url, subPath = "a/b" }
  plugin:call("componentVersionRepository", "GetIdentity", { type = spec })
end)

local function add_blob(bytes)
  return plugin:call("AddLocalResource", {
    repository = spec, name = "acme.org/it", version = "1.0.0+x", resourceLocation = test.blob(bytes),
    resource = { name = "greeting", version = "1.0.0", type = "text", relation = "local", access = { type = "localBlob/v1", mediaType = "text/plain" } },
  })
end

local function add_version(resource)
  local component = { name = "acme.org/it", version = "1.0.0+x", provider = "acme.org", resources = { resource } }
  plugin:call("AddComponentVersion", { repository = spec, descriptor = { meta = { schemaVersion = "v2" }, component = component } })
end

local function get_blob() return plugin:call("GetLocalResource", { name = "acme.org/it", version = "1.0.0+x", identity = { name = "greeting" } }) end

test("a version comes back with its blob", function()
  add_version(add_blob "hello")
  test.equal(plugin:blob(get_blob().location), "hello")
  test.truthy(store["a/b/component-descriptors/acme.org/it/manifests/1.0.0.build-x"])
end)

test("a version that is not there is a 404", function()
  test.raises(404, function() get_blob() end)
end)

test("a blob that is another than the manifest says is refused", function()
  add_version(add_blob "hello")
  store["a/b/component-descriptors/acme.org/it/blobs/" .. digest "hello"] = "jello"
  test.raises("digest", function() get_blob() end)
end)

test("what a registry wants to be sent elsewhere is not", function()
  local other = test.http {}
  answer = function(request)
    return request.method == "POST" and { status = 202, headers = { Location = other.url .. "/?secret" } } or keep(request)
  end
  local refusal = test.raises(502, function() add_blob "hello" end)
  test.equal(refusal.text, ("%s wants its credentials to be sent to %s/"):format(server.url, other.url))
  test.equal(#other.requests, 0)
end)

test("credentials stay behind where a blob is somewhere else", function()
  add_version(add_blob "hello")
  local other = test.http(function() return { body = "hello" } end)
  answer = function(request)
    if not request.headers.authorization then return { status = 401, headers = { ["WWW-Authenticate"] = 'Basic realm="all"' } } end
    if request.path:find(digest "hello", 1, true) then return { status = 307, headers = { Location = other.url .. "/storage" } } end
    return keep(request)
  end
  local got = plugin:call("GetLocalResource", { name = "acme.org/it", version = "1.0.0+x", identity = { name = "greeting" } },
    { type = "OCICredentials/v1", username = "me", password = "secret" })
  test.equal(plugin:blob(got.location), "hello")
  test.equal(other.requests[1].headers.authorization, nil)
end)

test("components come in pages, each after the last name of the one before", function()
  local manifest = ocm.json.encode { annotations = { ["software.ocm.componentversion"] = "acme.org/it:1.0.0" } }
  answer = function(request)
    if request.path:find "/tags/list$" then return { body = '{"tags":["1.0.0"]}' } end
    if request.path:find "/manifests/1.0.0$" then return { body = manifest } end
    if request.path ~= "/v2/_catalog" then return keep(request) end
    if request.query.last then return { body = '{"repositories":["other/image"]}' } end
    return { body = '{"repositories":["a/b/component-descriptors/acme.org/it"]}', headers = { Link = '</v2/_catalog?last=x&n=100>; rel="next"' } }
  end
  test.equal(plugin:call("ListComponents", { repository = spec }), { list = { "acme.org/it" }, header = { last = "acme.org/it" } })
  test.equal(plugin:call("ListComponents", { repository = spec, last = "acme.org/it" }), { list = {} })
  test.equal(server.requests[#server.requests].query.last, "a/b/component-descriptors/acme.org/it")
end)

test("an archive that is no OCI image layout is refused", function()
  local folder, archive = test.folder(), test.folder() .. "/layout.tar"
  local function add()
    ocm.pipe(ocm.tar(folder, { root = false }), archive)
    plugin:call("AddLocalResource", {
      repository = spec, name = "acme.org/it", version = "1.0.0", resourceLocation = { type = "localFile", value = archive },
      resource = { name = "image", version = "1.0.0", type = "ociImage", relation = "local",
        access = { type = "localBlob/v1", mediaType = "application/vnd.ocm.software.oci.layout.v1+tar" } },
    })
  end
  test.raises("400 the OCI image layout has no index.json that is JSON", add)
  test.write(folder .. "/index.json", ocm.json.encode { manifests = { { mediaType = "text/plain", digest = digest "gone", size = 4 } } })
  test.raises("502 the OCI image layout: .*No such file or directory", add)
end)

--- Adds a version whose config says that its descriptor is of another type.
local function add_as(suffix)
  add_version(add_blob "hello")
  for path, text in pairs(store) do
    local config = path:find "/blobs/" and text:find "componentDescriptorLayer" and text
    if config then
      local other = config:gsub("%+json", suffix)
      local manifest = store["a/b/component-descriptors/acme.org/it/manifests/1.0.0.build-x"]
      store[path:gsub("sha256:.*", "") .. digest(other)] = other
      store["a/b/component-descriptors/acme.org/it/manifests/1.0.0.build-x"] = manifest:gsub(digest(config), digest(other)):gsub('"size":' .. #config, '"size":' .. #other)
      return
    end
  end
end

test("a descriptor in YAML says what has to be installed", function()
  package.preload.lyaml = function() error "there is none" end
  add_as "+yaml"
  test.contains(test.raises(501, get_blob).text, "Debian's lua-yaml")
  package.preload.lyaml = nil
end)

test("a descriptor that is no tar, but said to be one, is the registry's fault", function()
  add_as "+yaml+tar"
  test.raises("502 the component descriptor: .*not a tar archive", get_blob)
end)
