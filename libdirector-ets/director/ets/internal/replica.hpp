// What makes a table one of several copies.

#pragma once

#include "director/child_record.hpp"

#include <caf/actor.hpp>

#include <cstdint>

namespace director::ets::internal {

/// An actor on another node, of which there may be no handle yet.
struct remote_actor {
  /// Number that the copies of a table have given the node; 0 is this node.
  uint32_t node = 0;
  uint64_t id = 0;

  friend bool operator==(const remote_actor&, const remote_actor&) = default;
};

/// Hears of what happens to records of this node, to pass it on.
class replica_hooks {
public:
  virtual ~replica_hooks();

  /// Called with the lock of the record held: must not call the table.
  virtual void changed(const child_record& from, const child_record& to) = 0;

  /// `try_claim` has given a record to a director; `changed` is not called for
  /// that. Called with the lock of the index held: must not call the table.
  virtual void claimed(const child_id& id) = 0;

  /// Called with the lock of the index held: must not call the table.
  virtual void removed(const child_record& x) = 0;

  /// A child whose director has died is to be started by another. Called like
  /// `changed`.
  virtual void wanted(const child_id& id) = 0;

  /// Returns a handle, or an empty one. Safe from any thread.
  virtual caf::actor resolve(const remote_actor& x) = 0;
};

} // namespace director::ets::internal
