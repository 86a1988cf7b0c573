// Engines on slow tables, and several on one table.

#include "catch.hpp"
#include "director/test/slow_table.hpp"
#include "fake_world.hpp"

using namespace director;
using namespace fixture;
using namespace std::chrono_literals;

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

TEST_CASE("a child has its plan before the table knows that it runs",
          "[engine]") {
  auto slow = std::make_shared<director::test::slow_table>(
    std::make_shared<list_table>());
  rig r{slow};
  r.up();
  auto first = r.start(fake_spec("a"));
  slow->complete_next(); // claim
  slow->complete_next(); // put
  REQUIRE(r.ok(first));
  auto ending = r.terminate("a");
  slow->complete_next(); // put: terminating
  r.die("a");
  slow->complete_next(); // put: undefined
  REQUIRE(r.ok(ending));
  auto request = r.restart("a");
  slow->complete_next(); // put: restarting
  CHECK(r.starts("a") == 2);
  CHECK(r.open(request));
  r.world.die(r.child("a"), caf::sec::runtime_error);
  CHECK(r.starts("a") == 3);
  CHECK(r.open(request));
  while (slow->busy())
    slow->complete_next();
  CHECK(r.ok(request));
  CHECK(r.status("a") == "running");
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

TEST_CASE("a slow table takes nothing off the time to get ready", "[engine]") {
  auto slow = std::make_shared<director::test::slow_table>(
    std::make_shared<list_table>());
  rig r{slow};
  r.slow = {"a"};
  r.up();
  auto request = r.start(fake_spec("a"));
  slow->complete_next(); // claim
  slow->complete_next(); // put: the actor
  auto& x = r.child("a");
  REQUIRE(x.asked_ready);
  SECTION("when the child was ready in time") {
    r.eng->child_ready(x.ref, caf::make_message("extra"));
    REQUIRE(slow->busy());
    r.world.advance(1h);
    CHECK(x.shutdowns == 0);
    CHECK(r.open(request));
    slow->complete_next(); // put
    CHECK(r.ok(request));
    CHECK(r.status("a") == "running");
    r.world.advance(1h);
    CHECK(x.shutdowns == 0);
  }
  SECTION("when somebody has called it off") {
    auto ending = r.terminate("a");
    REQUIRE(slow->busy());
    r.world.advance(1h);
    CHECK(x.kills == 0);
    slow->complete_next(); // put
    CHECK(x.shutdowns == 1);
    CHECK(x.kills == 0);
    r.die("a");
    while (slow->busy())
      slow->complete_next();
    CHECK(r.ok(ending));
    CHECK(r.error(request) == errc::start_failed);
  }
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
