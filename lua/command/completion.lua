--- `ocmlua completion SHELL`: the shell's completion, made of the table of commands and of their options.
--
-- A command's `words` are what its arguments may be; without them, they are files. So is the value of every option, but where it
-- is written as its choices: "a|b".

local arguments = require "command.arguments"

local help = { name = "help", short = "h", text = "show this help" }

--- All commands, loaded, each with all of its options.
local function commands()
  local command, all = require "command", {}
  for _, one in ipairs(command.commands) do
    local loaded = command.load(one.name)
    local options = { help }
    for _, option in ipairs(arguments.shown(loaded)) do options[#options + 1] = option end
    local words = loaded.words
    if type(words) == "function" then words = words() end
    all[#all + 1] = { name = one.name, summary = one.summary, options = options, words = words, most = (loaded.arguments or { 0, 0 })[2] }
  end
  return all
end

local function names(all)
  local list = {}
  for i, command in ipairs(all) do list[i] = command.name end
  return table.concat(list, " ")
end

local function choices(option) return option.value and option.value:find("|", 1, true) and option.value:gsub("|", " ") end

--- ---- bash ----

local bash = [[
# bash completion of ocmlua, made by 'ocmlua completion bash'. What has no completion here is completed as a file.
_ocmlua()
{
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} options= words=
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="%s"
        options="--help --version"
    else
        case ${COMP_WORDS[1]} in
%s        *)
            [ "$previous" = --config ] && return
            words=capabilities
            options=--config
            ;;
        esac
    fi
    case $current in
    -*) words=$options ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _ocmlua ocmlua
]]

local function in_bash(all)
  local cases = {}
  for _, command in ipairs(all) do
    local flags, values = {}, {}
    for _, option in ipairs(command.options) do
      flags[#flags + 1] = "--" .. option.name
      if option.value then
        local pattern = (option.short and "-" .. option.short .. " | " or "") .. "--" .. option.name
        local words = choices(option)
        values[#values + 1] = ("            %s) %sreturn ;;\n"):format(pattern, words and ('COMPREPLY=($(compgen -W "%s" -- "$current")); '):format(words) or "")
      end
    end
    cases[#cases + 1] = ("        %s)\n"):format(command.name)
      .. (#values > 0 and ("            case $previous in\n%s            esac\n"):format(table.concat(values)) or "")
      .. (command.words and ('            words="%s"\n'):format(table.concat(command.words, " ")) or "")
      .. ('            options="%s"\n            ;;\n'):format(table.concat(flags, " "))
  end
  return bash:format(names(all), table.concat(cases))
end

--- ---- zsh ----

local zsh = [=[
#compdef ocmlua
# zsh completion of ocmlua, made by 'ocmlua completion zsh': a file _ocmlua in $fpath, or: source <(ocmlua completion zsh)
_ocmlua() {
  local -a commands=(
%s  )
  if (( CURRENT == 2 )); then
    _describe -t commands command commands -- '(--help --version)'
    _files
    return
  fi
  local name=$words[2]
  shift words
  (( CURRENT-- ))
  case $name in
%s    *) _arguments '--config[the configuration that the plugin is served with]:JSON:' '*: :(capabilities)' ;;
  esac
}
if [[ $funcstack[1] == _ocmlua ]]; then _ocmlua "$@"; else compdef _ocmlua ocmlua; fi
]=]

--- Between single quotes, in a specification whose parts are divided by colons and brackets.
local function zsh_text(text) return (text:gsub("[%[%]:\\]", "\\%0"):gsub("'", "'\\''")) end

local function in_zsh(all)
  local list, cases = {}, {}
  for _, command in ipairs(all) do
    list[#list + 1] = ("    '%s:%s'\n"):format(command.name, zsh_text(command.summary))
    local specifications = {}
    for _, option in ipairs(command.options) do
      local long = option.value and "--" .. option.name .. "=" or "--" .. option.name
      local words = choices(option)
      local value = option.value and (":%s:%s"):format(zsh_text(option.value), words and "(" .. words .. ")" or "_files") or ""
      local tail = ("'[%s]%s'"):format(zsh_text(option.text), value)
      if option.short then
        specifications[#specifications + 1] = ("'(-%s --%s)'{-%s,%s}%s"):format(option.short, option.name, option.short, long, tail)
      else
        specifications[#specifications + 1] = (option.many and "'*'" or "") .. long .. tail
      end
    end
    if command.most > 0 then
      specifications[#specifications + 1] = command.words and ("'*: :(%s)'"):format(table.concat(command.words, " ")) or "'*:file:_files'"
    end
    cases[#cases + 1] = ("    %s)\n      _arguments \\\n        %s ;;\n"):format(command.name, table.concat(specifications, " \\\n        "))
  end
  return zsh:format(table.concat(list), table.concat(cases))
end

--- ---- fish ----

local function fish_text(text) return "'" .. text:gsub("[\\']", "\\%0") .. "'" end

local function in_fish(all)
  local known = names(all)
  local out = {
    "# fish completion of ocmlua, made by 'ocmlua completion fish'. What has no completion here is completed as a file.",
    "complete -c ocmlua -n __fish_use_subcommand -l help -s h -d 'show the help'",
    "complete -c ocmlua -n __fish_use_subcommand -l version -d 'show the version'",
  }
  for _, command in ipairs(all) do
    local seen = ("complete -c ocmlua -n '__fish_seen_subcommand_from %s'"):format(command.name)
    out[#out + 1] = ("complete -c ocmlua -n __fish_use_subcommand -a %s -d %s"):format(command.name, fish_text(command.summary))
    if command.most == 0 then
      out[#out + 1] = seen .. " -f"
    elseif command.words then
      out[#out + 1] = ("%s -f -a %s"):format(seen, fish_text(table.concat(command.words, " ")))
    end
    for _, option in ipairs(command.options) do
      local words = choices(option)
      local value = option.value and (words and " -x -a " .. fish_text(words) or " -r -F") or ""
      out[#out + 1] = ("%s%s -l %s%s -d %s"):format(seen, option.short and " -s " .. option.short or "", option.name, value, fish_text(option.text))
    end
  end
  local plugin = ("complete -c ocmlua -n 'not __fish_use_subcommand; and not __fish_seen_subcommand_from %s'"):format(known)
  out[#out + 1] = plugin .. " -f -a capabilities -d 'what the plugin can do, as JSON'"
  out[#out + 1] = plugin .. " -l config -x -d 'the configuration that the plugin is served with'"
  return table.concat(out, "\n") .. "\n"
end

local shells = { bash = in_bash, zsh = in_zsh, fish = in_fish }

return {
  arguments = { 1, 1 },
  words = { "bash", "zsh", "fish" },
  examples = {
    { "source <(ocmlua completion bash)", "in ~/.bashrc; with zsh the same in ~/.zshrc, behind compinit" },
    { "ocmlua completion fish > ~/.config/fish/completions/ocmlua.fish", "" },
  },
  help = "Packages of ocmlua install these files by themselves.",
  run = function(given)
    local make = shells[given[1]] or arguments.misuse('there is no completion for "%s": bash, zsh or fish', given[1])
    io.stdout:write(make(commands()))
  end,
}
