--- One repository of an OCI registry: manifests, blobs, tags and the catalog (OCI Distribution Specification 1.1), and the two ways to
-- log in. Whatever a registry answers is checked before it is used.

local ocm = require "ocm"

local registry = {}
registry.__index = registry

local page <const> = 100 -- names that are asked for at once
local most_pages <const> = 10000
local manifest_types <const> = {
  "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json",
}

function registry.is_manifest(media_type)
  for _, each in ipairs(manifest_types) do
    if each == media_type then return true end
  end
  return false
end

--- ---- where it is ----

--- The parts of a spec, spelled as OCM's own: "ghcr.io", "http://localhost:5000", "ghcr.io/acme/components" (a subPath in the URL).
function registry.locate(spec)
  local scheme, rest = spec.baseUrl:match "^(%a+)://(.*)$"
  local authority, path = (rest or spec.baseUrl):match "^([^/]+)/*(.-)/*$"
  local hostname, port = (authority or ""):match "^([%w.-]+):?(%d*)$"
  if not hostname then hostname, port = (authority or ""):match "^%[([%x:.]+)%]:?(%d*)$" end
  if not hostname or not ({ http = true, https = true, oci = true })[scheme or "https"] then
    ocm.fail(400, "baseUrl: expected [http:// or https://] host [:port] [/path]") -- the URL itself could hold a password
  end
  local sub = (spec.subPath or ""):match "^/*(.-)/*$"
  return {
    url = ("%s://%s"):format(scheme == "http" and "http" or "https", authority), prefix = (path .. "/" .. sub):match "^/?(.-)/?$",
    identity = { type = "OCIRegistry", scheme = scheme, hostname = hostname, port = port ~= "" and port or nil,
      path = sub ~= "" and sub or path ~= "" and path or nil },
  }
end

--- The names of repositories become parts of URLs.
local function check_name(name)
  for part in (name .. "/"):gmatch "([^/]*)/" do
    if not part:find "^[a-z0-9][a-z0-9._-]*$" then
      ocm.fail(400, "%q cannot be the name of a repository in an OCI registry: lower-case letters, digits, and . _ - between them", name)
    end
  end
end

--- The repository `name` below the spec's path; without a name: the registry.
function registry.open(spec, credentials, name)
  local self = setmetatable(registry.locate(spec), registry)
  if name then
    self.name = self.prefix == "" and name or self.prefix .. "/" .. name
    check_name(self.name)
  end
  self.http = ocm.http.client { base = self.url, headers = { Accept = table.concat(manifest_types, ", ") } }
  local given = credentials and (credentials.properties or credentials) or {}
  self.username, self.password, self.has_credentials = given.username, given.password, next(given) ~= nil
  self.login = { bearer = given.accessToken } -- what requests log in with: nothing, until the registry asks for it
  return self
end

--- ---- requests, and what they fail with ----

--- What the registry says about its refusal: its words are its own, so no more than a line of them.
local function words(answer)
  local ok, body = pcall(ocm.json.decode, answer.body)
  local first = ok and type(body) == "table" and type(body.errors) == "table" and body.errors[1] or body
  local said = type(first) == "table" and (first.message or first.details or first.code)
  return type(said) == "string" and ": " .. said:gsub("%c", " "):sub(1, 200) or ""
end

function registry:refuse(answer, method)
  local hint = ""
  if answer.status == 401 or answer.status == 403 then
    local what = self.has_credentials and "it refuses the credentials" or "no credentials are configured"
    hint = ("; %s for %s"):format(what, ocm.json.encode(self.identity))
  end
  ocm.fail(answer.status // 100 == 4 and answer.status or 502, "%s %s: %d%s%s", method, answer.url:match "^[^?]*", answer.status, words(answer), hint)
end

--- A token for what the challenge says, from where it says (the Docker Registry v2 token protocol).
function registry:token(challenge)
  local realm = challenge.realm or ""
  if not realm:find "^https?://" or (self.url:find "^https:" and not realm:find "^https:") then
    ocm.fail(502, "%s wants its credentials to be sent to %q", self.url, realm)
  end
  local answer = ocm.try("the OCI registry", ocm.http.request, {
    url = realm, query = { service = challenge.service, scope = challenge.scope }, username = self.username, password = self.password,
  })
  if answer.status ~= 200 then self:refuse(answer, "GET") end
  local ok, body = pcall(ocm.json.decode, answer.body)
  local token = ok and type(body) == "table" and (body.token or body.access_token)
  if type(token) ~= "string" then ocm.fail(502, "%s gives no token", realm:match "^[^?]*") end
  return token
end

--- Takes up a challenge; false: there is nothing to log in with.
function registry:log_in(header)
  local challenge = {}
  for name, value in header:gmatch '(%w+)="([^"]*)"' do challenge[name:lower()] = challenge[name:lower()] or value end
  if header:lower():find "%f[%w]bearer " then
    self.login = { bearer = self:token(challenge) }
  else
    self.login = { username = self.username, password = self.password }
  end
  return next(self.login) ~= nil
end

--- An answer with a status of 2xx, or one of `also`. The registry says what it wants to be shown when it is first asked.
function registry:send(options, ...)
  if options.url:find "^%a[%w+.-]*:" and options.url:sub(1, #self.url + 1) ~= self.url .. "/" then
    ocm.fail(502, "%s wants its credentials to be sent to %s", self.url, options.url:match "^[^?]*")
  end
  for attempt = 1, 2 do
    for _, name in ipairs { "username", "password", "bearer" } do options[name] = self.login[name] end
    local answer = ocm.try("the OCI registry", self.http.request, options)
    local challenge = answer.status == 401 and attempt == 1 and answer.headers["www-authenticate"]
    if not challenge or not self:log_in(challenge) then
      for _, status in ipairs { ... } do
        if answer.status == status then return answer end
      end
      return answer.status // 100 == 2 and answer or self:refuse(answer, options.method or "GET")
    end
  end
end

--- ---- manifests and blobs ----

--- Digests, too, become parts of URLs, and of paths.
function registry.is_digest(text) return type(text) == "string" and #text == 71 and text:find "^sha256:[0-9a-f]+$" ~= nil end

local function digest_of(text) return "sha256:" .. ocm.hex.encode(ocm.crypto.digest("sha256", text)) end

--- The descriptor of something (its `mediaType`, `digest` and `size`) out of a manifest, checked.
function registry.checked(descriptor)
  local it = type(descriptor) == "table" and descriptor or {}
  if type(it.mediaType) ~= "string" or math.type(it.size) ~= "integer" or not registry.is_digest(it.digest) then
    ocm.fail(502, "a manifest is malformed: %s is no descriptor with a SHA-256", ocm.json.encode(descriptor or ocm.json.null))
  end
  return it
end

--- What should be a list, but may be anything.
function registry.list(value) return type(value) == "table" and value or {} end

function registry:path(kind, reference) return ("/v2/%s/%s/%s"):format(self.name, kind, reference) end

local function decode(what, text)
  local ok, value = pcall(ocm.json.decode, text)
  if not ok or type(value) ~= "table" then ocm.fail(502, "%s is no JSON object", what) end
  return value
end

--- The manifest, by tag or digest: { text, content, mediaType, digest, size }; nil when there is none.
function registry:manifest(reference)
  local answer = self:send({ url = self:path("manifests", reference), max = 4 << 20 }, 404)
  if answer.status == 404 then return end
  local digest, expected = digest_of(answer.body), registry.is_digest(reference) and reference or answer.headers["docker-content-digest"]
  if registry.is_digest(expected) and digest ~= expected then ocm.fail(502, "GET %s: its digest is %s instead of the expected %s", answer.url, digest, expected) end
  local content = decode(answer.url, answer.body)
  local media_type = content.mediaType or (answer.headers["content-type"] or ""):match "^[^;]*"
  return { text = answer.body, content = content, mediaType = media_type, digest = digest, size = #answer.body }
end

--- Writes a manifest, under a tag (which leads to this one from now on) or only under its digest. Returns its descriptor.
function registry:add_manifest(text, media_type, tag)
  local digest = digest_of(text)
  self:send { url = self:path("manifests", tag or digest), method = "PUT", headers = { ["Content-Type"] = media_type }, body = text }
  return { mediaType = media_type, digest = digest, size = #text }
end

--- Bytes of a manifest or a blob that is there; nil: it is not.
function registry:size(kind, digest)
  local answer = self:send({ url = self:path(kind, digest), method = "HEAD" }, 404)
  return answer.status ~= 404 and math.tointeger(answer.headers["content-length"]) or nil
end

--- A blob that is a JSON object.
function registry:json(descriptor)
  local it = registry.checked(descriptor)
  return decode("the blob " .. it.digest, self:send { url = self:path("blobs", it.digest), digest = it.digest, size = it.size }.body)
end

--- Brings a blob to a sink, where it appears when all of it is there and right.
function registry:download(descriptor, sink)
  local it = registry.checked(descriptor)
  self:send { url = self:path("blobs", it.digest), sink = sink, digest = it.digest, size = it.size }
  return sink
end

--- Takes in a file, unless its bytes are there already; returns their digest.
function registry:upload(file)
  local digest = ocm.digest_of(file)
  if self:size("blobs", digest) then return digest end
  local session = self:send { url = self:path("blobs", "uploads/"), method = "POST" }
  self:send {
    url = session.headers.location or "", method = "PUT", query = { digest = digest }, body = { type = "localFile", value = file },
    headers = { ["Content-Type"] = "application/octet-stream" },
    retries = 0, -- when it broke off, the session would go on behind what it got
  }
  return digest
end

--- ---- lists ----

--- A list in pages, in an iterator: the names of one page, and whether that was the last one. A list may be `missing`.
local function pages(self, path, member, last, missing)
  local url, query, count = path, { n = page, last = last }, 0
  return function()
    if not url then return end
    count = count + 1
    if count > most_pages then ocm.fail(502, "%s%s: a list without an end", self.url, path) end
    local answer = self:send({ url = url, query = query }, missing)
    if answer.status == missing then return end
    local names = {}
    for _, name in ipairs(registry.list(decode(answer.url, answer.body)[member])) do names[#names + 1] = tostring(name) end
    url, query = (answer.headers.link or ""):match '^<([^>]*)>%s*;%s*rel="?next', nil
    return names, url == nil
  end
end

function registry:tags() return pages(self, self:path("tags", "list"), "tags", nil, 404) end
function registry:catalog(last) return pages(self, "/v2/_catalog", "repositories", last) end

--- Whether it answers. Without credentials, a registry that wants to see some is well all the same.
function registry:ping() self:send({ url = "/v2/" }, table.unpack(self.has_credentials and {} or { 401, 403 })) end

return registry
