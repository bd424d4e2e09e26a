--- One revision of a git repository, fetched by the git program and packed as .tar.gz.
--
-- Both the spec and the repository may be hostile. So git gets whole URLs of known protocols only, sees nothing of the user's
-- configuration, has no hooks, checks nothing out, and is given credentials by its environment, for the URL's own host.

local ocm = require "ocm"

local git = {}

--- The fields of a spec, for ocm.schema: OCM's own names.
git.fields = { repository = "string", ref = "string?", commit = "string?", path = "string?", mediaType = "string?" }

--- OCM's own for commits. The ocm CLI saves it as it is, where it would fail to extract symbolic links.
local media_type <const> = "application/x-tgz"

local protocols = { "https", "http", "ssh", "git", "file" }

--- ---- the spec ----

--- The parts of a URL. One that holds more than an address may hold a secret: it is refused, and not shown.
local function parse(repository)
  local scheme, authority, path = repository:match "^(%l+)://([^/?#%c%s]*)/([^?#%c]+)$"
  if not scheme or not (" " .. table.concat(protocols, " ") .. " "):find(" " .. scheme .. " ", 1, true) then
    ocm.fail(400, "repository: expected a URL such as https://example.org/project.git, of %s, without a query", table.concat(protocols, ", "))
  end
  local user, host = authority:match "^(.*)@(.*)$"
  host = host or authority
  if user and (scheme ~= "ssh" or not user:find "^[%w._][%w._-]*$") then
    ocm.fail(400, "repository: no user (but for ssh) and no password in the URL: credentials belong into the OCM configuration")
  end
  if scheme == "file" and host ~= "" or scheme ~= "file" and not host:find "^[%w%[]" then
    ocm.fail(400, "repository: %q is no host for %s", host, scheme)
  end
  local hostname, port = host:match "^(.*):(%d+)$"
  return { scheme = scheme, origin = scheme .. "://" .. host, hostname = hostname or host ~= "" and host or nil, port = port, path = path }
end

local function check(spec)
  local ref, commit, path = spec.ref, spec.commit, spec.path
  if ref and (ref:find "^[-+]" or ref:find "[%c ~^:?*%[\\]") then ocm.fail(400, "ref %q: expected a branch or a tag", ref) end
  if commit and not commit:find("^" .. ("%x"):rep(40) .. "$") then ocm.fail(400, "commit %q: expected all of its 40 digits", commit) end
  if path and (path:find "^-" or path:find "%c") then ocm.fail(400, "path %q: it can't begin with a dash, or hold control characters", path) end
  return parse(spec.repository)
end

--- Whom credentials are looked up for.
function git.identity(spec)
  local url = parse(spec.repository)
  return { type = "Git", scheme = url.scheme, hostname = url.hostname, port = url.port, path = url.path }
end

local function wanted(spec) return spec.commit or spec.ref or "HEAD" end

--- How messages name what was asked for.
local function title(spec) return ("%s of %s"):format(wanted(spec), spec.repository) end

--- ---- running git ----

--- What a git that has called us, as in a hook, says of its own repository.
local inherited = { "GIT_COMMON_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE",
  "GIT_SHALLOW_FILE", "GIT_REPLACE_REF_BASE", "GIT_CONFIG_PARAMETERS", "GIT_CONFIG_GLOBAL", "GIT_DEFAULT_HASH" }

--- git asks this for user and password. It has them from the environment, which other users can't read, unlike arguments.
local helper = [[!answer() { printf 'username=%s\npassword=%s\n' "$OCM_USERNAME" "$OCM_PASSWORD"; }; answer]]

local function configure(env, url, properties)
  local settings = {}
  if properties.token then -- a header goes wherever a redirect leads, so none is followed
    settings = { { "http.extraHeader", "Authorization: Bearer " .. properties.token }, { "http.followRedirects", "false" } }
  elseif properties.password then
    settings = { { "credential." .. url.origin .. ".helper", helper } }
    env.OCM_USERNAME, env.OCM_PASSWORD = properties.username or "", properties.password
  end
  env.GIT_CONFIG_COUNT = #settings
  for i, setting in ipairs(settings) do
    env["GIT_CONFIG_KEY_" .. i - 1], env["GIT_CONFIG_VALUE_" .. i - 1] = setting[1], setting[2]
  end
end

local function environment(folder, url, credentials)
  local env = {
    GIT_DIR = folder, HOME = folder, XDG_CONFIG_HOME = folder, GIT_CONFIG_NOSYSTEM = 1, GIT_ATTR_NOSYSTEM = 1, GIT_LITERAL_PATHSPECS = 1, LC_ALL = "C",
    GIT_ALLOW_PROTOCOL = table.concat(protocols, ":"), GIT_TERMINAL_PROMPT = 0, GIT_ASKPASS = "",
    GIT_SSH_COMMAND = os.getenv "GIT_SSH_COMMAND" or "ssh -o BatchMode=yes",
    GIT_HTTP_LOW_SPEED_LIMIT = 1, GIT_HTTP_LOW_SPEED_TIME = 60, -- bytes a second, for so many seconds: the server is given up
  }
  for _, name in ipairs(inherited) do env[name] = false end
  configure(env, url, credentials and (credentials.properties or credentials) or {})
  return env
end

--- What git prints. A failure ends the request, with what git says of it in a line.
local function run(spec, env, arguments)
  arguments.env, arguments.check = env, false
  local done = ocm.try(title(spec), ocm.exec, arguments)
  if done.status == 0 then return done.stdout end
  local said = {}
  for line in done.stderr:gmatch "[^\r\n]+" do
    if line:find ": " then said[#said + 1] = line end
  end
  local text = #said > 0 and table.concat(said, "; "):sub(1, 600) or "git: exit status " .. done.status
  if text:find "could not read Username" or text:find "Authentication failed" then
    local state = env.GIT_CONFIG_COUNT > 0 and "it refuses the credentials" or "it wants credentials, and none with a password or a token are configured"
    text = ("%s; %s for %s"):format(text, state, ocm.json.encode(git.identity(spec)))
  end
  ocm.fail(502, "%s: %s", title(spec), text)
end

--- ---- the archive ----

--- What a spec stands for: the archive, as a Location, and the commit's id.
function git.archive(spec, credentials)
  local url = check(spec)
  local folder <close> = ocm.tempdir()
  local env = environment(folder:path(), url, credentials)
  local function call(...) return run(spec, env, { "git", ... }) end
  call("init", "--bare", "--quiet", "--template=") -- no template: no hooks
  call("fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-auto-maintenance", "--", spec.repository, wanted(spec))
  local commit = call("rev-parse", "--verify", "FETCH_HEAD^{commit}"):match "%x+"
  local blob = ocm.tempfile()
  ocm.try(title(spec), ocm.pipe, ocm.command { "git", "archive", "--format=tar", commit, "--", spec.path, env = env }, ocm.gzip(), blob)
  return { value = blob, mediaType = spec.mediaType or media_type }, commit
end

return git
