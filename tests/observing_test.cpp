// Watching directors and meddling with them: callbacks, reports, log filters,
// tracing, debugging, metrics, trees.

#include "fixture.hpp"

#include <caf/telemetry/counter.hpp>
#include <caf/telemetry/gauge.hpp>
#include <caf/telemetry/histogram.hpp>
#include <caf/telemetry/metric_registry.hpp>

#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <unistd.h>

using namespace director;
using namespace fixture;

namespace {

/// Runs a request on a thread of its own. Checks belong to the main thread.
template <class F>
auto in_background(F fn) {
  return std::async(std::launch::async, std::move(fn));
}

int32_t number(const caf::message& x) {
  return x.match_elements<int32_t>() ? x.get_as<int32_t>(0) : -1;
}

/// Returns the number in `x` and adds `step` to it.
std::string take(caf::message& x, int32_t step) {
  auto result = number(x);
  x = caf::make_message(result + step);
  return std::to_string(result);
}

trace_options tracing(const std::function<void(trace_options&)>& change) {
  trace_options result;
  change(result);
  return result;
}

/// Lets a child crash and waits until its director has started it again.
void crash(world& w, const client& dir, const child_id& id) {
  auto before = value_of(dir.get_actor(id));
  send(before, crash_atom_v);
  REQUIRE(w.eventually([&] {
    auto next = dir.get_actor(id);
    return next && *next != before;
  }));
}

/// The path of a file that goes with this object.
class temp_file {
public:
  temp_file() {
    static std::atomic<int> last;
    auto name = "director-test-" + std::to_string(::getpid()) + "-"
                + std::to_string(++last);
    path = (std::filesystem::temp_directory_path() / name).string();
    std::filesystem::remove(path);
  }

  ~temp_file() {
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
  }

  std::string content() const {
    std::ifstream in{path};
    return {std::istreambuf_iterator<char>{in}, {}};
  }

  std::string path;
};

size_t occurrences(const std::string& text, const std::string& part) {
  size_t result = 0;
  for (auto i = text.find(part); i != std::string::npos;
       i = text.find(part, i + 1))
    ++result;
  return result;
}

} // namespace

// -- callbacks ----------------------------------------------------------------

TEST_CASE("callbacks see and replace the states", "[observing]") {
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

TEST_CASE("handle_exit overrules the plan", "[observing]") {
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

TEST_CASE("a callback that throws ends the director", "[observing]") {
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

TEST_CASE("a start that fails or is declined at once says so", "[observing]") {
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

TEST_CASE("a callback that fails during the end does not stop it",
          "[observing]") {
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

// -- reports ------------------------------------------------------------------

TEST_CASE("what is reported, and how bad it is", "[observing]") {
  world w;
  auto log = w.log;
  auto door = std::make_shared<gate>();
  auto spec = w.worker("a");
  spec.plan = plans::permanent();
  auto busy = w.worker("busy");
  busy.terminate_timeout = 10ms;
  busy.start = [log, door](caf::event_based_actor*) {
    return caf::behavior{[log, door](block_atom) {
      log->add("blocked");
      door->pass();
    }};
  };
  auto opts = w.options();
  opts.kill_grace = 1h;
  auto dir = w.start({spec, busy}, opts);
  SECTION("progress") {
    CHECK(log->count("info test progress child=a actor=") == 1);
    CHECK(log->count("info test progress child=busy actor=") == 1);
    crash(w, dir, "a");
    CHECK(log->count("info test progress child=a actor=") == 2);
    CHECK(log->count("restart_count") == 0);
  }
  SECTION("child_terminated") {
    crash(w, dir, "a");
    CHECK(log->count("error test child_terminated child=a actor=") == 1);
    CHECK(log->count("reason=" + to_string(caf::error{caf::sec::runtime_error}))
          == 1);
    for (auto& reason :
         {caf::exit_reason::normal, caf::exit_reason::user_shutdown}) {
      auto before = value_of(dir.get_actor("a"));
      send(before, crash_atom_v, caf::error{reason});
      REQUIRE(w.eventually([&] {
        auto next = dir.get_actor("a");
        return next && *next != before;
      }));
    }
    CHECK(log->count("info test child_terminated child=a actor=") == 2);
    CHECK(log->count("error test child_terminated") == 1);
  }
  SECTION("start_error") {
    auto broken = w.worker("broken");
    broken.start = []() -> start_result {
      return caf::make_error(caf::sec::bad_function_call);
    };
    CHECK(error_of(dir.start_child(broken)) == errc::start_failed);
    CHECK(log->count("error test start_error child=broken reason=start_failed")
          == 1);
    CHECK(log->count("bad_function_call") == 1);
  }
  SECTION("shutdown_error") {
    send(value_of(dir.get_actor("busy")), block_atom_v);
    REQUIRE(log->await("blocked"));
    auto outcome = in_background([=] { return dir.terminate_child("busy"); });
    CHECK(log->await("warning test shutdown_error child=busy actor="));
    door->open();
    CHECK_FALSE(outcome.get());
    CHECK(log->count("did not end in time and gets killed") == 1);
    CHECK(log->count("child_terminated") == 0);
  }
  SECTION("unexpected_message") {
    send(as_actor(dir.handle()), std::string{"hello there"});
    CHECK(log->await("warning test unexpected_message"));
    CHECK(log->count("hello there") == 1);
    CHECK(log->count("unknown_request") == 1);
  }
  SECTION("director_terminating, in good order") {
    CHECK_FALSE(dir.stop());
    CHECK(log->count("info test director_terminating") == 1);
  }
  SECTION("director_terminating, because of an error") {
    CHECK_FALSE(dir.stop(caf::sec::runtime_error));
    CHECK(log->count("error test director_terminating reason="
                     + to_string(caf::error{caf::sec::runtime_error}))
          == 1);
  }
  door->open();
}

TEST_CASE("a director lives without reports, and with broken ones",
          "[observing]") {
  world w;
  auto opts = w.options();
  auto calls = std::make_shared<std::atomic<int>>(0);
  SECTION("no sink") {
    opts.sink = nullptr;
    opts.log_filter = [calls](report&) {
      ++*calls;
      return report_detail::full;
    };
  }
  SECTION("a sink that throws") {
    opts.sink = [calls](const report&) {
      ++*calls;
      throw std::runtime_error{"sink"};
    };
  }
  SECTION("a sink that throws something else") {
    opts.sink = [calls](const report&) {
      ++*calls;
      throw 42;
    };
  }
  auto dir = w.start({w.worker("a")}, opts);
  crash(w, dir, "a");
  CHECK(value_of(dir.get_restart_count("a")) == 1);
  CHECK_FALSE(dir.stop());
  CHECK(end_of(dir) == caf::exit_reason::user_shutdown);
  // progress, child_terminated, progress, director_terminating
  CHECK(*calls == (opts.sink ? 4 : 0));
}

// -- log filters --------------------------------------------------------------

TEST_CASE("a log filter chooses how much is reported of a child",
          "[observing]") {
  world w;
  auto log = w.log;
  auto none = w.worker("none");
  none.log_filter = [](report&) { return report_detail::none; };
  auto brief = w.worker("brief");
  brief.log_filter = "short";
  auto full = w.worker("full");
  full.state = caf::make_message("inside");
  full.log_filter = [](report& x) {
    return x.kind == report_kind::child_terminated ? report_detail::full
                                                   : report_detail::brief;
  };
  auto opts = w.options();
  opts.catalog.add_log_filter("short",
                              [](report&) { return report_detail::brief; });
  auto dir = w.start({none, brief, full}, opts);
  for (auto id : {"none", "brief", "full"})
    crash(w, dir, id);
  CHECK(log->count("child=none") == 0);
  CHECK(log->count("child=brief") == 3);
  CHECK(log->count("child=full") == 3);
  // Only the crash comes with the record.
  CHECK(log->count("restart_count=") == 1);
  CHECK(log->count("id=full status=running") == 1);
  CHECK(log->count(R"__(state=message("inside"))__") == 1);
  SECTION("and can be replaced") {
    CHECK_FALSE(dir.change_log_filter("none", [](report&) {
      return report_detail::full;
    }));
    CHECK_FALSE(dir.change_log_filter("full", "short"));
    crash(w, dir, "none");
    crash(w, dir, "full");
    CHECK(log->count("child=none") == 2);
    CHECK(log->count("child=full") == 5);
    CHECK(log->count("restart_count=") == 3);
  }
}

TEST_CASE("a director has a log filter of its own", "[observing]") {
  world w;
  auto log = w.log;
  auto opts = w.options();
  opts.log_filter = [log](report& x) {
    log->add("filter " + to_string(x.kind) + " " + std::string{x.director} + " "
             + to_string(x.detail) + (x.child ? " child " : " ")
             + take(x.state, 1));
    return report_detail::none;
  };
  callbacks hooks = fixed(
    {.state = caf::make_message(int32_t{7}), .children = {w.worker("a")}});
  auto dir = w.start_with(hooks, opts);
  send(as_actor(dir.handle()), std::string{"one"});
  CHECK(log->await("filter unexpected_message test brief 7"));
  CHECK(number(value_of(dir.get_state())) == 8);
  CHECK(log->count("test unexpected_message") == 0);
  // It has no say in the reports about children.
  CHECK(log->count("info test progress child=a") == 1);
  CHECK_FALSE(
    dir.change_log_filter([](report&) { return report_detail::brief; }));
  send(as_actor(dir.handle()), std::string{"two"});
  CHECK(log->await("test unexpected_message"));
  CHECK(log->count("filter") == 1);
}

TEST_CASE("a log filter may replace the state of its child", "[observing]") {
  world w;
  auto log = w.log;
  auto spec = w.worker("a");
  spec.state = caf::make_message(int32_t{1});
  spec.log_filter = [](report& x) {
    if (x.kind == report_kind::child_terminated)
      take(x.state, 41);
    return report_detail::brief;
  };
  spec.plan = [log](exit_info& info) {
    log->add("plan " + take(info.state, 0));
    return verdict::restart();
  };
  auto dir = w.start({spec});
  crash(w, dir, "a");
  CHECK(log->count("plan 42") == 1);
}

TEST_CASE("a log filter that throws is reported once", "[observing]") {
  world w;
  auto log = w.log;
  auto spec = w.worker("a");
  spec.plan = plans::permanent();
  spec.log_filter = [log](report&) -> report_detail {
    log->add("called");
    throw std::runtime_error{"filter broke"};
  };
  auto dir = w.start({spec, w.worker("b")});
  for (int i = 0; i < 3; ++i)
    crash(w, dir, "a");
  CHECK(log->count("called") == 1);
  CHECK(log->count("error test log_filter_error child=a") == 1);
  CHECK(log->count("filter broke") == 1);
  // From then on everything is brief.
  CHECK(log->count("progress child=a") == 4);
  CHECK(log->count("child_terminated child=a") == 3);
  // Another filter gets another chance.
  CHECK_FALSE(
    dir.change_log_filter("a", [](report&) { return report_detail::none; }));
  crash(w, dir, "a");
  CHECK(log->count("child_terminated child=a") == 3);
  // The director's own filter may break, too.
  CHECK_FALSE(
    dir.change_log_filter([](report&) -> report_detail { throw 42; }));
  send(as_actor(dir.handle()), std::string{"x"});
  send(as_actor(dir.handle()), std::string{"x"});
  CHECK(log->await("unexpected_message", 2));
  CHECK(log->count("log_filter_error") == 2);
}

// -- tracing ------------------------------------------------------------------

TEST_CASE("the ring of a trace holds the last events", "[observing]") {
  world w;
  auto dir = w.start({w.worker("a")});
  CHECK(value_of(dir.get_trace()).empty());
  CHECK_FALSE(dir.trace(tracing([](auto& x) { x.ring = 5; })));
  CHECK(value_of(dir.get_trace()).empty());
  CHECK(dir.count_children());
  auto events = value_of(dir.get_trace());
  REQUIRE(events.size() == 2);
  CHECK(events[0].kind == trace_kind::message);
  CHECK(events[0].text == "count_children");
  CHECK(events[1].kind == trace_kind::reply);
  CHECK(events[0].time <= events[1].time);
  CHECK(events[0].id.empty());
  for (int i = 0; i < 10; ++i) {
    CHECK(dir.which_children());
    CHECK(error_of(dir.get_actor("b")) == errc::not_found);
  }
  events = value_of(dir.get_trace());
  REQUIRE(events.size() == 5);
  CHECK(events[0].kind == trace_kind::reply);
  CHECK(events[1].text == "which_children");
  CHECK(events[2].kind == trace_kind::reply);
  CHECK(events[3].text == "get_actor");
  CHECK(events[4].kind == trace_kind::reply);
  CHECK(events[4].text.find("not_found") != std::string::npos);
  // Off, and nothing is kept.
  CHECK_FALSE(dir.trace({}));
  CHECK(dir.count_children());
  CHECK(value_of(dir.get_trace()).empty());
}

TEST_CASE("a trace counts", "[observing]") {
  world w;
  auto dir = w.start({w.worker("a")});
  CHECK_FALSE(dir.trace(tracing([](auto& x) { x.counters = true; })));
  CHECK(dir.count_children());
  CHECK_FALSE(dir.terminate_child("a"));
  CHECK(dir.restart_child("a"));
  auto counters = value_of(dir.get_trace_counters());
  CHECK(counters.messages == 3);
  CHECK(counters.replies == 3);
  CHECK(counters.starts == 1);
  CHECK(counters.exits == 1);
  CHECK(counters.verdicts == 0);
  CHECK(counters.timers == 0);
  CHECK(value_of(dir.get_trace()).empty());
  CHECK_FALSE(dir.trace({}));
  CHECK(value_of(dir.get_trace_counters()).messages == 0);
  CHECK(dir.count_children());
  CHECK(value_of(dir.get_trace_counters()).messages == 0);
}

TEST_CASE("a trace goes to a file", "[observing]") {
  world w;
  temp_file file;
  auto dir = w.start({w.worker("a")});
  CHECK_FALSE(dir.trace(tracing([&](auto& x) { x.file = file.path; })));
  CHECK(dir.count_children());
  auto text = file.content();
  INFO(text);
  CHECK(occurrences(text, "\n") == 2);
  CHECK(occurrences(text, " message: count_children\n") == 1);
  CHECK(occurrences(text, " reply") == 1);
  CHECK_FALSE(dir.trace({}));
  CHECK(dir.count_children());
  CHECK(file.content() == text);
  // Once more: appends.
  CHECK_FALSE(dir.trace(tracing([&](auto& x) { x.file = file.path; })));
  CHECK(dir.count_children());
  CHECK(occurrences(file.content(), " message: count_children\n") == 2);
}

TEST_CASE("a trace that cannot be written is refused", "[observing]") {
  world w;
  auto bad = tracing([](auto& x) { x.file = "/no/such/folder/trace"; });
  auto dir = w.start({w.worker("a")});
  CHECK_FALSE(dir.trace(tracing([](auto& x) { x.ring = 10; })));
  CHECK(dir.trace(bad) == caf::sec::cannot_open_file);
  // What was on stays on.
  CHECK(dir.count_children());
  CHECK(value_of(dir.get_trace()).size() == 2);
  auto opts = w.options("other");
  opts.trace = bad;
  auto other = director::start(*w.sys, fixed({.children = {w.worker("b")}}),
                               opts);
  CHECK(error_of(other) == caf::sec::cannot_open_file);
  CHECK(w.log->count("up b") == 0);
}

TEST_CASE("a trace goes to a function", "[observing]") {
  world w;
  auto log = w.log;
  auto dir = w.start({w.worker("a")});
  SECTION("that works") {
    CHECK_FALSE(dir.trace(tracing([&](auto& x) {
      x.function = [log](const trace_event& event) {
        log->add("trace " + to_string(event.kind) + " " + event.text);
      };
    })));
    CHECK(dir.count_children());
    CHECK(log->count("trace message count_children") == 1);
    CHECK(log->count("trace reply") == 1);
    CHECK_FALSE(dir.trace({}));
    CHECK(dir.count_children());
    CHECK(log->count("trace") == 2);
  }
  SECTION("that throws, and is never called again") {
    CHECK_FALSE(dir.trace(tracing([&](auto& x) {
      x.counters = true;
      x.function = [log](const trace_event&) {
        log->add("trace");
        throw std::runtime_error{"trace"};
      };
    })));
    CHECK(dir.count_children());
    CHECK(dir.count_children());
    CHECK(log->count("trace") == 1);
    CHECK(value_of(dir.get_trace_counters()).messages == 2);
  }
}

TEST_CASE("a trace shows a crash and a delayed restart", "[observing]") {
  world w;
  auto spec = w.worker("a");
  spec.plan = [](exit_info&) { return verdict::restart_after(2ms); };
  auto opts = w.options();
  opts.trace.ring = 100'000;
  opts.trace.counters = true;
  auto dir = w.start({spec}, opts);
  // Also from the start on.
  auto events = value_of(dir.get_trace());
  REQUIRE_FALSE(events.empty());
  CHECK(events[0].kind == trace_kind::start);
  CHECK(events[0].id == child_id{"a"});
  crash(w, dir, "a");
  std::vector<trace_kind> seen;
  size_t messages = 0;
  size_t replies = 0;
  for (auto& event : value_of(dir.get_trace())) {
    if (event.kind == trace_kind::message)
      ++messages;
    if (event.kind == trace_kind::reply)
      ++replies;
    if (event.id != child_id{"a"})
      continue;
    seen.push_back(event.kind);
    if (event.kind == trace_kind::exit)
      CHECK(event.text.find("runtime_error") != std::string::npos);
    if (event.kind == trace_kind::verdict)
      CHECK(event.text == "restart after 2ms");
  }
  CHECK(seen
        == std::vector<trace_kind>{trace_kind::start, trace_kind::exit,
                                   trace_kind::verdict, trace_kind::timer,
                                   trace_kind::start});
  CHECK(messages > 0);
  // The answer to `ready_atom` may come without a request being seen twice.
  CHECK(replies == messages);
  auto counters = value_of(dir.get_trace_counters());
  CHECK(counters.starts == 2);
  CHECK(counters.exits == 1);
  CHECK(counters.verdicts == 1);
  CHECK(counters.timers == 1);
}

TEST_CASE("requests that were put off have their replies traced",
          "[observing]") {
  world w;
  auto dir = w.start({w.worker("a")});
  CHECK_FALSE(dir.trace(tracing([](auto& x) { x.counters = true; })));
  CHECK_FALSE(dir.suspend());
  auto reader = in_background([=] { return dir.count_children(); });
  auto writer = in_background([=] { return dir.terminate_child("a"); });
  CHECK(w.eventually(
    [&] { return value_of(dir.get_trace_counters()).messages == 2; }));
  CHECK(value_of(dir.get_trace_counters()).replies == 0);
  CHECK_FALSE(dir.resume());
  CHECK(reader.get());
  CHECK_FALSE(writer.get());
  CHECK(value_of(dir.get_trace_counters()).messages == 2);
  CHECK(value_of(dir.get_trace_counters()).replies == 2);
}

// -- debugging ----------------------------------------------------------------

TEST_CASE("the state of a director can be read and replaced", "[observing]") {
  world w;
  auto dir = w.start();
  CHECK(value_of(dir.get_state()).empty());
  CHECK_FALSE(dir.replace_state(caf::make_message(1, "two")));
  CHECK(to_string(value_of(dir.get_state())) == R"__(message(1, "two"))__");
  CHECK_FALSE(dir.replace_state({}));
  CHECK(value_of(dir.get_state()).empty());
  CHECK(value_of(dir.get_name()) == "test");
}

TEST_CASE("a suspended director puts everything off", "[observing]") {
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

TEST_CASE("requests are answered in order after a suspension", "[observing]") {
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

TEST_CASE("a suspended director can be ended", "[observing]") {
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

TEST_CASE("reload applies new specs at the next start", "[observing]") {
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

// -- metrics ------------------------------------------------------------------

TEST_CASE("a director keeps metrics under its name", "[observing]") {
  world w;
  auto& all = w.sys->metrics();
  auto name = std::string{"measured"};
  auto counter = [&](const char* what) {
    return all
      .counter_instance("director", what, {{"name", name}}, "", "1", true)
      ->value();
  };
  auto children = [&] {
    return all.gauge_instance("director", "children", {{"name", name}}, "")
      ->value();
  };
  auto spec = w.worker("a");
  spec.plan = plans::permanent();
  auto other = w.start({w.worker("x")}, w.options("other"));
  auto dir = w.start({spec, w.worker("b")}, w.options(name));
  CHECK(children() == 2);
  CHECK(counter("starts") == 2);
  CHECK(counter("restarts") == 0);
  CHECK(counter("crashes") == 0);
  crash(w, dir, "a");
  crash(w, dir, "a");
  CHECK(children() == 2);
  CHECK(counter("starts") == 4);
  CHECK(counter("restarts") == 2);
  CHECK(counter("crashes") == 2);
  // An orderly exit is no crash, but leads to a restart, too.
  auto before = value_of(dir.get_actor("a"));
  send(before, crash_atom_v, caf::error{caf::exit_reason::normal});
  REQUIRE(w.eventually([&] {
    auto next = dir.get_actor("a");
    return next && *next != before;
  }));
  CHECK(counter("crashes") == 2);
  CHECK(counter("restarts") == 3);
  CHECK_FALSE(dir.terminate_child("b"));
  CHECK(children() == 1);
  CHECK(dir.restart_child("b"));
  CHECK(children() == 2);
  CHECK(counter("restarts") == 4);
  CHECK_FALSE(dir.delete_running_child(value_of(dir.get_actor("b"))));
  CHECK(children() == 1);
  // Failed starts count nowhere.
  auto broken = w.worker("broken");
  broken.start = []() -> start_result { throw 1; };
  CHECK_FALSE(dir.start_child(broken));
  CHECK(counter("starts") == 6);
  // Only restarts that a plan asked for are measured.
  static constexpr std::array bounds{1.};
  auto* durations = all
                      .histogram_family<double>("director", "restart-duration",
                                                {"name"}, bounds, "", "seconds")
                      ->get_or_add({{"name", name}});
  int64_t count = 0;
  for (auto& bucket : durations->buckets())
    count += bucket.count.value();
  CHECK(count == 3);
  CHECK(durations->sum() > 0.0);
  CHECK(durations->sum() < 60.0);
  CHECK_FALSE(dir.stop());
  CHECK(children() == 0);
  name = "other";
  CHECK(children() == 1);
  CHECK(counter("starts") == 1);
  CHECK(counter("crashes") == 0);
}

TEST_CASE("a director that is killed takes its children off the gauge",
          "[observing]") {
  world w;
  auto dir = w.start({w.worker("a"), w.worker("b")}, w.options("killed"));
  auto* gauge = w.sys->metrics().gauge_instance("director", "children",
                                                {{"name", "killed"}}, "");
  CHECK(gauge->value() == 2);
  send_exit(as_actor(dir.handle()), caf::exit_reason::kill);
  CHECK(end_of(dir) == caf::exit_reason::kill);
  CHECK(w.log->await("down a"));
  CHECK(w.log->await("down b"));
  CHECK(gauge->value() == 0);
}

// -- trees --------------------------------------------------------------------

TEST_CASE("a tree shows all directors and their children", "[observing]") {
  world w;
  auto leaf = w.worker("leaf");
  auto waiting = w.worker("waiting");
  waiting.plan = plans::never();
  auto inner_opts = w.options("inner \"one\"");
  child_spec inner{
    .id = "sup",
    .start = nested(fixed({.children = {leaf, waiting}}), inner_opts),
    .type = child_type::supervisor,
  };
  auto plain = w.worker("plain");
  plain.type = child_type::supervisor;
  auto dir = w.start({w.worker(1), inner, plain}, w.options("outer"));
  client sub{*w.sys,
             caf::actor_cast<director_actor>(value_of(dir.get_actor("sup"))),
             patience};
  CHECK(value_of(sub.get_name()) == "inner \"one\"");
  crash(w, sub, "leaf");
  send(value_of(sub.get_actor("waiting")), crash_atom_v);
  REQUIRE(w.eventually(
    [&] { return error_of(sub.get_actor("waiting")) == errc::undefined; }));
  crash(w, dir, 1);
  crash(w, dir, 1);
  auto tree = value_of(get_tree(*w.sys, dir.handle()));
  CHECK(tree.name == "outer");
  REQUIRE(tree.children.size() == 3);
  auto& second = tree.children[1];
  CHECK(second.name == "inner \"one\"");
  CHECK(second.child.id == child_id{"sup"});
  REQUIRE(second.children.size() == 2);
  CHECK(second.children[0].child.handle == value_of(sub.get_actor("leaf")));
  CHECK_FALSE(second.children[1].child.handle);
  CHECK(tree.children[2].name.empty());
  CHECK(tree.children[2].children.empty());
  CHECK(to_string(tree)
        == "outer  director\n"
           "├─ 1  worker  running, 2 restarts\n"
           "├─ sup  supervisor  running, 0 restarts  director inner \"one\"\n"
           "│  ├─ leaf  worker  running, 1 restart\n"
           "│  └─ waiting  worker  undefined, 0 restarts\n"
           "└─ plain  supervisor  running, 0 restarts\n");
  auto dot = to_dot(tree);
  INFO(dot);
  CHECK(occurrences(dot, " -> ") == 5);
  CHECK(occurrences(dot, "label=") == 6);
  CHECK(occurrences(dot, R"(inner \"one\")") == 1);
  CHECK(occurrences(dot, "style=dashed") == 1);
  CHECK(error_of(get_tree(*w.sys, {})) == errc::actor_not_alive);
  CHECK_FALSE(dir.stop());
  CHECK_FALSE(get_tree(*w.sys, dir.handle()));
}

TEST_CASE("a tree does not wait for those that do not answer", "[observing]") {
  world w{4};
  auto log = w.log;
  auto door = std::make_shared<gate>();
  auto busy = w.worker("busy");
  busy.type = child_type::supervisor;
  busy.start = [log, door](caf::event_based_actor*) {
    return caf::behavior{[log, door](block_atom) {
      log->add("blocked");
      door->pass();
    }};
  };
  auto dir = w.start({busy, w.worker("b")});
  send(value_of(dir.get_actor("busy")), block_atom_v);
  REQUIRE(log->await("blocked"));
  caf::expected<tree_node> tree = caf::error{caf::sec::runtime_error};
  CHECK(w.eventually([&] {
    tree = get_tree(*w.sys, dir.handle(), 200ms);
    return bool{tree};
  }));
  REQUIRE(tree);
  REQUIRE(tree->children.size() == 2);
  CHECK(tree->children[0].name.empty());
  CHECK(tree->children[0].children.empty());
  CHECK(tree->children[0].child.status == child_status::running);
  door->open();
}
