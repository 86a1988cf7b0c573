#include "director/net/placement.hpp"

#include <algorithm>
#include <queue>
#include <unordered_map>
#include <utility>

namespace director::net {

namespace {

/// Orders nodes by load, ties by key, so that the outcome is reproducible.
using load = std::pair<size_t, node_key>;

using load_heap
  = std::priority_queue<load, std::vector<load>, std::greater<load>>;

} // namespace

std::vector<node_key>
spread_evenly(const std::vector<placement_child>& children,
              const std::vector<placement_node>& nodes) {
  std::vector<node_key> result(children.size(), 0);
  std::unordered_map<node_key, size_t> loads;
  for (auto& x : nodes)
    loads.emplace(x.key, x.children);
  for (size_t i = 0; i < children.size(); ++i)
    if (auto former = loads.find(children[i].former); former != loads.end()) {
      result[i] = former->first;
      ++former->second;
    }
  load_heap heap;
  for (auto& [key, count] : loads)
    heap.emplace(count, key);
  for (auto& target : result) {
    if (target != 0 || heap.empty())
      continue;
    auto [count, key] = heap.top();
    heap.pop();
    target = key;
    heap.emplace(count + 1, key);
  }
  return result;
}

std::vector<placement_move>
even_out(const std::vector<placement_child>& children,
         const std::vector<placement_node>& nodes) {
  std::vector<placement_move> result;
  if (nodes.empty())
    return result;
  size_t total = 0;
  for (auto& x : nodes)
    total += x.children;
  auto share = total / nodes.size();
  auto rest = total % nodes.size();
  // Those that have most get what cannot be shared: fewer children move.
  auto ordered = nodes;
  std::sort(
    ordered.begin(), ordered.end(),
    [](const placement_node& x, const placement_node& y) {
      return std::pair{y.children, x.key} < std::pair{x.children, y.key};
    });
  std::unordered_map<node_key, size_t> surplus;
  std::vector<std::pair<node_key, size_t>> wanting;
  for (size_t i = 0; i < ordered.size(); ++i) {
    auto target = share + (i < rest ? 1 : 0);
    auto& x = ordered[i];
    if (x.children > target)
      surplus[x.key] = x.children - target;
    else if (x.children < target)
      wanting.emplace_back(x.key, target - x.children);
  }
  auto next = wanting.begin();
  for (auto& child : children) {
    if (next == wanting.end())
      break;
    auto from = surplus.find(child.former);
    if (from == surplus.end() || from->second == 0)
      continue;
    --from->second;
    result.push_back({child.id, child.former, next->first});
    if (--next->second == 0)
      ++next;
  }
  return result;
}

} // namespace director::net
