#include "director/test/table_suite.hpp"

#include "director/test/internal/checks.hpp"

#include <random>

namespace director::test {

std::vector<std::string> check_table(caf::actor_system& system,
                                     const table_factory& make,
                                     suite_options options) {
  if (options.seed == 0)
    options.seed = std::random_device{}();
  auto failures = internal::check_in_sequence(system, make, options);
  if (options.concurrent)
    for (auto& failure : internal::check_with_threads(system, make, options))
      failures.push_back(std::move(failure));
  return failures;
}

} // namespace director::test
