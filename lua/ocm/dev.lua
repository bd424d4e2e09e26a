--- What stands between a plugin and the plugin manager while `ocmlua dev` works on it: the script is loaded anew when a file of it has changed.
--
-- The file that `dev` puts into the plugin directory is `return require "ocm.dev" { script =, events = }`. It declares what the script declares,
-- and gives each request to the newest version of it that could be loaded and started. Before a request the files are looked
-- at (a stat each), so the first request behind a change has the new version, and no watcher and no second process is needed: the socket,
-- the connections, the run directory with the files that answers name, and the repositories that were seen stay what they are.
-- A process for each version would end with its temporary files, which the manager may still have to read, or never end.
--
-- A version has globals and modules of its own, as far as they come from the script's folder; a request that runs keeps its version, whose
-- `cleanup` is called behind the last of them. What C modules hold, and limits, stay those of the first.
--
-- Each thing that happens is a line of JSON in a file of this process in the folder `events`, beside the lines of the log: `dev` reads
-- them. Without the folder nothing is written; a plugin never waits for, or fails over, its reader.

local contract = require "ocm.contract"
local fail = require "ocm.fail"
local json = require "ocm.json"
local load_script = require "ocm.load"
local log = require "ocm.native.log"
local wire = require "ocm.native.request"
local clock = require "ocm.native.task".clock
local stamp = require "ocm.native.command".stamp

local SHOWN <const> = 4096 -- bytes of a request and of an answer
local CLEANUP_SECONDS <const> = 4

--- What holds credentials is not shown.
local secret_paths = {}
for _, capability in ipairs(contract) do
  for _, method in ipairs(capability.methods) do
    if method.name == "Resolve" then secret_paths[method.path] = true end
  end
end

--- Globals of a version of the script. `files`: gets the stamp of each file that is loaded, from before.
local function environment(script, folder, files)
  local globals, loaded = {}, {} -- a copy: a script may give _G a metatable of its own
  for name, value in next, _G do globals[name] = value end
  globals._G = globals
  globals.arg = { [0] = script }

  --- The file of a module that belongs to the script, and so to the version.
  local function own_file(name)
    if package.loaded[name] ~= nil or package.preload[name] or type(package.searchers[2](name)) == "function" then return nil end
    local file = package.searchpath(name, package.path)
    return file and file:sub(1, #folder + 1) == folder .. "/" and file or nil
  end

  function globals.require(name)
    if type(name) == "string" and loaded[name] ~= nil then return loaded[name] end
    local file = type(name) == "string" and own_file(name)
    if not file then return require(name) end
    files[file] = stamp(file)
    local chunk, problem = loadfile(file, nil, globals)
    if not chunk then error(("error loading module '%s' from file '%s':\n\t%s"):format(name, file, problem), 0) end
    local value = chunk(name, file)
    if value ~= nil then loaded[name] = value end
    if loaded[name] == nil then loaded[name] = true end
    return loaded[name], file
  end
  return globals
end

local paths = { path = package.path, cpath = package.cpath }

--- A version: { declaration =, files =, globals = }; or nil, what is wrong, and the files.
local function build(script)
  local folder = script:match "^(.*)/"
  local files = { [script] = stamp(script) or "gone" }
  package.path, package.cpath = paths.path, paths.cpath -- the script puts its folder in front, each time
  local globals = environment(script, folder, files)
  local declaration, problem = load_script(script, nil, nil, globals)
  if declaration then return { declaration = declaration, files = files, globals = globals, print = print, running = 0 } end
  files[folder] = stamp(folder) -- what is missing may come
  return nil, problem, files
end

local function names(files)
  local list = json.array()
  for file in next, files do list[#list + 1] = file end
  table.sort(list)
  return list
end

local function text_of(problem)
  local ok, text = pcall(tostring, problem)
  return ok and text or "an error that has no text"
end

--- What can stand in JSON, of bytes that may be cut anywhere.
local function printable(bytes)
  if utf8.len(bytes) then return bytes end
  local _, bad = utf8.len(bytes)
  if bad > #bytes - 4 and bytes:byte(bad) >= 0xC2 then return bytes:sub(1, bad - 1) end
  return (bytes:gsub("[\128-\255]", "?"))
end

return function(given)
  local script, checking = given.script, os.getenv "OCMLUA_DEV" == "check" -- `dev` asks, not the manager
  local pid = require "lfs".symlinkattributes("/proc/self", "target")
  local reader = log.copy(("%s/%s"):format(given.events, pid))
  local function tell(event)
    if reader then pcall(log.tell, event) end
  end

  local config, specs, failed = nil, {}, nil
  local current, problem, watched = build(script)
  local serial, loading = 1, false
  if not current then
    tell { event = "broken", problem = problem, files = names(watched), check = checking }
    error(problem, 0)
  end
  watched = current.files
  local declared = json.encode(current.declaration.capabilities)
  if arg[1] == "capabilities" then tell { event = "loaded", files = names(watched), check = checking } end

  local function begin(version)
    version.requests = version.declaration.requests(specs)
    version.declaration.start(config)
    if version.globals.print == version.print then version.globals.print = print end -- the logger's
  end

  local function finish(version, ending)
    if version.finished or version.failure then return end
    version.finished = true
    local ok, reason = pcall(version.declaration.cleanup, ending or clock() + CLEANUP_SECONDS)
    if not ok then log.write("ERROR", "cleanup failed", { error = text_of(reason) }) end
  end

  local function changed()
    for file, seen in next, watched do
      if (stamp(file) or "gone") ~= seen then return true end
    end
    return false
  end

  local function reload()
    loading = true
    local _ <close> = setmetatable({}, { __close = function() loading = false end })
    local started = clock()
    local fresh, reason, files = build(script)
    if fresh then
      local ok, failure = pcall(begin, fresh)
      if not ok then
        fresh, reason, files = nil, "its start failed: " .. text_of(failure), fresh.files
        getmetatable(require "ocm.log").set_logger(current.declaration.logger)
      end
    end
    if not fresh then
      for file in next, watched do files[file] = files[file] or stamp(file) or "gone" end
      watched = files
      return tell { event = "broken", problem = reason, files = names(files), serial = serial }
    end
    local before = current
    current, watched, serial = fresh, fresh.files, serial + 1
    before.retired = true
    tell {
      event = "reloaded", serial = serial, files = names(watched), seconds = clock() - started,
      declares = json.encode(fresh.declaration.capabilities) ~= declared or nil,
    }
    if before.running == 0 then finish(before) end
  end

  local function dispatch(method, path)
    if not loading and changed() then reload() end
    local version, started, body, done = current, clock(), wire.body(SHOWN), false
    version.running = version.running + 1
    local _ <close> = setmetatable({}, { __close = function(_, reason)
      version.running = version.running - 1
      if version.retired and version.running == 0 then finish(version) end
      local status, answer -- nil: it was cancelled
      if done then status, answer = wire.answered(SHOWN) elseif reason ~= nil then status, answer = failed(reason) end
      if answer and secret_paths[path] and status == 200 then answer = "(credentials)" end
      tell {
        event = "request", serial = serial, method = method, path = printable(path), seconds = clock() - started, request = printable(body),
        status = status, answer = answer and printable(answer),
      }
    end })
    if version.failure then fail.fail(500, "%s", version.failure) end
    version.requests.dispatch(method, path)
    done = true
  end

  local shim = {}
  for name, value in next, current.declaration do shim[name] = value end
  function shim.requests()
    failed = require "ocm.dispatch"({}, {}).failed
    return { dispatch = dispatch, failed = failed }
  end
  function shim.start(told)
    config = told
    tell { event = "started", id = told.id }
    local ok, reason = pcall(begin, current)
    if not ok then
      current.failure = "the plugin's start failed: " .. text_of(reason)
      log.write("ERROR", current.failure)
    end
  end
  function shim.cleanup(ending)
    finish(current, ending)
    tell { event = "ended" }
  end
  return setmetatable(shim, getmetatable(current.declaration))
end
