// Blocking facade of a director, for threads that are no actors.

#pragma once

#include "director/child_record.hpp"
#include "director/child_spec.hpp"
#include "director/fwd.hpp"
#include "director/messages.hpp"

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>
#include <caf/error.hpp>
#include <caf/expected.hpp>
#include <caf/timespan.hpp>

#include <string>
#include <vector>

namespace director {

/// Calls a director and waits for the answer. Each function is one request of
/// `director_actor`, where its errors are listed; on top of these come
/// `sec::request_timeout` and, if the director has ended,
/// `sec::request_receiver_down`. Functions that answer nothing return an empty
/// error on success.
///
/// Safe for concurrent use from any thread. Not for event-based actors, which
/// must not block: those send requests.
class client {
public:
  client(caf::actor_system& system, director_actor handle,
         caf::timespan timeout = defaults::request_timeout)
    : system_(&system),
      handle_(std::move(handle)),
      timeout_(timeout) {
    // nop
  }

  /// Returns a client of the same director with another timeout.
  client within(caf::timespan timeout) const {
    return {*system_, handle_, timeout};
  }

  const director_actor& handle() const noexcept {
    return handle_;
  }

  // -- starting ---------------------------------------------------------------

  caf::expected<started> start_child(child_spec spec) const;

  caf::expected<std::vector<child_outcome>>
  start_children(std::vector<child_spec> specs,
                 bool all_or_nothing = false) const;

  caf::expected<started> restart_child(const child_id& id) const;

  caf::error become_supervisor(const caf::actor& child, child_spec spec) const;

  // -- ending -----------------------------------------------------------------

  caf::error terminate_child(const child_id& id) const;

  caf::error terminate_child(const caf::actor& child) const;

  caf::error delete_child(const child_id& id) const;

  caf::error terminate_and_delete_child(const child_id& id) const;

  caf::error terminate_and_delete_child(const caf::actor& child) const;

  caf::error delete_running_child(const caf::actor& child) const;

  /// Ends the director and waits until it is gone.
  caf::error stop(caf::error reason = caf::exit_reason::user_shutdown) const;

  // -- reading ----------------------------------------------------------------

  caf::expected<child_counts> count_children() const;

  caf::expected<std::vector<child_info>> which_children() const;

  caf::expected<child_spec> get_child_spec(const child_id& id) const;

  caf::expected<child_spec> get_child_spec(const caf::actor& child) const;

  caf::expected<caf::actor> get_actor(const child_id& id) const;

  caf::expected<std::vector<child_handle>> get_actors() const;

  caf::expected<plan_function> get_plan(const child_id& id) const;

  caf::expected<uint64_t> get_restart_count(const child_id& id) const;

  caf::expected<child_spec> get_default_child_spec() const;

  caf::expected<std::string> get_name() const;

  // -- changing ---------------------------------------------------------------

  caf::error change_plan(const child_id& id, plan_function plan) const;

  caf::error change_log_filter(const child_id& id,
                               log_filter_function filter) const;

  caf::error change_log_filter(log_filter_function filter) const;

  caf::error change_default_child_spec(child_spec spec) const;

  // -- debugging --------------------------------------------------------------

  /// Waits until the director has started, or tells why it could not.
  caf::error await_ready() const;

  caf::error trace(trace_options options) const;

  caf::expected<std::vector<trace_event>> get_trace() const;

  caf::expected<trace_counters> get_trace_counters() const;

  caf::expected<caf::message> get_state() const;

  caf::error replace_state(caf::message value) const;

  caf::error suspend() const;

  caf::error resume() const;

  caf::error reload() const;

private:
  template <class T, class... Ts>
  caf::expected<T> ask(Ts&&... xs) const;

  template <class... Ts>
  caf::error tell(Ts&&... xs) const;

  caf::actor_system* system_;
  director_actor handle_;
  caf::timespan timeout_;
};

} // namespace director
