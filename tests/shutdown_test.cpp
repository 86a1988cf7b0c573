// How directors come to an end, and their children with them.

#include "fixture.hpp"

using namespace director;
using namespace fixture;

namespace {

/// Lets a stubborn child end.
void release(const std::vector<child_handle>& all, const child_id& id) {
  for (auto& x : all)
    if (x.id == id)
      send(x.handle, block_atom_v);
}

} // namespace

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
    release(handles, id);
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
  await_actor(w, dir, "a", first);
  auto handles = value_of(dir.get_actors());
  REQUIRE(handles.size() == 5);
  send(as_actor(dir.handle()), stop_atom_v, caf::error{});
  REQUIRE(w.log->await("asked x"));
  REQUIRE(w.log->await("asked y"));
  release(handles, "x");
  REQUIRE(w.log->await("end x"));
  release(handles, "y");
  for (auto id : {"c", "b", "a"}) {
    REQUIRE(w.log->await(std::string{"asked "} + id));
    release(handles, id);
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
  auto second
    = in_background([&] { return dir.stop(caf::sec::invalid_argument); });
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
  auto pending = in_background([&] { return dir.start_child(spec); });
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
  REQUIRE(becomes(w, dir, "a", errc::restarting));
  CHECK_FALSE(dir.stop());
  CHECK(lines(w, {"end"}) == strings{"end a", "end b"});
}
