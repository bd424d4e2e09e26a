--- What is said of a run: for people, as TAP 14, as JSON, and as a JUnit file.
--
-- A run: { files = { { path =, results = { … } } }, passed =, failed =, skipped =, seconds =, coverage = rows or nil }; a result is what
-- command.test.child sends. A reporter: { file(file), result(file, result), finish(run) }, each optional.

local arguments = require "command.arguments"
local json = require "ocm.json"
local terminal = require "command.terminal"

local report = {}

local function indented(text, by) return by .. text:gsub("\n+$", ""):gsub("\n", "\n" .. by) end

--- A log line as a person reads it.
local function log_line(text)
  local ok, line = pcall(json.decode, text)
  if not ok or type(line) ~= "table" or type(line.msg) ~= "string" then return text end
  local parts, names = { ("%-5s %s"):format(line.level, line.msg) }, {}
  for name in next, line do
    if name ~= "time" and name ~= "level" and name ~= "msg" then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local value = line[name]
    if name == "traceback" then
      local frames = value:gsub("\n\t%?: in[^\n]*", ""):gsub("\n\t%(%.%.%.tail calls%.%.%.%)", ""):gsub("\t", "  ") -- the program's own go
      if frames:find "\n" then parts[#parts + 1] = "\n" .. indented(frames, "  ") end
    else
      parts[#parts + 1] = ("%s=%s"):format(name, type(value) == "string" and value:find "^%S+$" and value or json.encode(value))
    end
  end
  return table.concat(parts, " ")
end

--- What went wrong, as lines: where, text, traceback, log.
local function details(result)
  local lines = {}
  local text = result.text or ""
  if result.where and text:sub(1, #result.where) ~= result.where then text = result.where .. ": " .. text end
  lines[1] = text
  if result.traceback and result.traceback:find "\n" then lines[#lines + 1] = "called from:\n" .. indented(result.traceback, "  ") end
  if result.log and #result.log > 0 then
    local log = {}
    for i, line in ipairs(result.log) do log[i] = indented(log_line(line), "  ") end
    lines[#lines + 1] = "log:\n" .. table.concat(log, "\n")
  end
  return table.concat(lines, "\n")
end

local function totals(run)
  local parts = { ("%d passed"):format(run.passed) }
  if run.failed > 0 then parts[#parts + 1] = ("%d failed"):format(run.failed) end
  if run.skipped > 0 then parts[#parts + 1] = ("%d skipped"):format(run.skipped) end
  return ("%s in %.2f s"):format(table.concat(parts, ", "), run.seconds)
end

--- ---- people ----

local function write_coverage(rows)
  local lines = {}
  for _, row in ipairs(rows) do
    local percent = row.lines > 0 and 100 * row.covered / row.lines or 100
    lines[#lines + 1] = { row.path, ("%5.1f %%"):format(percent), ("%d of %d lines"):format(row.covered, row.lines), row.text ~= "" and "not run: " .. row.text or "" }
  end
  io.stdout:write("\nCoverage\n")
  for _, line in ipairs(terminal.columns(lines)) do io.stdout:write("  ", (line:gsub("%s+$", "")), "\n") end
  if #rows == 0 then io.stdout:write "  no plugin was loaded\n" end
end

function report.people()
  local style = terminal.styles(1)
  local words = { passed = style.green "ok  ", failed = style.red "FAIL", skipped = style.yellow "skip" }
  return {
    file = function(file) io.stdout:write(style.bold(file.path), "\n") end,
    result = function(_, result)
      local aside = result.status == "skipped" and style.dim("  " .. (result.text or "")) or result.seconds >= 1 and style.dim(("  %.1f s"):format(result.seconds)) or ""
      io.stdout:write("  ", words[result.status], "  ", result.name, aside, "\n")
      if result.status == "failed" then io.stdout:write(indented(details(result), "        "), "\n") end
      io.stdout:flush()
    end,
    finish = function(run)
      if run.coverage then write_coverage(run.coverage) end
      io.stdout:write("\n", run.failed > 0 and style.red(totals(run)) or totals(run), "\n")
    end,
  }
end

--- ---- TAP ----

local function tap_name(text) return (text:gsub("[\r\n]", " "):gsub("[\\#]", "\\%0")) end

function report.tap()
  local number = 0
  io.stdout:write "TAP version 14\n"
  return {
    result = function(file, result)
      number = number + 1
      io.stdout:write(("%s %d - %s"):format(result.status == "failed" and "not ok" or "ok", number, tap_name(file.path .. ": " .. result.name)))
      if result.status == "skipped" then io.stdout:write(" # SKIP ", tap_name(result.text or "")) end
      io.stdout:write "\n"
      if result.status == "failed" then
        io.stdout:write("  ---\n  message: |\n", indented(details(result), "    "), "\n")
        if result.where then io.stdout:write("  at: ", json.encode(result.where), "\n") end
        io.stdout:write "  ...\n"
      end
      io.stdout:flush()
    end,
    finish = function(run)
      for _, row in ipairs(run.coverage or {}) do
        io.stdout:write(("# coverage %s: %d of %d lines%s\n"):format(row.path, row.covered, row.lines, row.text ~= "" and ", not run: " .. row.text or ""))
      end
      io.stdout:write(("1..%d\n"):format(number))
    end,
  }
end

--- ---- JSON ----

function report.json()
  return {
    finish = function(run)
      local tests = json.array()
      for _, file in ipairs(run.files) do
        for _, result in ipairs(file.results) do
          tests[#tests + 1] = {
            file = file.path, name = result.name, status = result.status, seconds = result.seconds,
            message = result.text, where = result.where, traceback = result.traceback, log = result.log,
          }
        end
      end
      local coverage = run.coverage and json.array() or nil
      for i, row in ipairs(run.coverage or {}) do coverage[i] = { file = row.path, lines = row.lines, covered = row.covered, missed = row.missed } end
      io.stdout:write(json.encode({ tests = tests, passed = run.passed, failed = run.failed, skipped = run.skipped, seconds = run.seconds, coverage = coverage }, { pretty = true }), "\n")
      io.stdout:flush()
    end,
  }
end

--- ---- JUnit ----

local entities = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["\n"] = "&#10;", ["\t"] = "&#9;", ["\r"] = "&#13;" }

--- XML has no place for other control characters.
local function escape(text) return (text:gsub('[&<>"%c]', function(c) return entities[c] or "?" end)) end

local function case(file, result)
  local open = ('    <testcase classname="%s" name="%s" time="%.6f"'):format(escape(file.path), escape(result.name), result.seconds)
  if result.status == "passed" then return open .. "/>" end
  if result.status == "skipped" then return ('%s>\n      <skipped message="%s"/>\n    </testcase>'):format(open, escape(result.text or "")) end
  return ('%s>\n      <failure message="%s">%s</failure>\n    </testcase>'):format(open, escape((result.text or ""):match "^[^\n]*"), escape(details(result)))
end

--- Writes the file, in place of an earlier one.
function report.junit(run, path)
  local lines = { '<?xml version="1.0" encoding="UTF-8"?>', ('<testsuites tests="%d" failures="%d" skipped="%d" time="%.6f">'):format(
    run.passed + run.failed + run.skipped, run.failed, run.skipped, run.seconds) }
  for _, file in ipairs(run.files) do
    local count, seconds = { passed = 0, failed = 0, skipped = 0 }, 0
    for _, result in ipairs(file.results) do
      count[result.status] = count[result.status] + 1
      seconds = seconds + result.seconds
    end
    lines[#lines + 1] = ('  <testsuite name="%s" tests="%d" failures="%d" skipped="%d" time="%.6f">'):format(
      escape(file.path), #file.results, count.failed, count.skipped, seconds)
    for _, result in ipairs(file.results) do lines[#lines + 1] = case(file, result) end
    lines[#lines + 1] = "  </testsuite>"
  end
  lines[#lines + 1] = "</testsuites>\n"
  local out, problem = io.open(path, "wb")
  if not out or not out:write(table.concat(lines, "\n")) or not out:close() then arguments.fail("--junit: %s", problem or path .. " cannot be written") end
end

return report
