// Runs workloads on both systems.

#pragma once

#include "options.hpp"
#include "subject.hpp"

#include <caf/actor_system.hpp>

#include <optional>
#include <string_view>
#include <vector>

namespace bench {

enum class side { director, floor };

/// What the project demands of a director.
struct bound {
  enum class kind { none, ratio, excess };
  kind what = kind::none;
  double limit = 0.;
};

/// One row of the output.
struct metric {
  std::string_view name;
  std::string_view unit;
  bound demand = {};
};

struct summary {
  double median;
  double min;
  double max;
};

struct row {
  metric what;
  std::optional<summary> floor;
  std::optional<summary> director;
};

/// What workloads work with.
class harness {
public:
  harness(caf::actor_system& system, const options& opts)
    : system_(system),
      opts_(opts),
      make_table_(find_table(opts.table)) {
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
  subject_ptr make(side which);

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

  using workload_function = std::vector<double> (*)(harness&, side);

  /// Runs a workload as often as asked for, the systems taking turns.
  std::vector<row> run(const std::vector<metric>& metrics,
                       workload_function fn);

private:
  caf::actor_system& system_;
  const options& opts_;
  table_factory make_table_;
  countdown ups_;
  int64_t children_ = 0;
};

} // namespace bench
