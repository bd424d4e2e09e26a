--- `ocmlua run FILE [ARGUMENT ...]`: the standalone lua, with all that plugins have.

local arguments = require "command.arguments"
local interrupt_gently = require "ocm.native.command".interrupt_gently
local trace = require "command.trace"

local function beside(path) return path:match "^(.*)/" or "." end

return {
  arguments = { 1, math.huge },
  passes = true,
  examples = {
    { "ocmlua run digest.lua *.tgz", "arguments are in `arg` and `...`, as lua has them" },
    { "echo 'print(ocm.json.encode { 1 })' | ocmlua run -", "the script comes from standard input" },
  },
  help = [[
`ocm` is there without require; `require` finds modules beside the script. What waits (ocm.pipe, ocm.http, ocm.sleep) blocks.
The exit status is 0, what os.exit was given, or 1 when the script fails.]],
  run = function(given)
    local path = given[1]
    if path ~= "-" then
      package.path = ("%s/?.lua;%s/?/init.lua;%s"):format(beside(path), beside(path), package.path)
      package.cpath = ("%s/?.so;%s"):format(beside(path), package.cpath)
    end
    local chunk, problem = loadfile(path ~= "-" and path or nil)
    if not chunk then arguments.fail("%s", problem) end
    _G.arg = table.move(given, 1, #given, 0, {})
    _G.ocm = require "ocm"
    interrupt_gently()
    local ok, failure = xpcall(chunk, trace, table.unpack(given, 2))
    if not ok then arguments.fail("%s", failure) end
  end,
}
