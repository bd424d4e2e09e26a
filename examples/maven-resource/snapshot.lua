--- Snapshots: a version that ends in -SNAPSHOT stands for the newest of its builds, and maven-metadata.xml says which that is:
-- https://maven.apache.org/ref/3.9.9/maven-repository-metadata/repository-metadata.html
--
-- Two elements of that file are looked for, and what is in them is used only when it is the version of a build. So a few patterns
-- do, without a library for XML: there are no entities to expand, and what they misread is refused.

local snapshot = {}

--- The version that names the folder: that of a build, 1.0-20240131.120000-3, is 1.0-SNAPSHOT.
function snapshot.folder(version)
  return (version:gsub("%-%d%d%d%d%d%d%d%d%.%d%d%d%d%d%d%-%d+$", "-SNAPSHOT"))
end

function snapshot.is_one(version) return version:find "%-SNAPSHOT$" ~= nil end

local function text(xml, name) return xml:match("<" .. name .. ">%s*([^<&%s]*)%s*</" .. name .. ">") end

--- The version of the newest build of an artifact; nil when the metadata is not what it should be.
function snapshot.newest(metadata, version, classifier, extension)
  local xml = metadata:gsub("<!%-%-.-%-%->", "")
  if xml:find("<!", 1, true) then return nil end -- a document type, or CDATA
  local stem = version:match "^(.*)SNAPSHOT$"
  local newest
  for build in xml:gmatch "<snapshotVersion>(.-)</snapshotVersion>" do
    if (text(build, "classifier") or "") == classifier and text(build, "extension") == extension then newest = text(build, "value") end
  end
  local time, number = text(xml, "timestamp"), text(xml, "buildNumber")
  newest = newest or time and number and ("%s%s-%s"):format(stem, time, number)
  if not newest then return xml:find("<localCopy>true</localCopy>", 1, true) and version end -- there is one build, which has that name
  return newest:sub(1, #stem) == stem and newest:sub(#stem + 1):find "^%d+%.%d+%-%d+$" and newest or nil
end

return snapshot
