// Every operation on a real director, with good and bad input.

#include "fixture.hpp"

#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

using namespace director;
using namespace fixture;

namespace {

bool has(const std::vector<child_info>& xs, const child_id& id,
         child_status status) {
  for (auto& x : xs)
    if (x.id == id)
      return x.status == status
             && bool{x.handle} == (status == child_status::running);
  return false;
}

caf::behavior adder(caf::event_based_actor*, int32_t x, const std::string& y) {
  return {[x, y](count_atom) { return x + static_cast<int32_t>(y.size()); }};
}

struct counter_state {
  int32_t value = 0;
};

caf::behavior stateful(caf::stateful_actor<counter_state>*) {
  return {[](count_atom) { return int32_t{41}; }};
}

class class_based : public caf::event_based_actor {
public:
  class_based(caf::actor_config& cfg, int32_t x)
    : caf::event_based_actor(cfg),
      value_(x) {
    if (x < 0)
      throw std::runtime_error{"negative"};
  }

  caf::behavior make_behavior() override {
    return {[this](count_atom) { return value_; }};
  }

private:
  int32_t value_;
};

using typed_counter = caf::typed_actor<caf::result<int32_t>(count_atom)>;

typed_counter::behavior_type typed(typed_counter::pointer, int32_t x) {
  return {[x](count_atom) { return x; }};
}

int32_t ask(caf::actor_system& sys, const caf::actor& handle) {
  int32_t result = -1;
  caf::scoped_actor self{sys};
  internal::compat::request_receive(
    self, handle, patience, [&result](int32_t x) { result = x; },
    [](const caf::error& err) { FAIL(to_string(err)); }, count_atom_v);
  return result;
}

} // namespace

TEST_CASE("start_child starts, refuses what is known, and counts",
          "[operations]") {
  world w;
  auto dir = w.start();
  auto first = value_of(dir.start_child(w.worker("a")));
  REQUIRE(first.handle);
  auto again = dir.start_child(w.worker("a"));
  REQUIRE(again.error() == errc::already_started);
  CHECK(handle_of(again.error()) == first.handle);
  CHECK(value_of(dir.get_actor("a")) == first.handle);
  CHECK(value_of(dir.count_children()) == child_counts{1, 1, 0, 1});
  CHECK_FALSE(dir.terminate_child("a"));
  CHECK(error_of(dir.start_child(w.worker("a"))) == errc::already_present);
  CHECK(error_of(dir.get_actor("a")) == errc::undefined);
  CHECK(error_of(dir.get_actor("b")) == errc::not_found);
  CHECK(value_of(dir.count_children()) == child_counts{1, 0, 0, 1});
  CHECK(value_of(dir.get_restart_count("a")) == 0);
}

TEST_CASE("start functions of all kinds", "[operations]") {
  world w;
  auto dir = w.start();
  auto run = [&](child_id id, start_function fn, caf::message args = {}) {
    return value_of(dir.start_child(
      {.id = std::move(id), .start = std::move(fn), .args = std::move(args)}));
  };
  auto& sys = *w.sys;
  CHECK(ask(sys, run(1, adder, caf::make_message(int32_t{3}, "four")).handle)
        == 7);
  CHECK(ask(sys, run(2, stateful).handle) == 41);
  CHECK(ask(sys, run(3, start_class<class_based, int32_t>(),
                     caf::make_message(int32_t{5}))
                   .handle)
        == 5);
  CHECK(ask(sys, run(4, typed, caf::make_message(int32_t{6})).handle) == 6);
  CHECK(ask(sys, run(5, start_function::spawning<caf::detached>(adder),
                     caf::make_message(int32_t{1}, "x"))
                   .handle)
        == 2);
  auto with_extra = run(6, [](start_context& ctx) {
    auto handle = ctx.spawn(typed, int32_t{9});
    return start_result{handle, caf::make_message("extra", ctx.incarnation())};
  });
  CHECK(ask(sys, with_extra.handle) == 9);
  REQUIRE(with_extra.extra.match_elements<std::string, uint64_t>());
  CHECK(with_extra.extra.get_as<uint64_t>(1) == 1);
  CHECK_FALSE(run(7, [] { return start_result::declined(); }).handle);
  CHECK(error_of(dir.get_actor(7)) == errc::undefined);
  CHECK(run(
          8,
          [](start_context& ctx, const caf::message& all) {
            return ctx.spawn(adder, static_cast<int32_t>(all.size()),
                             std::string{});
          },
          caf::make_message(1, 2, 3))
          .handle);
}

TEST_CASE("a start that fails leaves nothing behind", "[operations]") {
  world w;
  auto dir = w.start();
  auto fail = [&](start_function fn, caf::message args = {}) {
    auto result = dir.start_child(
      {.id = "x", .start = std::move(fn), .args = std::move(args)});
    REQUIRE(!result);
    CHECK(result.error() == errc::start_failed);
    CHECK(error_of(dir.get_actor("x")) == errc::not_found);
    return cause_of(result.error());
  };
  CHECK(fail([]() -> start_result {
          return caf::make_error(caf::sec::bad_function_call);
        })
        == caf::sec::bad_function_call);
  CHECK(fail([]() -> start_result { throw std::runtime_error{"boo"}; })
        == caf::sec::runtime_error);
  CHECK(fail([]() -> start_result { throw 42; }) == caf::sec::runtime_error);
  CHECK(
    fail(start_class<class_based, int32_t>(), caf::make_message(int32_t{-1}))
    == caf::sec::runtime_error);
  auto mismatch = fail(adder, caf::make_message("a", 2.0));
  CHECK(mismatch == caf::sec::cannot_spawn_actor_from_arguments);
  auto text = to_string(mismatch);
  INFO(text);
  CHECK(text.find("'x'") != std::string::npos);
  CHECK(text.find("int32_t, std::string") != std::string::npos);
  CHECK(text.find(R"(\"a\", 2)") != std::string::npos);
  // One actor cannot be two children.
  auto handle = value_of(dir.start_child(w.worker("a"))).handle;
  CHECK(fail([handle] { return handle; }) == errc::already_started);
  CHECK(value_of(dir.count_children()).specs == 1);
}

TEST_CASE("a spec that is wrong names field and child", "[operations]") {
  world w;
  auto dir = w.start();
  auto refuse = [&](child_spec spec) {
    auto err = dir.start_child(spec).error();
    CHECK(err == errc::invalid_child_spec);
    REQUIRE(get_spec_error(err) != nullptr);
    CHECK(get_spec_error(err)->id == spec.id);
    return field_of(err);
  };
  auto good = w.worker("a");
  auto with = [&](auto change) {
    auto spec = good;
    change(spec);
    return refuse(spec);
  };
  CHECK(refuse({}) == "id");
  CHECK(with([](auto& x) { x.id = ""; }) == "id");
  CHECK(with([](auto& x) { x.start = {}; }) == "start");
  CHECK(with([](auto& x) { x.start = "unknown"; }) == "start");
  CHECK(with([](auto& x) { x.plan = "unknown"; }) == "plan");
  CHECK(with([](auto& x) { x.log_filter = "unknown"; }) == "log_filter");
  CHECK(with([](auto& x) { x.terminate_timeout = -1s; })
        == "terminate_timeout");
  CHECK(with([](auto& x) { x.start_timeout = -1s; }) == "start_timeout");
  CHECK(with([](auto& x) { x.plan = plans::backoff({.min = -1s}); }) == "plan");
  CHECK(with([](auto& x) { x.plan = plans::backoff({.min = 2s, .max = 1s}); })
        == "plan");
  CHECK(with([](auto& x) { x.plan = plans::backoff({.factor = 0.5}); })
        == "plan");
  CHECK(with([](auto& x) { x.plan = plans::backoff({.jitter = 1.5}); })
        == "plan");
  CHECK(with([](auto& x) { x.plan = plans::standard({.delay = -1s}); })
        == "plan");
  CHECK(with([](auto& x) { x.type = static_cast<child_type>(9); }) == "type");
  CHECK(with([](auto& x) {
          x.append = true;
          x.start = {};
        })
        == "start");
  CHECK(check_child_spec(good) == caf::error{});
  CHECK(field_of(check_child_spec({})) == "id");
  CHECK(field_of(check_child_spec({.id = 1})) == "start");
  CHECK(value_of(dir.count_children()).specs == 0);
  CHECK(value_of(dir.start_child(good)).handle);
}

TEST_CASE("names of the catalog work like callables", "[operations]") {
  world w;
  auto opts = w.options();
  auto log = w.log;
  opts.catalog.add_start("adder", adder)
    .add_start("typed", typed)
    .add_start("class", start_class<class_based, int32_t>())
    .add_plan("wait",
              [log](exit_info&) {
                log->add("plan ran");
                return verdict::wait();
              })
    .add_log_filter("silent", [](report&) { return report_detail::none; });
  CHECK_THROWS_AS(opts.catalog.add_start("", adder), std::invalid_argument);
  CHECK_THROWS_AS(opts.catalog.add_plan("x", plan_function{}),
                  std::invalid_argument);
  auto dir = w.start({}, opts);
  auto handle = value_of(dir.start_child({
                           .id = "named",
                           .start = "adder",
                           .args = caf::make_message(int32_t{1}, "ab"),
                           .plan = "wait",
                           .log_filter = "silent",
                         }))
                  .handle;
  CHECK(ask(*w.sys, handle) == 3);
  auto info = value_of(dir.which_children());
  REQUIRE(info.size() == 1);
  CHECK(to_string(info[0].modules) == "[adder]");
  send_exit(handle, caf::sec::runtime_error);
  REQUIRE(w.log->await("plan ran"));
  CHECK(becomes(w, dir, "named", errc::undefined));
  CHECK(w.log->count("child=named") == 0);
}

TEST_CASE("restart, terminate and delete", "[operations]") {
  world w;
  auto dir = w.start();
  auto first = value_of(dir.start_child(w.worker("a"))).handle;
  CHECK(error_of(dir.restart_child("a")) == errc::running);
  CHECK(error_of(dir.restart_child("b")) == errc::not_found);
  CHECK(dir.delete_child("a") == errc::running);
  CHECK(dir.delete_child("b") == errc::not_found);
  CHECK(dir.terminate_child("b") == errc::not_found);
  CHECK(dir.terminate_child(caf::actor{}) == errc::not_found);
  CHECK_FALSE(dir.terminate_child(first));
  CHECK(w.log->await("down a"));
  CHECK_FALSE(dir.terminate_child("a"));
  auto second = value_of(dir.restart_child("a")).handle;
  CHECK(second != first);
  CHECK(value_of(dir.get_restart_count("a")) == 1);
  CHECK_FALSE(dir.terminate_and_delete_child("a"));
  CHECK(w.gone(second));
  CHECK(error_of(dir.get_actor("a")) == errc::not_found);
  auto third = value_of(dir.start_child(w.worker("a"))).handle;
  CHECK_FALSE(dir.terminate_and_delete_child(third));
  CHECK(dir.delete_child("a") == errc::not_found);
  CHECK(value_of(dir.start_child(w.worker("c"))).handle);
  CHECK_FALSE(dir.terminate_child("c"));
  CHECK_FALSE(dir.delete_child("c"));
  CHECK(value_of(dir.count_children()).specs == 0);
}

TEST_CASE("terminate_child cancels a scheduled restart", "[operations]") {
  world w;
  auto spec = w.worker("a");
  spec.plan = plans::backoff({.min = 1h, .max = 1h, .jitter = 0});
  auto dir = w.start({spec});
  send(value_of(dir.get_actor("a")), crash_atom_v);
  REQUIRE(becomes(w, dir, "a", errc::restarting));
  CHECK(error_of(dir.restart_child("a")) == errc::restarting);
  CHECK(dir.delete_child("a") == errc::restarting);
  CHECK(error_of(dir.start_child(w.worker("a"))) == errc::already_present);
  CHECK_FALSE(dir.terminate_child("a"));
  CHECK(error_of(dir.get_actor("a")) == errc::undefined);
  CHECK_FALSE(dir.delete_child("a"));
}

TEST_CASE("a running child moves from one director to another",
          "[operations]") {
  world w;
  auto one = w.start({}, w.options("one"));
  auto two = w.start({}, w.options("two"));
  auto handle = value_of(one.start_child(w.worker("a"))).handle;
  CHECK(ask(*w.sys, handle) == 1);
  CHECK(two.delete_running_child(handle) == errc::not_found);
  CHECK(one.become_supervisor(handle, w.worker("b")) == errc::already_started);
  auto spec = value_of(one.get_child_spec(handle));
  CHECK(spec.id == child_id{"a"});
  CHECK_FALSE(one.delete_running_child(handle));
  CHECK(one.delete_running_child(handle) == errc::not_found);
  CHECK(error_of(one.get_actor("a")) == errc::not_found);
  CHECK_FALSE(two.become_supervisor(handle, spec));
  CHECK(w.log->await("new parent of a"));
  CHECK(value_of(two.get_actor("a")) == handle);
  CHECK(ask(*w.sys, handle) == 2);
  send(handle, crash_atom_v);
  REQUIRE(w.log->await("up a", 2));
  await_actor(w, two, "a", handle);
  CHECK(value_of(one.count_children()).specs == 0);
  // What cannot be supervised.
  CHECK(w.gone(handle));
  CHECK(two.become_supervisor(handle, w.worker("c")) == errc::actor_not_alive);
  CHECK(two.become_supervisor(caf::actor{}, w.worker("c"))
        == errc::actor_not_alive);
  auto other = value_of(one.start_child(w.worker("d"))).handle;
  CHECK(field_of(two.become_supervisor(other, {.id = "e"})) == "start");
  CHECK(two.become_supervisor(other, w.worker("a")) == errc::already_started);
}

TEST_CASE("start_children reports per child", "[operations]") {
  world w;
  auto dir = w.start({w.worker("old")});
  auto outcomes = value_of(dir.start_children({
    w.worker(1),
    w.worker("old"),
    broken("broken"),
    {},
    w.worker(1),
    w.worker(2),
  }));
  REQUIRE(outcomes.size() == 6);
  CHECK_FALSE(outcomes[0].err);
  CHECK(value_of(dir.get_actor(1)) == outcomes[0].value.handle);
  CHECK(outcomes[1].err == errc::already_started);
  CHECK(outcomes[2].err == errc::start_failed);
  CHECK(outcomes[2].id == child_id{"broken"});
  CHECK(field_of(outcomes[3].err) == "id");
  CHECK(outcomes[4].err == errc::already_present);
  CHECK_FALSE(outcomes[5].err);
  CHECK(value_of(dir.count_children()).active == 3);
  CHECK(value_of(dir.start_children({})).empty());
}

TEST_CASE("start_children undoes everything if asked to", "[operations]") {
  world w;
  auto dir = w.start({w.worker("old")});
  auto outcomes = value_of(
    dir.start_children({w.worker(1), broken("broken"), w.worker(2)}, true));
  REQUIRE(outcomes.size() == 3);
  CHECK(outcomes[0].err == errc::undone);
  CHECK(outcomes[1].err == errc::start_failed);
  CHECK(outcomes[2].err == errc::undone);
  CHECK(w.log->await("down 1", w.log->count("up 1")));
  CHECK(w.log->count("up 2") == 0);
  CHECK(value_of(dir.count_children()) == child_counts{1, 1, 0, 1});
  outcomes = value_of(dir.start_children({w.worker(1), {}}, true));
  CHECK(outcomes[0].err == errc::undone);
  CHECK(field_of(outcomes[1].err) == "id");
  outcomes = value_of(
    dir.start_children({w.worker(1), w.worker("old"), w.worker(2)}, true));
  CHECK(outcomes[0].err == errc::undone);
  CHECK(outcomes[1].err == errc::already_started);
  outcomes = value_of(dir.start_children({w.worker(1), w.worker(2)}, true));
  CHECK_FALSE(outcomes[0].err);
  CHECK(value_of(dir.count_children()).active == 3);
}

TEST_CASE("children are found by their actors, old and new", "[operations]") {
  world w;
  auto spec = w.worker("a");
  spec.plan = plans::permanent();
  auto dir = w.start({spec, w.worker("b")});
  auto first = value_of(dir.get_actor("a"));
  CHECK(value_of(dir.get_child_spec(first)).id == child_id{"a"});
  auto added = value_of(dir.start_child(w.worker("c"))).handle;
  CHECK(value_of(dir.get_child_spec(added)).id == child_id{"c"});
  auto second = crash(w, dir, "a");
  CHECK(second != first);
  CHECK(value_of(dir.get_child_spec(second)).id == child_id{"a"});
  CHECK(error_of(dir.get_child_spec(first)) == errc::not_found);
  CHECK(!dir.terminate_child(second));
  CHECK(!dir.terminate_and_delete_child(added));
  CHECK(dir.terminate_child(added) == errc::not_found);
}

TEST_CASE("a large batch does not keep other requests waiting",
          "[operations]") {
  world w;
  auto opts = w.options();
  opts.sink = nullptr;
  auto dir = w.start({}, opts);
  std::vector<child_spec> specs;
  for (int i = 0; i < 20'000; ++i)
    specs.push_back({.id = i, .start = [](caf::event_based_actor*) {
                       return caf::behavior{[](int) {}};
                     }});
  bool first_done = false;
  auto batch = in_background([dir, specs = std::move(specs)]() mutable {
    return dir.start_children(std::move(specs));
  });
  CHECK(w.eventually([&] {
    auto counts = value_of(dir.count_children());
    first_done = counts.active > 0 && counts.active < counts.specs;
    return first_done || counts.active == 20'000;
  }));
  CHECK(value_of(batch.get()).size() == 20'000);
  CHECK(first_done);
  CHECK(value_of(dir.count_children()).active == 20'000);
}

TEST_CASE("which_children and get_actors list what there is", "[operations]") {
  world w;
  auto spec = w.worker("sup");
  spec.type = child_type::supervisor;
  spec.modules = module_list{"one", "two"};
  auto waiting = w.worker("waiting");
  waiting.plan = plans::never();
  auto dir = w.start({w.worker("a"), spec, waiting});
  CHECK_FALSE(dir.terminate_child("waiting"));
  auto all = value_of(dir.which_children());
  REQUIRE(all.size() == 3);
  CHECK(has(all, "a", child_status::running));
  CHECK(has(all, "sup", child_status::running));
  CHECK(has(all, "waiting", child_status::undefined));
  for (auto& x : all) {
    CHECK((x.type == child_type::supervisor) == (x.id == child_id{"sup"}));
    CHECK(to_string(x.modules)
          == (x.id == child_id{"sup"} ? "[one, two]" : "[local]"));
  }
  CHECK(value_of(dir.get_actors()).size() == 2);
  CHECK(value_of(dir.count_children()) == child_counts{3, 2, 1, 2});
}

TEST_CASE("specs can be read, plans and log filters changed", "[operations]") {
  world w;
  auto dir = w.start({w.worker("a")});
  auto spec = value_of(dir.get_child_spec("a"));
  CHECK(spec.id == child_id{"a"});
  CHECK(spec.plan.what() == plan_function::kind::standard);
  CHECK(*spec.terminate_timeout == 5s);
  CHECK(*spec.delete_before_terminate);
  CHECK_FALSE(*spec.await_ready);
  CHECK(error_of(dir.get_child_spec("b")) == errc::not_found);
  CHECK(error_of(dir.get_child_spec(caf::actor{})) == errc::not_found);
  CHECK(dir.change_plan("b", plans::never()) == errc::not_found);
  CHECK(dir.change_plan("a", {}) == errc::invalid_plan);
  CHECK(dir.change_plan("a", "unknown") == errc::invalid_plan);
  CHECK_FALSE(dir.change_plan("a", plans::temporary()));
  CHECK(value_of(dir.get_plan("a")).what() == plan_function::kind::temporary);
  CHECK(error_of(dir.get_plan("b")) == errc::not_found);
  CHECK(dir.change_log_filter("a", {}) == errc::invalid_log_filter);
  CHECK(dir.change_log_filter(log_filter_function{"unknown"})
        == errc::invalid_log_filter);
  CHECK_FALSE(
    dir.change_log_filter("a", [](report&) { return report_detail::none; }));
  auto handle = value_of(dir.get_actor("a"));
  send(handle, crash_atom_v);
  CHECK(becomes(w, dir, "a", errc::not_found));
  CHECK(w.log->count("child_terminated") == 0);
}

TEST_CASE("the default child spec completes and can be changed",
          "[operations]") {
  world w;
  auto log = w.log;
  auto named = [log](std::string word) {
    return [log, word](caf::event_based_actor* self, const std::string& x,
                       const std::string& y) {
      log->add(word + " " + x + " " + y);
      return caf::behavior{
        [self](crash_atom) { self->quit(caf::sec::runtime_error); }};
    };
  };
  child_spec base{.id = {},
                  .start = named("first"),
                  .args = caf::make_message("x"),
                  .plan = plans::permanent(),
                  .terminate_timeout = 1s,
                  .modules = module_list{"base"}};
  auto dir = w.start({}, {}, base);
  auto start = [&](child_spec spec) {
    spec.append = true;
    return dir.start_child(spec);
  };
  REQUIRE(start({.id = 1, .args = caf::make_message("1")}));
  REQUIRE(start({.id = 2,
                 .args = caf::make_message("2"),
                 .plan = plans::never(),
                 .terminate_timeout = 2s,
                 .modules = module_list{"own"}}));
  CHECK(start({.id = 3}).error() == errc::start_failed);
  REQUIRE(log->await("first x 1"));
  auto spec = value_of(dir.get_child_spec(2));
  CHECK(spec.plan.what() == plan_function::kind::never);
  CHECK(*spec.terminate_timeout == 3s);
  CHECK(to_string(*spec.modules) == "[base, own]");
  CHECK(to_string(spec.args) == R"__(message("x", "2"))__");
  CHECK_FALSE(spec.append);
  CHECK(value_of(dir.get_default_child_spec()).args.size() == 1);
  // A change reaches appended children at their next start.
  auto next = base;
  next.start = named("second");
  next.args = caf::make_message("y");
  next.terminate_timeout = caf::infinite;
  CHECK_FALSE(dir.change_default_child_spec(next));
  CHECK(log->count("second") == 0);
  send(value_of(dir.get_actor(1)), crash_atom_v);
  REQUIRE(log->await("second y 1"));
  spec = value_of(dir.get_child_spec(2));
  CHECK(*spec.terminate_timeout == caf::infinite);
  CHECK(spec.plan.what() == plan_function::kind::never);
  next.terminate_timeout = -1s;
  CHECK(field_of(dir.change_default_child_spec(next)) == "terminate_timeout");
  next = base;
  next.start = {};
  CHECK(field_of(dir.change_default_child_spec(next)) == "start");
  CHECK(default_child_spec().plan.what() == plan_function::kind::standard);
  CHECK(default_plan().what() == plan_function::kind::standard);
}

TEST_CASE("unknown messages are answered, reported and survived",
          "[operations]") {
  world w;
  auto dir = w.start({w.worker("a")});
  caf::scoped_actor self{*w.sys};
  caf::error err;
  internal::compat::request_receive(
    self, as_actor(dir.handle()), patience, [](int) {},
    [&](caf::error& x) { err = x; }, std::string{"hello"}, 42);
  CHECK(err == errc::unknown_request);
  CHECK(w.log->await("unexpected_message"));
  CHECK(w.log->count("hello") == 1);
  send(as_actor(dir.handle()), std::string{"again"});
  send(as_actor(dir.handle()), caf::error{caf::sec::runtime_error});
  CHECK(value_of(dir.count_children()).active == 1);
  send(as_actor(dir.handle()), caf::down_msg{});
  CHECK(w.log->await("again"));
  CHECK(value_of(dir.count_children()).active == 1);
}

TEST_CASE("an event-based actor can use all this, too", "[operations]") {
  world w;
  auto dir = w.start();
  auto log = w.log;
  auto spec = w.worker("a");
  w.sys->spawn(
    [handle = as_actor(dir.handle()), spec, log](caf::event_based_actor* self) {
      internal::compat::request(
        self, handle,
        [=](const started& x) {
          log->add(x.handle ? "started" : "empty");
          internal::compat::request(
            self, handle, [log] { log->add("terminated"); },
            [log](const caf::error& err) { log->add(to_string(err)); },
            terminate_child_atom_v, x.handle);
        },
        [log](const caf::error& err) { log->add(to_string(err)); },
        start_child_atom_v, spec);
    });
  CHECK(log->await("started"));
  CHECK(log->await("terminated"));
  CHECK(log->await("down a"));
}

TEST_CASE("a client limits its waiting", "[operations]") {
  world w;
  auto spec = w.worker("a");
  auto door = std::make_shared<gate>();
  spec.start = [door](start_context& ctx) {
    door->pass();
    return ctx.spawn(
      [](caf::event_based_actor*) { return caf::behavior{[](int) {}}; });
  };
  auto dir = w.start();
  CHECK(error_of(dir.within(10ms).start_child(spec))
        == caf::sec::request_timeout);
  door->open();
  CHECK(w.eventually([&] { return bool{dir.get_actor("a")}; }));
  CHECK_FALSE(dir.stop());
  CHECK(error_of(dir.get_actor("a")) == caf::sec::request_receiver_down);
  CHECK(error_of(dir.start_child(spec)) == caf::sec::request_receiver_down);
  CHECK_FALSE(dir.stop());
}
