-- ocm.json beside lua-cjson, on a component descriptor with 150 resources and on one small request.
-- Both take turns, round after round, so that a change of the machine's speed hits both; the medians are compared.
local clock, json, cjson = ...
local rounds, budget = 31, 0.02 -- seconds for each measurement

local function digest(seed)
  local digits = {}
  for i = 1, 64 do
    seed = (seed * 1103515245 + 12345) % 2147483648
    digits[i] = ("%x"):format(seed // 65536 % 16)
  end
  return table.concat(digits)
end

local function resource(i)
  local name, version = ("image-controller-%03d"):format(i), ("1.%d.%d"):format(i % 17, i)
  return {
    name = name, version = version, type = i % 3 == 0 and "helmChart" or "ociImage", relation = i % 2 == 0 and "external" or "local",
    creationTime = ("2024-05-%02dT10:11:12Z"):format(i % 28 + 1), size = 123456789 + i * 1000,
    extraIdentity = { architecture = i % 2 == 0 and "amd64" or "arm64", os = "linux" },
    labels = {
      { name = "cloud.example.org/dso/scanning-hints/binary_id/v1", value = { policy = "scan", paths = { "usr/bin", "opt/app" },
        comment = 'Nightly, see the "release" notes.\nNo exceptions for third-party layers.' } },
      { name = "imagevector.example.org/target-version", value = ">= 1." .. i, signing = i % 2 == 0 },
      { name = "example.org/build", value = { number = 100000 + i, ratio = i / 8, reviewed = true, parents = json.null } },
      { name = "example.org/responsible", version = "v1", value = { { type = "team", teamname = "platform/landscape-" .. i % 9 },
        { type = "mail", email = "team-" .. i .. "@example.org" } } },
    },
    access = { type = "ociArtifact", imageReference = ("registry.example.org/project/team/%s:%s@sha256:%s"):format(name, version, digest(i)) },
    digest = { hashAlgorithm = "SHA-256", normalisationAlgorithm = "ociArtifactDigest/v1", value = digest(i + 1000) },
    srcRefs = { { identitySelector = { name = "controller", version = "v1." .. i }, labels = { { name = "path", value = "cmd/controller" } } } },
  }
end

local resources = {}
for i = 1, 150 do resources[i] = resource(i) end
local descriptor = {
  meta = { schemaVersion = "v2" },
  component = {
    name = "example.org/platform", version = "1.2.3", provider = { name = "example.org" }, resources = resources, sources = json.array(),
    componentReferences = json.array(), repositoryContexts = { { type = "OCIRegistry/v1", baseUrl = "registry.example.org" } },
  },
}
local request = {
  repository = { type = "DirectoryRepository/v1", path = "/srv/components" }, name = "example.org/shop", version = "1.4.0",
  resource = { name = "image", type = "ociImage", relation = "local", access = { type = "localBlob", localReference = "sha256:" .. digest(7) } },
}

local function seconds(f, argument, count)
  local start = clock()
  for _ = 1, count do f(argument) end
  return (clock() - start) / count
end

local function median(list)
  table.sort(list)
  return list[#list // 2 + 1]
end

local function compare(what, size, ours, our_argument, theirs, their_argument)
  local count = math.max(1, budget // seconds(ours, our_argument, 3))
  local a, b = {}, {}
  for i = 1, rounds do
    collectgarbage()
    a[i] = seconds(ours, our_argument, count)
    collectgarbage()
    b[i] = seconds(theirs, their_argument, count)
  end
  local our_time, their_time = median(a), median(b)
  print(("%-28s %8.1f %10.2f %8.0f %10.2f %8.0f %7.2f"):format(what, size / 1000, our_time * 1e6, size / our_time / 1e6,
    their_time * 1e6, size / their_time / 1e6, their_time / our_time))
end

print(("%-28s %8s %10s %8s %10s %8s %7s"):format("", "kB", "ocm µs", "MB/s", "cjson µs", "MB/s", "ratio"))
for _, case in ipairs { { "descriptor", descriptor }, { "request", request } } do
  local name, text, pretty = case[1], json.encode(case[2]), json.encode(case[2], { pretty = true })
  compare("decode " .. name, #text, json.decode, text, cjson.decode, text)
  compare("decode " .. name .. ", indented", #pretty, json.decode, pretty, cjson.decode, pretty)
  compare("encode " .. name .. ", sorted", #text, json.encode, json.decode(text), cjson.encode, cjson.decode(text))
end
