// How the cost per child grows with the number of children.

#pragma once

#include "metric.hpp"

#include <vector>

namespace bench {

/// Compares the costs per child with the most children and with the fewest.
/// Leaves out rows that state something else.
std::vector<row> growth(const std::vector<row>& fewest,
                        const std::vector<row>& most);

} // namespace bench
