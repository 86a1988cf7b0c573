// What plans do when children of a real director end.

#include "fixture.hpp"

#include <algorithm>

using namespace director;
using namespace fixture;

TEST_CASE("the standard plan restarts, delays, then gives up", "[exits]") {
  world w;
  auto spec = with_plan(w, "a", plans::standard({.delay = 50ms}));
  auto dir = w.start({spec, w.worker("b")}, traced(w));
  for (uint64_t i = 1; i <= 3; ++i) {
    crash(w, dir, "a");
    CHECK(w.log->count("verdict on a: restart.") == i);
    CHECK(value_of(dir.get_restart_count("a")) == i);
  }
  auto before = std::chrono::steady_clock::now();
  crash(w, dir, "a");
  CHECK(std::chrono::steady_clock::now() - before >= 50ms);
  CHECK(w.log->count("verdict on a: restart after 50ms.") == 1);
  CHECK(value_of(dir.get_restart_count("a")) == 4);
  auto sibling = await_actor(w, dir, "b");
  send(await_actor(w, dir, "a"), crash_atom_v,
       caf::make_error(caf::sec::bad_function_call));
  CHECK(end_of(dir) == caf::sec::bad_function_call);
  CHECK(end_of(sibling) == caf::exit_reason::user_shutdown);
  CHECK(w.log->count("verdict on a: stop.") == 1);
  CHECK(w.log->await("error test director_terminating"));
}

TEST_CASE("a quiet time resets the recent count only", "[exits]") {
  world w;
  auto standard = with_plan(w, "a", plans::standard({.quiet_time = 0s}));
  auto own = with_plan(w, "b", noting(w.log).with_quiet_time(0s));
  auto dir = w.start({standard, own}, traced(w));
  for (uint64_t i = 1; i <= 12; ++i) {
    crash(w, dir, "a");
    crash(w, dir, "b");
    CHECK(value_of(dir.get_restart_count("a")) == i);
    CHECK(
      w.log->count("plan b recent=1 lifetime=" + std::to_string(i - 1) + " ")
      == 1);
  }
  CHECK(w.log->count("verdict on a: restart.") == 12);
  CHECK(value_of(dir.get_restart_count("b")) == 12);
}

TEST_CASE("a restart on request forgets recent crashes", "[exits]") {
  world w;
  auto dir = w.start({with_plan(w, "a", noting(w.log))});
  crash(w, dir, "a");
  crash(w, dir, "a");
  CHECK(w.log->count("plan a recent=2 lifetime=1 ") == 1);
  CHECK_FALSE(dir.terminate_child("a"));
  CHECK(value_of(dir.restart_child("a")).handle);
  crash(w, dir, "a");
  CHECK(w.log->count("plan a recent=1 lifetime=3 ") == 1);
}

TEST_CASE("a permanent child always comes back", "[exits]") {
  world w;
  auto dir = w.start({with_plan(w, "a", plans::permanent())});
  auto reasons = std::vector<caf::error>{
    caf::exit_reason::normal, caf::exit_reason::user_shutdown,
    caf::sec::runtime_error,  caf::exit_reason::kill,
    caf::sec::runtime_error,  caf::exit_reason::normal};
  for (auto& reason : reasons)
    crash(w, dir, "a", reason);
  CHECK(value_of(dir.get_restart_count("a")) == reasons.size());
}

TEST_CASE("a transient child comes back after crashes only", "[exits]") {
  world w;
  auto dir = w.start({with_plan(w, "a", plans::transient())});
  for (auto reason :
       {caf::exit_reason::normal, caf::exit_reason::user_shutdown}) {
    send(await_actor(w, dir, "a"), crash_atom_v, caf::make_error(reason));
    REQUIRE(becomes(w, dir, "a", errc::undefined));
    REQUIRE(value_of(dir.restart_child("a")).handle);
  }
  crash(w, dir, "a");
  crash(w, dir, "a", caf::exit_reason::kill);
  CHECK(value_of(dir.get_restart_count("a")) == 4);
}

TEST_CASE("a temporary child vanishes", "[exits]") {
  world w;
  auto dir = w.start();
  for (auto reason : {caf::make_error(caf::exit_reason::normal),
                      caf::make_error(caf::sec::runtime_error)}) {
    auto handle
      = value_of(dir.start_child(with_plan(w, "a", plans::temporary()))).handle;
    send(handle, crash_atom_v, reason);
    REQUIRE(becomes(w, dir, "a", errc::not_found));
    CHECK(value_of(dir.count_children()) == child_counts{});
  }
}

TEST_CASE("a child that is never restarted waits", "[exits]") {
  world w;
  auto dir = w.start({with_plan(w, "a", plans::never())});
  auto handle = await_actor(w, dir, "a");
  send(handle, crash_atom_v);
  REQUIRE(becomes(w, dir, "a", errc::undefined));
  CHECK(value_of(dir.count_children()) == child_counts{1, 0, 0, 1});
  CHECK(value_of(dir.restart_child("a")).handle != handle);
  CHECK(value_of(dir.get_restart_count("a")) == 1);
}

TEST_CASE("backoff grows up to its maximum", "[exits]") {
  world w;
  auto seen = std::make_shared<std::vector<caf::timespan>>();
  auto options = w.options();
  options.seed = 7;
  auto intervals = [&](const backoff_options& what, size_t times) {
    seen->clear();
    callbacks hooks;
    hooks.init
      = [spec = with_plan(w, "a", plans::backoff(what))](const caf::message&) {
          return init_result{{}, {spec}};
        };
    hooks.handle_exit = [seen](exit_event& x) {
      auto result = x.ask_plan();
      seen->push_back(result.interval());
      return result;
    };
    auto dir = w.start_with(hooks, options);
    for (size_t i = 0; i < times; ++i)
      crash(w, dir, "a");
    // From here on, nobody but this thread looks at what was seen.
    CHECK_FALSE(dir.stop());
    REQUIRE(seen->size() == times);
    return *seen;
  };
  backoff_options what{.min = 1ms, .max = 10ms, .jitter = 0};
  CHECK(intervals(what, 6)
        == std::vector<caf::timespan>{1ms, 2ms, 4ms, 8ms, 10ms, 10ms});
  what.factor = 3;
  what.max = 1h;
  CHECK(intervals(what, 3) == std::vector<caf::timespan>{1ms, 3ms, 9ms});
  what.quiet_time = 0s;
  CHECK(intervals(what, 3) == std::vector<caf::timespan>{1ms, 1ms, 1ms});
  what.jitter = 0.5;
  auto many = intervals(what, 20);
  for (auto x : many) {
    CHECK(x >= 500us);
    CHECK(x <= 1500us);
  }
  CHECK(std::adjacent_find(many.begin(), many.end(), std::not_equal_to<>{})
        != many.end());
  // The same seed leads to the same intervals.
  CHECK(intervals(what, 20) == many);
}

TEST_CASE("a plan sees what happened and keeps a state", "[exits]") {
  world w;
  auto spec = w.worker("a");
  spec.state = caf::make_message(int32_t{10});
  spec.plan = [log = w.log](exit_info& x) {
    auto value = x.state.get_as<int32_t>(0);
    auto known = x.reason == caf::sec::bad_function_call;
    log->add("saw " + to_string(x.id) + " " + (known ? "call" : "other") + " "
             + std::to_string(x.recent) + " " + std::to_string(x.lifetime) + " "
             + std::to_string(value));
    x.state = caf::make_message(value + 1);
    return verdict::restart();
  };
  auto dir = w.start({spec});
  crash(w, dir, "a", caf::sec::bad_function_call);
  crash(w, dir, "a");
  CHECK(w.log->count("saw a call 1 0 10") == 1);
  CHECK(w.log->count("saw a other 2 1 11") == 1);
  // Neither an orderly end nor a new start resets the state.
  CHECK_FALSE(dir.terminate_child("a"));
  CHECK(value_of(dir.restart_child("a")).handle);
  crash(w, dir, "a");
  CHECK(w.log->count("saw a other 1 3 12") == 1);
}

TEST_CASE("a plan that fails ends the director", "[exits]") {
  world w;
  auto failure = [&](plan_function plan) {
    auto dir = w.start({with_plan(w, "a", std::move(plan)), w.worker("b")});
    auto sibling = await_actor(w, dir, "b");
    send(await_actor(w, dir, "a"), crash_atom_v);
    auto reason = end_of(dir);
    CHECK(end_of(sibling) == caf::exit_reason::user_shutdown);
    CHECK(reason == errc::plan_failed);
    return cause_of(reason);
  };
  auto thrown = failure(
    [](exit_info&) -> verdict { throw std::runtime_error{"no plan"}; });
  CHECK(thrown == caf::sec::runtime_error);
  CHECK(to_string(thrown).find("no plan") != std::string::npos);
  CHECK(failure([](exit_info&) -> verdict { throw 42; })
        == caf::sec::runtime_error);
  CHECK(failure([](exit_info&) { return verdict::restart_after(-1ms); })
        == caf::sec::invalid_argument);
  CHECK(
    failure([](exit_info&) { return verdict::restart_after(caf::infinite); })
    == caf::sec::invalid_argument);
}

TEST_CASE("handle_exit decides, and may fail, too", "[exits]") {
  world w;
  auto run = [&](plan_function plan,
                 std::function<verdict(exit_event&)> handle_exit) {
    callbacks hooks;
    hooks.init
      = [spec = with_plan(w, "a", std::move(plan))](const caf::message&) {
          return init_result{{}, {spec}};
        };
    hooks.handle_exit = std::move(handle_exit);
    auto dir = w.start_with(hooks, w.options());
    send(value_of(dir.get_actor("a")), crash_atom_v);
    return dir;
  };
  auto own = run(plans::permanent(), [](exit_event&) {
    return verdict::stop(caf::sec::bad_function_call);
  });
  CHECK(end_of(own) == caf::sec::bad_function_call);
  auto thrown = end_of(run(plans::permanent(), [](exit_event&) -> verdict {
    throw std::runtime_error{"boo"};
  }));
  CHECK(thrown == errc::callback_failed);
  CHECK(cause_of(thrown) == caf::sec::runtime_error);
  auto invalid = end_of(run(plans::permanent(), [](exit_event&) {
    return verdict::restart_after(-1s);
  }));
  CHECK(invalid == errc::callback_failed);
  CHECK(cause_of(invalid) == caf::sec::invalid_argument);
  auto plan
    = end_of(run([](exit_info&) -> verdict { throw std::runtime_error{"boo"}; },
                 [](exit_event& x) { return x.ask_plan(); }));
  CHECK(plan == errc::plan_failed);
  // A callback may get over a plan that fails.
  auto alive
    = run([](exit_info&) -> verdict { throw std::runtime_error{"boo"}; },
          [](exit_event& x) {
            try {
              return x.ask_plan();
            } catch (const std::exception&) {
              return verdict::wait();
            }
          });
  CHECK(becomes(w, alive, "a", errc::undefined));
}

TEST_CASE("a verdict ends the director", "[exits]") {
  world w;
  auto reason = [&](const verdict& ruling) {
    auto dir
      = w.start({with_plan(w, "a", [ruling](exit_info&) { return ruling; })});
    send(await_actor(w, dir, "a"), crash_atom_v,
         caf::make_error(caf::sec::bad_function_call));
    return end_of(dir);
  };
  CHECK(reason(verdict::stop()) == caf::sec::bad_function_call);
  CHECK(reason(verdict::stop(caf::sec::invalid_argument))
        == caf::sec::invalid_argument);
  CHECK(reason(verdict::stop(caf::exit_reason::normal))
        == caf::exit_reason::normal);
}
