---@meta ocm
-- HTTP (RFC 9110): requests as parts of a pipe, or on their own. libcurl sends them, on other threads; it is loaded at the first use (Debian's
-- libcurl4, or libcurl3-gnutls). While one is under way the task sleeps; where there is no task (top level, `start`, `cleanup`) it blocks.
--
-- What holds for all of them:
-- * HTTP/1.1 and, with TLS, HTTP/2. Connections are kept for later requests, of whatever handler. Bodies come and go in pieces, in constant
--   memory, and as they are: nothing is asked to be compressed and nothing is decompressed.
-- * Redirects are followed. Credentials, the client certificate, and headers whose names say that they are secret (Authorization, Cookie,
--   X-Api-Key, PRIVATE-TOKEN, …) go to no other scheme, host or port than the URL's own, and from https to http nothing goes.
--   303, and 301 and 302 behind a POST, go on as a GET without a body; else method and body stay, so the body has to be one that can be sent
--   again, or a server that redirects before it came (Expect: 100-continue, which is sent with bodies over 1 MiB or of unknown length).
-- * A connection that can't be made or breaks, and the answers 429, 500, 502, 503 and 504 lead to another try, after 0.25 s, doubled each time,
--   a part of it by chance; `Retry-After` (seconds or a date) lengthens that up to 60 s, and who is asked to wait longer gives up. Only
--   GET, HEAD, PUT, DELETE, OPTIONS, TRACE and PROPFIND are sent again (others when no connection was made), and only with a
--   body that can be: a string, a table, a file; not a stream that was read from.
-- * A GET whose body breaks off goes on where it was (Range, If-Range), if the server gave a strong ETag or a Last-Modified. The rest has to belong to
--   the same: "it changed while it was read" is an error. A server without ranges sends all again, and what was there is skipped.
-- * Certificates are verified, always: for a private CA there is `ca`.
-- * `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` of the environment are followed.
-- * Errors read "GET http://host/path: 404 Not Found: no such blob" or "…: connection refused". Neither they nor the log (each try is a line at
--   debug level) hold the query of a URL or the user and password in it, and credentials given here are hidden in all log lines.

---@class ocm
local ocm = {}

---@class ocm.http
ocm.http = {}

--- What all requests take.
---@class ocm.HttpOptions
---@field url string http or https; a user and password in it are sent as Basic
---@field method? string default "GET", for `put` "PUT"; as it is to be sent: in upper case
---@field headers? table<string, string|number|string[]> not Content-Length and Transfer-Encoding. No control bytes
---@field query? table<string, string|number|boolean|string[]> added to the URL's, sorted by name, percent-encoded
---@field username? string Basic, with `password`
---@field password? string
---@field bearer? string `Authorization: Bearer …`
---@field credentials? table what a handler was given: `username` with `password`, else one of `accessToken`, `identityToken`, `registryToken`, `token` (Bearer); `certificateAuthority`, `certificate` and `privateKey` (PEM). They are its `properties` (DirectCredentials) or members (OCICredentials and the like). nil and null: none. The options beside them go first; what has none of these is warned of in the log
---@field ca? string whom to trust instead of the system's certificate authorities: the path of a PEM file, or PEM text (that not with libcurl3-gnutls)
---@field cert? string client certificate: the path of a PEM file, or PEM text (that not with libcurl3-gnutls)
---@field key? string its key: the same; default: in the same file
---@field unix_socket? string the path of a socket to connect to, whatever the URL's host
---@field timeout? number seconds for all of it, tries and waits included; default: none
---@field connect_timeout? number seconds for a connection; default 30
---@field idle? number seconds without a byte in either direction, then it fails; default 60; 0: any
---@field redirects? integer the most that are followed; default 10. 0: none, a redirect is an answer as any other
---@field retries? integer tries after the first; default 3

---@class ocm.HttpGet: ocm.HttpOptions
---@field size? integer bytes that are expected; another size is an error
---@field resume? boolean whether a download that broke off may go on; default true

--- A source: the answer's body. A status outside of 2xx is an error with the first KiB of the answer. A Location
--- { type = "remoteURL", value = url } is the same with nothing but a URL. The pipe's result also has `status`, `headers` and `url`.
---
---     ocm.pipe(ocm.http.get "https://example.org/x.gz", ocm.gunzip(), ocm.digest(), out)
---     ocm.pipe(ocm.http.get { url = url, credentials = credentials, size = 1234 }, ocm.digest("sha256:…"), out)
---@param options ocm.HttpGet|string options, or the URL
---@return ocm.Part
function ocm.http.get(options) end

---@class ocm.HttpPut: ocm.HttpOptions
---@field length? integer bytes that are sent, where the pipe does not know it: what comes from files and strings, also through `ocm.digest`, `ocm.tee` and `ocm.limit`, is known. Else the body is sent in chunks, which not every server takes. Another length is an error

--- A sink: the request's body. A status outside of 2xx is an error with the first KiB of the answer. The pipe's result also has
--- `status`, `headers`, `url`, and `body`, the first 64 KiB of what the server answered.
---
---     local sent = ocm.pipe(location, ocm.digest(), ocm.http.put { url = url, method = "POST", headers = { ["Content-Type"] = "application/gzip" } })
---@param options ocm.HttpPut|string options, or the URL
---@return ocm.Part
function ocm.http.put(options) end

---@class ocm.HttpRequest: ocm.HttpOptions
---@field body? string|table|ocm.Tempfile|ocm.Part a string as it is; a table as JSON (with Content-Type: application/json, unless `headers` say other); a tempfile or a Location `localFile` as the file's bytes; a Location of another type, and a source such as `ocm.bytes` or `ocm.http.get`, as they come
---@field sink? ocm.Sink where the answer's body goes. Then a status outside of 2xx is an error, with the first KiB of the answer, and nothing appears at the sink
---@field digest? string an algorithm, "sha256", to take the digest of the answer's body; or a digest, "sha256:…": another is an error, and nothing appears at the sink (without a sink, it is asked of a 2xx answer only)
---@field size? integer bytes of the body that are expected of a 2xx answer; another size is an error
---@field resume? boolean whether a download that broke off may go on; default true
---@field max? integer without a sink: the most bytes of body; more are an error; default 16 MiB

---@class ocm.HttpAnswer
---@field status integer
---@field headers table<string, string> names in lower case; of one that came several times the values, joined by ", ". Control bytes are spaces
---@field body? string when there is no `sink`
---@field bytes integer of the body
---@field digests? string[] one, when `digest` was given
---@field url string the one that answered, behind redirects; without user and password

--- Sends a request and waits for the answer, whatever its status. Raises when there is none.
---
---     local answer = ocm.http.request { url = base .. "/api/packages", query = { page = 2 }, credentials = credentials, timeout = 30 }
---     if answer.status == 200 then packages = ocm.json.decode(answer.body) end
---
---     ocm.http.request { url = url, method = "POST", body = { name = "x" } }
---     ocm.http.request { url = url, sink = root .. "/blob", digest = "sha256:" .. expected }
---@param options ocm.HttpRequest|string options, or the URL
---@return ocm.HttpAnswer
function ocm.http.request(options) end

---@class ocm.HttpClient
---@field get fun(options?: ocm.HttpGet|string): ocm.Part
---@field put fun(options?: ocm.HttpPut|string): ocm.Part
---@field request fun(options?: ocm.HttpRequest|string): ocm.HttpAnswer

--- `get`, `put` and `request` with options that they share; those of a call go first, headers name by name. A call's `url` is a path below `base`, or
--- a whole URL that begins with it; another one raises, so that what is shared goes nowhere else.
---
---     local api = ocm.http.client { base = "https://example.org/api", credentials = credentials }
---     local version = ocm.json.decode(api.request("version").body)
---     ocm.pipe(api.get { url = "blobs/1" }, out)
---@param options table `base`, and whatever ocm.http.request takes but `url`
---@return ocm.HttpClient
function ocm.http.client(options) end

return ocm
