// Tracing directors.

#include "fixture.hpp"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <unistd.h>

using namespace director;
using namespace fixture;

namespace {

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

} // namespace

TEST_CASE("trace options know whether they are on", "[tracing]") {
  CHECK_FALSE(trace_options{}.enabled());
  CHECK(tracing([](auto& x) { x.ring = 1; }).enabled());
  CHECK(tracing([](auto& x) { x.counters = true; }).enabled());
  CHECK(tracing([](auto& x) { x.print = true; }).enabled());
  CHECK(tracing([](auto& x) { x.file = "x"; }).enabled());
  CHECK(
    tracing([](auto& x) { x.function = [](const trace_event&) {}; }).enabled());
}

TEST_CASE("the ring of a trace holds the last events", "[tracing]") {
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

TEST_CASE("a trace counts", "[tracing]") {
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

TEST_CASE("a trace goes to a file", "[tracing]") {
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

TEST_CASE("a trace that cannot be written is refused", "[tracing]") {
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

TEST_CASE("a trace goes to a function", "[tracing]") {
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

TEST_CASE("a trace shows a crash and a delayed restart", "[tracing]") {
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

TEST_CASE("requests that were put off have their replies traced", "[tracing]") {
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
