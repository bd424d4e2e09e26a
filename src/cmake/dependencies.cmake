# The packaged libraries: each linked statically where its archive links, and shared where it doesn't.

# ocmlua_library(NAME pkg-config-module SOURCE main.c-text [WITH more archives] [AND more sources])
# makes the interface target NAME and sets NAME_LINKED to "static" or "shared".
function(ocmlua_library name module)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "SOURCE" "WITH;AND")
  pkg_check_modules(${name}_PC REQUIRED ${module})
  list(GET ${name}_PC_LIBRARIES 0 library)
  find_library(${name}_ARCHIVE NAMES lib${library}.a HINTS ${${name}_PC_LIBRARY_DIRS})
  if(${name}_ARCHIVE AND NOT DEFINED ${name}_LINKS_STATIC)
    set(main ${CMAKE_BINARY_DIR}/try/${name}.c)
    file(WRITE ${main} "${arg_SOURCE}")
    try_compile(${name}_LINKS_STATIC ${CMAKE_BINARY_DIR}/try/${name} SOURCES ${main} ${arg_AND}
      CMAKE_FLAGS "-DINCLUDE_DIRECTORIES=${${name}_PC_INCLUDE_DIRS}"
      COMPILE_DEFINITIONS -D_GNU_SOURCE -I${CMAKE_CURRENT_SOURCE_DIR}
      LINK_LIBRARIES ${${name}_ARCHIVE} ${arg_WITH} m ${CMAKE_DL_LIBS} pthread)
  endif()
  add_library(${name} INTERFACE)
  target_include_directories(${name} SYSTEM INTERFACE ${${name}_PC_INCLUDE_DIRS})
  if(${name}_LINKS_STATIC)
    target_link_libraries(${name} INTERFACE ${${name}_ARCHIVE} ${arg_WITH} m ${CMAKE_DL_LIBS})
    set(linked static)
  else()
    target_link_libraries(${name} INTERFACE ${${name}_PC_LINK_LIBRARIES})
    set(linked shared)
  endif()
  set(${name}_LINKED ${linked} PARENT_SCOPE)
  message(STATUS "${module} ${${name}_PC_VERSION}: ${linked}")
endfunction()

ocmlua_library(lua lua5.4 SOURCE [[
  #include <lauxlib.h>
  int main(void) { return luaL_newstate() == 0; }
]])
set(lua_library ${lua_ARCHIVE})
if(lua_LINKED STREQUAL shared)
  set(lua_library ${lua_PC_LINK_LIBRARIES})
endif()

ocmlua_library(cjson lua5.4-cjson WITH ${lua_library} SOURCE [[
  struct lua_State;
  int luaopen_cjson(struct lua_State *);
  int main(int argc, char **argv) { (void)argv; return argc > 9 ? luaopen_cjson(0) : 0; }
]])

ocmlua_library(lfs lua5.4-filesystem WITH ${lua_library} SOURCE [[
  struct lua_State;
  int luaopen_lfs(struct lua_State *);
  int main(int argc, char **argv) { (void)argv; return argc > 9 ? luaopen_lfs(0) : 0; }
]])

# libmicrohttpd's archive refers to GnuTLS, which serve/no_tls.c stands in for: no TLS is served here. And one version of it
# clears much memory for every request, which serve/mhd_pool.c stands in for.
pkg_check_modules(microhttpd_PC REQUIRED libmicrohttpd)
set(stand_ins ${CMAKE_CURRENT_SOURCE_DIR}/serve/no_tls.c)
if(microhttpd_PC_VERSION VERSION_EQUAL 0.9.75)
  list(APPEND stand_ins ${CMAKE_CURRENT_SOURCE_DIR}/serve/mhd_pool.c)
endif()
ocmlua_library(microhttpd libmicrohttpd AND ${stand_ins} SOURCE [[
  #include <microhttpd.h>
  int main(void) { struct MHD_Daemon *d = MHD_start_daemon(0, 0, 0, 0, 0, 0, MHD_OPTION_END); return d != 0; }
]])
