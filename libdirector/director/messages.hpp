// The messaging interface of directors.

#pragma once

#include "director/child_record.hpp"
#include "director/child_spec.hpp"
#include "director/detail/events.hpp"
#include "director/fwd.hpp"
#include "director/sys.hpp"

#include <caf/actor.hpp>
#include <caf/error.hpp>
#include <caf/result.hpp>
#include <caf/typed_actor.hpp>

#include <vector>

namespace director {

/// Handle of a director. Every operation is a request that any actor on any
/// node can send, with a timeout of its choice. Threads that are no actors
/// use a `client`. Except for reads, all operations fail with
/// `errc::stopping` once the director is ending. Messages that are not listed
/// here are answered with `errc::unknown_request` and reported.
using director_actor = caf::typed_actor<
  // -- starting ---------------------------------------------------------------

  /// Starts a child. Errors: `invalid_child_spec`, `already_started`,
  /// `already_present`, `unresponsive`, `start_failed`, `start_timeout`,
  /// `undefined` (somebody terminated it before it ran), table errors. An
  /// empty handle means that the start function declined.
  caf::result<started>(start_child_atom, child_spec),

  /// Starts children and answers one outcome per spec, in order. If the flag
  /// is set, the failure of one undoes all others (`undone`).
  caf::result<std::vector<child_outcome>>(start_children_atom,
                                          std::vector<child_spec>, bool),

  /// Starts a child that does not run, also one that nobody owns. Errors:
  /// `not_found`, `running`, `restarting`, `not_parent`, `unresponsive`, and
  /// those of a start.
  caf::result<started>(restart_child_atom, child_id),

  /// Makes a running actor a child, which is told by a message
  /// (`new_parent_atom`, director). Errors: `actor_not_alive`, `not_local`,
  /// `already_started`, `already_present`, `invalid_child_spec`.
  caf::result<void>(become_supervisor_atom, caf::actor, child_spec),

  // -- ending -----------------------------------------------------------------

  /// Ends a child, or cancels its scheduled restart, and keeps the record.
  /// Answers when the child is gone. Errors: `not_found`, `not_parent`,
  /// `unresponsive`.
  caf::result<void>(terminate_child_atom, child_id),
  caf::result<void>(terminate_child_atom, caf::actor),

  /// Removes the record of a child that does not run. Errors: `not_found`,
  /// `running`, `restarting`, `not_parent`.
  caf::result<void>(delete_child_atom, child_id),

  /// Ends a child and removes its record. Errors: as `terminate_child_atom`.
  caf::result<void>(terminate_and_delete_child_atom, child_id),
  caf::result<void>(terminate_and_delete_child_atom, caf::actor),

  /// Stops supervising a running child, which lives on. Errors: `not_found`,
  /// `not_parent`.
  caf::result<void>(delete_running_child_atom, caf::actor),

  /// Ends the director with this reason. Answers when all is done.
  caf::result<void>(stop_atom, caf::error),

  // -- reading ----------------------------------------------------------------

  caf::result<child_counts>(count_children_atom),
  caf::result<std::vector<child_info>>(which_children_atom),
  /// Errors: `not_found`.
  caf::result<child_spec>(get_child_spec_atom, child_id),
  caf::result<child_spec>(get_child_spec_atom, caf::actor),
  /// Errors: `not_found`, `restarting`, `undefined`.
  caf::result<caf::actor>(get_actor_atom, child_id),
  /// Running children only.
  caf::result<std::vector<child_handle>>(get_actors_atom),
  /// Errors: `not_found`.
  caf::result<plan_function>(get_plan_atom, child_id),
  /// Starts after the first, failed ones included. Errors: `not_found`.
  caf::result<uint64_t>(get_restart_count_atom, child_id),
  caf::result<child_spec>(get_default_child_spec_atom),
  /// Answers `director_options::name`.
  caf::result<std::string>(get_name_atom),

  // -- changing ---------------------------------------------------------------

  /// Takes effect at the next exit. Errors: `not_found`, `not_parent`,
  /// `restarting` if the table is yet to give the child to the director,
  /// `invalid_plan`.
  caf::result<void>(change_plan_atom, child_id, plan_function),
  /// Changes the filter of a child. Errors: `not_found`, `not_parent`,
  /// `restarting` as above, `invalid_log_filter`.
  caf::result<void>(change_log_filter_atom, child_id, log_filter_function),
  /// Changes the director's own filter. Errors: `invalid_log_filter`.
  caf::result<void>(change_log_filter_atom, log_filter_function),
  /// Derives the specs of all appended children anew. Children that run keep
  /// running: start function and args apply at their next start, the rest at
  /// once. Errors: `invalid_child_spec`.
  caf::result<void>(change_default_child_spec_atom, child_spec),

  // -- as a child -------------------------------------------------------------

  /// Answers when all children that `init` gave have started, or with the
  /// error why the director could not start (`declined` if `init` said so).
  caf::result<void>(ready_atom),

  // -- debugging --------------------------------------------------------------

  /// Replaces the trace options.
  caf::result<void>(trace_atom, trace_options),
  /// Answers the last events; see `trace_options::ring`.
  caf::result<std::vector<trace_event>>(get_trace_atom),
  caf::result<trace_counters>(get_trace_counters_atom),
  caf::result<message_box>(get_state_atom),
  caf::result<void>(replace_state_atom, message_box),
  /// Makes the director put everything off but exit messages, `stop_atom`
  /// (which resumes it) and the requests of this section.
  caf::result<void>(suspend_atom), caf::result<void>(resume_atom),
  /// Runs `callbacks::init` again. Children that run keep running: start
  /// function and args apply at their next start, the rest of the new spec at
  /// once. New ones are added, not started.
  caf::result<void>(reload_atom)>;

} // namespace director
