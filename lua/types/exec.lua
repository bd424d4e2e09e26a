---@meta ocm
-- Child processes. No shell is involved: a program and its arguments, as they are. While one runs the task sleeps and others go on; where there
-- is no task (top level, `start`, `cleanup`) these functions block. Unlike `os.execute` and `io.popen`, which always block.
--
-- What holds for all of them:
-- * The program is looked for in the plugin's own PATH (execvp); with a slash in its name it is a file, seen from `cwd`.
-- * It runs in a process group of its own, with signals at their defaults, and inherits no descriptor but stdin, stdout and stderr.
-- * When its task ends (limits.handler, shutdown, an error beside it in ocm.parallel), its time is over, or what it exchanges bytes with fails,
--   the whole group gets SIGTERM, and 0.4 s later SIGKILL. A daemon that left the group (setsid) is not reached.
-- * It has ended when it has exited and its output is over. Processes that it leaves behind with its output open are waited for a
--   second, and then left alone.
-- * It is never told of secrets by the log: only the program's name is logged, with a first argument that looks like a subcommand
--   (`git archive`). Its stderr is logged at debug level line by line, without remembered credentials; of one run
--   the first 256 KiB.

---@class ocm
local ocm = {}

---@class ocm.Command
---@field [integer] string|number the program, then its arguments; a NUL byte in one raises
---@field cwd? string the folder that it runs in; by default the plugin's
---@field env? table<string, string|number|false> changes in the environment, which is else the plugin's own; false removes a variable
---@field inherit? boolean false: the environment is empty but for `env`, so that nothing leaks (the program is still looked for in the plugin's PATH). By default true
---@field memory? integer the most bytes of address space that the program gets, and each that it starts (RLIMIT_AS), from a moment after its start: then its allocations fail. By default, and for 0, as many as the plugin may have
---@field timeout? number seconds, then it is ended, and fails; by default, and for 0, none. Time that the rest of a pipe takes counts, too

---@class ocm.ExecOptions : ocm.Command
---@field stdin? string|ocm.Source a string is the bytes themselves (a file: `{ value = path }`, or a tempfile); by default empty
---@field stdout? ocm.Sink by default kept as a string
---@field stderr? ocm.Sink by default kept as a string, and logged at debug level. In a sink it is neither logged nor told in errors: `ocm.string()` keeps it for the script alone
---@field max? integer bytes of stdout and of stderr that are kept, by default 16 MiB. More stdout is an error; of stderr the end is kept
---@field check? boolean default true: an exit status other than 0, or a signal, raises. false: it is returned

--- May itself be the source of a pipe, or stdin: its stdout.
---@class ocm.ExecResult
---@field status integer the exit status; 128 + signal when a signal ended it
---@field signal? integer
---@field stdout? string unless it went to a sink
---@field stderr? string unless it went to a sink other than `ocm.string()`
---@field bytes? integer that reached stdout's sink
---@field digests? string[] one, where stdout's sink is a file: "sha256:…"

--- Runs a program to its end. Raises what failed: "git archive: exit status 128: <the last three lines of stderr>", "git archive: timed
--- out after 5 s", "git: No such file or directory in PATH (/usr/bin:/bin)". A sink appears as in `ocm.pipe`: whole, and only when
--- nothing failed. Processes are started at once, as many as are asked for (of work that waits, 64 go on at a time).
---
---     local head = ocm.exec { "git", "rev-parse", "HEAD", cwd = checkout }.stdout:match "%x+"
---     local tar = ocm.tempfile()
---     local result = ocm.exec { "git", "archive", head, cwd = checkout, stdout = tar, timeout = 60 }
---     local found = ocm.exec { "grep", "-c", "x", stdin = text, check = false }.status == 0
---@param options ocm.ExecOptions
---@return ocm.ExecResult
function ocm.exec(options) end

--- A program as a part of a pipe: as the source its stdout, as a stage from stdin to stdout, as the sink its stdin (what it writes is
--- dropped then). An exit status other than 0 fails the pipe, with the end of stderr. Whatever it leaves unread passes the parts before it.
---
---     ocm.pipe(location, ocm.command { "jq", "-c", ".items[]", timeout = 60 }, ocm.gzip(), out)
---@param command ocm.Command
---@return ocm.Part
function ocm.command(command) end

return ocm
