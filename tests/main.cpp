#define CATCH_CONFIG_RUNNER
#include "catch.hpp"
#include "fake_world.hpp"
#include "fixture.hpp"

#include <caf/init_global_meta_objects.hpp>

#include <director/all.hpp>

int main(int argc, char** argv) {
  caf::init_global_meta_objects<caf::id_block::director>();
  caf::init_global_meta_objects<caf::id_block::director_test>();
  caf::core::init_global_meta_objects();
  auto result = Catch::Session().run(argc, argv);
  fixture::actor_pool::shut_down();
  return result;
}
