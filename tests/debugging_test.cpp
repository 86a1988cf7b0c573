// Meddling with directors: state, suspend, resume, reload.

#include "fixture.hpp"

#include <mutex>

using namespace director;
using namespace fixture;

TEST_CASE("the state of a director can be read and replaced", "[debugging]") {
  world w;
  auto dir = w.start();
  CHECK(value_of(dir.get_state()).empty());
  CHECK_FALSE(dir.replace_state(caf::make_message(1, "two")));
  CHECK(to_string(value_of(dir.get_state())) == R"__(message(1, "two"))__");
  CHECK_FALSE(dir.replace_state({}));
  CHECK(value_of(dir.get_state()).empty());
  CHECK(value_of(dir.get_name()) == "test");
}

TEST_CASE("a suspended director puts everything off", "[debugging]") {
  world w;
  auto spec = w.worker("a");
  spec.plan = plans::permanent();
  auto dir = w.start({spec});
  auto handle = value_of(dir.get_actor("a"));
  CHECK_FALSE(dir.suspend());
  CHECK(error_of(dir.within(50ms).count_children())
        == caf::sec::request_timeout);
  CHECK(error_of(dir.within(50ms).start_child(w.worker("b")))
        == caf::sec::request_timeout);
  send(handle, crash_atom_v);
  CHECK(w.gone(handle));
  // Debugging goes on.
  CHECK(dir.get_state());
  CHECK(dir.get_trace());
  CHECK(dir.get_trace_counters());
  CHECK(w.log->count("up a") == 1);
  CHECK(w.log->count("child_terminated") == 0);
  CHECK(w.log->count("up b") == 0);
  CHECK_FALSE(dir.resume());
  CHECK(w.log->await("up a", 2));
  CHECK(w.log->await("up b"));
  CHECK(w.log->count("child_terminated") == 1);
  CHECK(w.eventually([&] { return bool{dir.get_actor("b")}; }));
  CHECK(value_of(dir.get_restart_count("a")) == 1);
  // Twice is as good as once.
  CHECK_FALSE(dir.suspend());
  CHECK_FALSE(dir.suspend());
  CHECK_FALSE(dir.resume());
  CHECK_FALSE(dir.resume());
  CHECK(value_of(dir.count_children()).active == 2);
}

TEST_CASE("requests are answered in order after a suspension", "[debugging]") {
  world w;
  auto dir = w.start();
  CHECK_FALSE(dir.trace(tracing([](auto& x) { x.counters = true; })));
  CHECK_FALSE(dir.suspend());
  auto starter = in_background(
    [dir, spec = w.worker("a")] { return dir.start_child(spec); });
  CHECK(w.eventually(
    [&] { return value_of(dir.get_trace_counters()).messages == 1; }));
  auto reader = in_background([=] { return dir.get_actor("a"); });
  CHECK(w.eventually(
    [&] { return value_of(dir.get_trace_counters()).messages == 2; }));
  auto stopper = in_background([=] { return dir.terminate_child("a"); });
  CHECK(w.eventually(
    [&] { return value_of(dir.get_trace_counters()).messages == 3; }));
  CHECK_FALSE(dir.resume());
  CHECK(starter.get());
  CHECK(reader.get());
  CHECK_FALSE(stopper.get());
  CHECK(w.log->await("down a"));
}

TEST_CASE("a suspended director can be ended", "[debugging]") {
  world w;
  auto dir = w.start({w.worker("a")});
  auto handle = value_of(dir.get_actor("a"));
  CHECK_FALSE(dir.trace(tracing([](auto& x) { x.counters = true; })));
  CHECK_FALSE(dir.suspend());
  auto outcome = in_background(
    [dir, spec = w.worker("b")] { return dir.start_child(spec); });
  CHECK(w.eventually(
    [&] { return value_of(dir.get_trace_counters()).messages == 1; }));
  SECTION("on request") {
    CHECK_FALSE(dir.stop());
  }
  SECTION("by an exit message") {
    send_exit(as_actor(dir.handle()), caf::exit_reason::user_shutdown);
  }
  CHECK(end_of(dir) == caf::exit_reason::user_shutdown);
  auto result = outcome.get();
  // What was put off comes before the end, or is refused because of it.
  CHECK((result || result.error() == errc::stopping));
  CHECK(w.gone(handle));
  if (result)
    CHECK(w.log->await("down b"));
  else
    CHECK(w.log->count("up b") == 0);
}

TEST_CASE("reload applies new specs at the next start", "[debugging]") {
  world w;
  struct shared {
    std::mutex mutex;
    std::function<init_result()> make;
  };
  auto now = std::make_shared<shared>();
  auto set = [&](std::function<init_result()> make) {
    std::unique_lock guard{now->mutex};
    now->make = std::move(make);
  };
  callbacks hooks;
  hooks.init = [now](const caf::message& arg) {
    if (number(arg) != -1)
      throw std::logic_error{"argument"};
    std::unique_lock guard{now->mutex};
    return now->make();
  };
  auto a1 = w.worker("a", "one");
  auto a2 = w.worker("a", "two");
  a2.plan = plans::permanent();
  auto b = w.worker("b");
  set([=] {
    return init_result{.state = caf::make_message("first"), .children = {a1}};
  });
  auto dir = w.start_with(hooks, w.options());
  auto first = value_of(dir.get_actor("a"));
  REQUIRE(dir.start_child(w.worker("c")));
  SECTION("and adds new ones") {
    set([=] {
      return init_result{.state = caf::make_message("second"),
                         .children = {a2, b},
                         .default_spec = {.id = {},
                                          .args = caf::make_message(5)}};
    });
    CHECK_FALSE(dir.reload());
    CHECK(value_of(dir.get_actor("a")) == first);
    CHECK(w.log->count("up two") == 0);
    CHECK(error_of(dir.get_actor("b")) == errc::undefined);
    CHECK(w.log->count("up b") == 0);
    CHECK(value_of(dir.count_children()) == child_counts{3, 2, 0, 3});
    CHECK(value_of(dir.get_plan("a")).what() == plan_function::kind::permanent);
    CHECK(value_of(dir.get_default_child_spec()).args.size() == 1);
    CHECK(to_string(value_of(dir.get_state())) == R"__(message("first"))__");
    crash(w, dir, "a");
    CHECK(w.log->await("up two"));
    CHECK(w.log->count("up one") == 1);
    CHECK(value_of(dir.get_restart_count("a")) == 1);
    auto started = value_of(dir.restart_child("b"));
    CHECK(started.handle);
    CHECK(value_of(dir.get_restart_count("b")) == 0);
    // Once more: nothing new.
    CHECK_FALSE(dir.reload());
    CHECK(value_of(dir.get_actor("b")) == started.handle);
  }
  SECTION("and reports what is wrong") {
    set([]() -> init_result { throw std::runtime_error{"boom"}; });
    auto err = dir.reload();
    CHECK(err == errc::callback_failed);
    CHECK(to_string(cause_of(err)).find("boom") != std::string::npos);
    set([=] { return init_result{.children = {a2, {.id = "d"}}}; });
    err = dir.reload();
    CHECK(err == errc::invalid_child_spec);
    REQUIRE(get_spec_error(err) != nullptr);
    CHECK(get_spec_error(err)->id == child_id{"d"});
    set([=] { return init_result{.children = {a2, a2}}; });
    CHECK(dir.reload() == errc::invalid_child_spec);
    set([] { return init_result::stop(caf::sec::bad_function_call); });
    CHECK(dir.reload() == caf::sec::bad_function_call);
    set([] { return init_result::ignore(); });
    CHECK(dir.reload() == errc::declined);
    // Nothing has changed.
    CHECK(value_of(dir.get_actor("a")) == first);
    CHECK(value_of(dir.count_children()) == child_counts{2, 2, 0, 2});
    crash(w, dir, "a");
    CHECK(w.log->await("up one", 2));
    CHECK(w.log->count("up two") == 0);
  }
}
