// Where CAF 0.18 and CAF 1.x differ.

#pragma once

#include <caf/actor.hpp>
#include <caf/attachable.hpp>
#include <caf/binary_deserializer.hpp>
#include <caf/config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/mailbox_element.hpp>
#include <caf/message_id.hpp>
#include <caf/message_priority.hpp>
#include <caf/proxy_registry.hpp>
#include <caf/result.hpp>
#include <caf/sec.hpp>
#include <caf/system_messages.hpp>
#include <caf/timespan.hpp>
#if CAF_VERSION_MAJOR >= 1
#  include <caf/event_based_mail.hpp>
#  include <caf/scheduler.hpp>
#else
#  include <caf/execution_unit.hpp>
#  include <caf/scoped_execution_unit.hpp>
#endif

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <tuple>
#include <utility>

namespace director::internal::compat {

/// What an actor runs on.
#if CAF_VERSION_MAJOR >= 1
using scheduler_type = caf::scheduler;
#else
using scheduler_type = caf::execution_unit;
#endif

/// Makes an element for a mailbox.
template <class... Ts>
caf::mailbox_element_ptr
make_element(caf::message_priority priority, Ts&&... xs) {
  auto id = caf::make_message_id(priority);
#if CAF_VERSION_MAJOR >= 1
  return caf::make_mailbox_element(nullptr, id, std::forward<Ts>(xs)...);
#else
  return caf::make_mailbox_element(nullptr, id,
                                   caf::mailbox_element::forwarding_stack{},
                                   std::forward<Ts>(xs)...);
#endif
}

/// Sends an asynchronous message without sender.
template <class... Ts>
void send(const caf::actor& receiver, caf::message_priority priority,
          scheduler_type* sched, Ts&&... xs) {
  receiver->enqueue(make_element(priority, std::forward<Ts>(xs)...), sched);
}

/// Sends an asynchronous message that names its sender.
template <class... Ts>
void send_as(const caf::strong_actor_ptr& sender, const caf::actor& receiver,
             scheduler_type* sched, Ts&&... xs) {
  auto element = make_element(caf::message_priority::normal,
                              std::forward<Ts>(xs)...);
  element->sender = sender;
  receiver->enqueue(std::move(element), sched);
}

/// Sends a request without timeout and handles the response later. Works for
/// event-based (`then`) actors.
template <class Self, class OnValue, class OnError, class... Ts>
void request(Self* self, const caf::actor& receiver, OnValue on_value,
             OnError on_error, Ts&&... xs) {
#if CAF_VERSION_MAJOR >= 1
  self->mail(std::forward<Ts>(xs)...)
    .request(receiver, caf::infinite)
    .then(std::move(on_value), std::move(on_error));
#else
  self->request(receiver, caf::infinite, std::forward<Ts>(xs)...)
    .then(std::move(on_value), std::move(on_error));
#endif
}

/// Sends a request from a blocking actor and waits for the response. Nothing
/// else must arrive meanwhile.
template <class Self, class Handle, class OnValue, class OnError, class... Ts>
void request_receive(Self& self, const Handle& receiver, caf::timespan timeout,
                     OnValue on_value, OnError on_error, Ts&&... xs) {
#if CAF_VERSION_MAJOR >= 1
  auto pending = self->mail(std::forward<Ts>(xs)...).request(receiver, timeout);
#else
  auto pending = self->request(receiver, timeout, std::forward<Ts>(xs)...);
#endif
  // CAF's clock, which watches the timeout, stops before the last actors of an
  // actor system do.
  constexpr auto too_long = caf::timespan{std::chrono::hours{24 * 365}};
  using std::chrono::steady_clock;
  auto deadline = steady_clock::now() + std::chrono::seconds{1}
                  + std::min(timeout, too_long);
  // The clock for people may jump.
  while (timeout < too_long
         && !self->await_data(std::chrono::high_resolution_clock::now()
                              + (deadline - steady_clock::now()))) {
    if (steady_clock::now() < deadline)
      continue;
    caf::error late{caf::sec::request_timeout};
    on_error(late);
    return;
  }
  std::move(pending).receive(std::move(on_value), std::move(on_error));
}

/// Installs handlers for exit messages and for messages that `fs` do not match,
/// and returns the complete behavior. System messages that end an actor by
/// default, such as errors, count as not matched.
template <class OnExit, class OnOther, class... Fs>
caf::behavior make_behavior([[maybe_unused]] caf::event_based_actor* self,
                            OnExit on_exit, OnOther on_other, Fs... fs) {
#if CAF_VERSION_MAJOR >= 1
  return {
    std::move(fs)...,
    std::move(on_exit),
    [on_other](caf::error& x) { std::ignore = on_other(caf::make_message(x)); },
    [on_other](caf::down_msg& x) {
      std::ignore = on_other(caf::make_message(x));
    },
    [on_other](caf::node_down_msg& x) {
      std::ignore = on_other(caf::make_message(x));
    },
    [on_other](caf::message msg) -> caf::result<void> { return on_other(msg); },
  };
#else
  self->set_exit_handler(std::move(on_exit));
  self->set_error_handler([on_other](caf::error& x) {
    std::ignore = on_other(caf::make_message(x));
  });
  self->set_down_handler([on_other](caf::down_msg& x) {
    std::ignore = on_other(caf::make_message(x));
  });
  self->set_node_down_handler([on_other](caf::node_down_msg& x) {
    std::ignore = on_other(caf::make_message(x));
  });
  self->set_default_handler(
    [on_other](caf::scheduled_actor*,
               caf::message& msg) -> caf::skippable_result {
      return on_other(msg);
    });
  return {std::move(fs)...};
#endif
}

/// Reads bytes that may contain handles of actors at other nodes, which come
/// from `proxies`. Must live and die in one thread.
class decoder {
public:
  decoder(caf::actor_system& sys, caf::proxy_registry* proxies,
          const void* bytes, size_t size)
#if CAF_VERSION_MAJOR >= 1
    : outer_(caf::proxy_registry::current()),
      source_(sys, bytes, size) {
    caf::proxy_registry::current(proxies);
  }

  ~decoder() {
    caf::proxy_registry::current(outer_);
  }
#else
    : context_(&sys),
      source_(&context_, bytes, size) {
    context_.proxy_registry_ptr(proxies);
  }
#endif

  decoder(const decoder&) = delete;

  decoder& operator=(const decoder&) = delete;

  caf::binary_deserializer& source() {
    return source_;
  }

private:
#if CAF_VERSION_MAJOR >= 1
  caf::proxy_registry* outer_;
#else
  caf::scoped_execution_unit context_;
#endif
  caf::binary_deserializer source_;
};

} // namespace director::internal::compat
