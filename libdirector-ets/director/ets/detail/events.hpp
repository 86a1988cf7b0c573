// What the actor behind a table is told. Public only because CAF must know the
// types of all messages.

#pragma once

#include "director/ets/fwd.hpp"

#include <caf/actor.hpp>
#include <caf/actor_addr.hpp>
#include <caf/allowed_unsafe_message_type.hpp>

#include <cstdint>
#include <vector>

namespace director::ets::detail {

/// A child whose director has died.
struct orphan {
  uint32_t row;
  /// Tells this orphan from others that have the same row later.
  uint64_t number;
  caf::actor handle;
};

/// Asks to kill children and to watch their end.
struct orphans_event {
  std::vector<orphan> orphans;
};

/// Announces that an orphan is gone.
struct orphan_gone_event {
  uint32_t row;
  uint64_t number;
};

/// Announces the end of a director.
struct client_gone_event {
  caf::actor_addr client;
};

/// Asks to look at claims that wait for orphans, and at children that wait for
/// a director.
struct turn_event {};

/// Announces that there are changes.
struct feed_event {};

/// Announces that the table was closed.
struct close_event {};

} // namespace director::ets::detail

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(director::ets::detail::client_gone_event)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(director::ets::detail::close_event)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(director::ets::detail::feed_event)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(director::ets::detail::orphan_gone_event)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(director::ets::detail::orphans_event)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(director::ets::detail::turn_event)
