// Starts very many children with one request, crashes all of them, and waits
// until all have been restarted.
//
// usage: many_children [number of children]

#include "director/all.hpp"
#include "send.hpp"

#include <caf/all.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <future>
#include <iostream>
#include <memory>
#include <string>

using namespace std::chrono_literals;

CAF_BEGIN_TYPE_ID_BLOCK(many_children, caf::first_custom_type_id)

  CAF_ADD_ATOM(many_children, many_children, crash_atom)

CAF_END_TYPE_ID_BLOCK(many_children)

namespace {

// Counts what the children do.
struct shared_state {
  explicit shared_state(size_t n) : num_children(n) {
    // nop
  }

  void child_starts() {
    auto n = ++starts;
    if (n == num_children)
      all_started.set_value();
    else if (n == 2 * num_children)
      all_restarted.set_value();
  }

  size_t num_children;
  std::atomic<size_t> starts = 0;
  std::promise<void> all_started;
  std::promise<void> all_restarted;
};

// Prints what a phase of the program does and how long it took.
template <class F>
bool phase(const char* text, F fn) {
  using clock = std::chrono::steady_clock;
  std::cout << text << " ... " << std::flush;
  auto start = clock::now();
  auto err = fn();
  std::chrono::duration<double> elapsed = clock::now() - start;
  if (err)
    std::cout << "failed: " << to_string(err) << '\n';
  else
    std::cout << "done in " << elapsed.count() << " s\n";
  return !err;
}

caf::error await(std::promise<void>& event) {
  if (event.get_future().wait_for(1min) != std::future_status::ready)
    return caf::make_error(caf::sec::request_timeout);
  return {};
}

bool run(const director::client& tree,
         const std::shared_ptr<shared_state>& all) {
  auto n = all->num_children;
  auto all_run = [&]() -> caf::error {
    auto counts = tree.count_children();
    if (!counts)
      return counts.error();
    if (counts->active != n)
      return caf::make_error(caf::sec::runtime_error, "some do not run");
    return {};
  };
  auto start = [&]() -> caf::error {
    // Each spec is nothing but an ID: the default child spec has the rest.
    std::vector<director::child_spec> specs(n);
    for (size_t i = 0; i < n; ++i)
      specs[i] = {.id = i, .append = true};
    auto outcomes = tree.start_children(std::move(specs));
    if (!outcomes)
      return outcomes.error();
    for (auto& outcome : *outcomes)
      if (outcome.err)
        return outcome.err;
    if (auto err = await(all->all_started))
      return err;
    return all_run();
  };
  auto crash = [&]() -> caf::error {
    auto children = tree.get_actors();
    if (!children)
      return children.error();
    for (auto& child : *children)
      send(child.handle, many_children::crash_atom_v);
    if (auto err = await(all->all_restarted))
      return err;
    return all_run();
  };
  std::cout << n << " children\n";
  return phase("starting all with one request", start)
         && phase("crashing all, waiting for all restarts", crash);
}

int run(caf::actor_system& sys, size_t n) {
  auto all = std::make_shared<shared_state>(n);
  director::init_result first;
  first.default_spec.start = [all](caf::event_based_actor* self) {
    all->child_starts();
    return caf::behavior{
      [self](many_children::crash_atom) {
        self->quit(caf::make_error(caf::sec::runtime_error, "crash"));
      },
    };
  };
  auto top = director::start(sys, director::fixed(first), {.sink = nullptr});
  if (!top) {
    std::cerr << "cannot start: " << to_string(top.error()) << '\n';
    return EXIT_FAILURE;
  }
  auto tree = director::client{sys, *top}.within(1min);
  auto ok = run(tree, all);
  ok = phase("stopping", [&] { return tree.stop(); }) && ok;
  return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

} // namespace

int main(int argc, char** argv) {
  auto n = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 100'000;
  if (argc > 2 || n == 0) {
    std::cerr << "usage: many_children [number of children]\n";
    return EXIT_FAILURE;
  }
  caf::init_global_meta_objects<caf::id_block::director>();
  caf::init_global_meta_objects<caf::id_block::many_children>();
  caf::core::init_global_meta_objects();
  caf::actor_system_config cfg;
  // One queue for all threads: none of them has to search for work.
  cfg.set("caf.scheduler.policy", "sharing");
  caf::actor_system sys{cfg};
  return run(sys, n);
}
