#include "setup.hpp"

#include "fake_world.hpp"
#include "fixture.hpp"

#include <caf/init_global_meta_objects.hpp>
#include <caf/io/middleman.hpp>

#include <director/ets/table.hpp>
#include <director/net/table.hpp>

namespace fixture {

void set_up() {
  caf::init_global_meta_objects<caf::id_block::director>();
  caf::init_global_meta_objects<caf::id_block::director_ets>();
  caf::init_global_meta_objects<caf::id_block::director_net>();
  caf::init_global_meta_objects<caf::id_block::director_test>();
  caf::io::middleman::init_global_meta_objects();
  caf::core::init_global_meta_objects();
}

void tear_down() {
  actor_pool::shut_down();
}

} // namespace fixture
