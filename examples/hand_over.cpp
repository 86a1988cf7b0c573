// Moves a running worker, with all it knows, from one director to another.

#include "director/all.hpp"
#include "events.hpp"
#include "send.hpp"

#include <caf/all.hpp>

#include <cstdlib>
#include <iostream>
#include <stdexcept>

CAF_BEGIN_TYPE_ID_BLOCK(hand_over, caf::first_custom_type_id)

  CAF_ADD_ATOM(hand_over, hand_over, count_atom)
  CAF_ADD_ATOM(hand_over, hand_over, crash_atom)

CAF_END_TYPE_ID_BLOCK(hand_over)

namespace {

// Counts, and tells how far it has come.
director::start_function counter(const events_ptr& log) {
  return [log](caf::event_based_actor* self) -> caf::behavior {
    log->push("counter has started");
    return {
      [log, n = 0](hand_over::count_atom) mutable {
        ++n;
        std::cout << "the counter says " + std::to_string(n) + '\n';
        log->push("count " + std::to_string(n));
      },
      [self](hand_over::crash_atom) {
        self->quit(caf::make_error(caf::sec::runtime_error, "lost count"));
      },
      // Comes from the director that takes this actor over.
      [log](director::new_parent_atom, const caf::actor&) {
        std::cout << "the counter has a new director\n";
        log->push("new director");
      },
    };
  };
}

template <class T>
T value_of(caf::expected<T> x) {
  if (!x)
    throw std::runtime_error(to_string(x.error()));
  return std::move(*x);
}

void check(const caf::error& err) {
  if (err)
    throw std::runtime_error(to_string(err));
}

void hand_over_worker(caf::actor_system& sys, const director::client& root,
                      const events_ptr& log) {
  auto below = [&](const char* id) {
    auto handle = value_of(root.get_actor(id));
    return director::client{sys,
                            caf::actor_cast<director::director_actor>(handle)};
  };
  auto print_tree = [&] {
    auto tree = value_of(director::get_tree(sys, root.handle()));
    std::cout << '\n' << to_string(tree) << '\n';
  };
  auto left = below("left");
  auto right = below("right");
  print_tree();
  // Under the first director, the worker counts to two.
  auto worker = value_of(left.get_actor("counter"));
  send(worker, hand_over::count_atom_v);
  send(worker, hand_over::count_atom_v);
  log->wait_for("count 2");
  // The second director needs a spec, as it may have to restart the worker.
  auto spec = value_of(left.get_child_spec("counter"));
  std::cout << "left lets go of the counter, right takes it over\n";
  check(left.delete_running_child(worker));
  check(right.become_supervisor(worker, spec));
  log->wait_for("new director");
  print_tree();
  // It is the same actor: it goes on counting.
  if (value_of(right.get_actor("counter")) != worker)
    throw std::runtime_error("the counter is another actor now");
  send(worker, hand_over::count_atom_v);
  log->wait_for("count 3");
  // From now on, its restarts are the job of the second director.
  std::cout << "the counter crashes, right restarts it\n";
  send(worker, hand_over::crash_atom_v);
  log->wait_for("counter has started");
  send(value_of(right.get_actor("counter")), hand_over::count_atom_v);
  log->wait_for("count 1");
  print_tree();
}

director::child_spec nested(const char* name, director::init_result first) {
  return {.id = name,
          .start = director::nested(director::fixed(std::move(first)),
                                    {.name = name, .sink = nullptr}),
          .type = director::child_type::supervisor};
}

} // namespace

int caf_main(caf::actor_system& sys) {
  auto log = std::make_shared<events>();
  director::child_spec worker{.id = "counter", .start = counter(log)};
  director::init_result first{
    .children = {nested("left", {.children = {worker}}), nested("right", {})}};
  auto top = director::start(sys, director::fixed(first),
                             {.name = "root", .sink = nullptr});
  if (!top) {
    std::cerr << "cannot start: " << to_string(top.error()) << '\n';
    return EXIT_FAILURE;
  }
  director::client root{sys, *top};
  auto result = EXIT_SUCCESS;
  try {
    hand_over_worker(sys, root, log);
  } catch (std::exception& x) {
    std::cerr << "not as expected: " << x.what() << '\n';
    result = EXIT_FAILURE;
  }
  return root.stop() ? EXIT_FAILURE : result;
}

CAF_MAIN(caf::id_block::director, caf::id_block::hand_over)
