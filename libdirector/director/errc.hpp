// Error codes of directors and tables.

#pragma once

#include "director/child_id.hpp"
#include "director/fwd.hpp"

#include <caf/actor.hpp>
#include <caf/default_enum_inspect.hpp>
#include <caf/error.hpp>
#include <caf/message.hpp>

#include <string>
#include <string_view>
#include <type_traits>

namespace director {

/// Why an operation failed. What an error carries besides its code (its
/// context) is listed here and read with the functions below.
enum class errc : uint8_t {
  none = 0,
  /// A child spec is wrong. Carries a `spec_error`.
  invalid_child_spec = 1,
  /// The ID belongs to a running child. Carries its handle.
  already_started,
  /// The ID is known, but its child does not run.
  already_present,
  /// The child did not start. Carries the cause, an error.
  start_failed,
  /// The child was not ready within its start timeout.
  start_timeout,
  /// No such child.
  not_found,
  /// The child runs (or is on its way out), which forbids the operation.
  running,
  /// A restart of the child is scheduled or under way.
  restarting,
  /// The child does not run and nothing is scheduled.
  undefined,
  /// The child belongs to another live director.
  not_parent,
  /// The child was told to die, was killed, and has not died.
  unresponsive,
  /// The handle is empty or its actor has ended.
  actor_not_alive,
  /// The actor lives on another node.
  not_local,
  /// The plan is empty or names nothing in the catalog. Carries a
  /// `spec_error`.
  invalid_plan,
  /// The log filter is empty or names nothing in the catalog. Carries a
  /// `spec_error`.
  invalid_log_filter,
  /// The director is ending and takes no more work.
  stopping,
  /// The director does not know this message.
  unknown_request,
  /// A plan threw or returned nonsense. Carries the cause, an error.
  plan_failed,
  /// A callback threw or returned nonsense. Carries the cause, an error.
  callback_failed,
  /// A start function, or a director's `init`, declined to start.
  declined,
  /// The registered name of a director is taken. Carries the holder's handle.
  name_taken,
  /// The start was undone because another child of an all-or-nothing request
  /// failed.
  undone,
  /// The table is broken for good: directors using it end with this.
  table_failed,
  /// The table was closed: directors using it end with this.
  table_closed,
  /// A subscriber did not keep up with the changes of a table, which has
  /// therefore ended its subscription.
  too_slow,
  /// The node has lost contact with the majority of the cluster and takes no
  /// work.
  no_quorum,
  /// The child ran on two nodes; another instance was kept.
  lost_to_peer,
  /// The nodes did not agree on the owner of an ID in time.
  claim_timeout,
  /// The node was refused by the cluster. Carries the reason as text.
  join_refused,
  /// The child has values of types that this node does not know, so that it
  /// cannot have it.
  unreadable,
};

/// @relates errc
std::string to_string(errc);

/// @relates errc
bool from_string(detail::string_view, errc&);

/// @relates errc
bool from_integer(std::underlying_type_t<errc>, errc&);

/// @relates errc
template <class Inspector>
bool inspect(Inspector& f, errc& x) {
  return caf::default_enum_inspect(f, x);
}

/// Context of `errc::invalid_child_spec`, `errc::invalid_plan` and
/// `errc::invalid_log_filter`: what is wrong with which field of which child.
struct spec_error {
  /// Name of the member of `child_spec`.
  std::string field;
  /// The child, empty when the field at fault is the ID.
  child_id id;
  /// What is wrong, in plain words.
  std::string text;
};

/// @relates spec_error
template <class Inspector>
bool inspect(Inspector& f, spec_error& x) {
  return f.object(x).fields(f.field("field", x.field), f.field("id", x.id),
                            f.field("text", x.text));
}

/// Makes an error that names the field and the child.
/// @relates spec_error
caf::error make_spec_error(errc code, std::string field, child_id id,
                           std::string text);

/// Makes an error that carries `cause`.
/// @relates errc
caf::error make_nested_error(errc code, caf::error cause);

/// Returns the field at fault if `err` has one, `nullptr` otherwise. The
/// pointer is valid as long as `err`.
/// @relates spec_error
const spec_error* get_spec_error(const caf::error& err);

/// Returns the error that caused `err` if it carries one, `err` otherwise.
/// @relates errc
caf::error cause_of(const caf::error& err);

/// Returns the handle that `err` carries (`already_started`, `name_taken`),
/// or an empty one.
/// @relates errc
caf::actor handle_of(const caf::error& err);

/// Tells whether a director that gets `err` from its table must end.
/// @relates errc
bool is_table_failure(const caf::error& err);

} // namespace director
