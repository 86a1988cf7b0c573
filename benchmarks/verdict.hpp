// How contenders compare, and whether the bounds hold.

#pragma once

#include "contender.hpp"
#include "metric.hpp"

#include <string>
#include <vector>

namespace bench {

/// Returns the position of the floor, that of nobody if it takes no part.
size_t find_floor(const std::vector<contender>& all);

/// Returns the position of the list, that of nobody unless other tables take
/// part as well.
size_t find_list(const std::vector<contender>& all);

/// Returns the value of a contender as a multiple of that of another, nothing
/// where that makes no sense.
std::optional<double> times(const row& x, size_t who, size_t other);

/// Says what is demanded of directors and who does not keep to it.
std::string verdict(const std::vector<contender>& all, const row& x);

} // namespace bench
