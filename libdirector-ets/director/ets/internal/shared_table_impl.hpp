// What only the sources of the shared table need.

#pragma once

#include "director/ets/internal/shared_table.hpp"
#include "director/internal/compat.hpp"

#include <caf/actor_cast.hpp>

#include <utility>

namespace director::ets::internal {

namespace compat = director::internal::compat;

template <class Event>
void shared_table::tell_keeper(Event event) const {
  if (auto keeper = caf::actor_cast<caf::actor>(keeper_))
    compat::send(keeper, caf::message_priority::normal, nullptr,
                 std::move(event));
}

} // namespace director::ets::internal
