"""The plugins that the CLI tests run, one for each capability that the CLI reaches. `record` and `ocm` are at hand, see reference.py."""

# Text becomes a blob. `meet` waits until that many are under way at once.
INPUT = """
local under_way = 0

local function blob(input)
  under_way = under_way + 1
  local deadline = os.time() + 60
  while under_way < (input.meet or 0) and os.time() < deadline do ocm.sleep(0.01) end
  local text = input.meet and under_way < input.meet and "alone" or input.text
  return { value = ocm.tempfile():write(text), mediaType = input.mediaType }
end

return record.plugin {
  inputRepository = {
    types = {
      ["Text/v1"] = { aliases = { "Text" }, schema = ocm.schema { text = "string", mediaType = "string?", meet = "integer?" } },
    },
    ProcessResource = function(request) return { resource = request.resource, location = blob(request.resource.input) } end,
    ProcessSource = function(request) return { source = request.source, location = blob(request.source.input) } end,
  },
}
"""

DIGEST = """
return record.plugin {
  digestProcessorRepository = {
    types = { "File/v1" },
    ProcessResourceDigest = function(request)
      local resource = request.resource
      resource.digest = { hashAlgorithm = "SHA-256", normalisationAlgorithm = "genericBlobDigest/v1", value = resource.access.digest }
      return { resource = resource }
    end,
  },
}
"""

RESOURCE = """
return record.plugin {
  resourceRepository = {
    types = { "File/v1" },
    GetGlobalResource = function(request)
      local access = request.resource.access
      return { location = { value = access.path, mediaType = access.mediaType } }
    end,
  },
}
"""

# A folder with <component, its slashes as dots>-<version>.json, and blobs under their resource's name.
REPOSITORY = """
local function find(request, name)
  for _, repository in ipairs(request.repositories) do
    local path = repository.path .. "/" .. name
    local file = io.open(path)
    if file then
      local text <const> = file:read "a"
      file:close()
      return text, path
    end
  end
  ocm.fail(404, "no %s in %d repositories", name, #request.repositories)
end

local function version(request)
  local name = request.name:gsub("/", ".")
  return ocm.json.decode((find(request, ("%s-%s.json"):format(name, request.version))))
end

return record.plugin {
  componentVersionRepository = {
    types = { ["Folder/v1"] = { schema = ocm.schema { path = "string" } } },
    GetComponentVersion = version,
    GetLocalResource = function(request)
      local component = version(request).component
      for _, resource in ipairs(component.resources) do
        if resource.name == request.identity.name then
          local _, path = find(request, resource.name)
          return { location = path, resource = resource }
        end
      end
    end,
  },
}
"""

# Its signature is the digest, and it takes no other.
SIGNING = """
return record.plugin {
  signingHandler = {
    types = { "Plain/v1" },
    Sign = function(request) return { signature = { algorithm = "plain", value = request.digest.value, mediaType = "text/plain" } } end,
    Verify = function(request)
      if request.signature.signature.value ~= request.signature.digest.value then ocm.fail(422, "this is not the digest") end
      return {}
    end,
  },
}
"""
