// Who takes part in a run.

#pragma once

#include "tables.hpp"

#include <string_view>

namespace bench {

/// The floor, or directors with one sort of table.
struct contender {
  /// Is `nullptr` for the floor.
  const table_kind* table = nullptr;

  bool is_floor() const {
    return table == nullptr;
  }

  /// Tells whether the table is one of a cluster.
  bool is_cluster() const {
    return !is_floor() && table->shared == reach::cluster;
  }

  /// Tells whether this one can do what needs a table that is shared so far.
  /// The floor can do what directors of one process can.
  bool can(reach needed) const {
    return is_floor() ? needed != reach::cluster : table->shared >= needed;
  }

  /// Heads the column of the contender.
  std::string_view name() const {
    return is_floor() ? "floor" : table->name;
  }
};

} // namespace bench
