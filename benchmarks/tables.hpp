// The tables that directors can be measured with.

#pragma once

#include "director/table.hpp"

#include <caf/actor_system.hpp>

#include <string>
#include <string_view>

namespace bench {

/// One sort of table.
struct table_kind {
  std::string_view name;
  /// Makes an empty table, which goes away when nobody holds it any more.
  director::table_ptr (*make)(caf::actor_system&);
  /// Whether several directors can share it and any thread can read it.
  bool shared;
};

/// Returns the table with this name, `nullptr` for unknown names.
const table_kind* find_table(std::string_view name);

/// Returns the known names, separated by commas.
std::string table_names();

} // namespace bench
