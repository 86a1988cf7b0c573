// Reports, and the log filters that decide about them.

#include "fixture.hpp"

#include <atomic>

using namespace director;
using namespace fixture;

// -- reports ------------------------------------------------------------------

TEST_CASE("what is reported, and how bad it is", "[reports]") {
  world w;
  auto log = w.log;
  auto door = std::make_shared<gate>();
  auto spec = w.worker("a");
  spec.plan = plans::permanent();
  auto busy = noted(w, "busy", door);
  busy.terminate_timeout = 10ms;
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
         {caf::exit_reason::normal, caf::exit_reason::user_shutdown})
      crash(w, dir, "a", reason);
    CHECK(log->count("info test child_terminated child=a actor=") == 2);
    CHECK(log->count("error test child_terminated") == 1);
  }
  SECTION("start_error") {
    CHECK(error_of(dir.start_child(broken("broken"))) == errc::start_failed);
    CHECK(log->count("error test start_error child=broken reason=start_failed")
          == 1);
    CHECK(log->count("bad_function_call") == 1);
  }
  SECTION("shutdown_error") {
    send(value_of(dir.get_actor("busy")), block_atom_v);
    REQUIRE(log->await("busy busy"));
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
          "[reports]") {
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

TEST_CASE("a log filter chooses how much is reported of a child", "[reports]") {
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

TEST_CASE("a director has a log filter of its own", "[reports]") {
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

TEST_CASE("a log filter may replace the state of its child", "[reports]") {
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

TEST_CASE("a log filter that throws is reported once", "[reports]") {
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
