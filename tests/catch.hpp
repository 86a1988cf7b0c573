// Catch2, version 2 or 3, and how it prints errors.

#pragma once

#include <caf/error.hpp>

#if __has_include(<catch2/catch_all.hpp>)
#  include <catch2/catch_all.hpp>
#else
#  include <catch2/catch.hpp>
#endif

template <>
struct Catch::StringMaker<caf::error> {
  static std::string convert(const caf::error& x) {
    return to_string(x);
  }
};
