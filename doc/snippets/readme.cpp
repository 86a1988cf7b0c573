#include "director/all.hpp"

#include <caf/all.hpp>

#include <cstdlib>
#include <thread>

// A child is an ordinary CAF actor.
caf::behavior greeter(caf::event_based_actor*, const std::string& name) {
  return {[name](caf::get_atom) { return "hello, " + name; }};
}

int caf_main(caf::actor_system& sys) {
  director::child_spec spec{.id = "greeter",
                            .start = greeter,
                            .args = caf::make_message("world")};
  auto top = director::start(sys, director::fixed({.children = {spec}}));
  if (!top)
    return EXIT_FAILURE;
  director::client tree{sys, *top};
  // Kill the child: the director starts another one in its place.
  if (auto child = tree.get_actor("greeter"))
    caf::anon_send_exit(*child, caf::exit_reason::kill);
  while (tree.get_restart_count("greeter") == uint64_t{0})
    std::this_thread::yield();
  // An actor system waits for its directors: stop them before it ends.
  return tree.stop() ? EXIT_FAILURE : EXIT_SUCCESS;
}

CAF_MAIN(caf::id_block::director)
