// Nodes of a cluster, each of which is an actor system of this process.

#pragma once

#include "fixture.hpp"

#include <caf/actor_registry.hpp>
#include <caf/init_global_meta_objects.hpp>
#include <caf/io/middleman.hpp>

#include <director/net/all.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <unistd.h>
#include <utility>

namespace fixture {

/// Can be sent, but not read.
struct riddle {};

template <class Inspector>
bool inspect(Inspector& f, riddle& x) {
  return !Inspector::is_loading && f.object(x).fields();
}

/// Cannot be sent.
struct secret {};

} // namespace fixture

CAF_BEGIN_TYPE_ID_BLOCK(net_fixture, first_custom_type_id + 500)

  CAF_ADD_TYPE_ID(net_fixture, (fixture::riddle))

  CAF_ADD_TYPE_ID(net_fixture, (fixture::secret))

CAF_END_TYPE_ID_BLOCK(net_fixture)

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(fixture::secret)

namespace net_fixture {

using namespace director;
using namespace fixture;

/// Makes the types of this file known.
inline void init_types() {
  static const auto once = [] {
    caf::init_global_meta_objects<caf::id_block::net_fixture>();
    return true;
  }();
  std::ignore = once;
}

/// One node: an actor system, its copy of the table, and a director.
struct node {
  explicit node(std::string node_name, net::options how = {},
                bool with_director = true)
    : env(
      [](caf::actor_system_config& cfg) { cfg.load<caf::io::middleman>(); }),
      name(std::move(node_name)) {
    options = std::move(how);
    options.table = "test";
    options.node = name;
    // Nodes of other processes may get a port that was one of these.
    if (options.cluster == net::options{}.cluster)
      options.cluster = "process " + std::to_string(::getpid());
    options.heartbeat = 50ms;
    if (options.suspicion == net::options{}.suspicion)
      options.suspicion = 500ms;
    // A busy machine must not make two clusters of one.
    options.alone_after = patience;
    options.claim_timeout = 5s;
    options.sink = [log = env.log, gate = gate](const report& x) {
      log->add(to_string(x));
      std::lock_guard guard{*gate};
    };
    auto joined = net::join(*env.sys, options);
    if (!joined) {
      err = joined.error();
      return;
    }
    tab = *joined;
    if (with_director)
      dir = env.start({}, director_options_of_node());
  }

  ~node() {
    if (tab)
      tab->close();
  }

  director_options director_options_of_node() {
    auto result = env.options(name);
    result.table = tab;
    auto fn = [log = env.log, name = name](start_context& ctx) {
      auto label = to_string(ctx.id());
      log->add("up " + label);
      return ctx.spawn([log, name, label](caf::event_based_actor* self) {
        self->attach_functor([log, label](const caf::error& reason) {
          log->add("down " + label + " " + to_string(reason));
        });
        return caf::behavior{
          [self](crash_atom) { self->quit(caf::sec::runtime_error); },
          [name](count_atom) { return name; },
        };
      });
    };
    result.catalog.add_start("worker", fn);
    result.catalog.add_start("only " + name, fn);
    result.catalog.add_start("stubborn", [log = env.log](start_context& ctx) {
      return ctx.spawn([log](caf::event_based_actor* self) {
        return director::internal::compat::make_behavior(
          self, [log](caf::exit_msg&) { log->add("asked"); },
          [](const caf::message&) { return caf::error{}; },
          [self](crash_atom) { self->quit(); });
      });
    });
    return result;
  }

  net::address where() const {
    return tab->where();
  }

  world env;
  /// Holds up whoever reports something about the table.
  std::shared_ptr<std::mutex> gate = std::make_shared<std::mutex>();
  std::string name;
  net::options options;
  caf::error err;
  net::table_ptr tab;
  std::optional<client> dir;
};

/// Has the actor behind the table `test` report something.
inline void provoke_report(world& env) {
  auto actor = env.sys->registry().get<caf::actor>(
    std::string{"director.net.test.node"});
  director::internal::compat::send(actor, caf::message_priority::normal,
                                   nullptr, crash_atom_v);
  REQUIRE(env.log->await("unexpected message"));
}

/// Keeps the actor behind the table of a node busy as long as the result lives.
inline std::unique_lock<std::mutex> hold_up(node& x) {
  std::unique_lock guard{*x.gate};
  provoke_report(x.env);
  return guard;
}

inline net::options near(const node& other) {
  net::options result;
  result.seeds = {other.where()};
  return result;
}

inline child_spec worker(child_id id, bool keep = true) {
  child_spec result;
  result.id = std::move(id);
  result.start = "worker";
  result.plan = plans::permanent();
  result.delete_before_terminate = !keep;
  return result;
}

/// Asks a child who it is. One that has ended on another node does not answer.
inline std::string ask(node& from, const caf::actor& child) {
  caf::scoped_actor self{*from.env.sys};
  std::string result = "nobody";
  director::internal::compat::request_receive(
    self, child, 3s, [&](std::string x) { result = std::move(x); },
    [&](const caf::error& err) { result = to_string(err); }, count_atom_v);
  return result;
}

inline std::string asked(node& from, const child_id& id) {
  auto handle = from.tab->get_actor(id);
  return handle ? ask(from, *handle) : to_string(handle.error());
}

} // namespace net_fixture
