#define CATCH_CONFIG_RUNNER
#include "net_cluster.hpp"

#include <caf/init_global_meta_objects.hpp>
#include <caf/io/middleman.hpp>

#include <csignal>
#include <director/ets/table.hpp>
#include <director/net/table.hpp>

int main(int argc, char** argv) {
  caf::init_global_meta_objects<caf::id_block::director>();
  caf::init_global_meta_objects<caf::id_block::director_ets>();
  caf::init_global_meta_objects<caf::id_block::director_net>();
  caf::io::middleman::init_global_meta_objects();
  caf::core::init_global_meta_objects();
  // Nodes die while they are being spoken to.
  std::signal(SIGPIPE, SIG_IGN);
  if (argc > 1 && std::string{argv[1]} == "node")
    return net_cluster::run_node({argv + 2, argv + argc});
  return Catch::Session().run(argc, argv);
}
