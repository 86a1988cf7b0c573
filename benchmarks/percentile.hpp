// Percentiles of samples.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace bench {

/// Returns the sample that a part `p` of all do not exceed.
/// @pre there are samples
inline double percentile(std::vector<double> xs, double p) {
  auto rank = std::ceil(static_cast<double>(xs.size()) * p);
  auto i = xs.begin() + static_cast<std::ptrdiff_t>(rank) - 1;
  std::nth_element(xs.begin(), i, xs.end());
  return *i;
}

} // namespace bench
