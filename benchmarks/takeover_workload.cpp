#include "cluster.hpp"
#include "workloads.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace bench {

namespace {

/// Returns the part of the children, in percent, that went to the node which
/// has got the most of them.
double largest_part(const director::net::table& table, size_t children) {
  std::vector<size_t> parts;
  auto sum = [&] {
    parts.clear();
    for (auto& x : table.nodes())
      parts.push_back(x.children);
    return std::accumulate(parts.begin(), parts.end(), size_t{0});
  };
  await("counting the children of nodes", [&] { return sum() == children; });
  return 100. * static_cast<double>(std::ranges::max(parts))
         / static_cast<double>(children);
}

} // namespace

std::vector<double> run_takeover(harness& env, const contender& who) {
  auto start_us = run_start(env, who).front();
  end_current_cluster();
  auto n = static_cast<size_t>(env.children());
  // The victim starts the children.
  auto& standing = standing_peers(env.system());
  cluster nodes{env.system(),
                {standing.front(), std::make_shared<peer>(env.system())}};
  auto& table = *nodes.table();
  auto to = make_director_subject(env.system(), child{&env.ups()},
                                  nodes.table(), true);
  await_directors(table, 3);
  for (auto& x : nodes.peers())
    x->ask("meet 3");
  nodes.peers().back()->ask(fmt::format("start {}", n));
  await_children(table, n);
  for (auto& x : nodes.peers())
    x->ask(fmt::format("await {}", n));
  auto& other = *nodes.peers().front();
  other.ask(fmt::format("notice {}", n));
  auto killed = nodes.lose_peer();
  auto noticed = await_loss(table, n, 3);
  auto end = await_children(table, n);
  auto other_noticed = other.answered_time();
  auto part = largest_part(table, n);
  to->stop();
  to = nullptr;
  auto us = to_us(end - std::min(noticed, other_noticed))
            / static_cast<double>(n);
  return {to_us(std::max(noticed, other_noticed) - killed) / 1e3, us,
          us / start_us, part};
}

} // namespace bench
