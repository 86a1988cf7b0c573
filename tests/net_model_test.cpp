// The protocol between nodes under random schedules: nodes crash, freeze, leave
// and lose each other.

#include "catch.hpp"
#include "net_simulation.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string>

using namespace director;
using namespace director::net;
using namespace director::net::test;
using namespace std::chrono_literals;

namespace {

uint32_t env_number(const char* name, uint32_t otherwise) {
  auto* text = std::getenv(name);
  return text != nullptr ? static_cast<uint32_t>(std::stoul(text)) : otherwise;
}

/// Lets nodes crash, freeze, lose each other and claim at random, then lets
/// things calm down. Returns what went wrong.
std::string random_schedule(uint32_t seed, bool pause) {
  simulation sim{seed};
  auto& random = sim.random;
  auto pick = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
  sim.places = 3 + 2 * pick(2);
  sim.settings.pause_minority = pause;
  sim.settings.expected = pause ? sim.places : 0;
  sim.settings.alone_after = pause ? caf::timespan{1s} : caf::timespan{3s};
  for (size_t i = 0; i < sim.places; ++i)
    sim.boot(i);
  sim.run(10s);
  // Nodes may end, and connections too, but whoever lives is heard of: those
  // who come find a seed.
  auto reliable = pick(3) == 0;
  if (!reliable && pick(2) == 0)
    sim.conditions.loss = 0.01 * pick(6);
  sim.conditions.max_delay = std::chrono::milliseconds{1 + pick(50)};
  // Otherwise, what both sides of a partition run is put right afterwards.
  if (pause || reliable)
    sim.invariant = [&]() -> std::string {
      auto twice = sim.duplicates();
      return twice.empty() ? "" : to_string(twice[0]) + " runs twice";
    };
  auto keeps = [](const child_id& id) { return *id.integer() % 4 != 0; };
  std::set<child_id> removed;
  for (int step = 0; step < 80 && sim.violation.empty(); ++step) {
    for (size_t i = 0; i < sim.places; ++i)
      if (auto* gone = sim.at(i); gone != nullptr && gone->left)
        sim.crash(i);
    auto place = pick(static_cast<uint32_t>(sim.places));
    auto free = sim.at(place) == nullptr;
    // Who is frozen does nothing.
    auto* x = free || sim.at(place)->frozen ? nullptr : sim.at(place);
    auto id = child_id{pick(20)};
    // One node at least remembers.
    auto may_go = x != nullptr && sim.nodes().size() > 2
                  && !(reliable && place == 0);
    switch (pick(18)) {
      case 0:
        if (may_go)
          sim.crash(place);
        break;
      case 1:
      case 2:
        if (free)
          sim.boot(place);
        break;
      case 3:
        if (!reliable)
          sim.cut(place, pick(static_cast<uint32_t>(sim.places)));
        break;
      case 4:
        for (size_t i = 0; i < sim.places; ++i)
          if (i != place && !reliable)
            sim.cut(i, place);
        break;
      case 5:
      case 6:
        sim.heal();
        break;
      case 7:
        if (!free && !pause && !reliable)
          sim.freeze(place, x != nullptr);
        break;
      case 8:
        if (x != nullptr) {
          removed.insert(id);
          x->erase(id);
        }
        break;
      case 9:
        if (x != nullptr)
          x->core.rebalance(sim.now());
        break;
      case 10:
        if (x != nullptr)
          x->restart(id);
        break;
      case 11:
        if (may_go)
          x->core.leave(sim.now(), sim.now() + 10s);
        break;
      case 12:
        sim.disconnect(place, pick(static_cast<uint32_t>(sim.places)));
        break;
      default:
        if (x != nullptr && x->core.ready())
          x->claim({id}, claim_mode::fresh, keeps(id));
    }
    sim.run(std::chrono::milliseconds{pick(pick(4) == 0 ? 4000 : 200)});
  }
  sim.conditions.loss = 0;
  sim.heal();
  for (size_t i = 0; i < sim.places; ++i) {
    sim.freeze(i, false);
    if (sim.at(i) != nullptr && sim.at(i)->core.leaving())
      sim.crash(i);
    if (sim.at(i) == nullptr)
      sim.boot(i);
  }
  auto calm = [&] {
    if (!sim.duplicates().empty() || !sim.converged())
      return false;
    for (auto* x : sim.nodes()) {
      if (x->core.paused() || x->core.homeless() > 0
          || !x->unacknowledged.empty() || !x->core.rebalanced()
          || x->core.members().live_contacts().size() != sim.places - 1)
        return false;
      for (auto& [id, y] : x->running)
        if (y.ending || !x->core.entries().find(id)
            || x->core.entries().find(id)->last.author != x->key)
          return false;
      for (auto& [id, owned] : x->view) {
        auto* y = x->core.entries().find(id);
        if (y->director != 0 && y->last.author == x->key
            && !x->running.contains(id))
          return false;
      }
    }
    return true;
  };
  auto settled = sim.run_until(120s, calm);
  if (!sim.violation.empty())
    return sim.violation;
  if (!settled) {
    std::string text = "did not settle:";
    for (auto* x : sim.nodes()) {
      text += fmt::format(
        "\n n{} key {} paused {} homeless {} rebalanced {} seen {}", x->place,
        x->key, x->core.paused(), x->core.homeless(), x->core.rebalanced(),
        x->core.entries().seen());
      for (auto& [key, y] : x->core.members().peers())
        if (!y.dead)
          text += fmt::format(" ({} {}{}{})", y.who.name,
                              static_cast<int>(y.state),
                              y.established ? " established" : "",
                              y.synced ? " synced" : "");
      for (auto& [id, owned] : x->view)
        if (auto* y = x->core.entries().find(id))
          text += fmt::format(" {}{}{}@{}.{}", to_string(id), owned ? "+" : "-",
                              y->term, y->last.author, y->last.count);
      x->core.entries().visit_overruled([&](const entry& y) {
        text += fmt::format(" ({}+{}@{}.{} overruled)", to_string(y.id), y.term,
                            y.last.author, y.last.count);
      });
      text += " running:";
      for (auto& [id, y] : x->running)
        text += fmt::format(" {}{}", to_string(id), y.ending ? "(ending)" : "");
    }
    return text;
  }
  sim.run(10s);
  auto copies = sim.sent[packet{copy{}}.index()];
  sim.run(10s);
  if (sim.sent[packet{copy{}}.index()] != copies)
    return "equal copies are sent again and again";
  // With `ignore`, what one side removes and another one starts may be gone.
  auto runs = [&](const child_id& id) {
    return std::ranges::any_of(sim.nodes(), [&](sim_node* x) {
      return x->running.contains(id);
    });
  };
  for (auto& [id, claim] : sim.started)
    if ((pause || !removed.contains(id)) && !runs(id))
      return "lost " + to_string(id);
  if (pause)
    for (auto& id : sim.deleted)
      if (keeps(id) && runs(id))
        return to_string(id) + " has come back";
  return {};
}

void check_schedules(bool pause) {
  auto runs = env_number("DIRECTOR_MODEL_RUNS", 500);
  auto first = env_number("DIRECTOR_MODEL_SEED", 1);
  for (uint32_t seed = first; seed < first + runs; ++seed) {
    auto wrong = random_schedule(seed, pause);
    INFO("DIRECTOR_MODEL_SEED=" << seed << " DIRECTOR_MODEL_RUNS=1");
    REQUIRE(wrong == "");
  }
}

} // namespace

TEST_CASE("random schedules with pause_minority", "[net_model]") {
  check_schedules(true);
}

TEST_CASE("random schedules with ignore", "[net_model]") {
  check_schedules(false);
}
