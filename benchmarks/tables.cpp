#include "tables.hpp"

#include "director/list_table.hpp"

#include <array>
#include <memory>

namespace bench {

namespace {

struct entry {
  std::string_view name;
  table_factory make;
};

constexpr std::array entries{
  entry{"list",
        [](caf::actor_system&) -> director::table_ptr {
          return std::make_shared<director::list_table>();
        }},
};

} // namespace

table_factory find_table(std::string_view name) {
  for (auto& x : entries)
    if (x.name == name)
      return x.make;
  return nullptr;
}

std::string table_names() {
  std::string result;
  for (auto& x : entries) {
    if (!result.empty())
      result += ", ";
    result += x.name;
  }
  return result;
}

} // namespace bench
