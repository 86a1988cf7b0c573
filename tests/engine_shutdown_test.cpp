// How an engine ends all children and itself.

#include "catch.hpp"
#include "fake_world.hpp"

using namespace director;
using namespace fixture;
using namespace std::chrono_literals;

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
