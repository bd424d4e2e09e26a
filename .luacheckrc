std = "lua54"
max_line_length = 200
-- luaunit finds its tests in globals.
files["tests/lua"] = { ignore = { "111/Test.*", "112/Test.*" } }
-- print is the log's.
files["lua/ocm/log.lua"] = { ignore = { "211/_.*" } }
