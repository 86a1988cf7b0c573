# Finds CAF and prints which one was taken. Used by the project, by the
# installed package and by scripts/setup.sh, so that all three agree.
#
# CAF's config accepts only its own major version when asked for one, and does
# not look for OpenSSL itself: ask without a version, check afterwards.
macro(director_find_caf)
  find_package(OpenSSL QUIET)
  find_package(CAF COMPONENTS core io openssl QUIET)
  if(NOT CAF_FOUND)
    message(FATAL_ERROR
      "director: CAF (core, io, openssl) was not found; set CAF_ROOT to its installation prefix "
      "or run scripts/setup.sh")
  endif()
  if(CAF_VERSION VERSION_LESS 0.18.7)
    message(FATAL_ERROR
      "director: CAF ${CAF_VERSION} in ${CAF_DIR} is too old; "
      "0.18.7 or later is needed")
  endif()
  message(STATUS "director: using CAF ${CAF_VERSION} from ${CAF_DIR}")
endmacro()
