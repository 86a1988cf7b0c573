// Children that do not end when asked to, and directors that get no time.

#include "director/test/wrapped_table.hpp"
#include "fixture.hpp"

#include <atomic>

using namespace director;
using namespace fixture;

namespace {

/// Lets the child "a" wait at its door, and returns it.
caf::actor make_busy(world& w, const client& dir) {
  auto handle = value_of(dir.get_actor("a"));
  send(handle, block_atom_v);
  REQUIRE(w.log->await("busy a"));
  return handle;
}

} // namespace

// -- stubborn children --------------------------------------------------------

TEST_CASE("without terminate timeout a child is killed at once", "[shutdown]") {
  world w;
  auto dir = w.start({stubborn(w, "a", 0s)});
  auto handle = value_of(dir.get_actor("a"));
  CHECK_FALSE(dir.terminate_child("a"));
  CHECK(end_of(handle) == caf::exit_reason::kill);
  CHECK(w.log->count("end a") == 1);
  CHECK(w.log->count("asked a") == 0);
  CHECK(w.log->count("shutdown_error") == 0);
}

TEST_CASE("a child that ignores the request to end gets killed", "[shutdown]") {
  world w;
  auto dir = w.start({stubborn(w, "a", 40ms), noted(w, "b")});
  auto handle = value_of(dir.get_actor("a"));
  auto before = std::chrono::steady_clock::now();
  CHECK_FALSE(dir.terminate_child("a"));
  CHECK(std::chrono::steady_clock::now() - before >= 40ms);
  CHECK(end_of(handle) == caf::exit_reason::kill);
  CHECK(lines(w, {"asked", "end"}) == strings{"asked a", "end a"});
  CHECK(w.log->count("warning test shutdown_error child=a") == 1);
  CHECK(status_of(dir, "a") == child_status::undefined);
  REQUIRE(dir.restart_child("a"));
  CHECK_FALSE(dir.stop());
  CHECK(w.log->count("end a") == 2);
  CHECK(w.log->count("warning test shutdown_error child=a") == 2);
  CHECK(w.log->count("shutdown_error child=b") == 0);
}

TEST_CASE("a busy child becomes unresponsive", "[shutdown]") {
  world w{3};
  auto door = std::make_shared<gate>();
  auto spec = noted(w, "a", door);
  spec.terminate_timeout = 10ms;
  auto options = w.options();
  options.kill_grace = 20ms;
  auto dir = w.start({spec}, options);
  auto handle = make_busy(w, dir);
  CHECK(dir.terminate_child("a") == errc::unresponsive);
  CHECK(w.log->count("error test shutdown_error child=a") == 1);
  auto all = value_of(dir.which_children());
  REQUIRE(all.size() == 1);
  CHECK(all[0].status == child_status::unresponsive);
  CHECK(all[0].handle == handle);
  CHECK(value_of(dir.count_children()) == child_counts{1, 0, 0, 1});
  CHECK(error_of(dir.restart_child("a")) == errc::unresponsive);
  CHECK(error_of(dir.start_child(spec)) == errc::unresponsive);
  CHECK(dir.terminate_child("a") == errc::unresponsive);
  CHECK(dir.terminate_child(handle) == errc::unresponsive);
  CHECK(dir.terminate_and_delete_child("a") == errc::unresponsive);
  CHECK(dir.delete_child("a") == errc::running);
  CHECK(is_alive(handle));
  door->open();
  CHECK(end_of(handle) == caf::exit_reason::kill);
  CHECK(w.eventually(
    [&] { return status_of(dir, "a") == child_status::undefined; }));
  CHECK(value_of(dir.restart_child("a")).handle != handle);
}

TEST_CASE("a busy child does not hold up the end of its director",
          "[shutdown]") {
  world w{3};
  auto door = std::make_shared<gate>();
  auto spec = noted(w, "a", door);
  spec.terminate_timeout = 10ms;
  auto options = w.options();
  options.kill_grace = 20ms;
  auto table = std::make_shared<list_table>();
  options.table = table;
  auto dir = w.start({noted(w, "b"), spec, noted(w, "c")}, options);
  auto handle = make_busy(w, dir);
  CHECK_FALSE(dir.stop());
  CHECK(is_alive(handle));
  CHECK(lines(w, {"end"}) == strings{"end c", "end b"});
  CHECK(w.log->count("error test shutdown_error child=a") == 1);
  // It still lives, so the record stays and keeps its ID from being used.
  auto record = table->find("a");
  REQUIRE(record);
  CHECK(record->status == child_status::unresponsive);
  CHECK(record->handle == handle);
  CHECK_FALSE(record->owner);
  CHECK(table->size() == 1);
  door->open();
  CHECK(end_of(handle) == caf::exit_reason::kill);
}

TEST_CASE("a kill overtakes a full mailbox", "[shutdown]") {
  world w{3};
  auto door = std::make_shared<gate>();
  auto spec = noted(w, "a", door);
  spec.terminate_timeout = 0s;
  auto options = w.options();
  options.kill_grace = patience;
  auto dir = w.start({spec}, options);
  auto handle = make_busy(w, dir);
  for (int i = 0; i < 1000; ++i)
    send(handle, count_atom_v);
  send(as_actor(dir.handle()), terminate_child_atom_v, child_id{"a"});
  REQUIRE(w.eventually(
    [&] { return status_of(dir, "a") == child_status::terminating; }));
  door->open();
  CHECK(end_of(handle) == caf::exit_reason::kill);
  CHECK(w.log->count("counted a") == 0);
}

// -- directors that die -------------------------------------------------------

TEST_CASE("a director that is killed takes its children along", "[shutdown]") {
  world w;
  auto options = w.options();
  auto table = std::make_shared<list_table>();
  options.table = table;
  auto kept = noted(w, "kept");
  kept.delete_before_terminate = false;
  auto dir = w.start({stubborn(w, "a"), kept}, options);
  auto handles = value_of(dir.get_actors());
  REQUIRE(handles.size() == 2);
  send_exit(as_actor(dir.handle()), caf::exit_reason::kill);
  CHECK(end_of(dir) == caf::exit_reason::kill);
  for (auto& x : handles)
    CHECK(end_of(x.handle) == caf::exit_reason::kill);
  CHECK(lines(w, {"asked"}).empty());
  // Waits for the end of all work of the director before looking at its table.
  w.sys.reset();
  CHECK(table->size() == 1);
  auto record = table->find("kept");
  REQUIRE(record);
  CHECK_FALSE(record->owner);
  CHECK(record->status == child_status::undefined);
}

TEST_CASE("a director that dies by an exception takes its children along",
          "[shutdown]") {
  world w;
  auto fail = std::make_shared<std::atomic<bool>>(false);
  auto run = [&](auto trigger) {
    *fail = false;
    auto options = w.options();
    options.table = std::make_shared<test::faulty_table>(
      std::make_shared<list_table>(), [fail](test::table_call what) {
        if (*fail && what == test::table_call::put)
          throw std::runtime_error{"table"};
        return caf::error{};
      });
    auto spec = noted(w, "b");
    spec.plan = plans::never();
    auto dir = w.start({noted(w, "a"), spec}, options);
    auto a = value_of(dir.get_actor("a"));
    *fail = true;
    trigger(dir);
    CHECK(end_of(dir) == caf::sec::runtime_error);
    CHECK(end_of(a) == caf::exit_reason::kill);
  };
  run([](const client& dir) { CHECK(dir.change_plan("a", plans::never())); });
  run([](const client& dir) { CHECK(dir.terminate_child("a")); });
  run([](const client& dir) {
    send(value_of(dir.get_actor("b")), crash_atom_v,
         caf::make_error(caf::sec::bad_function_call));
  });
}
