--- What programs say becomes credentials, and what they must not be handed; run it with 'ocmlua test'.

local test = require "ocm.test"

local plugin, folder

test.before(function()
  plugin, folder = test.load "command-credentials", test.folder()
end)

--- The credentials of a consumer, from a shell script that is given the arguments.
local function ask(script, arguments, more)
  local config = more or {}
  config.type, config.command = "CommandCredentials/v1", { "sh", test.write(folder .. "/script", script), table.unpack(arguments or {}) }
  local identity = { type = "OCIRegistry", hostname = "quay.io", path = "acme/app" }
  return plugin:call("credentialRepository", "Resolve", { config = config, identity = identity })
end

test("JSON becomes properties, and placeholders are filled in, each within its argument", function()
  local answer = ask([[printf '{"username":"%s","password":"%s"}' "$1" "$2"]], { "{hostname} {path}", "{type}" })
  test.equal(answer, { type = "Credentials/v1", properties = { username = "quay.io acme/app", password = "OCIRegistry" } })
end)

test("a docker credential helper is asked for the registry on stdin", function()
  local answer = ask([[printf '{"ServerURL":"x","Username":"%s","Secret":"open sesame"}' "$(cat)"]], {}, { format = "docker" })
  test.equal(answer.properties, { username = "quay.io", password = "open sesame" })
end)

test("pass: the first line is the password", function()
  test.equal(ask("printf 'open: sesame\\nusername: robot\\n'", {}, { format = "pass" }).properties, { password = "open: sesame", username = "robot" })
end)

test("what stdout said is hidden in the error that stderr becomes, and in the log", function()
  local refusal = test.raises(502, function() ask "echo open-sesame; echo it is locked: open-sesame >&2; exit 1" end)
  test.match(refusal.text, "exit status 1: it is locked: %*%*%*$")
  for _, line in ipairs(test.log()) do test.falsy(require "ocm".json.encode(line):find("sesame", 1, true)) end
end)

test("a graph asks without the spec: with two of them, nobody can tell which is meant", function()
  local function name(...) plugin:call("GetConsumerIdentity", { credential = { type = "CommandCredentials/v1", command = { ... } } }) end
  local function resolve() return plugin:call("credentialPlugin", "Resolve", { identity = { type = "OCIRegistry", hostname = "quay.io" } }) end
  name("printf", '{"password":"%s"}', "{hostname}")
  test.equal(resolve().properties.password, "quay.io")
  name("true")
  test.raises("different credentials of type", resolve)
end)
