// The part of CAF's middleman that keeps the connections to other nodes.

#pragma once

#include <caf/actor.hpp>
#include <caf/actor_addr.hpp>
#include <caf/fwd.hpp>
#include <caf/node_id.hpp>
#include <caf/timespan.hpp>

#include <cstdint>
#include <functional>
#include <string>

namespace director::net::internal {

/// Does with CAF's broker for connections what CAF has no interface for. All
/// members are safe to call from any thread, and must not be called any more
/// when the actor system is being destroyed.
class basp {
public:
  /// @pre `sys.has_middleman()`
  explicit basp(caf::actor_system& sys);

  /// Returns the broker, an empty handle if it is gone.
  caf::actor broker() const;

  /// Returns where proxies come from, which lives as long as the broker, or
  /// null if that is gone or has stopped.
  static caf::proxy_registry* proxies(const caf::actor& broker);

  /// Closes the connection to `node`. Those who monitor the node get the
  /// message that it is down, those who monitor an actor there too.
  ///
  /// Closes also the connections that CAF has put aside because it already had
  /// another one. Usually, the other side has done so as well. But if both have
  /// connected at the same time, it may be the one it sends on.
  void disconnect(const caf::node_id& node) const;

  /// Closes connections that CAF takes for those to several nodes. It names a
  /// connection after its file descriptor, and forgets one that has ended only
  /// when it has read all that came before. If another one gets the descriptor
  /// meanwhile, CAF would send to its node what is meant for others, and turn
  /// down other connections to the nodes that are concerned, for ever.
  void repair() const;

  /// Gives up waiting for the other side of connections to `address`, a number,
  /// and `port`. CAF itself waits for ever if heartbeats are turned off, and
  /// lets everybody else who wants to go there wait as well.
  void abort_handshakes(std::string address, uint16_t port) const;

  /// Calls `fn` on a thread of the middleman when that stops, with which the
  /// end of an actor system begins.
  void on_stop(std::function<void()> fn) const;

  /// Asks `node` for a sign of life, which CAF gives on its own, and waits for
  /// it. Blocks the caller.
  bool ping(const caf::node_id& node, caf::timespan timeout) const;

private:
  template <class F>
  void run_in_broker(F fn) const;

  caf::actor_system* sys_;
  // A weak reference, because CAF 0.18.7 keeps what a broker gets after it has
  // stopped, and so its senders, as long as the broker lives.
  caf::actor_addr broker_;
};

} // namespace director::net::internal
