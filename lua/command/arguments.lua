--- What stands on the command line behind a command's name, checked; and failures that are for people.
--
-- A command's `options`: an array of { name =, short = (a letter), value = (what to call its value; none: it is a switch), many = (may be
-- repeated: an array), text =, hidden = (not in the help) }; `arguments`: { least, most } words beside them (default { 0, 0 }; most = math.huge: any number).
-- `passes = true`: everything behind the first word is the command's own, also what begins with "-".

local suggest = require "ocm.suggest"

local Failure = { __name = "command.failure", __tostring = function(failure) return failure.text end }

local arguments = {}

--- Ends the command: the text for people, exit status 1.
function arguments.fail(format, ...)
  error(setmetatable({ text = format:format(...), status = 1 }, Failure), 0)
end

--- Ends the command: it was called wrongly, exit status 2.
function arguments.misuse(format, ...)
  error(setmetatable({ text = (format:format(...) .. "."):gsub("%?%.$", "?") .. " See ocmlua help", status = 2 }, Failure), 0)
end

function arguments.is_failure(value) return getmetatable(value) == Failure end

--- The options of a command that are for people.
function arguments.shown(command)
  local shown = {}
  for _, option in ipairs(command.options or {}) do
    if not option.hidden then shown[#shown + 1] = option end
  end
  return shown
end

local help = { name = "help", short = "h", text = "show this help" }

local function find(command, word)
  local known = { "--help" }
  if word == "--help" or word == "-h" then return help end
  for _, option in ipairs(command.options or {}) do
    if word == "--" .. option.name or (option.short and word == "-" .. option.short) then return option end
    known[#known + 1] = "--" .. option.name
  end
  arguments.misuse("unknown option %s%s", word, suggest(word, known))
end

local function set(given, option, value)
  if option.many then
    given[option.name] = given[option.name] or {}
    table.insert(given[option.name], value)
  else
    given[option.name] = value
  end
end

--- { [option] = value or true or an array, [1…n] = the other words }
function arguments.parse(command, argv)
  local given, only_words = {}, false
  local i = 1
  while argv[i] do
    local word = argv[i]
    if only_words or word == "-" or word:sub(1, 1) ~= "-" then
      given[#given + 1] = word
      only_words = only_words or command.passes
    elseif word == "--" then
      only_words = true
    else
      local name, value = word:match "^(%-%-[^=]+)=(.*)$"
      local option = find(command, name or word)
      if not option.value then
        if value then arguments.misuse("%s takes no value", name) end
        value = true
      elseif not value then
        i = i + 1
        value = argv[i] or arguments.misuse("%s needs a value: %s", word, option.value)
      end
      set(given, option, value)
    end
    i = i + 1
  end
  if given.help then return given end
  local least, most = table.unpack(command.arguments or { 0, 0 })
  if #given < least or #given > most then
    arguments.misuse("usage: ocmlua %s %s", command.name, command.usage)
  end
  return given
end

return arguments
