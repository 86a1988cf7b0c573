// How an engine ends one child.

#include "catch.hpp"
#include "fake_world.hpp"

using namespace director;
using namespace fixture;
using namespace std::chrono_literals;

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
