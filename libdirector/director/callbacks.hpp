// Callbacks: where an application takes part in what its director does.

#pragma once

#include "director/child_spec.hpp"
#include "director/fwd.hpp"
#include "director/options.hpp"
#include "director/plan.hpp"

#include <caf/actor.hpp>
#include <caf/error.hpp>
#include <caf/message.hpp>

#include <functional>
#include <optional>
#include <vector>

namespace director {

/// What a director begins with: the answer of `callbacks::init`.
struct init_result {
  /// State of the director: any message, handed to all callbacks.
  caf::message state = {};

  /// Children to start, in this order, each when the one before has started.
  std::vector<child_spec> children = {};

  /// Completes the specs that say `append`. Its ID is ignored; `append` too.
  child_spec default_spec = {};

  /// Replaces the options that the director was spawned with, except for
  /// `registered_name`.
  std::optional<director_options> options = std::nullopt;

  /// Set by `ignore` and `stop`.
  std::optional<caf::error> refusal = std::nullopt;

  /// Declines to start a director without calling that an error.
  static init_result ignore();

  /// Fails to start a director.
  static init_result stop(caf::error reason);
};

/// A child that was started, for the first time or again.
struct start_event {
  const child_id& id;
  const caf::actor& handle;
  const caf::message& extra;
  /// Starts after the first, failed ones included.
  uint64_t restart_count;
  caf::message& child_state;
  caf::message& director_state;
};

/// A child that has ended without being asked to.
struct exit_event {
  /// What a plan gets to see; has the child's state.
  exit_info& info;
  caf::message& director_state;
  /// Asks the plan of the child.
  const std::function<verdict()>& ask_plan;
};

/// A child that has ended because its director was asked to end it, or is
/// ending itself.
struct terminate_event {
  const child_id& id;
  const caf::error& reason;
  caf::message& child_state;
  caf::message& director_state;
};

/// Functions that a director calls on its own thread. They must not block.
/// Each may be left out. A callback that throws ends the director with
/// `errc::callback_failed`.
struct callbacks {
  /// Runs first. Gets what the director was spawned with. Default: nothing to
  /// start. Throwing, or returning a spec that is wrong, fails the start.
  std::function<init_result(const caf::message& arg)> init = {};

  /// Sees every start.
  std::function<void(start_event&)> handle_start = {};

  /// Decides about every exit. Default: `event.ask_plan()`.
  std::function<verdict(exit_event&)> handle_exit = {};

  /// Sees every termination by the director.
  std::function<void(terminate_event&)> handle_terminate = {};

  /// Runs last, when all children are gone, and returns the reason to exit
  /// with. Default: `reason`.
  std::function<caf::error(const caf::error& reason, caf::message& state)>
    terminate = {};
};

} // namespace director
