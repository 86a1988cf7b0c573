// Printing supervision trees.

#pragma once

#include "director/child_record.hpp"
#include "director/fwd.hpp"
#include "director/messages.hpp"

#include <caf/actor_system.hpp>
#include <caf/expected.hpp>
#include <caf/node_id.hpp>
#include <caf/timespan.hpp>

#include <functional>
#include <string>
#include <vector>

namespace director {

/// A director or another child, with all that is below.
struct tree_node {
  /// ID and status are those in the parent's table; the root has none.
  child_info child;
  /// Name of the director, empty for children that are none.
  std::string name;
  /// Where the actor lives. For a child without actor: where its director does.
  caf::node_id place;
  std::vector<tree_node> children;
};

/// Returns the name of a node for humans, or nothing if it has none.
/// @relates tree_node
using node_namer = std::function<std::string(const caf::node_id&)>;

/// Asks a director, and all directors among its children and theirs, for what
/// they supervise. Records without owner appear nowhere. Blocks: not for
/// event-based actors. A child of type supervisor that is no director, or does
/// not answer in time, appears without children.
/// @param timeout for each director.
caf::expected<tree_node>
get_tree(caf::actor_system& system, const director_actor& root,
         caf::timespan timeout = defaults::request_timeout);

/// Does the same for all directors that own children in a table, whatever their
/// node, but those that are a child in it themselves: these stand below their
/// parents. What the table knows, it is asked for, not the directors. One that
/// does not answer appears with its address for a name. Ordered by name.
/// Blocks: not for event-based actors.
/// @param timeout for each director.
std::vector<tree_node>
get_trees(caf::actor_system& system, const table& shared,
          caf::timespan timeout = defaults::request_timeout);

/// Renders one line per child, indented below its director.
/// @param names gives each line the name of a node. What it cannot name, or
///              everything if it is empty, shows its node only if that is not
///              the one of the director above.
/// @relates tree_node
std::string to_string(const tree_node& root, const node_namer& names = {});

/// Renders a graph in the language of Graphviz. Nodes are shown as above.
/// @relates tree_node
std::string to_dot(const tree_node& root, const node_namer& names = {});

} // namespace director
