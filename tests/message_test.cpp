// What directors are given and answer with.

#include "fixture.hpp"

#include <caf/actor_registry.hpp>

using namespace director;
using namespace fixture;

TEST_CASE("answers survive a journey", "[unit]") {
  world w;
  auto* sys = w.sys.get();
  child_info info{
    "x", child_status::restarting, {}, child_type::supervisor, module_list{"m"},
    12};
  auto arrived = trip(info, sys);
  CHECK(arrived.id == child_id{"x"});
  CHECK(arrived.status == child_status::restarting);
  CHECK_FALSE(arrived.handle);
  CHECK(arrived.type == child_type::supervisor);
  CHECK(to_string(arrived.modules) == "[m]");
  CHECK(arrived.restart_count == 12);
  info.handle = sys->spawn(
    [](caf::event_based_actor*) { return caf::behavior{[](int) {}}; });
  // An actor that nobody has registered is known on its own node only.
  sys->registry().put(info.handle.id(), info.handle);
  CHECK(trip(info, sys).handle == info.handle);
  sys->registry().erase(info.handle.id());
  CHECK(trip(child_counts{4, 3, 2, 1}) == child_counts{4, 3, 2, 1});
  auto outcome = trip(child_outcome{7,
                                    {{}, caf::make_message("extra")},
                                    caf::make_error(errc::undone)},
                      sys);
  CHECK(outcome.id == child_id{7});
  CHECK(outcome.err == errc::undone);
  CHECK(to_string(outcome.value.extra) == R"__(message("extra"))__");
  auto opts = trip(tracing([](auto& x) {
    x.ring = 3;
    x.counters = true;
    x.print = true;
    x.file = "f";
    x.function = [](const trace_event&) {};
  }));
  CHECK(opts.ring == 3);
  CHECK(opts.counters);
  CHECK(opts.print);
  CHECK(opts.file == "f");
  CHECK_FALSE(opts.function);
  CHECK(to_string(trip(message_box{caf::make_message(1)}).value)
        == "message(1)");
  auto event
    = trip(trace_event{caf::make_timestamp(), trace_kind::exit, 3, "text"});
  CHECK(event.kind == trace_kind::exit);
  CHECK(event.id == child_id{3});
  CHECK(event.text == "text");
  CHECK(trip(trace_counters{1, 2, 3, 4, 5, 6}).verdicts == 5);
}

TEST_CASE("stop orders and refusals", "[unit]") {
  auto ignore = init_result::ignore();
  REQUIRE(ignore.refusal);
  CHECK(*ignore.refusal == errc::declined);
  auto stop = init_result::stop(caf::sec::runtime_error);
  REQUIRE(stop.refusal);
  CHECK(*stop.refusal == caf::sec::runtime_error);
  CHECK_FALSE(init_result{}.refusal);
  CHECK(director_options{}.order == stop_order::requested_first);
  CHECK(director_options{}.kill_grace == caf::timespan{5s});
  auto fn = fixed({.state = caf::make_message(3)});
  REQUIRE(fn.init);
  CHECK(to_string(fn.init({}).state) == "message(3)");
}
