--- `ocmlua check PLUGIN`: everything that is wrong with a plugin, at once. The checks: command/check/.

local arguments = require "command.arguments"
local file = require "command.check.file"

return {
  arguments = { 1, 1 },
  options = { { name = "json", text = "print one JSON document: findings, endpoints, capabilities" } },
  examples = {
    { "ocmlua check greeting", "before it goes into the plugin directory" },
    { "ocmlua check greeting --json | jq .findings", "for programs" },
  },
  help = [[
It loads the plugin as the plugin manager does, and looks at its file, declaration, schemas (their `examples` and `default`, and the `example` that may
stand beside a schema), handlers, at what the ocm CLI has itself, and at other plugins in the folder, whose `capabilities` it runs.
The exit status is 1 when there are problems (✗). Warnings (!) alone: 0.]],
  run = function(given)
    require "ocm.native.command".quiet()
    local found, problem = file.find(given[1])
    if not found then arguments.fail("%s", problem) end
    local report = require "command.check.report"(found.plugin)
    local runs = file.check(report, found)
    local run, failure = file.capabilities(found.plugin, runs or found.program)
    local loaded
    if found.script and run then loaded = require "command.check.declaration".load(report, found.script) end
    local document = file.start(report, found, runs, found.script and report:count "problem" > 0, run, failure)
    document = document or loaded and loaded.capabilities
    if loaded and type(loaded.declared) == "table" then require "command.check.declaration".endpoints(report, loaded.declared, found.script) end
    if document then
      report.capabilities = document
      local known = {
        declared = loaded and loaded.declared, script = found.script, line_of = found.script and require "ocm.source".finder(found.script),
      }
      require "command.check.schemas"(report, document, known)
      require "command.check.manager"(report, found.plugin, document, known)
    end
    io.stdout:write(given.json and report:json() or report:text())
    return report:count "problem" > 0 and 1 or 0
  end,
}
