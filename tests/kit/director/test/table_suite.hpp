// Conformance kit: checks that a table keeps the contract of `table`.

#pragma once

#include <caf/actor_system.hpp>

#include <cstdint>
#include <director/table.hpp>
#include <functional>
#include <string>
#include <vector>

namespace director::test {

/// Makes a new, empty table.
using table_factory = std::function<table_ptr()>;

/// Options of `check_table`.
struct suite_options {
  /// Whether the table may be used by many directors and readers at the same
  /// time, and is to be tested that way.
  bool concurrent = false;

  /// Seed of the random part; 0 picks one. The failures name it.
  uint32_t seed = 0;

  /// Random runs against the model, and their length.
  size_t runs = 50;
  size_t steps = 400;

  /// Rounds of the concurrent part. Each client makes 10 random calls in one.
  size_t rounds = 200;
};

/// Runs a table through all checks and returns what it does wrong, one
/// sentence for each violation; an empty result means that it conforms. Needs
/// no test framework.
/// @param system only lends actors that stand for owners and children.
std::vector<std::string> check_table(caf::actor_system& system,
                                     const table_factory& make,
                                     suite_options options = {});

} // namespace director::test
