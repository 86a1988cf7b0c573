// What is measured and what comes out.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bench {

/// What the project demands of directors; 0 for nothing.
struct bounds {
  /// The first three are for tables of one process.
  double times_floor = 0.;
  double above_floor = 0.;
  /// For tables other than the list.
  double times_list = 0.;
  /// For tables of a cluster.
  double times_ets = 0.;
  double at_least = 0.;
  double at_most = 0.;
  /// Cost per child with the most children, compared with the fewest.
  double growth = 0.;
};

/// One row of the output.
struct metric {
  std::string name;
  /// "x" if the value is a ratio itself.
  std::string unit;
  bounds demand = {};
};

struct summary {
  double median;
  double min;
  double max;
};

struct row {
  metric what;
  int64_t children;
  /// In the order of the contenders, empty for those that cannot do this.
  std::vector<std::optional<summary>> values;
};

} // namespace bench
