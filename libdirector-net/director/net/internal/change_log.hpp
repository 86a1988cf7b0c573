// What directors of this node have changed, for the other nodes.

#pragma once

#include "director/ets/internal/replica.hpp"
#include "director/net/internal/entry.hpp"
#include "director/net/internal/remote_handles.hpp"

#include <caf/actor.hpp>
#include <caf/actor_addr.hpp>
#include <caf/actor_system.hpp>
#include <caf/node_id.hpp>

#include <cstdint>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

namespace director::net::internal {

/// One change, in the order in which they have happened.
struct local_change {
  enum class kind : uint8_t {
    put,
    erase,
    /// The child is to be started by another director.
    wanted,
    /// A director of this node has got the child.
    granted,
    /// Somebody waits until all changes so far are in all copies.
    mark,
  };

  kind what = kind::put;
  /// Of `put`; otherwise only the ID counts.
  entry now = {};
  /// The actor that `now` names.
  caf::actor handle = {};
  /// Of `mark`.
  uint64_t ticket = 0;
};

/// Fills in what a record says; not what nodes agree on about it.
entry to_entry(const child_record& x, bool with_body);

/// Collects changes of the local copy until the actor behind the table fetches
/// them, and knows the actors of other nodes. Safe for concurrent use.
class change_log final : public ets::internal::replica_hooks {
public:
  explicit change_log(caf::actor_system& system);

  // -- replica_hooks ----------------------------------------------------------

  void changed(const child_record& from, const child_record& to) override;

  void claimed(const child_id& id) override;

  void removed(const child_record& x) override;

  void wanted(const child_id& id) override;

  caf::actor resolve(const ets::internal::remote_actor& x) override;

  // -- for directors ----------------------------------------------------------

  /// Asks for word when all that has happened so far is in all copies.
  void mark(uint64_t ticket);

  // -- for the actor behind the table -----------------------------------------

  /// The actor to notify.
  void reader(const caf::actor& x);

  /// Swaps what has happened since the last time with `into`, which is to be
  /// empty: its memory is used for what comes next. Leaves out grants, which
  /// this actor has made, and what had happened to a child before its grant.
  void fetch(std::vector<local_change>& into);

  /// Ignores what happens from now on.
  void close();

  /// Returns the number of a node; always the same.
  uint32_t number_of(node_key node);

  node_key key_of(uint32_t number) const;

  /// Tells where the actors of a node are to be found.
  void locate(node_key node, const caf::node_id& where);

  /// Returns what `locate` was told, if anything.
  caf::node_id location_of(node_key node) const;

  const remote_handles& handles() const noexcept {
    return handles_;
  }

private:
  void add(local_change x);

  caf::actor_system& system_;
  remote_handles handles_;

  std::mutex mutex_;
  std::vector<local_change> changes_;
  caf::actor_addr reader_;
  bool announced_ = false;
  bool closed_ = false;

  mutable std::shared_mutex nodes_mutex_;
  std::unordered_map<node_key, uint32_t> numbers_;
  /// By number; the first one is this node.
  std::vector<std::pair<node_key, caf::node_id>> nodes_;
};

} // namespace director::net::internal
