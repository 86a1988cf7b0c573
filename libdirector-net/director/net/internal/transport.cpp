#include "director/net/internal/transport.hpp"

#include "director/internal/compat.hpp"
#include "director/net/internal/probe.hpp"
#include "director/net/internal/tls_errors.hpp"
#include "director/net/tls.hpp"

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>
#include <caf/io/middleman.hpp>
#include <caf/openssl/manager.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/sec.hpp>

#include <algorithm>
#include <chrono>
#include <random>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace director::net::internal {

namespace {

namespace compat = director::internal::compat;

using clock_type = std::chrono::steady_clock;

using interface_set = std::set<std::string>;

/// Connects to an endpoint, waiting for each step.
class connector {
public:
  connector(caf::actor_system& sys, basp connections, caf::actor middleman,
            endpoint to, caf::timespan timeout)
    : sys_(sys),
      basp_(std::move(connections)),
      middleman_(std::move(middleman)),
      to_(std::move(to)),
      deadline_(clock_type::now()
                + std::min(timeout, caf::timespan{std::chrono::hours{24}})) {
    // nop
  }

  caf::expected<connection> run() {
    auto patience = first_patience;
    for (;;) {
      cut_short_ = false;
      auto result = connect();
      if (!result && result.error() == caf::sec::disconnect_during_handshake
          && has_ended())
        return caf::make_error(caf::sec::cannot_connect_to_node);
      if (!result && !cut_short_)
        return result;
      if (result) {
        // CAF keeps no connection to this node, but finds the actor.
        if (result->node == sys_.node())
          return result;
        if (basp_.ping(result->node, std::min(patience, left())))
          return result;
        basp_.disconnect(result->node);
      }
      auto pause = random_up_to(patience);
      if (pause >= left())
        return caf::make_error(caf::sec::connection_timeout);
      std::this_thread::sleep_for(pause);
      patience *= 2;
    }
  }

private:
  // Short because this is how long it takes to notice that both sides have
  // connected at the same time; longer after each failure, in case that the
  // other side is just slow.
  static constexpr auto first_patience
    = caf::timespan{std::chrono::milliseconds{200}};

  caf::timespan left() const {
    auto result = deadline_ - clock_type::now();
    return std::max(caf::timespan{result}, caf::timespan{0});
  }

  static caf::timespan random_up_to(caf::timespan max) {
    std::random_device source;
    std::uniform_int_distribution<caf::timespan::rep> dist{0, max.count()};
    return caf::timespan{dist(source)};
  }

  /// Tells whether nobody listens any more. A process that ends closes its
  /// connections and ports one after the other: for a moment, it may accept
  /// connections that are cut off next.
  bool has_ended() const {
    for (auto pause = caf::timespan{std::chrono::milliseconds{1}};
         pause <= std::chrono::milliseconds{16}; pause *= 2) {
      if (probe(to_.host, to_.port, left()) == probe_result::refused)
        return true;
      std::this_thread::sleep_for(pause);
    }
    return false;
  }

  caf::expected<connection> connect() {
    std::string address;
    switch (probe(to_.host, to_.port, left(), &address)) {
      case probe_result::refused:
        return caf::make_error(caf::sec::cannot_connect_to_node);
      case probe_result::silent:
        return caf::make_error(caf::sec::connection_timeout);
      default:
        break;
    }
    caf::expected<connection> result{caf::error{caf::sec::runtime_error}};
    caf::scoped_actor self{sys_};
    compat::request_receive(
      self, middleman_, left(),
      [&](const caf::node_id& node, const caf::strong_actor_ptr& ptr,
          const interface_set&) {
        if (ptr != nullptr)
          result = connection{node, caf::actor_cast<caf::actor>(ptr)};
        else
          result = caf::make_error(caf::sec::no_actor_published_at_port);
      },
      [&](caf::error& reason) {
        if (reason == caf::sec::request_timeout) {
          basp_.abort_handshakes(address, to_.port);
          result = caf::make_error(caf::sec::connection_timeout);
          return;
        }
        // For CAF, a connection that is being made when it is time to look
        // for silent ones has been silent for ever.
        cut_short_ = reason == caf::sec::connection_timeout;
        result = std::move(reason);
      },
      caf::connect_atom_v, address, to_.port);
    // CAF says the same if it cannot use the files for TLS, or the other side
    // speaks something else; but only he has ended at whose port nobody is.
    if (!result && result.error() == caf::sec::cannot_connect_to_node
        && probe(to_.host, to_.port, left()) != probe_result::refused)
      result = caf::make_error(caf::sec::disconnect_during_handshake);
    return result;
  }

  caf::actor_system& sys_;
  basp basp_;
  caf::actor middleman_;
  endpoint to_;
  clock_type::time_point deadline_;
  bool cut_short_ = false;
};

caf::behavior connect_worker(caf::event_based_actor* self,
                             const basp& connections,
                             const caf::actor& middleman) {
  return {
    [self, connections, middleman](const std::string& host, uint16_t port,
                                   caf::timespan timeout)
      -> caf::result<caf::node_id, caf::strong_actor_ptr> {
      self->quit();
      connector impl{
        self->system(), connections, middleman, {host, port}, timeout};
      auto result = impl.run();
      if (!result)
        return std::move(result.error());
      return {result->node,
              caf::actor_cast<caf::strong_actor_ptr>(result->actor)};
    },
  };
}

} // namespace

transport::transport(caf::event_based_actor* self)
  : self_(self),
    basp_(self->system()) {
  auto& sys = self->system();
  plain_ = caf::actor_cast<caf::actor>(sys.middleman().actor_handle());
  if (tls_loaded(sys)) {
    tls_ = caf::actor_cast<caf::actor>(sys.openssl_manager().actor_handle());
#if CAF_VERSION_MAJOR < 1
    separate_tls_errors(sys);
#endif
  }
}

template <class Callback>
bool transport::check_tls(bool tls, const Callback& fn) {
  if (!tls || tls_)
    return true;
  self_->run_delayed(caf::timespan{0}, [fn] {
    fn(caf::make_error(caf::sec::invalid_argument, "TLS is not loaded"));
  });
  return false;
}

void transport::publish(const endpoint& at, const caf::actor& whom,
                        on_port fn) {
  if (!check_tls(at.tls, fn))
    return;
  // Connections of a process that listened there and has ended may linger. With
  // any port, the system could choose one that somebody else has just chosen.
  auto reuse = at.port != 0;
  compat::request(
    self_, at.tls ? tls_ : plain_, [fn](uint16_t port) { fn(port); },
    [fn](caf::error& reason) { fn(std::move(reason)); }, caf::publish_atom_v,
    at.port, caf::actor_cast<caf::strong_actor_ptr>(whom), interface_set{},
    at.host, reuse);
}

void transport::unpublish(uint16_t port, on_done fn) {
  if (fn == nullptr)
    fn = [](const caf::error&) {};
  // CAF keeps all ports in one place, whether they are for TLS or not.
  compat::request(
    self_, plain_, [fn] { fn(caf::error{}); },
    [fn](const caf::error& reason) { fn(reason); }, caf::close_atom_v, port);
}

void transport::connect(const endpoint& to, caf::timespan timeout, on_peer fn) {
  if (!check_tls(to.tls, fn))
    return;
  auto worker = self_->system().spawn<caf::detached>(connect_worker, basp_,
                                                     to.tls ? tls_ : plain_);
  compat::request(
    self_, worker,
    [fn](const caf::node_id& node, const caf::strong_actor_ptr& ptr) {
      fn(connection{node, caf::actor_cast<caf::actor>(ptr)});
    },
    [fn](caf::error& reason) { fn(std::move(reason)); }, to.host, to.port,
    timeout);
}

} // namespace director::net::internal
