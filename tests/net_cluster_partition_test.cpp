// Nodes that cannot reach each other: network namespaces, which only root may
// make. Nothing outside of them is touched, and they vanish with the processes
// that live in them.

#include "net_cluster.hpp"

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <unistd.h>

using namespace net_cluster;

namespace {

/// A process that does nothing, in a network namespace of its own.
class holder {
public:
  holder() : process_({"unshare", "--net", "cat"}) {
    // Whoever answers has got there.
    process_.write("ready");
    alive_ = process_.read() == "ready";
  }

  bool alive() const noexcept {
    return alive_;
  }

  std::string id() const {
    return std::to_string(process_.id());
  }

  /// A command that runs another one in this namespace.
  strings inside() const {
    return {"nsenter", "--target", id(), "--net", "--"};
  }

  bool run(const std::string& command) const {
    std::string line;
    for (auto& x : inside())
      line += x + ' ';
    return std::system((line + command + " >/dev/null 2>&1").c_str()) == 0;
  }

private:
  process process_;
  bool alive_ = false;
};

/// Hosts that are connected to one of two switches. Nobody tells them when the
/// cable is plugged into the other one.
class network {
public:
  explicit network(size_t hosts) {
    if (::geteuid() != 0) {
      problem_ = "not root";
      return;
    }
    if (std::system("ip -V >/dev/null 2>&1") != 0) {
      problem_ = "no command line tool ip";
      return;
    }
    auto good = switches_.alive();
    for (auto& x : {"left", "right"})
      good = good
             && switches_.run(std::string{"ip link add "} + x + " type bridge")
             && switches_.run(std::string{"ip link set up "} + x);
    for (size_t i = 0; good && i < hosts; ++i) {
      auto& x = hosts_.emplace_back();
      auto port = "port" + std::to_string(i);
      good = x.alive()
             && switches_.run("ip link add " + port
                              + " type veth peer name net0 netns " + x.id())
             && switches_.run("ip link set up master left " + port)
             && x.run("ip address add dev net0 " + address(i) + "/24")
             && x.run("ip link set up net0") && x.run("ip link set up lo");
    }
    if (!good)
      problem_ = "no network namespaces";
  }

  /// Returns why there is no network.
  const std::string& problem() const noexcept {
    return problem_;
  }

  static std::string address(size_t host) {
    return "10.7.0." + std::to_string(host + 1);
  }

  strings inside(size_t host) const {
    return hosts_[host].inside();
  }

  void plug(size_t host, const std::string& name) {
    CHECK(switches_.run("ip link set port" + std::to_string(host) + " master "
                        + name));
  }

private:
  holder switches_;
  std::deque<holder> hosts_;
  std::string problem_;
};

/// Three nodes on three hosts.
struct fixture {
  explicit fixture(const strings& args = {}) : net(3), nodes(args) {
    if (!net.problem().empty())
      return;
    for (size_t i = 0; i < names.size(); ++i)
      launch(i);
    for (auto& name : names)
      CHECK(nodes.at(name).join() == "");
    nodes.settle({});
  }

  /// Tells whether there is nothing to be tested with.
  bool skipped() const {
    if (net.problem().empty())
      return false;
    WARN("skipped: " << net.problem());
    return true;
  }

  node& launch(size_t host) {
    // None may work before it has met another one, so that all must know where
    // to look.
    return nodes.launch(names[host],
                        {"host=" + network::address(host), "port=4000",
                         "seeds=10.7.0.1:4000,10.7.0.2:4000,10.7.0.3:4000",
                         "plaintext=yes"},
                        net.inside(host));
  }

  const strings names{"a", "b", "c"};
  network net;
  cluster nodes;
};

strings with_quorum() {
  return {"expected=3", "suspicion=2000", "grace=1000", "claim_timeout=20000"};
}

} // namespace

TEST_CASE("a minority ends its children before others start them",
          "[net_cluster_partition]") {
  fixture x{with_quorum()};
  if (x.skipped())
    return;
  x.nodes.at("a").start(range(1, 10));
  x.nodes.at("b").start(range(11, 20));
  x.nodes.at("c").start(range(21, 30));
  x.nodes.at("a").start({101}, false);
  x.nodes.at("b").start({102}, false);
  x.nodes.settle(range(1, 30) + ids{101, 102});
  for (auto i = 0; i < 2; ++i) {
    auto process = x.nodes.at("a").os().id();
    auto start = clock_type::now();
    x.net.plug(0, "right");
    eventually([&] {
      return x.nodes.at("a").ask("paused") == "yes" ? "" : "a goes on";
    });
    figure("paused", clock_type::now() - start);
    CHECK(x.nodes.at("a").ask("start keep 201") == "201=no_quorum");
    CHECK(x.nodes.at("b").ask("paused") == "no");
    eventually([&]() -> std::string {
      for (auto& name : {"b", "c"})
        for (auto& [id, y] : x.nodes.copy(name))
          if (y.node == "a" || y.status != "running")
            return "child " + std::to_string(id) + " is " + y.status + " on "
                   + y.node;
      return {};
    });
    figure("taken over", clock_type::now() - start);
    for (auto& y : x.nodes.lives())
      CHECK((y.process != process || y.down));
    CHECK(!x.nodes.reported("no majority", start, process).empty());
    // The majority works.
    auto id = std::to_string(301 + i);
    CHECK(x.nodes.at("b").ask("start keep " + id) == id + "=ok");
    x.net.plug(0, "left");
    auto healed = clock_type::now();
    x.nodes.settle(range(1, 30) + ids{101, 102} + range(301, 301 + i));
    figure("healed", clock_type::now() - healed);
    CHECK(x.nodes.at("a").ask("paused") == "no");
    x.nodes.check_overlaps();
    x.nodes.at("a").ask("rebalance");
    eventually([&] {
      auto copy = x.nodes.copy("a");
      auto count = std::ranges::count_if(copy, [](auto& kvp) {
        return kvp.second.node == "a" && kvp.first <= 30;
      });
      return count > 5 ? "" : "a has nothing";
    });
    x.nodes.settle(range(1, 30) + ids{101, 102} + range(301, 301 + i));
    x.nodes.check_overlaps();
    x.nodes.check_handles();
  }
}

TEST_CASE("without majority all sides pause", "[net_cluster_partition]") {
  fixture x{with_quorum()};
  if (x.skipped())
    return;
  for (auto& name : x.names)
    x.nodes.at(name).start({name[0]});
  x.net.plug(0, "right");
  x.nodes.kill("b");
  for (auto& name : {"a", "c"})
    eventually(
      [&] { return x.nodes.at(name).ask("paused") == "yes" ? "" : "goes on"; });
  eventually([&]() -> std::string {
    for (auto& y : x.nodes.lives())
      if (!y.down)
        return "child " + std::to_string(y.id) + " runs";
    return {};
  });
  x.net.plug(0, "left");
  auto healed = clock_type::now();
  x.nodes.settle({'a', 'b', 'c'});
  figure("healed", clock_type::now() - healed);
  // No claim has had to time out.
  CHECK(clock_type::now() - healed < 15s);
  x.nodes.check_overlaps();
  CHECK(x.launch(1).join() == "");
  x.nodes.settle({'a', 'b', 'c'});
  x.nodes.check_overlaps();
  x.nodes.check_handles();
}

TEST_CASE("both sides carry on, and one instance is left",
          "[net_cluster_partition]") {
  fixture x{{"suspicion=1000", "claim_timeout=20000", "alone_after=1000"}};
  if (x.skipped())
    return;
  x.nodes.at("a").start(range(1, 10));
  x.nodes.at("b").start(range(11, 20));
  x.nodes.at("c").start(range(21, 30));
  x.nodes.at("a").start({101}, false);
  x.nodes.at("b").start({102}, false);
  auto all = range(1, 30) + ids{101, 102};
  x.nodes.settle(all);
  x.net.plug(0, "right");
  eventually([&]() -> std::string {
    auto left = x.nodes.copy("a");
    auto right = x.nodes.copy("b");
    for (auto id : range(1, 30))
      if (left[id].node != "a" || left[id].status != "running"
          || right[id].node == "a" || right[id].status != "running")
        return "child " + std::to_string(id) + " does not run twice";
    return {};
  });
  // The same ID on both sides.
  x.nodes.at("a").start({201});
  x.nodes.at("b").start({201});
  // What ends while the others do not hear of it.
  CHECK(x.nodes.at("b").ask("terminate 102") == "ok");
  all.insert(201);
  all.erase(102);
  x.net.plug(0, "left");
  auto healed = clock_type::now();
  x.nodes.settle(all);
  figure("healed", clock_type::now() - healed);
  eventually([&]() -> std::string {
    auto count = std::ranges::count_if(x.nodes.lives(), [](auto& y) {
      return y.reason.starts_with("lost_to_peer");
    });
    return count == 31 ? "" : std::to_string(count) + " lost to peers";
  });
  x.nodes.await_report("lost_to_peer");
  x.nodes.check_handles();
}

TEST_CASE("others than the loopback without TLS are warned of",
          "[net_cluster_partition]") {
  fixture x;
  if (x.skipped())
    return;
  x.nodes.await_report("without TLS", x.nodes.at("a").os().id());
}
