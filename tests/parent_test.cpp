// Directors linked to parents, and directors below directors.

#include "fixture.hpp"

#include <future>

using namespace director;
using namespace fixture;

namespace {

/// A director that has the child "a", and the actor it is linked to.
struct family {
  caf::actor parent;
  client dir;
};

family spawn_family(world& w) {
  auto spawned = std::make_shared<std::promise<director_actor>>();
  auto parent = w.sys->spawn([=, &w](caf::event_based_actor* self) {
    spawned->set_value(
      spawn_linked(self, fixed({.children = {noted(w, "a")}}), w.options()));
    return caf::behavior{
      [self](crash_atom, const caf::error& why) { self->quit(why); }};
  });
  auto dir = client{*w.sys, spawned->get_future().get(), patience};
  CHECK_FALSE(dir.await_ready());
  return {parent, dir};
}

} // namespace

// -- links --------------------------------------------------------------------

TEST_CASE("a director ends with the parent it is linked to", "[nested]") {
  for (auto reason : {caf::make_error(caf::exit_reason::normal),
                      caf::make_error(caf::exit_reason::user_shutdown),
                      caf::make_error(caf::sec::bad_function_call),
                      caf::make_error(caf::exit_reason::kill)}) {
    world w;
    auto [parent, dir] = spawn_family(w);
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

TEST_CASE("a parent ends with the director it is linked to", "[nested]") {
  world w;
  auto [parent, dir] = spawn_family(w);
  CHECK_FALSE(dir.stop(caf::sec::bad_function_call));
  CHECK(end_of(parent) == caf::sec::bad_function_call);
}

TEST_CASE("a director ends with a scoped parent", "[nested]") {
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

TEST_CASE("other actors do not end a director by their own end", "[nested]") {
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

// -- nested directors ---------------------------------------------------------

TEST_CASE("a nested director has started when its children have", "[nested]") {
  world w;
  auto dir = w.start({}, w.options("root"));
  slow_child a{w, "a"};
  auto spec = nested_spec("mid", fixed({.children = {noted(w, "b"), a.spec}}),
                          w.options("mid"));
  auto outcome = in_background([&] { return dir.start_child(spec); });
  auto handle = a.asked();
  CHECK(error_of(dir.get_actor("mid")) == errc::restarting);
  CHECK(is_open(outcome));
  send(handle, count_atom_v);
  auto mid = value_of(outcome.get()).handle;
  CHECK(value_of(dir.get_actor("mid")) == mid);
  CHECK(value_of(dir.count_children()) == child_counts{1, 1, 1, 0});
  CHECK(value_of(inner(w, mid).count_children()) == child_counts{2, 2, 0, 2});
  CHECK(value_of(inner(w, mid).get_name()) == "mid");
  auto listed = value_of(dir.which_children());
  REQUIRE(listed.size() == 1);
  CHECK(to_string(listed[0].modules) == "[director]");
}

TEST_CASE("a nested director that fails is a failed start", "[nested]") {
  world w;
  auto dir = w.start({}, w.options("root"));
  auto stops
    = nested_spec("mid", init_with([](const caf::message&) {
                    return init_result::stop(caf::sec::invalid_argument);
                  }),
                  w.options("mid"));
  auto fails = nested_spec("mid",
                           fixed({.children = {noted(w, "a"), broken("b")}}),
                           w.options("mid"));
  // Often, because a director that fails at once may be gone before it is
  // asked for the outcome.
  for (size_t i = 1; i <= 100; ++i) {
    auto err = error_of(dir.start_child(stops));
    REQUIRE(err == errc::start_failed);
    REQUIRE(cause_of(err) == caf::sec::invalid_argument);
    REQUIRE(error_of(dir.get_actor("mid")) == errc::not_found);
    err = error_of(dir.start_child(fails));
    REQUIRE(err == errc::start_failed);
    REQUIRE(cause_of(err) == errc::start_failed);
    REQUIRE(cause_of(cause_of(err)) == caf::sec::bad_function_call);
    REQUIRE(error_of(dir.get_actor("mid")) == errc::not_found);
    REQUIRE(w.log->count("end a") == w.log->count("up a"));
  }
}

TEST_CASE("a nested director may decline", "[nested]") {
  world w;
  auto dir = w.start({}, w.options("root"));
  auto spec = nested_spec("mid", init_with([](const caf::message&) {
                            return init_result::ignore();
                          }),
                          w.options("mid"));
  for (int i = 0; i < 100; ++i) {
    auto result = dir.start_child(spec);
    REQUIRE(error_of(result) == caf::error{});
    REQUIRE_FALSE(result->handle);
    REQUIRE(error_of(dir.get_actor("mid")) == errc::undefined);
    REQUIRE_FALSE(dir.delete_child("mid"));
  }
}

TEST_CASE("nested directors go in order", "[nested]") {
  world w;
  auto spec = nested_spec("mid",
                          fixed({.children = {noted(w, "x"), noted(w, "y")}}),
                          w.options("mid"));
  auto dir = w.start({noted(w, "a"), spec, noted(w, "b")}, w.options("root"));
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
          "[nested]") {
  world w;
  auto spec = nested_spec("mid", fixed({.children = {noted(w, "x")}}),
                          w.options("mid"));
  auto dir = w.start({spec});
  auto mid = value_of(dir.get_actor("mid"));
  auto x = value_of(inner(w, mid).get_actor("x"));
  send_exit(mid, caf::exit_reason::kill);
  CHECK(end_of(x) == caf::exit_reason::kill);
  auto next = await_actor(w, dir, "mid", mid);
  CHECK(value_of(inner(w, next).get_actor("x")) != x);
}
