// Starts a director on a table of the test kit, lets it restart a child, and
// stops it. Then does a little with a table of a cluster.

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/init_global_meta_objects.hpp>
#include <caf/io/middleman.hpp>
#include <caf/scoped_actor.hpp>

#include <chrono>
#include <director/ets/all.hpp>
#include <director/net/all.hpp>
#include <director/test/wrapped_table.hpp>
#include <iostream>
#include <memory>
#include <thread>

using namespace std::chrono_literals;

namespace {

int fail(const char* what, const caf::error& err = {}) {
  std::cerr << "consumer: " << what << ": " << to_string(err) << std::endl;
  return 1;
}

int run_shared(caf::actor_system& sys) {
  size_t calls = 0;
  auto tab = director::ets::open(sys, "consumer");
  if (!tab)
    return fail("open", tab.error());
  director::director_options options;
  options.name = "consumer";
  options.table = std::make_shared<director::test::faulty_table>(
    *tab, [&calls](director::test::table_call) {
      ++calls;
      return caf::error{};
    });
  director::child_spec child{
    .id = "child",
    .start =
      [](caf::event_based_actor*) {
        return caf::behavior{[](int32_t x) { return x + 1; }};
      },
    .plan = director::plans::permanent(),
  };
  auto handle = director::start(sys, director::fixed({.children = {child}}),
                                options);
  if (!handle)
    return fail("start", handle.error());
  director::client client{sys, *handle, 30s};
  auto first = client.get_actor("child");
  if (!first)
    return fail("get_actor", first.error());
  caf::scoped_actor {
    sys
    } -> send_exit(*first, caf::exit_reason::kill);
  auto deadline = std::chrono::steady_clock::now() + 30s;
  for (;;) {
    auto next = client.get_actor("child");
    if (next && *next != *first)
      break;
    if (std::chrono::steady_clock::now() > deadline)
      return fail("the child was not restarted");
    std::this_thread::yield();
  }
  if (auto err = client.stop())
    return fail("stop", err);
  if (calls == 0)
    return fail("the table was not used");
  return 0;
}

caf::behavior echo(caf::event_based_actor*) {
  return {[](int32_t x) { return x; }};
}

int run_net(caf::actor_system& sys) {
  auto tab = director::net::join(sys, {.table = "consumer"});
  if (!tab)
    return fail("join", tab.error());
  director::director_options options;
  options.name = "net";
  options.table = *tab;
  options.catalog.add_start("echo", echo);
  auto handle = director::start(sys, {}, options);
  if (!handle)
    return fail("start on a net table", handle.error());
  auto child = director::client{sys, *handle, 30s}.start_child(
    {.id = "child", .start = "echo"});
  if (!child)
    return fail("start_child", child.error());
  if ((*tab)->count_children().active != 1)
    return fail("the child is not in the net table");
  if (auto err = (*tab)->leave())
    return fail("leave", err);
  return 0;
}

int run(caf::actor_system& sys) {
  if (auto result = run_shared(sys))
    return result;
  if (auto result = run_net(sys))
    return result;
  std::cout << "consumer: ok" << std::endl;
  return 0;
}

} // namespace

int main() {
  caf::init_global_meta_objects<caf::id_block::director>();
  caf::init_global_meta_objects<caf::id_block::director_ets>();
  caf::init_global_meta_objects<caf::id_block::director_net>();
  caf::io::middleman::init_global_meta_objects();
  caf::core::init_global_meta_objects();
  caf::actor_system_config config;
  config.load<caf::io::middleman>();
  caf::actor_system sys{config};
  return run(sys);
}
