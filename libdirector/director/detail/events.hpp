// What a director sends to itself, or has sent to it by its children and its
// table. Public only because CAF must know the types of all messages.

#pragma once

#include "director/fwd.hpp"
#include "director/table.hpp"

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/error.hpp>

#include <cstdint>
#include <vector>

namespace director::detail {

/// Names one start of one child: what an event must carry to find its child
/// by index and to be recognised when it comes late.
struct child_ref {
  uint32_t slot;
  uint32_t generation;
};

/// Announces the end of a child.
struct down_event {
  child_ref child;
  caf::error reason;
};

/// Asks for children that this director is to give up.
struct handover_event {
  hand_over_request what;
};

/// Announces that the engine wants another turn.
struct turn_event {};

/// Announces something that a table has to say.
struct table_event {
  uint64_t ticket;
  caf::error err;
  std::vector<claim_item> items;
};

/// Hands children over whose director has died.
struct takeover_event {
  std::vector<child_id> ids;
};

} // namespace director::detail

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(director::detail::down_event)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(director::detail::handover_event)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(director::detail::table_event)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(director::detail::takeover_event)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(director::detail::turn_event)
