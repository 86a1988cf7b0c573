// The protocol between nodes, in a simulated network.

#include "catch.hpp"
#include "net_simulation.hpp"

#include <algorithm>
#include <string>

using namespace director;
using namespace director::net;
using namespace director::net::test;
using namespace std::chrono_literals;

TEST_CASE("nodes find each other through any seed", "[net_protocol]") {
  simulation sim{1};
  REQUIRE(sim.assemble(5));
}

TEST_CASE("a node without seeds that answer starts alone", "[net_protocol]") {
  simulation sim{2};
  sim.places = 2;
  auto& x = sim.boot(0);
  CHECK_FALSE(x.core.ready());
  CHECK(sim.run_until(10s, [&] { return x.core.ready(); }));
}

TEST_CASE("a node of another cluster is refused on both sides",
          "[net_protocol]") {
  simulation sim{3};
  sim.places = 2;
  auto& x = sim.boot(0);
  sim.run(5s);
  auto what = GENERATE(0, 1);
  if (what == 0)
    sim.settings.cluster = "other";
  else
    sim.settings.table = "other";
  auto& y = sim.boot(1);
  CHECK(sim.run_until(10s, [&] { return !y.refusal.empty(); }));
  CHECK(y.refusal.find("other") != std::string::npos);
  REQUIRE_FALSE(x.complaints.empty());
  CHECK(x.complaints[0].find("refused") != std::string::npos);
  CHECK(x.core.members().live_contacts().empty());
}

TEST_CASE("nodes of a cluster have the same settings", "[net_protocol]") {
  simulation sim{4};
  sim.places = 2;
  auto& settings = sim.settings;
  settings.pause_minority = true;
  settings.expected = 2;
  auto& x = sim.boot(0);
  auto fits = false;
  SECTION("partition mode") {
    settings.pause_minority = false;
  }
  SECTION("expected nodes") {
    settings.expected = 3;
  }
  SECTION("heartbeat") {
    settings.heartbeat -= 1ms;
  }
  SECTION("suspicion") {
    settings.suspicion += 1ms;
  }
  SECTION("grace") {
    settings.grace += 1ms;
  }
  SECTION("all the same") {
    fits = true;
  }
  auto& y = sim.boot(1);
  sim.run(5s);
  CHECK(y.refusal.empty() == fits);
  CHECK(x.complaints.empty() == fits);
  CHECK(x.core.members().live_contacts().empty() != fits);
}

TEST_CASE("only times count where no majority does", "[net_protocol]") {
  simulation sim{5};
  sim.places = 2;
  auto& x = sim.boot(0);
  auto fits = true;
  SECTION("suspicion") {
    sim.settings.suspicion *= 2;
    fits = false;
  }
  SECTION("the rest") {
    sim.settings.expected = 7;
    sim.settings.grace *= 2;
  }
  auto& y = sim.boot(1);
  sim.run(5s);
  CHECK(y.refusal.empty() == fits);
  CHECK(x.core.members().live_contacts().empty() != fits);
}

TEST_CASE("more nodes than a majority is reckoned for are told of",
          "[net_protocol]") {
  simulation sim{6};
  sim.settings.pause_minority = true;
  sim.settings.expected = 3;
  REQUIRE(sim.assemble(3));
  for (auto* x : sim.nodes())
    CHECK(x->complaints.empty());
  sim.boot(3);
  sim.run(5s);
  for (auto* x : sim.nodes()) {
    REQUIRE_FALSE(x->complaints.empty());
    CHECK(x->complaints[0].find("4 nodes are up, and only 3 expected") == 0);
  }
}

TEST_CASE("of nodes that claim the same IDs at once one wins each",
          "[net_protocol]") {
  simulation sim{GENERATE(range(10u, 30u))};
  REQUIRE(sim.assemble(3));
  for (auto* x : sim.nodes())
    x->claim(ids(0, 100), claim_mode::fresh, true);
  CHECK(sim.run_until(20s, [&] {
    return sim.settled(100) && std::ranges::all_of(sim.nodes(), [](auto* x) {
             return x->outcomes.size() == 100;
           });
  }));
  for (auto* x : sim.nodes()) {
    for (auto& y : x->outcomes)
      CHECK(
        (y.how == claim_outcome::granted || y.how == claim_outcome::refused));
  }
}

TEST_CASE("a claim takes one round trip", "[net_protocol]") {
  simulation sim{31};
  sim.conditions.min_delay = sim.conditions.max_delay = 1ms;
  REQUIRE(sim.assemble(3));
  auto* x = sim.at(1);
  auto before = sim.now();
  x->claim(ids(0, 10'000), claim_mode::fresh, true);
  REQUIRE(sim.run_until(1s, [&] { return x->outcomes.size() == 10'000; }));
  CHECK(sim.now() - before <= 4ms);
}

TEST_CASE("claims that come while a vote is under way share the next one",
          "[net_protocol]") {
  simulation sim{32};
  sim.conditions.min_delay = sim.conditions.max_delay = 1ms;
  REQUIRE(sim.assemble(3));
  auto* x = sim.at(1);
  auto before = sim.now();
  auto ballots_before = sim.sent[packet{ballot{}}.index()];
  for (auto& id : ids(0, 1'000))
    x->claim({id}, claim_mode::fresh, true);
  REQUIRE(sim.run_until(1s, [&] { return x->outcomes.size() == 1'000; }));
  CHECK(sim.now() - before <= 6ms);
  // Two to each of the others.
  CHECK(sim.sent[packet{ballot{}}.index()] == ballots_before + 4);
}

TEST_CASE("a frozen node is replaced after the time of suspicion",
          "[net_protocol]") {
  simulation sim{61};
  REQUIRE(sim.assemble(3));
  sim.at(2)->claim(ids(0, 30), claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return sim.settled(30); }));
  sim.freeze(2, true);
  auto before = sim.now();
  REQUIRE(sim.run_until(20s, [&] {
    return sim.at(0)->running.size() + sim.at(1)->running.size() == 30;
  }));
  CHECK(sim.now() - before > sim.settings.suspicion);
  CHECK(sim.now() - before < sim.settings.suspicion + 500ms);
  // Awake again, it gives up what others have taken.
  sim.freeze(2, false);
  CHECK(sim.run_until(20s, [&] { return sim.settled(30); }));
  CHECK(sim.at(2)->running.empty());
}

TEST_CASE("nobody starts what has lost to another node until it has ended",
          "[net_protocol]") {
  simulation sim{GENERATE(range(190u, 200u))};
  REQUIRE(sim.assemble(3));
  auto& first = *sim.at(0);
  first.claim({7}, claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return sim.settled(1); }));
  first.stubborn.insert(7);
  sim.freeze(0, true);
  REQUIRE(sim.run_until(20s, [&] { return sim.running() == 2; }));
  sim.freeze(0, false);
  REQUIRE(sim.run_until(20s, [&] { return first.conflicts == 1; }));
  auto winner = sim.at(1)->running.contains(7) ? 1 : 2;
  auto& other = *sim.at(3 - winner);
  REQUIRE(sim.run_until(20s, [&] {
    auto* x = other.core.members().find(first.key);
    return x->state == node_state::up;
  }));
  SECTION("the node that has taken it over dies") {
    sim.crash(winner);
  }
  SECTION("it is deleted") {
    sim.at(winner)->erase(7);
    REQUIRE(sim.run_until(20s, [&] {
      return first.core.entries().find(7) == nullptr
             && other.core.entries().find(7) == nullptr;
    }));
    other.claim({7}, claim_mode::fresh, true);
    first.claim({7}, claim_mode::fresh, true);
  }
  sim.run(sim.settings.claim_timeout / 2);
  CHECK(sim.running() == 1);
  CHECK(first.running.contains(7));
  first.has_ended(7);
  CHECK(sim.run_until(20s, [&] { return sim.settled(1); }));
}

TEST_CASE("a child whose director has died is not lost with its node",
          "[net_protocol]") {
  simulation sim{GENERATE(range(200u, 205u))};
  REQUIRE(sim.assemble(3));
  auto& first = *sim.at(0);
  first.claim({7}, claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return sim.settled(1); }));
  first.stubborn.insert(7);
  auto put = [&](child_status status, bool wanted) {
    auto x = *first.core.entries().find(7);
    x.director = 0;
    x.status = status;
    x.wanted = wanted;
    x.body = nullptr;
    first.core.put(std::move(x));
    first.core.flush();
  };
  SECTION("at once") {
    put(child_status::terminating, true);
    sim.run(1s);
    CHECK(sim.running() == 1);
    sim.crash(0);
  }
  SECTION("on its way to another node") {
    first.core.leave(sim.now(), sim.now() + 10s);
    sim.run(100ms);
    put(child_status::terminating, false);
    sim.run(1s);
    CHECK(sim.running() == 1);
    first.running.erase(7);
    put(child_status::undefined, false);
    CHECK_FALSE(first.view.at(7));
  }
  CHECK(sim.run_until(20s, [&] { return sim.settled(1); }));
}

TEST_CASE("a claim that is over does not come back", "[net_protocol]") {
  simulation sim{GENERATE(range(210u, 220u))};
  REQUIRE(sim.assemble(3));
  auto places = std::vector<size_t>{0, 1, 2};
  std::ranges::sort(places, {}, [&](size_t x) { return sim.at(x)->key; });
  auto& decides = *sim.at(places[0]);
  auto& gives = *sim.at(places[1]);
  auto& takes = *sim.at(places[2]);
  auto taker = takes.key;
  for (auto* x : sim.nodes())
    x->director_count = 0;
  gives.claim({7}, claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return sim.settled(1); }));
  gives.running.erase(7);
  auto released = *gives.core.entries().find(7);
  released.director = 0;
  released.status = child_status::restarting;
  released.wanted = true;
  released.body = nullptr;
  gives.core.put(released);
  gives.core.flush();
  sim.run(50ms);
  // One node hears of the next claim only when its author is dead.
  sim.lost = [&](size_t from, size_t to, const packet& what) {
    return from == places[2] && to == places[0] && is_news(what);
  };
  auto author_at = [](sim_node& x) {
    auto* now = x.core.entries().find(7);
    return now != nullptr ? now->last.author : 0;
  };
  takes.claim({7}, claim_mode::adopt, true);
  REQUIRE(sim.run_until(20s, [&] { return author_at(gives) == taker; }));
  sim.crash(places[2]);
  sim.lost = nullptr;
  REQUIRE(sim.run_until(20s, [&] { return author_at(decides) == taker; }));
  sim.run(3s);
  size_t overruled = 0;
  decides.core.entries().visit_overruled([&](auto&) { ++overruled; });
  CHECK(overruled == 0);
  decides.director_count = 1;
  REQUIRE(sim.run_until(20s, [&] { return sim.settled(1); }));
  decides.erase(7);
  sim.run(5s);
  CHECK(sim.running() == 0);
}

TEST_CASE("what nobody can see does not end what they can", "[net_protocol]") {
  simulation sim{GENERATE(range(220u, 230u))};
  REQUIRE(sim.assemble(3));
  sim.at(0)->claim({7}, claim_mode::fresh, false);
  REQUIRE(sim.run_until(20s, [&] { return sim.settled(1); }));
  auto down_at = [&](size_t place, size_t other) {
    return sim.run_until(20s, [&] {
      auto* x = sim.at(place)->core.members().find(sim.at(other)->key);
      return x->state == node_state::down;
    });
  };
  sim.cut(0, 1);
  sim.cut(0, 2);
  REQUIRE(down_at(1, 0));
  REQUIRE(down_at(2, 0));
  // Another child of the same name, whose node is cut off in turn.
  sim.at(1)->claim({7}, claim_mode::fresh, false);
  REQUIRE(sim.run_until(20s, [&] { return sim.at(1)->running.contains(7); }));
  sim.run(50ms);
  sim.cut(1, 2);
  REQUIRE(down_at(2, 1));
  sim.heal();
  sim.cut(0, 1);
  sim.cut(1, 2);
  sim.run(10s);
  CHECK(sim.at(0)->running.contains(7));
  sim.heal();
  CHECK(sim.run_until(20s, [&] { return sim.settled(1); }));
}

TEST_CASE("who is down gets no promises", "[net_protocol]") {
  simulation sim{GENERATE(range(230u, 235u))};
  sim.places = 2;
  REQUIRE(sim.assemble(2));
  auto state = [&] {
    return sim.at(0)->core.members().find(sim.at(1)->key)->state;
  };
  sim.cut(0, 1);
  REQUIRE(sim.run_until(20s, [&] { return state() == node_state::down; }));
  sim.lost = [](size_t from, size_t, const packet& what) {
    return from == 1 && std::holds_alternative<copy>(what);
  };
  sim.heal();
  REQUIRE(sim.run_until(20s, [&] {
    return sim.at(1)->core.members().find(sim.at(0)->key)->state
           == node_state::up;
  }));
  sim.at(1)->claim({7}, claim_mode::fresh, true);
  CHECK_FALSE(
    sim.run_until(1s, [&] { return sim.at(1)->running.contains(7); }));
  CHECK(state() == node_state::down);
  sim.lost = nullptr;
  CHECK(sim.run_until(9s, [&] { return sim.settled(1); }));
}

TEST_CASE("a node with the address of another is refused", "[net_protocol]") {
  simulation sim{62};
  REQUIRE(sim.assemble(2));
  auto& x = *sim.at(0);
  hello greeting;
  greeting.cluster = sim.settings.cluster;
  greeting.table = sim.settings.table;
  greeting.self = sim.at(1)->core.members().settings().self;
  greeting.self.key += 1000;
  greeting.self.where = x.core.members().settings().self.where;
  greeting.settings = sim.at(1)->core.members().settings();
  greeting.session = 1;
  x.core.receive(1000, 1, greeting, sim.now());
  REQUIRE(x.complaints.size() == 1);
  CHECK(x.complaints[0].find("address") != std::string::npos);
  CHECK(x.core.members().find(greeting.self.key) == nullptr);
}

TEST_CASE("a node that cannot read a child does without", "[net_protocol]") {
  simulation sim{GENERATE(range(150u, 160u))};
  REQUIRE(sim.assemble(3));
  sim.at(2)->unknown_types.insert(7);
  sim.at(0)->claim(ids(0, 10), claim_mode::fresh, true);
  // Long before the claim timeout.
  CHECK(sim.run_until(3s, [&] {
    return sim.started.size() == 10 && sim.settled(10);
  }));
  CHECK_FALSE(sim.at(2)->core.entries().find(7)->body->raw.empty());
  CHECK(sim.at(1)->core.entries().find(7)->body->raw.empty());
  // What it cannot read, it can neither run nor change.
  sim.crash(0);
  CHECK(sim.run_until(20s, [&] { return sim.settled(10); }));
  CHECK(sim.at(1)->running.contains(7));
  sim.crash(1);
  CHECK(sim.run_until(20s, [&] { return sim.running() == 9; }));
  sim.at(2)->claim({7}, claim_mode::adopt, true);
  CHECK(sim.at(2)->outcomes.back().how == claim_outcome::unreadable);
  // But it passes it on.
  sim.boot(1);
  CHECK(sim.run_until(30s, [&] { return sim.settled(10); }));
  CHECK(sim.at(1)->running.contains(7));
}

TEST_CASE("a node that cannot read a child can join", "[net_protocol]") {
  simulation sim{GENERATE(range(160u, 170u))};
  REQUIRE(sim.assemble(2));
  sim.at(0)->claim(ids(0, 10), claim_mode::fresh, true);
  REQUIRE(sim.run_until(3s, [&] { return sim.settled(10); }));
  auto& late = sim.boot(2);
  late.unknown_types = {3, 4};
  CHECK(sim.run_until(3s, [&] { return late.core.ready(); }));
  sim.at(0)->claim(ids(10, 10), claim_mode::fresh, true);
  CHECK(sim.run_until(3s, [&] {
    return sim.started.size() == 20 && sim.settled(20);
  }));
}

TEST_CASE("partition in the mode ignore: both sides carry on, then converge",
          "[net_protocol]") {
  simulation sim{GENERATE(range(110u, 130u))};
  REQUIRE(sim.assemble(3));
  sim.at(0)->claim(ids(0, 20), claim_mode::fresh, true);
  sim.at(2)->claim(ids(20, 20), claim_mode::fresh, true);
  sim.at(2)->claim(ids(40, 5), claim_mode::fresh, false);
  REQUIRE(sim.run_until(20s, [&] { return sim.settled(45); }));
  sim.cut(0, 2);
  sim.cut(1, 2);
  REQUIRE(sim.run_until(20s, [&] { return sim.running() == 85; }));
  // The same new ID on both sides.
  sim.at(0)->claim(ids(100, 5), claim_mode::fresh, true);
  sim.at(2)->claim(ids(100, 5), claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return sim.running() == 95; }));
  sim.heal();
  CHECK(sim.run_until(30s, [&] { return sim.settled(50); }));
  size_t conflicts = 0;
  for (auto* x : sim.nodes())
    conflicts += x->conflicts;
  CHECK(conflicts == 45);
}

TEST_CASE("a side without majority pauses", "[net_protocol]") {
  simulation sim{GENERATE(range(130u, 150u))};
  sim.settings.pause_minority = true;
  sim.settings.expected = 3;
  REQUIRE(sim.assemble(3));
  sim.at(0)->claim(ids(0, 20), claim_mode::fresh, true);
  sim.at(2)->claim(ids(20, 20), claim_mode::fresh, true);
  sim.at(2)->claim(ids(40, 5), claim_mode::fresh, false);
  REQUIRE(sim.run_until(20s, [&] { return sim.settled(45); }));
  sim.invariant = [&]() -> std::string {
    return sim.duplicates().empty() ? "" : "a child runs twice";
  };
  sim.cut(0, 2);
  sim.cut(1, 2);
  REQUIRE(sim.run_until(20s, [&] { return sim.at(2)->core.paused(); }));
  sim.at(2)->claim(ids(100, 1), claim_mode::fresh, true);
  CHECK(sim.at(2)->outcomes.back().how == claim_outcome::no_quorum);
  REQUIRE(sim.run_until(20s, [&] {
    return sim.at(2)->running.empty() && sim.running() == 40;
  }));
  // What is removed here does not come back from there.
  sim.run(100ms);
  for (auto& id : ids(20, 20))
    for (size_t place : {0, 1})
      if (sim.at(place)->running.contains(id) && *id.integer() % 2 == 0)
        sim.at(place)->erase(id);
  sim.run(5s);
  sim.heal();
  CHECK(sim.run_until(30s, [&] { return sim.settled(35); }));
  INFO(sim.violation);
  CHECK(sim.violation.empty());
  CHECK_FALSE(sim.at(2)->core.paused());
  // Those that nobody else may have are back where they were.
  CHECK(sim.at(2)->running.size() == 5);
}

TEST_CASE("a node that has paused decides nothing for others",
          "[net_protocol]") {
  simulation sim{GENERATE(range(170u, 180u))};
  sim.settings.pause_minority = true;
  sim.settings.expected = 5;
  REQUIRE(sim.assemble(5));
  auto places = std::vector<size_t>{0, 1, 2, 3, 4};
  std::ranges::sort(places, {}, [&](size_t x) { return sim.at(x)->key; });
  // The first one reaches only the second one, which reaches everybody.
  for (size_t i : {2, 3, 4})
    sim.cut(places[0], places[i]);
  auto& first = *sim.at(places[0]);
  REQUIRE(sim.run_until(20s, [&] { return first.core.paused(); }));
  sim.at(places[4])->claim(ids(0, 20), claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return sim.started.size() == 20; }));
  sim.crash(places[4]);
  CHECK(sim.run_until(20s, [&] { return sim.running() == 20; }));
  CHECK(first.running.empty());
}

TEST_CASE("a node that has paused keeps others from what has yet to end",
          "[net_protocol]") {
  simulation sim{GENERATE(range(180u, 190u))};
  sim.settings.pause_minority = true;
  sim.settings.expected = 5;
  REQUIRE(sim.assemble(5));
  auto& first = *sim.at(0);
  auto& second = *sim.at(1);
  first.claim({7, 8}, claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return sim.started.size() == 2; }));
  for (auto* x : sim.nodes())
    x->director_count = 0;
  first.lingering.insert(7);
  for (size_t i : {2, 3, 4})
    sim.cut(0, i);
  REQUIRE(sim.run_until(20s, [&] { return first.core.paused(); }));
  REQUIRE(sim.run_until(20s, [&] { return first.running.empty(); }));
  sim.run(100ms);
  second.claim({7}, claim_mode::adopt, true);
  second.claim({8}, claim_mode::adopt, true);
  // The others have to find out first that it is free.
  CHECK(sim.run_until(9s, [&] { return second.running.contains(8); }));
  CHECK_FALSE(second.running.contains(7));
  first.lingering.clear();
  second.claim({7}, claim_mode::adopt, true);
  CHECK(sim.run_until(9s, [&] { return second.running.contains(7); }));
}

TEST_CASE("a node in the place of another does not break its promises",
          "[net_protocol]") {
  simulation sim{150};
  sim.settings.pause_minority = true;
  sim.settings.expected = 3;
  REQUIRE(sim.assemble(3));
  sim.at(0)->claim(ids(0, 10), claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return sim.settled(10); }));
  sim.invariant = [&]() -> std::string {
    return sim.duplicates().empty() ? "" : "a child runs twice";
  };
  // 2 keeps 0 in the majority, 1 has long given it up.
  sim.cut(0, 1);
  sim.run(10s);
  CHECK(sim.at(0)->running.size() == 10);
  // The new 2 meets only 1, which is the majority now.
  sim.cut(0, 2);
  sim.crash(2);
  sim.boot(2);
  CHECK(sim.run_until(20s, [&] {
    return sim.at(0)->running.empty() && sim.running() == 10;
  }));
  INFO(sim.violation);
  CHECK(sim.violation.empty());
}

TEST_CASE("all nodes together need not wait to be a majority",
          "[net_protocol]") {
  simulation sim{153};
  sim.settings.pause_minority = true;
  sim.settings.expected = 3;
  sim.places = 3;
  for (size_t i = 0; i < 3; ++i)
    sim.boot(i);
  CHECK(sim.run_until(1s, [&] {
    return std::ranges::none_of(sim.nodes(),
                                [](sim_node* x) { return x->core.paused(); });
  }));
  sim.at(0)->claim(ids(0, 1), claim_mode::fresh, true);
  CHECK(sim.run_until(1s, [&] { return sim.settled(1); }));
  // Nor do the others when one of them is lost soon.
  sim.run(500ms);
  sim.crash(2);
  sim.run(100ms);
  for (auto* x : sim.nodes())
    CHECK_FALSE(x->core.paused());
}

TEST_CASE("a promise holds until what has come of it is known",
          "[net_protocol]") {
  simulation sim{154};
  sim.conditions.min_delay = sim.conditions.max_delay = 1ms;
  REQUIRE(sim.assemble(3));
  sim.cut(0, 1);
  REQUIRE(sim.run_until(20s, [&] {
    return !sim.at(0)->core.members().live(sim.at(1)->key)
           && !sim.at(1)->core.members().live(sim.at(0)->key);
  }));
  // 2 grants the claim of 0, but hears nothing of what comes of it.
  sim.lost = [](size_t from, size_t to, const packet& what) {
    return from == 0 && to == 2 && std::holds_alternative<steps>(what);
  };
  sim.at(0)->claim(ids(0, 1), claim_mode::fresh, true);
  REQUIRE(sim.run_until(1s, [&] { return sim.running() == 1; }));
  sim.run(5ms);
  sim.at(1)->claim(ids(0, 1), claim_mode::fresh, true);
  CHECK(sim.run_until(20s, [&] { return !sim.at(1)->outcomes.empty(); }));
  CHECK(sim.at(1)->outcomes.front().how != claim_outcome::granted);
  CHECK(sim.running() == 1);
}

TEST_CASE("a claim outlives a node that comes back slowly", "[net_protocol]") {
  simulation sim{102};
  REQUIRE(sim.assemble(3));
  // 0 and 2 claim the same ID on two sides; 0 is the later one.
  sim.cut(0, 2);
  sim.cut(1, 2);
  REQUIRE(sim.run_until(20s, [&] {
    return !sim.at(0)->core.members().live(sim.at(2)->key)
           && !sim.at(2)->core.members().live(sim.at(0)->key);
  }));
  sim.at(2)->claim(ids(0, 1), claim_mode::fresh, false);
  sim.at(0)->claim(ids(1, 1), claim_mode::fresh, false);
  REQUIRE(sim.run_until(1s, [&] { return sim.running() == 2; }));
  sim.at(0)->claim(ids(0, 1), claim_mode::fresh, false);
  REQUIRE(sim.run_until(1s, [&] {
    return sim.running() == 3 && sim.at(1)->core.entries().find(0) != nullptr;
  }));
  // 1 is cut off, too. Then it hears of the claim of 2, but not of its end, nor
  // again of that of 0, to which it has told what it knows.
  sim.cut(0, 1);
  REQUIRE(sim.run_until(20s, [&] {
    return !sim.at(1)->core.members().live(sim.at(0)->key);
  }));
  auto copies = 0;
  sim.lost = [&](size_t from, size_t to, const packet& what) {
    if (to != 1 || from == 1)
      return false;
    if (std::holds_alternative<copy>(what))
      return from == 0 || ++copies > 1;
    return std::holds_alternative<steps>(what);
  };
  sim.heal();
  sim.run(5s);
  sim.lost = nullptr;
  CHECK(sim.run_until(20s, [&] { return sim.settled(2); }));
}

TEST_CASE("what a node has said before it died is settled", "[net_protocol]") {
  simulation sim{103};
  REQUIRE(sim.assemble(3));
  sim.at(0)->claim(ids(0, 2), claim_mode::fresh, true);
  REQUIRE(sim.run_until(1s, [&] { return sim.settled(2); }));
  sim.cut(0, 2);
  sim.cut(1, 2);
  REQUIRE(sim.run_until(20s, [&] { return sim.at(2)->running.size() == 2; }));
  // 1 hears that the children of 0 have been taken over and removed.
  sim.at(2)->erase(0);
  sim.heal();
  sim.cut(0, 2);
  REQUIRE(sim.run_until(20s, [&] {
    return sim.at(1)->core.entries().find(0) == nullptr;
  }));
  sim.crash(2);
  CHECK(sim.run_until(20s, [&] { return sim.settled(1); }));
}

TEST_CASE("a node tells at once that it can take children", "[net_protocol]") {
  simulation sim{155};
  sim.conditions.min_delay = sim.conditions.max_delay = 1ms;
  REQUIRE(sim.assemble(2));
  auto known = [&] {
    return sim.at(0)->core.members().find(sim.at(1)->key)->directors;
  };
  auto before = sim.now();
  for (uint64_t x : {0, 2}) {
    sim.at(1)->director_count = x;
    sim.at(1)->core.flush();
    CHECK(sim.run_until(1s, [&] { return known() == x; }));
  }
  CHECK(sim.now() - before < sim.settings.heartbeat);
}

TEST_CASE("the dead are forgotten", "[net_protocol]") {
  simulation sim{154};
  REQUIRE(sim.assemble(3));
  sim.at(1)->claim(ids(0, 30), claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return sim.settled(30); }));
  for (int i = 0; i < 5; ++i) {
    sim.crash(1);
    REQUIRE(sim.run_until(20s, [&] { return sim.settled(30); }));
    sim.boot(1);
    REQUIRE(sim.run_until(20s, [&] {
      return sim.at(1)->core.ready() && sim.settled(30);
    }));
  }
  sim.run(1min);
  // Now and then, a heartbeat tells all the same what is known of them.
  size_t most = 0;
  size_t least = 1000;
  for (int i = 0; i < 40; ++i) {
    sim.run(sim.settings.heartbeat);
    for (auto* x : sim.nodes()) {
      CHECK(x->core.members().peers().size() == 2);
      most = std::max(most, sim.last_beat[x->key]);
      least = std::min(least, sim.last_beat[x->key]);
    }
  }
  CHECK(most >= 7);
  CHECK(least <= 3);
  CHECK(sim.settled(30));
}

TEST_CASE("one change costs the same in a large table", "[net_protocol]") {
  simulation sim{152};
  REQUIRE(sim.assemble(2));
  sim.at(0)->claim(ids(0, 2'000), claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return sim.settled(2'000); }));
  sim.run(1s);
  auto before = sim.at(1)->core.entries().seen(sim.at(0)->key);
  sim.at(0)->restart(7);
  sim.run(1s);
  CHECK(sim.at(1)->core.entries().seen(sim.at(0)->key) == before + 2);
}

TEST_CASE("changes that a later one overtakes are not sent", "[net_protocol]") {
  simulation sim{153};
  REQUIRE(sim.assemble(2));
  sim.at(0)->claim(ids(0, 2), claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return sim.settled(2); }));
  sim.run(1s);
  auto& core = sim.at(0)->core;
  auto& copy = sim.at(1)->core.entries();
  auto before = copy.seen(sim.at(0)->key);
  std::vector<steps> packets;
  sim.lost = [&](size_t, size_t, const packet& what) {
    if (auto* x = std::get_if<steps>(&what))
      packets.push_back(*x);
    return false;
  };
  auto put = [&](const child_id& id, child_status status, bool with_body) {
    auto next = *core.entries().find(id);
    next.status = status;
    next.body = with_body ? std::make_shared<const entry_body>() : nullptr;
    CHECK(core.put(std::move(next)));
  };
  auto delivered = [&](uint64_t changes) {
    core.flush();
    REQUIRE(sim.run_until(1s, [&] {
      return copy.seen(sim.at(0)->key) == before + changes;
    }));
    REQUIRE(packets.size() == 1);
    CHECK(packets[0].first == before + 1);
    return packets[0].list;
  };
  SECTION("by a change") {
    put(0, child_status::restarting, false);
    put(1, child_status::restarting, false);
    put(0, child_status::running, false);
    auto list = delivered(3);
    REQUIRE(list.size() == 2);
    CHECK(list[0].now.id == child_id{1});
    CHECK(list[1].now.id == child_id{0});
    CHECK(list[1].now.body == nullptr);
    CHECK(copy.find(0)->status == child_status::running);
  }
  SECTION("with what it says that the later one does not") {
    put(0, child_status::restarting, true);
    put(0, child_status::running, false);
    auto list = delivered(2);
    REQUIRE(list.size() == 1);
    CHECK(list[0].now.body != nullptr);
  }
  SECTION("by a removal") {
    put(0, child_status::terminating, false);
    core.erase(0);
    auto list = delivered(2);
    REQUIRE(list.size() == 1);
    CHECK(list[0].erased);
    CHECK(copy.find(0) == nullptr);
  }
  SECTION("unless it has been sent") {
    put(0, child_status::restarting, false);
    CHECK(delivered(1).size() == 1);
    packets.clear();
    ++before;
    put(0, child_status::running, false);
    CHECK(delivered(1).size() == 1);
  }
}
