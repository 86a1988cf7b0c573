#include "director/internal/names.hpp"

#include "director/table.hpp"

#include <caf/actor_cast.hpp>
#include <caf/actor_registry.hpp>

#include <mutex>

namespace director::internal {

namespace {

/// Makes looking up and changing the holder of a name one step. The registry
/// has no such operation.
std::mutex registry_mutex;

} // namespace

caf::strong_actor_ptr find_name(caf::actor_system& system,
                                const std::string& name) {
  auto holder = system.registry().get<caf::strong_actor_ptr>(name);
  if (is_alive(caf::actor_cast<caf::actor>(holder)))
    return holder;
  return nullptr;
}

caf::strong_actor_ptr claim_name(caf::actor_system& system,
                                 const std::string& name,
                                 const caf::strong_actor_ptr& self) {
  std::lock_guard guard{registry_mutex};
  if (auto holder = find_name(system, name))
    return holder;
  // The registry neither overwrites nor forgets the dead.
  system.registry().erase(name);
  system.registry().put(name, self);
  return system.registry().get<caf::strong_actor_ptr>(name);
}

void release_name(caf::actor_system& system, const std::string& name,
                  const caf::strong_actor_ptr& self) {
  std::lock_guard guard{registry_mutex};
  if (system.registry().get<caf::strong_actor_ptr>(name) == self)
    system.registry().erase(name);
}

} // namespace director::internal
