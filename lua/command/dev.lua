--- `ocmlua dev PLUGIN`: works on a plugin while the ocm CLI uses it.
--
-- A file of its own in the plugin directory stands for the script (ocm.dev), as long as this runs. Whatever processes the CLI starts of it
-- tell in files of the run directory what happens: that is shown here. This process watches the script's files, too, so that a broken
-- version is reported when it is written, not when it is asked.

local arguments = require "command.arguments"
local contract = require "ocm.contract"
local json = require "ocm.json"
local launch = require "command.launch"
local lfs = require "lfs"
local native = require "ocm.native.command"
local ocm = require "ocm"
local show = require "command.show"
local terminal = require "command.terminal"

local LOOK <const> = 0.05 -- seconds between two looks at files and events
local IDLE <const> = 86400
local SHEBANG_MOST <const> = 250 -- bytes that Linux reads of the first line

---- the file in the plugin directory ----

local mark <const> = "-- ocmlua dev, process %d: stands for the script below as long as that runs, and goes with it."

local function shim_text(script, events)
  local program = native.program()
  if not program or program:find "%s" or #program > SHEBANG_MOST - 2 then
    arguments.fail("%s cannot stand in the first line of a script: it has a blank, or more than %d bytes", tostring(program), SHEBANG_MOST - 2)
  end
  if not program:match "[^/]+$":find "^ocmlua" then arguments.fail("%s is not named ocmlua", program) end
  local pid = lfs.symlinkattributes("/proc/self", "target")
  return ("#!%s\n%s\nreturn require \"ocm.dev\" { script = %q, events = %q }\n"):format(program, mark:format(pid), script, events)
end

--- Whose file it is: the process of another `dev` and its folder of events; nil: no `dev`'s.
local function owner_of(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read(8192) or ""
  file:close()
  local pid = text:match "^#![^\n]*\n%-%- ocmlua dev, process (%d+):"
  return pid, text:match 'events = "(.-)" }\n$'
end

--- What a `dev` left behind that was killed goes; anything else stays.
local function make_room(path, name)
  if not lfs.symlinkattributes(path, "mode") then return end
  local pid, events = owner_of(path)
  if not pid then
    arguments.fail("%s is there already, and not from ocmlua dev: move it away, or use --into with another folder (and ocm --plugin-directory)", path)
  end
  if events and lfs.attributes(events, "mode") and lfs.attributes("/proc/" .. pid, "mode") then
    arguments.fail("another ocmlua dev (process %s) stands for %s there", pid, name)
  end
  os.remove(path)
end

local function install(into, name, script, events)
  local made, problem = ocm.fs.make_dirs(into)
  if not made then arguments.fail("%s", problem) end
  local path = into .. "/" .. name
  make_room(path, name)
  local guard, reason = native.guard(path, shim_text(script, events))
  if not guard then arguments.fail("%s", reason) end
  return guard, path
end

---- what is shown ----

local method_at = {}
for _, capability in ipairs(contract) do
  for _, method in ipairs(capability.methods) do
    local key = method.http .. " " .. method.path
    local before = method_at[key]
    if not before then method_at[key] = method.name elseif not ("/" .. before .. "/"):find("/" .. method.name .. "/", 1, true) then method_at[key] = before .. "/" .. method.name end
  end
end

local function status_style(style, status)
  if not status then return style.yellow "cancelled" end
  return (status == 200 and style.green or style.red)(tostring(status))
end

local function request_text(style, event, width)
  local key = event.method .. " " .. event.path
  local lines = { ("%s  %s  %s"):format(style.bold(method_at[key] or show.plain(key)), status_style(style, event.status), show.seconds(event.seconds)) }
  if event.request ~= "" then lines[#lines + 1] = style.dim "  < " .. show.short(event.request, width) end
  if event.answer and event.answer ~= "" then lines[#lines + 1] = style.dim "  > " .. show.short(event.answer, width) end
  return table.concat(lines, "\n")
end

--- Files as they are seen from the script's folder.
local function list(files, folder)
  local own = {}
  for _, file in ipairs(files) do own[#own + 1] = file:sub(1, #folder + 1) == folder .. "/" and file:sub(#folder + 2) or file end
  return table.concat(own, ", ")
end

--- One text for an event, or nil: nothing is to be said.
local texts = {}

function texts.loaded(state, event)
  if not event.check then return state.style.dim "asked for its capabilities" end
  state.broken = nil
  return ("%s  %s"):format(state.style.green "good", list(event.files, state.folder))
end

function texts.broken(state, event)
  if state.broken == event.problem then return nil end
  state.broken = event.problem
  local serving = event.serial and ", and the last good version serves on" or ""
  return ("%s%s\n  %s"):format(state.style.red "broken", serving, (show.plain(event.problem):gsub("\n", "\n  ")))
end

function texts.reloaded(state, event)
  state.broken = nil
  return ("%s  version %d, in %s%s"):format(state.style.green "reloaded", event.serial, show.seconds(event.seconds),
    event.declares and "; its types or schemas are other ones, which an ocm command sees that starts from now on" or "")
end

function texts.request(state, event) return request_text(state.style, event, state.width) end
function texts.started(state) return state.style.dim "started" end
function texts.ended(state) return state.style.dim "ended" end

--- A line of an events file.
local function tell(state, pid, line)
  local ok, event = pcall(json.decode, line)
  if not ok or type(event) ~= "table" then event = { level = "INFO", msg = line } end
  if type(event.files) == "table" then state.told = event.files end
  if event.check then state.good = event.event == "loaded" end
  if state.json then
    event.pid = math.tointeger(pid)
    return io.stdout:write(json.encode(event), "\n")
  end
  local text
  if event.event then
    text = texts[event.event] and texts[event.event](state, event)
  elseif type(event.level) == "string" and type(event.msg) == "string" then
    if event.msg == "starting up plugin" or event.msg == "gracefully shutting down plugin" or (event.level == "DEBUG" and not state.verbose) then return end
    text = show.log(state.style, event)
  end
  if text then io.stdout:write(state.style.dim(os.date "%H:%M:%S" .. (event.check and "" or " [" .. pid .. "]")), " ", text, "\n") end
end

--- Shows what the processes told since the last time; forgets those that are gone.
local function read_events(state)
  for pid in lfs.dir(state.events) do
    if pid:find "^%d+$" then
      local path, gone = state.events .. "/" .. pid, lfs.attributes("/proc/" .. pid, "mode") == nil
      local file = io.open(path, "rb")
      if file then
        file:seek("set", state.offsets[pid] or 0)
        local text = file:read "a" or ""
        file:close()
        local whole = text:match "^.*\n" or ""
        state.offsets[pid] = (state.offsets[pid] or 0) + #whole
        for line in whole:gmatch "([^\n]*)\n" do tell(state, pid, line) end
      end
      if gone then
        os.remove(path)
        state.offsets[pid] = nil
      end
    end
  end
  io.stdout:flush()
end

---- watching ----

local function stamps(files)
  local seen = {}
  for _, file in ipairs(files) do seen[file] = native.stamp(file) or "gone" end
  return seen
end

--- Loads the script in a process of its own, which tells what it found.
local function check(state)
  local before = state.watched
  for file in pairs(before) do before[file] = native.stamp(file) or "gone" end
  state.told = nil
  local ok, done = pcall(ocm.exec, { state.shim, "capabilities", env = { OCMLUA_DEV = "check" }, check = false, timeout = 30 })
  read_events(state)
  if not state.told then
    state.good = false
    tell(state, "check", json.encode { level = "ERROR", msg = "the script cannot be loaded", reason = ok and done.stderr or tostring(done) })
    return
  end
  local now = stamps(state.told)
  for file in pairs(now) do now[file] = before[file] or now[file] end
  state.watched = now
end

local function changed(state)
  for file, seen in pairs(state.watched) do
    if (native.stamp(file) or "gone") ~= seen then return true end
  end
  return false
end

--- One look. Whether something has changed.
local function look(state)
  read_events(state)
  local news = changed(state)
  if news then check(state) end
  return news
end

---- an instance of its own ----

local function serve(state, given)
  local session = launch.session(function(line)
    if not show.parse(line) then tell(state, "serve", json.encode { level = "INFO", msg = line }) end
  end)
  local _child <close> = session.child
  session:start({ state.shim }, state.name, { idle = IDLE })
  local ok, problem = pcall(session.await, session, 30)
  if not ok then
    tell(state, "serve", json.encode { level = "ERROR", msg = tostring(problem) })
    return
  end
  if state.json then
    io.stdout:write(json.encode { event = "serving", location = session.location }, "\n")
  else
    io.stdout:write(("serving at %s; for one request: ocmlua call %s --socket %s METHOD …\n"):format(session.location, given[1], session.at.unix_socket or session.location))
  end
  while true do
    look(state)
    session:pump()
    local status, signal = session:ended()
    if status then
      tell(state, "serve", json.encode { level = "ERROR", msg = "the serving process has ended; the next change starts another", status = status, signal = signal })
      return
    end
    ocm.sleep(LOOK)
  end
end

local function run(given)
  local script = native.real_path(given[1]) or arguments.fail("there is no %s", given[1])
  if lfs.attributes(script, "mode") ~= "file" then arguments.fail("%s is no file", given[1]) end
  local home = os.getenv "HOME"
  local into = launch.absolute(given.into or (home or arguments.fail "HOME is not set: use --into DIR") .. "/.config/ocm/plugins")
  local events = ocm.tempfile():path():match "^(.*)/" .. "/events"
  local made, problem = lfs.mkdir(events)
  if not made then arguments.fail("%s: %s", events, problem) end
  local name = launch.id(given[1])
  local guard, shim = install(into, name, script, events)
  local _guard <close> = guard
  local state = {
    name = name, script = script, folder = script:match "^(.*)/", events = events, shim = shim, offsets = {}, watched = stamps { script }, json = given.json,
    verbose = given.verbose, style = terminal.styles(1), width = math.max(40, (native.width(1) or 200) - 6),
  }
  if not given.json then
    io.stdout:write(("%s stands for %s: the ocm CLI finds it there. Ctrl-C ends this.\n"):format(shim, given[1]))
    io.stdout:flush()
  end
  check(state)
  while true do
    if given.serve and state.good then
      serve(state, given)
      while not look(state) do ocm.sleep(LOOK) end
    end
    look(state)
    ocm.sleep(LOOK)
  end
end

return {
  arguments = { 1, 1 },
  options = {
    { name = "into", value = "DIR", text = "the plugin directory (~/.config/ocm/plugins)" },
    { name = "serve", text = "run one instance here, too, for ocmlua call --socket" },
    { name = "json", text = "a line of JSON for each thing that happens" },
    { name = "verbose", short = "v", text = "the plugin's DEBUG lines, too" },
  },
  examples = {
    { "ocmlua dev greeting.lua", "the ocm CLI uses the script; each request is shown" },
    { "ocmlua dev greeting.lua --into /tmp/p", "for ocm --plugin-directory /tmp/p" },
    { "ocmlua dev greeting.lua --serve", "without the CLI: prints a socket for ocmlua call --socket" },
  },
  help = [[
A change of the script, or of a module in its folder, is there for the next request; requests that run are finished by the version that began
them. A version that cannot be loaded, or whose start fails, is reported with file and line, and the last good one serves on in the
processes that run. New types and schemas are seen by the next ocm command. Never overwrites a file that is not its own; Ctrl-C removes its own.]],
  run = run,
}
