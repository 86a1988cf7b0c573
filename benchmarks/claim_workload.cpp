#include "percentile.hpp"
#include "workloads.hpp"

namespace bench {

namespace {

constexpr int64_t samples = 1000;

struct claim_run {
  const subject* to;
  countdown* done;
  int64_t next_id;
  time_point asked;
  std::vector<double> us;
};

/// Starts one child after the other, each when the one before is up.
caf::behavior claim_driver(caf::event_based_actor* self, claim_run* run) {
  auto start_next = [self, run] {
    run->asked = clock_type::now();
    run->to->start(self, run->next_id++);
  };
  start_next();
  return run->to->answers([self, run, start_next] {
    run->us.push_back(to_us(clock_type::now() - run->asked));
    if (run->us.size() < samples)
      return start_next();
    self->quit();
    run->done->hit();
  });
}

} // namespace

std::vector<double> run_claim(harness& env, const contender& who) {
  auto to = env.make(who);
  env.populate(*to);
  env.settled_memory();
  countdown done;
  claim_run run{to.get(), &done, env.children() + 1, {}, {}};
  run.us.reserve(samples);
  done.expect(1);
  env.system().spawn(claim_driver, &run);
  done.wait();
  to->stop();
  return {percentile(run.us, 0.50), percentile(run.us, 0.99)};
}

} // namespace bench
