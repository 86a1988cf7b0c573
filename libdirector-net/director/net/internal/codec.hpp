// Packets as bytes.

#pragma once

#include "director/net/internal/packets.hpp"
#include "director/net/internal/remote_handles.hpp"

#include <caf/actor_system.hpp>
#include <caf/error.hpp>

#include <string>
#include <string_view>

namespace director::net::internal {

/// Appends a packet to `out`. Fails if it contains messages of types that
/// cannot be serialized.
caf::error encode_packet(caf::actor_system& sys, const packet& what,
                         std::string& out);

/// Reads a packet from bytes, which may contain anything. Entries that were
/// written carefully may be there without their messages (`entry_body::raw`).
caf::error decode_packet(caf::actor_system& sys, const remote_handles& handles,
                         std::string_view bytes, packet& what);

} // namespace director::net::internal
