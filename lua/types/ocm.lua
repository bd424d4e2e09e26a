---@meta ocm
-- What a script is, and what it can call. LuaLS reads these files, and they are the one source of the reference.
--
-- A script runs once from top to bottom and returns `ocm.plugin {…}`. It is plain Lua 5.4 with its standard libraries. What differs:
-- * `print`, `io.write` and `io.stdout` write INFO lines to the log, `io.stderr` WARN lines; stdout itself belongs to the handshake.
--   A child process's output (`os.execute`) is logged as INFO. `os.execute` returns what the standard one does; it blocks all requests.
-- * `arg` is as in the standalone lua: `arg[0]` the script as it was started, `arg[1]…` what followed.
-- * `require` looks beside the script first (`?.lua`, `?/init.lua`, `?.so`). `cjson`, `cjson.safe` and `lfs` are built in.
-- * A handler is a coroutine of its own. While `ocm.sleep`, `ocm.copy` and `ocm.parallel` wait, other requests are served, also from
--   inside the script's own coroutines. Where there is no task (top level, `start`, `cleanup`) or nothing can yield (a comparator
--   of table.sort), they block.
-- * Misuse raises; `ocm.base64.decode` and `ocm.hex.decode` return nil and a message for what is malformed.

---@class ocm
local ocm = {}

---- the declaration ----

--- What `start` gets: the object of the command line's `--config`, with whatever members the manager sent (section 1 of the protocol).
---@class ocm.Config
---@field id string the plugin's
---@field type "unix"|"tcp"
---@field idleTimeout? integer nanoseconds
---@field configTypes? ocm.Spec[] configuration objects of the types that the declaration asked for
---@field location? string
---@field [string] any

---@class ocm.CleanupContext
local context = {}

--- Seconds that are left until cleanup is cut off; never negative.
---
---     cleanup = function(context) while busy() and context:remaining() > 1 do ocm.sleep(0.1) end end
---@return number seconds
function context:remaining() end

--- Sizes are bytes, or a text such as "64 MiB" (B, kB, MB, GB, TB, KiB, MiB, GiB, TiB).
---@class ocm.Limits
---@field memory? integer|string of all Lua values; at least 1 MiB, by default 512 MiB. Running out is an error of the one handler
---@field body? integer|string of a request; by default 64 MiB
---@field header? integer|string of a request's headers, credentials included; at least 8 KiB, by default 128 KiB
---@field handler? number seconds that a handler may take, then it is a 500; by default no limit

--- What a custom handler gets.
---@class ocm.CustomRequest
---@field method string
---@field path string decoded
---@field params table<string, string> of the path's `{name}` segments, decoded; never empty
---@field query table<string, string> decoded; of a repeated name the first
---@field headers table<string, string> names in lower case; repeated ones joined by ", "
---@field body string its bytes, not decoded

--- What a custom handler returns; nothing stands for an empty 200.
---@class ocm.CustomAnswer
---@field status? integer 200 to 599, by default 200
---@field headers? table<string, string|number>
---@field body? string by default empty

---@alias ocm.CustomHandler fun(request: ocm.CustomRequest): ocm.CustomAnswer?, string?

--- At least one capability; several are fine. Names are those of the protocol.
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
---@field configTypes? string[] configuration that the plugin wants (`supportedConfigTypes`)
---@field handlers? table<string, ocm.CustomHandler> endpoints of its own: `["POST /custom/{name}"]`; a parameter is a whole segment, and literal segments go first. Paths of the protocol are refused
---@field start? fun(config: ocm.Config) once, before requests are served; it blocks. When it raises, every request is a 500 with its text
---@field cleanup? fun(context: ocm.CleanupContext) at shutdown, after the last request; it blocks, and is cut off after context:remaining()
---@field logger? fun(level: "DEBUG"|"INFO"|"WARN"|"ERROR", msg: string, attributes: table<string, any>) gets what `ocm.log` and `print` would write. What it logs itself, or an error in it, goes to the default
---@field limits? ocm.Limits

--- Declares the plugin (section 4 of the protocol). Return what it returns. It does not raise for a wrong declaration: every problem in
--- it is reported with file and line when the script has been loaded.
---
---     return ocm.plugin {
---       inputRepository = {
---         types = { ["Hello/v1"] = { aliases = { "Hello" }, schema = ocm.schema { name = "string?" } } },
---         ProcessResource = function(request, credentials)
---           return { resource = request.resource, location = ocm.tempfile():write "hello" }
---         end,
---       },
---     }
---@param declaration ocm.Declaration
---@return userdata|table declaration opaque
function ocm.plugin(declaration) end

--- A JSON Schema (draft 2020-12) for a spec, from a shorthand; a table, to be changed as needed. Raises for a shorthand that it does not know.
--- * `"string"`, `integer`, `number`, `boolean`, `object`, `any`; behind it `[]` for an array of it, then `?` when it may be left out;
--- * `{ "fast", "safe" }`: one of these strings; `{ url = "string" }`: an object with these fields;
--- * `["mode?"] = {…}`: a `?` behind the field's name, for those two, which have nowhere else to put it.
---
--- A spec's `type` is added. Fields that are not named are refused, in nested objects too.
---
---     ocm.schema { path = "string", depth = "integer?", tags = "string[]?", ["mode?"] = { "fast", "safe" } }
---@param fields table<string, string|table>
---@return table schema
function ocm.schema(fields) end

--- Ends the request: answers with this status and exactly this text, which the manager shows to the user. Never returns. It raises a value
--- that `pcall` catches and `tostring` gives the text of. The log gets a DEBUG line, no traceback.
---
---     ocm.fail(404, "no version %s of %s", request.version, request.name)
---     ocm.fail "the registry is gone"   -- 500
---@overload fun(format: string, ...: any)
---@param status integer 400 to 599
---@param format string for string.format when values follow; otherwise the text itself, "%" included
---@param ... any
function ocm.fail(status, format, ...) end

--- Hides a text from now on in all log lines, and in what errors answer, as credentials that come with a request are: "***". For what a
--- script gets itself: a password out of a file, the token of a login. Of JSON text, it is each string and number, but for the object's own
--- `type`, and for paths of files (members whose name ends in `File` or `_file`); of a text of many lines, each line, too. Fewer than four bytes are not hidden, and the last few thousand texts are remembered.
---
---     local password = ocm.secret(ocm.exec { "pass", "show", name }.stdout:match "[^\n]*")
---@param text string
---@return string text the same
function ocm.secret(text) end

--- Calls f and returns what it returns. What it raises ends the request with 502 and "what: message", so that the user reads whose fault it
--- is: what comes out of ocm.pipe, ocm.http and ocm.exec is about bytes, URLs and programs. A failure of its own (ocm.fail) stays as it is.
---
---     local answer = ocm.try(("%s in %s"):format(name, registry), ocm.http.request, { url = url, credentials = credentials })
---@param what string
---@param f fun(...): any
---@param ... any its arguments
---@return any ...
function ocm.try(what, f, ...) end

---- log ----

--- Lines on stderr: JSON with `time`, `level`, `msg` and the attributes, as the manager reads them (section 1 of the protocol). All levels
--- are written; the manager filters. A message that is not a string is logged as its `tostring`, and so is an attribute that is not
--- JSON. Attributes that are no table, or have no names, raise. No credentials in here.
---
---     ocm.log.info("copied", { bytes = result.bytes })
---@class ocm.log
ocm.log = {}

--- Logs at level DEBUG: details, for who looks for a fault.
---
---     ocm.log.debug("looking for a version", { name = request.name })
---@param msg any
---@param attributes? table<string, any> at most 47; of more, some are dropped and `truncated` is set
function ocm.log.debug(msg, attributes) end

--- Logs at level INFO: what happens.
---
---     ocm.log.info("copied", { bytes = moved.bytes })
---@param msg any
---@param attributes? table<string, any> at most 47; of more, some are dropped and `truncated` is set
function ocm.log.info(msg, attributes) end

--- Logs at level WARN: what may be wrong, while work goes on.
---
---     ocm.log.warn("the index is old", { age = os.time() - index.time })
---@param msg any
---@param attributes? table<string, any> at most 47; of more, some are dropped and `truncated` is set
function ocm.log.warn(msg, attributes) end

--- Logs at level ERROR: what failed.
---
---     ocm.log.error("the registry refuses us", { status = answer.status })
---@param msg any
---@param attributes? table<string, any> at most 47; of more, some are dropped and `truncated` is set
function ocm.log.error(msg, attributes) end

---- JSON ----

--- JSON (RFC 8259), such that what was decoded is encoded as the same values: `[]` and `{}`, null, 64-bit integers, `1.0`.
---@class ocm.json
---@field null lightuserdata JSON's null, also `cjson.null`; it is true in conditions: compare with `==`
ocm.json = {}

--- The JSON text of a value. Members are sorted by name. A non-empty table with keys 1..n is an array, an empty one an object, unless `array` or `decode` made it an
--- array. Raises for what is not JSON (functions, NaN, cycles, strings that are not UTF-8, arrays with holes or names), saying where.
---
---     ocm.json.encode({ name = "x", tags = ocm.json.array() }, { pretty = true })
---@param value any not nil
---@param options? { pretty?: boolean } pretty: a line for each element, indented by two spaces
---@return string text
function ocm.json.encode(value, options) end

--- The value of a JSON text. Raises for text that is not JSON, with line and column. A number that neither an integer nor a float holds exactly becomes an opaque
--- number object, which is encoded as it was written.
---
---     local index = ocm.json.decode(answer.body)
---@param text string
---@return any value null is `ocm.json.null`
function ocm.json.decode(text) end

--- Marks a table as an array, so that it is `[]` when it is empty. Raises for a table that has another metatable.
---
---     return { list = ocm.json.array(names) }   -- [] when there are none
---@param list? table changed; a new one when it is left out
---@return table list
function ocm.json.array(list) end

--- A JSON number from its text, however many digits: `ocm.json.number "123456789012345678901234567890"`. Raises for other text.
---
---     local size = ocm.json.number "123456789012345678901234567890"
---@param text string
---@return number|userdata number an integer or float, or an opaque number object where these would lose digits
function ocm.json.number(text) end

---- files ----

--- A temporary file. Nothing is kept open between calls. It stands for its Location in an answer, also as the `value` of one. It is
--- removed when it is collected, if nobody has asked for its path or been answered with it; else when the process ends.
---@class ocm.Tempfile
local tempfile = {}

--- Its absolute path; from now on the file stays until the process ends.
---
---     os.rename(file:path(), root .. "/blob")
---@return string path
function tempfile:path() end

--- Appends, blocking. Raises when it cannot be written.
---
---     local file = ocm.tempfile():write("hello ", name, "\n")
---@param ... string|number
---@return ocm.Tempfile self
function tempfile:write(...) end

--- Does nothing, as there is nothing open; for `<close>`. The file stays, and can still be written.
---
---     local file <close> = ocm.tempfile()
---@return true
function tempfile:close() end

--- An empty file in the process's run directory. Raises at the script's top level, where there is no such directory yet.
---
---     return { location = ocm.tempfile():write("hello"), resource = request.resource }
---@return ocm.Tempfile
function ocm.tempfile() end

--- A temporary directory.
---@class ocm.Tempdir
local tempdir = {}

--- Its absolute path, or that of something in it.
---
---     ocm.untar(dir:path "content")
---@param name? string a path in it
---@return string path
function tempdir:path(name) end

--- Removes it with all that is in it, read-only folders, too; what is gone already is no error. Raises when something cannot be removed.
---
---     dir:close()
---@return true
function tempdir:close() end

--- An empty directory (mode 0700) in the process's run directory, for programs and archives that need one. It is removed by `<close>` or
--- `close()`, else when the process ends. Raises at the script's top level, where there is no run directory yet.
---
---     local dir <close> = ocm.tempdir()
---     ocm.exec { "git", "clone", "--bare", "--", url, dir:path "repository" }
---@return ocm.Tempdir
function ocm.tempdir() end

---- time ----

--- Waits for some seconds. Blocks where there is no task.
---
---     repeat ocm.sleep(0.5) until ready()
---@param seconds number 0 to 1e9; fractions count; others raise
function ocm.sleep(seconds) end

--- Calls all functions at once and waits for them. Returns the first result of each, in order (nil where there is none). The first error
--- cancels the others (their `<close>` variables run) and is raised. Blocks where there is no task; where nothing can yield, the
--- functions run one after the other.
---
---     local a, b = ocm.parallel(function() return ocm.copy(x, y) end, function() return ocm.copy(v, w) end)
---@param ... fun(): any
---@return any ...
function ocm.parallel(...) end

--- Work that is not a request; see `ocm.work`.
---@class ocm.Work
local work = {}

--- Ends it; again does nothing.
---
---     local work = ocm.work()
---     upload()
---     work:close()
function work:close() end

--- As long as it is open, the plugin is not idle (the idle timeout of section 3 of the protocol). It ends by `<close>`, `close()` or
--- when it is collected. Does not wait.
---
---     local work <close> = ocm.work()
---@return ocm.Work
function ocm.work() end

---- text ----

--- Base64 (RFC 4648 section 4): standard alphabet, padded.
---@class ocm.base64
ocm.base64 = {}

--- Bytes as Base64.
---
---     local header = "Basic " .. ocm.base64.encode(user .. ":" .. password)
---@param bytes string
---@return string text
function ocm.base64.encode(bytes) end

--- The bytes of a Base64 text. Strict: no white space, no missing padding, no left-over bits.
---
---     ocm.base64.decode "aGk="   --> "hi"
---     ocm.base64.decode "a"      --> nil, "not padded base64: it ends at byte 1"
---@param text string
---@return string? bytes nil when it is malformed
---@return string? message
function ocm.base64.decode(text) end

--- Hexadecimal (RFC 4648 section 8, but lower case).
---@class ocm.hex
ocm.hex = {}

--- Bytes as hexadecimal digits.
---
---     local value = ocm.hex.encode(ocm.crypto.digest("sha256", text))
---@param bytes string
---@return string text lower case
function ocm.hex.encode(bytes) end

--- The bytes of hexadecimal digits, of either case.
---
---     ocm.hex.decode "zz"   --> nil, "not hexadecimal at byte 1"
---@param text string
---@return string? bytes nil when it is malformed
---@return string? message
function ocm.hex.decode(text) end

--- A text with its {placeholders} filled in from an identity. Identities are made of what component versions say, so a value may only be a
--- name: one that begins with a dash, has a control character, or a slash (but for `path`), or is `.` or `..`, ends the request with 400, as
--- an attribute does that is not there.
---
---     ocm.expand("registries/{hostname}", request.identity)   --> "registries/quay.io"
---@param template string
---@param identity ocm.Identity
---@return string
function ocm.expand(template, identity) end

--- The consumer identity of what a URL leads to. It has `scheme`, `hostname`, `port` and `path` as they are in the URL, each left out when it
--- is not there, as OCM's own types have them. The path is decoded, and without slashes around it; a user, query and fragment are not in it.
--- A URL may come without its scheme ("ghcr.io/acme"). Raises for one whose host could be read in two ways, without repeating it.
---
---     GetIdentity = function(request) return { identity = ocm.identity_of(request.type.registry, "NpmRegistry") } end,
---     ocm.identity_of("https://example.org:8443/npm/", "NpmRegistry")
---     --> { type = "NpmRegistry", scheme = "https", hostname = "example.org", port = "8443", path = "npm" }
---@param url string
---@param type string of the identity
---@return ocm.Identity identity
function ocm.identity_of(url, type) end

return ocm
