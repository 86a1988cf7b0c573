// Spreading children again, in a simulated network.

#include "catch.hpp"
#include "net_simulation.hpp"

#include <algorithm>
#include <array>
#include <ranges>
#include <string>

using namespace director;
using namespace director::net;
using namespace director::net::test;
using namespace std::chrono_literals;

namespace {

/// Tells whether so many children run, and no node has two more than another.
bool is_even(simulation& sim, size_t children) {
  if (!sim.settled(children))
    return false;
  auto [least, most] = std::ranges::minmax(
    sim.nodes()
    | std::views::transform([](sim_node* x) { return x->running.size(); }));
  return most - least <= 1;
}

} // namespace

TEST_CASE("a node that comes back owns nothing", "[net_placement]") {
  simulation sim{151};
  REQUIRE(sim.assemble(3));
  sim.at(1)->claim(ids(0, 30), claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return sim.settled(30); }));
  sim.crash(1);
  REQUIRE(sim.run_until(20s, [&] { return sim.settled(30); }));
  sim.boot(1);
  REQUIRE(sim.run_until(20s, [&] {
    return sim.at(1)->core.ready() && sim.settled(30);
  }));
  sim.run(1s);
  CHECK(sim.at(1)->running.empty());
  CHECK(sim.at(1)->view.size() == 30);
  sim.invariant = [&]() -> std::string {
    return sim.duplicates().empty() ? "" : "a child runs twice";
  };
  sim.at(2)->core.rebalance(sim.now());
  CHECK(sim.run_until(20s, [&] {
    return sim.settled(30) && sim.at(1)->running.size() == 10;
  }));
  // One stop and one start each, for as few as possible.
  size_t moved = 0;
  for (auto* x : sim.nodes())
    for (auto& [id, child] : x->running)
      moved += child.incarnation == 3 ? 1 : 0;
  CHECK(moved == 10);
}

TEST_CASE("a node that is slow is not left out", "[net_placement]") {
  simulation sim{153};
  REQUIRE(sim.assemble(3));
  sim.at(1)->claim(ids(0, 30), claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return sim.settled(30); }));
  sim.freeze(2, true);
  auto state_of_2 = [&](size_t place) {
    return sim.at(place)->core.members().find(sim.at(2)->key)->state;
  };
  REQUIRE(sim.run_until(2s, [&] {
    return state_of_2(0) == node_state::suspect
           && state_of_2(1) == node_state::suspect;
  }));
  sim.at(1)->core.rebalance(sim.now());
  sim.run(100ms);
  sim.freeze(2, false);
  CHECK(sim.run_until(5s, [&] { return is_even(sim, 30); }));
}

TEST_CASE("children spread evenly after all nodes were replaced",
          "[net_placement]") {
  auto seed = GENERATE(range(2000u, 2100u));
  simulation sim{seed};
  sim.places = 3 + seed % 3;
  sim.conditions.max_delay = seed % 2 == 0 ? 2ms : 20ms;
  REQUIRE(sim.assemble(sim.places));
  sim.at(0)->claim(ids(0, 30), claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return sim.settled(30); }));
  auto knows_all = [&](sim_node* x) {
    return std::ranges::all_of(sim.nodes(), [&](sim_node* y) {
      auto* other = x->core.members().find(y->key);
      return x == y
             || (other != nullptr && other->state == node_state::up
                 && other->directors > 0);
    });
  };
  for (size_t i = 0; i < sim.places; ++i) {
    sim.crash(i);
    sim.boot(i);
    REQUIRE(sim.run_until(20s, [&] {
      return sim.settled(30) && std::ranges::all_of(sim.nodes(), knows_all);
    }));
  }
  // Claims of those who have come too late are over.
  sim.run(100ms);
  sim.at(seed % sim.places)->core.rebalance(sim.now());
  CHECK(sim.run_until(5s, [&] { return is_even(sim, 30); }));
}

/// Three nodes, one of which has all children.
struct lopsided {
  explicit lopsided(uint32_t seed, bool pause = false) : sim(seed) {
    sim.settings.pause_minority = pause;
    sim.settings.expected = pause ? 3 : 0;
    REQUIRE(sim.assemble(3));
    decides = std::ranges::min(sim.nodes(), {}, &sim_node::key)->place;
    owner = (decides + 1) % 3;
    asks = (decides + 2) % 3;
    sim.at(owner)->claim(ids(0, 30), claim_mode::fresh, true);
    REQUIRE(sim.run_until(20s, [&] { return sim.settled(30); }));
    sim.invariant = [this]() -> std::string {
      return sim.duplicates().empty() ? "" : "a child runs twice";
    };
  }

  void ask() {
    sim.at(asks)->core.rebalance(sim.now());
  }

  void await_order() {
    REQUIRE(sim.run_until(1s, [&] {
      return sim.sent[packet{move_request{}}.index()] > 0;
    }));
  }

  /// All have heard that it is over.
  void await_end() {
    CHECK(sim.run_until(30s, [&] {
      return std::ranges::all_of(sim.nodes(), [](sim_node* x) {
        return x->core.rebalanced();
      });
    }));
    CHECK(sim.violation.empty());
  }

  simulation sim;
  size_t decides;
  size_t owner;
  size_t asks;
};

TEST_CASE("a rebalance is carried out, whatever is lost", "[net_placement]") {
  lopsided x{GENERATE(range(170u, 180u))};
  auto& sim = x.sim;
  auto wanted = [](const packet& what) {
    auto* beat = std::get_if<heartbeat>(&what);
    return beat != nullptr && beat->rebalance_wanted > 0;
  };
  SECTION("the request, with the connections") {
    sim.lost = [&, left = 2](size_t from, size_t, const packet& what) mutable {
      return from == x.asks && wanted(what) && left-- > 0;
    };
    x.ask();
    sim.disconnect(x.asks, x.decides);
    sim.disconnect(x.asks, x.owner);
  }
  SECTION("the request") {
    sim.lost = [&, left = 10](size_t from, size_t, const packet& what) mutable {
      return from == x.asks && wanted(what) && left-- > 0;
    };
    x.ask();
  }
  SECTION("the order") {
    sim.lost = [left = 2](size_t, size_t, const packet& what) mutable {
      return std::holds_alternative<move_request>(what) && left-- > 0;
    };
    x.ask();
  }
  SECTION("the node that has asked, when one that does not decide knows") {
    sim.lost = [&](size_t from, size_t to, const packet& what) {
      return from == x.asks && to == x.decides && wanted(what);
    };
    x.ask();
    sim.run(std::chrono::milliseconds{10});
    CHECK_FALSE(sim.at(x.owner)->core.rebalanced());
    CHECK(sim.at(x.decides)->core.rebalanced());
    sim.crash(x.asks);
  }
  SECTION("the node that has asked, and was to get children") {
    x.ask();
    x.await_order();
    sim.crash(x.asks);
  }
  SECTION("a node that gets children, silently") {
    x.ask();
    x.await_order();
    sim.invariant = nullptr;
    sim.freeze(x.asks, true);
    // Its children are placed before there is another plan.
    CHECK(sim.run_until(30s, [&] {
      return std::ranges::all_of(std::array{x.decides, x.owner}, [&](auto i) {
        return sim.at(i)->running.size() == 15;
      });
    }));
    sim.crash(x.asks);
  }
  SECTION("the node that decides, before its order arrives") {
    sim.lost = [&](size_t, size_t, const packet& what) {
      return std::holds_alternative<move_request>(what);
    };
    x.ask();
    x.await_order();
    sim.crash(x.decides);
    sim.lost = nullptr;
  }
  SECTION("the node that decides, after its order has arrived") {
    x.ask();
    x.await_order();
    REQUIRE(sim.run_until(1s, [&] {
      return std::ranges::any_of(sim.at(x.owner)->running,
                                 [](auto& kvp) { return kvp.second.ending; });
    }));
    sim.crash(x.decides);
  }
  SECTION("the director of a node that was to get children") {
    sim.lost = [](size_t, size_t, const packet& what) {
      return std::holds_alternative<move_request>(what);
    };
    x.ask();
    x.await_order();
    sim.lost = nullptr;
    sim.at(x.asks)->director_count = 0;
    CHECK(sim.run_until(30s, [&] {
      return sim.settled(30) && sim.at(x.owner)->running.size() == 15;
    }));
    CHECK(sim.at(x.asks)->running.empty());
    sim.crash(x.asks);
  }
  CHECK(sim.run_until(30s, [&] { return is_even(sim, 30); }));
  x.await_end();
  // What is started from here on stays where it is.
  auto before = sim.at(x.owner)->running.size();
  sim.at(x.owner)->claim(ids(30, 10), claim_mode::fresh, true);
  sim.run(30s);
  CHECK(sim.settled(40));
  CHECK(sim.at(x.owner)->running.size() == before + 10);
}

TEST_CASE("a node with children goes down during a rebalance",
          "[net_placement]") {
  lopsided x{GENERATE(range(190u, 200u))};
  auto& sim = x.sim;
  sim.at(x.asks)->claim(ids(30, 16), claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return sim.settled(46); }));
  SECTION("that waits until it is known") {
    sim.invariant = nullptr;
    sim.freeze(x.asks, true);
    sim.run(1s);
    sim.at(x.decides)->core.rebalance(sim.now());
    sim.run(500ms);
    CHECK_FALSE(sim.at(x.decides)->core.rebalanced());
  }
  SECTION("that has begun") {
    sim.lost = [](size_t, size_t, const packet& what) {
      return std::holds_alternative<move_request>(what);
    };
    x.ask();
    x.await_order();
    sim.crash(x.asks);
    sim.run(500ms);
    sim.lost = nullptr;
  }
  CHECK(sim.run_until(20s, [&] {
    return sim.at(x.decides)->running.size() == 23
           && sim.at(x.owner)->running.size() == 23;
  }));
  sim.crash(x.asks);
  x.await_end();
}

TEST_CASE("a rebalance does not wait for ever", "[net_placement]") {
  lopsided x{GENERATE(range(200u, 210u))};
  auto& sim = x.sim;
  auto& owner = *sim.at(x.owner);
  SECTION("for a child that does not end") {
    for (auto& id : ids(0, 30))
      owner.stubborn.insert(id);
    x.ask();
    x.await_order();
    x.await_end();
    CHECK(owner.running.size() == 30);
    // Nor do later ones.
    owner.stubborn.clear();
    owner.claim(ids(30, 30), claim_mode::fresh, true);
    sim.run(1s);
    x.ask();
    x.await_end();
    CHECK(owner.running.size() < 60);
    // In the end, it goes where it was to go.
    for (auto& id : ids(0, 30))
      if (owner.running.contains(id) && owner.running[id].ending)
        owner.has_ended(id);
    CHECK(sim.run_until(20s, [&] { return sim.settled(60); }));
    for (auto& id : ids(0, 20))
      CHECK_FALSE(owner.running.contains(id));
  }
  SECTION("for one that hears of nothing, and forgets its plan") {
    sim.lost = [](size_t, size_t, const packet& what) {
      return std::holds_alternative<move_request>(what);
    };
    x.ask();
    x.await_order();
    sim.run(1s);
    CHECK_FALSE(sim.at(x.decides)->core.rebalanced());
    sim.run(sim.settings.claim_timeout);
    x.await_end();
    // The placement decides, not what was planned.
    sim.at(x.asks)->director_count = 0;
    sim.run(1s);
    sim.at(x.asks)->director_count = 1;
    owner.core.leave(sim.now(), sim.now() + 10s);
    CHECK(sim.run_until(20s, [&] { return owner.left && is_even(sim, 30); }));
  }
  SECTION("for a child that was stopped") {
    sim.lost = [](size_t, size_t, const packet& what) {
      return std::holds_alternative<move_request>(what);
    };
    x.ask();
    x.await_order();
    for (auto& id : ids(0, 30)) {
      auto next = *owner.core.entries().find(id);
      next.director = 0;
      next.status = child_status::undefined;
      next.body = nullptr;
      owner.core.put(next);
      owner.running.erase(id);
    }
    owner.core.flush();
    sim.run(1s);
    CHECK(sim.at(x.decides)->core.rebalanced());
  }
}

TEST_CASE("what was asked for during a partition is done after it",
          "[net_placement]") {
  lopsided x{GENERATE(range(210u, 220u)), true};
  auto& sim = x.sim;
  sim.cut(x.owner, x.decides);
  sim.cut(x.owner, x.asks);
  sim.run(10s);
  sim.at(x.owner)->core.rebalance(sim.now());
  // Both sides have asked for it, and one has done it, later.
  for (auto i = 0; i < 3; ++i) {
    x.ask();
    sim.run(1s);
  }
  CHECK(sim.at(x.asks)->core.rebalanced());
  CHECK_FALSE(sim.at(x.owner)->core.rebalanced());
  CHECK(sim.at(x.owner)->running.empty());
  sim.heal();
  CHECK(sim.run_until(30s, [&] { return is_even(sim, 30); }));
  x.await_end();
}

TEST_CASE("a node that has just come back can ask for a rebalance",
          "[net_placement]") {
  lopsided x{GENERATE(range(220u, 240u))};
  auto& sim = x.sim;
  sim.freeze(x.asks, true);
  sim.run(10s);
  sim.freeze(x.asks, false);
  x.ask();
  CHECK(sim.run_until(30s, [&] { return is_even(sim, 30); }));
  x.await_end();
}

TEST_CASE("a node that has just joined can ask for a rebalance",
          "[net_placement]") {
  // It hears of many requests, and few claims.
  simulation sim{GENERATE(range(180u, 190u))};
  REQUIRE(sim.assemble(2));
  for (auto i = 0; i < 40; ++i) {
    sim.at(0)->core.rebalance(sim.now());
    sim.run(500ms);
  }
  sim.at(1)->claim(ids(0, 9), claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return sim.settled(9); }));
  auto first = GENERATE(true, false);
  if (first) {
    sim.at(1)->core.rebalance(sim.now());
    CHECK(sim.run_until(20s, [&] { return is_even(sim, 9); }));
  }
  auto& late = sim.boot(2);
  REQUIRE(sim.run_until(5s, [&] { return late.core.ready(); }));
  late.core.rebalance(sim.now());
  CHECK(sim.run_until(20s, [&] { return is_even(sim, 9); }));
}
