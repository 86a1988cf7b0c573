// A cluster of processes, some of which are lost.

#include "net_cluster.hpp"
#include "ports.hpp"

#include <algorithm>
#include <limits>
#include <thread>

using namespace net_cluster;

namespace {

/// Nodes that have not been heard of for three heartbeats get no children,
/// which on a busy machine may be any.
const strings patient{"heartbeat=300"};

/// Returns how many children each node has.
std::map<std::string, size_t> spread(const rows& xs) {
  std::map<std::string, size_t> result;
  for (auto& [id, x] : xs)
    ++result[x.node];
  return result;
}

/// Tells how far the numbers of children are apart.
size_t unevenness(cluster& nodes, const std::string& witness) {
  auto found = spread(nodes.copy(witness));
  auto least = std::numeric_limits<size_t>::max();
  size_t most = 0;
  for (auto& name : nodes.names()) {
    least = std::min(least, found[name]);
    most = std::max(most, found[name]);
  }
  return most - least;
}

/// Checks how long it took until a killed node was noticed by the last one, and
/// until all its children ran elsewhere.
void check_times(cluster& nodes, const std::string& name, pid_t process) {
  auto killed = nodes.killed_at(process);
  clock_type::duration noticed{};
  eventually([&]() -> std::string {
    auto times = nodes.reported("node '" + name + "'", killed);
    if (times.size() < nodes.names().size())
      return "not all have noticed the loss of " + name;
    noticed = std::ranges::max(times) - killed;
    return {};
  });
  figure("noticed", noticed);
  auto last = killed;
  for (auto& x : nodes.lives())
    last = std::max(last, x.up);
  figure("all run again", last - killed);
  // No timeout has had to pass.
  CHECK(noticed < 2s);
  CHECK(last - killed < 8s);
}

} // namespace

TEST_CASE("processes share a table", "[net_cluster]") {
  cluster nodes;
  nodes.add_all({"a", "b", "c"});
  nodes.at("a").start({1});
  nodes.at("b").start({2}, false);
  CHECK(nodes.at("c").ask("ask 1") == "a");
  CHECK(nodes.at("c").ask("ask 2") == "b");
  CHECK(nodes.at("c").ask("start keep 1").starts_with("1=already_started"));
  CHECK(nodes.at("c").ask("terminate 1") == "not_parent");
  CHECK(nodes.at("a").ask("terminate 1") == "ok");
  nodes.settle({2});
}

TEST_CASE("a process is killed", "[net_cluster]") {
  auto names = GENERATE(strings{"a", "b", "c"},
                        strings{"a", "b", "c", "d", "e"});
  cluster nodes{patient};
  nodes.add_all(names);
  nodes.at("a").start(range(1, 30));
  nodes.at("a").start(range(101, 105), false);
  nodes.at("b").start(range(201, 205), false);
  nodes.settle(range(1, 30) + range(101, 105) + range(201, 205));
  auto process = nodes.at("a").os().id();
  nodes.kill("a");
  nodes.settle(range(1, 30) + range(201, 205));
  check_times(nodes, "a", process);
  CHECK(unevenness(nodes, "b") <= 1);
  for (auto& [id, x] : nodes.copy("b"))
    CHECK(x.restarts == (id <= 30 ? 1 : 0));
  // Once more, and what was not lost stays where it is.
  auto before = nodes.copy("c");
  process = nodes.at("b").os().id();
  nodes.kill("b");
  nodes.settle(range(1, 30));
  check_times(nodes, "b", process);
  CHECK(unevenness(nodes, "c") <= 1);
  for (auto& [id, x] : nodes.copy("c")) {
    CHECK(x.restarts == (before[id].node == "b" ? 2 : 1));
    if (before[id].node != "b")
      CHECK(x.node == before[id].node);
  }
  nodes.check_overlaps();
  nodes.check_handles();
}

TEST_CASE("a frozen process gives its children up", "[net_cluster]") {
  auto names = GENERATE(strings{"a", "b", "c"},
                        strings{"a", "b", "c", "d", "e"});
  cluster nodes{{"suspicion=1000", "claim_timeout=20000"}};
  nodes.add_all(names);
  nodes.at("a").start(range(1, 10));
  nodes.at("a").start(range(101, 103), false);
  nodes.at("b").start(range(201, 203));
  nodes.settle(range(1, 10) + range(101, 103) + range(201, 203));
  auto process = nodes.at("a").os().id();
  auto frozen = clock_type::now();
  nodes.freeze("a");
  eventually([&]() -> std::string {
    for (auto& name : names) {
      if (name == "a")
        continue;
      auto copy = nodes.copy(name);
      if (copy.size() != 13)
        return "children of the frozen process have not vanished";
      for (auto& [id, x] : copy)
        if (x.node == "a" || x.status != "running")
          return "child " + std::to_string(id) + " is not taken over";
    }
    return {};
  });
  figure("frozen to taken over", clock_type::now() - frozen);
  CHECK(clock_type::now() - frozen < 15s);
  nodes.thaw("a");
  // What nobody else may have is still there.
  nodes.settle(range(1, 10) + range(101, 103) + range(201, 203));
  eventually([&]() -> std::string {
    auto count = std::ranges::count_if(nodes.lives(), [&](auto& x) {
      return x.process == process && x.reason.starts_with("lost_to_peer");
    });
    return count == 10 ? "" : std::to_string(count) + " lost to peers";
  });
  nodes.await_report("lost_to_peer", process);
  nodes.check_overlaps();
  nodes.check_handles();
}

TEST_CASE("a process leaves", "[net_cluster]") {
  auto names = GENERATE(strings{"a", "b", "c"},
                        strings{"a", "b", "c", "d", "e"});
  cluster nodes{patient};
  nodes.add_all(names);
  nodes.at("a").start(range(1, 30));
  nodes.at("a").start(range(101, 105), false);
  nodes.at("b").start(range(201, 205));
  nodes.settle(range(1, 30) + range(101, 105) + range(201, 205));
  nodes.leave("a");
  nodes.settle(range(1, 30) + range(201, 205));
  CHECK(unevenness(nodes, "b") <= 1);
  for (auto& [id, x] : nodes.copy("b"))
    CHECK(x.restarts == (id <= 30 ? 1 : 0));
  nodes.check_overlaps();
  nodes.check_handles();
  // Until nobody is left.
  for (auto& name : nodes.names())
    nodes.leave(name);
  nodes.check_overlaps();
}

TEST_CASE("a process is killed while it takes over", "[net_cluster]") {
  for (auto delay : {0, 1, 2, 3, 5, 8, 13, 21}) {
    cluster nodes;
    nodes.add_all({"a", "b", "c", "d", "e"});
    nodes.at("a").start(range(1, 40));
    nodes.settle(range(1, 40));
    nodes.kill("a");
    std::this_thread::sleep_for(std::chrono::milliseconds{delay});
    nodes.kill("b");
    INFO("after " << delay << " ms");
    nodes.settle(range(1, 40));
    nodes.check_overlaps();
  }
}

TEST_CASE("all processes are replaced one after the other", "[net_cluster]") {
  auto names = GENERATE(strings{"a", "b", "c"},
                        strings{"a", "b", "c", "d", "e"});
  auto killed = GENERATE(true, false);
  cluster nodes{patient};
  std::map<std::string, strings> args;
  for (auto& name : names) {
    args[name] = {"port=" + std::to_string(free_port())};
    nodes.add(name, args[name]);
  }
  nodes.at("a").start(range(1, 30));
  nodes.settle(range(1, 30));
  for (auto& name : names) {
    if (killed)
      nodes.kill(name);
    else
      nodes.leave(name);
    // Where the one before was.
    nodes.add(name, args[name]);
    nodes.settle(range(1, 30));
  }
  nodes.check_overlaps();
  nodes.at("a").ask("rebalance");
  eventually([&]() -> std::string {
    nodes.settle(range(1, 30));
    return unevenness(nodes, "a") <= 1
             ? ""
             : "not evenly spread: " + nodes.at("a").ask("dump");
  });
  nodes.settle(range(1, 30));
  nodes.check_overlaps();
  nodes.check_handles();
}
