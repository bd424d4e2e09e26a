--- The parts of a pipe, as scripts make them: constructors that check their options and return a table for vm/part.h.

local suggest = require "ocm.suggest"

local Part = { __name = "ocm.part" }
Part.__index = Part
Part.__tostring = function(part) return "ocm." .. part.kind end

local function is_part(value) return getmetatable(value) == Part end

local function kind_of(value)
  if math.type(value) == "integer" then return "integer" end
  return is_part(value) and "part" or type(value)
end

local function check(name, option, shape, value)
  local wanted = shape:gsub("%?$", "")
  if value == nil and wanted ~= shape then return end
  if wanted == "any" and value ~= nil then return end
  local got = kind_of(value)
  for alternative in wanted:gmatch "[^|]+" do
    if alternative == got or (alternative == "number" and got == "integer") then return end
  end
  error(("ocm.%s: %s: expected %s, got %s"):format(name, option, wanted:gsub("|", " or "), got == "nil" and "nothing" or got), 3)
end

--- A constructor. `name` as scripts call it ("http.get"), `kind` as vm/part.h does, `options`: name -> shape ("integer", "string|table?", …),
-- `first`: the option that a lone argument stands for, if it is no table of options (or always, where `positional` is true:
-- then the options come second).
local function constructor(definition)
  local name, first, shapes = definition.name, definition.first, definition.options or {}
  return function(...)
    local one, two = ...
    local given = {}
    if definition.positional then
      if two ~= nil and type(two) ~= "table" then error(("ocm.%s: expected a table of options behind the first argument"):format(name), 2) end
      for key, value in pairs(two or {}) do given[key] = value end
      given[first] = one
    elseif type(one) == "table" and not is_part(one) then
      for key, value in pairs(one) do given[key] = value end
    elseif one ~= nil then
      if not first then error(("ocm.%s: expected a table of options, got %s"):format(name, type(one)), 2) end
      given[first] = one
    end
    for key in pairs(given) do
      if not shapes[key] then
        local known = {}
        for option in pairs(shapes) do known[#known + 1] = option end
        error(('ocm.%s: unknown option "%s"%s'):format(name, tostring(key), suggest(tostring(key), known)), 2)
      end
    end
    for option, shape in pairs(shapes) do check(name, option, shape, given[option]) end
    given.kind = definition.kind or name
    return setmetatable(given, Part)
  end
end

return { constructor = constructor, is_part = is_part }
