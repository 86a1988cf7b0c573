#include "tables.hpp"

#include "cluster.hpp"
#include "director/ets/table.hpp"
#include "director/list_table.hpp"
#include "subject.hpp"

#include <array>
#include <memory>
#include <utility>

namespace bench {

namespace {

director::table_ptr make_list(caf::actor_system&) {
  return std::make_shared<director::list_table>();
}

director::table_ptr make_ets(caf::actor_system& system) {
  static int64_t count = 0;
  director::ets::table_options options;
  options.sink = nullptr;
  auto opened = director::ets::open(system,
                                    "director-bench-" + std::to_string(++count),
                                    std::move(options));
  if (!opened)
    fail("open", opened.error());
  // Tables of this sort live until someone closes them.
  auto* raw = opened->get();
  return {raw, [kept = std::move(*opened)](director::table*) mutable {
            kept->close();
            kept = nullptr;
          }};
}

director::table_ptr make_net(caf::actor_system& system) {
  return make_current_cluster(system).table();
}

constexpr std::array kinds{
  table_kind{"list", make_list, reach::nobody},
  table_kind{"ets", make_ets, reach::process},
  table_kind{"net", make_net, reach::cluster},
};

} // namespace

const table_kind* find_table(std::string_view name) {
  for (auto& x : kinds)
    if (x.name == name)
      return &x;
  return nullptr;
}

std::string table_names() {
  std::string result;
  for (auto& x : kinds) {
    if (!result.empty())
      result += ", ";
    result += x.name;
  }
  return result;
}

} // namespace bench
