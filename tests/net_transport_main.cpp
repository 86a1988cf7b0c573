#define CATCH_CONFIG_RUNNER
#include "catch.hpp"

#include <caf/init_global_meta_objects.hpp>
#include <caf/io/middleman.hpp>

int main(int argc, char** argv) {
  caf::io::middleman::init_global_meta_objects();
  caf::core::init_global_meta_objects();
  return Catch::Session().run(argc, argv);
}
