# `cpack` in the build folder makes a Debian package of what `cmake --install` installs.
set(OCMLUA_MAINTAINER "The ocmlua authors <root@localhost>" CACHE STRING "Who the Debian package names as its maintainer")

install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/ocmlua RENAME copyright)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME ocmlua)
set(CPACK_PACKAGE_CONTACT "${OCMLUA_MAINTAINER}")
set(CPACK_PACKAGE_HOMEPAGE_URL https://ocm.software)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "${OCMLUA_MAINTAINER}")
set(CPACK_DEBIAN_PACKAGE_SECTION devel)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "plugins for the Open Component Model, written in Lua")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"The ocm CLI starts a Lua script like any other of its plugins; listening,
shutdown, logging, JSON and the rules of the contracts are taken care of.
What a script needs at run time is in this one program, but for the
libraries that are recommended: they are loaded when they are first used.")

# What the program is linked with is found by dpkg-shlibdeps; these are loaded by it (base/lazy), under their names before and after
# Debian's move to 64-bit times.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "libssl3 | libssl3t64, libarchive13 | libarchive13t64, libcurl4 | libcurl4t64, libisal2, ca-certificates")
find_program(DPKG_SHLIBDEPS dpkg-shlibdeps)
if(DPKG_SHLIBDEPS)
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
else()
  set(CPACK_DEBIAN_PACKAGE_DEPENDS "libc6 (>= 2.34)")
endif()
include(CPack)
