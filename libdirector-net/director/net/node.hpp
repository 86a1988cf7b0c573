// What stands for one node of a cluster.

#pragma once

#include <cstdint>
#include <string>
#include <tuple>

namespace director::net {

/// Stands for one run of one process: drawn at random when a node joins, so
/// that a process that comes back is another node.
using node_key = uint64_t;

/// Where a node listens.
struct address {
  std::string host;
  uint16_t port = 0;

  friend bool operator==(const address&, const address&) = default;

  friend auto operator<=>(const address&, const address&) = default;
};

/// @relates address
template <class Inspector>
bool inspect(Inspector& f, address& x) {
  return f.object(x).fields(f.field("host", x.host), f.field("port", x.port));
}

/// How to reach a node.
struct contact {
  node_key key = 0;
  /// For humans.
  std::string name;
  address where;
};

/// @relates contact
template <class Inspector>
bool inspect(Inspector& f, contact& x) {
  return f.object(x).fields(f.field("key", x.key), f.field("name", x.name),
                            f.field("where", x.where));
}

/// What a node knows of another one.
enum class node_state : uint8_t {
  /// Heard of, not yet connected.
  reaching,
  up,
  /// Silent or disconnected, but not for long enough.
  suspect,
  /// Gone, as far as this node can tell.
  down,
};

} // namespace director::net
