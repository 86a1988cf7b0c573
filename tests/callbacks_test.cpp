// What callbacks see, and what they can do.

#include "fixture.hpp"

#include <atomic>

using namespace director;
using namespace fixture;

TEST_CASE("callbacks see and replace the states", "[callbacks]") {
  world w;
  auto log = w.log;
  auto spec = w.worker("a");
  spec.state = caf::make_message(int32_t{1});
  spec.plan = [log](exit_info& info) {
    log->add("plan " + take(info.state, 1));
    return verdict::restart();
  };
  callbacks hooks;
  hooks.init = [spec](const caf::message&) {
    return init_result{.state = caf::make_message(int32_t{100}),
                       .children = {spec}};
  };
  hooks.handle_start = [log](start_event& x) {
    log->add("start " + to_string(x.id) + " " + std::to_string(x.restart_count)
             + (x.handle ? " " : " empty ") + take(x.child_state, 1) + " "
             + take(x.director_state, 10));
  };
  hooks.handle_exit = [log](exit_event& x) {
    log->add("exit " + to_string(x.info.id) + " " + take(x.info.state, 1) + " "
             + take(x.director_state, 10));
    return x.ask_plan();
  };
  hooks.handle_terminate = [log](terminate_event& x) {
    log->add("terminate " + to_string(x.id) + " " + take(x.child_state, 1) + " "
             + take(x.director_state, 10)
             + (x.reason == caf::exit_reason::user_shutdown ? " ok" : " bad"));
  };
  hooks.terminate = [log](const caf::error& reason, caf::message& state) {
    log->add("last " + take(state, 0)
             + (reason == caf::exit_reason::normal ? " ok" : " bad"));
    return caf::make_error(caf::sec::bad_function_call);
  };
  auto dir = w.start_with(hooks, w.options());
  CHECK(log->count("start a 0 1 100") == 1);
  crash(w, dir, "a");
  CHECK(log->count("exit a 2 110") == 1);
  CHECK(log->count("plan 3") == 1);
  CHECK(log->count("start a 1 4 120") == 1);
  CHECK_FALSE(dir.terminate_child("a"));
  CHECK(log->count("terminate a 5 130 ok") == 1);
  CHECK(number(value_of(dir.get_state())) == 140);
  REQUIRE(dir.restart_child("a"));
  CHECK(log->count("start a 2 6 140") == 1);
  CHECK_FALSE(dir.replace_state(caf::make_message(int32_t{500})));
  CHECK_FALSE(dir.stop(caf::exit_reason::normal));
  CHECK(log->count("terminate a 7 500 ok") == 1);
  CHECK(log->count("last 510 ok") == 1);
  CHECK(end_of(dir) == caf::sec::bad_function_call);
  CHECK(log->count("director_terminating reason="
                   + to_string(caf::error{caf::sec::bad_function_call}))
        == 1);
}

TEST_CASE("handle_exit overrules the plan", "[callbacks]") {
  world w;
  auto log = w.log;
  auto spec = w.worker("a");
  spec.plan = [log](exit_info&) {
    log->add("plan");
    return verdict::restart();
  };
  callbacks hooks = fixed({.children = {spec, w.worker("b")}});
  hooks.handle_exit = [](exit_event& x) {
    return x.info.id == child_id{"a"} ? verdict::wait() : verdict::remove();
  };
  auto dir = w.start_with(hooks, w.options());
  send(value_of(dir.get_actor("a")), crash_atom_v);
  send(value_of(dir.get_actor("b")), crash_atom_v);
  CHECK(w.eventually([&] {
    return error_of(dir.get_actor("a")) == errc::undefined
           && error_of(dir.get_actor("b")) == errc::not_found;
  }));
  CHECK(log->count("plan") == 0);
  CHECK(log->count("up a") == 1);
}

TEST_CASE("a callback that throws ends the director", "[callbacks]") {
  world w;
  auto boom = [](auto&&...) -> void { throw std::runtime_error{"boom"}; };
  callbacks hooks = fixed({.children = {w.worker("a")}});
  auto armed = std::make_shared<std::atomic<bool>>(false);
  caf::error reason;
  SECTION("init") {
    hooks.init = [](const caf::message&) -> init_result {
      throw std::runtime_error{"boom"};
    };
    reason = error_of(director::start(*w.sys, hooks, w.options()));
    CHECK(w.log->count("up a") == 0);
  }
  SECTION("handle_start, while the director starts") {
    hooks.handle_start = boom;
    reason = error_of(director::start(*w.sys, hooks, w.options()));
    CHECK(w.log->await("down a"));
  }
  SECTION("handle_start") {
    hooks.handle_start = [boom](start_event& x) {
      if (x.id == child_id{"b"})
        boom();
    };
    auto dir = w.start_with(hooks, w.options());
    std::ignore = dir.start_child(w.worker("b"));
    reason = end_of(dir);
    CHECK(w.log->await("down a"));
    CHECK(w.log->await("down b"));
  }
  SECTION("handle_exit") {
    hooks.handle_exit = [](exit_event&) -> verdict {
      throw std::runtime_error{"boom"};
    };
    auto dir = w.start_with(hooks, w.options());
    send(value_of(dir.get_actor("a")), crash_atom_v);
    reason = end_of(dir);
    CHECK(w.log->count("up a") == 1);
  }
  SECTION("handle_terminate, on request") {
    hooks.handle_terminate = boom;
    auto dir = w.start_with(hooks, w.options());
    std::ignore = dir.terminate_child("a");
    reason = end_of(dir);
  }
  SECTION("terminate") {
    hooks.terminate = [](const caf::error&, caf::message&) -> caf::error {
      throw std::runtime_error{"boom"};
    };
    auto dir = w.start_with(hooks, w.options());
    CHECK_FALSE(dir.stop());
    reason = end_of(dir);
    CHECK(w.log->await("down a"));
  }
  CHECK(reason == errc::callback_failed);
  auto text = to_string(cause_of(reason));
  INFO(text);
  CHECK(text.find("boom") != std::string::npos);
}

TEST_CASE("a callback that fails during the end does not stop it",
          "[callbacks]") {
  world w;
  callbacks hooks = fixed({.children = {w.worker("a"), w.worker("b")}});
  auto log = w.log;
  hooks.handle_terminate = [log](terminate_event& x) {
    log->add("terminating " + to_string(x.id));
    throw std::runtime_error{"boom"};
  };
  auto dir = w.start_with(hooks, w.options());
  CHECK_FALSE(dir.stop());
  CHECK(log->count("terminating a") == 1);
  CHECK(log->count("terminating b") == 1);
  CHECK(end_of(dir));
}

TEST_CASE("callbacks see the end and may change its reason", "[callbacks]") {
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
