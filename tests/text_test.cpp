// The texts of reports, records, trace events and trees.

#include "fixture.hpp"

using namespace director;
using namespace fixture;

TEST_CASE("a brief report is one line, a full one has the record", "[unit]") {
  child_record record;
  record.id = "kid";
  record.spec = std::make_shared<const child_spec>(
    with_defaults({.id = {}, .start = "fn", .args = caf::make_message(1)}));
  record.args = caf::make_message("own");
  record.restart_count = 3;
  record.incarnation = 4;
  record.status = child_status::restarting;
  auto reason = caf::make_error(caf::sec::runtime_error, "two\nlines");
  auto state = caf::make_message("slot");
  report x{report_kind::child_terminated,
           severity::error,
           report_detail::brief,
           "dir",
           &record,
           reason,
           "some words",
           state};
  auto brief = to_string(x);
  INFO(brief);
  CHECK(occurrences(brief, "\n") == 0);
  CHECK(contains(brief, "error dir child_terminated child=kid"));
  CHECK(contains(brief, "runtime_error"));
  CHECK(contains(brief, "some words"));
  CHECK_FALSE(contains(brief, "restart_count"));
  x.detail = report_detail::full;
  auto full = to_string(x);
  INFO(full);
  CHECK(occurrences(full, "\n") > 0);
  CHECK(full.substr(0, brief.size()) == brief);
  for (auto part : {"id=kid", "status=restarting", "type=worker", "start=fn",
                    "plan=standard", "restart_count=3", "incarnation=4",
                    R"__(args=message(1, "own"))__", "modules=[fn]",
                    R"__(state=message("slot"))__"})
    CHECK(contains(full, part));
  // About the director itself.
  report y{report_kind::director_terminating,
           severity::info,
           report_detail::full,
           "dir",
           nullptr,
           caf::error{},
           {},
           state};
  CHECK(to_string(y) == "info dir director_terminating");
}

TEST_CASE("a brief report is one line whatever the names are", "[unit]") {
  child_record record;
  record.id = "two\nlines";
  record.spec = std::make_shared<const child_spec>(with_defaults({.id = {}}));
  caf::error reason;
  caf::message state;
  report x{report_kind::progress, severity::info, report_detail::brief,
           "dir\nector",          &record,        reason,
           "more\nwords",         state};
  auto text = to_string(x);
  INFO(text);
  CHECK(occurrences(text, "\n") == 0);
}

TEST_CASE("texts keep to their lines whatever the names are", "[unit]") {
  child_id id = "gr\u00fcn\n\x1b[2J\x7f";
  auto escaped = "gr\u00fcn\\n\\x1b[2J\\x7f";
  SECTION("records and reports") {
    child_record record;
    record.id = id;
    record.spec = std::make_shared<const child_spec>(with_defaults(
      {.id = {}, .start = "st\nart", .modules = module_list{"mo\rdule"}}));
    auto text = to_string(record);
    INFO(text);
    CHECK(occurrences(text, "\n") == 0);
    CHECK(contains(text, std::string{"id="} + escaped + " status="));
    CHECK(contains(text, "start=st\\nart "));
    CHECK(contains(text, "modules=[mo\\x0ddule] "));
    caf::error reason;
    auto state = caf::make_message("more\nlines");
    report x{report_kind::progress, severity::info, report_detail::full,
             "dir\nector",          &record,        reason,
             "any\twords",          state};
    text = to_string(x);
    INFO(text);
    // The brief line, the record, the state.
    CHECK(occurrences(text, "\n") == 2);
    CHECK(contains(text, std::string{"info dir\\nector progress child="}
                           + escaped + " any\\x09words\n"));
  }
  SECTION("trace events") {
    auto text = to_string(
      trace_event{caf::make_timestamp(), trace_kind::timer, id, "more\nwords"});
    INFO(text);
    CHECK(occurrences(text, "\n") == 0);
    CHECK(contains(text, std::string{" timer "} + escaped + ": more\\nwords"));
  }
  SECTION("trees") {
    tree_node root;
    root.name = "to\np";
    auto& below = root.children.emplace_back();
    below.child = {id, child_status::running, {}, child_type::supervisor, {},
                   1};
    below.name = "be\nlow";
    CHECK(to_string(root)
          == std::string{"to\\np  director\n└─ "} + escaped
               + "  supervisor  running, 1 restart  director be\\nlow\n");
    auto dot = to_dot(root);
    INFO(dot);
    CHECK(contains(dot, R"(label="to\\np\ndirector")"));
    CHECK(contains(dot, "label=\"gr\u00fcn"
                        R"(\\n\\x1b[2J\\x7f\nsupervisor\nrunning, 1 restart)"
                        R"(\ndirector be\\nlow")"));
    // The frame, and one line for each node and each edge.
    CHECK(occurrences(dot, "\n") == 6);
  }
}

TEST_CASE("a record has a text", "[unit]") {
  child_record record;
  record.id = 5;
  record.spec = std::make_shared<const child_spec>(
    with_defaults({.id = {},
                   .type = child_type::supervisor,
                   .modules = module_list::dynamic()}));
  auto text = to_string(record);
  INFO(text);
  CHECK(contains(text, "id=5"));
  CHECK(contains(text, "status=undefined"));
  CHECK(contains(text, "type=supervisor"));
  CHECK(contains(text, "modules=dynamic"));
  CHECK(occurrences(text, "\n") == 0);
}

TEST_CASE("an actor of this node is named by its ID alone", "[unit]") {
  world w;
  child_record record;
  record.id = "kid";
  record.spec = std::make_shared<const child_spec>(with_defaults({.id = {}}));
  record.handle = w.sys->spawn(
    [](caf::event_based_actor*) { return caf::behavior{[](int) {}}; });
  record.owner = record.handle.address();
  caf::error reason;
  caf::message state;
  report x{report_kind::progress,
           severity::info,
           report_detail::full,
           "dir",
           &record,
           reason,
           {},
           state};
  auto id = std::to_string(record.handle.id());
  auto text = to_string(x);
  INFO(text);
  CHECK(contains(text, "child=kid actor=" + id + "\n"));
  CHECK(contains(text, "status=undefined actor=" + id + " type="));
  CHECK(contains(text, "owner=" + id + "\n"));
}

TEST_CASE("an effective spec is complete", "[unit]") {
  child_spec base{.id = {}, .start = "fn", .args = caf::make_message(1)};
  child_record record;
  record.id = "kid";
  record.args = caf::make_message(2);
  record.spec = std::make_shared<const child_spec>(combine({}, base));
  auto spec = effective_spec(record);
  CHECK(spec.id == child_id{"kid"});
  CHECK(to_string(spec.args) == "message(1, 2)");
  CHECK_FALSE(spec.append);
  CHECK(spec.type);
  CHECK(spec.modules);
}

TEST_CASE("a trace event has a text", "[unit]") {
  auto now = caf::make_timestamp();
  auto stamp = to_string(trace_event{now, trace_kind::timer, 1, ""});
  stamp.resize(stamp.find(' '));
  INFO(stamp);
  // As in 2024-02-29T12:34:56.789.
  REQUIRE(stamp.size() >= 23);
  CHECK(stamp[4] == '-');
  CHECK(stamp[10] == 'T');
  CHECK(stamp[19] == '.');
  CHECK(to_string(trace_event{now, trace_kind::verdict, "kid", "wait"})
        == stamp + " verdict kid: wait");
  CHECK(to_string(trace_event{now, trace_kind::timer, 7, ""})
        == stamp + " timer 7");
  CHECK(to_string(trace_event{now, trace_kind::message, {}, "stop"})
        == stamp + " message: stop");
}

TEST_CASE("a tree is printed with its levels", "[unit]") {
  tree_node root;
  root.name = "top";
  auto& first = root.children.emplace_back();
  first.child = {"first", child_status::running, {}, child_type::supervisor, {},
                 1};
  first.name = "below";
  auto& leaf = first.children.emplace_back();
  leaf.child = {7, child_status::restarting, {}, child_type::worker, {}, 2};
  auto& last = root.children.emplace_back();
  last.child
    = {R"(qu"o\te)", child_status::undefined, {}, child_type::worker, {}, 0};
  auto text = to_string(root);
  INFO(text);
  CHECK(text
        == "top  director\n"
           "├─ first  supervisor  running, 1 restart  director below\n"
           "│  └─ 7  worker  restarting, 2 restarts\n"
           "└─ qu\"o\\te  worker  undefined, 0 restarts\n");
  auto dot = to_dot(root);
  INFO(dot);
  CHECK(contains(dot, "digraph"));
  CHECK(contains(dot, R"(label="top\ndirector", shape=box];)"));
  CHECK(contains(
    dot, R"(label="first\nsupervisor\nrunning, 1 restart\ndirector below")"));
  CHECK(contains(dot,
                 R"(label="7\nworker\nrestarting, 2 restarts", shape=ellipse, )"
                 R"(style=dashed];)"));
  CHECK(contains(dot, R"(label="qu\"o\\te\nworker\nundefined, 0 restarts")"));
  CHECK(contains(dot, "n0 -> n1;"));
  CHECK(contains(dot, "n1 -> n2;"));
  CHECK(contains(dot, "n0 -> n3;"));
  CHECK(dot.substr(dot.size() - 2) == "}\n");
  tree_node alone;
  alone.name = "alone";
  CHECK(to_string(alone) == "alone  director\n");
}
