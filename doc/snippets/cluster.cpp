// The examples of the chapter about tables of a cluster in doc/guide.md, as one
// program with two nodes. doc/check_snippets.py keeps the two equal.

#include "director/all.hpp"
#include "director/net/all.hpp"

#include <caf/all.hpp>
#include <caf/io/all.hpp>

#include <chrono>
#include <functional>
#include <iostream>
#include <stdexcept>
#include <thread>

namespace {

using namespace std::chrono_literals;

template <class T>
T value_of(caf::expected<T> x) {
  if (!x)
    throw std::runtime_error{to_string(x.error())};
  return std::move(*x);
}

void await(const char* what, const std::function<bool()>& predicate) {
  auto deadline = std::chrono::steady_clock::now() + 20s;
  while (!predicate()) {
    if (std::chrono::steady_clock::now() > deadline)
      throw std::runtime_error{what};
    std::this_thread::sleep_for(1ms);
  }
}

// [join]
director::net::table_ptr join(caf::actor_system& sys, const char* name,
                              std::vector<director::net::address> seeds) {
  return value_of(director::net::join(
    sys, {.table = "services", .node = name, .seeds = std::move(seeds)}));
}
// [join]

// [functions]
caf::behavior worker(caf::event_based_actor* self, const std::string& text) {
  return {[self, text](caf::get_atom) {
    return text + " on " + to_string(self->node());
  }};
}

director::catalog functions() {
  director::catalog result;
  result.add_start("worker", worker);
  return result;
}
// [functions]

// [start]
director::client start_director(caf::actor_system& sys, const char* name,
                                const director::net::table_ptr& tab) {
  director::init_result first;
  first.default_spec = {.id = {},
                        .start = "worker",
                        .args = caf::make_message("at work"),
                        .plan = director::plans::permanent(),
                        .delete_before_terminate = false};
  return {sys, value_of(director::start(
                 sys, director::fixed(first),
                 {.name = name, .table = tab, .catalog = functions()}))};
}
// [start]

// [majority]
director::net::options with_majority(director::net::options x) {
  x.partitions = director::net::partition_mode::pause_minority;
  x.expected_nodes = 3;
  return x;
}
// [majority]

// [tls]
caf::error use_tls(caf::actor_system_config& cfg,
                   director::net::options& options) {
  // Before the actor system is made.
  auto err = director::net::load_tls(
    cfg, {.certificate = "node.pem", .key = "node.key", .ca = "ca.pem"});
  if (err)
    return err;
  options.tls = true;
  options.listen = {"0.0.0.0", 4001};
  options.advertise = "node-1.example.org";
  return {};
}
// [tls]

void read(caf::actor_system& sys, const director::net::table_ptr& tab) {
  // [read]
  if (auto handle = tab->get_actor("worker-1"))
    std::cout << "worker-1 is " << to_string(*handle) << '\n';
  for (auto& node : tab->nodes())
    std::cout << node.name << " is " << to_string(node.state) << " and has "
              << node.children << " children\n";
  // [read]
  // [tree]
  for (auto& tree : director::get_trees(sys, *tab))
    std::cout << to_string(tree, namer(*tab));
  // [tree]
}

void run(caf::actor_system& foo_sys, caf::actor_system& bar_sys) {
  auto foo = join(foo_sys, "foo", {});
  auto foo_director = start_director(foo_sys, "foo", foo);
  // [start-child]
  for (auto* id : {"worker-1", "worker-2"})
    if (auto child = foo_director.start_child({.id = id, .append = true});
        !child)
      std::cerr << to_string(child.error()) << '\n';
  // [start-child]
  auto bar = join(bar_sys, "bar", {foo->where()});
  auto bar_director = start_director(bar_sys, "bar", bar);
  read(bar_sys, bar);
  await("foo does not see bar", [&] {
    for (auto& node : foo->nodes())
      if (!node.self && node.open)
        return true;
    return false;
  });
  // [rebalance]
  foo->rebalance();
  // [rebalance]
  await("no child has moved", [&] {
    return foo->count_children().active == 2
           && foo->node_of("worker-1") != foo->node_of("worker-2");
  });
  read(foo_sys, foo);
  // [leave]
  if (auto err = foo->leave())
    std::cerr << "left in disorder: " << to_string(err) << '\n';
  // [leave]
  await("a child is missing",
        [&] { return bar->count_children().active == 2; });
  read(bar_sys, bar);
  if (auto err = bar->leave())
    throw std::runtime_error{to_string(err)};
}

} // namespace

// [caf-main]
void caf_main(caf::actor_system& sys) {
  // ...
  // [caf-main]
  caf::actor_system_config cfg;
  director::net::options options{.table = "services"};
  if (auto err = use_tls(cfg, options))
    std::cout << "no certificates here: " << to_string(err) << '\n';
  if (auto text = complaint(with_majority(options)); !text.empty())
    throw std::runtime_error{text};
  cfg.load<caf::io::middleman>();
  caf::actor_system other{cfg};
  run(sys, other);
  // [caf-main]
}

CAF_MAIN(caf::id_block::director, caf::id_block::director_ets,
         caf::id_block::director_net, caf::io::middleman)
// [caf-main]
