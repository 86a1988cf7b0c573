// Tables that directors on many nodes share.

#pragma once

#include "director/ets/table.hpp"
#include "director/net/defaults.hpp"
#include "director/net/detail/events.hpp"
#include "director/net/fwd.hpp"
#include "director/net/node.hpp"
#include "director/net/placement.hpp"
#include "director/net/tls.hpp"
#include "director/tree.hpp"

#include <caf/actor_system.hpp>
#include <caf/error.hpp>
#include <caf/expected.hpp>
#include <caf/node_id.hpp>
#include <caf/timespan.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace director::net {

/// What the sides of a partition do.
enum class partition_mode : uint8_t {
  /// Each side carries on and starts the children of the other one. Children
  /// run twice until the network heals.
  ignore,
  /// A side without the majority of the expected nodes ends its children, and
  /// refuses starts with `errc::no_quorum`, until the network heals.
  pause_minority,
};

/// @relates partition_mode
std::string to_string(partition_mode);

/// @relates node_state
std::string to_string(node_state);

/// How a node takes part in a table.
struct options {
  /// Name of the table. Required. A node can join several tables.
  std::string table;

  /// Nodes of another cluster are refused. It is a name, not a secret.
  std::string cluster = "director";

  /// Name of this node for humans. Default: the ID of the process.
  std::string node = {};

  /// Where to listen; port 0 takes any. Without TLS, other hosts than those of
  /// the loopback need `allow_plaintext`.
  address listen = {"127.0.0.1", 0};

  /// Host for others, which no other node gives with the same port. Default:
  /// that of `listen`. It must not stand for all addresses.
  std::string advertise = {};

  /// Where to look for other nodes. Any one that lives will do. This node's
  /// own address may be among them.
  std::vector<address> seeds = {};

  /// The largest number of nodes that are ever up at a time, needed for
  /// `pause_minority`. The same on all nodes.
  size_t expected_nodes = 0;

  partition_mode partitions = partition_mode::ignore;

  caf::timespan heartbeat = defaults::heartbeat;

  /// Silence after which a node counts as down. At least 3 heartbeats. Both are
  /// the same on all nodes.
  caf::timespan suspicion = defaults::suspicion;

  /// With `pause_minority`: time that a side without majority has to end its
  /// children, which are killed, before the other side starts them. Choose it
  /// longer than any message handler of a child takes, and the same on all
  /// nodes.
  caf::timespan pause_grace = defaults::pause_grace;

  /// Time that the nodes have to agree on the owner of an ID.
  caf::timespan claim_timeout = defaults::claim_timeout;

  /// How long to look for others before starting alone. Infinite: for ever.
  caf::timespan alone_after = defaults::alone_after;

  /// How long `join` waits for others, and for the majority if one is needed.
  caf::timespan join_timeout = defaults::join_timeout;

  /// Whether connections are encrypted and verified; needs `load_tls`.
  bool tls = false;

  /// Whether to listen on other hosts without TLS, or to let CAF do that, which
  /// its option `caf.middleman.enable-automatic-connections` asks for. Then
  /// anybody who reaches the port can join, read and write.
  bool allow_plaintext = false;

  /// Decides which node gets the children of a lost one.
  placement_function placement = {};

  /// Time that children of a dead director have to react to the kill before
  /// they are called unresponsive.
  caf::timespan kill_grace = director::defaults::kill_grace;

  /// How many changes may wait for a subscriber before it is dropped.
  size_t max_backlog = 1'000'000;

  /// Receives reports about nodes and about children that do not die; empty for
  /// none.
  report_sink sink = stderr_sink();
};

/// Returns what is wrong with options, in plain words; nothing if all is well.
/// @relates options
std::string complaint(const options& x);

/// Tells whether everybody who reaches the port can join, read and write:
/// there is no TLS, and the host is another one than those of the loopback.
/// Then `join` needs `allow_plaintext` and reports a warning.
/// @relates options
bool unprotected(const options& x);

/// A node of a cluster, as another one sees it.
struct node_info {
  node_key key = 0;
  std::string name;
  address where;
  node_state state;
  /// Whether it is the node that tells.
  bool self = false;
  /// Whether it has directors, which could take children.
  bool open = false;
  bool leaving = false;
  /// Children that its directors own.
  size_t children = 0;
  /// How CAF names its process; empty until it has been reached.
  caf::node_id process = {};
};

/// This node's copy of a table of which each node has one. Reads as fast as an
/// `ets::table`, and reads the same. Children keep running when the user drops
/// it: it lives until `leave`, `close`, or the end of the actor system.
///
/// Specs must travel: `start`, `plan` and `log_filter` must be names of the
/// catalog or, for plans, ready-made; a spec with a local callable is refused
/// with `errc::invalid_child_spec`. Messages in specs must be made of types
/// that all nodes know.
///
/// All member functions are safe from any thread. Those that wait say so.
class table : public ets::table {
public:
  /// Returns where this node listens.
  virtual address where() const = 0;

  /// Returns this node and all others it knows of, ordered by name.
  virtual std::vector<node_info> nodes() const = 0;

  /// Returns the key of the node that manages a child, 0 for none.
  virtual node_key node_of(const child_id& id) const = 0;

  /// Tells whether this side of a partition has stopped.
  virtual bool paused() const = 0;

  /// Spreads the children that may move (`delete_before_terminate = false`)
  /// evenly over the nodes that have directors; as few as possible, one stop
  /// and one start each. Begins when no node is suspect. The other nodes hear
  /// of the request and remember it until it is done, whoever is lost. Does not
  /// wait.
  virtual void rebalance() = 0;

  /// Hands the children of this node over: they stop here and start on other
  /// nodes. Then the directors that use this copy end, with the children that
  /// may not run elsewhere; this node says goodbye, and the copy is closed.
  /// Waits; not for actors.
  /// Errors: `errc::unresponsive` if children did not end in time; the node
  /// has left all the same, and killed them.
  virtual caf::error leave(caf::timespan timeout = defaults::leave_timeout) = 0;
};

/// @relates table
using table_ptr = std::shared_ptr<table>;

/// Renders the nodes, and one line per child with the node that runs it.
/// @relates table
std::string to_string(const table& x);

/// Returns a function for the tree printer that knows the names of the nodes
/// that the table knows now.
/// @relates table
node_namer namer(const table& x);

/// Joins the cluster, or starts one if nobody is there. Waits until this node
/// has a copy of the table; not for actors.
/// Errors: `sec::invalid_argument` (with text), `errc::name_taken` if this
/// process has joined the table already, `errc::join_refused` (with text),
/// `sec::cannot_open_port`, `errc::no_quorum` or `sec::connection_timeout` if
/// `join_timeout` has passed.
/// @relates table
caf::expected<table_ptr> join(caf::actor_system& system, options opts);

} // namespace director::net
