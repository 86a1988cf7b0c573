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

  /// Heads the column of the contender.
  std::string_view name() const {
    return is_floor() ? "floor" : table->name;
  }
};

} // namespace bench
