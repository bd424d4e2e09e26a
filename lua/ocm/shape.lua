--- The shapes of what goes over the wire, as data: the elements of a component descriptor v2 and the contracts' answers.
--
-- A shape is a name: string, integer, boolean, object (any), any, Identity, Location, EncodedIdentity, IdentityAnswer (see ocm.check), or one of these;
-- "[X]" is an array of X; "X?" may be absent or null.

return {
  Spec = { type = "string" },
  Label = { name = "string", value = "any?", version = "string?", signing = "boolean?" },
  Digest = { hashAlgorithm = "string", normalisationAlgorithm = "string", value = "string" },
  SourceRef = { identitySelector = "Identity?", labels = "[Label]?" },
  Resource = {
    name = "string", version = "string?", type = "string", relation = "string?", labels = "[Label]?", extraIdentity = "Identity?",
    srcRefs = "[SourceRef]?", access = "Spec?", digest = "Digest?",
  },
  DigestedResource = {
    name = "string", version = "string?", type = "string", relation = "string?", labels = "[Label]?", extraIdentity = "Identity?",
    srcRefs = "[SourceRef]?", access = "Spec?", digest = "Digest",
  },
  Source = { name = "string", version = "string?", type = "string", labels = "[Label]?", extraIdentity = "Identity?", access = "Spec?" },
  Reference = {
    name = "string", version = "string", componentName = "string", labels = "[Label]?", extraIdentity = "Identity?", digest = "Digest?",
  },
  Component = {
    name = "string", version = "string", provider = "string?", creationTime = "string?", labels = "[Label]?", repositoryContexts = "[Spec]?",
    resources = "[Resource]?", sources = "[Source]?", componentReferences = "[Reference]?",
  },
  SignatureInfo = { algorithm = "string", value = "string", mediaType = "string", issuer = "string?" },
  Signature = { name = "string", digest = "Digest", signature = "SignatureInfo" },
  ResourceDigest = { name = "string", version = "string", extraIdentity = "Identity?", digest = "Digest?" },
  NestedDigest = { name = "string", version = "string", digest = "Digest?", resourceDigests = "[ResourceDigest]?" },
  Descriptor = { meta = "Meta", component = "Component", signatures = "[Signature]?", nestedDigests = "[NestedDigest]?" },
  Meta = { schemaVersion = "string" },
  Header = { last = "string" },

  LocalResource = { location = "Location", resource = "Resource" },
  LocalSource = { location = "Location", source = "Source" },
  Components = { list = "[string]", header = "Header?" },
  ResourceAnswer = { resource = "Resource" },
  DigestAnswer = { resource = "DigestedResource" },
  LocationAnswer = { location = "Location" },
  SignatureAnswer = { signature = "SignatureInfo" },
}
