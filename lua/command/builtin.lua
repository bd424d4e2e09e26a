--- What the ocm CLI has itself, and what it does with plugins, as data.
--
-- `types`: capability -> the spec types, aliases included, that the CLI has built in and never asks a plugin for, as `ocm describe types`
-- lists them. `flows`: a command of the CLI -> the capabilities whose plugins it may start; a capability in none of them is not reached by the CLI.

local function set(...)
  local names = {}
  for _, name in ipairs { ... } do names[name] = true end
  return names
end

local repositories = set("CommonTransportFormat/v1", "CommonTransportFormat", "CTF", "CTF/v1", "ctf", "ctf/v1",
  "OCIRepository/v1", "OCIRepository", "OCI", "OCI/v1", "oci", "oci/v1")

local accesses = set("GitHub/v1", "GitHub", "gitHub", "gitHub/v1", "github", "github/v1", "Helm/v1", "Helm", "helm", "helm/v1",
  "OCIImage/v1", "OCIImage", "ociArtifact", "ociArtifact/v1", "ociImage", "ociImage/v1", "ociRegistry", "ociRegistry/v1",
  "OCIImageLayer/v1", "OCIImageLayer", "ociBlob", "ociBlob/v1", "Wget/v1", "Wget", "wget", "wget/v1")

local builtin = {
  types = {
    componentVersionRepository = repositories,
    componentLister = repositories,
    digestProcessorRepository = accesses,
    resourceRepository = accesses,
    inputRepository = set("Dir/v1", "Dir", "dir", "dir/v1", "File/v1", "File", "file", "file/v1", "Helm/v1", "Helm", "helm", "helm/v1",
      "UTF8/v1", "UTF8", "utf8", "utf8/v1", "Wget/v1", "Wget", "wget", "wget/v1"),
    signingHandler = set("GPGSigningConfiguration", "GPGSigningConfiguration/v1alpha1", "RSASigningConfiguration", "RSASigningConfiguration/v1alpha1",
      "SigstoreSigningConfiguration", "SigstoreSigningConfiguration/v1alpha1",
      "SigstoreVerificationConfiguration", "SigstoreVerificationConfiguration/v1alpha1"),
    credentialRepository = set("DockerConfig/v1", "DockerConfig"),
    credentialPlugin = set("OIDCIdentityToken", "OIDCIdentityToken/v1alpha1"),
  },
  flows = {
    { command = "ocm add cv", capabilities = { "inputRepository", "digestProcessorRepository", "componentVersionRepository" } },
    { command = "ocm download resource", capabilities = { "resourceRepository" } },
    { command = "ocm get cv", capabilities = { "componentVersionRepository" } },
    { command = "ocm transfer cv", capabilities = { "componentVersionRepository" } },
    { command = "ocm sign cv", capabilities = { "signingHandler" } },
    { command = "ocm verify cv", capabilities = { "signingHandler" } },
  },
}

--- Whether any command of the CLI calls plugins with this capability.
function builtin.reaches(capability)
  for _, flow in ipairs(builtin.flows) do
    for _, name in ipairs(flow.capabilities) do
      if name == capability then return true end
    end
  end
  return false
end

return builtin
