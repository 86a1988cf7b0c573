// Where children go that have lost their node.

#pragma once

#include "director/child_id.hpp"
#include "director/net/node.hpp"

#include <functional>
#include <string>
#include <vector>

namespace director::net {

/// A node that can take children: it is up, does not leave, and has directors.
struct placement_node {
  node_key key = 0;
  std::string name;
  /// Children that it runs now, or is about to take.
  size_t children = 0;
};

/// A child that is to be started somewhere.
struct placement_child {
  child_id id;
  /// The node that ran it, which is among the candidates if it can take the
  /// child back.
  node_key former = 0;
};

/// Returns for each child the key of one of the nodes, 0 for none of them. All
/// nodes need not have the same function: one node decides, and whatever it
/// decides, a child never runs twice. Called on the thread of the table's
/// actor; must not block. If it throws, or answers for more or fewer children
/// than it was asked about, that is reported, and the default decides. A node
/// that is none of those given is reported and counts as 0.
using placement_function = std::function<std::vector<node_key>(
  const std::vector<placement_child>&, const std::vector<placement_node>&)>;

/// The default: children go back to the node that ran them if it can take
/// them, the others to whichever node has the fewest.
std::vector<node_key>
spread_evenly(const std::vector<placement_child>& children,
              const std::vector<placement_node>& nodes);

/// One child to move.
struct placement_move {
  child_id id;
  node_key from = 0;
  node_key to = 0;
};

/// Picks the least number of moves after which no node has more than one child
/// more than another. `children` names the children that may move, with the
/// node that runs them.
std::vector<placement_move>
even_out(const std::vector<placement_child>& children,
         const std::vector<placement_node>& nodes);

} // namespace director::net
