// How contenders compare, and whether the bounds hold.

#pragma once

#include "contender.hpp"
#include "metric.hpp"

#include <string>
#include <vector>

namespace bench {

/// Returns the positions of those that a contender is compared with.
std::vector<size_t> compared_with(const std::vector<contender>& all,
                                  size_t who);

/// Returns the value of a contender as a multiple of that of another, nothing
/// where that makes no sense.
std::optional<double> times(const row& x, size_t who, size_t other);

/// Says what is demanded of directors and who does not keep to it.
std::string verdict(const std::vector<contender>& all, const row& x);

} // namespace bench
