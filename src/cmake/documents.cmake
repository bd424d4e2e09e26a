# What the program says of itself: its man page and completions, made by running it and installed with it; and the target `reference`,
# which renews lua/REFERENCE.md. Left out where this machine cannot run it (cross-compiling without an emulator), and with sanitizers.
if(OCMLUA_SANITIZE OR (CMAKE_CROSSCOMPILING AND NOT CMAKE_CROSSCOMPILING_EMULATOR))
  message(STATUS "man page and completions: left out, the program is not run while building")
  return()
endif()

set(documents ${CMAKE_CURRENT_BINARY_DIR}/documents)

# document(FILE argument...): what `ocmlua argument...` prints, as a file.
function(document file)
  set(command ${CMAKE_CROSSCOMPILING_EMULATOR} $<TARGET_FILE:ocmlua> ${ARGN})
  add_custom_command(OUTPUT ${documents}/${file} DEPENDS ocmlua ${CMAKE_CURRENT_SOURCE_DIR}/cmake/output.cmake
    COMMAND ${CMAKE_COMMAND} -DFILE=${documents}/${file} "-DCOMMAND=${command}" -P ${CMAKE_CURRENT_SOURCE_DIR}/cmake/output.cmake
    COMMENT "ocmlua ${ARGN}" VERBATIM)
endfunction()

document(ocmlua.1 help --man)
document(ocmlua.bash completion bash)
document(_ocmlua completion zsh)
document(ocmlua.fish completion fish)

set(man_page ${documents}/ocmlua.1)
find_program(GZIP gzip)
if(GZIP)
  add_custom_command(OUTPUT ${man_page}.gz DEPENDS ${man_page} COMMAND ${GZIP} -9nkf ${man_page} VERBATIM)
  set(man_page ${man_page}.gz)
endif()
add_custom_target(documents ALL DEPENDS ${man_page} ${documents}/ocmlua.bash ${documents}/_ocmlua ${documents}/ocmlua.fish)

add_custom_target(reference
  COMMAND ${CMAKE_COMMAND} -DFILE=${PROJECT_SOURCE_DIR}/lua/REFERENCE.md
    "-DCOMMAND=${CMAKE_CROSSCOMPILING_EMULATOR};$<TARGET_FILE:ocmlua>;docs;--markdown" -P ${CMAKE_CURRENT_SOURCE_DIR}/cmake/output.cmake
  COMMENT "Writing lua/REFERENCE.md" VERBATIM)
add_dependencies(reference ocmlua)

install(FILES ${man_page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${documents}/ocmlua.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME ocmlua)
install(FILES ${documents}/ocmlua.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
# Debian's zsh looks into /usr/share/zsh/vendor-completions for what packages install, everybody's into site-functions.
install(CODE [[
  set(ocmlua_zsh site-functions)
  if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
    set(ocmlua_zsh vendor-completions)
  endif()
]])
install(FILES ${documents}/_ocmlua DESTINATION "${CMAKE_INSTALL_DATADIR}/zsh/\${ocmlua_zsh}")
