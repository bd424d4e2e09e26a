-- ocm.descriptor: which element an identity means, and what a local blob is.
-- luacheck: globals TestDescriptor
local unit = require "luaunit"
local ocm = require "ocm"

TestDescriptor = {}

local null = ocm.json.null
local linux = { name = "tool", version = "1.0.0", extraIdentity = { os = "linux", architecture = "amd64" } }
local darwin = { name = "tool", version = "1.0.0", extraIdentity = { os = "darwin", architecture = "amd64" } }
local plain = { name = "tool", version = "2.0.0", extraIdentity = null }
local chart = { name = "chart", version = "1.0.0" }
local whole = { component = { name = "acme.org/it", version = "3.0.0", resources = { linux, darwin, plain, chart }, sources = null } }

function TestDescriptor.test_element_is_found_by_any_part_of_its_identity_that_fits_no_other()
  for element, identity in pairs {
    [linux] = { name = "tool", os = "linux" }, [darwin] = { os = "darwin" }, [plain] = { version = "2.0.0" }, [chart] = { name = "chart" },
  } do
    unit.assertIs(ocm.descriptor.find(whole, "resource", identity), element)
  end
end

function TestDescriptor.test_element_that_is_described_in_full_goes_before_those_that_have_more()
  local bare = { name = "tool", version = "1.0.0" }
  local with = { component = { name = "acme.org/it", version = "3.0.0", resources = { linux, bare, darwin } } }
  unit.assertIs(ocm.descriptor.find(with, "resource", { name = "tool", version = "1.0.0" }), bare)
end

local function refused(...)
  local ok, failure = pcall(ocm.descriptor.find, ...)
  unit.assertFalse(ok)
  return failure.status, failure.text
end

function TestDescriptor.test_none_and_several_end_the_request_with_what_was_looked_for()
  local status, text = refused(whole, "resource", { name = "nope" })
  unit.assertEquals({ status, text }, { 404, 'acme.org/it 3.0.0 has no resource with identity {"name":"nope"}' })
  status, text = refused(whole, "resource", { name = "tool" })
  unit.assertEquals({ status, text }, { 400, 'acme.org/it 3.0.0 has 3 resources with identity {"name":"tool"}: say more of it' })
  for _, identity in ipairs { {}, null } do
    unit.assertEquals(refused(whole, "source", identity), 404)
    unit.assertEquals(refused(whole, "resource", identity), 400)
  end
  unit.assertIs(ocm.descriptor.find({ component = { resources = { chart } } }, "resource", nil), chart)
end

function TestDescriptor.test_local_blobs_are_known_by_their_type()
  for _, name in ipairs { "localBlob", "localBlob/v1", "LocalBlob", "LocalBlob/v1" } do
    unit.assertTrue(ocm.descriptor.is_local_blob { type = name })
  end
  for _, other in ipairs { { type = "localBlobs/v1" }, { type = "ociArtifact/v1" }, { type = null }, {}, null, "localBlob" } do
    unit.assertFalse(ocm.descriptor.is_local_blob(other))
  end
  unit.assertFalse(ocm.descriptor.is_local_blob(nil))
end
