--- A plugin started as the OCM plugin manager starts it, and requests to it (plugin protocol, sections 1 and 2).
--
-- Whatever ends the command ends the plugin, if `session.child` is a to-be-closed variable of who starts it, before it does: closing it is
-- C alone (vm/lib_child.c), since an interrupt leaves no time for Lua code.

local arguments = require "command.arguments"
local child = require "ocm.native.child"
local json = require "ocm.json"
local lfs = require "lfs"
local native = require "ocm.native.command"
local ocm = require "ocm"
local clock = require "ocm.native.task".clock

local launch = {}

local HEALTH_SECONDS <const>, HEALTH_PAUSE <const> = 5, 0.1 -- as the manager has them
local END_SECONDS <const> = 10
local LOOK <const> = 0.01 -- seconds between two looks at what the plugin writes

--- What the program itself tells of its requests and programs is not for whoever uses a command.
require "ocm.native.log".least "WARN"

local function absolute(path)
  path = path:gsub("^%./+", "")
  return path:sub(1, 1) == "/" and path or lfs.currentdir() .. "/" .. path
end
launch.absolute = absolute

--- The plugin's id: the manager takes the file's name, which has no extension.
function launch.id(path) return path:match "([^/]+)$":gsub("(.)%.[^.]*$", "%1") end

--- What runs the file: itself, if it is a program of any kind; this ocmlua, if it is a script for it, executable or not yet.
function launch.argv(path)
  local mode = lfs.attributes(path, "mode")
  if not mode then arguments.fail("there is no %s", path) end
  if mode ~= "file" then arguments.fail("%s is a %s: expected a plugin's script or program", path, mode) end
  local file, problem = io.open(path, "rb")
  if not file then arguments.fail("%s", problem) end
  local first = file:read(256) or ""
  file:close()
  local interpreter = first:match "^#!([^\n]*)"
  local executable = lfs.attributes(path, "permissions"):find("x", 1, true)
  if executable and not (interpreter and interpreter:find "ocmlua") and (interpreter or first:find "^\127ELF") then return { absolute(path) } end
  return { native.program(), absolute(path) }
end

local function with(argv, ...) return table.move({ ... }, 1, select("#", ...), #argv + 1, table.move(argv, 1, #argv, 1, {})) end

--- The document that `capabilities` prints.
function launch.capabilities(argv)
  local command = with(argv, "capabilities")
  command.check, command.timeout = false, 30
  local ok, done = pcall(ocm.exec, command)
  if not ok then arguments.fail("%s", done) end
  local problems = done.stderr:gsub("%s+$", "")
  if done.status ~= 0 then
    arguments.fail("the plugin does not tell its capabilities (exit status %d), which makes every ocm command fail:\n%s", done.status, problems)
  end
  local told, document = pcall(json.decode, done.stdout)
  if not told or type(document) ~= "table" or type(document.capabilities) ~= "table" then
    arguments.fail("the plugin's capabilities are not the JSON that the manager expects%s", told and "" or ": " .. document)
  end
  return document
end

---- a session ----

local Session = {}
Session.__index = Session

--- { url =, unix_socket = } of an announced location, or of a socket's path.
local function place(location)
  local path = location:match "^http%+unix://(.*)" or location:match "^/.*"
  if path then return { url = "http://unix", unix_socket = path } end
  return { url = (location:gsub("/+$", "")) }
end

--- Calls f for each whole line of what came.
local function each_line(session, stream, f)
  local chunk = session.child:read(stream)
  while chunk and chunk ~= "" do
    session.partial[stream] = (session.partial[stream] or "") .. chunk
    for line in session.partial[stream]:gmatch "([^\n]*)\n" do f(line) end
    session.partial[stream] = session.partial[stream]:match "[^\n]*$"
    chunk = session.child:read(stream)
  end
  local rest = session.partial[stream]
  if not chunk and rest and rest ~= "" then
    session.partial[stream] = nil
    f(rest)
  end
end

--- Takes what the plugin has written by now.
function Session:pump()
  if not self.child then return end
  each_line(self, "err", self.on_line)
  each_line(self, "out", function(line)
    if not self.location and (line:find "^http://" or line:find "^http%+unix://") then self.location = line end
  end)
end

--- Whether it has ended: its exit status, and the signal. `seconds`: it may be about to, so they are waited for.
function Session:ended(seconds)
  if not self.child then return nil end
  local deadline = clock() + (seconds or 0)
  while clock() < deadline and not self.child:ended() do
    self:pump()
    ocm.sleep(LOOK)
  end
  return self.child:ended()
end

local function await_location(self, seconds)
  local deadline = clock() + seconds
  while true do
    self:pump()
    if self.location then return end
    local status, signal = self.child:ended()
    if status then
      self:pump()
      arguments.fail("the plugin ended before it announced where it listens (%s)", signal and "signal " .. signal or "exit status " .. status)
    end
    if clock() > deadline then
      arguments.fail("the plugin has not announced within %g s where it listens: the manager waits for a line of stdout that begins with http:// or http+unix://", seconds)
    end
    ocm.sleep(LOOK)
  end
end

--- One request, while the plugin's log is read: the answer of ocm.http.request, with `seconds`; or nil and why there is none.
function Session:request(options)
  local request = { retries = 0, redirects = 0, idle = 0 }
  for name, value in pairs(options) do request[name] = value end
  request.url, request.unix_socket = self.at.url .. options.path, self.at.unix_socket
  request.path = nil
  local done, answer, problem = false, nil, nil
  ocm.parallel(function()
    local started = clock()
    local ok, got = pcall(ocm.http.request, request)
    if ok then
      answer = got
      got.seconds = clock() - started
    else
      problem = got
    end
    done = true
  end, function()
    while not done do
      self:pump()
      ocm.sleep(LOOK)
    end
  end)
  self:pump()
  return answer, problem
end

local function await_health(self)
  local deadline, problem = clock() + HEALTH_SECONDS, nil
  while clock() < deadline do
    local answer
    answer, problem = self:request { path = "/healthz", timeout = HEALTH_SECONDS }
    if answer then return end
    if self.child:ended() then break end
    ocm.sleep(HEALTH_PAUSE)
  end
  arguments.fail("the plugin announced %s, but does not answer there: %s", self.location, problem)
end

--- A session with a plugin that is going to be started; `on_line` gets each line of its stderr.
--
--     local session = launch.session(print)
--     local _child <close> = session.child
--     session:start(argv, id, { idle = 600 })
--     session:await(30)
function launch.session(on_line) return setmetatable({ child = child.new(), partial = {}, on_line = on_line }, Session) end

--- Starts it. options: `idle` (seconds after which it ends by itself, should it be left alone), `changes` (in its environment).
function Session:start(argv, id, options)
  local config = json.encode { id = id, type = "unix", pluginType = "", idleTimeout = math.tointeger(options.idle * 1000000000) }
  local started, problem = self.child:start(with(argv, "--config", config), options.changes)
  if not started then arguments.fail("%s", problem) end
end

--- Waits until it serves; `seconds`: until it is announced.
function Session:await(seconds)
  await_location(self, seconds)
  self.at = place(self.location)
  await_health(self)
end

--- A session with a plugin that somebody else runs.
function launch.connect(location) return setmetatable({ at = place(location), location = location, on_line = function() end }, Session) end

--- SIGINT, and its last words; returns its exit status, or nil: it does not end, or is somebody else's.
function Session:stop()
  if not self.child then return nil end
  self.child:signal "INT"
  local status = self:ended(END_SECONDS)
  self:pump()
  return status
end

return launch
