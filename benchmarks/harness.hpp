// Runs workloads on all contenders.

#pragma once

#include "contender.hpp"
#include "metric.hpp"
#include "options.hpp"
#include "subject.hpp"

#include <caf/actor_system.hpp>

#include <vector>

namespace bench {

/// What workloads work with.
class harness {
public:
  harness(caf::actor_system& system, const options& opts, int64_t children)
    : system_(system),
      opts_(opts),
      wanted_children_(children) {
    // nop
  }

  harness(const harness&) = delete;

  caf::actor_system& system() const {
    return system_;
  }

  int64_t children() const {
    return children_;
  }

  int64_t clients() const {
    return opts_.clients;
  }

  /// Counts the children that come up.
  countdown& ups() {
    return ups_;
  }

  /// Spawns a supervisor without children.
  subject_ptr make(const contender& who);

  /// Spawns supervisors without children that share a table, if they have one.
  std::vector<subject_ptr> make_team(const contender& who, int64_t size);

  /// Starts all children and returns them when they are up.
  std::vector<caf::actor> populate(subject& to);

  /// Calls `round`, which returns the time it measured, until that is long
  /// enough to be trusted. Returns the mean in us.
  template <class F>
  double mean_us(F round) {
    clock_type::duration total{0};
    int rounds = 0;
    do {
      settled_memory();
      total += round();
      ++rounds;
    } while (total < std::chrono::milliseconds{20} && rounds < 100);
    return to_us(total) / rounds;
  }

  /// Waits until actors that ended before have given back their memory.
  /// Returns the number of bytes that are allocated.
  static size_t settled_memory();

  using workload_function = std::vector<double> (*)(harness&, const contender&);

  /// Runs a workload as often as asked for, the contenders taking turns.
  /// @param needed how far the table must be shared.
  std::vector<row> run(const std::vector<metric>& metrics, reach needed,
                       workload_function fn);

private:
  caf::actor_system& system_;
  const options& opts_;
  int64_t wanted_children_;
  countdown ups_;
  int64_t children_ = 0;
};

} // namespace bench
