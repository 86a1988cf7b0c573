// Engines in a world with a manual clock: times, orders and faults to the dot.

#include "catch.hpp"
#include "fake_world.hpp"

#include <director/test/slow_table.hpp>

using namespace director;
using namespace fixture;
using namespace std::chrono_literals;
using director::test::table_call;

template <>
struct Catch::StringMaker<caf::error> {
  static std::string convert(const caf::error& x) {
    return to_string(x);
  }
};

namespace {

/// An engine, its world and all it says.
struct rig {
  explicit rig(table_ptr tab = std::make_shared<list_table>())
    : table(std::move(tab)) {
    opts.kill_grace = 2s;
    opts.seed = 1;
    opts.sink = [this](const report& x) {
      reports.push_back(
        to_string(x.kind) + " " + to_string(x.level)
        + (x.child != nullptr ? " " + to_string(x.child->id) : ""));
    };
    world.on_start = [this](fake_world&, const child_record& x) {
      return next(x);
    };
  }

  /// Brings the engine up.
  rig& up(std::vector<child_spec> children = {}) {
    first.children = std::move(children);
    opts.table = table;
    hooks.init = [this](const caf::message&) { return first; };
    eng = std::make_unique<engine>(world, world, hooks, opts);
    world.eng = eng.get();
    up_request = world.next_request();
    eng->init({});
    eng->await_up(up_request);
    return *this;
  }

  start_result next(const child_record& x) {
    if (failing.contains(x.id))
      return caf::make_error(caf::sec::runtime_error, "no luck");
    auto handle = world.make_actor();
    world.child(handle)->id = x.id;
    if (slow.contains(x.id))
      return start_result::starting(handle);
    return handle;
  }

  // -- requests ---------------------------------------------------------------

  request_id start(child_spec spec) {
    auto id = world.next_request();
    eng->start_child(id, std::move(spec));
    return id;
  }

  request_id restart(const child_id& child) {
    auto id = world.next_request();
    eng->restart_child(id, child);
    return id;
  }

  request_id terminate(const child_id& child, bool erase = false) {
    auto id = world.next_request();
    eng->terminate_child(id, child, erase);
    return id;
  }

  request_id remove(const child_id& child) {
    auto id = world.next_request();
    eng->delete_child(id, child);
    return id;
  }

  request_id stop(caf::error reason = caf::exit_reason::user_shutdown) {
    auto id = world.next_request();
    eng->stop(id, std::move(reason));
    return id;
  }

  // -- answers ----------------------------------------------------------------

  bool open(request_id id) {
    return world.replies[id].empty();
  }

  bool ok(request_id id) {
    return world.reply_to(id) != nullptr && !world.error_of(id);
  }

  caf::error error(request_id id) {
    return world.error_of(id);
  }

  // -- children ---------------------------------------------------------------

  fake_child& child(const child_id& id) {
    auto* result = world.running(id);
    if (result == nullptr)
      FAIL("does not run: " << to_string(id));
    return *result;
  }

  void crash(const child_id& id) {
    world.die(child(id), caf::sec::runtime_error);
  }

  void die(const child_id& id) {
    world.die(child(id), caf::exit_reason::user_shutdown);
  }

  /// Names the live children that were asked to end, in the given order.
  std::string asked(const std::vector<child_id>& ids) {
    std::string result;
    for (auto& id : ids)
      if (auto* x = world.running(id); x != nullptr && x->shutdowns > 0)
        result += to_string(id);
    return result;
  }

  std::string status(const child_id& id) {
    auto record = table->find(id);
    return record ? to_string(record->status) : "none";
  }

  uint64_t restarts(const child_id& id) {
    auto record = table->find(id);
    return record ? record->restart_count : 9999;
  }

  uint64_t starts(const child_id& id) {
    return world.starts[id];
  }

  size_t reported(const std::string& text) {
    size_t result = 0;
    for (auto& x : reports)
      if (x.find(text) != std::string::npos)
        ++result;
    return result;
  }

  fake_world world;
  table_ptr table;
  std::vector<std::string> reports;
  std::set<child_id> failing;
  std::set<child_id> slow;
  director_options opts;
  init_result first;
  callbacks hooks;
  std::unique_ptr<engine> eng;
  request_id up_request = 0;
};

child_spec with_plan(child_id id, plan_function plan) {
  auto result = fake_spec(std::move(id));
  result.plan = std::move(plan);
  return result;
}

plan_function after_a_while(caf::timespan interval) {
  return [interval](exit_info&) { return verdict::restart_after(interval); };
}

} // namespace

// -- timers -------------------------------------------------------------------

TEST_CASE("a delayed restart comes at its time and not before", "[engine]") {
  rig r;
  r.up({with_plan("a", after_a_while(10s))});
  REQUIRE(r.ok(r.up_request));
  r.crash("a");
  CHECK(r.status("a") == "restarting");
  CHECK(r.world.wake == r.world.time + 10s);
  CHECK(r.starts("a") == 1);
  r.world.advance(10s - 1ns);
  CHECK(r.starts("a") == 1);
  CHECK(r.world.metrics[metric::children] == 0);
  r.world.advance(1ns);
  CHECK(r.starts("a") == 2);
  CHECK(r.status("a") == "running");
  CHECK(r.restarts("a") == 1);
  CHECK(r.world.wake == time_point::max());
  CHECK(r.world.restarts_measured == 1);
  CHECK(r.world.metrics[metric::children] == 1);
  CHECK(r.world.metrics[metric::starts] == 2);
  CHECK(r.world.metrics[metric::restarts] == 1);
  CHECK(r.world.metrics[metric::crashes] == 1);
  CHECK(r.world.turns_wanted == 0);
}

TEST_CASE("timers of several children do not mix", "[engine]") {
  rig r;
  r.up({with_plan("a", after_a_while(30s)), with_plan("b", after_a_while(10s)),
        with_plan("c", after_a_while(20s))});
  for (auto id : {"a", "b", "c"})
    r.crash(id);
  CHECK(r.world.wake == r.world.time + 10s);
  r.world.advance(10s);
  CHECK(r.starts("b") == 2);
  CHECK(r.starts("c") == 1);
  CHECK(r.world.wake == r.world.time + 10s);
  r.crash("b");
  r.world.advance(10s);
  CHECK(r.starts("b") == 3);
  CHECK(r.starts("c") == 2);
  CHECK(r.starts("a") == 1);
  r.world.advance(10s);
  CHECK(r.starts("a") == 2);
  CHECK(r.starts("b") == 3);
}

TEST_CASE("a delayed restart can be cancelled", "[engine]") {
  rig r;
  r.up(
    {with_plan("a", after_a_while(10s)), with_plan("b", after_a_while(10s))});
  r.crash("a");
  r.crash("b");
  CHECK(r.error(r.restart("a")) == errc::restarting);
  CHECK(r.error(r.remove("a")) == errc::restarting);
  CHECK(r.error(r.start(fake_spec("a"))) == errc::already_present);
  CHECK(r.ok(r.terminate("a")));
  CHECK(r.status("a") == "undefined");
  CHECK(r.ok(r.terminate("b", true)));
  CHECK(r.status("b") == "none");
  r.world.advance(1h);
  r.world.run_turns();
  CHECK(r.starts("a") == 1);
  CHECK(r.starts("b") == 1);
  // The cancelled timer leaves the next one alone.
  CHECK(r.ok(r.restart("a")));
  r.crash("a");
  r.world.advance(10s - 1ns);
  CHECK(r.starts("a") == 2);
  r.world.advance(1ns);
  CHECK(r.starts("a") == 3);
}

TEST_CASE("many timers at once leave room for other work", "[engine]") {
  constexpr int count = 700;
  rig r;
  r.up();
  for (int i = 0; i < count; ++i)
    REQUIRE(r.ok(r.start(with_plan(i, after_a_while(1s)))));
  for (int i = 0; i < count; ++i)
    r.crash(i);
  auto second = [&] {
    size_t result = 0;
    for (int i = 0; i < count; ++i)
      if (r.starts(i) == 2)
        ++result;
    return result;
  };
  CHECK(second() == 0);
  r.world.advance(1s);
  CHECK(second() == defaults::starts_per_turn);
  CHECK(r.world.wake <= r.world.time);
  r.world.advance(0s);
  CHECK(second() == count);
}

// -- quiet time ---------------------------------------------------------------

TEST_CASE("recent crashes are forgotten after a quiet time", "[engine]") {
  std::vector<std::pair<uint32_t, uint64_t>> seen;
  plan_function plan = [&](exit_info& info) {
    seen.emplace_back(info.recent, info.lifetime);
    return verdict::restart();
  };
  rig r;
  r.up({with_plan("a", plan.with_quiet_time(10s))});
  r.crash("a");
  r.world.advance(10s - 1ns);
  r.crash("a");
  r.world.advance(10s);
  r.crash("a");
  r.crash("a");
  r.world.advance(1h);
  r.crash("a");
  std::vector<std::pair<uint32_t, uint64_t>> want
    = {{1, 0}, {2, 1}, {1, 2}, {2, 3}, {1, 4}};
  CHECK(seen == want);
  CHECK(r.restarts("a") == 5);
}

TEST_CASE("time without running is not quiet", "[engine]") {
  std::vector<uint32_t> seen;
  plan_function plan = [&](exit_info& info) {
    seen.push_back(info.recent);
    return verdict::restart_after(1h);
  };
  rig r;
  r.up({with_plan("a", plan.with_quiet_time(10s))});
  r.crash("a");
  r.world.advance(1h);
  r.world.advance(9s);
  r.crash("a");
  r.world.advance(1h);
  r.world.advance(10s);
  r.crash("a");
  CHECK(seen == std::vector<uint32_t>{1, 2, 1});
}

TEST_CASE("the standard plan on an engine", "[engine]") {
  rig r;
  r.up({fake_spec("a")});
  for (uint64_t i = 1; i <= 3; ++i) {
    r.crash("a");
    CHECK(r.starts("a") == i + 1);
  }
  r.crash("a");
  CHECK(r.starts("a") == 4);
  r.world.advance(1s);
  CHECK(r.starts("a") == 5);
  // A quiet minute, and everything starts anew.
  r.world.advance(1min);
  r.crash("a");
  CHECK(r.starts("a") == 6);
  r.world.advance(1min - 1ns);
  r.crash("a");
  r.crash("a");
  r.crash("a");
  r.world.advance(1s);
  CHECK(r.starts("a") == 9);
  CHECK(r.world.ends.empty());
  r.crash("a");
  r.world.run_turns();
  REQUIRE(r.world.ends.size() == 1);
  CHECK(r.world.ends[0] == caf::sec::runtime_error);
}

// -- ends of children ---------------------------------------------------------

TEST_CASE("a stubborn child is asked, killed and given up", "[engine]") {
  auto spec = with_plan("a", plans::permanent());
  spec.terminate_timeout = 3s;
  rig r;
  r.up({spec});
  auto& x = r.child("a");
  auto erase = GENERATE(false, true);
  auto request = r.terminate("a", erase);
  CHECK(x.shutdowns == 1);
  CHECK(x.kills == 0);
  CHECK(r.status("a") == "terminating");
  r.world.advance(3s - 1ns);
  CHECK(x.kills == 0);
  r.world.advance(1ns);
  CHECK(x.kills == 1);
  CHECK(x.shutdowns == 1);
  CHECK(r.reported("shutdown_error warning a") == 1);
  auto second = r.terminate("a", erase);
  r.world.advance(2s - 1ns);
  CHECK(r.open(request));
  CHECK(r.open(second));
  CHECK(r.status("a") == "terminating");
  r.world.advance(1ns);
  CHECK(r.error(request) == errc::unresponsive);
  CHECK(r.error(second) == errc::unresponsive);
  CHECK(r.status("a") == "unresponsive");
  CHECK(r.reported("shutdown_error error a") == 1);
  // Nothing starts under this ID while the old actor lives.
  CHECK(r.error(r.restart("a")) == errc::unresponsive);
  CHECK(r.error(r.start(fake_spec("a"))) == errc::unresponsive);
  CHECK(r.error(r.terminate("a")) == errc::unresponsive);
  CHECK(r.error(r.remove("a")) == errc::running);
  r.world.advance(1h);
  r.world.run_turns();
  CHECK(r.starts("a") == 1);
  CHECK(x.shutdowns == 1);
  CHECK(x.kills == 1);
  // Dead at last.
  r.world.die(x, caf::exit_reason::kill);
  CHECK(r.starts("a") == 1);
  if (erase) {
    CHECK(r.status("a") == "none");
    CHECK(r.ok(r.start(fake_spec("a"))));
    CHECK(r.restarts("a") == 0);
  } else {
    CHECK(r.status("a") == "undefined");
    CHECK_FALSE(r.table->find("a")->handle);
    CHECK(r.ok(r.restart("a")));
    CHECK(r.restarts("a") == 1);
  }
  CHECK(r.world.metrics[metric::children] == 1);
}

TEST_CASE("a terminate timeout of zero kills, an infinite one never",
          "[engine]") {
  auto now = fake_spec("now");
  now.terminate_timeout = 0s;
  auto never = fake_spec("never");
  never.terminate_timeout = caf::infinite;
  rig r;
  r.up({now, never});
  auto first = r.terminate("now");
  CHECK(r.child("now").shutdowns == 0);
  CHECK(r.child("now").kills == 1);
  CHECK(r.world.wake == r.world.time + 2s);
  r.world.die(r.child("now"), caf::exit_reason::kill);
  CHECK(r.ok(first));
  auto second = r.terminate("never");
  r.world.advance(1000h);
  CHECK(r.child("never").shutdowns == 1);
  CHECK(r.child("never").kills == 0);
  CHECK(r.open(second));
  r.die("never");
  CHECK(r.ok(second));
  CHECK(r.reported("shutdown_error") == 0);
}

TEST_CASE("a child that goes in time is not killed", "[engine]") {
  rig r;
  r.up({with_plan("a", plans::permanent())});
  auto& x = r.child("a");
  auto request = r.terminate("a");
  r.world.advance(5s - 1ns);
  r.world.die(x, caf::exit_reason::user_shutdown);
  CHECK(r.ok(request));
  r.world.advance(1h);
  CHECK(x.kills == 0);
  CHECK(r.starts("a") == 1);
  CHECK(r.status("a") == "undefined");
  // No crash, although it was asked to end; another reason is worth a report.
  CHECK(r.world.metrics[metric::crashes] == 0);
  CHECK(r.reported("shutdown_error") == 0);
  CHECK(r.reported("child_terminated") == 0);
  CHECK(r.ok(r.restart("a")));
  request = r.terminate("a");
  r.crash("a");
  CHECK(r.ok(request));
  CHECK(r.reported("shutdown_error warning a") == 1);
}

// -- starts -------------------------------------------------------------------

TEST_CASE("a child that is not ready in time does not start", "[engine]") {
  auto spec = fake_spec("a");
  spec.start_timeout = 4s;
  spec.terminate_timeout = 3s;
  rig r;
  r.slow = {"a"};
  r.up();
  auto request = r.start(spec);
  auto& x = r.child("a");
  CHECK(x.asked_ready);
  CHECK(r.status("a") == "restarting");
  CHECK(r.error(r.restart("a")) == errc::restarting);
  r.world.advance(4s - 1ns);
  CHECK(x.shutdowns == 0);
  r.world.advance(1ns);
  CHECK(x.shutdowns == 1);
  CHECK(r.open(request));
  // Too late.
  r.eng->child_ready(x.ref, caf::make_message("late"));
  CHECK(r.open(request));
  CHECK(r.status("a") == "terminating");
  r.world.advance(3s);
  CHECK(x.kills == 1);
  CHECK(r.open(request));
  r.world.die(x, caf::exit_reason::kill);
  CHECK(r.error(request) == errc::start_timeout);
  CHECK(r.status("a") == "none");
  CHECK(r.world.metrics[metric::starts] == 0);
  CHECK(r.reported("start_error error a") == 1);
}

TEST_CASE("a ready answer settles the start, once", "[engine]") {
  rig r;
  r.slow = {"a", "b"};
  r.up();
  auto request = r.start(fake_spec("a"));
  auto ref = r.child("a").ref;
  r.eng->child_ready(ref, caf::make_message("extra"));
  REQUIRE(r.ok(request));
  auto& value = std::get<started>(*r.world.reply_to(request));
  CHECK(value.handle == r.child("a").handle);
  CHECK(to_string(value.extra) == R"__(message("extra"))__");
  CHECK(r.status("a") == "running");
  r.eng->child_ready(ref, caf::make_error(caf::sec::runtime_error));
  CHECK(r.status("a") == "running");
  CHECK(r.child("a").shutdowns == 0);
  // The start timer is off.
  r.world.advance(1h);
  CHECK(r.child("a").shutdowns == 0);
  CHECK(r.world.replies[request].size() == 1);
  // An error is the outcome of the start, when the actor is gone.
  auto failed = r.start(fake_spec("b"));
  r.eng->child_ready(r.child("b").ref,
                     caf::make_error(caf::sec::bad_function_call));
  CHECK(r.open(failed));
  r.die("b");
  CHECK(r.error(failed) == errc::start_failed);
  CHECK(cause_of(r.error(failed)) == caf::sec::bad_function_call);
  CHECK(r.status("b") == "none");
}

TEST_CASE("a restart that times out waits for the old actor", "[engine]") {
  std::vector<caf::error> seen;
  auto spec = with_plan("a", [&](exit_info& info) {
    seen.push_back(info.reason);
    return verdict::restart();
  });
  spec.start_timeout = 4s;
  spec.terminate_timeout = 3s;
  rig r;
  r.up({spec});
  r.slow = {"a"};
  r.crash("a");
  CHECK(r.starts("a") == 2);
  auto& x = r.child("a");
  r.world.advance(4s);
  CHECK(x.shutdowns == 1);
  r.world.advance(3s);
  CHECK(x.kills == 1);
  r.world.advance(2s);
  CHECK(r.status("a") == "unresponsive");
  r.world.advance(1h);
  r.world.run_turns();
  CHECK(r.starts("a") == 2);
  CHECK(seen.size() == 1);
  r.slow.clear();
  r.world.die(x, caf::exit_reason::kill);
  CHECK(r.starts("a") == 2);
  r.world.run_turns();
  CHECK(r.starts("a") == 3);
  CHECK(r.status("a") == "running");
  REQUIRE(seen.size() == 2);
  CHECK(seen[1] == errc::start_timeout);
  CHECK(r.restarts("a") == 2);
}

TEST_CASE("events of an older actor are stale", "[engine]") {
  rig r;
  r.up({with_plan("a", plans::permanent())});
  auto first = r.child("a").ref;
  r.crash("a");
  auto second = r.child("a").ref;
  CHECK(second.generation != first.generation);
  r.eng->child_exited(first, caf::sec::runtime_error);
  r.eng->child_ready(first, caf::make_error(caf::sec::runtime_error));
  CHECK(r.starts("a") == 2);
  CHECK(r.status("a") == "running");
  CHECK(r.child("a").shutdowns == 0);
  // The slot goes to another child.
  auto request = r.terminate("a", true);
  r.die("a");
  REQUIRE(r.ok(request));
  REQUIRE(r.ok(r.start(with_plan("b", plans::permanent()))));
  for (auto& old : {first, second}) {
    r.eng->child_exited(old, caf::sec::runtime_error);
    CHECK(r.starts("b") == 1);
    CHECK(r.status("b") == "running");
  }
  r.eng->child_exited({77, 1}, caf::sec::runtime_error);
  CHECK(r.world.metrics[metric::crashes] == 1);
}

TEST_CASE("each failing restart takes a turn", "[engine]") {
  std::vector<caf::error> seen;
  rig r;
  r.up({with_plan("a",
                  [&](exit_info& info) {
                    seen.push_back(info.reason);
                    return verdict::restart();
                  }),
        fake_spec("b")});
  r.failing = {"a"};
  r.crash("a");
  for (uint64_t n = 2; n < 40; ++n) {
    REQUIRE(r.world.turns_wanted == 1);
    REQUIRE(r.starts("a") == n);
    REQUIRE(seen.size() == n - 1);
    REQUIRE(r.status("a") == "restarting");
    // Others have their say in between.
    if (n % 2 == 0)
      REQUIRE(r.error(r.restart("b")) == errc::running);
    --r.world.turns_wanted;
    r.eng->turn();
  }
  CHECK(seen[0] == caf::sec::runtime_error);
  CHECK(seen[1] == errc::start_failed);
  CHECK(cause_of(seen[1]) == caf::sec::runtime_error);
  CHECK(r.world.metrics[metric::starts] == 2);
  r.failing.clear();
  r.world.run_turns();
  CHECK(r.status("a") == "running");
  CHECK(r.starts("a") == 41);
  CHECK(r.restarts("a") == 40);
  CHECK(r.world.metrics[metric::restarts] == 1);
  // The next failure is cancelled before its turn.
  r.failing = {"a"};
  r.crash("a");
  CHECK(r.ok(r.terminate("a")));
  r.world.run_turns();
  CHECK(r.starts("a") == 42);
  CHECK(r.status("a") == "undefined");
}

TEST_CASE("a large batch is started in pieces", "[engine]") {
  rig r;
  r.up();
  std::vector<child_spec> specs;
  for (int i = 0; i < 1200; ++i)
    specs.push_back(fake_spec(i));
  auto request = r.world.next_request();
  r.eng->start_children(request, specs, false);
  CHECK(r.world.children.size() == 512);
  CHECK(r.open(request));
  // The IDs are taken already; one that has yet to start can be called off.
  CHECK(r.error(r.start(fake_spec(1100))) == errc::already_present);
  CHECK(r.ok(r.terminate(1100)));
  CHECK(r.world.turns_wanted == 1);
  --r.world.turns_wanted;
  r.eng->turn();
  CHECK(r.world.children.size() == 1024);
  r.world.run_turns();
  CHECK(r.world.children.size() == 1199);
  REQUIRE(r.world.reply_to(request) != nullptr);
  auto& outcomes
    = std::get<std::vector<child_outcome>>(*r.world.reply_to(request));
  REQUIRE(outcomes.size() == 1200);
  for (int i = 0; i < 1200; ++i)
    if (i == 1100 ? outcomes[i].err != errc::undefined : bool{outcomes[i].err})
      FAIL(i << ": " << to_string(outcomes[i].err));
}

TEST_CASE("an engine starts the children of init one after the other",
          "[engine]") {
  rig r;
  r.slow = {"a", "b"};
  r.up({fake_spec("a"), fake_spec("b"), fake_spec("c")});
  CHECK(r.open(r.up_request));
  CHECK(r.starts("b") == 0);
  r.eng->child_ready(r.child("a").ref, caf::message{});
  CHECK(r.starts("b") == 1);
  CHECK(r.starts("c") == 0);
  CHECK(r.open(r.up_request));
  SECTION("all of them come up") {
    r.eng->child_ready(r.child("b").ref, caf::message{});
    CHECK(r.starts("c") == 1);
    CHECK(r.ok(r.up_request));
  }
  SECTION("one of them fails, and all is undone") {
    r.world.die(r.child("b"), caf::sec::runtime_error);
    r.world.run_turns();
    CHECK(r.starts("c") == 0);
    CHECK(r.child("a").shutdowns == 1);
    CHECK(r.open(r.up_request));
    r.die("a");
    CHECK(r.error(r.up_request) == errc::start_failed);
    CHECK(cause_of(r.error(r.up_request)) == caf::sec::runtime_error);
    CHECK(r.world.ends.size() == 1);
    CHECK(r.table->size() == 0);
  }
}

// -- the end of the director --------------------------------------------------

TEST_CASE("requested children go at once, then those of init, newest first",
          "[engine]") {
  rig r;
  r.up({fake_spec("a"), fake_spec("b"), fake_spec("c")});
  std::vector<child_id> all = {"a", "b", "c", "r", "s"};
  r.start(fake_spec("r"));
  r.start(fake_spec("s"));
  auto request = r.stop();
  CHECK(r.asked(all) == "");
  r.world.run_turns();
  CHECK(r.asked(all) == "rs");
  r.die("s");
  CHECK(r.asked(all) == "r");
  r.die("r");
  CHECK(r.asked(all) == "c");
  r.die("c");
  CHECK(r.asked(all) == "b");
  // One that goes by itself is not waited for.
  r.crash("a");
  CHECK(r.asked(all) == "b");
  CHECK(r.starts("a") == 1);
  CHECK(r.world.ends.empty());
  CHECK(r.open(request));
  r.die("b");
  CHECK(r.ok(request));
  CHECK(r.world.ends.size() == 1);
  CHECK(r.table->size() == 0);
}

TEST_CASE("all at once", "[engine]") {
  rig r;
  r.opts.order = stop_order::all_at_once;
  r.up({fake_spec("a"), fake_spec("b")});
  r.start(fake_spec("r"));
  r.stop();
  r.world.run_turns();
  std::vector<child_id> all = {"a", "b", "r"};
  CHECK(r.asked(all) == "abr");
  r.die("b");
  r.die("a");
  CHECK(r.world.ends.empty());
  r.die("r");
  CHECK(r.world.ends.size() == 1);
}

TEST_CASE("strictly newest first", "[engine]") {
  rig r;
  r.opts.order = stop_order::newest_first;
  r.up({with_plan("a", plans::permanent()), fake_spec("b")});
  r.start(fake_spec("r"));
  r.start(fake_spec("s"));
  // A restart does not change the order.
  r.crash("a");
  r.stop();
  r.world.run_turns();
  std::vector<child_id> all = {"a", "b", "r", "s"};
  for (auto next : {"s", "r", "b", "a"}) {
    CHECK(r.world.ends.empty());
    CHECK(r.asked(all) == next);
    r.die(next);
  }
  CHECK(r.world.ends.size() == 1);
}

TEST_CASE("a stubborn child does not hold up the end", "[engine]") {
  rig r;
  r.up({fake_spec("a"), fake_spec("b")});
  auto& stubborn = r.child("b");
  auto request = r.stop();
  r.world.run_turns();
  r.world.advance(5s);
  CHECK(stubborn.kills == 1);
  CHECK(r.child("a").shutdowns == 0);
  r.world.advance(2s);
  CHECK(r.child("a").shutdowns == 1);
  CHECK(r.open(request));
  r.die("a");
  CHECK(r.ok(request));
  CHECK(r.world.ends.size() == 1);
  // The record points to the actor that lives on.
  REQUIRE(r.status("b") == "unresponsive");
  CHECK(r.table->find("b")->handle == stubborn.handle);
  CHECK_FALSE(r.table->find("b")->owner);
  CHECK(r.status("a") == "none");
}

TEST_CASE("the end comes from a fresh turn, and once", "[engine]") {
  rig r;
  SECTION("on request") {
    r.up();
    auto first = r.stop(caf::sec::runtime_error);
    auto second = r.stop(caf::exit_reason::normal);
    CHECK(r.world.ends.empty());
    CHECK(r.open(first));
    CHECK(r.world.turns_wanted == 1);
    r.world.run_turns();
    CHECK(r.ok(first));
    CHECK(r.ok(second));
    REQUIRE(r.world.ends.size() == 1);
    CHECK(r.world.ends[0] == caf::sec::runtime_error);
    CHECK(r.reported("director_terminating error") == 1);
    CHECK(r.ok(r.stop()));
    auto late = r.world.next_request();
    r.eng->await_up(late);
    CHECK(r.error(late) == errc::stopping);
  }
  SECTION("because a plan says so") {
    r.up({with_plan("a", [](exit_info&) { return verdict::stop(); })});
    r.crash("a");
    CHECK(r.world.ends.empty());
    CHECK(r.world.turns_wanted == 1);
    r.world.run_turns();
    REQUIRE(r.world.ends.size() == 1);
    CHECK(r.world.ends[0] == caf::sec::runtime_error);
  }
  SECTION("because a plan says why") {
    r.up({with_plan("a",
                    [](exit_info&) {
                      return verdict::stop(caf::exit_reason::normal);
                    }),
          fake_spec("b")});
    r.crash("a");
    r.world.run_turns();
    CHECK(r.world.ends.empty());
    r.die("b");
    REQUIRE(r.world.ends.size() == 1);
    CHECK(r.world.ends[0] == caf::exit_reason::normal);
    CHECK(r.reported("director_terminating info") == 1);
  }
  SECTION("because a plan failed") {
    auto bad = GENERATE(0, 1, 2);
    r.up({with_plan("a", [bad](exit_info&) -> verdict {
      if (bad == 0)
        throw std::runtime_error{"plan"};
      if (bad == 1)
        throw 42;
      return verdict::restart_after(-1s);
    })});
    r.crash("a");
    CHECK(r.world.ends.empty());
    r.world.run_turns();
    REQUIRE(r.world.ends.size() == 1);
    CHECK(r.world.ends[0] == errc::plan_failed);
    CHECK(cause_of(r.world.ends[0]) != errc::plan_failed);
    CHECK(r.starts("a") == 1);
  }
  r.world.run_turns();
  r.eng->time_passed();
  r.eng->turn();
  CHECK(r.world.ends.size() == 1);
}

TEST_CASE("nobody waits in vain while the director ends", "[engine]") {
  rig r;
  r.slow = {"slow", "later"};
  r.up({fake_spec("a"), with_plan("delayed", after_a_while(10s))});
  r.crash("delayed");
  auto starting = r.start(fake_spec("slow"));
  auto ending = r.terminate("a");
  auto batch = r.world.next_request();
  r.eng->start_children(batch, {fake_spec("later"), fake_spec("other")}, true);
  CHECK(r.open(batch));
  auto stopping = r.stop();
  // Ending already, although nothing has happened.
  CHECK(r.error(r.start(fake_spec("x"))) == errc::stopping);
  CHECK(r.error(r.restart("a")) == errc::stopping);
  CHECK(r.error(r.terminate("a")) == errc::stopping);
  CHECK(r.error(r.remove("a")) == errc::stopping);
  auto refused = [&](auto fn) {
    auto id = r.world.next_request();
    fn(id);
    CHECK(r.error(id) == errc::stopping);
  };
  auto handle = r.child("a").handle;
  refused([&](auto id) { r.eng->start_children(id, {}, false); });
  refused([&](auto id) { r.eng->terminate_child(id, handle, true); });
  refused([&](auto id) { r.eng->delete_running_child(id, handle); });
  refused([&](auto id) { r.eng->become_supervisor(id, handle, fake_spec(1)); });
  refused([&](auto id) { r.eng->change_plan(id, "a", plans::never()); });
  refused([&](auto id) {
    r.eng->change_log_filter(id, "a",
                             [](report&) { return report_detail::none; });
  });
  refused([&](auto id) {
    r.eng->change_log_filter(id, [](report&) { return report_detail::none; });
  });
  refused([&](auto id) { r.eng->change_default_child_spec(id, {}); });
  refused([&](auto id) { r.eng->reload(id); });
  r.world.run_turns();
  CHECK(r.error(starting) == errc::stopping);
  CHECK(r.error(batch) == errc::stopping);
  CHECK(r.open(ending));
  CHECK(r.open(stopping));
  r.die("a");
  CHECK(r.ok(ending));
  // Timers are off.
  r.world.advance(1s);
  CHECK(r.starts("delayed") == 1);
  for (auto id : {"slow", "later", "other"})
    if (r.world.running(id) != nullptr)
      r.die(id);
  CHECK(r.ok(stopping));
  CHECK(r.world.ends.size() == 1);
  CHECK(r.table->size() == 0);
  for (auto& [id, answers] : r.world.replies)
    CHECK(answers.size() == 1);
}

TEST_CASE("an abandoned director leaves nobody behind", "[engine]") {
  auto kept = fake_spec("kept");
  kept.delete_before_terminate = false;
  rig r;
  r.up({fake_spec("a"), kept});
  CHECK(r.world.metrics[metric::children] == 2);
  r.eng->abandon();
  CHECK(r.child("a").kills == 1);
  CHECK(r.child("kept").kills == 1);
  CHECK(r.status("a") == "none");
  CHECK(r.status("kept") == "undefined");
  CHECK_FALSE(r.table->find("kept")->owner);
  CHECK(r.world.ends.empty());
  r.eng->abandon();
  CHECK(r.child("a").kills == 1);
}

TEST_CASE("the gauge of children falls when a director is abandoned",
          "[engine]") {
  rig r;
  r.up({fake_spec("a"), fake_spec("b")});
  CHECK(r.world.metrics[metric::children] == 2);
  r.eng->abandon();
  CHECK(r.world.metrics[metric::children] == 0);
}

// -- slow tables --------------------------------------------------------------

TEST_CASE("a start waits for the table, others do not wait for the start",
          "[engine]") {
  auto inner = std::make_shared<list_table>();
  auto slow = std::make_shared<director::test::slow_table>(inner);
  rig r{slow};
  r.up();
  REQUIRE(r.ok(r.up_request));
  auto first = r.start(fake_spec("a"));
  auto again = r.start(fake_spec("a"));
  auto second = r.start(fake_spec("b"));
  auto wrong = r.start({});
  CHECK(r.error(wrong) == errc::invalid_child_spec);
  CHECK(r.error(r.restart("a")) == errc::not_found);
  CHECK(r.starts("a") == 0);
  slow->complete_next(); // claim of a
  CHECK(r.starts("a") == 1);
  CHECK(r.starts("b") == 0);
  CHECK(r.open(first));
  CHECK(r.open(again));
  CHECK(r.status("a") == "restarting");
  slow->complete_next(); // second claim of a
  CHECK(r.error(again) == errc::already_present);
  slow->complete_next(); // claim of b
  CHECK(r.starts("b") == 1);
  CHECK(r.open(first));
  slow->complete_next(); // put of a
  CHECK(r.ok(first));
  CHECK(r.status("a") == "running");
  CHECK(r.open(second));
  slow->complete_next(); // put of b
  CHECK(r.ok(second));
  CHECK_FALSE(slow->busy());
  // Ends: nobody is asked to go before the table knows.
  auto ending = r.terminate("a");
  CHECK(r.child("a").shutdowns == 0);
  slow->complete_next();
  CHECK(r.child("a").shutdowns == 1);
  r.die("a");
  CHECK(r.open(ending));
  slow->complete_next();
  CHECK(r.ok(ending));
  CHECK(r.status("a") == "undefined");
  auto deleting = r.remove("a");
  CHECK(r.open(deleting));
  CHECK(r.status("a") == "undefined");
  CHECK(r.error(r.restart("a")) == errc::not_found);
  slow->complete_next();
  CHECK(r.ok(deleting));
  CHECK(r.status("a") == "none");
}

TEST_CASE("a slow table does not keep a director from ending", "[engine]") {
  auto inner = std::make_shared<list_table>();
  auto slow = std::make_shared<director::test::slow_table>(inner);
  rig r{slow};
  r.up();
  auto running = r.start(fake_spec("a"));
  slow->complete_next();
  slow->complete_next();
  REQUIRE(r.ok(running));
  auto claiming = r.start(fake_spec("b"));
  auto ending = r.terminate("a");
  auto stopping = r.stop();
  r.world.run_turns();
  CHECK(r.error(claiming) == errc::stopping);
  CHECK_FALSE(r.open(ending));
  CHECK(r.child("a").shutdowns == 1);
  r.die("a");
  CHECK(r.ok(stopping));
  CHECK(r.world.ends.size() == 1);
  CHECK(r.starts("b") == 0);
  CHECK(inner->size() == 0);
  for (auto& [id, answers] : r.world.replies)
    CHECK(answers.size() == 1);
}

// -- faults -------------------------------------------------------------------

TEST_CASE("a soft fault is answered to the caller", "[engine]") {
  auto inner = std::make_shared<list_table>();
  std::optional<table_call> fault;
  auto soft = caf::make_error(caf::sec::bad_function_call);
  rig r{
    std::make_shared<director::test::faulty_table>(inner, [&](table_call call) {
      return fault == call ? soft : caf::error{};
    })};
  auto spec = with_plan("old", plans::permanent());
  r.up({spec});
  SECTION("claim: nothing starts") {
    fault = table_call::claim;
    CHECK(r.error(r.start(fake_spec("a"))) == soft);
    CHECK(r.starts("a") == 0);
    auto request = r.world.next_request();
    r.eng->start_children(request, {fake_spec("a"), fake_spec("b")}, false);
    auto& outcomes
      = std::get<std::vector<child_outcome>>(*r.world.reply_to(request));
    REQUIRE(outcomes.size() == 2);
    CHECK(outcomes[0].err == soft);
    CHECK(outcomes[1].err == soft);
    fault.reset();
    CHECK(r.ok(r.start(fake_spec("a"))));
  }
  SECTION("put: a child that cannot be recorded is taken back") {
    fault = table_call::put;
    auto request = r.start(fake_spec("a"));
    CHECK(r.open(request));
    CHECK(r.child("a").shutdowns == 1);
    fault.reset();
    r.die("a");
    CHECK(r.error(request) == soft);
    CHECK(r.status("a") == "none");
    CHECK(r.ok(r.start(fake_spec("a"))));
    CHECK(r.world.metrics[metric::children] == 2);
  }
  SECTION("put: a child that cannot be recorded when it is ready") {
    r.slow = {"a"};
    auto request = r.start(fake_spec("a"));
    fault = table_call::put;
    r.eng->child_ready(r.child("a").ref, caf::message{});
    CHECK(r.open(request));
    CHECK(r.child("a").shutdowns == 1);
    fault.reset();
    r.die("a");
    CHECK(r.error(request) == soft);
    CHECK(r.status("a") == "none");
  }
  SECTION("put: a child that must not go keeps running") {
    fault = table_call::put;
    CHECK(r.error(r.terminate("old")) == soft);
    CHECK(r.error(r.terminate("old", true)) == soft);
    CHECK(r.child("old").shutdowns == 0);
    CHECK(r.status("old") == "running");
    fault.reset();
    // It is supervised as before.
    r.crash("old");
    CHECK(r.starts("old") == 2);
    auto request = r.terminate("old");
    CHECK(r.child("old").shutdowns == 1);
    r.die("old");
    CHECK(r.ok(request));
  }
  SECTION("put: a stopped child is not restarted") {
    auto request = r.terminate("old");
    r.die("old");
    REQUIRE(r.ok(request));
    fault = table_call::put;
    CHECK(r.error(r.restart("old")) == soft);
    CHECK(r.starts("old") == 1);
    fault.reset();
    CHECK(r.ok(r.restart("old")));
  }
  SECTION("put: changes are not made") {
    fault = table_call::put;
    auto plan = r.world.next_request();
    r.eng->change_plan(plan, "old", plans::temporary());
    CHECK(r.error(plan) == soft);
    fault.reset();
    CHECK(r.eng->get_plan("old")->what() == plan_function::kind::permanent);
    r.crash("old");
    CHECK(r.starts("old") == 2);
  }
  SECTION("erase: a record that cannot be deleted stays") {
    auto request = r.terminate("old");
    r.die("old");
    REQUIRE(r.ok(request));
    fault = table_call::erase;
    CHECK(r.error(r.remove("old")) == soft);
    CHECK(r.status("old") == "undefined");
    fault.reset();
    CHECK(r.ok(r.remove("old")));
    CHECK(r.status("old") == "none");
  }
  SECTION("erase: a child that cannot be let go stays supervised") {
    fault = table_call::erase;
    auto request = r.world.next_request();
    r.eng->delete_running_child(request, r.child("old").handle);
    CHECK(r.error(request) == soft);
    fault.reset();
    r.crash("old");
    CHECK(r.starts("old") == 2);
  }
  SECTION("put: nobody asked, so it is reported") {
    fault = table_call::put;
    r.crash("old");
    CHECK(r.reported("table_error warning") > 0);
    CHECK(r.starts("old") == 2);
  }
  CHECK(r.world.ends.empty());
  CHECK_FALSE(r.eng->ending());
}

TEST_CASE("a record never points to an actor that has ended", "[engine]") {
  auto inner = std::make_shared<list_table>();
  std::optional<table_call> fault;
  auto soft = caf::make_error(caf::sec::bad_function_call);
  rig r{
    std::make_shared<director::test::faulty_table>(inner, [&](table_call call) {
      return fault == call ? soft : caf::error{};
    })};
  r.up({with_plan("a", plans::temporary())});
  SECTION("when the plan deletes it, but the table will not") {
    fault = table_call::erase;
    r.crash("a");
    CHECK(r.reported("table_error warning") == 1);
  }
  SECTION("when somebody deletes it, but the table will not") {
    auto request = r.terminate("a", true);
    fault = table_call::erase;
    r.die("a");
    CHECK(r.error(request) == soft);
  }
  fault.reset();
  CHECK(r.status("a") == "undefined");
  CHECK_FALSE(r.table->find("a")->handle);
  CHECK(r.table->count_children().active == 0);
  CHECK(r.ok(r.restart("a")));
}

TEST_CASE("a restart that could not be cancelled is not forgotten",
          "[engine]") {
  auto inner = std::make_shared<list_table>();
  std::optional<table_call> fault;
  auto soft = caf::make_error(caf::sec::bad_function_call);
  rig r{
    std::make_shared<director::test::faulty_table>(inner, [&](table_call call) {
      return fault == call ? soft : caf::error{};
    })};
  r.up({with_plan("a", after_a_while(10s))});
  r.crash("a");
  fault = table_call::put;
  CHECK(r.error(r.terminate("a")) == soft);
  fault.reset();
  SECTION("the restart goes on, as if nobody had asked") {
    r.world.advance(10s);
    CHECK(r.status("a") == "running");
    CHECK(r.starts("a") == 2);
  }
  SECTION("it can be cancelled again") {
    CHECK(r.ok(r.terminate("a")));
    CHECK(r.status("a") == "undefined");
  }
}

TEST_CASE("a hard fault ends the director with its cause", "[engine]") {
  auto inner = std::make_shared<list_table>();
  std::optional<table_call> fault;
  auto hard = caf::make_error(errc::table_failed);
  rig r{
    std::make_shared<director::test::faulty_table>(inner, [&](table_call call) {
      return fault == call ? hard : caf::error{};
    })};
  auto ended = [&] {
    CHECK(r.world.ends.empty());
    r.world.run_turns();
    fault.reset();
    while (auto* x = r.world.running("a"))
      r.world.die(*x, caf::exit_reason::user_shutdown);
    while (auto* x = r.world.running("b"))
      r.world.die(*x, caf::exit_reason::user_shutdown);
    REQUIRE(r.world.ends.size() == 1);
    CHECK(r.world.ends[0] == errc::table_failed);
    for (auto& [id, answers] : r.world.replies)
      CHECK(answers.size() == 1);
  };
  SECTION("attach") {
    fault = table_call::attach;
    r.up({fake_spec("a")});
    r.world.run_turns();
    REQUIRE(r.world.ends.size() == 1);
    CHECK(r.world.ends[0] == errc::table_failed);
    CHECK(r.error(r.up_request) == errc::table_failed);
    CHECK(r.starts("a") == 0);
  }
  SECTION("claim") {
    r.up({fake_spec("a")});
    fault = table_call::claim;
    auto request = r.start(fake_spec("b"));
    ended();
    CHECK(r.error(request));
    CHECK(r.starts("b") == 0);
  }
  SECTION("put, nobody asked") {
    r.up({fake_spec("a")});
    fault = table_call::put;
    r.crash("a");
    ended();
  }
  SECTION("put, while a child starts") {
    r.up({fake_spec("a")});
    fault = table_call::put;
    auto request = r.start(fake_spec("b"));
    ended();
    CHECK(r.error(request));
    CHECK(r.world.child(r.world.children.back().handle)->shutdowns
            + r.world.child(r.world.children.back().handle)->kills
          > 0);
  }
  SECTION("erase") {
    r.up({with_plan("a", plans::temporary())});
    fault = table_call::erase;
    r.crash("a");
    ended();
  }
  SECTION("from outside") {
    r.up({fake_spec("a")});
    r.world.failed(hard);
    ended();
  }
}

TEST_CASE("a table that is closed ends its directors", "[engine]") {
  auto inner = std::make_shared<list_table>();
  rig one{inner};
  rig two{inner};
  one.opts.delete_table = true;
  one.up({fake_spec("a")});
  two.up({fake_spec("b")});
  one.stop();
  one.world.run_turns();
  one.die("a");
  CHECK(one.world.ends.size() == 1);
  two.world.run_turns();
  two.die("b");
  REQUIRE(two.world.ends.size() == 1);
  CHECK(two.world.ends[0] == errc::table_closed);
}

// -- one table, several directors ---------------------------------------------

TEST_CASE("a child goes from one director to the next", "[engine]") {
  auto inner = std::make_shared<list_table>();
  auto kept = with_plan("kept", plans::permanent());
  kept.delete_before_terminate = false;
  rig one{inner};
  one.up({kept, fake_spec("gone")});
  one.crash("kept");
  one.crash("kept");
  CHECK(one.restarts("kept") == 2);
  rig two{inner};
  // While the first director lives, others keep their hands off.
  two.up({kept});
  CHECK(two.ok(two.up_request));
  CHECK(two.starts("kept") == 0);
  CHECK(two.error(two.start(kept)) == errc::already_started);
  CHECK(handle_of(two.error(two.start(kept))) == one.child("kept").handle);
  CHECK(two.error(two.restart("kept")) == errc::not_parent);
  CHECK(two.error(two.terminate("kept")) == errc::not_parent);
  CHECK(two.error(two.terminate("kept", true)) == errc::not_parent);
  CHECK(two.error(two.remove("kept")) == errc::not_parent);
  auto request = two.world.next_request();
  two.eng->terminate_child(request, one.child("kept").handle, false);
  CHECK(two.error(request) == errc::not_parent);
  CHECK(one.child("kept").shutdowns == 0);
  CHECK(two.table->count_children().active == 2);
  one.stop();
  one.world.run_turns();
  one.die("gone");
  one.die("kept");
  REQUIRE(one.world.ends.size() == 1);
  CHECK(inner->size() == 1);
  auto record = inner->find("kept");
  REQUIRE(record);
  CHECK(record->status == child_status::undefined);
  CHECK_FALSE(record->owner);
  CHECK_FALSE(record->handle);
  CHECK(record->restart_count == 2);
  CHECK(record->incarnation == 3);
  SECTION("on request") {
    CHECK(two.error(two.start(kept)) == errc::already_present);
    CHECK(two.ok(two.restart("kept")));
    CHECK(two.starts("kept") == 1);
    CHECK(two.restarts("kept") == 3);
    two.crash("kept");
    CHECK(two.restarts("kept") == 4);
  }
  SECTION("because init names it") {
    rig three{inner};
    auto other = kept;
    other.plan = plans::never();
    three.up({other});
    CHECK(three.ok(three.up_request));
    CHECK(three.starts("kept") == 1);
    CHECK(three.restarts("kept") == 3);
    // With the new spec.
    three.crash("kept");
    CHECK(three.starts("kept") == 1);
    CHECK(three.status("kept") == "undefined");
  }
  SECTION("to be deleted") {
    CHECK(two.ok(two.remove("kept")));
    CHECK(two.starts("kept") == 0);
    CHECK(inner->size() == 0);
  }
  SECTION("to be terminated") {
    CHECK(two.ok(two.terminate("kept")));
    CHECK(inner->find("kept")->owner == two.world.address());
  }
}

TEST_CASE("two requests for an orphan do not get in each other's way",
          "[engine]") {
  auto inner = std::make_shared<list_table>();
  auto kept = fake_spec("kept");
  kept.delete_before_terminate = false;
  {
    rig one{inner};
    one.up({kept});
    one.stop();
    one.world.run_turns();
    one.die("kept");
    REQUIRE(inner->size() == 1);
  }
  auto slow = std::make_shared<director::test::slow_table>(inner);
  rig two{slow};
  two.up();
  auto first = two.terminate("kept");
  auto second = two.terminate("kept");
  while (slow->busy())
    slow->complete_next();
  CHECK(two.ok(first));
  CHECK(two.error(second) != errc::not_parent);
}
