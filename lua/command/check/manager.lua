--- What happens to the plugin among others: types that the ocm CLI has itself, capabilities that one command would start twice, the same
-- types in another plugin of the folder.

local builtin = require "command.builtin"
local contract = require "ocm.contract"
local file = require "command.check.file"
local lfs = require "lfs"

local group <const> = "With the ocm CLI"
local patience <const> = 10 -- seconds for another plugin's `capabilities`

--- "a, b and c"
local function listed(names, word)
  if #names == 1 then return names[1] end
  return ("%s %s %s"):format(table.concat(names, ", ", 1, #names - 1), word, names[#names])
end

--- Calls f(capability, type) for all spec types of a document, aliases included.
local function each_type(document, f)
  local lists = {}
  for _, capability in ipairs(contract) do lists[capability.name] = capability.lists end
  for _, capability in ipairs(document.capabilities) do
    local list = capability[(lists[capability.type] or {}).types]
    for _, entry in ipairs(type(list) == "table" and list or {}) do f(capability.type, entry.type) end
  end
end

local function check_builtin(report, document, known)
  each_type(document, function(capability, name)
    if (builtin.types[capability] or {})[name] then
      local keys = { capability, "types", name }
      report:problem(group, ('the CLI has the type "%s" itself, and never asks a plugin\'s %s for it: choose another name'):format(name, capability),
        { file = known.script, line = known.line_of and known.line_of(keys), key = table.concat(keys, ".") })
    end
  end)
end

local function check_flows(report, document)
  local has = {}
  for _, capability in ipairs(document.capabilities) do has[capability.type] = true end
  for _, flow in ipairs(builtin.flows) do
    local both = {}
    for _, name in ipairs(flow.capabilities) do
      if has[name] then both[#both + 1] = name end
    end
    if #both > 1 then
      report:warning(group, ("'%s' may need %s, and the manager can start a plugin only once: the second fails with \"exec: already started\". Make them plugins of their own")
        :format(flow.command, listed(both, "and")))
    end
  end
  local unreached = {}
  for _, capability in ipairs(document.capabilities) do
    if not builtin.reaches(capability.type) then unreached[#unreached + 1] = capability.type end
  end
  if #unreached > 0 then report:note(group, ("today's CLI calls no plugin's %s; other programs with the plugin manager do"):format(listed(unreached, "or"))) end
end

--- The document of another file of the folder; nil when it is none of ours, and is left alone.
local function document_of(path)
  local script = file.is_ocmlua_script(path)
  if not script and not (file.is_program(path) and lfs.attributes(path .. ".lua", "mode") == "file") then return nil end
  local run, problem = file.capabilities(path, not script, patience)
  if not run then return nil, problem end
  return file.document(run)
end

local function check_neighbours(report, plugin, document)
  local folder, own = plugin:match "^(.*)/([^/]*)$"
  folder, own = folder or ".", own or plugin
  local mine, strangers = {}, {}
  each_type(document, function(capability, name) mine[capability .. " " .. name] = name end)
  local names = {}
  for name in lfs.dir(folder == "" and "/" or folder) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local path = folder .. "/" .. name
    if name ~= own and not name:find "%." and lfs.attributes(path, "mode") == "file" then
      local other, problem = document_of(path)
      if other then
        each_type(other, function(capability, type_)
          if mine[capability .. " " .. type_] then
            report:problem(group, ('%s declares the %s type "%s", too: with both in one plugin directory, every ocm command fails'):format(path, capability, type_))
          end
        end)
      elseif problem then
        report:warning(group, ("%s beside it is a plugin that does not start: %s"):format(path, problem))
      else
        strangers[#strangers + 1] = name
      end
    end
  end
  if #strangers > 0 then
    report:warning(group, ("in a plugin directory, the manager would run these files beside it, too, as they have no dot in their names: %s"):format(table.concat(strangers, ", ")))
  end
end

--- `known`: as command.check.schemas has it.
return function(report, plugin, document, known)
  local before = report:count "problem"
  check_builtin(report, document, known)
  check_flows(report, document)
  check_neighbours(report, plugin, document)
  if report:count "problem" == before then report:ok(group, "its types are neither the CLI's own nor a neighbour's") end
end
