// Sends a message that has no sender, with any supported version of CAF.

#pragma once

#include <caf/actor.hpp>
#include <caf/config.hpp>
#if CAF_VERSION_MAJOR >= 1
#  include <caf/anon_mail.hpp>
#else
#  include <caf/send.hpp>
#endif

#include <utility>

template <class... Ts>
void send(const caf::actor& receiver, Ts&&... xs) {
#if CAF_VERSION_MAJOR >= 1
  caf::anon_mail(std::forward<Ts>(xs)...).send(receiver);
#else
  caf::anon_send(receiver, std::forward<Ts>(xs)...);
#endif
}
