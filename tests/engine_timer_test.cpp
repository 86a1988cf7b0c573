// Delayed restarts and quiet times, to the nanosecond.

#include "catch.hpp"
#include "fake_world.hpp"

using namespace director;
using namespace fixture;
using namespace std::chrono_literals;

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
