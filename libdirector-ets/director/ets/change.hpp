// What a table tells its subscribers.

#pragma once

#include "director/child_id.hpp"
#include "director/child_record.hpp"
#include "director/ets/fwd.hpp"

#include <caf/actor.hpp>
#include <caf/actor_addr.hpp>
#include <caf/default_enum_inspect.hpp>
#include <caf/error.hpp>

#include <cstdint>
#include <string>
#include <type_traits>

namespace director::ets {

/// What happened to a child.
enum class change_kind : uint8_t {
  /// It has an actor and runs.
  started,
  /// Its actor has ended.
  exited,
  /// A start or restart is scheduled or under way.
  restarting,
  /// Its record was removed.
  deleted,
  /// Another director manages it now, or nobody.
  owner_changed,
};

/// @relates change_kind
std::string to_string(change_kind);

/// @relates change_kind
bool from_string(director::detail::string_view, change_kind&);

/// @relates change_kind
bool from_integer(std::underlying_type_t<change_kind>, change_kind&);

/// @relates change_kind
template <class Inspector>
bool inspect(Inspector& f, change_kind& x) {
  return caf::default_enum_inspect(f, x);
}

/// One change of one child.
struct change {
  change_kind kind = change_kind::started;
  child_id id;
  /// The actor that has started or exited; else as in the record.
  caf::actor handle;
  /// The director that manages the child from now on, empty for nobody.
  caf::actor_addr owner;
  /// The director that managed it before.
  caf::actor_addr former_owner;
  uint64_t incarnation = 0;
  uint64_t restart_count = 0;
};

/// @relates change
template <class Inspector>
bool inspect(Inspector& f, change& x) {
  return f.object(x).fields(f.field("kind", x.kind), f.field("id", x.id),
                            f.field("handle", x.handle),
                            f.field("owner", x.owner),
                            f.field("former-owner", x.former_owner),
                            f.field("incarnation", x.incarnation),
                            f.field("restart-count", x.restart_count));
}

/// Selects changes. The default selects all.
struct change_filter {
  /// Only those of this child, unless empty.
  child_id id = {};
  /// Only those of children of this director, including those that it gets or
  /// loses, unless empty.
  caf::actor_addr owner = {};
};

/// @relates change_filter
template <class Inspector>
bool inspect(Inspector& f, change_filter& x) {
  return f.object(x).fields(f.field("id", x.id), f.field("owner", x.owner));
}

/// @relates change_filter
bool matches(const change_filter& filter, const change& x) noexcept;

/// The last message of a subscription that the subscriber has not ended.
struct subscription_end {
  /// Name of the table.
  std::string table;
  /// `errc::too_slow` if the subscriber did not keep up, `errc::table_closed`,
  /// or the error that the subscriber answered.
  caf::error reason;
};

/// @relates subscription_end
template <class Inspector>
bool inspect(Inspector& f, subscription_end& x) {
  return f.object(x).fields(f.field("table", x.table),
                            f.field("reason", x.reason));
}

/// Calls `fn(change)` for all that happens when `to` takes the place of
/// `from`, in order.
/// @relates change
template <class F>
void each_change(const child_record& from, const child_record& to, F fn) {
  auto make = [&](change_kind kind, const caf::actor& handle) {
    return change{kind,       to.id,          handle,          to.owner,
                  from.owner, to.incarnation, to.restart_count};
  };
  if (from.handle && from.handle != to.handle)
    fn(make(change_kind::exited, from.handle));
  if (from.owner != to.owner)
    fn(make(change_kind::owner_changed, to.handle));
  if (to.status == child_status::restarting
      && from.status != child_status::restarting)
    fn(make(change_kind::restarting, to.handle));
  if (to.status == child_status::running
      && (from.status != child_status::running || from.handle != to.handle))
    fn(make(change_kind::started, to.handle));
}

} // namespace director::ets
