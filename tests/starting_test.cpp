// How directors come up, or fail to.

#include "fixture.hpp"

#include <caf/actor_registry.hpp>

using namespace director;
using namespace fixture;

namespace {

/// Fails to start a director and returns the error.
caf::error failure(world& w, callbacks hooks,
                   std::optional<director_options> options = {}) {
  auto result = director::start(*w.sys, std::move(hooks),
                                options ? *options : w.options());
  if (result)
    FAIL("the director has started");
  return result.error();
}

caf::actor registered(world& w, const std::string& name) {
  return w.sys->registry().get<caf::actor>(name);
}

} // namespace

TEST_CASE("start returns a handle when all children run", "[starting]") {
  world w;
  auto dir = w.start({noted(w, "a"), noted(w, "b")});
  CHECK(dir.handle());
  CHECK(value_of(dir.count_children()) == child_counts{2, 2, 0, 2});
  CHECK(value_of(dir.get_name()) == "test");
  CHECK_FALSE(dir.await_ready());
  auto empty = w.start_with({}, w.options("empty"));
  CHECK(value_of(empty.count_children()) == child_counts{});
  CHECK(w.log->count("info test progress child=") == 2);
}

TEST_CASE("init gets the argument and gives state and options", "[starting]") {
  world w;
  auto options = w.options("inner");
  auto hooks = init_with([options](const caf::message& arg) {
    init_result result;
    result.state = arg;
    result.options = options;
    return result;
  });
  auto outer = w.options("outer");
  outer.registered_name = "init-test";
  auto handle = value_of(
    director::start(*w.sys, hooks, outer, caf::make_message(int32_t{7})));
  client dir{*w.sys, handle, patience};
  CHECK(value_of(dir.get_name()) == "inner");
  CHECK(registered(w, "init-test") == as_actor(handle));
  CHECK(value_of(dir.get_state()).get_as<int32_t>(0) == 7);
  CHECK_FALSE(dir.stop());
  CHECK(w.log->count("info inner director_terminating") == 1);
}

TEST_CASE("init may decline and fail", "[starting]") {
  world w;
  // Often, because a director that fails at once may be gone before anybody
  // has asked it for the outcome.
  for (int i = 0; i < 200; ++i) {
    auto declined = director::start(*w.sys, init_with([](const caf::message&) {
      return init_result::ignore();
    }),
                                    w.options());
    REQUIRE(error_of(declined) == caf::error{});
    REQUIRE_FALSE(*declined);
    REQUIRE(failure(w, init_with([](const caf::message&) {
                      return init_result::stop(caf::sec::invalid_argument);
                    }))
            == caf::sec::invalid_argument);
  }
  auto thrown = failure(w, init_with([](const caf::message&) -> init_result {
                          throw std::runtime_error{"no init"};
                        }));
  CHECK(thrown == errc::callback_failed);
  CHECK(cause_of(thrown) == caf::sec::runtime_error);
  CHECK(to_string(thrown).find("no init") != std::string::npos);
}

TEST_CASE("a wrong spec fails the start before any child runs", "[starting]") {
  world w;
  auto wrong = noted(w, "b");
  wrong.terminate_timeout = -1s;
  auto err = failure(w, fixed({.children = {noted(w, "a"), wrong}}));
  CHECK(err == errc::invalid_child_spec);
  REQUIRE(get_spec_error(err) != nullptr);
  CHECK(get_spec_error(err)->field == "terminate_timeout");
  CHECK(get_spec_error(err)->id == child_id{"b"});
  err = failure(w, fixed({.children = {noted(w, "a"), noted(w, "a")}}));
  CHECK(err == errc::invalid_child_spec);
  REQUIRE(get_spec_error(err) != nullptr);
  CHECK(get_spec_error(err)->field == "id");
  CHECK(get_spec_error(err)->id == child_id{"a"});
  child_spec defaults;
  defaults.start_timeout = -1s;
  err = failure(w,
                fixed({.children = {noted(w, "a")}, .default_spec = defaults}));
  CHECK(err == errc::invalid_child_spec);
  REQUIRE(get_spec_error(err) != nullptr);
  CHECK(get_spec_error(err)->field == "start_timeout");
  CHECK(w.log->count("up ") == 0);
}

TEST_CASE("a child that fails undoes the start", "[starting]") {
  world w;
  auto options = w.options();
  options.table = std::make_shared<list_table>();
  options.registered_name = "undone";
  auto kept = noted(w, "b");
  kept.delete_before_terminate = false;
  auto err = failure(
    w, fixed({.children = {noted(w, "a"), kept, broken("c"), noted(w, "d")}}),
    options);
  CHECK(err == errc::start_failed);
  CHECK(cause_of(err) == caf::sec::bad_function_call);
  CHECK(w.log->count("up d") == 0);
  CHECK(lines(w, {"end"}) == strings{"end b", "end a"});
  CHECK(w.log->count("error test start_error child=c") == 1);
  CHECK(options.table->size() == 0);
  // The name is free again.
  auto dir = w.start({noted(w, "a")}, options);
  CHECK(registered(w, "undone") == as_actor(dir.handle()));
}

TEST_CASE("a name can be used again after a failed start", "[starting]") {
  world w;
  auto options = w.options();
  options.registered_name = "again";
  for (int i = 0; i < 100; ++i) {
    REQUIRE(failure(w, fixed({.children = {broken("a")}}), options)
            == errc::start_failed);
    auto dir = w.start_with({}, options);
    REQUIRE(registered(w, "again") == as_actor(dir.handle()));
    REQUIRE_FALSE(dir.stop());
  }
}

TEST_CASE("spawn returns at once and the director tells the outcome",
          "[starting]") {
  world w;
  slow_child a{w, "a"};
  client dir{*w.sys, spawn(*w.sys, fixed({.children = {a.spec}}), w.options()),
             patience};
  auto handle = a.asked();
  CHECK(dir.within(1ms).await_ready() == caf::sec::request_timeout);
  send(handle, count_atom_v);
  CHECK_FALSE(dir.await_ready());
  CHECK(value_of(dir.count_children()).active == 1);
  CHECK_FALSE(dir.stop());
  slow_child b{w, "b"};
  client failing{*w.sys,
                 spawn(*w.sys, fixed({.children = {b.spec, broken("c")}}),
                       w.options()),
                 patience};
  auto outcome = in_background([&] { return failing.await_ready(); });
  send(b.asked(), count_atom_v);
  // Is lost if the request comes too late.
  auto err = outcome.get();
  if (err != caf::sec::request_receiver_down) {
    CHECK(err == errc::start_failed);
    CHECK(cause_of(err) == caf::sec::bad_function_call);
  }
  CHECK(w.gone(as_actor(failing.handle())));
  CHECK(w.log->count("end b") == 1);
}

TEST_CASE("a start that takes too long is given up", "[starting]") {
  world w;
  slow_child a{w, "a"};
  auto result = director::start(*w.sys,
                                fixed({.children = {noted(w, "b"), a.spec}}),
                                w.options(), {}, 20ms);
  CHECK(error_of(result) == caf::sec::request_timeout);
  CHECK(w.log->await("end b"));
  CHECK(w.log->await("info test director_terminating"));
  CHECK(w.log->count("end a") == w.log->count("up a"));
}

TEST_CASE("a registered name belongs to one live director", "[starting]") {
  world w;
  auto options = w.options();
  options.registered_name = "only-one";
  CHECK_FALSE(registered(w, "only-one"));
  auto first = w.start({noted(w, "a")}, options);
  CHECK(registered(w, "only-one") == as_actor(first.handle()));
  auto err = failure(w, fixed({.children = {noted(w, "b")}}), options);
  CHECK(err == errc::name_taken);
  CHECK(handle_of(err) == as_actor(first.handle()));
  CHECK(w.log->count("up b") == 0);
  CHECK(registered(w, "only-one") == as_actor(first.handle()));
  CHECK_FALSE(first.stop());
  CHECK(w.eventually([&] { return !registered(w, "only-one"); }));
  // Also free after a sudden death, and at once after a stop.
  for (int i = 0; i < 100; ++i) {
    auto next = w.start_with({}, options);
    REQUIRE(registered(w, "only-one") == as_actor(next.handle()));
    if (i % 2 == 0) {
      send_exit(as_actor(next.handle()), caf::exit_reason::kill);
      REQUIRE(w.gone(as_actor(next.handle())));
    } else {
      REQUIRE_FALSE(next.stop());
    }
  }
  CHECK(w.eventually([&] { return !registered(w, "only-one"); }));
}

TEST_CASE("a start that fails or is declined at once says so", "[starting]") {
  // Such a director may be gone before anybody asks it for the outcome.
  world w;
  callbacks failing;
  failing.init = [](const caf::message&) {
    return init_result::stop(caf::sec::bad_function_call);
  };
  callbacks declining;
  declining.init = [](const caf::message&) { return init_result::ignore(); };
  std::vector<caf::error> wrong;
  for (int i = 0; i < 200; ++i) {
    auto failed = error_of(director::start(*w.sys, failing, w.options()));
    if (failed != caf::sec::bad_function_call)
      wrong.push_back(failed);
    auto declined = director::start(*w.sys, declining, w.options());
    if (!declined)
      wrong.push_back(declined.error());
    else if (*declined)
      wrong.push_back(caf::sec::runtime_error);
  }
  CHECK(wrong.size() == 0);
  if (!wrong.empty())
    CHECK_FALSE(wrong[0]);
}

TEST_CASE("one scheduler thread is enough", "[starting]") {
  world w{1};
  slow_child a{w, "a"};
  auto dir = w.start(
    {noted(w, "b"), nested_spec("mid", fixed({.children = {noted(w, "x")}}),
                                w.options("mid"))});
  auto outcome = in_background([&] { return dir.start_child(a.spec); });
  send(a.asked(), count_atom_v);
  CHECK(value_of(outcome.get()).handle);
  crash(w, dir, "b");
  CHECK_FALSE(dir.terminate_child("mid"));
  CHECK(w.log->count("end x") == 1);
  CHECK(failure(w, fixed({.children = {broken("y")}})) == errc::start_failed);
  CHECK_FALSE(dir.stop());
  CHECK(lines(w, {"end"}).size() == 4);
}

TEST_CASE("a director takes over what another has left in the table",
          "[starting]") {
  world w;
  auto table = std::make_shared<list_table>();
  auto options = w.options();
  options.table = table;
  auto kept = noted(w, "a");
  kept.delete_before_terminate = false;
  {
    auto dir = w.start({kept, noted(w, "b")}, options);
    crash(w, dir, "a");
    CHECK(value_of(dir.get_restart_count("a")) == 1);
    CHECK_FALSE(dir.stop());
  }
  CHECK(table->size() == 1);
  CHECK(value_of(table->get_restart_count("a")) == 1);
  CHECK(error_of(table->get_actor("a")) == errc::undefined);
  {
    // On request.
    auto dir = w.start({}, options);
    CHECK(error_of(dir.get_actor("a")) == errc::undefined);
    CHECK(error_of(dir.start_child(kept)) == errc::already_present);
    CHECK(value_of(dir.restart_child("a")).handle);
    CHECK(value_of(dir.get_restart_count("a")) == 2);
    crash(w, dir, "a");
    CHECK(value_of(dir.get_restart_count("a")) == 3);
    CHECK_FALSE(dir.stop());
  }
  {
    // By init.
    auto dir = w.start({kept, noted(w, "b")}, options);
    CHECK(value_of(dir.get_actor("a")));
    CHECK(value_of(dir.get_restart_count("a")) == 4);
    CHECK(value_of(dir.get_restart_count("b")) == 0);
    CHECK_FALSE(dir.stop());
  }
  CHECK(table->size() == 1);
  CHECK(w.log->count("up a") == 5);
  CHECK(w.log->count("end a") == 5);
}

TEST_CASE("delete_table closes the table", "[starting]") {
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
