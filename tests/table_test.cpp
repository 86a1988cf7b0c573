// The list table, and tables between it and a director, against the
// conformance kit.

#include "catch.hpp"

#include <caf/actor_system_config.hpp>

#include <director/list_table.hpp>
#include <director/test/slow_table.hpp>
#include <director/test/table_suite.hpp>

using namespace director;

namespace {

std::string join(const std::vector<std::string>& failures) {
  std::string result;
  for (auto& failure : failures)
    result += failure + "\n";
  return result;
}

std::vector<std::string> check(const director::test::table_factory& make) {
  caf::actor_system_config cfg;
  caf::actor_system sys{cfg};
  return director::test::check_table(sys, make);
}

} // namespace

TEST_CASE("the list table conforms", "[table]") {
  auto failures = check([] { return std::make_shared<list_table>(); });
  INFO(join(failures));
  CHECK(failures.empty());
}
