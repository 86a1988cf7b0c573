// Catch2, version 2 or 3, and how it prints errors.

#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#  include <catch2/catch_all.hpp>
#else
#  include <catch2/catch.hpp>
#endif

// The test of the store is built without CAF.
#if __has_include(<caf/error.hpp>)
#  include <caf/error.hpp>

template <>
struct Catch::StringMaker<caf::error> {
  static std::string convert(const caf::error& x) {
    return to_string(x);
  }
};
#endif
