// What a director does when a child ends without being asked to.

#include "fixture.hpp"

#include <caf/actor_registry.hpp>

#include <array>
#include <atomic>
#include <future>

using namespace director;
using namespace fixture;

namespace {

/// Waits until the child runs with another handle than `before`.
caf::actor next(world& w, const client& dir, const child_id& id,
                const caf::actor& before = {}) {
  caf::actor result;
  auto restarted = w.eventually([&] {
    auto handle = dir.get_actor(id);
    if (!handle || *handle == before)
      return false;
    result = *handle;
    return true;
  });
  if (!restarted)
    FAIL("no new actor for " << to_string(id));
  return result;
}

/// Lets the child end and returns the handle of its replacement.
caf::actor crash(world& w, const client& dir, const child_id& id,
                 const caf::error& reason = caf::sec::runtime_error) {
  auto handle = next(w, dir, id);
  send(handle, crash_atom_v, reason);
  return next(w, dir, id, handle);
}

bool becomes(world& w, const client& dir, const child_id& id, errc code) {
  return w.eventually([&] { return error_of(dir.get_actor(id)) == code; });
}

/// Puts verdicts into the journal.
director_options traced(world& w) {
  auto result = w.options();
  result.trace.function = [log = w.log](const trace_event& x) {
    if (x.kind == trace_kind::verdict)
      log->add("verdict on " + to_string(x.id) + ": " + x.text + ".");
  };
  return result;
}

/// Notes what it gets to see and always restarts.
plan_function noting(const journal_ptr& log) {
  return [log](exit_info& x) {
    log->add("plan " + to_string(x.id) + " recent=" + std::to_string(x.recent)
             + " lifetime=" + std::to_string(x.lifetime) + " "
             + to_string(x.reason));
    return verdict::restart();
  };
}

child_spec with_plan(world& w, child_id id, plan_function plan) {
  auto result = w.worker(std::move(id));
  result.plan = std::move(plan);
  return result;
}

/// Calls `first` for the first `times` starts, then starts a worker.
template <class F>
child_spec after_trouble(world& w, child_id id, size_t times, F first) {
  auto result = with_plan(w, std::move(id), noting(w.log));
  auto calls = std::make_shared<std::atomic<size_t>>(0);
  result.start = [calls, times, first,
                  log = w.log](start_context& ctx) -> start_result {
    if (++*calls <= times)
      return first(ctx);
    return ctx.spawn([log](caf::event_based_actor* self) {
      log->add("works");
      return caf::behavior{
        [self](crash_atom, const caf::error& reason) { self->quit(reason); }};
    });
  };
  return result;
}

} // namespace

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
  auto sibling = next(w, dir, "b");
  send(next(w, dir, "a"), crash_atom_v,
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
    send(next(w, dir, "a"), crash_atom_v, caf::make_error(reason));
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
  auto handle = next(w, dir, "a");
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
    auto sibling = next(w, dir, "b");
    send(next(w, dir, "a"), crash_atom_v);
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
    send(next(w, dir, "a"), crash_atom_v,
         caf::make_error(caf::sec::bad_function_call));
    return end_of(dir);
  };
  CHECK(reason(verdict::stop()) == caf::sec::bad_function_call);
  CHECK(reason(verdict::stop(caf::sec::invalid_argument))
        == caf::sec::invalid_argument);
  CHECK(reason(verdict::stop(caf::exit_reason::normal))
        == caf::exit_reason::normal);
}

TEST_CASE("an exception in a child is a crash", "[exits]") {
  world w;
  auto dir = w.start({with_plan(w, "a", noting(w.log))});
  auto first = next(w, dir, "a");
  send(first, throw_atom_v);
  CHECK(end_of(first) == caf::sec::runtime_error);
  next(w, dir, "a", first);
  CHECK(w.log->count("plan a recent=1 lifetime=0 "
                     + to_string(caf::make_error(caf::sec::runtime_error)))
        == 1);
  CHECK(w.log->count("error test child_terminated child=a") == 1);
}

TEST_CASE("a child may end before it has a behavior", "[exits]") {
  world w;
  auto dir = w.start();
  auto quits = [](start_context& ctx) -> start_result {
    return ctx.spawn([](caf::event_based_actor* self) {
      self->quit(caf::sec::bad_function_call);
      return caf::behavior{[](int) {}};
    });
  };
  CHECK(value_of(dir.start_child(after_trouble(w, "a", 3, quits))).handle);
  REQUIRE(w.log->await("works"));
  CHECK(w.log->count("plan a ") == 3);
  CHECK(w.log->count("plan a recent=3 lifetime=2 "
                     + to_string(caf::make_error(caf::sec::bad_function_call)))
        == 1);
  auto throws = [](start_context& ctx) -> start_result {
    return ctx.spawn([](caf::event_based_actor*) -> caf::behavior {
      throw std::runtime_error{"boo"};
    });
  };
  CHECK(value_of(dir.start_child(after_trouble(w, "b", 2, throws))).handle);
  REQUIRE(w.log->await("works", 2));
  CHECK(w.log->count("plan b ") == 2);
  CHECK(w.log->count("plan b recent=2 lifetime=1 "
                     + to_string(caf::make_error(caf::sec::runtime_error)))
        == 1);
}

TEST_CASE("an actor that was dead at its start has ended", "[exits]") {
  world w;
  auto dead = w.sys->spawn([](caf::event_based_actor* self) {
    self->quit(caf::sec::invalid_argument);
  });
  REQUIRE(end_of(dead) == caf::sec::invalid_argument);
  auto dir = w.start();
  auto spec = after_trouble(w, "a", 1, [dead](start_context&) -> start_result {
    return dead;
  });
  CHECK(value_of(dir.start_child(spec)).handle == dead);
  REQUIRE(w.log->await("works"));
  CHECK(next(w, dir, "a", dead) != dead);
  CHECK(w.log->count("plan a ") == 1);
  CHECK(w.log->count("plan a recent=1 lifetime=0 "
                     + to_string(caf::make_error(caf::sec::invalid_argument)))
        == 1);
}

TEST_CASE("a restart that fails asks the plan again", "[exits]") {
  world w;
  auto calls = std::make_shared<std::atomic<int>>(0);
  auto spec = after_trouble(
    w, "a", 4, [calls](start_context& ctx) -> start_result {
      switch (++*calls) {
        case 1:
          return ctx.spawn([](caf::event_based_actor* self) {
            return caf::behavior{[self](crash_atom, const caf::error& reason) {
              self->quit(reason);
            }};
          });
        case 2:
          throw std::runtime_error{"boo"};
        default:
          return caf::make_error(caf::sec::bad_function_call);
      }
    });
  auto dir = w.start({spec});
  crash(w, dir, "a");
  CHECK(w.log->await("works"));
  CHECK(w.log->count("plan a ") == 4);
  CHECK(w.log->count("plan a recent=1 lifetime=0 "
                     + to_string(caf::make_error(caf::sec::runtime_error)))
        == 1);
  for (auto text :
       {"recent=2 lifetime=1", "recent=3 lifetime=2", "recent=4 lifetime=3"})
    CHECK(w.log->count(std::string{"plan a "} + text + " start_failed") == 1);
  CHECK(w.log->count("error test start_error child=a") == 3);
  CHECK(value_of(dir.get_restart_count("a")) == 4);
}

TEST_CASE("the standard plan gives up on a child that does not start",
          "[exits]") {
  world w;
  auto spec
    = after_trouble(w, "a", 1000,
                    [first = std::make_shared<std::atomic<bool>>(true)](
                      start_context& ctx) -> start_result {
                      if (!first->exchange(false))
                        return caf::make_error(caf::sec::bad_function_call);
                      return ctx.spawn([](caf::event_based_actor* self) {
                        return caf::behavior{[self](crash_atom) {
                          self->quit(caf::sec::runtime_error);
                        }};
                      });
                    });
  spec.plan = plans::standard({.delay = 10ms});
  auto dir = w.start({spec}, traced(w));
  send(next(w, dir, "a"), crash_atom_v);
  auto reason = end_of(dir);
  CHECK(reason == errc::start_failed);
  CHECK(cause_of(reason) == caf::sec::bad_function_call);
  CHECK(w.log->count("verdict on a: restart.") == 3);
  CHECK(w.log->count("verdict on a: restart after 10ms.") == 1);
  CHECK(w.log->count("verdict on a: stop.") == 1);
}

TEST_CASE("endless attempts to restart do not starve requests", "[exits]") {
  world w;
  auto attempts = std::make_shared<std::atomic<size_t>>(0);
  auto spec = w.worker("a");
  spec.plan = plans::permanent();
  spec.start = [attempts](start_context& ctx) -> start_result {
    if (++*attempts > 1)
      return caf::make_error(caf::sec::bad_function_call);
    return ctx.spawn([](caf::event_based_actor* self) {
      return caf::behavior{
        [self](crash_atom) { self->quit(caf::sec::runtime_error); }};
    });
  };
  auto options = w.options();
  options.sink = nullptr;
  auto dir = w.start({spec, w.worker("b")}, options);
  send(next(w, dir, "a"), crash_atom_v);
  REQUIRE(w.eventually([&] { return *attempts > 100; }));
  for (int i = 0; i < 10; ++i) {
    size_t before = *attempts;
    CHECK(value_of(dir.count_children()) == child_counts{2, 1, 0, 2});
    CHECK(error_of(dir.get_actor("a")) == errc::restarting);
    CHECK(error_of(dir.restart_child("a")) == errc::restarting);
    CHECK(w.eventually([&] { return *attempts > before; }));
  }
  crash(w, dir, "b");
  CHECK_FALSE(dir.terminate_child("a"));
  size_t last = *attempts;
  CHECK(error_of(dir.get_actor("a")) == errc::undefined);
  CHECK(value_of(dir.get_restart_count("a")) + 1 == last);
  CHECK(*attempts == last);
}

TEST_CASE("a child that is killed has crashed", "[exits]") {
  world w;
  auto dir = w.start({with_plan(w, "a", noting(w.log))});
  auto first = next(w, dir, "a");
  send_exit(first, caf::exit_reason::kill);
  next(w, dir, "a", first);
  CHECK(w.log->count("plan a recent=1 lifetime=0 "
                     + to_string(caf::make_error(caf::exit_reason::kill)))
        == 1);
  CHECK(w.log->count("error test child_terminated child=a") == 1);
  CHECK(value_of(dir.count_children()).active == 1);
}

TEST_CASE("a child linked to its director does not take it along", "[exits]") {
  world w;
  auto spec = w.worker("a");
  spec.start = [log = w.log](caf::event_based_actor* self) {
    return caf::behavior{
      [self, log](const caf::actor& other) {
        self->link_to(other);
        log->add("linked");
      },
      [self](crash_atom, const caf::error& reason) { self->quit(reason); },
    };
  };
  spec.plan = plans::permanent();
  auto dir = w.start({spec});
  for (size_t i = 1; i <= 3; ++i) {
    send(next(w, dir, "a"), as_actor(dir.handle()));
    REQUIRE(w.log->await("linked", i));
    crash(w, dir, "a");
  }
  CHECK(value_of(dir.get_restart_count("a")) == 3);
}

TEST_CASE("the exit of a linked child may come late", "[exits]") {
  // An actor announces its end first to whoever came last. This child has
  // linked itself before its director watches it, and pauses in between.
  world w{3};
  auto door = std::make_shared<gate>();
  auto options = w.options();
  options.registered_name = "linked-director";
  auto spec = w.worker("a");
  spec.plan = plans::permanent();
  spec.start = [door, log = w.log](start_context& ctx) {
    auto parent = ctx.system().registry().get<caf::actor>("linked-director");
    auto linked = std::make_shared<std::promise<void>>();
    auto first = ctx.incarnation() == 1;
    auto result = ctx.spawn([=](caf::event_based_actor* self) {
      log->add("up");
      if (first) {
        self->attach_functor([log] { log->add("told everybody"); });
        self->link_to(parent);
        self->attach_functor([door] { door->pass(); });
      }
      linked->set_value();
      return caf::behavior{
        [self](crash_atom) { self->quit(caf::sec::runtime_error); }};
    });
    linked->get_future().wait_for(patience);
    return result;
  };
  auto dir = w.start({spec}, options);
  auto first = next(w, dir, "a");
  send(first, crash_atom_v);
  auto second = next(w, dir, "a", first);
  door->open();
  REQUIRE(w.log->await("told everybody"));
  // A director that has begun to end refuses this request, but answers reads.
  CHECK(dir.delete_child("nobody") == errc::not_found);
  auto now = dir.get_actor("a");
  CHECK((now && *now == second));
}

TEST_CASE("siblings of a child that crashes notice nothing", "[exits]") {
  world w;
  auto dir = w.start({w.worker("a"), w.worker("b"), w.worker("c")});
  auto a = next(w, dir, "a");
  auto c = next(w, dir, "c");
  for (int i = 0; i < 3; ++i)
    crash(w, dir, "b");
  CHECK(value_of(dir.get_actor("a")) == a);
  CHECK(value_of(dir.get_actor("c")) == c);
  CHECK(value_of(dir.get_restart_count("a")) == 0);
  CHECK(value_of(dir.get_restart_count("b")) == 3);
  CHECK(value_of(dir.get_restart_count("c")) == 0);
  CHECK(w.log->count("down a") == 0);
}

TEST_CASE("a thousand children crash at once", "[exits]") {
  world w;
  auto options = w.options();
  options.sink = nullptr;
  auto dir = w.start({}, options);
  std::vector<child_spec> specs;
  for (int i = 0; i < 1000; ++i)
    specs.push_back(
      {.id = i,
       .start =
         [](caf::event_based_actor* self) {
           return caf::behavior{
             [self](crash_atom) { self->quit(caf::sec::runtime_error); }};
         },
       .plan = i % 2 == 0 ? plans::permanent() : plans::standard()});
  value_of(dir.start_children(std::move(specs)));
  auto first = value_of(dir.get_actors());
  REQUIRE(first.size() == 1000);
  for (auto& child : first)
    send(child.handle, crash_atom_v);
  CHECK(w.eventually([&] {
    auto all = value_of(dir.which_children());
    return std::all_of(all.begin(), all.end(), [](const child_info& x) {
      return x.status == child_status::running && x.restart_count == 1;
    });
  }));
  CHECK(value_of(dir.count_children()) == child_counts{1000, 1000, 0, 1000});
  for (auto& child : first)
    CHECK(w.gone(child.handle));
}
