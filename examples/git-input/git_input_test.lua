--- What becomes of revisions, of a repository made here; run it with 'ocmlua test'.

local ocm = require "ocm"
local test = require "ocm.test"

local plugin, folder, commit

local function git(...)
  local arguments = { "git", "-C", folder, "-c", "user.name=Ann", "-c", "user.email=ann@example.org", ... }
  arguments.env = { GIT_CONFIG_GLOBAL = "/dev/null", GIT_CONFIG_NOSYSTEM = 1 }
  return ocm.exec(arguments).stdout:match "%C*"
end

test.before(function()
  if not pcall(ocm.exec, { "git", "--version" }) then test.skip "git is not installed" end
  plugin, folder = test.load "git-input", test.folder()
  git("init", "--quiet")
  test.write(folder .. "/docs/guide.md", "# Guide\n")
  test.write(folder .. "/code.c", "int main;\n")
  git("add", ".")
  git("commit", "--quiet", "--message", "first")
  git("tag", "v1.0.0")
  commit = git("rev-parse", "HEAD")
end)

local function ask(spec)
  spec.type, spec.repository = "GitInput/v1", spec.repository or "file://" .. folder
  return plugin:call("ProcessResource", { resource = { name = "it", version = "1.0.0", type = "blob", input = spec } })
end

test("a revision becomes a compressed archive, and its commit a label", function()
  local answer = ask {}
  test.equal(answer.location.mediaType, "application/x-tgz")
  test.equal(answer.resource.labels, { { name = "org.opencontainers.image.revision", value = commit } })
  local archive = ocm.pipe(answer.location, ocm.gunzip(), ocm.string()).string
  test.contains(archive, "docs/guide.md")
  test.contains(archive, "# Guide\n")
end)

test("branch, tag and commit are the same bytes, also later", function()
  local first = plugin:blob(ask { ref = "v1.0.0" })
  git("commit", "--quiet", "--allow-empty", "--message", "second")
  test.equal(plugin:blob(ask { commit = commit }), first)
  test.truthy(plugin:blob(ask {}) ~= first, "another commit is another archive")
end)

test("a path selects", function()
  local archive = ocm.pipe(ask({ path = "docs" }).location, ocm.gunzip(), ocm.string()).string
  test.contains(archive, "docs/guide.md")
  test.falsy(archive:find("code.c", 1, true))
  test.contains(test.raises(502, function() ask { path = "nope" } end).text, "pathspec 'nope' did not match any files")
end)

test("what git says is said", function()
  test.contains(test.raises(502, function() ask { ref = "nope" } end).text, "couldn't find remote ref nope")
end)

test("programs are not repositories", function()
  test.contains(test.raises(400, function() ask { repository = "ext::sh -c x" } end).text, "expected a URL")
end)

test("credentials are looked up for the repository's address", function()
  local answer = plugin:call("GetIdentity", { type = { type = "GitInput/v1", repository = "https://example.org:8443/acme/project.git" } })
  test.equal(answer.identity, { type = "Git", scheme = "https", hostname = "example.org", port = "8443", path = "acme/project.git" })
end)
