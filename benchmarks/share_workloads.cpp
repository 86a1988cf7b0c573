#include "director/internal/compat.hpp"
#include "types.hpp"
#include "workloads.hpp"

#include <algorithm>
#include <latch>
#include <thread>

namespace bench {

namespace {

namespace compat = director::internal::compat;

/// Supervisors that share the children evenly.
using team = std::vector<subject_ptr>;

void prepare(team& xs, int64_t children) {
  auto size = static_cast<int64_t>(xs.size());
  for (int64_t i = 0; i < size; ++i)
    xs[static_cast<size_t>(i)]->prepare_batch(children * i / size + 1,
                                              children * (i + 1) / size);
}

/// Starts all children, with one client per supervisor. Returns the time until
/// all was answered and up.
clock_type::duration start(harness& env, team& xs) {
  std::latch ready{static_cast<std::ptrdiff_t>(xs.size()) + 1};
  countdown answers;
  answers.expect(static_cast<int64_t>(xs.size()));
  env.ups().expect(env.children());
  std::vector<std::jthread> clients;
  for (auto& x : xs)
    clients.emplace_back([&] {
      ready.arrive_and_wait();
      x->start_batch();
      answers.hit();
    });
  auto begin = clock_type::now();
  ready.arrive_and_wait();
  return std::max(answers.wait(), env.ups().wait()) - begin;
}

/// Lets all children crash, taking turns between the supervisors. Returns the
/// time until all were back.
clock_type::duration storm(harness& env, team& xs) {
  std::vector<std::vector<caf::actor>> children;
  size_t most = 0;
  for (auto& x : xs) {
    children.push_back(x->take_batch());
    most = std::max(most, children.back().size());
  }
  env.ups().expect(env.children());
  auto begin = clock_type::now();
  for (size_t i = 0; i < most; ++i)
    for (auto& mine : children)
      if (i < mine.size())
        compat::send(std::exchange(mine[i], nullptr),
                     caf::message_priority::normal, nullptr, crash_atom_v);
  return env.ups().wait() - begin;
}

/// @param measure is called with supervisors that have yet to start their
/// children, and returns the time it measured.
template <class F>
std::vector<double> share(harness& env, const contender& who, F measure) {
  std::vector<double> result;
  for (int64_t size : {1, 2, 4}) {
    auto us = env.mean_us([&] {
      auto xs = env.make_team(who, size);
      prepare(xs, env.children());
      auto time = measure(xs);
      for (auto& x : xs)
        x->stop();
      return time;
    });
    result.push_back(us / static_cast<double>(env.children()));
  }
  result.push_back(result[0] / result[1]);
  return result;
}

} // namespace

std::vector<double> run_share_start(harness& env, const contender& who) {
  return share(env, who, [&env](team& xs) {
    auto time = start(env, xs);
    for (auto& x : xs)
      x->take_batch();
    return time;
  });
}

std::vector<double> run_share_storm(harness& env, const contender& who) {
  return share(env, who, [&env](team& xs) {
    start(env, xs);
    return storm(env, xs);
  });
}

} // namespace bench
