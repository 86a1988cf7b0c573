#include "verdict.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace bench {

namespace {

/// Returns a position, that of nobody if that one takes no part.
size_t find(const std::vector<contender>& all, std::string_view name) {
  auto i = std::ranges::find(all, name, &contender::name);
  return static_cast<size_t>(i - all.begin());
}

} // namespace

std::vector<size_t> compared_with(const std::vector<contender>& all,
                                  size_t who) {
  std::vector<size_t> result;
  auto add = [&](std::string_view name, bool applies) {
    auto other = find(all, name);
    if (applies && other < all.size() && other != who)
      result.push_back(other);
  };
  add("floor", !all[who].is_floor());
  add("list", !all[who].is_floor());
  add("ets", all[who].is_cluster());
  return result;
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
  auto floor = find(all, "floor");
  auto local = [](const contender& y) { return !y.is_cluster(); };
  // Calls `keeps` with the position and the value of each director that the
  // demand applies to.
  auto demand = [&](double limit, std::string_view before,
                    std::string_view after, auto applies, auto keeps) {
    auto concerns = [&](const contender& y) {
      return !y.is_floor() && applies(y);
    };
    if (limit == 0. || std::ranges::none_of(all, concerns))
      return;
    demands += fmt::format("{}{}{:g}{}", demands.empty() ? "" : ", ", before,
                           limit, after);
    for (size_t i = 0; i < all.size(); ++i) {
      if (!concerns(all[i]) || !x.values[i] || blamed[i]
          || keeps(i, x.values[i]->median))
        continue;
      blamed[i] = true;
      offenders += fmt::format(" {}", all[i].name());
    }
  };
  // As above, for ratios to another contender.
  auto demand_ratio = [&](double limit, std::string_view name, auto applies) {
    auto other = find(all, name);
    if (other != all.size())
      demand(limit, "<= ", fmt::format("x {}", name), applies,
             [&](size_t who, double) {
               return times(x, who, other).value_or(0.) <= limit;
             });
  };
  auto anybody = [](const contender&) { return true; };
  auto& limits = x.what.demand;
  demand_ratio(limits.times_floor, "floor", local);
  demand(limits.above_floor, "<= floor + ", "", local,
         [&](size_t, double value) {
           return floor == all.size() || !x.values[floor]
                  || value <= x.values[floor]->median + limits.above_floor;
         });
  demand_ratio(limits.times_list, "list", [&](const contender& y) {
    return local(y) && y.name() != "list";
  });
  demand_ratio(limits.times_ets, "ets", std::mem_fn(&contender::is_cluster));
  demand(limits.at_least, ">= ", "", anybody,
         [&](size_t, double value) { return value >= limits.at_least; });
  demand(limits.at_most, "<= ", "", anybody,
         [&](size_t, double value) { return value <= limits.at_most; });
  if (!offenders.empty())
    demands += "  not kept:" + offenders;
  return demands;
}

} // namespace bench
