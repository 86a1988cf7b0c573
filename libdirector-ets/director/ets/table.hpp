// Tables that many directors of one process share.

#pragma once

#include "director/defaults.hpp"
#include "director/ets/change.hpp"
#include "director/ets/detail/events.hpp"
#include "director/ets/fwd.hpp"
#include "director/messages.hpp"
#include "director/report.hpp"
#include "director/table.hpp"

#include <caf/actor_system.hpp>
#include <caf/expected.hpp>
#include <caf/timespan.hpp>
#include <caf/typed_actor.hpp>

#include <memory>
#include <string>
#include <vector>

namespace director::ets {

/// Options of a table.
struct table_options {
  /// Whether the children of a director that dies without having ended go to
  /// the other directors of the table, which start them at once. Concerns
  /// those that ran or were about to be restarted, and whose spec has
  /// `delete_before_terminate = false`.
  bool failover = false;

  /// Time that children of a dead director have to react to the kill before
  /// they are called unresponsive.
  caf::timespan kill_grace = defaults::kill_grace;

  /// How many changes may wait for a subscriber before it is dropped.
  size_t max_backlog = 1'000'000;

  /// Receives reports about children that do not die; empty for none.
  report_sink sink = stderr_sink();
};

/// Handle of the actor behind a table, for readers on other nodes.
using table_actor = caf::typed_actor<
  /// Answers the name of the table.
  caf::result<std::string>(get_name_atom),
  caf::result<child_counts>(count_children_atom),
  caf::result<std::vector<child_info>>(which_children_atom),
  /// Errors: `not_found`.
  caf::result<child_spec>(get_child_spec_atom, child_id),
  /// Errors: `not_found`, `restarting`, `undefined`.
  caf::result<caf::actor>(get_actor_atom, child_id),
  /// Running children only.
  caf::result<std::vector<child_handle>>(get_actors_atom),
  /// Errors: `not_found`.
  caf::result<uint64_t>(get_restart_count_atom, child_id),
  /// As `table::subscribe` and `table::unsubscribe`.
  caf::result<void>(subscribe_atom, caf::actor, change_filter),
  caf::result<void>(unsubscribe_atom, caf::actor)>;

/// A table that any number of directors share (`director_options::table`) and
/// that any thread may read at any time. It lives until it is closed, or until
/// the actor system ends. All member functions are safe from any thread,
/// actors included; none of them waits for a director or for the actor behind
/// the table.
class table : public director::table {
public:
  virtual const std::string& name() const noexcept = 0;

  /// Returns the actor behind the table; empty once the table is closed.
  virtual table_actor handle() const = 0;

  /// Sends all further changes that match to `subscriber`, as requests with a
  /// `std::vector<change>`, in order for each ID. The subscriber gets the next
  /// vector when it has answered the last one, with anything but an error. If
  /// it does not keep up, the subscription ends with a `subscription_end`.
  /// Does not keep the subscriber alive. A second subscription replaces the
  /// first.
  virtual void
  subscribe(const caf::actor& subscriber, change_filter filter = {})
    = 0;

  virtual void unsubscribe(const caf::actor& subscriber) = 0;
};

/// @relates table
using table_ptr = std::shared_ptr<table>;

/// Opens the table of this name, or makes one with these options. A table that
/// is open already keeps the options it has. Safe from any thread, actors
/// included; does not block.
/// Errors: `invalid_argument` for an empty name, `name_taken` if another actor
/// is registered as "director.ets.<name>".
/// @relates table
caf::expected<table_ptr> open(caf::actor_system& system,
                              const std::string& name,
                              table_options options = {});

} // namespace director::ets
