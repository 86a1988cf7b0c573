// Directors on tables that fail.

#include "director/test/wrapped_table.hpp"
#include "fixture.hpp"

#include <atomic>

using namespace director;
using namespace fixture;

namespace {

/// Fails writes of one kind while it is switched on.
struct fault_switch {
  std::atomic<int> call{-1};
  std::atomic<int> remaining{1'000'000};

  void on(test::table_call what, int times = 1'000'000) {
    remaining = times;
    call = static_cast<int>(what);
  }

  void off() {
    call = -1;
  }

  bool hits(test::table_call what) {
    return call == static_cast<int>(what) && --remaining >= 0;
  }
};

/// A director on a table that fails with `failure` when it is told to.
struct faulty {
  faulty(world& w, caf::error failure, std::vector<child_spec> children)
    : inner(std::make_shared<list_table>()),
      dir(start(w, std::move(failure), std::move(children))) {
    // nop
  }

  client start(world& w, caf::error failure, std::vector<child_spec> children) {
    auto options = w.options();
    options.table = std::make_shared<test::faulty_table>(
      inner, [fault = fault, failure](test::table_call what) {
        return fault->hits(what) ? failure : caf::error{};
      });
    return w.start(std::move(children), options);
  }

  std::shared_ptr<fault_switch> fault = std::make_shared<fault_switch>();
  std::shared_ptr<list_table> inner;
  client dir;
};

} // namespace

TEST_CASE("a table that fails for good ends the director", "[faults]") {
  world w;
  auto run = [&](test::table_call what, auto trigger) {
    auto f = faulty{w,
                    caf::make_error(errc::table_failed),
                    {noted(w, "a"), noted(w, "b")}};
    auto a = value_of(f.dir.get_actor("a"));
    CHECK_FALSE(f.dir.terminate_child("b"));
    f.fault->on(what);
    trigger(f.dir);
    CHECK(end_of(f.dir) == errc::table_failed);
    CHECK(end_of(a) == caf::exit_reason::user_shutdown);
  };
  run(test::table_call::claim, [&](const client& dir) {
    CHECK(error_of(dir.start_child(noted(w, "c"))) == errc::table_failed);
  });
  run(test::table_call::put, [&](const client& dir) {
    CHECK(dir.change_plan("a", plans::never()) == errc::table_failed);
  });
  run(test::table_call::put, [&](const client& dir) {
    CHECK(error_of(dir.start_child(noted(w, "c"))));
  });
  run(test::table_call::erase, [&](const client& dir) {
    CHECK(dir.delete_child("b") == errc::table_failed);
  });
  run(test::table_call::put, [&](const client& dir) {
    send(value_of(dir.get_actor("a")), crash_atom_v,
         caf::make_error(caf::exit_reason::user_shutdown));
  });
  CHECK(w.log->await("director_terminating reason", 5));
}

TEST_CASE("a director cannot start on a table that fails", "[faults]") {
  world w;
  for (auto what : {test::table_call::attach, test::table_call::claim}) {
    auto options = w.options();
    options.table = std::make_shared<test::faulty_table>(
      std::make_shared<list_table>(), [what](test::table_call call) {
        return call == what ? caf::make_error(errc::table_failed)
                            : caf::error{};
      });
    auto result = director::start(*w.sys, fixed({.children = {noted(w, "a")}}),
                                  options);
    CHECK(error_of(result) == errc::table_failed);
  }
  CHECK(w.log->count("end a") == 0);
}

TEST_CASE("a table that refuses a claim starts nothing", "[faults]") {
  world w;
  auto f = faulty{w, caf::make_error(caf::sec::invalid_argument), {}};
  f.fault->on(test::table_call::claim);
  CHECK(error_of(f.dir.start_child(noted(w, "a")))
        == caf::sec::invalid_argument);
  auto outcomes = value_of(f.dir.start_children({noted(w, "b")}));
  REQUIRE(outcomes.size() == 1);
  CHECK(outcomes[0].err == caf::sec::invalid_argument);
  CHECK(value_of(f.dir.count_children()) == child_counts{});
  CHECK(lines(w, {"end"}).empty());
  f.fault->off();
  CHECK(value_of(f.dir.start_child(noted(w, "a"))).handle);
}

TEST_CASE("a table that refuses to record a start undoes it", "[faults]") {
  world w;
  auto f = faulty{w, caf::make_error(caf::sec::invalid_argument), {}};
  // Also refuses what is written on the way down.
  for (int times : {1, 1000}) {
    f.fault->on(test::table_call::put, times);
    CHECK(error_of(f.dir.start_child(noted(w, "a")))
          == caf::sec::invalid_argument);
    CHECK(error_of(f.dir.get_actor("a")) == errc::not_found);
    CHECK(value_of(f.dir.count_children()) == child_counts{});
  }
  CHECK(w.log->await("end a", 2));
  f.fault->off();
  CHECK(value_of(f.dir.start_child(noted(w, "a"))).handle);
  // The same with a child that says when it is ready.
  auto spec = noted(w, "b");
  spec.await_ready = true;
  spec.start = [log = w.log](caf::event_based_actor*) {
    auto end = farewell(log, "b");
    return caf::behavior{[end](ready_atom) {}};
  };
  // The first write notes the actor, the second one that it is ready.
  f.fault->on(test::table_call::put, 2);
  CHECK(error_of(f.dir.start_child(spec)) == caf::sec::invalid_argument);
  CHECK(error_of(f.dir.get_actor("b")) == errc::not_found);
  CHECK(w.log->count("end b") == 1);
}

TEST_CASE("a table that refuses changes changes nothing", "[faults]") {
  world w;
  auto f = faulty{w,
                  caf::make_error(caf::sec::invalid_argument),
                  {noted(w, "a"), noted(w, "b")}};
  auto a = value_of(f.dir.get_actor("a"));
  CHECK_FALSE(f.dir.terminate_child("b"));
  f.fault->on(test::table_call::put);
  CHECK(f.dir.terminate_child("a") == caf::sec::invalid_argument);
  CHECK(value_of(f.dir.get_actor("a")) == a);
  CHECK(is_alive(a));
  CHECK(f.dir.change_plan("a", plans::never()) == caf::sec::invalid_argument);
  CHECK(value_of(f.dir.get_plan("a")).what() == plan_function::kind::standard);
  CHECK(error_of(f.dir.restart_child("b")) == caf::sec::invalid_argument);
  CHECK(status_of(f.dir, "b") == child_status::undefined);
  f.fault->on(test::table_call::erase);
  CHECK(f.dir.delete_child("b") == caf::sec::invalid_argument);
  CHECK(f.dir.delete_running_child(a) == caf::sec::invalid_argument);
  CHECK(value_of(f.dir.get_actor("a")) == a);
  f.fault->off();
  // Both are as well supervised as before.
  CHECK(value_of(f.dir.restart_child("b")).handle);
  crash(w, f.dir, "a");
  CHECK(value_of(f.dir.count_children()) == child_counts{2, 2, 0, 2});
  CHECK_FALSE(f.dir.terminate_and_delete_child("a"));
  CHECK(error_of(f.dir.get_actor("a")) == errc::not_found);
}

TEST_CASE("a refused write that nobody waits for is reported", "[faults]") {
  world w;
  auto f
    = faulty{w, caf::make_error(caf::sec::invalid_argument), {noted(w, "a")}};
  auto a = value_of(f.dir.get_actor("a"));
  f.fault->on(test::table_call::put, 1);
  send(a, crash_atom_v, caf::make_error(caf::sec::runtime_error));
  CHECK(w.log->await("warning test table_error"));
  await_actor(w, f.dir, "a", a);
  CHECK_FALSE(f.dir.stop());
}
