// The protocol between nodes, in a simulated network.

#include "catch.hpp"
#include "net_simulation.hpp"

#include <algorithm>
#include <director/net/placement.hpp>
#include <string>

using namespace director;
using namespace director::net;
using namespace director::net::test;
using namespace std::chrono_literals;

namespace {

/// A cluster whose nodes all know each other.
void assemble(simulation& sim, size_t count) {
  sim.places = count;
  for (size_t i = 0; i < count; ++i)
    sim.boot(i);
  auto complete = [&] {
    return std::ranges::all_of(sim.nodes(), [&](sim_node* x) {
      return x->core.ready()
             && x->core.members().live_contacts().size() == count - 1;
    });
  };
  REQUIRE(sim.run_until(60s, complete));
  REQUIRE(sim.run_until(60s, [&] {
    return std::ranges::none_of(sim.nodes(),
                                [](sim_node* x) { return x->core.paused(); });
  }));
  // Heartbeats tell who can take children.
  sim.run(1s);
}

std::vector<child_id> ids(int64_t first, int64_t count) {
  std::vector<child_id> result;
  for (int64_t i = 0; i < count; ++i)
    result.emplace_back(first + i);
  return result;
}

size_t running(simulation& sim) {
  size_t result = 0;
  for (auto* x : sim.nodes())
    result += x->running.size();
  return result;
}

/// All kept children run, once, and everybody knows.
bool settled(simulation& sim, size_t children) {
  return running(sim) == children && sim.duplicates().empty()
         && sim.converged();
}

} // namespace

TEST_CASE("nodes find each other through any seed", "[net_protocol]") {
  simulation sim{1};
  assemble(sim, 5);
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
  assemble(sim, 3);
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
  assemble(sim, 3);
  for (auto* x : sim.nodes())
    x->claim(ids(0, 100), claim_mode::fresh, true);
  CHECK(sim.run_until(20s, [&] {
    return settled(sim, 100) && std::ranges::all_of(sim.nodes(), [](auto* x) {
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
  assemble(sim, 3);
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
  assemble(sim, 3);
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

TEST_CASE("children of a crashed node run on the others", "[net_protocol]") {
  simulation sim{GENERATE(range(40u, 60u))};
  assemble(sim, 3);
  sim.at(0)->claim(ids(0, 30), claim_mode::fresh, true);
  sim.at(1)->claim(ids(30, 30), claim_mode::fresh, true);
  sim.at(2)->claim(ids(60, 30), claim_mode::fresh, true);
  sim.at(2)->claim(ids(90, 10), claim_mode::fresh, false);
  REQUIRE(sim.run_until(20s, [&] { return settled(sim, 100); }));
  sim.crash(2);
  REQUIRE(sim.run_until(20s, [&] { return settled(sim, 90); }));
  // Evenly, and nobody else has moved.
  CHECK(sim.at(0)->running.size() == 45);
  for (auto& [id, x] : sim.at(0)->running)
    CHECK(x.incarnation == (*id.integer() < 60 ? 1 : 2));
}

TEST_CASE("a frozen node is replaced after the time of suspicion",
          "[net_protocol]") {
  simulation sim{61};
  assemble(sim, 3);
  sim.at(2)->claim(ids(0, 30), claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return settled(sim, 30); }));
  sim.freeze(2, true);
  auto before = sim.now();
  REQUIRE(sim.run_until(20s, [&] {
    return sim.at(0)->running.size() + sim.at(1)->running.size() == 30;
  }));
  CHECK(sim.now() - before > sim.settings.suspicion);
  CHECK(sim.now() - before < sim.settings.suspicion + 500ms);
  // Awake again, it gives up what others have taken.
  sim.freeze(2, false);
  CHECK(sim.run_until(20s, [&] { return settled(sim, 30); }));
  CHECK(sim.at(2)->running.empty());
}

TEST_CASE("a node that leaves hands its children over", "[net_protocol]") {
  simulation sim{62};
  assemble(sim, 3);
  sim.at(1)->claim(ids(0, 30), claim_mode::fresh, true);
  sim.at(1)->claim(ids(30, 5), claim_mode::fresh, false);
  REQUIRE(sim.run_until(20s, [&] { return settled(sim, 35); }));
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

TEST_CASE("a second loss during a takeover", "[net_protocol]") {
  auto seed = GENERATE(range(70u, 100u));
  simulation sim{seed};
  assemble(sim, 5);
  sim.at(4)->claim(ids(0, 100), claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return settled(sim, 100); }));
  sim.crash(4);
  sim.run(std::chrono::microseconds{seed * 500 % 15'000});
  sim.crash(seed % 4);
  CHECK(sim.run_until(30s, [&] { return settled(sim, 100); }));
}

TEST_CASE("a child whose functions a node lacks goes to another",
          "[net_protocol]") {
  simulation sim{101};
  assemble(sim, 4);
  for (auto& id : ids(0, 10)) {
    sim.at(0)->unknown_functions.insert(id);
    sim.at(1)->unknown_functions.insert(id);
  }
  sim.at(3)->claim(ids(0, 10), claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return settled(sim, 10); }));
  sim.crash(3);
  CHECK(sim.run_until(20s, [&] { return settled(sim, 10); }));
  CHECK(sim.at(2)->running.size() == 10);
}

TEST_CASE("a node that cannot read a child does without", "[net_protocol]") {
  simulation sim{GENERATE(range(150u, 160u))};
  assemble(sim, 3);
  sim.at(2)->unknown_types.insert(7);
  sim.at(0)->claim(ids(0, 10), claim_mode::fresh, true);
  // Long before the claim timeout.
  CHECK(sim.run_until(3s, [&] {
    return sim.started.size() == 10 && settled(sim, 10);
  }));
  CHECK_FALSE(sim.at(2)->core.entries().find(7)->body->raw.empty());
  CHECK(sim.at(1)->core.entries().find(7)->body->raw.empty());
  // What it cannot read, it can neither run nor change.
  sim.crash(0);
  CHECK(sim.run_until(20s, [&] { return settled(sim, 10); }));
  CHECK(sim.at(1)->running.contains(7));
  sim.crash(1);
  CHECK(sim.run_until(20s, [&] { return running(sim) == 9; }));
  sim.at(2)->claim({7}, claim_mode::adopt, true);
  CHECK(sim.at(2)->outcomes.back().how == claim_outcome::unreadable);
  // But it passes it on.
  sim.boot(1);
  CHECK(sim.run_until(30s, [&] { return settled(sim, 10); }));
  CHECK(sim.at(1)->running.contains(7));
}

TEST_CASE("a node that cannot read a child can join", "[net_protocol]") {
  simulation sim{GENERATE(range(160u, 170u))};
  assemble(sim, 2);
  sim.at(0)->claim(ids(0, 10), claim_mode::fresh, true);
  REQUIRE(sim.run_until(3s, [&] { return settled(sim, 10); }));
  auto& late = sim.boot(2);
  late.unknown_types = {3, 4};
  CHECK(sim.run_until(3s, [&] { return late.core.ready(); }));
  sim.at(0)->claim(ids(10, 10), claim_mode::fresh, true);
  CHECK(sim.run_until(3s, [&] {
    return sim.started.size() == 20 && settled(sim, 20);
  }));
}

TEST_CASE("what a node has declined is asked of its next director",
          "[net_protocol]") {
  // Once the node that decides, once another one.
  auto decider = GENERATE(true, false);
  simulation sim{103};
  assemble(sim, 3);
  for (size_t place : {0, 1})
    for (auto& id : ids(0, 10))
      sim.at(place)->unknown_functions.insert(id);
  sim.at(2)->claim(ids(0, 10), claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return settled(sim, 10); }));
  sim.crash(2);
  sim.run(10s);
  CHECK(running(sim) == 0);
  auto decides = (sim.at(0)->key < sim.at(1)->key) == decider ? 0 : 1;
  sim.at(decides)->unknown_functions.clear();
  sim.at(decides)->director_count = 2;
  CHECK(sim.run_until(20s, [&] { return settled(sim, 10); }));
  CHECK(sim.at(decides)->running.size() == 10);
}

TEST_CASE("a placement always has nodes to choose from", "[net_protocol]") {
  simulation sim{104};
  size_t fewest = 100;
  sim.settings.placement = [&](auto& children, auto& nodes) {
    fewest = std::min(fewest, nodes.size());
    return std::vector<node_key>(children.size(), nodes.at(0).key);
  };
  assemble(sim, 3);
  for (size_t place : {0, 1})
    sim.at(place)->unknown_functions.insert(1);
  sim.at(2)->claim({1}, claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return settled(sim, 1); }));
  sim.crash(2);
  sim.run(10s);
  // Both have been asked, then nobody was left.
  CHECK(fewest == 1);
  CHECK(sim.at(0)->complaints.empty());
  CHECK(sim.at(1)->complaints.empty());
}

TEST_CASE("a placement that fails is reported", "[net_protocol]") {
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
  assemble(sim, 3);
  sim.at(2)->claim(ids(0, 10), claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return settled(sim, 10); }));
  sim.crash(2);
  sim.run(10s);
  CHECK(settled(sim, placed ? 10 : 0));
  auto& decides = *sim.at(sim.at(0)->key < sim.at(1)->key ? 0 : 1);
  REQUIRE(decides.complaints.empty() == text.empty());
  for (auto& x : decides.complaints)
    CHECK(x == text);
}

TEST_CASE("children wait for a node with directors", "[net_protocol]") {
  simulation sim{102};
  assemble(sim, 3);
  sim.at(0)->director_count = 0;
  sim.at(1)->director_count = 0;
  sim.at(2)->claim(ids(0, 10), claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return settled(sim, 10); }));
  sim.crash(2);
  sim.run(10s);
  CHECK(running(sim) == 0);
  sim.at(1)->director_count = 1;
  CHECK(sim.run_until(20s, [&] { return settled(sim, 10); }));
}

TEST_CASE("partition in the mode ignore: both sides carry on, then converge",
          "[net_protocol]") {
  simulation sim{GENERATE(range(110u, 130u))};
  assemble(sim, 3);
  sim.at(0)->claim(ids(0, 20), claim_mode::fresh, true);
  sim.at(2)->claim(ids(20, 20), claim_mode::fresh, true);
  sim.at(2)->claim(ids(40, 5), claim_mode::fresh, false);
  REQUIRE(sim.run_until(20s, [&] { return settled(sim, 45); }));
  sim.cut(0, 2);
  sim.cut(1, 2);
  REQUIRE(sim.run_until(20s, [&] { return running(sim) == 85; }));
  // The same new ID on both sides.
  sim.at(0)->claim(ids(100, 5), claim_mode::fresh, true);
  sim.at(2)->claim(ids(100, 5), claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return running(sim) == 95; }));
  sim.heal();
  CHECK(sim.run_until(30s, [&] { return settled(sim, 50); }));
  size_t conflicts = 0;
  for (auto* x : sim.nodes())
    conflicts += x->conflicts;
  CHECK(conflicts == 45);
}

TEST_CASE("a side without majority pauses", "[net_protocol]") {
  simulation sim{GENERATE(range(130u, 150u))};
  sim.settings.pause_minority = true;
  sim.settings.expected = 3;
  assemble(sim, 3);
  sim.at(0)->claim(ids(0, 20), claim_mode::fresh, true);
  sim.at(2)->claim(ids(20, 20), claim_mode::fresh, true);
  sim.at(2)->claim(ids(40, 5), claim_mode::fresh, false);
  REQUIRE(sim.run_until(20s, [&] { return settled(sim, 45); }));
  sim.invariant = [&]() -> std::string {
    return sim.duplicates().empty() ? "" : "a child runs twice";
  };
  sim.cut(0, 2);
  sim.cut(1, 2);
  REQUIRE(sim.run_until(20s, [&] { return sim.at(2)->core.paused(); }));
  sim.at(2)->claim(ids(100, 1), claim_mode::fresh, true);
  CHECK(sim.at(2)->outcomes.back().how == claim_outcome::no_quorum);
  REQUIRE(sim.run_until(20s, [&] {
    return sim.at(2)->running.empty() && running(sim) == 40;
  }));
  // What is removed here does not come back from there.
  sim.run(100ms);
  for (auto& id : ids(20, 20))
    for (size_t place : {0, 1})
      if (sim.at(place)->running.contains(id) && *id.integer() % 2 == 0)
        sim.at(place)->erase(id);
  sim.run(5s);
  sim.heal();
  CHECK(sim.run_until(30s, [&] { return settled(sim, 35); }));
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
  assemble(sim, 5);
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
  CHECK(sim.run_until(20s, [&] { return running(sim) == 20; }));
  CHECK(first.running.empty());
}

TEST_CASE("a node that has paused keeps others from what has yet to end",
          "[net_protocol]") {
  simulation sim{GENERATE(range(180u, 190u))};
  sim.settings.pause_minority = true;
  sim.settings.expected = 5;
  assemble(sim, 5);
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
  assemble(sim, 3);
  sim.at(0)->claim(ids(0, 10), claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return settled(sim, 10); }));
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
    return sim.at(0)->running.empty() && running(sim) == 10;
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
  CHECK(sim.run_until(1s, [&] { return settled(sim, 1); }));
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
  assemble(sim, 3);
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
  REQUIRE(sim.run_until(1s, [&] { return running(sim) == 1; }));
  sim.run(5ms);
  sim.at(1)->claim(ids(0, 1), claim_mode::fresh, true);
  CHECK(sim.run_until(20s, [&] { return !sim.at(1)->outcomes.empty(); }));
  CHECK(sim.at(1)->outcomes.front().how != claim_outcome::granted);
  CHECK(running(sim) == 1);
}

TEST_CASE("a claim outlives a node that comes back slowly", "[net_protocol]") {
  simulation sim{102};
  assemble(sim, 3);
  // 0 and 2 claim the same ID on two sides; 0 is the later one.
  sim.cut(0, 2);
  sim.cut(1, 2);
  REQUIRE(sim.run_until(20s, [&] {
    return !sim.at(0)->core.members().live(sim.at(2)->key)
           && !sim.at(2)->core.members().live(sim.at(0)->key);
  }));
  sim.at(2)->claim(ids(0, 1), claim_mode::fresh, false);
  sim.at(0)->claim(ids(1, 1), claim_mode::fresh, false);
  REQUIRE(sim.run_until(1s, [&] { return running(sim) == 2; }));
  sim.at(0)->claim(ids(0, 1), claim_mode::fresh, false);
  REQUIRE(sim.run_until(1s, [&] {
    return running(sim) == 3 && sim.at(1)->core.entries().find(0) != nullptr;
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
  CHECK(sim.run_until(20s, [&] { return settled(sim, 2); }));
}

TEST_CASE("what a node has said before it died is settled", "[net_protocol]") {
  simulation sim{103};
  assemble(sim, 3);
  sim.at(0)->claim(ids(0, 2), claim_mode::fresh, true);
  REQUIRE(sim.run_until(1s, [&] { return settled(sim, 2); }));
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
  CHECK(sim.run_until(20s, [&] { return settled(sim, 1); }));
}

TEST_CASE("a node tells at once that it can take children", "[net_protocol]") {
  simulation sim{155};
  sim.conditions.min_delay = sim.conditions.max_delay = 1ms;
  assemble(sim, 2);
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

TEST_CASE("a node that comes back owns nothing", "[net_protocol]") {
  simulation sim{151};
  assemble(sim, 3);
  sim.at(1)->claim(ids(0, 30), claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return settled(sim, 30); }));
  sim.crash(1);
  REQUIRE(sim.run_until(20s, [&] { return settled(sim, 30); }));
  sim.boot(1);
  REQUIRE(sim.run_until(20s, [&] {
    return sim.at(1)->core.ready() && settled(sim, 30);
  }));
  sim.run(1s);
  CHECK(sim.at(1)->running.empty());
  CHECK(sim.at(1)->view.size() == 30);
  sim.invariant = [&]() -> std::string {
    return sim.duplicates().empty() ? "" : "a child runs twice";
  };
  sim.at(2)->core.rebalance(sim.now());
  CHECK(sim.run_until(20s, [&] {
    return settled(sim, 30) && sim.at(1)->running.size() == 10;
  }));
  // One stop and one start each, for as few as possible.
  size_t moved = 0;
  for (auto* x : sim.nodes())
    for (auto& [id, child] : x->running)
      moved += child.incarnation == 3 ? 1 : 0;
  CHECK(moved == 10);
}

TEST_CASE("the dead are forgotten", "[net_protocol]") {
  simulation sim{154};
  assemble(sim, 3);
  sim.at(1)->claim(ids(0, 30), claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return settled(sim, 30); }));
  for (int i = 0; i < 5; ++i) {
    sim.crash(1);
    REQUIRE(sim.run_until(20s, [&] { return settled(sim, 30); }));
    sim.boot(1);
    REQUIRE(sim.run_until(20s, [&] {
      return sim.at(1)->core.ready() && settled(sim, 30);
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
  CHECK(settled(sim, 30));
}

TEST_CASE("a node that is slow is not left out", "[net_protocol]") {
  simulation sim{153};
  assemble(sim, 3);
  sim.at(1)->claim(ids(0, 30), claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return settled(sim, 30); }));
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
  CHECK(sim.run_until(5s, [&] {
    return settled(sim, 30)
           && std::ranges::all_of(sim.nodes(), [](sim_node* x) {
                return x->running.size() == 10;
              });
  }));
}

TEST_CASE("one change costs the same in a large table", "[net_protocol]") {
  simulation sim{152};
  assemble(sim, 2);
  sim.at(0)->claim(ids(0, 2'000), claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return settled(sim, 2'000); }));
  sim.run(1s);
  auto before = sim.at(1)->core.entries().seen(sim.at(0)->key);
  sim.at(0)->restart(7);
  sim.run(1s);
  CHECK(sim.at(1)->core.entries().seen(sim.at(0)->key) == before + 2);
}

TEST_CASE("changes that a later one overtakes are not sent", "[net_protocol]") {
  simulation sim{153};
  assemble(sim, 2);
  sim.at(0)->claim(ids(0, 2), claim_mode::fresh, true);
  REQUIRE(sim.run_until(20s, [&] { return settled(sim, 2); }));
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

TEST_CASE("even placement", "[net_protocol]") {
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
