// Nodes that connect to each other, in one process.

#pragma once

#include "catch.hpp"
#include "director/internal/compat.hpp"
#include "director/net/internal/remote_handles.hpp"
#include "director/net/internal/transport.hpp"
#include "director/net/tls.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/io/middleman.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>

#include <chrono>
#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace net_nodes {

using namespace director::net;
using namespace director::net::internal;

namespace compat = director::internal::compat;

using clock_type = std::chrono::steady_clock;

using std::chrono::milliseconds;

constexpr auto limit = std::chrono::seconds{20};

// -- waiting ------------------------------------------------------------------

template <class T>
T get(std::future<T>& x) {
  if (x.wait_for(limit) != std::future_status::ready)
    FAIL("timeout");
  return x.get();
}

template <class T>
T get(std::future<T>&& x) {
  return get(x);
}

inline double since(clock_type::time_point start) {
  using ms = std::chrono::duration<double, std::milli>;
  return ms{clock_type::now() - start}.count();
}

// -- nodes --------------------------------------------------------------------

struct config : caf::actor_system_config {
  explicit config(const tls_options& tls = {}, milliseconds heartbeat = {}) {
    if (tls.certificate.empty())
      load<caf::io::middleman>();
    else if (auto err = load_tls(*this, tls))
      FAIL(to_string(err));
    set("caf.scheduler.max-threads", 2);
    if (heartbeat.count() > 0) {
      set("caf.middleman.heartbeat-interval", caf::timespan{heartbeat});
      set("caf.middleman.connection-timeout", caf::timespan{heartbeat * 6});
    }
  }
};

using job = std::function<void(caf::event_based_actor*, transport&)>;

struct job_queue {
  std::mutex mtx;
  std::deque<job> jobs;
};

/// Those who wait for the loss of a connection.
using watches = std::multimap<caf::node_id, std::promise<caf::error>>;

/// Runs jobs with a transport.
inline caf::behavior worker(caf::event_based_actor* self,
                            std::shared_ptr<job_queue> queue,
                            std::shared_ptr<watches> watched) {
  auto impl = std::make_shared<transport>(self);
  return compat::make_behavior(
    self, [self](caf::exit_msg& x) { self->quit(x.reason); },
    [watched](const caf::message& msg) {
      if (!msg.match_elements<caf::node_down_msg>())
        return caf::make_error(caf::sec::unexpected_message);
      auto& down = msg.get_as<caf::node_down_msg>(0);
      auto [first, last] = watched->equal_range(down.node);
      for (auto i = first; i != last; ++i)
        i->second.set_value(down.reason);
      watched->erase(first, last);
      return caf::error{};
    },
    [self, impl, queue](caf::ok_atom) {
      job fn;
      {
        std::lock_guard guard{queue->mtx};
        fn = std::move(queue->jobs.front());
        queue->jobs.pop_front();
      }
      fn(self, *impl);
    });
}

inline caf::behavior echo() {
  return {[](int x) { return x; }};
}

/// An actor system with an actor that has a transport.
struct node {
  explicit node(const tls_options& tls = {}, milliseconds heartbeat = {})
    : cfg(tls, heartbeat),
      sys(cfg),
      handles(sys) {
    actor = sys.spawn(worker, queue, watched);
    echoes = sys.spawn(echo);
  }

  ~node() {
    caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(echoes, caf::exit_reason::user_shutdown);
  }

  void run(job fn) {
    {
      std::lock_guard guard{queue->mtx};
      queue->jobs.push_back(std::move(fn));
    }
    compat::send(actor, caf::message_priority::normal, nullptr, caf::ok_atom_v);
  }

  std::future<caf::expected<uint16_t>> publish(endpoint at) {
    auto done = std::make_shared<std::promise<caf::expected<uint16_t>>>();
    run([=, this](auto*, transport& x) {
      x.publish(at, echoes, [=](auto result) { done->set_value(result); });
    });
    return done->get_future();
  }

  std::future<caf::expected<connection>>
  connect(endpoint to, caf::timespan timeout = limit) {
    auto done = std::make_shared<std::promise<caf::expected<connection>>>();
    run([=](auto*, transport& x) {
      x.connect(to, timeout, [=](auto result) { done->set_value(result); });
    });
    return done->get_future();
  }

  std::future<caf::error> watch(caf::node_id other) {
    auto ready = std::make_shared<std::promise<std::future<caf::error>>>();
    run([=, this](auto* self, transport&) {
      if (!watched->contains(other))
        self->monitor(other);
      auto done = watched->emplace(other, std::promise<caf::error>{});
      ready->set_value(done->second.get_future());
    });
    return get(ready->get_future());
  }

  void disconnect(caf::node_id other) {
    basp{sys}.disconnect(other);
  }

  bool asks(const caf::actor& whom) {
    auto result = false;
    caf::scoped_actor self{sys};
    compat::request_receive(
      self, whom, limit, [&](int x) { result = x == 42; },
      [](const caf::error&) {}, 42);
    return result;
  }

  caf::node_id id() const {
    return sys.node();
  }

  config cfg;
  caf::actor_system sys;
  remote_handles handles;
  std::shared_ptr<job_queue> queue = std::make_shared<job_queue>();
  std::shared_ptr<watches> watched = std::make_shared<watches>();
  caf::actor actor;
  caf::actor echoes;
};

inline endpoint local(uint16_t port, bool tls = false) {
  return {"127.0.0.1", port, tls};
}

inline std::future<caf::error> end_of(const caf::actor& x) {
  auto done = std::make_shared<std::promise<caf::error>>();
  x->attach_functor([=](const caf::error& why) { done->set_value(why); });
  return done->get_future();
}

/// Two nodes of which one has connected to the other.
struct pair {
  explicit pair(const tls_options& tls = {}) : a(tls), b(tls) {
    auto secure = !tls.certificate.empty();
    auto at = get(b.publish(local(0, secure)));
    REQUIRE(at);
    port = *at;
    auto found = get(a.connect(local(port, secure)));
    REQUIRE(found);
    REQUIRE(found->node == b.id());
    there = found->actor;
  }

  node a;
  node b;
  uint16_t port;
  caf::actor there;
};

} // namespace net_nodes
