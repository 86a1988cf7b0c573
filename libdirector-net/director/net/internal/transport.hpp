// Connections between nodes, for an actor that must not wait.

#pragma once

#include "director/net/internal/basp.hpp"

#include <caf/actor.hpp>
#include <caf/error.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/expected.hpp>
#include <caf/node_id.hpp>
#include <caf/timespan.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

namespace director::net::internal {

/// Where a node listens, and how.
struct endpoint {
  std::string host;
  uint16_t port = 0;
  /// Needs `tls_loaded`.
  bool tls = false;
};

/// The other side of a connection.
struct connection {
  caf::node_id node;

  /// What the other side has published at the port.
  caf::actor actor;
};

/// Makes connections on behalf of an actor, whose thread never
/// waits. All members must be called by that actor, and it runs all callbacks;
/// these never run before the call that takes them has returned. A callback
/// whose actor has ended is not called any more.
class transport {
public:
  using on_port = std::function<void(caf::expected<uint16_t>)>;

  using on_peer = std::function<void(caf::expected<connection>)>;

  using on_done = std::function<void(const caf::error&)>;

  /// @pre `self->system().has_middleman()`
  explicit transport(caf::event_based_actor* self);

  /// Listens at `at` and lets those who connect have `whom`. The callback
  /// receives the port, also if CAF has chosen it.
  /// @param at An empty host stands for all addresses, port 0 for any port.
  void publish(const endpoint& at, const caf::actor& whom, on_port fn);

  /// Stops listening at a port of ours. Connections stay.
  void unpublish(uint16_t port, on_done fn = nullptr);

  /// Connects and makes sure that messages pass in both directions, which costs
  /// a second round trip. A node to which there is a connection already is
  /// found as well.
  ///
  /// If both sides connect at the same time, CAF may close both connections or
  /// keep one for each direction, in which responses get lost. That is noticed,
  /// the connections are closed (those who monitor the node are told) and it is
  /// tried again after a short time of random length.
  ///
  /// Fails with `caf::sec::cannot_connect_to_node` if nobody listens, with
  /// `caf::sec::connection_timeout` if the other side is silent, and with an
  /// error of CAF otherwise.
  /// @param timeout For all of it, except for the lookup of a name; at most a
  /// day.
  void connect(const endpoint& to, caf::timespan timeout, on_peer fn);

  /// Closes connections that CAF has got confused about. To be called from time
  /// to time.
  void repair() const {
    basp_.repair();
  }

  /// Calls `fn` on another thread when the actor system is about to end.
  void on_stop(std::function<void()> fn) const {
    basp_.on_stop(std::move(fn));
  }

private:
  /// Fails if TLS is needed, but not loaded.
  template <class Callback>
  bool check_tls(bool tls, const Callback& fn);

  caf::event_based_actor* self_;
  // Workers may outlive the middleman, which must not be asked for these when
  // it stops.
  basp basp_;
  caf::actor plain_;
  /// Empty if TLS is not loaded.
  caf::actor tls_;
};

} // namespace director::net::internal
