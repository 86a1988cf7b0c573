// Tables that this process shares with others.

#pragma once

#include "countdown.hpp"
#include "director/net/table.hpp"
#include "peer.hpp"

#include <caf/actor_system.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace bench {

/// Joins a table, or starts it if `port` is 0. Ends the program if that fails.
director::net::table_ptr join_table(caf::actor_system& system,
                                    const std::string& cluster,
                                    const std::string& table, uint16_t port);

/// Leaves a table that no director uses any more. Returns when all that other
/// nodes have sent has been dealt with.
void leave_table(director::net::table_ptr table);

/// Waits until `predicate` holds and returns when that was. Polls, as events
/// would take more of the processors that are measured.
/// @param what names it if it does not come true.
time_point await(const char* what, const std::function<bool()>& predicate);

/// Waits until `n` nodes are up.
void await_nodes(const director::net::table& table, size_t n);

/// Waits until it is known that `n` nodes have directors.
void await_directors(const director::net::table& table, size_t n);

/// Waits until `n` children run and returns when that was.
time_point await_children(const director::net::table& table, size_t n);

/// Waits until fewer than `children` run or fewer than `nodes` are there.
/// Returns when that was.
time_point await_loss(const director::net::table& table, size_t children,
                      size_t nodes);

/// A table that this process and some peers have joined.
class cluster {
public:
  /// The peers must belong to no other cluster.
  cluster(caf::actor_system& system, std::vector<peer_ptr> peers);

  cluster(const cluster&) = delete;

  /// Leaves the table, the peers first.
  ~cluster();

  const director::net::table_ptr& table() const {
    return table_;
  }

  const std::vector<peer_ptr>& peers() const {
    return peers_;
  }

  /// Kills the last of the peers and returns when that was.
  time_point lose_peer();

private:
  std::vector<peer_ptr> peers_;
  director::net::table_ptr table_;
};

/// Returns the peers that clusters have if nothing else is said: two.
const std::vector<peer_ptr>& standing_peers(caf::actor_system& system);

/// Returns the cluster of the current measurement, with the standing peers.
/// @pre a contender with a net table is at work
cluster& current_cluster();

/// Starts a new cluster with the standing peers; the one before ends.
cluster& make_current_cluster(caf::actor_system& system);

/// Ends the current cluster, if there is one: nobody uses its table any more.
void end_current_cluster();

} // namespace bench
