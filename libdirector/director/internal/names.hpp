// Names in the registry of the actor system.

#pragma once

#include <caf/actor_control_block.hpp>
#include <caf/actor_system.hpp>

#include <string>

namespace director::internal {

/// Registers `self` under `name` unless a live actor holds it. Returns the
/// holder.
caf::strong_actor_ptr claim_name(caf::actor_system& system,
                                 const std::string& name,
                                 const caf::strong_actor_ptr& self);

/// Makes `name` free again if `self` holds it.
void release_name(caf::actor_system& system, const std::string& name,
                  const caf::strong_actor_ptr& self);

/// Returns the live actor that holds `name`, if any.
caf::strong_actor_ptr find_name(caf::actor_system& system,
                                const std::string& name);

} // namespace director::internal
