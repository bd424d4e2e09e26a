# bench_json compares ocm.json with lua-cjson; run it without arguments.
add_executable(bench_json json.c)
target_link_libraries(bench_json PRIVATE ocm_vm)
target_compile_definitions(bench_json PRIVATE BENCH_JSON_SCRIPT="${CMAKE_CURRENT_SOURCE_DIR}/json.lua")
