--- What becomes of blobs and filters; run it with 'ocmlua test'.

local ocm = require "ocm"
local test = require "ocm.test"

local plugin

test.before(function()
  if not pcall(ocm.exec, { "jq", "--version" }) then test.skip "jq is not installed" end
  plugin = test.load "jq-transformer"
end)

local function transform(blob, spec)
  spec.type = "JQTransformer/v1"
  local location = plugin:call("TransformBlob", { location = blob, specification = spec }).location
  return plugin:blob(location), location.mediaType
end

local release = test.blob('{"name": "web", "image": {"tag": "1.10"}, "ports": []}', "application/json")

test("a filter chooses", function()
  local text, media_type = transform(release, { filter = ".image", compact = true })
  test.equal(text, '{"tag":"1.10"}\n')
  test.equal(media_type, "application/json")
end)

test("arguments are strings of the filter, whatever is in them", function()
  test.equal(transform(release, { filter = ".name = $name | .name", arguments = { name = '"; input' }, raw = true }), '"; input\n')
end)

test("JSON becomes YAML, and YAML JSON, in its order and with its types", function()
  local ok, yq = pcall(ocm.exec, { "yq", "--version" })
  if not ok or yq.stdout:find "mikefarah" then test.skip "yq is not installed, or the other program of that name is" end
  local yaml, media_type = transform(release, { filter = ".", output = "yaml" })
  test.equal(yaml, "name: web\nimage:\n  tag: '1.10'\nports: []\n")
  test.equal(media_type, "application/yaml")
  test.equal(transform(test.blob(yaml, media_type), { filter = ".", output = "json", compact = true }), '{"name":"web","image":{"tag":"1.10"},"ports":[]}\n')
end)

test("what is wrong with a filter is said in jq's words", function()
  test.raises("400 jq: exit status 3: .*line 2 of the filter", function() transform(release, { filter = ".a\n| .b.." }) end)
  test.raises('400 jq: exit status 5: .*Cannot index string with string "x"', function() transform(release, { filter = ".name.x" }) end)
end)

test("a filter without an end is ended", function()
  test.raises("400 timed out after 0.2 s", function() transform(release, { filter = "def f: f; f", timeout = 0.2 }) end)
end)
