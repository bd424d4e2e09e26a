-- The table of contracts: it says what the protocol says, and fits together.
-- luacheck: globals TestContract
local unit = require "luaunit"
local contract = require "ocm.contract"
local shapes = require "ocm.shape"
local check = require "ocm.check"

-- The protocol's section 4: capability, its method, HTTP method, path, whether it reads credentials, request, answer.
-- A request: its fields, those that may be absent with "?"; `name:` before it: where the typed spec is.
local protocol = [[
componentVersionRepository | GetComponentVersion       | GET  | /component-version/download     | creds | name version                                       | Descriptor
componentVersionRepository | ListComponentVersions     | GET  | /component-versions             | creds | name                                               | [string]
componentVersionRepository | GetLocalResource          | GET  | /local-resource/download        | creds | identity? name version                             | LocalResource
componentVersionRepository | GetLocalSource            | GET  | /local-source/download          | creds | identity? name version                             | LocalSource
componentVersionRepository | AddComponentVersion       | POST | /component-version/upload       | creds | repository: descriptor repository                  | nothing
componentVersionRepository | AddLocalResource          | POST | /local-resource/upload          | creds | repository: name repository resource resourceLocation version | Resource
componentVersionRepository | AddLocalSource            | POST | /local-source/upload            | creds | repository: name repository source sourceLocation version     | Source
componentVersionRepository | CheckHealth               | POST | /component-version/check-health | creds | repository: repository                             | nothing
componentVersionRepository | GetIdentity               | POST | /identity                       | -     | type: type                                         | IdentityAnswer
componentLister            | ListComponents            | POST | /components/list                | creds | repository: last? repository                       | Components
componentLister            | GetIdentity               | POST | /identity                       | -     | type: type                                         | IdentityAnswer
credentialRepository       | ConsumerIdentityForConfig | POST | /consumer-identity              | -     | config: config                                     | Identity
credentialRepository       | Resolve                   | POST | /resolve                        | creds | config: config identity                            | Spec
credentialPlugin           | GetConsumerIdentity       | POST | /consumer-identity              | -     | credential: credential                             | Identity
credentialPlugin           | Resolve                   | POST | /resolve                        | creds | identity                                           | Spec
digestProcessorRepository  | ProcessResourceDigest     | POST | /resource/digest/process        | creds | resource                                           | DigestAnswer
digestProcessorRepository  | GetIdentity               | POST | /identity                       | -     | type: type                                         | IdentityAnswer
inputRepository            | ProcessResource           | POST | /resource/process               | creds | resource                                           | LocalResource
inputRepository            | ProcessSource             | POST | /source/process                 | creds | source                                             | LocalSource
inputRepository            | GetIdentity               | POST | /identity                       | -     | type: type                                         | IdentityAnswer
resourceRepository         | GetGlobalResource         | POST | /resource/get                   | creds | resource                                           | LocationAnswer
resourceRepository         | AddGlobalResource         | POST | /resource/add                   | creds | resource resourceLocation                          | ResourceAnswer
resourceRepository         | GetIdentity               | POST | /identity                       | -     | type: type                                         | IdentityAnswer
blobTransformer            | TransformBlob             | POST | /blob/transform                 | creds | specification: location specification              | LocationAnswer
blobTransformer            | GetIdentity               | POST | /identity                       | -     | type: type                                         | IdentityAnswer
signingHandler             | GetSignerIdentity         | POST | /sign/identity                  | -     | config: config digest name?                        | IdentityAnswer
signingHandler             | Sign                      | POST | /sign                           | creds | config: config digest                              | SignatureAnswer
signingHandler             | GetVerifierIdentity       | POST | /verify/identity                | -     | config: config signature                           | IdentityAnswer
signingHandler             | Verify                    | POST | /verify                         | creds | config: config signature                           | done
]]

local lists = [[
componentVersionRepository types=supportedRepositorySpecTypes
componentLister types=supportedRepositorySpecTypes
credentialRepository credentialTypes=customCredentialTypes identityTypes=supportedConsumerIdentityTypes types=supportedCredentialRepositorySpecTypes
credentialPlugin types=supportedCredentialPluginTypes
digestProcessorRepository types=supportedAccessTypes
inputRepository types=supportedInputTypes
resourceRepository types=supportedAccessTypes
blobTransformer types=supportedTransformerSpecTypes
signingHandler types=supportedSigningSpecTypes
]]

local function fields(shape)
  local names = {}
  for name, kind in pairs(shape) do names[#names + 1] = kind:sub(-1) == "?" and name .. "?" or name end
  table.sort(names)
  return table.concat(names, " ")
end

local function each_method()
  return coroutine.wrap(function()
    for _, capability in ipairs(contract) do
      for _, method in ipairs(capability.methods) do coroutine.yield(capability, method) end
    end
  end)
end

TestContract = {}

function TestContract.test_every_endpoint_is_the_protocols()
  local ours = {}
  for capability, method in each_method() do
    ours[#ours + 1] = table.concat({
      capability.name, method.name, method.http, method.path, method.credentials and "creds" or "-",
      (method.spec and method.spec .. ": " or "") .. fields(method.request or method.query), method.answer,
    }, " | ")
  end
  local theirs = protocol:gsub("[ \t]+|", " |"):gsub("|[ \t]+", "| ")
  unit.assertEquals(table.concat(ours, "\n") .. "\n", theirs)
end

function TestContract.test_every_list_is_the_protocols()
  local ours = {}
  for i, capability in ipairs(contract) do
    local parts = {}
    for field, list in pairs(capability.lists) do parts[#parts + 1] = field .. "=" .. list end
    table.sort(parts)
    ours[i] = capability.name .. " " .. table.concat(parts, " ")
  end
  unit.assertEquals(table.concat(ours, "\n") .. "\n", lists)
end

function TestContract.test_there_are_nine()
  unit.assertEquals(#contract, 9)
end

function TestContract.test_names_and_places_are_unique_within_a_capability()
  for _, capability in ipairs(contract) do
    local seen = {}
    for _, method in ipairs(capability.methods) do
      local place = method.http .. " " .. method.path
      unit.assertNil(seen[method.name], capability.name .. "." .. method.name)
      unit.assertNil(seen[place], capability.name .. " " .. place)
      seen[method.name], seen[place] = true, true
    end
  end
end

-- Else a declaration could not tell a method from a list of types.
function TestContract.test_methods_and_lists_do_not_share_names()
  for capability, method in each_method() do unit.assertNil(capability.lists[method.name]) end
end

function TestContract.test_every_shape_resolves()
  for capability, method in each_method() do
    local where = capability.name .. "." .. method.name
    for name, shape in pairs(method.request or method.query) do
      unit.assertTrue(pcall(check.compile, (shape:gsub("%?$", ""))), where .. "." .. name)
    end
    if method.answer ~= "nothing" and method.answer ~= "done" then unit.assertTrue(pcall(check.compile, method.answer), where) end
  end
  for name in pairs(shapes) do unit.assertTrue(pcall(check.compile, name), name) end
  unit.assertErrorMsgContains("unknown shape Nonsense", check.compile, "Nonsense")
end

function TestContract.test_gets_have_a_query_and_posts_a_body()
  for capability, method in each_method() do
    local where = capability.name .. "." .. method.name
    unit.assertEquals(method.http == "GET", method.query ~= nil, where)
    unit.assertEquals(method.http == "POST", method.request ~= nil, where)
    if method.spec then unit.assertEquals(method.request[method.spec], "Spec", where) end
    if method.remember then unit.assertNotNil(method.spec, where) end
  end
end

-- Where requests do not carry the spec, those of the same capability that do are remembered for them.
function TestContract.test_specs_are_remembered_where_other_requests_need_them()
  for capability, method in each_method() do
    local where = capability.name .. "." .. method.name
    local kind = ({ componentVersionRepository = "repository", credentialPlugin = "credential" })[capability.name]
    unit.assertEquals(method.remember and method.remember.one, method.spec and kind, where)
    unit.assertEquals(method.recall and method.recall.one, not method.spec and kind or nil, where)
  end
end

function TestContract.test_what_may_be_left_out()
  for capability, method in each_method() do
    local may = method.name == "GetIdentity" or method.name == "CheckHealth"
    unit.assertEquals(method.default ~= nil, may, capability.name .. "." .. method.name)
  end
end
