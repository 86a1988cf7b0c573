// Three directors share one table. A thread that is no actor picks workers
// from the table and gives them work, while one director is killed and the
// others take its workers over.

#include "director/ets/all.hpp"
#include "events.hpp"
#include "send.hpp"

#include <caf/all.hpp>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <random>
#include <stdexcept>
#include <thread>
#include <vector>

CAF_BEGIN_TYPE_ID_BLOCK(shared_table, caf::first_custom_type_id)

  CAF_ADD_ATOM(shared_table, shared_table, work_atom)

CAF_END_TYPE_ID_BLOCK(shared_table)

namespace {

constexpr int workers_per_director = 4;

template <class T>
T value_of(caf::expected<T> x) {
  if (!x)
    throw std::runtime_error(to_string(x.error()));
  return std::move(*x);
}

using counter_ptr = std::shared_ptr<std::atomic<uint64_t>>;

director::start_function worker(const counter_ptr& done) {
  return [done](caf::event_based_actor*) -> caf::behavior {
    return {[done](shared_table::work_atom) { ++*done; }};
  };
}

// Gives work to random workers until it is told to stop.
class dispatcher {
public:
  explicit dispatcher(director::ets::table_ptr tab)
    : thread_([this, tab = std::move(tab)] { run(*tab); }) {
    // nop
  }

  ~dispatcher() {
    done_ = true;
    thread_.join();
  }

  uint64_t given() const {
    return given_;
  }

  // Waits until so much work was given.
  void await(uint64_t count) const {
    for (auto given = given_.load(); given < count; given = given_)
      given_.wait(given);
  }

  uint64_t missed() const {
    return missed_;
  }

private:
  void run(const director::ets::table& tab) {
    std::minstd_rand random{1};
    while (!done_) {
      // Asks no director: this works while directors die and restart workers.
      auto id = static_cast<int>(random() % (3 * workers_per_director));
      if (auto handle = tab.get_actor(id)) {
        send(*handle, shared_table::work_atom_v);
        ++given_;
        given_.notify_one();
      } else {
        ++missed_;
      }
      std::this_thread::sleep_for(std::chrono::microseconds{100});
    }
  }

  std::atomic<bool> done_ = false;
  std::atomic<uint64_t> given_ = 0;
  std::atomic<uint64_t> missed_ = 0;
  std::thread thread_;
};

// Notes what the table tells.
caf::behavior listener(caf::event_based_actor*, events_ptr log) {
  return {[log](const std::vector<director::ets::change>& changes) {
    for (auto& x : changes)
      if (x.kind == director::ets::change_kind::started)
        log->push("started");
  }};
}

// A director with its share of the workers. It stays down if it dies, so that
// the others have to step in.
director::child_spec branch(const char* name, int first,
                            const director::ets::table_ptr& tab,
                            const counter_ptr& done) {
  director::init_result init;
  for (int id = first; id < first + workers_per_director; ++id)
    init.children.push_back({.id = id, .append = true});
  init.default_spec = {.id = {},
                       .start = worker(done),
                       .plan = director::plans::permanent(),
                       .delete_before_terminate = false};
  return {.id = name,
          .start
          = director::nested(director::fixed(std::move(init)),
                             {.name = name, .table = tab, .sink = nullptr}),
          .plan = director::plans::never(),
          .type = director::child_type::supervisor};
}

void tour(caf::actor_system& sys, const director::client& root,
          const director::ets::table_ptr& tab, const counter_ptr& done) {
  auto print = [&](const char* title) {
    auto tree = value_of(director::get_tree(sys, root.handle()));
    std::cout << "-- " << title << "\n\n"
              << to_string(tree) << "\nthe table lists\n"
              << to_string(*tab) << '\n';
  };
  auto log = std::make_shared<events>();
  auto ear = sys.spawn(listener, log);
  print("three directors, twelve workers");
  tab->subscribe(ear);
  dispatcher reader{tab};
  reader.await(100);
  std::cout << "director north gets killed, a thread goes on giving work\n";
  auto begin = std::chrono::steady_clock::now();
  send(value_of(root.get_actor("north")),
       caf::exit_msg{{}, caf::exit_reason::kill});
  for (int i = 0; i < workers_per_director; ++i)
    log->wait_for("started");
  auto us = std::chrono::duration_cast<std::chrono::microseconds>(
    std::chrono::steady_clock::now() - begin);
  std::cout << "its " << workers_per_director << " workers run again after "
            << us.count() << " us\n\n";
  reader.await(reader.given() + 100);
  print("two directors, twelve workers");
  if (tab->count_children().active != 3 * workers_per_director)
    throw std::runtime_error("a worker is missing");
  std::cout << "work given: " << reader.given()
            << ", no worker at hand: " << reader.missed()
            << ", done so far: " << *done << '\n';
}

} // namespace

int caf_main(caf::actor_system& sys) {
  auto result = EXIT_SUCCESS;
  try {
    auto tab
      = value_of(director::ets::open(sys, "workers", {.failover = true}));
    auto done = std::make_shared<std::atomic<uint64_t>>(0);
    director::init_result first{
      .children = {branch("north", 0, tab, done),
                   branch("south", workers_per_director, tab, done),
                   branch("west", 2 * workers_per_director, tab, done)}};
    director::client root{
      sys, value_of(director::start(sys, director::fixed(first),
                                    {.name = "root", .sink = nullptr}))};
    try {
      tour(sys, root, tab, done);
    } catch (std::exception& x) {
      std::cerr << "not as expected: " << x.what() << '\n';
      result = EXIT_FAILURE;
    }
    if (root.stop())
      result = EXIT_FAILURE;
    tab->close();
  } catch (std::exception& x) {
    std::cerr << "cannot start: " << x.what() << '\n';
    result = EXIT_FAILURE;
  }
  return result;
}

CAF_MAIN(caf::id_block::director, caf::id_block::director_ets,
         caf::id_block::shared_table)
