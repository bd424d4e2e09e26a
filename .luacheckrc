std = "lua54"
max_line_length = 200
-- luaunit finds its tests in globals.
files["tests/lua"] = { ignore = { "111/Test.*", "112/Test.*" } }
-- A variable that is only closed has a name that begins with "_".
ignore = { "211/_.*" }
