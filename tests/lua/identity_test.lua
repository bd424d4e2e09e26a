-- ocm.identity_of: what a URL leads to, as ParseURLToIdentity of OCM's Go library says it, but for slashes at the end and hosts that are no plain ones.
-- luacheck: globals TestIdentity
local unit = require "luaunit"
local ocm = require "ocm"

TestIdentity = {}

function TestIdentity.test_what_is_in_the_url_is_in_the_identity()
  for url, expected in pairs {
    ["https://example.org"] = { scheme = "https", hostname = "example.org" },
    ["https://example.org:8443/npm/private"] = { scheme = "https", hostname = "example.org", port = "8443", path = "npm/private" },
    ["HTTP://127.0.0.1:5000"] = { scheme = "http", hostname = "127.0.0.1", port = "5000" },
    ["ghcr.io/acme"] = { hostname = "ghcr.io", path = "acme" },
    ["localhost:5000"] = { hostname = "localhost", port = "5000" },
    ["https://[::1]:5000/x"] = { scheme = "https", hostname = "::1", port = "5000", path = "x" },
    ["file:///srv/git/it.git"] = { scheme = "file", path = "srv/git/it.git" },
    ["ssh://git@example.org/it.git"] = { scheme = "ssh", hostname = "example.org", path = "it.git" },
    ["https://example.org/a%20b/%2e"] = { scheme = "https", hostname = "example.org", path = "a b/." },
  } do
    expected.type = "Shop"
    unit.assertEquals(ocm.identity_of(url, "Shop"), expected, url)
  end
end

function TestIdentity.test_what_leads_to_the_same_place_has_the_same_identity()
  for _, end_of_it in ipairs { "/", "//", "?page=2", "#top", "/?a=/b", "/#/b" } do
    unit.assertEquals(ocm.identity_of("https://example.org" .. end_of_it, "Shop"), ocm.identity_of("https://example.org", "Shop"), end_of_it)
  end
  unit.assertEquals(ocm.identity_of("https://example.org/npm/", "Shop").path, "npm")
end

function TestIdentity.test_a_user_and_password_are_not_in_it()
  unit.assertEquals(ocm.identity_of("https://me:hunter2@example.org/x", "Shop"), { type = "Shop", scheme = "https", hostname = "example.org", path = "x" })
end

--- Credentials for one host must not go to another.
function TestIdentity.test_a_host_that_can_be_read_in_two_ways_is_refused()
  for _, url in ipairs {
    "https://evil.org\\@example.org/", "https://a@evil.org@example.org/", "https://evil.org%2f@x:example.org/", "https://example%2eorg/",
    "https://example.org:80a/", "https://exa mple.org/", "https://example.org\0.evil.org/", "https://[::1/", "https://[example.org]/",
    "git@example.org:acme/it.git", "https://example.org/a b", "https://example.org/\r\nx", "https://bücher.example/",
    "https:///evil.org/x", "http:/evil.org/x", "/evil.org", "https://", "",
  } do
    local ok, message = pcall(ocm.identity_of, url, "Shop")
    unit.assertFalse(ok, url)
    unit.assertStrContains(message, "ocm.identity_of: that is not a URL with a plain host name and port")
    if url ~= "" then unit.assertNotStrContains(message, url) end
  end
  for _, no_url in ipairs { 5, ocm.json.null, {} } do
    unit.assertErrorMsgContains("ocm.identity_of: that is not a URL", ocm.identity_of, no_url, "Shop")
  end
  unit.assertErrorMsgContains("ocm.identity_of: that is not a URL", ocm.identity_of, nil, "Shop")
end

---- filling in texts ----

function TestIdentity.test_placeholders_are_filled_in()
  local identity = { type = "OCIRegistry", hostname = "quay.io", port = "443", path = "acme/app", ["os.version"] = "11" }
  for template, expected in pairs {
    ["registries/{hostname}"] = "registries/quay.io", ["{hostname}:{port}/{path}"] = "quay.io:443/acme/app", ["{os.version}"] = "11",
    ["no place"] = "no place", ["{}"] = "{}", ["{a b}"] = "{a b}", ["%1{port}%"] = "%1443%",
  } do
    unit.assertEquals(ocm.expand(template, identity), expected)
  end
end

local function refused(template, identity)
  local ok, failure = pcall(ocm.expand, template, identity)
  unit.assertFalse(ok)
  unit.assertEquals(failure.status, 400)
  return failure.text
end

function TestIdentity.test_value_that_could_lead_elsewhere_is_refused()
  for _, hostname in ipairs { "-rf", "a/b", "..", ".", "a\nb", "a\0b" } do
    unit.assertStrContains(refused("{hostname}", { hostname = hostname }), "the consumer's hostname is ")
  end
  for _, path in ipairs { "/etc", "a//b", "a/../b", "a/.", "-a", "a/" } do
    unit.assertStrContains(refused("x/{path}", { path = path }), "which is no plain name")
  end
end

function TestIdentity.test_attribute_that_is_not_there_is_said()
  unit.assertEquals(refused("{port}", { type = "T" }), '"{port}": the consumer\'s identity has no port: {"type":"T"}')
  unit.assertStrContains(refused("{port}", { port = "" }), "has no port")
end
