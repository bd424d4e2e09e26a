--- glob { "*.lua", "docs/**/*.md" } -> a function (path) -> whether one of the globs matches the path, or a directory that it is in.
--
-- `*` and `?` stop at slashes, `**` does not. A glob without a slash means that name at any depth, as in a .gitignore; one with
-- a slash begins at the top.

local translated = { ["**/"] = ".*%f[^/]", ["**"] = ".*", ["*"] = "[^/]*", ["?"] = "[^/\x80-\xBF][\x80-\xBF]*" }

--- The Lua pattern of a glob, for paths with a slash in front.
local function pattern(text)
  text = text:gsub("/$", "")
  if not text:find "/" then text = "**/" .. text end
  local parts, at = { "^/" }, text:find "[^/]" or 1
  while at <= #text do
    local token = text:match("^%*%*/", at) or text:match("^%*%*", at) or text:sub(at, at)
    parts[#parts + 1] = translated[token] or token:gsub("%p", "%%%0")
    at = at + #token
  end
  parts[#parts + 1] = "%f[/\0]" -- up to a slash or the end
  return table.concat(parts)
end

return function(globs)
  if not globs then return nil end
  local patterns = {}
  for i, each in ipairs(globs) do patterns[i] = pattern(each) end
  return function(path)
    for _, each in ipairs(patterns) do
      if ("/" .. path):find(each) then return true end
    end
    return false
  end
end
