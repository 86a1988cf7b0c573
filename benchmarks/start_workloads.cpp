#include "workloads.hpp"

#include <algorithm>

namespace bench {

namespace {

struct share {
  subject* to;
  int64_t first;
  int64_t last;
  countdown* answers;
};

caf::behavior start_client(caf::event_based_actor* self, share work) {
  for (auto id = work.first; id <= work.last; ++id)
    work.to->start(self, id);
  return work.to->answers([to = work.answers] { to->hit(); });
}

std::vector<double> start_from(harness& env, const contender& who,
                               int64_t clients) {
  auto n = env.children();
  auto us = env.mean_us([&] {
    auto to = env.make(who);
    countdown answers;
    answers.expect(n);
    env.ups().expect(n);
    auto begin = clock_type::now();
    for (int64_t i = 0; i < clients; ++i)
      env.system().spawn(start_client, share{to.get(), n * i / clients + 1,
                                             n * (i + 1) / clients, &answers});
    auto end = std::max(answers.wait(), env.ups().wait());
    to->stop();
    return end - begin;
  });
  return {us / static_cast<double>(n)};
}

} // namespace

std::vector<double> run_start(harness& env, const contender& who) {
  auto n = env.children();
  auto us = env.mean_us([&] {
    auto to = env.make(who);
    to->prepare_batch(1, n);
    env.ups().expect(n);
    auto begin = clock_type::now();
    to->start_batch();
    auto end = std::max(clock_type::now(), env.ups().wait());
    to->take_batch();
    to->stop();
    return end - begin;
  });
  return {us / static_cast<double>(n)};
}

std::vector<double> run_start_pipelined(harness& env, const contender& who) {
  return start_from(env, who, 1);
}

std::vector<double> run_start_concurrent(harness& env, const contender& who) {
  return start_from(env, who, env.clients());
}

} // namespace bench
