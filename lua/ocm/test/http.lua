--- A small HTTP/1.1 server in place of a service: its requests are answered by a Lua function, in tasks of this process.
--
-- A connection carries one request. Sockets wait in jobs, so that the handler that asks and the function that answers take turns.

local native = require "ocm.native.test"
local scope = require "ocm.test.scope"
local sockets = require "ocm.native.socket"

local head_limit <const>, body_limit <const> = 1 << 20, 64 << 20

--- ---- reading ----

--- The bytes of a connection: until(text) and exactly(count) return them, or nil at its end or beyond a limit.
local function reader(connection)
  local held = ""
  local function more()
    local bytes = connection:read()
    if not bytes or bytes == "" then return false end
    held = held .. bytes
    return true
  end
  local function take(count)
    local bytes = held:sub(1, count)
    held = held:sub(count + 1)
    return bytes
  end
  return {
    till = function(text, limit)
      while true do
        local _, last = held:find(text, 1, true)
        if last then return take(last):sub(1, -#text - 1) end
        if #held > limit or not more() then return nil end
      end
    end,
    exactly = function(count)
      local parts, missing = { held }, count - #held
      if missing <= 0 then return take(count) end
      while missing > 0 do
        local bytes = connection:read()
        if not bytes or bytes == "" then return nil end
        parts[#parts + 1] = bytes
        missing = missing - #bytes
      end
      held = table.concat(parts)
      return take(count)
    end,
  }
end

local function unescape(text, plus)
  if plus then text = text:gsub("%+", " ") end
  return (text:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

local function query_of(text)
  local query = {}
  for pair in text:gmatch "[^&]+" do
    local name, value = pair:match "^([^=]*)=?(.*)$"
    name = unescape(name, true)
    if query[name] == nil then query[name] = unescape(value, true) end
  end
  return query
end

local function headers_of(lines)
  local headers = {}
  for line in lines:gmatch "[^\r\n]+" do
    local name, value = line:match "^([^:%s]+):%s*(.-)%s*$"
    if not name then return nil end
    name = name:lower()
    headers[name] = headers[name] and headers[name] .. ", " .. value or value
  end
  return headers
end

local function chunked(reading)
  local parts, total = {}, 0
  while true do
    local size = tonumber((reading.till("\r\n", 1024) or ""):match "^%x+" or "", 16)
    if not size or total + size > body_limit then return nil end
    if size == 0 then break end
    parts[#parts + 1] = reading.exactly(size)
    total = total + size
    if reading.till("\r\n", 2) ~= "" then return nil end
  end
  while true do -- trailers
    local line = reading.till("\r\n", head_limit)
    if not line then return nil end
    if line == "" then return table.concat(parts) end
  end
end

local function body_of(reading, headers)
  if (headers["transfer-encoding"] or ""):lower():find "chunked" then return chunked(reading) end
  local length = tonumber(headers["content-length"] or "0")
  if math.type(length) ~= "integer" or length < 0 or length > body_limit then return nil end
  return reading.exactly(length)
end

--- A request, or nil and what is wrong with it.
local function read(connection)
  local reading = reader(connection)
  local head = reading.till("\r\n\r\n", head_limit)
  if not head then return nil end
  local method, target, lines = head:match "^(%u+) (%S+) HTTP/1%.[01](.*)$"
  local headers = method and headers_of(lines)
  if not headers then return nil, "this is no HTTP/1.1 request" end
  if (headers.expect or ""):lower() == "100-continue" then connection:write "HTTP/1.1 100 Continue\r\n\r\n" end
  local body = body_of(reading, headers)
  if not body then return nil, "the request's body did not come as announced" end
  local path, query = target:gsub("^http://[^/]*", ""):match "^([^?]*)%??(.*)$"
  return { method = method, path = unescape(path), query = query_of(query), headers = headers, body = body }
end

--- ---- answering ----

local function write(connection, request, answer)
  local status, body = answer.status or 200, answer.body or ""
  if math.type(status) ~= "integer" or status < 200 or status > 599 then error("test.http: answer.status: expected 200 to 599", 0) end
  if type(body) ~= "string" then error("test.http: answer.body: expected a string, got a " .. type(body), 0) end
  local lines = { ("HTTP/1.1 %d %s"):format(status, status < 400 and "OK" or "Error") }
  for name, value in next, answer.headers or {} do lines[#lines + 1] = ("%s: %s"):format(name, value) end
  if status ~= 204 and status ~= 304 then lines[#lines + 1] = "Content-Length: " .. #body end
  lines[#lines + 1] = "Connection: close\r\n\r\n"
  local empty = status == 204 or status == 304 or request.method == "HEAD"
  connection:write(table.concat(lines, "\r\n") .. (empty and "" or body))
end

--- A table of answers as a function.
local function function_of(answers)
  if type(answers) == "function" then return answers end
  if type(answers) ~= "table" then error('test.http: expected a function (request), or a table { ["GET /path"] = { status =, headers =, body = } }', 3) end
  return function(request)
    return answers[request.method .. " " .. request.path] or { status = 404, body = ("the test has no answer for %s %s"):format(request.method, request.path) }
  end
end

local Server = {}
Server.__index = Server

function Server:close() self.listening:close() end

return function(answers)
  local answering = function_of(answers)
  local listening, port = sockets.listen()
  local server = setmetatable({ url = "http://127.0.0.1:" .. port, requests = {}, listening = listening }, Server)
  local failure

  local function serve(connection)
    local connection <close> = connection -- luacheck: ignore
    local request, problem = read(connection)
    if not request then
      if problem then write(connection, {}, { status = 400, body = problem }) end
      return
    end
    table.insert(server.requests, request)
    local ok, reason = pcall(function() write(connection, request, answering(request) or {}) end)
    if not ok then
      failure = failure or ("test.http: %s %s: %s"):format(request.method, request.path, tostring(reason))
      write(connection, request, { status = 500, body = tostring(reason) })
    end
  end

  scope.task(native.spawn(function()
    while true do
      local connection = listening:accept()
      if not connection then return end
      scope.task(native.spawn(function() serve(connection) end))
    end
  end))
  scope.undo(function()
    listening:close()
    if failure then scope.fail(failure) end
  end)
  return server
end
