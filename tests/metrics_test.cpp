// What directors count.

#include "fixture.hpp"

#include <caf/telemetry/counter.hpp>
#include <caf/telemetry/gauge.hpp>
#include <caf/telemetry/histogram.hpp>
#include <caf/telemetry/metric_registry.hpp>

#include <array>

using namespace director;
using namespace fixture;

TEST_CASE("a director keeps metrics under its name", "[metrics]") {
  world w;
  auto& all = w.sys->metrics();
  auto name = std::string{"measured"};
  auto counter = [&](const char* what) {
    return all
      .counter_instance("director", what, {{"name", name}}, "", "1", true)
      ->value();
  };
  auto children = [&] {
    return all.gauge_instance("director", "children", {{"name", name}}, "")
      ->value();
  };
  auto spec = w.worker("a");
  spec.plan = plans::permanent();
  auto other = w.start({w.worker("x")}, w.options("other"));
  auto dir = w.start({spec, w.worker("b")}, w.options(name));
  CHECK(children() == 2);
  CHECK(counter("starts") == 2);
  CHECK(counter("restarts") == 0);
  CHECK(counter("crashes") == 0);
  crash(w, dir, "a");
  crash(w, dir, "a");
  CHECK(children() == 2);
  CHECK(counter("starts") == 4);
  CHECK(counter("restarts") == 2);
  CHECK(counter("crashes") == 2);
  // An orderly exit is no crash, but leads to a restart, too.
  crash(w, dir, "a", caf::exit_reason::normal);
  CHECK(counter("crashes") == 2);
  CHECK(counter("restarts") == 3);
  CHECK_FALSE(dir.terminate_child("b"));
  CHECK(children() == 1);
  CHECK(dir.restart_child("b"));
  CHECK(children() == 2);
  CHECK(counter("restarts") == 4);
  CHECK_FALSE(dir.delete_running_child(value_of(dir.get_actor("b"))));
  CHECK(children() == 1);
  // Failed starts count nowhere.
  auto broken = w.worker("broken");
  broken.start = []() -> start_result { throw 1; };
  CHECK_FALSE(dir.start_child(broken));
  CHECK(counter("starts") == 6);
  // Only restarts that a plan asked for are measured.
  static constexpr std::array bounds{1.};
  auto* durations = all
                      .histogram_family<double>("director", "restart-duration",
                                                {"name"}, bounds, "", "seconds")
                      ->get_or_add({{"name", name}});
  int64_t count = 0;
  for (auto& bucket : durations->buckets())
    count += bucket.count.value();
  CHECK(count == 3);
  CHECK(durations->sum() > 0.0);
  CHECK(durations->sum() < 60.0);
  CHECK_FALSE(dir.stop());
  CHECK(children() == 0);
  name = "other";
  CHECK(children() == 1);
  CHECK(counter("starts") == 1);
  CHECK(counter("crashes") == 0);
}

TEST_CASE("a director that is killed takes its children off the gauge",
          "[metrics]") {
  world w;
  auto dir = w.start({w.worker("a"), w.worker("b")}, w.options("killed"));
  auto* gauge = w.sys->metrics().gauge_instance("director", "children",
                                                {{"name", "killed"}}, "");
  CHECK(gauge->value() == 2);
  send_exit(as_actor(dir.handle()), caf::exit_reason::kill);
  CHECK(end_of(dir) == caf::exit_reason::kill);
  CHECK(w.log->await("down a"));
  CHECK(w.log->await("down b"));
  CHECK(gauge->value() == 0);
}
