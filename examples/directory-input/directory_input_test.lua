--- What becomes of directories and files; run it with 'ocmlua test'.

local test = require "ocm.test"

local plugin, folder

test.before(function()
  plugin, folder = test.load "directory-input", test.folder()
end)

local function ask(spec)
  spec.type = "DirectoryInput/v1"
  return plugin:call("ProcessResource", { resource = { name = "it", version = "1.0.0", type = "blob", input = spec } })
end

test("a file is taken as it is, with a media type by its extension", function()
  local answer = ask { path = test.write(folder .. "/data.json", "{}") }
  test.equal(plugin:blob(answer.location), "{}")
  test.equal(answer.location.mediaType, "application/json")
  test.equal(answer.resource.name, "it")
end)

test("a directory becomes an archive of what the globs choose", function()
  test.write(folder .. "/docs/guide.md", "# Guide\n")
  test.write(folder .. "/docs/draft.txt", "not yet\n")
  local answer = ask { path = folder, exclude = { "*.txt" } }
  test.equal(answer.location.mediaType, "application/x-tar")
  local archive = plugin:blob(answer)
  test.contains(archive, "docs/guide.md")
  test.falsy(archive:find("draft.txt", 1, true), "what is excluded")
end)

test("a path that is not there is said", function()
  local refusal = test.raises(404, function() ask { path = folder .. "/nope" } end)
  test.contains(refusal.text, "there is no such file or directory")
end)

test("sources are taken like resources", function()
  local path = test.write(folder .. "/notes.md", "notes")
  local answer = plugin:call("ProcessSource", { source = { name = "it", version = "1.0.0", type = "text", input = { type = "DirectoryInput", path = path } } })
  test.equal(plugin:blob(answer.location), "notes")
end)
