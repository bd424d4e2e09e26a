--- Failures that are an answer: ocm.fail raises one, dispatch answers with its status and text.

local Failure = {}
Failure.__index = Failure
Failure.__name = "ocm.fail"
Failure.__tostring = function(failure) return failure.text end

--- fail([status,] format, ...)
local function fail(status, format, ...)
  local arguments = table.pack(...)
  if type(status) == "string" then
    arguments = format ~= nil and table.pack(format, ...) or arguments
    status, format = 500, status
  end
  if math.type(status) ~= "integer" or status < 400 or status > 599 then
    error("ocm.fail: expected a status from 400 to 599, or a text", 2)
  end
  if type(format) ~= "string" then error("ocm.fail: expected a text behind the status", 2) end
  local text = arguments.n == 0 and format or format:format(table.unpack(arguments, 1, arguments.n))
  error(setmetatable({ status = status, text = text }, Failure), 0)
end

--- The script's own fault: answered like a failure, logged like an error.
local function bug(format, ...) error(setmetatable({ status = 500, text = format:format(...), bug = true }, Failure), 0) end

local function is_failure(value) return getmetatable(value) == Failure end

local function tried(what, ok, ...)
  if ok then return ... end
  local reason = ...
  if is_failure(reason) then error(reason, 0) end
  fail(502, "%s: %s", what, tostring(reason))
end

--- try(what, f, ...): what f returns. What goes wrong in it, but for a failure of its own, ends the request as `what`'s.
local function try(what, f, ...) return tried(what, pcall(f, ...)) end

return { try = try, fail = fail, bug = bug, is_failure = is_failure }
