// How directors and their children come up, or fail to.

#include "fixture.hpp"

#include <caf/actor_registry.hpp>

#include <atomic>
#include <future>
#include <sstream>

using namespace director;
using namespace fixture;

namespace {

using strings = std::vector<std::string>;

/// Notes "end <label>" when the behavior that holds it goes. Nobody hears of
/// the end of the actor before that.
std::shared_ptr<void> farewell(journal_ptr log, std::string label) {
  return {nullptr, [log = std::move(log), label = std::move(label)](void*) {
            log->add("end " + label);
          }};
}

/// Notes "up <id>" and "end <id>".
child_spec noted(world& w, child_id id) {
  auto label = to_string(id);
  child_spec result;
  result.id = std::move(id);
  result.start = [log = w.log, label](caf::event_based_actor* self) {
    log->add("up " + label);
    auto end = farewell(log, label);
    return caf::behavior{
      [self, end](crash_atom, const caf::error& reason) { self->quit(reason); },
      [](count_atom) { return int32_t{1}; },
    };
  };
  return result;
}

/// A child whose start function fails.
child_spec broken(child_id id) {
  child_spec result;
  result.id = std::move(id);
  result.start = []() -> start_result {
    return caf::make_error(caf::sec::bad_function_call);
  };
  return result;
}

/// A child that notes "up <id>" and leaves the answer to the ready request to
/// the test.
struct slow_child {
  explicit slow_child(world& w, child_id id,
                      caf::timespan start_timeout = patience)
    : log(w.log) {
    auto label = to_string(id);
    spec.id = std::move(id);
    spec.await_ready = true;
    spec.start_timeout = start_timeout;
    spec.start = [log = w.log, label,
                  handle = handle](caf::event_based_actor* self) {
      log->add("up " + label);
      auto end = farewell(log, label);
      auto promise = std::make_shared<caf::response_promise>();
      return caf::behavior{
        [=](ready_atom) -> caf::result<int32_t> {
          *promise = self->make_response_promise();
          *handle = caf::actor{self};
          log->add("asked " + label);
          return caf::delegated<int32_t>{};
        },
        [=](count_atom) {
          log->add("ready " + label);
          promise->deliver(int32_t{42});
        },
        [=](crash_atom, const caf::error& reason) {
          std::ignore = end;
          self->quit(reason);
        },
      };
    };
  }

  /// Waits for the ready request.
  caf::actor asked() {
    if (!log->await("asked " + to_string(spec.id)))
      FAIL("no ready request");
    return std::exchange(*handle, {});
  }

  journal_ptr log;
  std::shared_ptr<caf::actor> handle = std::make_shared<caf::actor>();
  child_spec spec;
};

/// Returns those lines of the journal that start with one of the words.
strings lines(const world& w, const strings& words) {
  strings result;
  std::istringstream in{w.log->all()};
  for (std::string line; std::getline(in, line);)
    for (auto& word : words)
      if (line.compare(0, word.size(), word) == 0)
        result.push_back(line);
  return result;
}

/// Fails to start a director and returns the error.
caf::error failure(world& w, callbacks hooks,
                   std::optional<director_options> options = {}) {
  auto result = director::start(*w.sys, std::move(hooks),
                                options ? *options : w.options());
  if (result)
    FAIL("the director has started");
  return result.error();
}

callbacks init_with(std::function<init_result(const caf::message&)> init) {
  callbacks result;
  result.init = std::move(init);
  return result;
}

caf::actor registered(world& w, const std::string& name) {
  return w.sys->registry().get<caf::actor>(name);
}

client inner(world& w, const caf::actor& handle) {
  return {*w.sys, caf::actor_cast<director_actor>(handle), patience};
}

child_spec nested_spec(child_id id, callbacks hooks, director_options options) {
  child_spec result;
  result.id = std::move(id);
  result.start = nested(std::move(hooks), std::move(options));
  result.type = child_type::supervisor;
  return result;
}

bool is_open(std::future<caf::expected<started>>& x) {
  return x.wait_for(0s) != std::future_status::ready;
}

} // namespace

// -- directors ----------------------------------------------------------------

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
  auto outcome = std::async(std::launch::async,
                            [&] { return failing.await_ready(); });
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

// -- children that say when they are ready ------------------------------------

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
  auto outcome = std::async(std::launch::async,
                            [&] { return dir.start_child(a.spec); });
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
  auto again = std::async(std::launch::async,
                          [&] { return dir.restart_child("a"); });
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
  auto outcome = std::async(std::launch::async, [&] {
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
    auto outcome = std::async(std::launch::async,
                              [&] { return dir.start_child(a.spec); });
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
  auto outcome = std::async(std::launch::async,
                            [&] { return dir.start_child(a.spec); });
  send(a.asked(), crash_atom_v, caf::make_error(caf::sec::invalid_argument));
  auto err = error_of(outcome.get());
  CHECK(err == errc::start_failed);
  CHECK(cause_of(err) == caf::sec::invalid_argument);
}

TEST_CASE("a start under way can be called off", "[starting]") {
  world w;
  auto dir = w.start();
  slow_child a{w, "a"};
  auto outcome = std::async(std::launch::async,
                            [&] { return dir.start_child(a.spec); });
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

// -- nested directors ---------------------------------------------------------

TEST_CASE("a nested director has started when its children have",
          "[starting]") {
  world w;
  auto dir = w.start({}, w.options("root"));
  slow_child a{w, "a"};
  auto spec = nested_spec("mid", fixed({.children = {noted(w, "b"), a.spec}}),
                          w.options("mid"));
  auto outcome = std::async(std::launch::async,
                            [&] { return dir.start_child(spec); });
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

TEST_CASE("a nested director that fails is a failed start", "[starting]") {
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

TEST_CASE("a nested director may decline", "[starting]") {
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

// -- one thread, one table ----------------------------------------------------

TEST_CASE("one scheduler thread is enough", "[starting]") {
  world w{1};
  slow_child a{w, "a"};
  auto dir = w.start(
    {noted(w, "b"), nested_spec("mid", fixed({.children = {noted(w, "x")}}),
                                w.options("mid"))});
  auto outcome = std::async(std::launch::async,
                            [&] { return dir.start_child(a.spec); });
  send(a.asked(), count_atom_v);
  CHECK(value_of(outcome.get()).handle);
  auto b = value_of(dir.get_actor("b"));
  send(b, crash_atom_v, caf::make_error(caf::sec::runtime_error));
  CHECK(w.eventually([&] {
    auto next = dir.get_actor("b");
    return next && *next != b;
  }));
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
  auto crash = [&](const client& dir) {
    auto before = value_of(dir.get_actor("a"));
    send(before, crash_atom_v, caf::make_error(caf::sec::runtime_error));
    REQUIRE(w.eventually([&] {
      auto next = dir.get_actor("a");
      return next && *next != before;
    }));
  };
  {
    auto dir = w.start({kept, noted(w, "b")}, options);
    crash(dir);
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
    crash(dir);
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
