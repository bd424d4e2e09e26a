---@meta ocm
--- What `require "ocm"` gives a plugin's script.
--
-- Beside it there is Lua 5.4's own library, `cjson`, `cjson.safe` and `lfs`, modules beside the script, and `arg` as in the standalone lua
-- (`arg[0]` is the script). `print`, `io.write` and `io.stdout` write INFO lines to the log, `io.stderr` WARN lines, and what `os.execute`
-- starts writes there, too: stdout belongs to the plugin manager.
--
-- A function marked "waits" lets other requests go on meanwhile. Called where there is no request (the script's top level, `start`,
-- `cleanup`, inside `table.sort` or `string.gsub`) it blocks instead.

---@class ocm
local ocm = {}

--- A spec: any object with a `type`, as it stands in the user's constructor or configuration.
---@class ocm.Spec
---@field type string `Name` or `Name/version`

---@alias ocm.Identity table<string, string>

--- Where bytes are. In an answer a path or a tempfile stands for its Location, also as `value`, and `type` may be left out.
---@class ocm.Location
---@field type? "localFile"|"unixNamedPipe"|"remoteURL" default `localFile`
---@field value string|ocm.Tempfile an absolute path, or a URL
---@field mediaType? string

---@class ocm.Digest
---@field hashAlgorithm string such as `SHA-256`
---@field normalisationAlgorithm string such as `genericBlobDigest/v1`
---@field value string lower-case hexadecimal

---@class ocm.Label
---@field name string
---@field value any
---@field version? string
---@field signing? boolean

--- An element of a component descriptor v2; in a constructor it has `input` or `access`.
---@class ocm.Resource
---@field name string
---@field version? string
---@field type string
---@field relation? "local"|"external"
---@field labels? ocm.Label[]
---@field extraIdentity? ocm.Identity
---@field srcRefs? table[]
---@field access? ocm.Spec
---@field input? ocm.Spec
---@field digest? ocm.Digest

---@class ocm.Source
---@field name string
---@field version? string
---@field type string
---@field labels? ocm.Label[]
---@field extraIdentity? ocm.Identity
---@field access? ocm.Spec
---@field input? ocm.Spec

--- A component descriptor v2.
---@class ocm.Descriptor
---@field meta { schemaVersion: string }
---@field component table name, version, provider, labels, repositoryContexts, resources, sources, componentReferences
---@field signatures? table[]
---@field nestedDigests? table[]

---@class ocm.SignatureInfo
---@field algorithm string
---@field value string
---@field mediaType string
---@field issuer? string

--- The decoded `Authorization` header; a handler gets nil where there is none. Its values are kept out of log lines and error texts.
---@class ocm.Credentials
---@field type string such as `DirectCredentials/v1`
---@field properties? table<string, string>

--- A handler may also answer `nil, message`: a 500 with that message. Members of a request that may be absent are nil, also where they came as null.
---@class ocm.Type
---@field aliases? string[] further names of the type
---@field schema? table|string a JSON Schema (a table, `ocm.schema {…}`, or JSON text); without one any object will do

---@alias ocm.Types string[]|table<string, ocm.Type>

---@class ocm.Capability
---@field types ocm.Types
---@field GetIdentity? fun(request: { type: ocm.Spec }): { identity: ocm.Identity }? the consumer identity for which credentials are looked up; left out, it is `{ type = <the spec's> }`

--- What a GET has: its query, and the repository specs that were seen in `/identity`, check-health and uploads (the GET itself carries none).
---@class ocm.RepositoryRequest
---@field name string the component's
---@field version string
---@field identity? ocm.Identity of the resource or source
---@field repository? ocm.Spec when exactly one was seen
---@field repositories ocm.Spec[] latest first

--- Protocol section 4, componentVersionRepository.
---@class ocm.ComponentVersionRepository: ocm.Capability
---@field GetComponentVersion? fun(request: ocm.RepositoryRequest, credentials?: ocm.Credentials): ocm.Descriptor
---@field ListComponentVersions? fun(request: ocm.RepositoryRequest, credentials?: ocm.Credentials): string[]
---@field GetLocalResource? fun(request: ocm.RepositoryRequest, credentials?: ocm.Credentials): { location: ocm.Location|ocm.Tempfile|string, resource: ocm.Resource }
---@field GetLocalSource? fun(request: ocm.RepositoryRequest, credentials?: ocm.Credentials): { location: ocm.Location|ocm.Tempfile|string, source: ocm.Source }
---@field AddComponentVersion? fun(request: { repository: ocm.Spec, descriptor: ocm.Descriptor }, credentials?: ocm.Credentials)
---@field AddLocalResource? fun(request: { repository: ocm.Spec, name: string, version: string, resourceLocation: ocm.Location, resource: ocm.Resource }, credentials?: ocm.Credentials): ocm.Resource
---@field AddLocalSource? fun(request: { repository: ocm.Spec, name: string, version: string, sourceLocation: ocm.Location, source: ocm.Source }, credentials?: ocm.Credentials): ocm.Source
---@field CheckHealth? fun(request: { repository: ocm.Spec }, credentials?: ocm.Credentials) healthy when left out

---@class ocm.ComponentLister: ocm.Capability
---@field ListComponents? fun(request: { repository: ocm.Spec, last?: string }, credentials?: ocm.Credentials): { list: string[], header?: { last: string } } `header` only when more follow

---@class ocm.CredentialRepository
---@field types ocm.Types
---@field identityTypes? ocm.Types the consumer identity types it has credentials for: without them the manager never asks it
---@field credentialTypes? ocm.Types
---@field ConsumerIdentityForConfig? fun(request: { config: ocm.Spec }): ocm.Identity
---@field Resolve? fun(request: { config: ocm.Spec, identity: ocm.Identity }, credentials?: ocm.Credentials): ocm.Credentials

---@class ocm.CredentialPlugin
---@field types ocm.Types
---@field GetConsumerIdentity? fun(request: { credential: ocm.Spec }): ocm.Identity
---@field Resolve? fun(request: { identity: ocm.Identity }, credentials?: ocm.Credentials): ocm.Credentials

---@class ocm.DigestProcessorRepository: ocm.Capability
---@field ProcessResourceDigest? fun(request: { resource: ocm.Resource }, credentials?: ocm.Credentials): { resource: ocm.Resource } with its `digest`

---@class ocm.InputRepository: ocm.Capability
---@field ProcessResource? fun(request: { resource: ocm.Resource }, credentials?: ocm.Credentials): { resource: ocm.Resource, location: ocm.Location|ocm.Tempfile|string }
---@field ProcessSource? fun(request: { source: ocm.Source }, credentials?: ocm.Credentials): { source: ocm.Source, location: ocm.Location|ocm.Tempfile|string }

---@class ocm.ResourceRepository: ocm.Capability
---@field GetGlobalResource? fun(request: { resource: ocm.Resource }, credentials?: ocm.Credentials): { location: ocm.Location|ocm.Tempfile|string }
---@field AddGlobalResource? fun(request: { resourceLocation: ocm.Location, resource: ocm.Resource }, credentials?: ocm.Credentials): { resource: ocm.Resource }

---@class ocm.BlobTransformer: ocm.Capability
---@field TransformBlob? fun(request: { location: ocm.Location, specification: ocm.Spec }, credentials?: ocm.Credentials): { location: ocm.Location|ocm.Tempfile|string }

---@class ocm.SigningHandler
---@field types ocm.Types
---@field GetSignerIdentity? fun(request: { digest: ocm.Digest, config: ocm.Spec, name?: string }): { identity: ocm.Identity }
---@field Sign? fun(request: { digest: ocm.Digest, config: ocm.Spec }, credentials?: ocm.Credentials): { signature: ocm.SignatureInfo }
---@field GetVerifierIdentity? fun(request: { signature: table, config: ocm.Spec }): { identity: ocm.Identity }
---@field Verify? fun(request: { signature: table, config: ocm.Spec }, credentials?: ocm.Credentials): boolean? raises, or returns false, when the signature does not verify

---@class ocm.Request
---@field method string
---@field path string decoded
---@field params table<string, string> what stood for `{name}` in the path, decoded
---@field query table<string, string>
---@field headers table<string, string> names in lower case
---@field body string bytes

---@class ocm.Answer
---@field status? integer default 200
---@field headers? table<string, string>
---@field body? string bytes

---@class ocm.Limits
---@field memory? integer|string bytes that Lua may hold, or a size such as "512 MiB" (the default); passing it fails the request
---@field body? integer|string of a request's body, default "64 MiB"; a longer one is answered with 413
---@field header? integer|string of a request's head, default "128 KiB"; a longer one is answered with 431
---@field handler? number seconds that a handler may take, waiting included; none by default

---@class ocm.Declaration
---@field componentVersionRepository? ocm.ComponentVersionRepository
---@field componentLister? ocm.ComponentLister
---@field credentialRepository? ocm.CredentialRepository
---@field credentialPlugin? ocm.CredentialPlugin
---@field digestProcessorRepository? ocm.DigestProcessorRepository
---@field inputRepository? ocm.InputRepository
---@field resourceRepository? ocm.ResourceRepository
---@field blobTransformer? ocm.BlobTransformer
---@field signingHandler? ocm.SigningHandler
---@field configTypes? string[] configuration types that the plugin asks for
---@field handlers? table<string, fun(request: ocm.Request): ocm.Answer?> by "METHOD /path/{name}"
---@field start? fun(config: table) once, before the plugin is announced; when it fails, every request is answered with 500 and the reason
---@field cleanup? fun(context: { remaining: fun(self: table): number }) at shutdown; `context:remaining()` seconds are left
---@field logger? fun(level: "DEBUG"|"INFO"|"WARN"|"ERROR", msg: string, attributes: table) gets what the script logs
---@field limits? ocm.Limits

--- The plugin. A script ends with `return ocm.plugin { … }`; what is wrong with the declaration is reported with file and line.
--- ```lua
--- return ocm.plugin { inputRepository = { types = { "Hello/v1" }, ProcessResource = function(request) … end } }
--- ```
---@param declaration ocm.Declaration
---@return table
function ocm.plugin(declaration) end

--- A JSON Schema (draft 2020-12) from a shorthand: string, integer, number, boolean, object, any, with `[]` for a list of it and `?` when it may be
--- left out; a list of strings is a choice, a table an object of its own (`["name?"]` makes those optional). `type` is added, other fields are refused.
--- ```lua
--- ocm.schema { path = "string", depth = "integer?", ["mode?"] = { "fast", "safe" } }
--- ```
---@param fields table
---@return table
function ocm.schema(fields) end

--- Ends the request: the answer has this status (400 to 599, default 500) and exactly this text, which the CLI shows to the user.
--- ```lua
--- ocm.fail(404, "no version %s of %s", request.version, request.name)
--- ```
---@param status integer
---@param format string as for string.format; taken as it is when nothing follows
---@param ... any
---@overload fun(format: string, ...)
function ocm.fail(status, format, ...) end

--- An empty file, mode 0600, in the plugin's run directory. It stands for its Location in an answer. It is removed when the script has let go of it without
--- ever taking its path or answering with it, and at the latest when the plugin ends. Only after `start` has begun. Raises when it cannot be made.
---@return ocm.Tempfile
function ocm.tempfile() end

---@class ocm.Tempfile
local Tempfile = {}

--- Its absolute path. From now on the file stays until the plugin ends.
---@return string
function Tempfile:path() end

--- Appends; raises when that fails.
--- ```lua
--- return { location = ocm.tempfile():write("hello") }
--- ```
---@param ... string|number
---@return ocm.Tempfile itself
function Tempfile:write(...) end

---@return true
function Tempfile:close() end

--- Copies bytes and takes their SHA-256. Waits. A target that is a path appears whole or not at all. Raises when it fails, with the file and the reason.
--- ```lua
--- local copied = ocm.copy(request.location, ocm.tempfile()) -- copied.bytes, copied.digests[1] == "sha256:…"
--- ```
---@param source string|ocm.Location|ocm.Tempfile a path, or a Location of a file or a named pipe
---@param sink string|ocm.Location|ocm.Tempfile
---@return { bytes: integer, written: integer, digests: string[] }
function ocm.copy(source, sink) end

--- Waits for so many seconds (0 or more).
---@param seconds number
function ocm.sleep(seconds) end

--- Runs the functions side by side and returns the first result of each. When one fails, the others are ended (their `<close>` variables run) and its error is
--- raised. Where nothing can wait they run one after the other.
--- ```lua
--- local a, b = ocm.parallel(function() return fetch "a" end, function() return fetch "b" end)
--- ```
---@param ... fun(): any
---@return any ...
function ocm.parallel(...) end

--- While it is open the plugin is not idle, and does not end for that reason.
--- ```lua
--- local work <close> = ocm.work()
--- ```
---@return { close: fun(self: table) }
function ocm.work() end

---@class ocm.log
--- One line, at this level, with attributes: `ocm.log.info("fetched", { url = url, bytes = n })`. A value that is not JSON is logged as tostring gives it.
---@field debug fun(msg: any, attributes?: table<string, any>)
---@field info fun(msg: any, attributes?: table<string, any>)
---@field warn fun(msg: any, attributes?: table<string, any>)
---@field error fun(msg: any, attributes?: table<string, any>)
ocm.log = {}

--- JSON (RFC 8259) that survives a round trip exactly: `[]`, `{}`, null, 64-bit integers, and every digit of other numbers.
---@class ocm.json
---@field null lightuserdata JSON's null, which is `cjson.null`; true in Lua
ocm.json = {}

--- Members are written sorted. Raises for what is not JSON, with where: "a.b[2]: NaN is not JSON".
---@param value any
---@param options? { pretty: boolean } indented by two spaces
---@return string
function ocm.json.encode(value, options) end

--- Raises for text that is not JSON, with line and column.
---@param text string
---@return any
function ocm.json.decode(text) end

--- Marks a table (or a new one) as an array, so that it is written `[…]` also when it is empty.
---@param t? table
---@return table
function ocm.json.array(t) end

--- The value of a JSON number's text: an integer, a float, or, where neither holds it exactly, an object that keeps the text (`tostring` gives it).
---@param text string
---@return integer|number|userdata
function ocm.json.number(text) end

--- RFC 4648 section 4, padded. `decode` returns nil and a message for text that is not canonical base64.
---@type { encode: (fun(bytes: string): string), decode: (fun(text: string): string?, string?) }
ocm.base64 = {}

--- Lower case out, either case in. `decode` returns nil and a message for text that is not hexadecimal.
---@type { encode: (fun(bytes: string): string), decode: (fun(text: string): string?, string?) }
ocm.hex = {}

return ocm
