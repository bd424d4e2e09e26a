--- What becomes of archives; run it with 'ocmlua test'.

local ocm = require "ocm"
local test = require "ocm.test"

local plugin, folder

test.before(function()
  plugin, folder = test.load "archive-transformer", test.folder()
  test.write(folder .. "/site/css/style.css", "h1 { color: teal }\n")
  ocm.pipe(ocm.tar(folder .. "/site"), ocm.gzip(), folder .. "/site.tgz")
end)

local function transform(path, spec)
  spec.type = "ArchiveTransformer/v1"
  return plugin:call("TransformBlob", { location = { type = "localFile", value = path }, specification = spec }).location
end

test("a tar becomes a zip, and a tar again", function()
  local zip = transform(folder .. "/site.tgz", { to = "zip" })
  test.equal(zip.mediaType, "application/zip")
  test.match(plugin:blob(zip), "^PK\3\4")
  local tar = transform(zip.value, { to = "tar.zst" })
  test.equal(tar.mediaType, "application/x-tar+zstd")
  ocm.pipe(tar, ocm.unzstd(), ocm.untar(folder .. "/copy"))
  test.equal(test.read(folder .. "/copy/css/style.css"), "h1 { color: teal }\n")
end)

test("compression alone leaves the bytes as they are", function()
  local text = test.blob(("text "):rep(1000))
  local compressed = transform(text.value, { to = "xz" })
  test.truthy(#plugin:blob(compressed) < 200)
  test.equal(plugin:blob(transform(compressed.value, { to = "none" })), ("text "):rep(1000))
end)

test("what is no archive is said", function()
  local refusal = test.raises(400, function() transform(test.blob("hello").value, { to = "zip" }) end)
  test.contains(refusal.text, "neither a tar, compressed or not, nor a zip")
end)

test("a bomb ends at the limit", function()
  test.raises("more than 1,000 bytes", function() transform(folder .. "/site.tgz", { to = "zip", maxBytes = 1000 }) end)
end)
