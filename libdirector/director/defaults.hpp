// Every default of libdirector, once.

#pragma once

#include <caf/timespan.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace director::defaults {

using namespace std::chrono_literals;

/// Time between the shutdown request to a worker and the kill.
constexpr caf::timespan worker_terminate_timeout = 5s;

/// Time between the shutdown request to a supervisor and the kill.
constexpr caf::timespan supervisor_terminate_timeout = caf::infinite;

/// Time a child with `await_ready` has to answer the ready request.
constexpr caf::timespan start_timeout = 5s;

/// Time between the kill and calling a child unresponsive.
constexpr caf::timespan kill_grace = 5s;

/// Time a child must run for its recent crashes to be forgotten.
constexpr caf::timespan quiet_time = 1min;

/// Crashes that the standard plan answers with an immediate restart.
constexpr uint32_t immediate_restarts = 3;

/// Interval before the last restart of the standard plan.
constexpr caf::timespan last_restart_delay = 1s;

/// Timeout of the requests of a `client`: longer than a start or the
/// termination of a stubborn child takes.
constexpr caf::timespan request_timeout = 15s;

/// Time that a director which could not start waits to be asked why.
constexpr caf::timespan linger = 1s;

/// Children that one mailbox turn starts at most, so that a large batch does
/// not keep other requests waiting.
constexpr size_t starts_per_turn = 512;

} // namespace director::defaults
