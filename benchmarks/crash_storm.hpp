// Children that crash and come back all the time.

#pragma once

#include "harness.hpp"

#include <caf/actor.hpp>

#include <cstdint>

namespace bench {

/// Lets random children crash, from its construction until it is stopped. The
/// pace is the same whatever the supervisor, as long as the machine keeps up,
/// and leaves time for others.
class crash_storm {
public:
  crash_storm(harness& env, const subject& victims);

  crash_storm(const crash_storm&) = delete;

  /// Ends the storm. Returns the number of crashes in a millisecond.
  double stop();

private:
  countdown stopped_;
  int64_t crashes_ = 0;
  time_point begin_;
  caf::actor driver_;
};

} // namespace bench
