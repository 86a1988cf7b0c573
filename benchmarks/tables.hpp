// The tables that directors can be measured with.

#pragma once

#include "director/table.hpp"

#include <caf/actor_system.hpp>

#include <string>
#include <string_view>

namespace bench {

/// Whose directors can share a table.
enum class reach {
  nobody,
  process,
  cluster,
};

/// One sort of table.
struct table_kind {
  std::string_view name;
  /// Makes an empty table, which goes away when nobody holds it any more, or,
  /// if it is one of a cluster, with the next one.
  director::table_ptr (*make)(caf::actor_system&);
  reach shared;
};

/// Returns the table with this name, `nullptr` for unknown names.
const table_kind* find_table(std::string_view name);

/// Returns the known names, separated by commas.
std::string table_names();

} // namespace bench
