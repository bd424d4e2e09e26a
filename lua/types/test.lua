---@meta ocm.test
-- What `ocmlua test` runs: files named *_test.lua, which test a plugin without a server, through the same checks as a real request.
--
-- Each file runs in a process of its own, its tests in their order; the working directory is the caller's, and is restored after each test.
-- A test is a task, so whatever waits (ocm.sleep, ocm.pipe, ocm.http) works in it as it does in a handler. `print`, `ocm.log` and what
-- child processes write are kept for `test.log` and shown when the test fails. `require` finds modules beside the test file.

---@class ocm.test
---@overload fun(what: string, f: fun())
local test = {}

--- Declares a test of this file: `test("what it holds", function() … end)`. It fails when the function raises.
---
---     local test = require "ocm.test"
---
---     test("a greeting becomes a blob", function()
---       local plugin = test.load "hello"
---       local answer = plugin:call("ProcessResource", {
---         resource = { name = "it", version = "1.0.0", type = "text", input = { type = "Hello/v1", name = "world" } },
---       })
---       test.equal(plugin:blob(answer.location), "hello world")
---     end)
---@param what string what it holds, unique in the file
---@param f fun()
function test.test(what, f) end

--- Runs before each test of this file, in their order; when it raises, the test fails.
---
---     test.before(function() root = test.folder() end)
---@param f fun()
function test.before(f) end

--- Runs after each test of this file, the last first, also when the test has failed. What it raises fails the test.
---
---     test.after(function() os.remove "/tmp/left-over" end)
---@param f fun()
function test.after(f) end

--- Ends the test: it could not run here.
---
---     if not os.getenv "REGISTRY" then test.skip "needs $REGISTRY" end
---@param reason string
function test.skip(reason) end

---- checks ----

--- The values are the same: tables by what is in them, metatables aside (so `[]` and `{}` are alike); everything else by `==`. Fails with a
--- line for each place where they differ.
---
---     test.equal(answer.resource.labels, { { name = "a", value = 1 } })
---@param got any
---@param expected any
---@param message? string said in front of what differs
function test.equal(got, expected, message) end

--- The value is neither nil nor false. Returns it.
---
---     test.truthy(answer.resource.digest)
---@param value any
---@param message? string
---@return any value
function test.truthy(value, message) end

--- The value is nil or false.
---
---     test.falsy(answer.header)
---@param value any
---@param message? string
function test.falsy(value, message) end

--- The text has a place that the Lua pattern matches. Returns the captures, or the match.
---
---     local port = test.match(url, "^http://127%.0%.0%.1:(%d+)$")
---@param text string
---@param pattern string
---@param message? string
---@return string ...
function test.match(text, pattern, message) end

--- The text holds the part, as it stands.
---
---     test.contains(answer.list, "acme.org/app")
---@param text string
---@param part string
---@param message? string
function test.contains(text, part, message) end

--- The function raises. Returns what it raised.
---
---     test.raises(404, function() plugin:call("GetComponentVersion", { name = "a", version = "1" }) end)
---     test.raises("no version", function() plugin:call("GetComponentVersion", { name = "a", version = "1" }) end)
---@param wanted integer|string|nil a status (see `ocm.test.Refusal`), or a Lua pattern that the error's text matches; nil: any error will do
---@param f fun()
---@param message? string
---@return any error
function test.raises(wanted, f, message) end

--- Fails the test.
---
---     if not found then test.fail("there is no blob below " .. root) end
---@param text string
function test.fail(text) end

---- files ----

--- A new, empty folder, which is removed at the end of the test with all that is in it; at a file's top level: at the end of the file.
---
---     local root = test.folder()
---@return string path absolute
function test.folder() end

--- Writes a file, in place of one that is there, and makes the folders that lead to it.
---
---     local path = test.write(test.folder() .. "/docs/guide.md", "# Guide\n")
---@param path string
---@param bytes string
---@return string path
function test.write(path, bytes) end

--- A file's bytes. Fails when it cannot be read.
---
---     test.equal(test.read(root .. "/blob"), "hello")
---@param path string
---@return string bytes
function test.read(path) end

--- A file with these bytes as a Location, for requests that carry one (`resourceLocation`, `location`). It is removed at the end of the test.
---
---     plugin:call("TransformBlob", { location = test.blob("hello", "text/plain"), specification = { type = "Upper/v1" } })
---@param bytes string
---@param media_type? string
---@return ocm.Location
function test.blob(bytes, media_type) end

---- the log ----

---@class ocm.test.Line
---@field level "DEBUG"|"INFO"|"WARN"|"ERROR"
---@field msg string
---@field [string] any the attributes

--- What was logged since the test began (its `before` functions included): by `ocm.log`, `print`, child processes, and the program itself ("request
--- failed", with the traceback).
---
---     test.equal(test.log "WARN"[1].msg, "the registry is slow")
---@param level? "DEBUG"|"INFO"|"WARN"|"ERROR" only the lines of this level
---@return ocm.test.Line[]
function test.log(level) end

---- the plugin ----

--- What a call raises when the plugin answers with anything but 200. Its text: "404 there is no version 2 of a".
---@class ocm.test.Refusal
---@field status integer
---@field text string the answer's body

---@class ocm.test.Plugin
---@field capabilities table what `capabilities` prints, decoded
local plugin = {}

--- Loads a plugin as the program does, and calls its `start`. What is wrong with its declaration fails the test, with file and line. Its `cleanup` is
--- called at the end of the test (at a file's top level: of the file), if `close` was not called before. Its own modules are loaded anew each time.
---
---     local plugin = test.load "greeting"
---@param path string from the test file's folder
---@param config? table for `start`: merged into { id = "test", type = "unix" }
---@return ocm.test.Plugin
function test.load(path, config) end

--- Asks a method as the plugin manager would: the request is encoded, decoded, checked and dispatched, and so is the answer. Returns the
--- answer, or raises an `ocm.test.Refusal`. In a request that goes into a query, `identity` is a table of strings.
---
---     plugin:call("inputRepository", "ProcessResource", { resource = resource }, { type = "DirectCredentials/v1", properties = { username = "me" } })
---     plugin:call("ListComponentVersions", { name = "acme.org/it" })
---@param capability string may be left out when no other capability of the plugin has the method
---@param method string
---@param request? table
---@param credentials? table
---@return any answer decoded; true where the contract has an empty one
---@overload fun(self: ocm.test.Plugin, method: string, request?: table, credentials?: table): any
function plugin:call(capability, method, request, credentials) end

---@class ocm.test.Request
---@field method? string "GET"; with a body "POST"
---@field path string as it is sent, escapes included
---@field query? table<string, string>|string
---@field headers? table<string, string>
---@field body? string|table a table is sent as JSON

---@class ocm.test.Answer
---@field status integer
---@field headers table<string, string> names in lower case
---@field body string

--- Any request, for the plugin's own `handlers` and for what a well-behaved manager would not send. Does not raise for any status. What libmicrohttpd
--- answers before a script sees it (limits.body, limits.header, /healthz, /shutdown) is not there, nor is limits.memory.
---
---     test.equal(plugin:request { path = "/custom/x", query = { a = "b" } }.status, 200)
---@param request ocm.test.Request
---@return ocm.test.Answer
function plugin:request(request) end

--- The bytes that a location leads to; only of type localFile.
---
---     test.equal(plugin:blob(answer.location), "hello")
---@param location ocm.Location|{ location: ocm.Location } the answer will do
---@return string bytes
function plugin:blob(location) end

--- Calls `cleanup`; what it raises is raised. Again does nothing.
---
---     plugin:close()   -- runs its cleanup
function plugin:close() end

---- services ----

---@class ocm.test.ServedRequest
---@field method string
---@field path string decoded, without the query
---@field query table<string, string> decoded; of a repeated name the first
---@field headers table<string, string> names in lower case; repeated ones joined by ", "
---@field body string

---@class ocm.test.Server
---@field url string "http://127.0.0.1:port", without a slash at the end
---@field requests ocm.test.ServedRequest[] what was asked so far, in order
local server = {}

--- Ends it; the end of the test does, too.
---
---     server:close()   -- from now on connections are refused
function server:close() end

--- A real HTTP/1.1 server on 127.0.0.1 that lasts until the end of the test, in place of a service that the plugin talks to. It closes each
--- connection after its answer; bodies are up to 64 MiB; there is no TLS. The function is a task: it may wait. What it raises is answered
--- with 500, and fails the test. Requests are answered while the test or a handler waits (ocm.http, ocm.exec, ocm.sleep): a call
--- that blocks the whole process (os.execute, io.popen) never gets an answer.
---
---     local registry = test.http { ["GET /v2/"] = { status = 401, headers = { ["WWW-Authenticate"] = "Basic" } } }
---     local echo = test.http(function(request) return { body = request.body } end)
---@param answers (fun(request: ocm.test.ServedRequest): ocm.test.Answer?)|table<string, ocm.test.Answer> nothing: an empty 200; what a table does not have: 404
---@return ocm.test.Server
function test.http(answers) end

return test
