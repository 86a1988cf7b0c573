#include "verdict.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace bench {

size_t find_floor(const std::vector<contender>& all) {
  auto i = std::ranges::find_if(all, &contender::is_floor);
  return static_cast<size_t>(i - all.begin());
}

size_t find_list(const std::vector<contender>& all) {
  auto i = std::ranges::find(all, "list", &contender::name);
  auto others = std::ranges::count_if(all, [](const contender& x) {
    return !x.is_floor() && x.name() != "list";
  });
  return others > 0 ? static_cast<size_t>(i - all.begin()) : all.size();
}

std::optional<double> times(const row& x, size_t who, size_t other) {
  if (who == other || other >= x.values.size() || !x.values[who]
      || !x.values[other] || x.values[other]->median <= 0.
      || x.what.unit == "x")
    return std::nullopt;
  return x.values[who]->median / x.values[other]->median;
}

std::string verdict(const std::vector<contender>& all, const row& x) {
  std::string demands;
  std::string offenders;
  std::vector<bool> blamed(all.size());
  auto floor = find_floor(all);
  auto list = find_list(all);
  // Calls `keeps` with the position and the value of each director.
  auto demand = [&](double limit, std::string_view before,
                    std::string_view after, auto keeps) {
    if (limit == 0.)
      return;
    demands += fmt::format("{}{}{:g}{}", demands.empty() ? "" : ", ", before,
                           limit, after);
    for (size_t i = 0; i < all.size(); ++i) {
      if (all[i].is_floor() || !x.values[i] || blamed[i]
          || keeps(i, x.values[i]->median))
        continue;
      blamed[i] = true;
      offenders += fmt::format(" {}", all[i].name());
    }
  };
  auto& limits = x.what.demand;
  demand(limits.times_floor, "<= ", "x floor", [&](size_t who, double) {
    return times(x, who, floor).value_or(0.) <= limits.times_floor;
  });
  demand(limits.above_floor, "<= floor + ", "", [&](size_t, double value) {
    return floor == all.size() || !x.values[floor]
           || value <= x.values[floor]->median + limits.above_floor;
  });
  if (list != all.size())
    demand(limits.times_list, "<= ", "x list", [&](size_t who, double) {
      return times(x, who, list).value_or(0.) <= limits.times_list;
    });
  demand(limits.at_least, ">= ", "",
         [&](size_t, double value) { return value >= limits.at_least; });
  demand(limits.at_most, "<= ", "",
         [&](size_t, double value) { return value <= limits.at_most; });
  if (!offenders.empty())
    demands += "  not kept:" + offenders;
  return demands;
}

} // namespace bench
