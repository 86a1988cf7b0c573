#include "workloads.hpp"

#include <random>
#include <utility>

namespace bench {

namespace {

constexpr int64_t requests = 10'000;
constexpr int list_calls = 10;

/// Sends requests, `send(self)`, one after the other without waiting for the
/// answers. Returns the time in us per request.
template <class F>
double us_per_request(harness& env, const subject& to, F send) {
  auto us = env.mean_us([&] {
    countdown answers;
    answers.expect(requests);
    auto begin = clock_type::now();
    env.system().spawn([&](caf::event_based_actor* self) -> caf::behavior {
      for (int64_t i = 0; i < requests; ++i)
        send(self);
      return to.answers([&answers] { answers.hit(); });
    });
    return answers.wait() - begin;
  });
  return us / static_cast<double>(requests);
}

} // namespace

std::vector<double> run_read(harness& env, const contender& who) {
  auto to = env.make(who);
  env.populate(*to);
  std::minstd_rand random{42};
  std::uniform_int_distribution<int64_t> ids{1, env.children()};
  auto us = us_per_request(env, *to, [&](caf::event_based_actor* self) {
    to->lookup(self, ids(random));
  });
  to->stop();
  return {us};
}

std::vector<double> run_list(harness& env, const contender& who) {
  // Any table will do for the floor.
  auto to = env.make(who.is_floor() ? contender{find_table("list")} : who);
  env.populate(*to);
  auto entries = to->list();
  auto us = env.mean_us([&] {
    auto begin = clock_type::now();
    for (int i = 0; i < list_calls; ++i)
      auto copy = who.is_floor() ? entries : to->list();
    return clock_type::now() - begin;
  });
  to->stop();
  return {us / list_calls / static_cast<double>(env.children())};
}

std::vector<double> run_count(harness& env, const contender& who) {
  auto to = env.make(who);
  env.populate(*to);
  auto us = us_per_request(env, *to, [&](caf::event_based_actor* self) {
    to->count(self);
  });
  to->stop();
  return {us};
}

} // namespace bench
