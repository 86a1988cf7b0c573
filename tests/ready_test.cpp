// Children that say when they are ready.

#include "fixture.hpp"

using namespace director;
using namespace fixture;

TEST_CASE("the answer of a child that is ready is its extra value",
          "[starting]") {
  world w;
  auto dir = w.start();
  auto start = [&](auto on_ready) {
    child_spec spec;
    spec.id = 1;
    spec.await_ready = true;
    spec.start = [on_ready](caf::event_based_actor*) {
      return caf::behavior{on_ready};
    };
    auto result = value_of(dir.start_child(spec));
    CHECK(value_of(dir.get_actor(1)) == result.handle);
    CHECK_FALSE(dir.terminate_and_delete_child(1));
    return result.extra;
  };
  auto number = start([](ready_atom) { return int32_t{42}; });
  REQUIRE(number.match_elements<int32_t>());
  CHECK(number.get_as<int32_t>(0) == 42);
  auto text = start([](ready_atom) { return std::string{"hello"}; });
  REQUIRE(text.match_elements<std::string>());
  CHECK(text.get_as<std::string>(0) == "hello");
  CHECK(start([](ready_atom) {}).empty());
  auto two = start([](ready_atom) {
    return caf::result<int32_t, std::string>{int32_t{1}, std::string{"x"}};
  });
  CHECK(two.match_elements<int32_t, std::string>());
}

TEST_CASE("start_child waits until the child is ready", "[starting]") {
  world w;
  auto dir = w.start({noted(w, "b")});
  slow_child a{w, "a"};
  auto outcome = in_background([&] { return dir.start_child(a.spec); });
  auto handle = a.asked();
  // Others are served meanwhile.
  CHECK(value_of(dir.count_children()) == child_counts{2, 1, 0, 2});
  CHECK(error_of(dir.get_actor("a")) == errc::restarting);
  CHECK(error_of(dir.restart_child("a")) == errc::restarting);
  CHECK(dir.delete_child("a") == errc::restarting);
  CHECK(error_of(dir.start_child(noted(w, "a"))) == errc::already_present);
  CHECK_FALSE(dir.terminate_child("b"));
  CHECK(value_of(dir.start_child(noted(w, "c"))).handle);
  CHECK(is_open(outcome));
  send(handle, count_atom_v);
  auto result = value_of(outcome.get());
  CHECK(result.handle == handle);
  REQUIRE(result.extra.match_elements<int32_t>());
  CHECK(result.extra.get_as<int32_t>(0) == 42);
  CHECK(value_of(dir.get_actor("a")) == handle);
  // A restart waits, too.
  CHECK_FALSE(dir.terminate_child("a"));
  auto again = in_background([&] { return dir.restart_child("a"); });
  REQUIRE(w.log->await("asked a", 2));
  CHECK(is_open(again));
  send(a.asked(), count_atom_v);
  CHECK(value_of(again.get()).handle != handle);
}

TEST_CASE("start_children waits until all children are ready", "[starting]") {
  world w;
  auto dir = w.start();
  slow_child a{w, "a"};
  slow_child b{w, "b"};
  auto outcome = in_background([&] {
    return dir.start_children({a.spec, noted(w, "x"), b.spec});
  });
  // Both are under way at the same time.
  auto first = a.asked();
  auto second = b.asked();
  CHECK(outcome.wait_for(0s) != std::future_status::ready);
  send(second, count_atom_v);
  send(first, crash_atom_v, caf::make_error(caf::sec::bad_function_call));
  auto all = value_of(outcome.get());
  REQUIRE(all.size() == 3);
  CHECK(all[0].err == errc::start_failed);
  CHECK_FALSE(all[1].err);
  CHECK_FALSE(all[2].err);
  CHECK(all[2].value.handle == second);
  CHECK(error_of(dir.get_actor("a")) == errc::not_found);
}

TEST_CASE("a child that is not ready fails its start", "[starting]") {
  world w;
  auto dir = w.start();
  auto start = [&](child_id id, auto make_handler,
                   caf::timespan timeout = patience) {
    auto label = to_string(id);
    auto ends = w.log->count("end " + label);
    child_spec spec;
    spec.id = id;
    spec.await_ready = true;
    spec.start_timeout = timeout;
    spec.start = [log = w.log, label,
                  make_handler](caf::event_based_actor* self) {
      auto end = farewell(log, label);
      return caf::behavior{make_handler(self), [end](int) {}};
    };
    auto err = error_of(dir.start_child(spec));
    CHECK(error_of(dir.get_actor(id)) == errc::not_found);
    CHECK(w.log->count("end " + label) == ends + 1);
    return err;
  };
  auto refuses = start("refuses", [](caf::event_based_actor*) {
    return [](ready_atom) -> caf::result<int32_t> {
      return caf::make_error(caf::sec::bad_function_call);
    };
  });
  CHECK(refuses == errc::start_failed);
  CHECK(cause_of(refuses) == caf::sec::bad_function_call);
  auto deaf = start("deaf",
                    [](caf::event_based_actor*) { return [](float) {}; });
  CHECK(deaf == errc::start_failed);
  CHECK(cause_of(deaf) == caf::sec::unexpected_message);
  auto keep = [](caf::event_based_actor* self) {
    auto kept = std::make_shared<caf::response_promise>();
    return [self, kept](ready_atom) -> caf::result<int32_t> {
      *kept = self->make_response_promise();
      return caf::delegated<int32_t>{};
    };
  };
  auto before = std::chrono::steady_clock::now();
  CHECK(start("silent", keep, 30ms) == errc::start_timeout);
  CHECK(std::chrono::steady_clock::now() - before >= 30ms);
  auto throws = start("throws", [](caf::event_based_actor*) {
    return [](ready_atom) -> int32_t { throw std::runtime_error{"boo"}; };
  });
  CHECK(throws == errc::start_failed);
  CHECK(cause_of(throws) == caf::sec::runtime_error);
  CHECK(start("quits",
              [](caf::event_based_actor* self) {
                auto kept = std::make_shared<caf::response_promise>();
                return [self, kept](ready_atom) -> caf::result<int32_t> {
                  *kept = self->make_response_promise();
                  self->quit(caf::sec::bad_function_call);
                  return caf::delegated<int32_t>{};
                };
              })
        == errc::start_failed);
  CHECK(value_of(dir.count_children()) == child_counts{});
}

TEST_CASE("a child that dies before it is ready has not started",
          "[starting]") {
  world w;
  auto dir = w.start();
  slow_child a{w, "a"};
  for (size_t i = 1; i <= 20; ++i) {
    auto outcome = in_background([&] { return dir.start_child(a.spec); });
    REQUIRE(w.log->await("asked a", i));
    send(a.asked(), crash_atom_v, caf::make_error(caf::sec::invalid_argument));
    CHECK(error_of(outcome.get()) == errc::start_failed);
    CHECK(error_of(dir.get_actor("a")) == errc::not_found);
  }
  child_spec early;
  early.id = "early";
  early.await_ready = true;
  early.start = [](caf::event_based_actor* self) {
    self->quit(caf::sec::invalid_argument);
    return caf::behavior{[](ready_atom) {}};
  };
  for (int i = 0; i < 100; ++i) {
    auto err = error_of(dir.start_child(early));
    CHECK(err == errc::start_failed);
    CHECK(cause_of(err) == caf::sec::invalid_argument);
  }
}

TEST_CASE("the exit reason of a child is why it did not start", "[starting]") {
  // This child takes the pending answer to the ready request to its grave.
  world w;
  auto dir = w.start();
  slow_child a{w, "a"};
  auto outcome = in_background([&] { return dir.start_child(a.spec); });
  send(a.asked(), crash_atom_v, caf::make_error(caf::sec::invalid_argument));
  auto err = error_of(outcome.get());
  CHECK(err == errc::start_failed);
  CHECK(cause_of(err) == caf::sec::invalid_argument);
}

TEST_CASE("a start under way can be called off", "[starting]") {
  world w;
  auto dir = w.start();
  slow_child a{w, "a"};
  auto outcome = in_background([&] { return dir.start_child(a.spec); });
  REQUIRE(w.log->await("asked a"));
  CHECK_FALSE(dir.terminate_child("a"));
  CHECK(w.log->count("end a") == 1);
  CHECK(error_of(outcome.get()));
}

TEST_CASE("children of init start one after the other", "[starting]") {
  world w;
  slow_child a{w, "a"};
  slow_child c{w, "c"};
  client dir{*w.sys,
             spawn(*w.sys, fixed({.children = {a.spec, noted(w, "b"), c.spec}}),
                   w.options()),
             patience};
  send(a.asked(), count_atom_v);
  send(c.asked(), count_atom_v);
  CHECK_FALSE(dir.await_ready());
  auto all = lines(w, {"up a", "ready", "up c"});
  CHECK(all == strings{"up a", "ready a", "up c", "ready c"});
  // The line of b comes from its own thread.
  REQUIRE(w.log->await("up b"));
  all = lines(w, {"ready a", "up b"});
  CHECK(all == strings{"ready a", "up b"});
  CHECK_FALSE(dir.stop());
}
