--- Writes zips: zip(files, offset) -> the bytes of one that stands behind `offset` others, as base/bundle.h reads it.
--
-- `files`: an array of { name =, text = }, kept in that order. The same files give the same bytes: all are stored, of 1 January 1980, -rw-r--r--.
-- APPNOTE.TXT 4.3.7 (local headers), 4.3.12 (the directory), 4.3.16 (its end).

local crc32 = require "ocm.native.command".crc32

local version <const>, utf8_names <const>, stored <const> = 10, 1 << 11, 0
local time <const>, date <const> = 0, 0 << 9 | 1 << 5 | 1
local unix <const>, mode <const> = 3, tonumber("100644", 8)

--- What a local header and the directory say in the same words.
local function description(file)
  local size = #file.text
  return ("<I2I2I2I2I2I4I4I4I2I2"):pack(version, utf8_names, stored, time, date, crc32(file.text), size, size, #file.name, 0)
end

return function(files, offset)
  local out, directory, at = {}, {}, offset
  for _, file in ipairs(files) do
    local said = description(file)
    local header = "PK\3\4" .. said .. file.name
    directory[#directory + 1] = "PK\1\2" .. ("<I2"):pack(unix << 8 | version) .. said .. ("<I2I2I2I4I4"):pack(0, 0, 0, mode << 16, at) .. file.name
    out[#out + 1] = header .. file.text
    at = at + #header + #file.text
  end
  local entries = table.concat(directory)
  out[#out + 1] = entries .. "PK\5\6" .. ("<I2I2I2I2I4I4I2"):pack(0, 0, #files, #files, #entries, at, 0)
  return table.concat(out)
end
