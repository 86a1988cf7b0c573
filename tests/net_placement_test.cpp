// Where children go, in a simulated network.

#include "catch.hpp"
#include "net_simulation.hpp"

#include <algorithm>
#include <director/net/placement.hpp>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace director;
using namespace director::net;
using namespace director::net::test;
using namespace std::chrono_literals;

TEST_CASE("children of a crashed node run on the others", "[net_placement]") {
  simulation sim{GENERATE(range(40u, 60u))};
  REQUIRE(sim.assemble(3));
  sim.at(0)->claim(ids(0, 30), claim_mode::fresh, true);
  sim.at(1)->claim(ids(30, 30), claim_mode::fresh, true);
  sim.at(2)->claim(ids(60, 30), claim_mode::fresh, true);
  sim.at(2)->claim(ids(90, 10), claim_mode::fresh, false);
  REQUIRE(sim.run_until(20s, [&] { return sim.settled(100); }));
  sim.crash(2);
  REQUIRE(sim.run_until(20s, [&] { return sim.settled(90); }));
  // Evenly, and nobody else has moved.
  CHECK(sim.at(0)->running.size() == 45);
  for (auto& [id, x] : sim.at(0)->running)
    CHECK(x.incarnation == (*id.integer() < 60 ? 1 : 2));
}

TEST_CASE("a node that leaves hands its children over", "[net_placement]") {
  simulation sim{62};
  REQUIRE(sim.assemble(3));
  sim.at(1)->claim(ids(0, 30), claim_mode::fresh, true);
  sim.at(1)->claim(ids(30, 5), claim_mode::fresh, false);
  REQUIRE(sim.run_until(20s, [&] { return sim.settled(35); }));
  sim.invariant = [&]() -> std::string {
    for (auto& id : ids(30, 5))
      if (sim.at(1)->running.contains(id)
          && !sim.at(0)->core.entries().find(id))
        return "an ID is free before its child has ended";
    return sim.duplicates().empty() ? "" : "a child runs twice";
  };
  auto before = sim.now();
  sim.at(1)->core.leave(sim.now(), sim.now() + 10s);
  REQUIRE(sim.run_until(20s, [&] {
    return sim.at(1)->left && sim.at(0)->running.size() == 15
           && sim.at(2)->running.size() == 15 && sim.converged();
  }));
  CHECK(sim.now() - before < sim.settings.suspicion);
  CHECK(sim.violation.empty());
}

TEST_CASE("a second loss during a takeover", "[net_placement]") {
  auto seed = GENERATE(range(70u, 100u));
  simulation sim{seed};
  REQUIRE(sim.assemble(5));
  sim.at(4)->claim(ids(0, 100), claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return sim.settled(100); }));
  sim.crash(4);
  sim.run(std::chrono::microseconds{seed * 500 % 15'000});
  sim.crash(seed % 4);
  CHECK(sim.run_until(30s, [&] { return sim.settled(100); }));
}

TEST_CASE("a child whose functions a node lacks goes to another",
          "[net_placement]") {
  simulation sim{101};
  REQUIRE(sim.assemble(4));
  for (auto& id : ids(0, 10)) {
    sim.at(0)->unknown_functions.insert(id);
    sim.at(1)->unknown_functions.insert(id);
  }
  sim.at(3)->claim(ids(0, 10), claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return sim.settled(10); }));
  sim.crash(3);
  CHECK(sim.run_until(20s, [&] { return sim.settled(10); }));
  CHECK(sim.at(2)->running.size() == 10);
}

TEST_CASE("what a node has declined is asked of its next director",
          "[net_placement]") {
  // Once the node that decides, once another one.
  auto decider = GENERATE(true, false);
  simulation sim{103};
  REQUIRE(sim.assemble(3));
  for (size_t place : {0, 1})
    for (auto& id : ids(0, 10))
      sim.at(place)->unknown_functions.insert(id);
  sim.at(2)->claim(ids(0, 10), claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return sim.settled(10); }));
  sim.crash(2);
  sim.run(10s);
  CHECK(sim.running() == 0);
  auto decides = (sim.at(0)->key < sim.at(1)->key) == decider ? 0 : 1;
  sim.at(decides)->unknown_functions.clear();
  sim.at(decides)->director_count = 2;
  CHECK(sim.run_until(20s, [&] { return sim.settled(10); }));
  CHECK(sim.at(decides)->running.size() == 10);
}

TEST_CASE("a placement always has nodes to choose from", "[net_placement]") {
  simulation sim{104};
  size_t fewest = 100;
  sim.settings.placement = [&](auto& children, auto& nodes) {
    fewest = std::min(fewest, nodes.size());
    return std::vector<node_key>(children.size(), nodes.at(0).key);
  };
  REQUIRE(sim.assemble(3));
  for (size_t place : {0, 1})
    sim.at(place)->unknown_functions.insert(1);
  sim.at(2)->claim({1}, claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return sim.settled(1); }));
  sim.crash(2);
  sim.run(10s);
  // Both have been asked, then nobody was left.
  CHECK(fewest == 1);
  CHECK(sim.at(0)->complaints.empty());
  CHECK(sim.at(1)->complaints.empty());
}

TEST_CASE("a placement that fails is reported", "[net_placement]") {
  simulation sim{105};
  std::string text;
  std::function<std::vector<node_key>(size_t, node_key)> answer;
  auto placed = true;
  SECTION("an exception") {
    answer = [](auto...) -> std::vector<node_key> {
      throw std::runtime_error("no idea");
    };
    text = "the placement has thrown: no idea";
  }
  SECTION("something else that is thrown") {
    answer = [](auto...) -> std::vector<node_key> { throw 7; };
    text = "the placement has thrown";
  }
  SECTION("no answer") {
    answer = [](auto...) { return std::vector<node_key>{}; };
    text = "the placement has not answered for each child";
  }
  SECTION("one answer too many") {
    answer = [](size_t n, node_key key) { return std::vector(n + 1, key); };
    text = "the placement has not answered for each child";
  }
  SECTION("an unknown node") {
    answer = [](size_t n, node_key) { return std::vector<node_key>(n, 1); };
    text = "the placement has chosen a node that it was not given";
    placed = false;
  }
  SECTION("no node, which is no failure") {
    answer = [](size_t n, node_key) { return std::vector<node_key>(n, 0); };
    placed = false;
  }
  sim.settings.placement = [&](auto& children, auto& nodes) {
    return answer(children.size(), nodes.at(0).key);
  };
  REQUIRE(sim.assemble(3));
  sim.at(2)->claim(ids(0, 10), claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return sim.settled(10); }));
  sim.crash(2);
  sim.run(10s);
  CHECK(sim.settled(placed ? 10 : 0));
  auto& decides = *sim.at(sim.at(0)->key < sim.at(1)->key ? 0 : 1);
  REQUIRE(decides.complaints.empty() == text.empty());
  for (auto& x : decides.complaints)
    CHECK(x == text);
}

TEST_CASE("children wait for a node with directors", "[net_placement]") {
  simulation sim{102};
  REQUIRE(sim.assemble(3));
  sim.at(0)->director_count = 0;
  sim.at(1)->director_count = 0;
  sim.at(2)->claim(ids(0, 10), claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return sim.settled(10); }));
  sim.crash(2);
  sim.run(10s);
  CHECK(sim.running() == 0);
  sim.at(1)->director_count = 1;
  CHECK(sim.run_until(20s, [&] { return sim.settled(10); }));
}

TEST_CASE("a void offer is made again at once", "[net_placement]") {
  simulation sim{157};
  sim.places = 4;
  std::vector<node_key> targets;
  sim.settings.placement = [&](auto&, auto&) {
    auto result = targets.back();
    if (targets.size() > 1)
      targets.pop_back();
    return std::vector{result};
  };
  REQUIRE(sim.assemble(4));
  auto nodes = sim.nodes();
  std::ranges::sort(nodes, {}, &sim_node::key);
  std::vector<size_t> places;
  for (auto* x : nodes)
    places.push_back(x->place);
  auto& decides = *nodes[0];
  auto first = nodes[2]->key;
  auto& last = *nodes[3];
  targets = {last.key, first};
  nodes[1]->claim({7}, claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return sim.settled(1); }));
  // Who decides does not hear that the first one has taken it.
  sim.lost = [&](size_t from, size_t to, const packet& what) {
    return from == places[2] && to == places[0] && is_news(what);
  };
  auto author_at = [](sim_node& x) {
    return x.core.entries().find(7)->last.author;
  };
  sim.crash(places[1]);
  REQUIRE(sim.run_until(5s, [&] { return author_at(last) == first; }));
  CHECK(author_at(decides) != first);
  sim.crash(places[2]);
  CHECK(sim.run_until(sim.settings.claim_timeout / 2,
                      [&] { return sim.settled(1); }));
  CHECK(last.running.contains(7));
}

TEST_CASE("even placement", "[net_placement]") {
  std::vector<placement_child> children;
  for (auto& id : ids(0, 10))
    children.push_back({id, *id.integer() < 2 ? node_key{1} : node_key{9}});
  auto targets = spread_evenly(children, {{1, "a", 0}, {2, "b", 3}});
  CHECK(targets[0] == 1);
  CHECK(targets[1] == 1);
  CHECK(std::ranges::count(targets, 1u) == 7);
  CHECK(std::ranges::count(targets, 2u) == 3);
  CHECK(spread_evenly({}, {}).empty());
  CHECK(spread_evenly(children, {})[3] == 0);
  auto moves = even_out(children, {{9, "x", 8}, {1, "y", 2}, {3, "z", 0}});
  CHECK(moves.size() == 4);
  CHECK(even_out(children, {{9, "x", 4}, {1, "y", 3}, {3, "z", 4}}).empty());
}
