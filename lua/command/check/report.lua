--- What `ocmlua check` found, and how it is shown: report() has problem, warning, ok and note (group, text, { file =, line =, key = }).

local json = require "ocm".json
local terminal = require "command.terminal"

local Report = {}
Report.__index = Report

local groups = { "File", "Declaration", "Schemas", "Handlers", "With the ocm CLI", "Start" }

local function add(level)
  return function(self, group, text, where)
    local finding = { level = level, group = group, text = text }
    for name, value in next, where or {} do finding[name] = value end
    table.insert(self.findings, finding)
  end
end
Report.problem, Report.warning, Report.ok, Report.note = add "problem", add "warning", add "ok", add "note"

function Report:count(level)
  local count = 0
  for _, finding in ipairs(self.findings) do count = count + (finding.level == level and 1 or 0) end
  return count
end

local function some(count, what) return ("%d %s%s"):format(count, what, count == 1 and "" or "s") end

--- "1 problem, 2 warnings"
function Report:summary()
  local problems, warnings = self:count "problem", self:count "warning"
  if problems + warnings == 0 then return "nothing is wrong" end
  local texts = {}
  if problems > 0 then texts[#texts + 1] = some(problems, "problem") end
  if warnings > 0 then texts[#texts + 1] = some(warnings, "warning") end
  return table.concat(texts, ", ")
end

--- For programs: one document. `ok`: whether there is no problem.
function Report:json()
  return json.encode({
    plugin = self.plugin, ok = self:count "problem" == 0, problems = self:count "problem", warnings = self:count "warning",
    findings = json.array(self.findings), endpoints = json.array(self.endpoints), milliseconds = self.milliseconds, capabilities = self.capabilities,
  }, { pretty = true }) .. "\n"
end

local marks = { problem = { "✗", "red" }, warning = { "!", "yellow" }, ok = { "✓", "green" }, note = { "·", "dim" } }
local states = { handler = "green", default = "dim", ["501"] = "yellow" }

local function endpoints_text(self, style)
  local rows, colours = {}, {}
  for i, endpoint in ipairs(self.endpoints) do
    rows[i] = { "  " .. endpoint.http, endpoint.path, endpoint.capability .. "." .. endpoint.method, endpoint.state }
    colours[i] = states[endpoint.state]
  end
  local lines = terminal.columns(rows)
  for i, line in ipairs(lines) do
    local state = self.endpoints[i].state
    lines[i] = line:sub(1, -#state - 1) .. style[colours[i]](state)
  end
  return table.concat(lines, "\n")
end

--- For people.
function Report:text()
  local style, out = terminal.styles(1), {}
  for _, group in ipairs(groups) do
    local lines = {}
    for _, finding in ipairs(self.findings) do
      if finding.group == group then
        local mark = marks[finding.level]
        local where = finding.file and (finding.line and ("%s:%d: "):format(finding.file, finding.line) or finding.file .. ": ") or ""
        lines[#lines + 1] = ("  %s %s"):format(style[mark[2]](mark[1]), (where .. finding.text):gsub("\n", "\n    "))
      end
    end
    if #lines > 0 then
      out[#out + 1] = style.bold(group)
      out[#out + 1] = table.concat(lines, "\n")
    end
  end
  if #self.endpoints > 0 then
    out[#out + 1] = style.bold "Endpoints"
    out[#out + 1] = endpoints_text(self, style)
  end
  local colour = self:count "problem" > 0 and "red" or self:count "warning" > 0 and "yellow" or "green"
  out[#out + 1] = "\n" .. self.plugin .. ": " .. style[colour](self:summary())
  return table.concat(out, "\n") .. "\n"
end

return function(plugin) return setmetatable({ plugin = plugin, findings = {}, endpoints = {} }, Report) end
