// Real directors that give children up at the request of their table.

#include "fixture.hpp"

#include <director/test/wrapped_table.hpp>

using namespace director;
using namespace fixture;

namespace {

/// Lets the test talk to the director as tables do.
class talking_table final : public director::test::wrapped_table {
public:
  talking_table() : wrapped_table(std::make_shared<list_table>()) {
    // nop
  }

  caf::error attach(table_client& x) override {
    client = &x;
    return wrapped_table::attach(x);
  }

  void declined(table_client&, const child_id& id) override {
    log->add("declined " + to_string(id));
  }

  table_client* client = nullptr;
  journal_ptr log;
};

} // namespace

TEST_CASE("a table takes a child from its director and gives it back",
          "[table]") {
  world w;
  auto tab = std::make_shared<talking_table>();
  tab->log = w.log;
  auto opts = w.options();
  opts.table = tab;
  auto dir = w.start({noted(w, "a"), noted(w, "b")}, opts);
  auto before = value_of(dir.get_actor("a"));
  tab->client->hand_over({{"a", "nobody"}, errc::no_quorum});
  CHECK(end_of(before) == errc::no_quorum);
  CHECK(becomes(w, dir, "a", errc::restarting));
  CHECK(w.log->count("end a") == 1);
  CHECK(w.log->count("end b") == 0);
  tab->client->take_over({"a"});
  std::ignore = await_actor(w, dir, "a", before);
  CHECK(value_of(dir.get_restart_count("a")) == 1);
  // With a limit of zero, nobody asks.
  auto after = value_of(dir.get_actor("b"));
  tab->client->hand_over({{"b"}, errc::no_quorum, true, caf::timespan{0}});
  CHECK(end_of(after) == caf::exit_reason::kill);
  CHECK(becomes(w, dir, "b", errc::restarting));
  CHECK_FALSE(dir.terminate_child("a"));
  CHECK_FALSE(dir.stop());
}

TEST_CASE("a suspended director keeps the promises of its table", "[table]") {
  world w;
  auto tab = std::make_shared<talking_table>();
  tab->log = w.log;
  auto opts = w.options();
  opts.table = tab;
  auto dir = w.start({noted(w, "kill"), noted(w, "lose"), noted(w, "wait")},
                     opts);
  auto killed = value_of(dir.get_actor("kill"));
  auto lost = value_of(dir.get_actor("lose"));
  auto waits = value_of(dir.get_actor("wait"));
  CHECK_FALSE(dir.suspend());
  tab->client->hand_over({{"wait"}, errc::no_quorum});
  // A request for what is under way waits for it.
  CHECK_FALSE(dir.trace(tracing([](auto& x) { x.counters = true; })));
  auto starter = in_background(
    [dir, spec = noted(w, "late")] { return dir.start_child(spec); });
  CHECK(w.eventually(
    [&] { return value_of(dir.get_trace_counters()).messages == 1; }));
  tab->client->hand_over(
    {{"kill", "late"}, errc::no_quorum, true, caf::timespan{0}});
  CHECK(end_of(killed) == caf::exit_reason::kill);
  // Nothing times the end of a child here.
  tab->client->hand_over({{"lose"}, errc::lost_to_peer, false});
  CHECK(end_of(lost) == caf::exit_reason::kill);
  CHECK(is_alive(waits));
  CHECK(w.log->count("child_terminated") == 0);
  CHECK(tab->find("kill")->owner);
  CHECK_FALSE(dir.resume());
  CHECK(end_of(waits) == errc::no_quorum);
  CHECK(becomes(w, dir, "wait", errc::restarting));
  CHECK(becomes(w, dir, "kill", errc::restarting));
  CHECK(w.log->await("child_terminated", 4));
  CHECK(starter.get());
  CHECK(w.log->await("end late"));
  CHECK(becomes(w, dir, "late", errc::restarting));
  CHECK_FALSE(dir.stop());
}

TEST_CASE("a director tells its table what it cannot start", "[table]") {
  world w;
  auto tab = std::make_shared<talking_table>();
  tab->log = w.log;
  auto opts = w.options();
  opts.table = tab;
  opts.catalog = {};
  auto dir = w.start({noted(w, "a")}, opts);
  // A director that knows the name has put it there.
  auto spec = noted(w, "b");
  auto other_opts = w.options("other");
  other_opts.table = tab;
  other_opts.catalog.add_start("known", spec.start);
  spec.start = start_function{"known"};
  spec.delete_before_terminate = false;
  auto* client = tab->client;
  auto other = w.start({}, other_opts);
  CHECK(error_of(other.start_child(spec)) == caf::error{});
  CHECK_FALSE(other.stop());
  client->take_over({"b"});
  CHECK(w.log->await("declined b"));
  CHECK(error_of(dir.get_actor("b")) == errc::undefined);
  CHECK(value_of(dir.get_actor("a")));
}
