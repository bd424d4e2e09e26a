--- The plugin as a file: its name, run bit, first line; and its start, as the plugin manager does it.

local json = require "ocm".json
local lfs = require "lfs"
local native = require "ocm.native.command"
local ocm = require "ocm"

local file = {}

local group <const>, start_group <const> = "File", "Start"
local patience <const> = 30 -- seconds, the manager's own
local slow <const> = 250 -- milliseconds, which every command of the CLI would take longer

local function first_bytes(path)
  local handle = io.open(path, "rb")
  if not handle then return "" end
  local bytes = handle:read(4096) or ""
  handle:close()
  return bytes
end

local function is_executable(path)
  return lfs.attributes(path, "mode") == "file" and (lfs.attributes(path, "permissions") or ""):find "x" ~= nil
end

local function in_path(name)
  for folder in ((os.getenv "PATH") or ""):gmatch "[^:]+" do
    if is_executable(folder .. "/" .. name) then return folder .. "/" .. name end
  end
end

--- Whether it is a program rather than a script.
function file.is_program(path) return first_bytes(path):sub(1, 4) == "\127ELF" end

--- Whether its first line has ocmlua run it.
function file.is_ocmlua_script(path) return first_bytes(path):match "^#![^\n]*ocmlua" ~= nil end

--- { plugin =, script =, program = }: the file that the manager would run, the Lua that is in it (nil: a bundle), whether it is a program; or nil
--- and a text.
function file.find(path)
  local mode, problem = lfs.attributes(path, "mode")
  if not mode then return nil, problem end
  if mode ~= "file" then return nil, ("%s is a %s: name the plugin's file"):format(path, mode) end
  local plain = path:match "^(.*)%.lua$"
  if plain and file.is_program(plain) then return { plugin = plain, script = path, program = true } end
  if not file.is_program(path) then return { plugin = path, script = path } end
  return { plugin = path, script = lfs.attributes(path .. ".lua", "mode") == "file" and path .. ".lua" or nil, program = true }
end

local function check_first_line(report, path)
  local bytes = first_bytes(path)
  local line = bytes:match "^([^\n]*)"
  local where = { file = path, line = 1 }
  if bytes:sub(1, 5) == "\xef\xbb\xbf#!" then
    report:problem(group, "a byte order mark stands before #!: save it as UTF-8 without one", where)
  elseif not line:find "^#!" then
    report:problem(group, 'expected "#!/usr/bin/env ocmlua": the manager starts the file itself', where)
  elseif line:find "\r$" then
    report:problem(group, "the line ends with a carriage return, so that no program is found: save it with Unix line ends", where)
  elseif not line:find "ocmlua" then
    report:problem(group, ('"%s" does not run ocmlua: expected "#!/usr/bin/env ocmlua"'):format(line), where)
  else
    local program = line:match "^#!%s*(%S+)"
    local found = program:find "/env$" and (in_path "ocmlua") or program
    if program:find "/env$" and not in_path "ocmlua" then
      report:problem(group, ("ocmlua is not in the PATH, so its first line finds none (this one is %s)"):format(native.program() or "elsewhere"), where)
    elseif not is_executable(found) then
      report:problem(group, ("there is no program %s"):format(found), where)
    else
      return true
    end
  end
  return false
end

--- Whether the manager could start it.
function file.check(report, found)
  local name, before = found.plugin:match "[^/]+$", report:count "problem"
  if name:find "%." then
    report:problem(group, ('the manager takes only files without a dot in their names for plugins: rename it to "%s"'):format(name:match "^%.*([^.]*)"), { file = found.plugin })
  end
  local runs = is_executable(found.plugin)
  if not runs then report:problem(group, ("it may not be run: chmod +x %s"):format(found.plugin), { file = found.plugin }) end
  if not found.program then runs = check_first_line(report, found.plugin) and runs end
  if report:count "problem" == before then
    report:ok(group, found.program and "its name has no dot, and it may be run" or "its name has no dot, it may be run, and its first line finds ocmlua")
  end
  return runs
end

local function absolute(path) return path:sub(1, 1) == "/" and path or lfs.currentdir() .. "/" .. path end

local function timed(command)
  local clock = require "ocm.native.task".clock
  local started = clock()
  local ok, result = pcall(ocm.exec, command)
  if not ok then return nil, tostring(result) end
  result.milliseconds = (clock() - started) * 1000
  return result
end

--- Runs `PLUGIN capabilities`, by the file itself or by this program. Returns { status =, stdout =, stderr =, milliseconds = }, or nil and a text.
function file.capabilities(path, by_itself, seconds)
  local command = by_itself and { absolute(path), "capabilities" } or { native.program(), absolute(path), "capabilities" }
  command.timeout, command.check = seconds or patience, false
  local result, failure = timed(command)
  if result and result.status == 0 and result.milliseconds > slow then -- it may have been the machine, which had something else to do
    local again = timed(command)
    if again and again.milliseconds < result.milliseconds then return again end
  end
  return result, failure
end

--- The document that a run printed, or nil and what is wrong with it.
function file.document(result)
  if result.status ~= 0 then return nil, ("it ends with status %d"):format(result.status) end
  local ok, document = pcall(json.decode, result.stdout)
  if not ok then return nil, ("stdout is not exactly one JSON document: %s"):format(document) end
  if type(document) ~= "table" or type(document.capabilities) ~= "table" then return nil, "stdout has no capabilities" end
  return document
end

--- `known`: its problems have been told already. Returns the document, or nil.
function file.start(report, found, runs, known, run, failure)
  if not run then
    return report:problem(start_group, ("'%s capabilities' fails: %s"):format(found.plugin, failure))
  end
  report.milliseconds = math.floor(run.milliseconds * 10 + 0.5) / 10
  local document, problem = file.document(run)
  if not document then
    local said = not known and run.stderr ~= "" and "\n" .. run.stderr:gsub("%s+$", "") or ""
    report:problem(start_group, ("'%s capabilities': %s. As long as it lies in the plugin directory, every ocm command fails%s"):format(found.plugin, problem, said))
    return nil
  end
  if run.stderr ~= "" then
    report:warning(start_group, ("'capabilities' writes to stderr, which users see at every ocm command:\n%s"):format((run.stderr:gsub("%s+$", ""))))
  end
  local text = ("'capabilities' answers in %.1f ms%s"):format(run.milliseconds, runs and "" or " (started by this ocmlua)")
  if run.milliseconds > slow then
    report:warning(start_group, text .. ", which every ocm command takes longer: what the script does at its top level may belong into start")
  else
    report:ok(start_group, text)
  end
  return document
end

return file
