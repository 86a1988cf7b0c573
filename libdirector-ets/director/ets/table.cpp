#include "director/ets/table.hpp"

#include "director/ets/internal/keeper.hpp"
#include "director/internal/names.hpp"

#include <caf/actor_cast.hpp>
#include <caf/sec.hpp>

namespace director::ets {

caf::expected<table_ptr> open(caf::actor_system& system,
                              const std::string& name, table_options options) {
  if (name.empty())
    return caf::make_error(caf::sec::invalid_argument, "a table needs a name");
  auto registered = internal::shared_table::registered_name(name);
  auto holder = director::internal::find_name(system, registered);
  if (!holder) {
    auto fresh = std::make_shared<internal::shared_table>(system, name,
                                                          std::move(options));
    auto self
      = system.spawn<internal::keeper, caf::hidden + caf::lazy_init>(fresh);
    fresh->keeper(self);
    holder = director::internal::claim_name(
      system, registered, caf::actor_cast<caf::strong_actor_ptr>(self));
  }
  auto* actor = caf::actor_cast<caf::abstract_actor*>(holder);
  if (auto* found = dynamic_cast<internal::keeper*>(actor))
    return table_ptr{found->table()};
  return caf::make_error(errc::name_taken, caf::actor_cast<caf::actor>(holder));
}

} // namespace director::ets
