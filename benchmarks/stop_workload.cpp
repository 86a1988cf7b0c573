#include "workloads.hpp"

namespace bench {

std::vector<double> run_stop(harness& env, const contender& who) {
  auto us = env.mean_us([&] {
    auto to = env.make(who);
    env.populate(*to);
    harness::settled_memory();
    auto begin = clock_type::now();
    return to->stop() - begin;
  });
  return {us / static_cast<double>(env.children())};
}

} // namespace bench
