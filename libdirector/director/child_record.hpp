// Child record: what a table keeps about a child.

#pragma once

#include "director/child_id.hpp"
#include "director/child_spec.hpp"
#include "director/fwd.hpp"

#include <caf/actor.hpp>
#include <caf/actor_addr.hpp>
#include <caf/error.hpp>
#include <caf/message.hpp>

#include <memory>
#include <string>
#include <string_view>

namespace director {

/// Where a child is in its life.
enum class child_status : uint8_t {
  /// Not running and nothing scheduled.
  undefined,
  /// Has a live actor.
  running,
  /// A start or restart is scheduled or under way.
  restarting,
  /// Was told to die and has not done so yet.
  terminating,
  /// Was told to die, was killed, and has not died.
  unresponsive,
};

/// @relates child_status
std::string to_string(child_status);

/// @relates child_status
bool from_string(detail::string_view, child_status&);

/// @relates child_status
bool from_integer(std::underlying_type_t<child_status>, child_status&);

/// @relates child_status
template <class Inspector>
bool inspect(Inspector& f, child_status& x) {
  return caf::default_enum_inspect(f, x);
}

/// Shared by all children that have the same spec but for ID and own args.
using child_spec_ptr = std::shared_ptr<const child_spec>;

/// Spec and runtime of one child. Cheap to copy: all that is large is shared
/// and immutable.
struct child_record {
  child_id id;

  /// The live actor; empty unless the child runs, is yet to become ready, is
  /// being terminated or is unresponsive.
  caf::actor handle;

  child_status status = child_status::undefined;

  /// For the use of the owner; means nothing to anybody else.
  uint32_t slot = 0;

  /// The director that manages this child, empty for nobody.
  caf::actor_addr owner;

  /// Grows at every start of this ID. Events of an older one are stale.
  uint64_t incarnation = 0;

  /// Starts after the first, failed ones included.
  uint64_t restart_count = 0;

  /// The effective spec but for ID and own args, which stand here.
  child_spec_ptr spec;

  /// The child's own args; those in `spec` go first.
  caf::message args;

  /// The part of an appended child's spec that it did not take from the
  /// default child spec, `nullptr` if it has nothing but ID and args.
  child_spec_ptr own;

  /// What the start function or the ready answer gave beside the handle.
  caf::message extra;
};

/// @relates child_record
std::string to_string(const child_record& x);

/// Returns the complete child spec. What came from the default child spec is
/// written out and `append` is off.
/// @relates child_record
child_spec effective_spec(const child_record& x);

/// One entry of `which_children`.
struct child_info {
  child_id id;
  child_status status = child_status::undefined;
  /// Empty unless the child has a live actor.
  caf::actor handle;
  child_type type = child_type::worker;
  module_list modules;
  uint64_t restart_count = 0;
  /// The director that manages the child, empty for nobody.
  caf::actor_addr owner = {};
};

/// @relates child_info
template <class Inspector>
bool inspect(Inspector& f, child_info& x) {
  return f.object(x).fields(f.field("id", x.id), f.field("status", x.status),
                            f.field("handle", x.handle),
                            f.field("type", x.type),
                            f.field("modules", x.modules),
                            f.field("restart-count", x.restart_count),
                            f.field("owner", x.owner));
}

/// One entry of `get_actors`.
struct child_handle {
  child_id id;
  caf::actor handle;
};

/// @relates child_handle
template <class Inspector>
bool inspect(Inspector& f, child_handle& x) {
  return f.object(x).fields(f.field("id", x.id), f.field("handle", x.handle));
}

/// Answer of `count_children`.
struct child_counts {
  /// Child records, dead or alive.
  uint64_t specs = 0;
  /// Children that run.
  uint64_t active = 0;
  /// Records of type supervisor, dead or alive.
  uint64_t supervisors = 0;
  /// Records of type worker, dead or alive.
  uint64_t workers = 0;

  friend bool operator==(const child_counts&, const child_counts&) = default;
};

/// @relates child_counts
template <class Inspector>
bool inspect(Inspector& f, child_counts& x) {
  return f.object(x).fields(f.field("specs", x.specs),
                            f.field("active", x.active),
                            f.field("supervisors", x.supervisors),
                            f.field("workers", x.workers));
}

/// Answer of a successful start.
struct started {
  /// Empty when the start function declined.
  caf::actor handle;
  /// What the start function or the ready answer gave beside the handle.
  caf::message extra;
};

/// @relates started
template <class Inspector>
bool inspect(Inspector& f, started& x) {
  return f.object(x).fields(f.field("handle", x.handle),
                            f.field("extra", x.extra));
}

/// One answer of `start_children`.
struct child_outcome {
  child_id id;
  /// Meaningful if `err` is empty.
  started value;
  caf::error err;
};

/// @relates child_outcome
template <class Inspector>
bool inspect(Inspector& f, child_outcome& x) {
  return f.object(x).fields(f.field("id", x.id), f.field("value", x.value),
                            f.field("err", x.err));
}

} // namespace director
