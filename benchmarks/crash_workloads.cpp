#include "director/internal/compat.hpp"
#include "percentile.hpp"
#include "types.hpp"
#include "workloads.hpp"

#include <algorithm>
#include <random>

namespace bench {

namespace {

namespace compat = director::internal::compat;

constexpr size_t latency_samples = 1000;

void crash(const caf::actor& victim, compat::scheduler_type* sched) {
  compat::send(victim, caf::message_priority::normal, sched, crash_atom_v);
}

struct latency_run {
  subject* to;
  countdown* ups;
  countdown* done;
  std::vector<caf::actor> victims;
  time_point sent;
  std::vector<double> us;
};

/// Crashes one victim after the other, each when the supervisor is done with
/// the one before. An actor rather than a thread, so that waking up workers
/// of the scheduler is not part of what is measured.
caf::behavior latency_driver(caf::event_based_actor* self, latency_run* run) {
  auto crash_next = [self, run] {
    if (run->victims.empty()) {
      self->quit();
      run->done->hit();
      return;
    }
    auto victim = std::move(run->victims.back());
    run->victims.pop_back();
    run->ups->expect(1, [to = caf::actor{self}] {
      compat::send(to, caf::message_priority::normal, nullptr, next_atom_v);
    });
    run->sent = clock_type::now();
    crash(victim, self->context());
  };
  crash_next();
  caf::message_handler handler{[run, self](next_atom) {
    run->us.push_back(to_us(run->ups->end() - run->sent));
    run->to->count(self);
  }};
  return handler.or_else(run->to->answers(crash_next));
}

} // namespace

std::vector<double> run_storm(harness& env, const contender& who) {
  auto n = env.children();
  auto us = env.mean_us([&] {
    auto to = env.make(who);
    auto children = env.populate(*to);
    env.ups().expect(n);
    auto begin = clock_type::now();
    for (auto& x : children) {
      crash(x, nullptr);
      x = nullptr;
    }
    auto end = env.ups().wait();
    to->stop();
    return end - begin;
  });
  return {us / static_cast<double>(n)};
}

std::vector<double> run_latency(harness& env, const contender& who) {
  env.settled_memory();
  auto to = env.make(who);
  countdown done;
  latency_run run{to.get(), &env.ups(), &done, env.populate(*to), {}, {}};
  std::shuffle(run.victims.begin(), run.victims.end(), std::minstd_rand{42});
  if (run.victims.size() > latency_samples)
    run.victims.resize(latency_samples);
  run.us.reserve(run.victims.size());
  done.expect(1);
  env.system().spawn(latency_driver, &run);
  done.wait();
  to->stop();
  return {percentile(run.us, 0.50), percentile(run.us, 0.99)};
}

} // namespace bench
