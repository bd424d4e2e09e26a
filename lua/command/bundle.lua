--- `ocmlua bundle PLUGIN -o NAME`: this program with a script and its modules at its end (src/base/bundle.h), and how to publish it.

local arguments = require "command.arguments"
local native = require "ocm.native.command"
local ocm = require "ocm"

local json = ocm.json

local system <const> = "linux"
local machines = { [3] = "386", [22] = "s390x", [40] = "arm", [62] = "amd64", [183] = "arm64", [21] = "ppc64le", [243] = "riscv64", [258] = "loong64" } -- ELF's, by Go's names

local function read_program(path)
  local file <close> = io.open(path, "rb") or arguments.fail("the program %s cannot be read", path)
  local bytes = file:read "a"
  if not bytes or not bytes:find "^\127ELF" then arguments.fail("%s is no program: expected an ocmlua", path) end
  if bytes:sub(-22, -19) == "PK\5\6" then arguments.fail("%s has a bundle already: expected an ocmlua without one", path) end
  return bytes
end

--- The architecture that the program is built for, which --arch cannot change.
local function architecture(program, wanted)
  local built = machines[("<I2"):unpack(program, 19)]
  if wanted and built and wanted ~= built then
    arguments.fail("this ocmlua is built for %s: give --program an ocmlua that is built for %s", built, wanted)
  end
  return wanted or built or arguments.misuse("what this ocmlua is built for is not known: say it with --arch")
end

local function check_output(path, files)
  local name = path:match "[^/]*$"
  if name == "" then arguments.misuse("-o needs the name of a file, not of a folder: %s", path) end
  if name:find(".", 1, true) then
    arguments.misuse("-o %s: the ocm CLI takes a file for a plugin only when there is no dot in its name", path)
  end
  local real = native.real_path(path)
  for _, file in ipairs(files) do
    if real and real == native.real_path(file.file) then arguments.fail("%s is what the bundle is made of: give it another name", path) end
  end
end

--- ---- publishing ----

local function check_component(name, version)
  if not name then arguments.misuse "--constructor needs the component's name: --component acme.org/plugins/NAME" end
  if not name:find "^[%l%d.-]+%.%l+/[%l%d._/-]*[%l%d]$" then
    arguments.misuse('"%s" is no name of a component: expected a domain and a path, such as acme.org/plugins/NAME', name)
  end
  if not version:find "^v?%d+%.%d+%.%d+" then arguments.misuse('"%s" is no version: expected one such as 1.0.0', version) end
end

--- What `ocm add cv` makes a component version of that `ocm download plugin` finds the plugin in. JSON's strings are YAML's, too.
local function constructor(name, path, given, platform)
  local function quote(text) return (json.encode(text)) end
  return ([[
components:
  - name: %s
    version: %s
    provider:
      name: %s
    resources:
      - name: %s
        version: %s
        type: ocmPlugin
        relation: local
        extraIdentity:
          os: %s
          architecture: %s
        input:
          type: file/v1
          path: %s
          mediaType: application/octet-stream
]]):format(quote(given.component), quote(given.version), quote(given.component:match "^[^/]+"), quote(name), quote(given.version), quote(platform.os),
    quote(platform.architecture), quote(path))
end

--- A path as the CLI reads it in a constructor: from the folder that the constructor is in.
local function path_from(constructor_file, path)
  local folder = native.real_path(constructor_file:match "^(.*/)" or ".") or arguments.fail("there is no folder for %s", constructor_file)
  local real = native.real_path(path)
  if folder ~= "/" then folder = folder .. "/" end
  return real:sub(1, #folder) == folder and "./" .. real:sub(#folder + 1) or real
end

local function check_absent(path)
  local there = io.open(path, "rb")
  if not there then return end
  there:close()
  arguments.fail("%s is there already: --force overwrites it", path)
end

local function write_text(path, text)
  local done, problem = ocm.fs.write(path, text)
  if not done then arguments.fail("%s", problem) end
end

--- ---- the command ----

local function tell(result, notes)
  for _, note in ipairs(notes) do io.stderr:write("note: ", note, "\n") end
  io.stdout:write(("wrote %s (%d KiB, %s/%s) with %s\n"):format(result.path, (result.size + 1023) // 1024, result.os, result.architecture,
    table.concat(result.files, ", ")))
  if result.constructor then
    io.stdout:write(("wrote %s: publish it with 'ocm add cv --repository REPOSITORY --constructor %s'\n"):format(result.constructor, result.constructor))
  end
end

return {
  arguments = { 1, 1 },
  options = {
    { name = "output", short = "o", value = "NAME", text = "the program to write; no dot in its name" },
    { name = "force", text = "overwrite what is there" },
    { name = "constructor", value = "FILE", text = "write a component constructor that publishes it, too" },
    { name = "component", value = "NAME", text = "of the component that the constructor is for: acme.org/plugins/NAME" },
    { name = "version", value = "VERSION", text = "of that component: 1.0.0 when it is left out" },
    { name = "program", value = "FILE", text = "another ocmlua to take, such as one for another machine" },
    { name = "os", value = "OS", text = "what the constructor says of the system: linux" },
    { name = "arch", value = "ARCH", text = "the machine, as Go calls it; by default what the program is built for" },
    { name = "json", text = "say what was written as JSON" },
  },
  examples = {
    { "ocmlua bundle greeting.lua -o greeting", "greeting runs where nothing else is installed" },
    { "cp greeting ~/.config/ocm/plugins/", "and is a plugin of the ocm CLI" },
  },
  help = [[
The program is this ocmlua with a zip at its end (unzip -l NAME lists it): the script, and the Lua modules that it requires. They are found by
running the script as 'NAME capabilities' does, and by looking for require "module" in the texts. Not in it: C modules, and files that the
script opens by itself. The same input gives the same bytes. Don't strip the result: that takes the zip away.

In a bundle arg[0] is the program, and errors name the script as before.

To publish it, and to get it:

  ocmlua bundle greeting.lua -o greeting --constructor c.yaml --component acme.org/plugins/greeting
  ocm add cv --repository ghcr.io/acme --constructor c.yaml
  ocm download plugin ghcr.io/acme//acme.org/plugins/greeting:1.0.0 --output ~/.config/ocm/plugins]],
  run = function(given)
    local output = given.output or arguments.misuse "say what to write: -o NAME"
    given.version = given.version or "1.0.0"
    if given.constructor then check_component(given.component, given.version) end
    if given.constructor and not given.force then check_absent(given.constructor) end
    local program = read_program(given.program or "/proc/self/exe")
    local platform = { os = given.os or system, architecture = architecture(program, given.arch) }
    local files, notes = require "command.modules"(given[1])
    check_output(output, files)
    local bytes = program .. require "command.zip"(files, #program)
    local done, problem, code = native.write_program(output, bytes, given.force)
    if not done then
      arguments.fail("%s", code == 17 and output .. " is there already: --force overwrites it" or problem)
    end
    local result = { path = output, size = #bytes, os = platform.os, architecture = platform.architecture, files = json.array(), notes = json.array(notes) }
    for i, file in ipairs(files) do result.files[i] = file.name end
    if given.constructor then
      local name = output:match "[^/]+$"
      write_text(given.constructor, constructor(name, path_from(given.constructor, output), given, platform))
      result.constructor = given.constructor
    end
    if given.json then
      io.stdout:write(json.encode(result, { pretty = true }), "\n")
    else
      tell(result, notes)
    end
  end,
}
