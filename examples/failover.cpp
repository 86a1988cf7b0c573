// A service that survives the loss of its machine. Start it in two or three
// terminals, kill the node that prints, and see another one go on:
//
//   failover foo 4001
//   failover bar 4002 4001
//   failover baz 4003 4001
//
// The first node starts the service. Port 0 takes any; the node prints which.
// examples/failover.sh does all of it.

#include "director/all.hpp"
#include "director/net/all.hpp"

#include <caf/all.hpp>
#include <caf/io/all.hpp>

#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <system_error>

namespace {

using namespace std::chrono_literals;

// Prints a line every second. The text travels with the child spec.
caf::behavior service(caf::event_based_actor* self, const std::string& text) {
  struct printer {
    caf::event_based_actor* self;
    std::string text;

    void operator()(int line) const {
      auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
      std::cout << std::chrono::duration_cast<std::chrono::milliseconds>(
                     since_epoch)
                     .count()
                << " " << text << ", line " << line << std::endl;
      self->run_delayed(1s, [next = *this, line] { next(line + 1); });
    }
  };
  printer{self, text}(1);
  return {
    [](caf::unit_t) {
      // A service would serve here.
    },
  };
}

// Every node must know the functions that child specs name.
director::catalog functions() {
  director::catalog result;
  result.add_start("service", service);
  return result;
}

int fail(const std::string& text) {
  std::cerr << text << '\n';
  return EXIT_FAILURE;
}

int run(caf::actor_system& sys, const director::net::options& options) {
  auto table = director::net::join(sys, options);
  if (!table)
    return fail("cannot join: " + to_string(table.error()));
  director::director_options how;
  how.name = options.node;
  how.table = *table;
  how.catalog = functions();
  auto handle = director::start(sys, {}, how);
  if (!handle)
    return fail("no director: " + to_string(handle.error()));
  director::client root{sys, *handle};
  if (options.seeds.empty()) {
    director::child_spec spec;
    spec.id = "service";
    spec.start = "service";
    spec.args = caf::make_message(std::string{"the service lives"});
    spec.plan = director::plans::permanent();
    spec.delete_before_terminate = false;
    auto outcome = root.start_child(spec);
    if (!outcome)
      return fail("no service: " + to_string(outcome.error()));
  }
  std::cout << to_string(**table) << "Enter shows the cluster, end of input "
            << "leaves it." << std::endl;
  for (std::string line; std::getline(std::cin, line);)
    std::cout << to_string(**table) << std::flush;
  if (auto err = (*table)->leave())
    return fail("left in disorder: " + to_string(err));
  return EXIT_SUCCESS;
}

struct config : caf::actor_system_config {
  config() {
    load<caf::io::middleman>();
  }
};

bool parse(std::string_view text, uint16_t& port) {
  const auto* last = text.data() + text.size();
  auto [end, err] = std::from_chars(text.data(), last, port);
  return err == std::errc{} && end == last;
}

} // namespace

int main(int argc, char** argv) {
  director::net::options options;
  auto good = argc >= 3 && parse(argv[2], options.listen.port);
  for (int i = 3; good && i < argc; ++i) {
    options.seeds.emplace_back("127.0.0.1", uint16_t{0});
    good = parse(argv[i], options.seeds.back().port);
  }
  if (!good)
    return fail("usage: failover NAME PORT [PORT OF ANY OTHER NODE...]");
  caf::init_global_meta_objects<caf::id_block::director>();
  caf::init_global_meta_objects<caf::id_block::director_ets>();
  caf::init_global_meta_objects<caf::id_block::director_net>();
  caf::io::middleman::init_global_meta_objects();
  caf::core::init_global_meta_objects();
  options.table = "services";
  options.node = argv[1];
  config cfg;
  caf::actor_system sys{cfg};
  return run(sys, options);
}
