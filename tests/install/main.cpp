// Starts a director on a table of the test kit, lets it restart a child, and
// stops it.

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/init_global_meta_objects.hpp>
#include <caf/scoped_actor.hpp>

#include <chrono>
#include <director/ets/all.hpp>
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

int run(caf::actor_system& sys) {
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
  std::cout << "consumer: ok" << std::endl;
  return 0;
}

} // namespace

int main() {
  caf::init_global_meta_objects<caf::id_block::director>();
  caf::init_global_meta_objects<caf::id_block::director_ets>();
  caf::core::init_global_meta_objects();
  caf::actor_system_config config;
  caf::actor_system sys{config};
  return run(sys);
}
