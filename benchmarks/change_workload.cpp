#include "cluster.hpp"
#include "director/internal/compat.hpp"
#include "percentile.hpp"
#include "types.hpp"
#include "workloads.hpp"

#include <caf/io/middleman.hpp>
#include <caf/telemetry/histogram.hpp>

#include <algorithm>

namespace bench {

namespace {

namespace compat = director::internal::compat;

constexpr int64_t few_children = 100;

constexpr size_t samples = 200;

struct cost {
  double us;
  double bytes;
};

/// Crashes one child again and again, each time when the other nodes have seen
/// that it is back.
cost cost_of_change(harness& env, const contender& who, int64_t children) {
  auto to = env.make(who);
  to->prepare_batch(1, children);
  to->start_batch();
  auto victim = to->take_batch().front();
  auto& peers = current_cluster().peers();
  for (auto& x : peers)
    x->ask("report 1");
  env.settled_memory();
  auto& sent
    = *env.system().middleman().metric_singletons.outbound_messages_size;
  auto sent_before = sent.sum();
  std::vector<double> us;
  while (us.size() < samples) {
    env.ups().expect(1);
    auto begin = clock_type::now();
    compat::send(victim, caf::message_priority::normal, nullptr, crash_atom_v);
    auto end = begin;
    for (auto& x : peers)
      end = std::max(end, x->answered_time());
    us.push_back(to_us(end - begin));
    victim = *to->table()->get_actor(director::child_id{1});
  }
  auto bytes = static_cast<double>(sent.sum() - sent_before);
  victim = nullptr;
  to->stop();
  return {percentile(us, 0.50), bytes / static_cast<double>(samples)};
}

} // namespace

std::vector<double> run_change(harness& env, const contender& who) {
  auto few = cost_of_change(env, who, std::min(few_children, env.children()));
  auto many = cost_of_change(env, who, env.children());
  return {few.us,    many.us,    many.us / few.us,
          few.bytes, many.bytes, many.bytes / few.bytes};
}

} // namespace bench
