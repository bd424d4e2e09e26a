---@meta
-- The plugin protocol's nine contracts: what a declaration (ocm.Declaration) holds, what handlers get and what they answer. Names are
-- the protocol's own. (The same contracts as data: lua/ocm/contract.lua, the shapes: lua/ocm/shape.lua.)
--
-- A handler is called as (request, credentials) and returns its answer. What holds for all of them:
-- * The request is checked first; what does not fit is a 400 that names the field. At its top level, an optional field that is null is
--   absent. Deeper, null stays `ocm.json.null`, so that specs, labels and identities survive a round trip. Unknown fields pass.
-- * The manager checks specs against the schemas of their types before it sends them. The access of ProcessResourceDigest, with which it
--   does not, is checked here: what does not fit is a 400.
-- * `credentials` is the decoded Authorization header, nil where there are none (no header, `{}`, `null`). One that is not a JSON
--   object is a 401 before the handler is called. The methods that are given no credentials are called as (request).
-- * The answer is checked: a field that is missing or of another type is a 500 naming capability, method and field, and is logged. An
--   empty table where an array belongs is written `[]`. A path or a tempfile stands for its Location.
-- * `return nil, message` is a 500 with that message. `return false` is a 500. A raised error is a 500 with its text, and its
--   traceback is logged. `ocm.fail` answers with a status and a text of its own.
-- * Where the answer is nothing, returning nothing is success: report a failure with `nil, message` or `ocm.fail`.
-- * A method that is left out is a 501 that names it, but for GetIdentity and CheckHealth, which have a default.

---- elements (component descriptor v2, and section 4 of the protocol) ----

--- A typed specification: any JSON object with a `type` ("Name" or "Name/v1"). Its other members are the type's own.
---@class ocm.Spec
---@field type string
---@field [string] any

--- Attributes that credentials are looked up by: an object of strings.
---@alias ocm.Identity table<string, string>

--- Decoded credentials, as the manager sends them. They are secrets: not for logs or error texts, where what they hold reads "***". Members whose
--- name ends in `File` or `_file` are left as they are: those are paths, and an error has to say which file it is about.
---
---     local user = credentials and credentials.properties and credentials.properties.username
---@class ocm.Credentials: ocm.Spec
---@field type? string such as "DirectCredentials/v1"
---@field properties? table<string, string> of DirectCredentials

--- Where bytes are. In an answer a string (a path) or a tempfile will do instead; relative paths are taken from the working directory.
---@class ocm.Location
---@field type? "localFile"|"unixNamedPipe"|"remoteURL" localFile when an answer leaves it out; today's manager reads only that one
---@field value string|ocm.Tempfile absolute path or URL; a tempfile is for answers
---@field mediaType? string

--- What an answer takes for a Location.
---@alias ocm.AnyLocation string|ocm.Tempfile|ocm.Location

---@class ocm.Label
---@field name string
---@field value? any any JSON value; it survives unchanged
---@field version? string
---@field signing? boolean

--- Normalisation and digest of a component version or resource.
---@class ocm.Digest
---@field hashAlgorithm string such as "SHA-256"
---@field normalisationAlgorithm string such as "genericBlobDigest/v1"
---@field value string lower-case hexadecimal

---@class ocm.SourceRef
---@field identitySelector? ocm.Identity
---@field labels? ocm.Label[]

---@class ocm.Resource
---@field name string
---@field version? string
---@field type string
---@field relation? "local"|"external"|string
---@field labels? ocm.Label[]
---@field extraIdentity? ocm.Identity
---@field srcRefs? ocm.SourceRef[]
---@field access? ocm.Spec
---@field digest? ocm.Digest
---@field input? ocm.Spec only in requests of an inputRepository

---@class ocm.DigestedResource: ocm.Resource
---@field digest ocm.Digest

---@class ocm.Source
---@field name string
---@field version? string
---@field type string
---@field labels? ocm.Label[]
---@field extraIdentity? ocm.Identity
---@field access? ocm.Spec
---@field input? ocm.Spec only in requests of an inputRepository

---@class ocm.Reference
---@field name string
---@field version string
---@field componentName string
---@field labels? ocm.Label[]
---@field extraIdentity? ocm.Identity
---@field digest? ocm.Digest

---@class ocm.Component
---@field name string
---@field version string
---@field provider? string
---@field creationTime? string RFC 3339
---@field labels? ocm.Label[]
---@field repositoryContexts? ocm.Spec[]
---@field resources? ocm.Resource[]
---@field sources? ocm.Source[]
---@field componentReferences? ocm.Reference[]

---@class ocm.SignatureInfo
---@field algorithm string
---@field value string
---@field mediaType string
---@field issuer? string

---@class ocm.Signature
---@field name string
---@field digest ocm.Digest
---@field signature ocm.SignatureInfo

---@class ocm.ResourceDigest
---@field name string
---@field version string
---@field extraIdentity? ocm.Identity
---@field digest? ocm.Digest

---@class ocm.NestedDigest
---@field name string
---@field version string
---@field digest? ocm.Digest
---@field resourceDigests? ocm.ResourceDigest[]

--- A component descriptor v2.
---@class ocm.Descriptor
---@field meta { schemaVersion: string } `{ schemaVersion = "v2" }`
---@field component ocm.Component
---@field signatures? ocm.Signature[]
---@field nestedDigests? ocm.NestedDigest[]

---- types and /identity ----

---@class ocm.TypeEntry
---@field aliases? string[] further names. Each gets an entry with the same schema, since the manager looks for a spec's exact type; those of credentialTypes are left to the manager
---@field schema? table|string JSON Schema (drafts up to 2020-12), as a table, a JSON text, or from ocm.schema; any object when left out. The manager checks specs against it
---@field example? ocm.Spec a spec that fits the schema: `ocmlua check` tries it. The plugin manager does not see it

--- Spec types: `{ "MyType/v1" }`, or `{ ["MyType/v1"] = { aliases = { "MyType" }, schema = ocm.schema {…} } }`. At least one.
---@alias ocm.Types string[]|table<string, ocm.TypeEntry>

---     { type = { type = "Files/v1", path = "/srv/components" } }
---@class ocm.IdentityRequest
---@field type ocm.Spec the whole spec, in spite of the field's name

--- Without an identity, or with an empty one, or one that has no `type`: the spec's type becomes the identity's.
---
---     { identity = { type = "Files/v1", hostname = "example.org" } }
---@class ocm.IdentityAnswer
---@field identity? ocm.Identity

--- POST /identity: which credentials a spec needs. Left out, or when it returns nothing: `{ identity = { type = <the spec's type> } }`.
---@alias ocm.GetIdentity fun(request: ocm.IdentityRequest): ocm.IdentityAnswer?, string?

---- componentVersionRepository ----

--- What every GET of a componentVersionRepository is given. The manager's GETs carry no spec: these are the ones seen in GetIdentity,
--- CheckHealth and the Add methods that succeeded (the latest 64). With several, try them in turn. Each request has copies of its own.
---
---     { name = "acme.org/app", repositories = { { type = "Files/v1", path = "/srv/components" } }, repository = { type = "Files/v1", path = "/srv/components" } }
---@class ocm.RepositoryQuery
---@field repository? ocm.Spec when exactly one was seen
---@field repositories ocm.Spec[] all, latest first; empty when none was seen

---     { name = "acme.org/app" }
---@class ocm.ListComponentVersionsRequest: ocm.RepositoryQuery
---@field name string

---     { name = "acme.org/app", version = "1.0.0" }
---@class ocm.GetComponentVersionRequest: ocm.RepositoryQuery
---@field name string
---@field version string

---     { name = "acme.org/app", version = "1.0.0", identity = { name = "app", version = "1.0.0" } }
---@class ocm.GetLocalRequest: ocm.RepositoryQuery
---@field name string
---@field version string
---@field identity? ocm.Identity decoded from base64 of JSON; what cannot be decoded is a 400

---     { repository = { type = "Files/v1", path = "/srv/components" },
---       descriptor = { meta = { schemaVersion = "v2" }, component = { name = "acme.org/app", version = "1.0.0", provider = "acme.org" } } }
---@class ocm.AddComponentVersionRequest
---@field repository ocm.Spec
---@field descriptor ocm.Descriptor

---     { repository = { type = "Files/v1", path = "/srv/components" }, name = "acme.org/app", version = "1.0.0",
---       resourceLocation = { type = "localFile", value = "/tmp/blob", mediaType = "text/plain" },
---       resource = { name = "app", version = "1.0.0", type = "blob", relation = "local", access = { type = "localBlob/v1", localReference = "sha256:…", mediaType = "text/plain" } } }
---@class ocm.AddLocalResourceRequest
---@field repository ocm.Spec
---@field name string the component's
---@field version string the component's
---@field resourceLocation ocm.Location the manager does not remove this file
---@field resource ocm.Resource

---     { repository = { type = "Files/v1", path = "/srv/components" }, name = "acme.org/app", version = "1.0.0",
---       sourceLocation = { type = "localFile", value = "/tmp/blob", mediaType = "text/plain" },
---       source = { name = "code", version = "1.0.0", type = "git", access = { type = "localBlob/v1", localReference = "sha256:…", mediaType = "application/x-tgz" } } }
---@class ocm.AddLocalSourceRequest
---@field repository ocm.Spec
---@field name string the component's
---@field version string the component's
---@field sourceLocation ocm.Location
---@field source ocm.Source

---     { repository = { type = "Files/v1", path = "/srv/components" } }
---@class ocm.CheckHealthRequest
---@field repository ocm.Spec

---     { location = ocm.tempfile():write "hello", resource = request.resource }
---@class ocm.LocalResourceAnswer
---@field location ocm.AnyLocation
---@field resource ocm.Resource

---     { location = { value = out, mediaType = "application/x-tgz" }, source = request.source }
---@class ocm.LocalSourceAnswer
---@field location ocm.AnyLocation
---@field source ocm.Source

---     componentVersionRepository = {
---       types = { "Files/v1" },
---       GetComponentVersion = function(request)
---         return ocm.json.decode((assert(ocm.fs.read(root .. "/" .. request.name .. "/" .. request.version .. ".json"))))
---       end,
---     }
---@class ocm.ComponentVersionRepository
---@field types ocm.Types repository specs
---@field GetComponentVersion? fun(request: ocm.GetComponentVersionRequest, credentials?: ocm.Credentials): ocm.Descriptor?, string? GET /component-version/download
---@field ListComponentVersions? fun(request: ocm.ListComponentVersionsRequest, credentials?: ocm.Credentials): string[]?, string? GET /component-versions
---@field GetLocalResource? fun(request: ocm.GetLocalRequest, credentials?: ocm.Credentials): ocm.LocalResourceAnswer?, string? GET /local-resource/download
---@field GetLocalSource? fun(request: ocm.GetLocalRequest, credentials?: ocm.Credentials): ocm.LocalSourceAnswer?, string? GET /local-source/download
---@field AddComponentVersion? fun(request: ocm.AddComponentVersionRequest, credentials?: ocm.Credentials): any, string? POST /component-version/upload; answers nothing
---@field AddLocalResource? fun(request: ocm.AddLocalResourceRequest, credentials?: ocm.Credentials): ocm.Resource?, string? POST /local-resource/upload
---@field AddLocalSource? fun(request: ocm.AddLocalSourceRequest, credentials?: ocm.Credentials): ocm.Source?, string? POST /local-source/upload
---@field CheckHealth? fun(request: ocm.CheckHealthRequest, credentials?: ocm.Credentials): any, string? POST /component-version/check-health; left out: healthy
---@field GetIdentity? ocm.GetIdentity

---- componentLister ----

---     { repository = { type = "Files/v1", path = "/srv/components" }, last = "acme.org/app" }
---@class ocm.ListComponentsRequest
---@field repository ocm.Spec
---@field last? string the last name of the page before; nil or "": the first page

---     { list = { "acme.org/app", "acme.org/base" }, header = { last = "acme.org/base" } }
---@class ocm.ComponentsAnswer
---@field list string[]
---@field header? { last: string } only when more pages follow: the last element of this one

---     componentLister = {
---       types = { "Files/v1" },
---       ListComponents = function(request) return { list = names_after(request.last) } end,
---     }
---@class ocm.ComponentLister
---@field types ocm.Types repository specs
---@field ListComponents? fun(request: ocm.ListComponentsRequest, credentials?: ocm.Credentials): ocm.ComponentsAnswer?, string? POST /components/list
---@field GetIdentity? ocm.GetIdentity

---- credentialRepository ----

---     { config = { type = "Vault/v1", host = "vault.example.org" } }
---@class ocm.ConsumerIdentityForConfigRequest
---@field config ocm.Spec

---     { config = { type = "Vault/v1", host = "vault.example.org" }, identity = { type = "OCIRegistry", hostname = "quay.io" } }
---@class ocm.RepositoryResolveRequest
---@field config ocm.Spec
---@field identity ocm.Identity whose credentials are wanted

---     credentialRepository = {
---       types = { "Vault/v1" }, identityTypes = { "Vault/v1" },
---       ConsumerIdentityForConfig = function(request) return { type = "Vault/v1", hostname = request.config.host } end,
---       Resolve = function(request, credentials) return { type = "Credentials/v1", properties = read(request.config, request.identity, credentials) } end,
---     }
---@class ocm.CredentialRepository
---@field types ocm.Types credential repository specs
---@field identityTypes? ocm.Types consumer identities. The manager finds the repository through these only, so declare them; two plugins with the same one break every command
---@field credentialTypes? ocm.Types what Resolve answers, where these are types of its own
---@field ConsumerIdentityForConfig? fun(request: ocm.ConsumerIdentityForConfigRequest): ocm.Identity?, string? POST /consumer-identity: whose credentials open the repository itself
---@field Resolve? fun(request: ocm.RepositoryResolveRequest, credentials?: ocm.Credentials): ocm.Credentials?, string? POST /resolve: with those; the answer has a `type`

---- credentialPlugin ----

---     { credential = { type = "Command/v1", name = "registry" } }
---@class ocm.GetConsumerIdentityRequest
---@field credential ocm.Spec

---     { identity = { type = "OCIRegistry", hostname = "quay.io" }, credential = { type = "Command/v1", name = "registry" },
---       credentialSpecs = { { type = "Command/v1", name = "registry" } } }
---@class ocm.PluginResolveRequest
---@field identity ocm.Identity whose credentials are wanted: that of the consumer in whose configuration a spec stands
---@field credential? ocm.Spec the request carries no spec: this is the one seen in GetConsumerIdentity, when exactly one was
---@field credentialSpecs ocm.Spec[] all that were seen (the latest 64), latest first; empty when none was. Which of several is meant is not told

---     credentialPlugin = {
---       types = { "Command/v1" },
---       GetConsumerIdentity = function(request) return { type = "Command/v1", name = request.credential.name } end,
---       Resolve = function(request)
---         if not request.credential then ocm.fail(400, "one spec was expected, not %d", #request.credentialSpecs) end
---         return { type = "Credentials/v1", properties = { password = ask(request.credential.name, request.identity.hostname) } }
---       end,
---     }
---@class ocm.CredentialPlugin
---@field types ocm.Types credential specs
---@field GetConsumerIdentity? fun(request: ocm.GetConsumerIdentityRequest): ocm.Identity?, string? POST /consumer-identity: whose credentials a spec needs itself. Its `type` has to be one of `types`
---@field Resolve? fun(request: ocm.PluginResolveRequest, credentials?: ocm.Credentials): ocm.Credentials?, string? POST /resolve: with those; the answer has a `type`

---- digestProcessorRepository ----

---     { resource = { name = "app", version = "1.0.0", type = "blob", input = { type = "Greeting/v1", name = "World" } } }
---@class ocm.ResourceRequest
---@field resource ocm.Resource

---     request.resource.digest = ocm.blob_digest(path, request.resource.digest)
---     return { resource = request.resource }
---@class ocm.DigestAnswer
---@field resource ocm.DigestedResource

---     digestProcessorRepository = {
---       types = { "File/v1" },
---       ProcessResourceDigest = function(request)
---         request.resource.digest = ocm.blob_digest(request.resource.access.path, request.resource.digest)
---         return { resource = request.resource }
---       end,
---     }
---@class ocm.DigestProcessorRepository
---@field types ocm.Types access specs
---@field ProcessResourceDigest? fun(request: ocm.ResourceRequest, credentials?: ocm.Credentials): ocm.DigestAnswer?, string? POST /resource/digest/process
---@field GetIdentity? ocm.GetIdentity

---- inputRepository ----

---     { source = { name = "code", version = "1.0.0", type = "git", input = { type = "Checkout/v1", url = "https://example.org/code" } } }
---@class ocm.SourceRequest
---@field source ocm.Source

---     inputRepository = {
---       types = { ["Greeting/v1"] = { schema = ocm.schema { name = "string" } } },
---       ProcessResource = function(request)
---         return { resource = request.resource, location = ocm.tempfile():write("hello ", request.resource.input.name) }
---       end,
---     }
---@class ocm.InputRepository
---@field types ocm.Types input specs
---@field ProcessResource? fun(request: ocm.ResourceRequest, credentials?: ocm.Credentials): ocm.LocalResourceAnswer?, string? POST /resource/process; the spec is request.resource.input
---@field ProcessSource? fun(request: ocm.SourceRequest, credentials?: ocm.Credentials): ocm.LocalSourceAnswer?, string? POST /source/process; a location without mediaType becomes application/octet-stream
---@field GetIdentity? ocm.GetIdentity

---- resourceRepository ----

---     { resourceLocation = { type = "localFile", value = "/tmp/blob", mediaType = "text/plain" },
---       resource = { name = "app", version = "1.0.0", type = "blob", access = { type = "Http/v1", url = "https://example.org/app" } } }
---@class ocm.AddGlobalResourceRequest
---@field resourceLocation ocm.Location
---@field resource ocm.Resource

---     { resource = request.resource }
---@class ocm.ResourceAnswer
---@field resource ocm.Resource

---     { location = { value = out, mediaType = "application/zstd" } }
---@class ocm.LocationAnswer
---@field location ocm.AnyLocation

---     resourceRepository = {
---       types = { "Http/v1" },
---       GetGlobalResource = function(request, credentials)
---         local out = ocm.tempfile()
---         ocm.http.request { url = request.resource.access.url, credentials = credentials, sink = out }
---         return { location = out }
---       end,
---     }
---@class ocm.ResourceRepository
---@field types ocm.Types access specs
---@field GetGlobalResource? fun(request: ocm.ResourceRequest, credentials?: ocm.Credentials): ocm.LocationAnswer?, string? POST /resource/get
---@field AddGlobalResource? fun(request: ocm.AddGlobalResourceRequest, credentials?: ocm.Credentials): ocm.ResourceAnswer?, string? POST /resource/add
---@field GetIdentity? ocm.GetIdentity

---- blobTransformer ----

---     { location = { type = "localFile", value = "/tmp/blob", mediaType = "text/plain" }, specification = { type = "Gunzip/v1" } }
---@class ocm.TransformBlobRequest
---@field location ocm.Location
---@field specification ocm.Spec

---     blobTransformer = {
---       types = { "Gunzip/v1" },
---       TransformBlob = function(request)
---         local out = ocm.tempfile()
---         ocm.pipe(request.location, ocm.gunzip(), out)
---         return { location = out }
---       end,
---     }
---@class ocm.BlobTransformer
---@field types ocm.Types transformer specs
---@field TransformBlob? fun(request: ocm.TransformBlobRequest, credentials?: ocm.Credentials): ocm.LocationAnswer?, string? POST /blob/transform
---@field GetIdentity? ocm.GetIdentity

---- signingHandler ----

---     { digest = { hashAlgorithm = "SHA-256", normalisationAlgorithm = "jsonNormalisation/v4", value = "9f86d081…" }, config = { type = "Ed25519/v1" } }
---@class ocm.SignRequest
---@field digest ocm.Digest
---@field config ocm.Spec

---     { digest = { hashAlgorithm = "SHA-256", normalisationAlgorithm = "jsonNormalisation/v4", value = "9f86d081…" }, config = { type = "Ed25519/v1" }, name = "release" }
---@class ocm.SignerIdentityRequest: ocm.SignRequest
---@field name? string the signature's

---     { config = { type = "Ed25519/v1" }, signature = { name = "release",
---       digest = { hashAlgorithm = "SHA-256", normalisationAlgorithm = "jsonNormalisation/v4", value = "9f86d081…" },
---       signature = { algorithm = "ed25519", value = "5a1b…", mediaType = "text/plain" } } }
---@class ocm.VerifyRequest
---@field signature ocm.Signature
---@field config ocm.Spec

---     { signature = { algorithm = "ed25519", value = "5a1b…", mediaType = "text/plain" } }
---@class ocm.SignatureAnswer
---@field signature ocm.SignatureInfo

---     signingHandler = {
---       types = { "Ed25519/v1" },
---       Sign = function(request, credentials)
---         local bytes = ocm.crypto.sign { key = key_of(credentials), algorithm = "ed25519", digest = request.digest }
---         return { signature = { algorithm = "ed25519", value = ocm.hex.encode(bytes), mediaType = "text/plain" } }
---       end,
---     }
---@class ocm.SigningHandler
---@field types ocm.Types signing specs
---@field GetSignerIdentity? fun(request: ocm.SignerIdentityRequest): ocm.IdentityAnswer?, string? POST /sign/identity; no default: left out it is a 501
---@field Sign? fun(request: ocm.SignRequest, credentials?: ocm.Credentials): ocm.SignatureAnswer?, string? POST /sign
---@field GetVerifierIdentity? fun(request: ocm.VerifyRequest): ocm.IdentityAnswer?, string? POST /verify/identity; no default: left out it is a 501
---@field Verify? fun(request: ocm.VerifyRequest, credentials?: ocm.Credentials): any, string? POST /verify; answers `{}`. A signature that does not verify is a failure: ocm.fail
