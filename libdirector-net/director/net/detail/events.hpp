// What the actor behind a table is told. Public only because CAF must know the
// types of all messages.

#pragma once

#include "director/child_id.hpp"
#include "director/net/fwd.hpp"

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/timespan.hpp>

#include <cstdint>

namespace director::net::detail {

/// A director asks for records.
struct claim_event {
  uint64_t ticket;
};

/// A director cannot start a child that it was offered.
struct decline_event {
  child_id id;
};

/// A child that had to end because another node has it is gone.
struct ended_event {
  child_id id;
};

/// Records of this node have changed.
struct news_event {};

/// The connection to the table of another node is lost.
struct link_event {
  uint64_t link;
};

/// Children are to be spread anew.
struct rebalance_event {};

/// The actor system ends.
struct stop_event {};

/// This node leaves.
struct leave_event {
  caf::timespan timeout;
};

} // namespace director::net::detail

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(director::net::detail::claim_event)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(director::net::detail::decline_event)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(director::net::detail::ended_event)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(director::net::detail::leave_event)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(director::net::detail::link_event)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(director::net::detail::news_event)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(director::net::detail::rebalance_event)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(director::net::detail::stop_event)
