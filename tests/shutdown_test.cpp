// How children and directors come to an end.

#include "director/test/wrapped_table.hpp"
#include "fixture.hpp"

#include <algorithm>
#include <atomic>
#include <future>
#include <sstream>

using namespace director;
using namespace fixture;

namespace {

/// Notes "end <label>" when the behavior that holds it goes. Nobody hears of
/// the end of the actor before that.
std::shared_ptr<void> farewell(journal_ptr log, std::string label) {
  return {nullptr, [log = std::move(log), label = std::move(label)](void*) {
            log->add("end " + label);
          }};
}

/// Notes its end and can be told to end or to block.
child_spec noted(world& w, child_id id, std::shared_ptr<gate> door = {}) {
  auto label = to_string(id);
  child_spec result;
  result.id = std::move(id);
  result.start = [log = w.log, label, door](caf::event_based_actor* self) {
    auto end = farewell(log, label);
    return caf::behavior{
      [self, end](crash_atom, const caf::error& reason) { self->quit(reason); },
      [log, label, door](block_atom) {
        log->add("busy " + label);
        door->pass();
      },
      [log, label](count_atom) { log->add("counted " + label); },
    };
  };
  return result;
}

/// Notes "asked <label>" when it is asked to end, but ends only when it gets
/// `block_atom`.
child_spec stubborn(world& w, child_id id, caf::timespan timeout = patience) {
  auto label = to_string(id);
  child_spec result;
  result.id = std::move(id);
  result.terminate_timeout = timeout;
  result.start = [log = w.log, label](caf::event_based_actor* self) {
    auto end = farewell(log, label);
    return internal::compat::make_behavior(
      self, [log, label](caf::exit_msg&) { log->add("asked " + label); },
      [](const caf::message&) -> caf::error {
        return caf::sec::unexpected_message;
      },
      [self, end](block_atom) { self->quit(caf::exit_reason::user_shutdown); });
  };
  return result;
}

/// Returns those lines of the journal that start with one of the words.
std::vector<std::string> lines(const world& w,
                               const std::vector<std::string>& words) {
  std::vector<std::string> result;
  std::istringstream in{w.log->all()};
  for (std::string line; std::getline(in, line);)
    if (std::any_of(words.begin(), words.end(), [&](const std::string& word) {
          return line.compare(0, word.size(), word) == 0;
        }))
      result.push_back(line);
  return result;
}

using strings = std::vector<std::string>;

child_status status_of(const client& dir, const child_id& id) {
  for (auto& x : value_of(dir.which_children()))
    if (x.id == id)
      return x.status;
  FAIL("no child " << to_string(id));
  return child_status::undefined;
}

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

// -- stop ---------------------------------------------------------------------

TEST_CASE("stop answers when everybody is gone", "[shutdown]") {
  world w;
  auto dir = w.start({noted(w, "a"), noted(w, "b")});
  auto c = value_of(dir.start_child(noted(w, "c"))).handle;
  CHECK_FALSE(dir.stop(caf::sec::bad_function_call));
  CHECK(lines(w, {"end"}).size() == 3);
  CHECK_FALSE(is_alive(c));
  CHECK_FALSE(is_alive(as_actor(dir.handle())));
  CHECK(end_of(c) == caf::exit_reason::user_shutdown);
  CHECK(end_of(dir) == caf::sec::bad_function_call);
  CHECK(w.log->count("error test director_terminating") == 1);
  CHECK_FALSE(dir.stop());
  CHECK(error_of(dir.count_children()) == caf::sec::request_receiver_down);
  auto other = w.start({noted(w, "d")});
  CHECK_FALSE(other.stop());
  CHECK(end_of(other) == caf::exit_reason::user_shutdown);
  CHECK(w.log->count("info test director_terminating") == 1);
  auto third = w.start({noted(w, "e")});
  CHECK_FALSE(third.stop(caf::exit_reason::normal));
  CHECK(end_of(third) == caf::exit_reason::normal);
  CHECK(lines(w, {"end"}).size() == 5);
}

TEST_CASE("an exit message ends a director in good order", "[shutdown]") {
  world w;
  auto dir = w.start({noted(w, "a"), noted(w, "b")});
  auto b = value_of(dir.get_actor("b"));
  send_exit(as_actor(dir.handle()), caf::sec::bad_function_call);
  CHECK(end_of(dir) == caf::sec::bad_function_call);
  CHECK(end_of(b) == caf::exit_reason::user_shutdown);
  CHECK(lines(w, {"end"}) == strings{"end b", "end a"});
}

TEST_CASE("children go newest first", "[shutdown]") {
  world w;
  auto options = w.options();
  options.order = stop_order::newest_first;
  auto dir = w.start({stubborn(w, "a"), stubborn(w, "b")}, options);
  REQUIRE(dir.start_child(stubborn(w, "c")));
  REQUIRE(dir.start_child(stubborn(w, "d")));
  auto handles = value_of(dir.get_actors());
  REQUIRE(handles.size() == 4);
  send(as_actor(dir.handle()), stop_atom_v, caf::error{});
  for (auto id : {"d", "c", "b", "a"}) {
    REQUIRE(w.log->await(std::string{"asked "} + id));
    for (auto& x : handles)
      if (x.id == child_id{id})
        send(x.handle, block_atom_v);
  }
  std::ignore = end_of(dir);
  CHECK(lines(w, {"end", "asked"})
        == strings{"asked d", "end d", "asked c", "end c", "asked b", "end b",
                   "asked a", "end a"});
}

TEST_CASE("children go all at once", "[shutdown]") {
  world w;
  auto options = w.options();
  options.order = stop_order::all_at_once;
  auto dir = w.start({stubborn(w, "a"), stubborn(w, "b")}, options);
  REQUIRE(dir.start_child(stubborn(w, "c")));
  auto handles = value_of(dir.get_actors());
  send(as_actor(dir.handle()), stop_atom_v, caf::error{});
  REQUIRE(w.log->await("asked", 3));
  CHECK(lines(w, {"end"}).empty());
  for (auto& x : handles)
    send(x.handle, block_atom_v);
  std::ignore = end_of(dir);
  CHECK(lines(w, {"end"}).size() == 3);
}

TEST_CASE("requested children go first and at once, then those of init",
          "[shutdown]") {
  world w;
  auto dir = w.start({stubborn(w, "a"), stubborn(w, "b"), stubborn(w, "c")});
  REQUIRE(dir.start_child(stubborn(w, "x")));
  REQUIRE(dir.start_child(stubborn(w, "y")));
  // A restart does not change who had asked for the child, or when.
  auto first = value_of(dir.get_actor("a"));
  send_exit(first, caf::exit_reason::kill);
  REQUIRE(w.eventually([&] {
    auto second = dir.get_actor("a");
    return second && *second != first;
  }));
  auto handles = value_of(dir.get_actors());
  REQUIRE(handles.size() == 5);
  auto release = [&](const child_id& id) {
    for (auto& x : handles)
      if (x.id == id)
        send(x.handle, block_atom_v);
  };
  send(as_actor(dir.handle()), stop_atom_v, caf::error{});
  REQUIRE(w.log->await("asked x"));
  REQUIRE(w.log->await("asked y"));
  release("x");
  REQUIRE(w.log->await("end x"));
  release("y");
  for (auto id : {"c", "b", "a"}) {
    REQUIRE(w.log->await(std::string{"asked "} + id));
    release(id);
  }
  std::ignore = end_of(dir);
  auto all = lines(w, {"end", "asked"});
  REQUIRE(all.size() == 11);
  CHECK(all[0] == "end a");
  CHECK(strings(all.begin() + 3, all.end())
        == strings{"end x", "end y", "asked c", "end c", "asked b", "end b",
                   "asked a", "end a"});
}

TEST_CASE("requests are refused while the director ends", "[shutdown]") {
  world w;
  auto spec = stubborn(w, "a");
  spec.delete_before_terminate = false;
  auto dir = w.start({spec, noted(w, "b")});
  auto handle = value_of(dir.get_actor("a"));
  CHECK_FALSE(dir.terminate_child("b"));
  send(as_actor(dir.handle()), stop_atom_v,
       caf::make_error(caf::sec::bad_function_call));
  REQUIRE(w.log->await("asked a"));
  CHECK(error_of(dir.start_child(noted(w, "c"))) == errc::stopping);
  CHECK(error_of(dir.start_children({noted(w, "c")})) == errc::stopping);
  CHECK(error_of(dir.restart_child("b")) == errc::stopping);
  CHECK(dir.become_supervisor(handle, noted(w, "c")) == errc::stopping);
  CHECK(dir.terminate_child("a") == errc::stopping);
  CHECK(dir.terminate_child(handle) == errc::stopping);
  CHECK(dir.delete_child("b") == errc::stopping);
  CHECK(dir.terminate_and_delete_child("b") == errc::stopping);
  CHECK(dir.terminate_and_delete_child(handle) == errc::stopping);
  CHECK(dir.delete_running_child(handle) == errc::stopping);
  CHECK(dir.change_plan("a", plans::never()) == errc::stopping);
  CHECK(dir.change_log_filter("a", [](report&) { return report_detail::none; })
        == errc::stopping);
  CHECK(dir.change_log_filter([](report&) { return report_detail::none; })
        == errc::stopping);
  CHECK(dir.change_default_child_spec({}) == errc::stopping);
  CHECK(dir.reload() == errc::stopping);
  // Reads go on.
  CHECK(value_of(dir.count_children()).specs == 2);
  CHECK(status_of(dir, "a") == child_status::terminating);
  CHECK(value_of(dir.get_child_spec("a")).id == child_id{"a"});
  CHECK(value_of(dir.get_restart_count("b")) == 0);
  CHECK(value_of(dir.get_name()) == "test");
  // A second stop waits like the first, but comes too late to say why.
  auto second = std::async(std::launch::async, [&] {
    return dir.stop(caf::sec::invalid_argument);
  });
  send(handle, block_atom_v);
  CHECK_FALSE(second.get());
  CHECK(end_of(dir) == caf::sec::bad_function_call);
}

TEST_CASE("a start under way is called off by the end of the director",
          "[shutdown]") {
  world w;
  auto dir = w.start();
  auto spec = noted(w, "a");
  spec.await_ready = true;
  spec.start = [log = w.log](caf::event_based_actor* self) {
    auto end = farewell(log, "a");
    auto kept = std::make_shared<caf::response_promise>();
    return caf::behavior{[=](ready_atom) -> caf::result<void> {
      *kept = self->make_response_promise();
      log->add("was asked");
      std::ignore = end;
      return caf::delegated<void>{};
    }};
  };
  spec.start_timeout = patience;
  auto pending = std::async(std::launch::async,
                            [&] { return dir.start_child(spec); });
  REQUIRE(w.log->await("was asked"));
  CHECK_FALSE(dir.stop());
  CHECK(w.log->count("end a") == 1);
  CHECK(error_of(pending.get()) == errc::stopping);
}

TEST_CASE("a restart that was scheduled is called off by the end",
          "[shutdown]") {
  world w;
  auto spec = noted(w, "a");
  spec.plan = plans::backoff({.min = 1h, .max = 1h});
  auto dir = w.start({spec, noted(w, "b")});
  send(value_of(dir.get_actor("a")), crash_atom_v,
       caf::make_error(caf::sec::runtime_error));
  REQUIRE(w.eventually(
    [&] { return error_of(dir.get_actor("a")) == errc::restarting; }));
  CHECK_FALSE(dir.stop());
  CHECK(lines(w, {"end"}) == strings{"end a", "end b"});
}

TEST_CASE("callbacks see the end and may change its reason", "[shutdown]") {
  world w;
  auto run = [&](auto terminate) {
    callbacks hooks;
    hooks.init = [spec = noted(w, "a")](const caf::message&) {
      init_result result;
      result.state = caf::make_message(int32_t{7});
      result.children = {spec};
      return result;
    };
    hooks.handle_terminate = [log = w.log](terminate_event& x) {
      log->add("handle_terminate " + to_string(x.id) + " "
               + std::to_string(x.director_state.get_as<int32_t>(0)));
    };
    hooks.terminate = [log = w.log, terminate](const caf::error& reason,
                                               caf::message& state) {
      log->add("terminate " + std::to_string(state.get_as<int32_t>(0)));
      return terminate(reason);
    };
    auto dir = w.start_with(hooks, w.options());
    CHECK_FALSE(dir.stop(caf::sec::bad_function_call));
    return end_of(dir);
  };
  CHECK(run([](const caf::error& x) { return x; })
        == caf::sec::bad_function_call);
  CHECK(lines(w, {"end", "handle_terminate", "terminate"})
        == strings{"end a", "handle_terminate a 7", "terminate 7"});
  CHECK(run([](const caf::error&) -> caf::error {
          return caf::sec::invalid_argument;
        })
        == caf::sec::invalid_argument);
  auto failed = run(
    [](const caf::error&) -> caf::error { throw std::runtime_error{"boo"}; });
  CHECK(failed == errc::callback_failed);
  CHECK(cause_of(failed) == caf::sec::runtime_error);
}

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
  auto handle = value_of(dir.get_actor("a"));
  send(handle, block_atom_v);
  REQUIRE(w.log->await("busy a"));
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
  auto handle = value_of(dir.get_actor("a"));
  send(handle, block_atom_v);
  REQUIRE(w.log->await("busy a"));
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
  auto handle = value_of(dir.get_actor("a"));
  send(handle, block_atom_v);
  REQUIRE(w.log->await("busy a"));
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

// -- parents ------------------------------------------------------------------

TEST_CASE("a director ends with the parent it is linked to", "[shutdown]") {
  for (auto reason : {caf::make_error(caf::exit_reason::normal),
                      caf::make_error(caf::exit_reason::user_shutdown),
                      caf::make_error(caf::sec::bad_function_call),
                      caf::make_error(caf::exit_reason::kill)}) {
    world w;
    auto spawned = std::make_shared<std::promise<director_actor>>();
    auto handle = spawned->get_future();
    auto parent = w.sys->spawn([=, &w](caf::event_based_actor* self) {
      spawned->set_value(
        spawn_linked(self, fixed({.children = {noted(w, "a")}}), w.options()));
      return caf::behavior{
        [self](crash_atom, const caf::error& why) { self->quit(why); }};
    });
    auto dir = client{*w.sys, handle.get(), patience};
    CHECK_FALSE(dir.await_ready());
    auto child = value_of(dir.get_actor("a"));
    INFO(to_string(reason));
    send(parent, crash_atom_v, reason);
    CHECK(end_of(dir) == reason);
    // A kill is passed on as it is and leaves no time for good order.
    CHECK(end_of(child)
          == (reason == caf::exit_reason::kill
                ? caf::exit_reason::kill
                : caf::exit_reason::user_shutdown));
    CHECK(w.log->count("end a") == 1);
  }
}

TEST_CASE("a parent ends with the director it is linked to", "[shutdown]") {
  world w;
  auto spawned = std::make_shared<std::promise<director_actor>>();
  auto handle = spawned->get_future();
  auto parent = w.sys->spawn([=, &w](caf::event_based_actor* self) {
    spawned->set_value(
      spawn_linked(self, fixed({.children = {noted(w, "a")}}), w.options()));
    return caf::behavior{[](int) {}};
  });
  auto dir = client{*w.sys, handle.get(), patience};
  CHECK_FALSE(dir.await_ready());
  CHECK_FALSE(dir.stop(caf::sec::bad_function_call));
  CHECK(end_of(parent) == caf::sec::bad_function_call);
}

TEST_CASE("a director ends with a scoped parent", "[shutdown]") {
  world w;
  director_actor handle;
  {
    caf::scoped_actor self{*w.sys};
    handle = value_of(start_linked(
      self.ptr(), fixed({.children = {noted(w, "a")}}), w.options()));
    CHECK(is_alive(as_actor(handle)));
  }
  std::ignore = end_of(as_actor(handle));
  CHECK(w.log->count("end a") == 1);
}

TEST_CASE("other actors do not end a director by their own end", "[shutdown]") {
  world w;
  auto dir = w.start({noted(w, "a")});
  auto other = w.sys->spawn(
    [handle = as_actor(dir.handle())](caf::event_based_actor* self) {
      self->link_to(handle);
      return caf::behavior{
        [self](crash_atom, const caf::error& why) { self->quit(why); }};
    });
  send(other, crash_atom_v, caf::make_error(caf::exit_reason::normal));
  CHECK(end_of(other) == caf::exit_reason::normal);
  CHECK(value_of(dir.count_children()).active == 1);
}

TEST_CASE("nested directors go in order", "[shutdown]") {
  world w;
  child_spec nested_spec{
    .id = "mid",
    .start = nested(fixed({.children = {noted(w, "x"), noted(w, "y")}}),
                    w.options("mid")),
    .type = child_type::supervisor};
  auto dir = w.start({noted(w, "a"), nested_spec, noted(w, "b")},
                     w.options("root"));
  auto mid = value_of(dir.get_actor("mid"));
  auto all = value_of(dir.which_children());
  CHECK(value_of(dir.count_children()) == child_counts{3, 3, 1, 2});
  CHECK_FALSE(dir.stop());
  CHECK_FALSE(is_alive(mid));
  CHECK(end_of(mid) == caf::exit_reason::user_shutdown);
  CHECK(lines(w, {"end", "info mid director_terminating",
                  "info root director_terminating"})
        == strings{
          "end b", "end y", "end x",
          "info mid director_terminating reason="
            + to_string(caf::make_error(caf::exit_reason::user_shutdown)),
          "end a",
          "info root director_terminating reason="
            + to_string(caf::make_error(caf::exit_reason::user_shutdown))});
}

TEST_CASE("a nested director that is killed comes back with its children",
          "[shutdown]") {
  world w;
  child_spec spec{.id = "mid",
                  .start = nested(fixed({.children = {noted(w, "x")}}),
                                  w.options("mid")),
                  .type = child_type::supervisor};
  auto dir = w.start({spec});
  auto mid = value_of(dir.get_actor("mid"));
  auto x = value_of(
    client{*w.sys, caf::actor_cast<director_actor>(mid), patience}.get_actor(
      "x"));
  send_exit(mid, caf::exit_reason::kill);
  CHECK(end_of(x) == caf::exit_reason::kill);
  caf::actor next;
  REQUIRE(w.eventually([&] {
    auto handle = dir.get_actor("mid");
    if (!handle || *handle == mid)
      return false;
    next = *handle;
    return true;
  }));
  auto inner = client{*w.sys, caf::actor_cast<director_actor>(next), patience};
  CHECK(value_of(inner.get_actor("x")) != x);
}

// -- tables that fail ---------------------------------------------------------

TEST_CASE("a table that fails for good ends the director", "[shutdown]") {
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

TEST_CASE("a director cannot start on a table that fails", "[shutdown]") {
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

TEST_CASE("a table that refuses a claim starts nothing", "[shutdown]") {
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

TEST_CASE("a table that refuses to record a start undoes it", "[shutdown]") {
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
  f.fault->on(test::table_call::put, 1);
  CHECK(error_of(f.dir.start_child(spec)) == caf::sec::invalid_argument);
  CHECK(error_of(f.dir.get_actor("b")) == errc::not_found);
  CHECK(w.log->count("end b") == 1);
}

TEST_CASE("a table that refuses changes changes nothing", "[shutdown]") {
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
  send(a, crash_atom_v, caf::make_error(caf::sec::runtime_error));
  CHECK(w.eventually([&] {
    auto next = f.dir.get_actor("a");
    return next && *next != a;
  }));
  CHECK(value_of(f.dir.count_children()) == child_counts{2, 2, 0, 2});
  CHECK_FALSE(f.dir.terminate_and_delete_child("a"));
  CHECK(error_of(f.dir.get_actor("a")) == errc::not_found);
}

TEST_CASE("a refused write that nobody waits for is reported", "[shutdown]") {
  world w;
  auto f
    = faulty{w, caf::make_error(caf::sec::invalid_argument), {noted(w, "a")}};
  auto a = value_of(f.dir.get_actor("a"));
  f.fault->on(test::table_call::put, 1);
  send(a, crash_atom_v, caf::make_error(caf::sec::runtime_error));
  CHECK(w.log->await("warning test table_error"));
  CHECK(w.eventually([&] {
    auto next = f.dir.get_actor("a");
    return next && *next != a;
  }));
  CHECK_FALSE(f.dir.stop());
}

TEST_CASE("delete_table closes the table", "[shutdown]") {
  world w;
  auto options = w.options();
  options.table = std::make_shared<list_table>();
  auto kept = noted(w, "a");
  kept.delete_before_terminate = false;
  auto first = w.start({kept}, options);
  CHECK_FALSE(first.stop());
  options.delete_table = true;
  auto second = w.start({}, options);
  CHECK(value_of(second.count_children()).specs == 1);
  CHECK_FALSE(second.stop());
  auto third = director::start(*w.sys, fixed({}), options);
  CHECK(error_of(third) == errc::table_closed);
}
