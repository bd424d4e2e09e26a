--- Which lines of a plugin ran: collect() in the process that ran it, merge() and rows() in the one that reports.
--
-- The lines that could run are read from the bytecode that Lua compiles a file to (the format of Lua 5.4), since Lua tells them only of
-- functions that exist. The instruction that ends every function, whether it is reached or not, does not count.

local native = require "ocm.native.command"
local json = require "ocm.json"

local coverage = {}

--- ---- bytecode ----

local function reader(dump)
  local at = 1
  local read = {}
  function read.raw(format)
    local value
    value, at = string.unpack(format, dump, at)
    return value
  end
  function read.skip(count) at = at + count end
  --- An integer in groups of seven bits; the last group has the high bit.
  function read.size()
    local value = 0
    while true do
      local byte = read.raw "B"
      value = value << 7 | byte & 0x7F
      if byte & 0x80 ~= 0 then return value end
    end
  end
  function read.text()
    local length = read.size()
    if length > 0 then read.skip(length - 1) end
  end
  return read
end

local no_line_info <const> = -0x80
local opcode_mask <const>, tail_call <const> = 0x7F, 69 -- OP_TAILCALL; the return behind one is never reached

local function skip_constants(read)
  for _ = 1, read.size() do
    local kind = read.raw "B"
    if kind == 0x13 then read.skip(8) elseif kind == 0x03 then read.skip(8) elseif kind == 0x04 or kind == 0x14 then read.text() end
  end
end

--- The lines of one function and of those in it go into `lines`.
local function read_function(read, lines)
  read.text()
  local line = read.size()
  read.size()
  read.skip(1)
  local vararg = read.raw "B" ~= 0
  read.skip(1)
  local count = read.size()
  local unreached = {}
  for i = 1, count do unreached[i + 1] = read.raw "I4" & opcode_mask == tail_call end
  skip_constants(read)
  read.skip(read.size() * 3) -- upvalues
  for _ = 1, read.size() do read_function(read, lines) end
  local deltas, absolute = {}, {}
  for i = 1, read.size() do deltas[i] = read.raw "b" end
  for _ = 1, read.size() do
    local pc = read.size()
    absolute[pc + 1] = read.size()
  end
  for i, delta in ipairs(deltas) do
    line = delta == no_line_info and absolute[i] or line + delta
    local first, last = vararg and i == 1, i == count
    if not first and not last and not unreached[i] then lines[line] = true end
  end
  for _ = 1, read.size() do
    read.text()
    read.size()
    read.size()
  end
  for _ = 1, read.size() do read.text() end
end

--- The lines of a file that could run, or nil.
function coverage.lines(path)
  local chunk = loadfile(path, "t")
  if not chunk then return nil end
  local read = reader(string.dump(chunk))
  read.skip(4 + 1 + 1 + 6 + 3 + 8 + 8) -- signature, version, format, data, sizes, an integer, a float
  read.skip(1) -- upvalues of the main function
  local lines = {}
  read_function(read, lines)
  return lines
end

--- ---- collecting ----

local function below(path, folders)
  for _, folder in ipairs(folders) do
    if path:sub(1, #folder) == folder then return true end
  end
  return false
end

--- { [absolute path] = { lines = { … }, run = { … } } } of the plugin's files, from what the line hook has noted.
function coverage.collect(noted, folders)
  local files = {}
  for source, run in next, noted do
    local path = native.real_path(source)
    local lines = path and below(path, folders) and not path:find "_test%.lua$" and coverage.lines(path)
    if lines then
      local file = files[path] or { lines = json.array(), run = json.array() }
      files[path] = file
      if #file.lines == 0 then
        for line in next, lines do file.lines[#file.lines + 1] = line end
        table.sort(file.lines)
      end
      for line in next, run do file.run[#file.run + 1] = line end
    end
  end
  return files
end

--- Adds what another process has collected.
function coverage.merge(all, files)
  for path, file in next, files do
    local known = all[path] or { lines = file.lines, run = {} }
    all[path] = known
    for _, line in ipairs(file.run) do known.run[line] = true end
  end
end

local function ranges(lines)
  local parts, i = {}, 1
  while lines[i] do
    local last = i
    while lines[last + 1] == lines[last] + 1 do last = last + 1 end
    parts[#parts + 1] = last > i and ("%d-%d"):format(lines[i], lines[last]) or tostring(lines[i])
    i = last + 1
  end
  return table.concat(parts, ", ")
end

--- An array of { path =, lines = (number), covered = (number), missed = { … }, text = "12-14, 20" }, by path, relative to the working directory.
function coverage.rows(all)
  local here, rows = require "lfs".currentdir() .. "/", {}
  for path, file in next, all do
    local missed = json.array()
    for _, line in ipairs(file.lines) do
      if not file.run[line] then missed[#missed + 1] = line end
    end
    local shown = path:sub(1, #here) == here and path:sub(#here + 1) or path
    rows[#rows + 1] = { path = shown, lines = #file.lines, covered = #file.lines - #missed, missed = missed, text = ranges(missed) }
  end
  table.sort(rows, function(a, b) return a.path < b.path end)
  return rows
end

return coverage
