// Every default of libdirector-net, once.

#pragma once

#include <caf/timespan.hpp>

#include <chrono>

namespace director::net::defaults {

using namespace std::chrono_literals;

/// How often nodes tell each other that they live.
constexpr caf::timespan heartbeat = 200ms;

/// Silence after which a node counts as down.
constexpr caf::timespan suspicion = 2s;

/// Time that a side without majority has to end its children.
constexpr caf::timespan pause_grace = 1s;

/// Time that the nodes have to agree on the owner of an ID.
constexpr caf::timespan claim_timeout = 10s;

/// How long a node looks for others before it starts alone.
constexpr caf::timespan alone_after = 3s;

/// How long `join` waits.
constexpr caf::timespan join_timeout = 30s;

/// How long `table::leave` waits for children to end.
constexpr caf::timespan leave_timeout = 30s;

} // namespace director::net::defaults
