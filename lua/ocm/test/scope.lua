--- What lasts until the end of a test, or of a file: the one place that knows what has to be undone.
--
-- `ocmlua test` (command.test.child) makes a scope for the file and one for each test; ocm.test and its parts add to the innermost.

local lfs = require "lfs"

local scope = {
  file = nil,       -- the test file's path
  folder = nil, real_folder = nil, directory = nil, -- where it is, the same without links, and the working directory
  running = false,  -- a test runs
  tests = {},       -- { what =, f =, line = }
  before = {}, after = {},
  folders = {},     -- of the plugins that were loaded, absolute: { [folder] = true }
}

local stack = {}

local Failure = { __name = "ocm.test.failure", __tostring = function(failure) return failure.text end }

--- Ends the test. `kind`: "skipped": it counts neither as passed nor as failed; "check": test.raises does not take it for what it waits for.
function scope.fail(text, kind) error(setmetatable({ text = text, kind = kind }, Failure), 0) end

function scope.is_failure(value) return getmetatable(value) == Failure end

--- ---- the log: this process's stderr is a file, which only grows ----

local function log_size() return lfs.attributes("/proc/self/fd/2", "size") or 0 end

--- The bytes that were logged since the innermost scope began.
function scope.logged()
  io.stdout:flush()
  local file = io.open("/proc/self/fd/2", "rb")
  if not file then return "" end
  file:seek("set", stack[#stack] and stack[#stack].log or 0)
  local text = file:read "a"
  file:close()
  return text
end

--- ---- scopes ----

function scope.enter() stack[#stack + 1] = { undo = {}, tasks = {}, log = log_size(), directory = lfs.currentdir() } end

local function innermost() return stack[#stack] or error("tests are run by 'ocmlua test'", 0) end

--- f is called at the end, in a task; what is added last is called first.
function scope.undo(f) table.insert(innermost().undo, f) end

--- A task that ends with the scope.
function scope.task(task) table.insert(innermost().tasks, task) end

--- Undoes one thing; nil when there is nothing left.
function scope.take() return table.remove(innermost().undo) end

--- Outside of tasks, last.
function scope.leave()
  local left = table.remove(stack)
  for _, task in ipairs(left.tasks) do task:close() end
  if left.directory then lfs.chdir(left.directory) end
end

return scope
