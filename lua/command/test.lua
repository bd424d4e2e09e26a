--- `ocmlua test [PATH ...]`: runs test files, each in a process of its own (command.test.child), and reports.

local arguments = require "command.arguments"
local coverage = require "command.test.coverage"
local files = require "command.test.files"
local json = require "ocm.json"
local native = require "ocm.native.command"
local ocm = require "ocm"
local report = require "command.test.report"

local look_seconds <const> = 0.2 -- between two looks at what is watched

--- ---- one file ----

--- The child's command line: its events come from its stdout, everything else that it writes goes to `log`.
local function command_line(path, given, log)
  local words = { native.program(), "test", "--child=" .. log }
  if given.filter then words[#words + 1] = "--filter=" .. given.filter end
  if given.coverage then words[#words + 1] = "--coverage" end
  words.timeout = given.timeout
  return table.move({ "--", path }, 1, 2, #words + 1, words)
end

local function tail(log)
  local file = io.open(log, "rb")
  if not file then return nil end
  file:seek("set", math.max(0, file:seek "end" - 8192))
  local lines = json.array()
  for line in file:read "a":gmatch "[^\n]+" do lines[#lines + 1] = utf8.len(line) and line or line:gsub("[\x80-\xff]", "?") end
  file:close()
  return lines
end

--- Runs one file; `on` has a function for each event.
local function run_child(path, given, on)
  local log = ocm.tempfile():path()
  local current, ended
  local ok, problem = pcall(ocm.pipe, ocm.command(command_line(path, given, log)), ocm.lines(function(line)
    local event = json.decode(line)
    if event.event == "test" then
      current = event.name
    elseif event.event == "end" then
      ended = true
    else
      if event.event == "result" then current = nil end
      on[event.event](event)
    end
  end), ocm.null())
  if not ok then ocm.sleep(0.001) end -- raises when it was Ctrl-C
  if not ended or not ok then
    local how = ok and "exit status 0" or tostring(problem):gsub("^.-: ", "")
    local text = ("%s: its process %s: %s"):format(path, ended and "failed at its end" or "ended before the tests did", how)
    on.result { name = current or "the file", status = "failed", seconds = 0, text = text, log = tail(log) }
  end
  os.remove(log)
end

--- ---- all files ----

local function run_all(paths, given, reporter, watched)
  local clock = require "ocm.native.task".clock
  local run, covered, began = { files = {}, passed = 0, failed = 0, skipped = 0 }, {}, clock()
  for _, path in ipairs(paths) do
    local file = { path = path, results = {} }
    run.files[#run.files + 1] = file
    watched[path:match "^(.*)/" or "."] = true
    local announced = false
    local on = {}
    function on.result(result)
      if not announced and reporter.file then reporter.file(file) end
      announced = true
      file.results[#file.results + 1] = result
      run[result.status] = run[result.status] + 1
      if reporter.result then reporter.result(file, result) end
    end
    function on.load(event)
      on.result { name = "the file", status = "failed", seconds = 0, text = event.text, where = event.where or not event.text:find(path .. ":", 1, true) and path or nil, traceback = event.traceback }
    end
    function on.folders(event)
      for _, folder in ipairs(event.folders) do watched[folder] = true end
    end
    function on.coverage(event) coverage.merge(covered, event.files) end
    run_child(path, given, on)
  end
  run.seconds = clock() - began
  run.coverage = given.coverage and coverage.rows(covered) or nil
  return run
end

local function reporter_of(given)
  if given.tap and given.json then arguments.misuse "--tap and --json are two answers to one question" end
  return given.tap and report.tap or given.json and report.json or report.people
end

--- Nothing ran: why.
local function nothing(given, paths)
  if #paths == 0 then
    return ("there is no file named *_test.lua in %s: 'ocmlua docs test' says how to write one"):format(#given > 0 and table.concat(given, ", ") or "this folder or below")
  end
  return ('no test has "%s" in its name'):format(given.filter or "")
end

local function check(given)
  if not given.timeout then return end
  local seconds = tonumber(given.timeout)
  if not seconds or not (seconds > 0 and seconds < 1e6) then arguments.misuse("--timeout: expected seconds, more than 0, got %s", given.timeout) end
  given.timeout = seconds
end

--- Runs once; whether all is well.
local function once(given, watched)
  local paths = files.find(given)
  local reporter = reporter_of(given)()
  local run = run_all(paths, given, reporter, watched)
  reporter.finish(run)
  if given.junit then report.junit(run, given.junit) end
  if run.passed + run.failed + run.skipped == 0 then
    io.stderr:write("ocmlua test: ", nothing(given, paths), "\n")
    return false
  end
  return run.failed == 0
end

local function watch(given)
  local people = not given.json and not given.tap
  while true do
    local watched = {}
    for _, path in ipairs(#given > 0 and given or { "." }) do
      if require "lfs".attributes(path, "mode") == "directory" then watched[path] = true end
    end
    once(given, watched)
    local before = files.state(watched) -- now: tests and --junit may write there, too
    if people then io.stdout:write "\nwaiting for a file to change; Ctrl-C ends it\n" end
    io.stdout:flush()
    while files.state(watched) == before do ocm.sleep(look_seconds) end
    if people then io.stdout:write "\n" end
  end
end

return {
  arguments = { 0, math.huge },
  options = {
    { name = "filter", short = "f", value = "TEXT", text = "run the tests that have TEXT in their name" },
    { name = "coverage", text = "say which lines of the plugin did not run" },
    { name = "timeout", value = "SECONDS", text = "end a test file that takes longer; by default none" },
    { name = "watch", short = "w", text = "run again whenever a file changes" },
    { name = "tap", text = "print TAP 14" },
    { name = "json", text = "print one JSON object" },
    { name = "junit", value = "FILE", text = "write a JUnit file, too" },
    { name = "child", value = "LOG", hidden = true },
  },
  examples = {
    { "ocmlua test", "every *_test.lua in this folder and below" },
    { "ocmlua test greeting_test.lua --filter blob", "some tests of one file" },
    { "ocmlua test --coverage --junit report.xml", "in a pipeline" },
    { "ocmlua test --watch", "while you write" },
  },
  help = [[
A test file, greeting_test.lua:

  local test = require "ocm.test"

  test("a greeting becomes a blob", function()
    local plugin = test.load "greeting"
    local answer = plugin:call("ProcessResource", { resource = { name = "it", type = "text", input = { type = "Greeting/v1" } } })
    test.equal(plugin:blob(answer.location), "hello")
  end)

Each file runs in a process of its own. 'ocmlua docs' lists what else ocm.test has. The exit status is 1 when a test fails or none ran.]],
  run = function(given)
    if given.child then return require "command.test.child"(given) end
    check(given)
    require "ocm.native.test".quiet()
    if given.watch then return watch(given) end
    return once(given, {}) and 0 or 1
  end,
}
