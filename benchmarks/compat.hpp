// Where CAF 0.18 and CAF 1.x differ, beyond what libdirector needs.

#pragma once

#include <caf/actor.hpp>
#include <caf/config.hpp>
#include <caf/event_based_actor.hpp>
#if CAF_VERSION_MAJOR >= 1
#  include <caf/event_based_mail.hpp>
#endif

#include <string>
#include <utility>

namespace bench {

#if CAF_VERSION_MAJOR >= 1

constexpr bool caf_is_0_18 = false;

inline std::string caf_version() {
  return CAF_VERSION_STR;
}

#else

constexpr bool caf_is_0_18 = true;

inline std::string caf_version() {
  return std::to_string(CAF_MAJOR_VERSION) + '.'
         + std::to_string(CAF_MINOR_VERSION) + '.'
         + std::to_string(CAF_PATCH_VERSION);
}

#endif

/// Sends a message whose answer comes back as an ordinary message. With a
/// request, CAF would search the pending ones for each answer: many requests at
/// once would measure that.
template <class... Ts>
void ask(caf::event_based_actor* self, const caf::actor& receiver, Ts&&... xs) {
#if CAF_VERSION_MAJOR >= 1
  self->mail(std::forward<Ts>(xs)...).send(receiver);
#else
  self->send(receiver, std::forward<Ts>(xs)...);
#endif
}

} // namespace bench
