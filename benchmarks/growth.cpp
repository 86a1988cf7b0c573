#include "growth.hpp"

namespace bench {

namespace {

/// The extremes are those that the measurements allow for.
std::optional<summary> compare(const std::optional<summary>& small,
                               const std::optional<summary>& large) {
  if (!small || !large || small->min <= 0.)
    return std::nullopt;
  return summary{large->median / small->median, large->min / small->max,
                 large->max / small->min};
}

} // namespace

std::vector<row> growth(const std::vector<row>& fewest,
                        const std::vector<row>& most) {
  std::vector<row> result;
  for (size_t i = 0; i < most.size(); ++i) {
    auto& what = most[i].what;
    if (what.unit != "us/child")
      continue;
    auto& added = result.emplace_back();
    added.what = {what.name + "_growth", "x", {.at_most = what.demand.growth}};
    added.children = most[i].children;
    for (size_t c = 0; c < most[i].values.size(); ++c)
      added.values.push_back(compare(fewest[i].values[c], most[i].values[c]));
  }
  return result;
}

} // namespace bench
