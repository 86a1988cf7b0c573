# Defines one library of this project: target director_<name>, alias
# director::<name>, warnings, installation, and its own export file.
#
#   director_add_library(<name> SOURCES ... PUBLIC <libraries> ...)
#
# The current source folder must hold the headers under their include path.
function(director_add_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC" ${ARGN})
  set(target director_${name})
  add_library(${target} ${ARG_SOURCES})
  add_library(director::${name} ALIAS ${target})
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_link_libraries(${target} PUBLIC ${ARG_PUBLIC})
  target_include_directories(
    ${target} PUBLIC $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}>
                     $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  set_target_properties(
    ${target} PROPERTIES EXPORT_NAME ${name} VERSION ${PROJECT_VERSION}
                         SOVERSION ${PROJECT_VERSION_MAJOR})
  director_set_warnings(${target})
  install(TARGETS ${target} EXPORT director_${name}_targets
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
          LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
          RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/director
          DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
          FILES_MATCHING PATTERN "*.hpp")
  install(EXPORT director_${name}_targets NAMESPACE director::
          FILE director_${name}_targets.cmake
          DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/director)
endfunction()

# Turns on the warnings that all code of this project is free of.
function(director_set_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow
                                           -Wnon-virtual-dtor)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # GCC 12 sees these in the code of its own standard library.
    target_compile_options(${target} PRIVATE -Wno-restrict
                                             -Wno-maybe-uninitialized
                                             -Wno-stringop-overflow)
  endif()
  if(DIRECTOR_ENABLE_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()
