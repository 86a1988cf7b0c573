// Printing supervision trees.

#pragma once

#include "director/child_record.hpp"
#include "director/fwd.hpp"
#include "director/messages.hpp"

#include <caf/actor_system.hpp>
#include <caf/expected.hpp>
#include <caf/timespan.hpp>

#include <string>
#include <vector>

namespace director {

/// A director or another child, with all that is below.
struct tree_node {
  /// ID and status are those in the parent's table; the root has none.
  child_info child;
  /// Name of the director, empty for children that are none.
  std::string name;
  std::vector<tree_node> children;
};

/// Asks a director, and all directors among its children and theirs, for what
/// they supervise. Records without owner appear nowhere. Blocks: not for
/// event-based actors. A child of type supervisor that is no director, or does
/// not answer in time, appears without children.
/// @param timeout for each director.
caf::expected<tree_node>
get_tree(caf::actor_system& system, const director_actor& root,
         caf::timespan timeout = defaults::request_timeout);

/// Renders one line per child, indented below its director.
/// @relates tree_node
std::string to_string(const tree_node& root);

/// Renders a graph in the language of Graphviz.
/// @relates tree_node
std::string to_dot(const tree_node& root);

} // namespace director
