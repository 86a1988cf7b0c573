// The workloads by name.

#pragma once

#include "harness.hpp"
#include "options.hpp"

#include <string>
#include <vector>

namespace bench {

/// Some metrics that are measured together.
struct workload {
  std::string group;
  std::vector<metric> metrics;
  harness::workload_function run;
  /// How far the table must be shared.
  reach needed = reach::nobody;
};

/// Returns the workloads that the command line asks for. Rejects it if it
/// names others.
std::vector<workload> selected_workloads(const options& opts);

} // namespace bench
