// The command line.

#pragma once

#include "contender.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace bench {

struct options {
  /// Groups of workloads or single workloads; empty for all.
  std::vector<std::string> workloads;
  /// The floor comes first. Others stand in the order asked for.
  std::vector<contender> contenders;
  /// In ascending order.
  std::vector<int64_t> children;
  int64_t clients = 4;
  int64_t repeat = 5;
  int64_t threads = 2;
  /// Scheduler policy; empty for the one that suits this version of CAF.
  std::string policy;
  int64_t decoders = 0;
  std::string json;
};

/// Tells whether someone takes part who can do what tables that are shared so
/// far are for.
/// @relates options
bool can_run(const options& x, reach needed);

/// Parses the command line. Ends the program, with code 2 unless help was
/// asked for, if there is nothing to run.
options parse_options(int argc, char** argv);

/// Ends the program with a message about the command line.
[[noreturn]] void reject(const std::string& what);

} // namespace bench
