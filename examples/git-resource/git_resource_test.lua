--- The digest that is recorded, and what is downloaded, of a repository made here; run it with 'ocmlua test'.

local ocm = require "ocm"
local test = require "ocm.test"

local plugin, folder

local function git(...)
  local arguments = { "git", "-C", folder, "-c", "user.name=Ann", "-c", "user.email=ann@example.org", ... }
  arguments.env = { GIT_CONFIG_GLOBAL = "/dev/null", GIT_CONFIG_NOSYSTEM = 1 }
  return ocm.exec(arguments).stdout:match "%C*"
end

local function commit(text)
  test.write(folder .. "/README.md", text)
  git("add", ".")
  git("commit", "--quiet", "--message", text)
  return git("rev-parse", "HEAD")
end

test.before(function()
  if not pcall(ocm.exec, { "git", "--version" }) then test.skip "git is not installed" end
  plugin, folder = test.load "git-resource", test.folder()
  git("init", "--quiet", "--initial-branch=main")
end)

local function resource(access, digest)
  access.type, access.repository = "GitCommit/v1", "file://" .. folder
  return { name = "it", version = "1.0.0", type = "blob", relation = "external", access = access, digest = digest }
end

test("the digest is that of the content, which stays when the branch moves", function()
  local first = commit "first"
  local recorded = plugin:call("ProcessResourceDigest", { resource = resource { ref = "main" } }).resource
  test.equal(recorded.access.commit, first)
  commit "second"
  local location = plugin:call("GetGlobalResource", { resource = recorded }).location
  test.equal(ocm.blob_digest(location), recorded.digest)
end)

test("content that is not what was recorded is refused", function()
  commit "first"
  local digest = plugin:call("ProcessResourceDigest", { resource = resource { ref = "main" } }).resource.digest
  local second = commit "second"
  for _, method in ipairs { "GetGlobalResource", "ProcessResourceDigest" } do
    local refusal = test.raises(502, function() plugin:call(method, { resource = resource({ ref = "main" }, digest) }) end)
    test.contains(refusal.text, "it: commit " .. second .. " is not what the component version has: ")
    test.contains(refusal.text, "instead of the expected sha256:" .. digest.value)
  end
end)

test("nothing can be uploaded", function()
  test.raises(501, function() plugin:call("AddGlobalResource", { resource = resource {}, resourceLocation = test.blob "x" }) end)
end)
