// A tour of director: starts a small tree, asks it, ends and restarts a child,
// and then crashes a child until its director gives up.

#include "director/all.hpp"
#include "events.hpp"
#include "send.hpp"

#include <caf/all.hpp>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <stdexcept>

CAF_BEGIN_TYPE_ID_BLOCK(sample, caf::first_custom_type_id)

  CAF_ADD_ATOM(sample, sample, crash_atom)

CAF_END_TYPE_ID_BLOCK(sample)

namespace {

// -- the children -------------------------------------------------------------

// All children of this program do the same: nothing, until they crash.
caf::behavior worker(caf::event_based_actor* self) {
  return {
    [self](sample::crash_atom) {
      self->quit(caf::make_error(caf::sec::runtime_error, "paper jam"));
    },
  };
}

// -- what the directors report ------------------------------------------------

// Prints every report, and tells about those that the tour waits for.
director::report_sink sink(const events_ptr& log) {
  return [log](const director::report& x) {
    std::cout << "   report: " + to_string(x) + '\n' << std::flush;
    if (x.kind == director::report_kind::child_terminated)
      log->push(to_string(x.child->id) + " has crashed");
    else if (x.kind == director::report_kind::progress)
      log->push(to_string(x.child->id) + " has started");
  };
}

// -- helpers ------------------------------------------------------------------

void step(int number, const char* text) {
  std::cout << '\n' << number << ". " << text << '\n';
}

void check(bool condition, const char* what) {
  if (!condition)
    throw std::runtime_error(what);
}

template <class T>
T value_of(caf::expected<T> x, const char* what) {
  if (!x)
    throw std::runtime_error(std::string{what} + ": " + to_string(x.error()));
  return std::move(*x);
}

void print_children(const director::client& office) {
  for (auto& child : value_of(office.which_children(), "which_children"))
    std::cout << "   " << to_string(child.id) << ": " << to_string(child.type)
              << ", " << to_string(child.status)
              << ", restarts: " << child.restart_count << '\n';
}

std::string tree_of(caf::actor_system& sys, const director::client& office) {
  auto tree = value_of(director::get_tree(sys, office.handle()), "get_tree");
  std::string result = "   ";
  for (auto c : to_string(tree)) {
    result += c;
    if (c == '\n')
      result += "   ";
  }
  result.resize(result.size() - 3);
  return result;
}

void crash(const director::client& office, const events_ptr& log) {
  auto printer = value_of(office.get_actor("printer"), "get_actor");
  send(printer, sample::crash_atom_v);
  log->wait_for("printer has crashed");
}

// -- the tour -----------------------------------------------------------------

void tour(caf::actor_system& sys, const director::client& office,
          const events_ptr& log) {
  using clock = std::chrono::steady_clock;
  auto text = [](const caf::error& err) { return to_string(err); };

  step(2, "which_children lists the children of office:");
  print_children(office);

  step(3, "count_children counts them:");
  auto counts = value_of(office.count_children(), "count_children");
  std::cout << "   " << counts.specs << " in all, " << counts.active
            << " of them running; " << counts.workers << " workers, "
            << counts.supervisors << " supervisor\n";
  check(counts == director::child_counts{3, 3, 1, 2}, "wrong counts");

  step(4, "get_actor finds the actor behind a name:");
  auto printer = value_of(office.get_actor("printer"), "get_actor");
  std::cout << "   printer is actor " << printer.id() << '\n';
  auto nobody = office.get_actor("nobody");
  check(nobody.error() == director::errc::not_found, "found nobody");
  std::cout << "   for nobody the answer is: " << text(nobody.error()) << '\n';

  step(5, "A child that runs cannot be restarted:");
  auto refused = office.restart_child("printer");
  check(refused.error() == director::errc::running, "restarted what runs");
  std::cout << "   restart_child(printer): " << text(refused.error()) << '\n';

  step(6, "terminate_child ends the clock, but keeps its record:");
  auto err = office.terminate_child("clock");
  check(!err, "terminate_child failed");
  print_children(office);

  step(7, "restart_child brings the clock back:");
  auto again = value_of(office.restart_child("clock"), "restart_child");
  std::cout << "   the clock is now actor " << again.handle.id() << '\n';

  step(8, "The printer crashes three times, and restarts at once each time:");
  for (int i = 0; i < 3; ++i) {
    crash(office, log);
    log->wait_for("printer has started");
  }
  check(office.get_restart_count("printer") == uint64_t{3}, "not 3 restarts");
  print_children(office);

  step(9,
       "The fourth restart is delayed by a second. Until then, the tree is:");
  crash(office, log);
  auto crashed_at = clock::now();
  auto tree = tree_of(sys, office);
  std::cout << tree;
  check(tree.find("restarting") != std::string::npos, "not restarting");
  log->wait_for("printer has started");
  std::chrono::duration<double> pause = clock::now() - crashed_at;
  std::cout << "   the printer is back after " << pause.count() << " seconds\n";
  check(pause.count() > 0.9, "restarted too early");

  step(10, "The fifth crash is too much: office ends, and all below it:");
  crash(office, log);
  log->wait_for("office has ended");
}

} // namespace

int caf_main(caf::actor_system& sys) {
  auto log = std::make_shared<events>();
  std::cout
    << "This is a tour of director. Lines with \"report:\" are what the "
       "directors report\nwhile they work.\n";

  step(1, "Start a director, office, with three children. One of them, "
          "archive, is\n   a director with two children of its own:");
  director::init_result below{.children = {{.id = "reader", .start = worker},
                                           {.id = "writer", .start = worker}}};
  director::child_spec archive{.id = "archive",
                               .start = director::nested(director::fixed(below),
                                                         {.name = "archive",
                                                          .sink = sink(log)}),
                               .type = director::child_type::supervisor};
  director::init_result first{.children = {{.id = "clock", .start = worker},
                                           {.id = "printer", .start = worker},
                                           archive}};
  auto top = director::start(sys, director::fixed(first),
                             {.name = "office", .sink = sink(log)});
  if (!top) {
    std::cerr << "cannot start: " << to_string(top.error()) << '\n';
    return EXIT_FAILURE;
  }
  (*top)->attach_functor([log](const caf::error& reason) {
    std::cout << "   office has ended: " + to_string(reason) + '\n';
    log->push("office has ended");
  });
  director::client office{sys, *top};
  try {
    tour(sys, office, log);
  } catch (std::exception& x) {
    std::cerr << "not as expected: " << x.what() << '\n';
    std::ignore = office.stop();
    return EXIT_FAILURE;
  }
  std::cout << "\nAll went as expected.\n";
  return EXIT_SUCCESS;
}

CAF_MAIN(caf::id_block::director, caf::id_block::sample)
