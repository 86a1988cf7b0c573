#define CATCH_CONFIG_RUNNER
#include "catch.hpp"
#include "setup.hpp"

int main(int argc, char** argv) {
  fixture::set_up();
  auto result = Catch::Session().run(argc, argv);
  fixture::tear_down();
  return result;
}
