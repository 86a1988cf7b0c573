// All the ways in which children end unasked, and fail to come back.

#include "fixture.hpp"

#include <caf/actor_registry.hpp>

#include <algorithm>
#include <atomic>
#include <future>

using namespace director;
using namespace fixture;

namespace {

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

TEST_CASE("an exception in a child is a crash", "[exits]") {
  world w;
  auto dir = w.start({with_plan(w, "a", noting(w.log))});
  auto first = await_actor(w, dir, "a");
  send(first, throw_atom_v);
  CHECK(end_of(first) == caf::sec::runtime_error);
  await_actor(w, dir, "a", first);
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
  CHECK(await_actor(w, dir, "a", dead) != dead);
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
  send(await_actor(w, dir, "a"), crash_atom_v);
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
  send(await_actor(w, dir, "a"), crash_atom_v);
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
  auto first = await_actor(w, dir, "a");
  send_exit(first, caf::exit_reason::kill);
  await_actor(w, dir, "a", first);
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
    send(await_actor(w, dir, "a"), as_actor(dir.handle()));
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
  auto first = await_actor(w, dir, "a");
  send(first, crash_atom_v);
  auto second = await_actor(w, dir, "a", first);
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
  auto a = await_actor(w, dir, "a");
  auto c = await_actor(w, dir, "c");
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
