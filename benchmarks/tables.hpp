// The tables that directors can be measured with.

#pragma once

#include "director/table.hpp"

#include <caf/actor_system.hpp>

#include <string>
#include <string_view>

namespace bench {

/// Makes the table of one director.
using table_factory = director::table_ptr (*)(caf::actor_system&);

/// Returns the factory for a table, `nullptr` for unknown names.
table_factory find_table(std::string_view name);

/// Returns the known names, separated by commas.
std::string table_names();

} // namespace bench
