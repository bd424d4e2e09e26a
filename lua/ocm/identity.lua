--- ocm.identity_of: which credentials a URL needs, as OCM's own repositories and accesses say it.
-- The identity decides where credentials go, so it must mean the host that libcurl connects to: what could be read in two ways is refused.

local function refuse() error("ocm.identity_of: that is not a URL with a plain host name and port", 3) end

local function given(value) return value ~= "" and value or nil end

return {
  identity_of = function(url, kind)
    if type(url) ~= "string" or url:find "[%c%s\\]" then refuse() end
    local scheme, rest = url:match "^(%a[%w+.-]*)://(.*)$"
    local authority, path = (rest or url):match "^([^/?#]*)([^?#]*)"
    local host = authority:gsub("^[^@]*@", "")
    local name, port = host:match "^([%w._-]*):?(%d*)$"
    if not name then name, port = host:match "^%[([%x:.]+)%]:?(%d*)$" end
    if not name or (not scheme and authority:find ":$") then refuse() end
    if name == "" and (scheme or ""):lower() ~= "file" then refuse() end -- libcurl takes https:///host and http:/host for https://host
    path = path:gsub("^/", ""):gsub("/+$", ""):gsub("%%(%x%x)", function(code) return string.char(tonumber(code, 16)) end)
    return { type = kind, scheme = scheme and scheme:lower(), hostname = given(name), port = given(port), path = given(path) }
  end,
}
