// How an engine starts children, one by one and in batches.

#include "catch.hpp"
#include "fake_world.hpp"

using namespace director;
using namespace fixture;
using namespace std::chrono_literals;

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

TEST_CASE("the table counts a restart from the moment it has an actor",
          "[engine]") {
  rig r;
  r.up({with_plan("a", plans::permanent())});
  auto counted = [&] {
    auto record = r.table->find("a");
    REQUIRE(record);
    CHECK(record->incarnation == record->restart_count + 1);
    return record->restart_count;
  };
  CHECK(counted() == 0);
  r.slow = {"a"};
  r.crash("a");
  CHECK(r.status("a") == "restarting");
  CHECK(r.starts("a") == 2);
  CHECK(counted() == 1);
  CHECK(r.table->find("a")->handle == r.child("a").handle);
  SECTION("the child is ready") {
    r.eng->child_ready(r.child("a").ref, caf::message{});
    CHECK(counted() == 1);
  }
  SECTION("the child is not ready in time") {
    r.world.advance(5s);
    CHECK(r.status("a") == "terminating");
    CHECK(counted() == 1);
  }
  SECTION("the child has died") {
    r.failing = {"a"};
    r.crash("a");
    CHECK(r.status("a") == "restarting");
    CHECK(counted() == 1);
    // So does each attempt that fails at once.
    --r.world.turns_wanted;
    r.eng->turn();
    CHECK(r.starts("a") == 3);
    CHECK(counted() == 2);
  }
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
