// The child that all supervisors start.

#pragma once

#include "countdown.hpp"

#include <caf/behavior.hpp>
#include <caf/event_based_actor.hpp>

namespace bench {

/// A minimal event-based actor that counts its initialisation and crashes on
/// demand.
struct child {
  countdown* ups;

  caf::behavior operator()(caf::event_based_actor* self) const;
};

} // namespace bench
