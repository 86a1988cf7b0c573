// The examples of the chapter about shared tables in doc/guide.md, as one
// program. doc/check_snippets.py keeps the two equal.

#include "director/ets/all.hpp"

#include <caf/all.hpp>

#include <iostream>
#include <stdexcept>

namespace {

caf::behavior worker(caf::event_based_actor*) {
  return {[](caf::get_atom) { return "at work"; }};
}

template <class T>
T value_of(caf::expected<T> x) {
  if (!x)
    throw std::runtime_error{to_string(x.error())};
  return std::move(*x);
}

// [watch]
caf::behavior watcher(caf::event_based_actor*) {
  return {
    [](const std::vector<director::ets::change>& changes) {
      for (auto& x : changes)
        std::cout << to_string(x.id) + " " + to_string(x.kind) + "\n";
    },
    [](const director::ets::subscription_end& x) {
      std::cerr << "no more news from " << x.table << ": "
                << to_string(x.reason) << '\n';
    },
  };
}
// [watch]

// [start]
director::director_actor start_pool(caf::actor_system& sys, const char* name,
                                    const director::ets::table_ptr& tab) {
  director::init_result first;
  first.default_spec = {.id = {},
                        .start = worker,
                        .plan = director::plans::permanent(),
                        .delete_before_terminate = false};
  return value_of(
    director::start(sys, director::fixed(first), {.name = name, .table = tab}));
}
// [start]

void run(caf::actor_system& sys) {
  // [open]
  auto tab = value_of(director::ets::open(sys, "workers", {.failover = true}));
  // [open]
  director::client left{sys, start_pool(sys, "left", tab)};
  director::client right{sys, start_pool(sys, "right", tab)};
  // [subscribe]
  auto all = sys.spawn(watcher);
  tab->subscribe(all);
  auto one = sys.spawn(watcher);
  tab->subscribe(one, {.id = "worker-1"});
  // [subscribe]
  auto outcome = left.start_child({.id = "worker-1", .append = true});
  if (!outcome)
    throw std::runtime_error{to_string(outcome.error())};
  // [read]
  if (auto handle = tab->get_actor("worker-1"))
    std::cout << "worker-1 is " << to_string(*handle) << '\n';
  std::cout << tab->count_children().active << " of " << tab->size()
            << " children run\n";
  tab->visit([](const director::child_record& x) {
    if (x.restart_count > 0)
      std::cout << to_string(x.id) << " is not the first\n";
  });
  // [read]
  tab->unsubscribe(all);
  tab->unsubscribe(one);
  // [close]
  for (auto& pool : {left, right})
    if (auto err = pool.stop())
      std::cerr << to_string(err) << '\n';
  tab->close();
  // [close]
}

} // namespace

// [caf-main]
void caf_main(caf::actor_system& sys) {
  // ...
  // [caf-main]
  run(sys);
  // [caf-main]
}

CAF_MAIN(caf::id_block::director, caf::id_block::director_ets)
// [caf-main]
