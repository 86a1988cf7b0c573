// Engines that give children up at the request of their table, and engines
// that decline what they are offered.

#include "catch.hpp"
#include "fake_world.hpp"

#include <director/test/slow_table.hpp>
#include <director/test/wrapped_table.hpp>

using namespace director;
using namespace fixture;
using namespace std::chrono_literals;

namespace {

/// Counts writes, and notes what was declined.
class counting_table final : public director::test::wrapped_table {
public:
  using wrapped_table::wrapped_table;

  write_result put(table_client& client,
                   std::span<const put_item> items) override {
    ++writes;
    return wrapped_table::put(client, items);
  }

  write_result erase(table_client& client,
                     std::span<const row_id> rows) override {
    ++writes;
    return wrapped_table::erase(client, rows);
  }

  void declined(table_client& client, const child_id& id) override {
    CHECK_FALSE(find(id)->owner);
    CHECK(find(id)->status == child_status::undefined);
    refusals.emplace_back(&client, id);
  }

  size_t writes = 0;
  std::vector<std::pair<table_client*, child_id>> refusals;
};

/// A rig whose table counts, and which notes the reasons in reports.
struct lender : rig {
  lender() : lender(std::make_shared<list_table>()) {
    // nop
  }

  explicit lender(table_ptr inner)
    : lender(std::make_shared<counting_table>(std::move(inner))) {
    // nop
  }

  explicit lender(std::shared_ptr<counting_table> tab)
    : rig(tab),
      counter(std::move(tab)) {
    opts.sink = [this, sink = opts.sink](const report& x) {
      sink(x);
      if (x.kind == report_kind::child_terminated
          || x.kind == report_kind::start_error)
        reasons.push_back(x.reason);
    };
    hooks.handle_terminate = [this](terminate_event& x) {
      terminated += to_string(x.id);
    };
    hooks.handle_exit = [this](exit_event& x) {
      ++plans_asked;
      return x.ask_plan();
    };
  }

  void release(std::vector<child_id> ids, caf::timespan limit = caf::infinite) {
    eng->hand_over({std::move(ids), why, true, limit});
  }

  /// Gives the record to another director and tells this one.
  void lose(const child_id& id, caf::timespan limit = caf::infinite) {
    give_away(id);
    counter->writes = 0;
    eng->hand_over({{id}, why, false, limit});
  }

  void give_away(const child_id& id) {
    std::vector<claim_item> items(1);
    items[0].record.id = id;
    auto record = *table->find(id);
    auto row = row_of(id);
    record.owner = other.address();
    record.handle = caf::actor{};
    record.status = child_status::undefined;
    put_item item{row, &record};
    REQUIRE(!counter->put(world, {&item, 1}).err());
  }

  /// Gives back what `give_away` has given away.
  void return_home(const child_id& id) {
    auto record = *table->find(id);
    director::release(record);
    put_item item{row_of(id), &record};
    REQUIRE(!counter->put(other, {&item, 1}).err());
  }

  /// A list table numbers its rows as they come, and these tests erase none.
  row_id row_of(const child_id& id) {
    row_id result = 0;
    row_id next = 0;
    table->visit([&](const child_record& x) {
      if (x.id == id)
        result = next;
      ++next;
    });
    return result;
  }

  /// Tells whether the record waits for anybody to start the child.
  bool released(const child_id& id, child_status as) {
    auto record = table->find(id);
    return record && !record->owner && !record->handle && record->status == as;
  }

  std::shared_ptr<counting_table> counter;
  caf::error why = caf::make_error(errc::no_quorum);
  fake_world other;
  std::vector<caf::error> reasons;
  std::string terminated;
  size_t plans_asked = 0;
};

constexpr auto restarting = child_status::restarting;
constexpr auto undefined = child_status::undefined;

} // namespace

// -- release ------------------------------------------------------------------

TEST_CASE("a child that is handed over ends and is released", "[engine]") {
  lender r;
  r.up({fake_spec("a"), fake_spec("b")});
  r.release({"a", "unknown", "a"});
  auto& x = r.child("a");
  CHECK(x.shutdowns == 1);
  CHECK(x.shutdown_reason == errc::no_quorum);
  CHECK(x.kills == 0);
  CHECK(r.status("a") == "terminating");
  CHECK(r.child("b").shutdowns == 0);
  r.world.die(x, errc::no_quorum);
  CHECK(r.released("a", restarting));
  CHECK(r.starts("a") == 1);
  CHECK(r.plans_asked == 0);
  CHECK(r.terminated == "a");
  CHECK(r.reported("child_terminated info a") == 1);
  CHECK(r.reported("shutdown_error") == 0);
  CHECK(r.reasons == std::vector{r.why});
  CHECK(r.world.metrics[metric::children] == 1);
  CHECK(r.world.metrics[metric::crashes] == 0);
  r.world.advance(1h);
  r.world.run_turns();
  CHECK(r.starts("a") == 1);
  // The director goes on, with others of the same name, too.
  auto end = r.terminate("b");
  CHECK(r.child("b").shutdown_reason == caf::exit_reason::user_shutdown);
  r.die("b");
  CHECK(r.ok(end));
  CHECK(r.ok(r.start(fake_spec("c"))));
  CHECK(r.world.ends.empty());
}

TEST_CASE("without a reason, children end as on request", "[engine]") {
  lender r;
  r.up({fake_spec("a")});
  r.eng->hand_over({.ids = {"a"}, .reason = {}});
  CHECK(r.child("a").shutdown_reason == caf::exit_reason::user_shutdown);
  r.die("a");
  CHECK(r.released("a", restarting));
}

TEST_CASE("a child comes back with its restart count", "[engine]") {
  lender r;
  r.up({with_plan("a", plans::permanent())});
  r.crash("a");
  r.crash("a");
  CHECK(r.restarts("a") == 2);
  r.release({"a"});
  r.die("a");
  CHECK(r.released("a", restarting));
  CHECK(r.restarts("a") == 2);
  r.eng->take_over({"a"});
  CHECK(r.status("a") == "running");
  CHECK(r.restarts("a") == 3);
  CHECK(r.world.metrics[metric::children] == 1);
  // Nothing is left of the hand-over.
  auto end = r.terminate("a");
  r.die("a");
  CHECK(r.ok(end));
  CHECK(r.table->find("a")->owner == r.world.address());
}

TEST_CASE("a limit shortens the time to end", "[engine]") {
  auto spec = fake_spec("a");
  spec.terminate_timeout = 4s;
  lender r;
  r.up({spec});
  auto lost = GENERATE(false, true);
  auto limit = GENERATE(caf::timespan{0}, caf::timespan{1s}, caf::timespan{1h});
  if (lost)
    r.lose("a", limit);
  else
    r.release({"a"}, limit);
  auto& x = r.child("a");
  if (auto time = std::min(limit, caf::timespan{4s}); time > 0s) {
    CHECK(x.shutdowns == 1);
    r.world.advance(time - 1ns);
    CHECK(x.kills == 0);
    r.world.advance(1ns);
  } else {
    CHECK(x.shutdowns == 0);
  }
  CHECK(x.kills == 1);
  r.world.die(x, caf::exit_reason::kill);
  CHECK(r.table->find("a")->owner
        == (lost ? r.other.address() : caf::actor_addr{}));
  CHECK(r.reasons == std::vector{r.why});
}

TEST_CASE("a stubborn child is released when it is dead at last", "[engine]") {
  lender r;
  r.up({fake_spec("a")});
  r.release({"a"}, 0s);
  auto& x = r.child("a");
  auto end = r.terminate("a");
  r.world.advance(2s);
  CHECK(r.error(end) == errc::unresponsive);
  CHECK(r.status("a") == "unresponsive");
  CHECK(r.table->find("a")->owner == r.world.address());
  CHECK(r.error(r.restart("a")) == errc::unresponsive);
  r.world.die(x, caf::exit_reason::kill);
  CHECK(r.released("a", undefined));
}

TEST_CASE("children that do not run are released at once", "[engine]") {
  lender r;
  r.up({with_plan("stopped", plans::never()),
        with_plan("delayed", after_a_while(1s)),
        with_plan("retrying", plans::permanent())});
  r.crash("stopped");
  r.crash("delayed");
  r.failing.insert("retrying");
  r.crash("retrying");
  r.plans_asked = 0;
  r.release({"stopped", "delayed", "retrying"});
  CHECK(r.released("stopped", undefined));
  CHECK(r.released("delayed", restarting));
  CHECK(r.released("retrying", restarting));
  r.world.advance(1h);
  r.world.run_turns();
  CHECK(r.starts("delayed") == 1);
  CHECK(r.plans_asked == 0);
  r.eng->take_over({"delayed"});
  CHECK(r.status("delayed") == "running");
}

TEST_CASE("a child is handed over before it is ready", "[engine]") {
  auto lost = GENERATE(false, true);
  lender r;
  r.up();
  r.slow.insert("a");
  auto start = r.start(fake_spec("a"));
  if (lost)
    r.lose("a");
  else
    r.release({"a"});
  CHECK(r.child("a").shutdowns == 1);
  CHECK(r.open(start));
  auto end = r.terminate(lost ? "b" : "a");
  // Too late.
  r.eng->child_ready(r.child("a").ref, caf::message{});
  r.die("a");
  CHECK(r.error(start) == errc::start_failed);
  if (lost) {
    CHECK(r.counter->writes == 0);
  } else {
    CHECK(r.ok(end));
    // Somebody wants it to be stopped.
    CHECK(r.released("a", undefined));
  }
}

TEST_CASE("a restart that is under way is released as such", "[engine]") {
  lender r;
  r.up({with_plan("a", plans::permanent())});
  r.slow.insert("a");
  r.crash("a");
  auto ref = r.child("a").ref;
  SECTION("while it gets ready") {
    r.release({"a"});
  }
  SECTION("while a failed start is cleaned up") {
    r.eng->child_ready(ref, caf::make_error(caf::sec::runtime_error));
    CHECK(r.child("a").shutdowns == 1);
    r.release({"a"}, 0s);
    CHECK(r.child("a").kills == 1);
  }
  r.die("a");
  CHECK(r.released("a", restarting));
  r.world.run_turns();
  CHECK(r.starts("a") == 2);
  CHECK(r.plans_asked == 1);
}

TEST_CASE("a start that fails before it is handed over stays so", "[engine]") {
  lender r;
  r.up();
  r.slow.insert("a");
  auto start = r.start(fake_spec("a"));
  r.eng->child_ready(r.child("a").ref,
                     caf::make_error(caf::sec::runtime_error));
  r.release({"a"});
  r.die("a");
  CHECK(r.error(start) == errc::start_failed);
  CHECK(r.status("a") == "none");
}

TEST_CASE("a child that is being ended is released afterwards", "[engine]") {
  auto spec = fake_spec("a");
  spec.terminate_timeout = 4s;
  lender r;
  r.up({spec});
  auto erase = GENERATE(false, true);
  auto end = r.terminate("a", erase);
  auto& x = r.child("a");
  r.world.advance(1s);
  auto limit = GENERATE(caf::timespan{1s}, caf::timespan{1h});
  r.release({"a"}, limit);
  CHECK(x.shutdowns == 1);
  // Whatever comes first.
  auto time = std::min(limit, caf::timespan{3s});
  r.world.advance(time - 1ns);
  CHECK(x.kills == 0);
  r.world.advance(1ns);
  CHECK(x.kills == 1);
  r.world.die(x, caf::exit_reason::kill);
  CHECK(r.ok(end));
  if (erase)
    CHECK(r.status("a") == "none");
  else
    CHECK(r.released("a", undefined));
}

TEST_CASE("queued members of a batch are not started", "[engine]") {
  lender r;
  r.up();
  std::vector<child_spec> specs;
  std::vector<child_id> ids;
  for (int i = 0; i < 700; ++i)
    specs.push_back(fake_spec(ids.emplace_back(i)));
  auto all_or_nothing = GENERATE(false, true);
  auto start = r.world.next_request();
  r.eng->start_children(start, specs, all_or_nothing);
  CHECK(r.starts(600) == 0);
  r.release({600, 601});
  CHECK(r.released(600, restarting));
  if (all_or_nothing) {
    for (auto& x : r.world.children)
      r.world.die(x, caf::exit_reason::user_shutdown);
  }
  r.world.run_turns();
  auto* value = r.world.reply_to(start);
  REQUIRE(value != nullptr);
  auto& outcomes = std::get<std::vector<child_outcome>>(*value);
  CHECK(outcomes[600].err == errc::undefined);
  CHECK(r.starts(600) == 0);
  CHECK(r.starts(601) == 0);
  CHECK(r.starts(699) == (all_or_nothing ? 0 : 1));
  CHECK(r.table->size() == (all_or_nothing ? 2 : 700));
}

TEST_CASE("children of init are handed over before it is done", "[engine]") {
  auto lost = GENERATE(false, true);
  lender r;
  r.slow.insert("a");
  r.up({fake_spec("a"), fake_spec("b"), fake_spec("c")});
  auto drop = [&](const child_id& id) {
    if (lost)
      r.lose(id);
    else
      r.release({id});
  };
  SECTION("one that waits to be started") {
    drop("b");
    CHECK(r.open(r.up_request));
    r.eng->child_ready(r.child("a").ref, caf::message{});
    CHECK(r.starts("b") == 0);
    CHECK(r.status("a") == "running");
  }
  SECTION("one that has yet to become ready") {
    drop("a");
    CHECK(r.open(r.up_request));
    r.die("a");
    CHECK(r.status("b") == "running");
  }
  CHECK(r.ok(r.up_request));
  CHECK(r.status("c") == "running");
  r.world.run_turns();
  CHECK(r.world.ends.empty());
}

TEST_CASE("a child may be hurried while it is handed over", "[engine]") {
  lender r;
  r.up({fake_spec("a"), fake_spec("b")});
  auto& x = r.child("a");
  auto lost = GENERATE(false, true);
  if (lost)
    r.lose("a", 1h);
  else
    r.release({"a"}, 1h);
  r.release({"a", "b"}, 1s);
  r.world.advance(1s);
  CHECK(x.shutdowns == 1);
  CHECK(x.kills == 1);
  CHECK(r.child("b").kills == 1);
  r.world.die(x, caf::exit_reason::kill);
  CHECK(r.counter->writes == (lost ? 1 : 4));
  CHECK(r.released("a", restarting) != lost);
}

TEST_CASE("a child is hurried before the table lets it go", "[engine]") {
  auto slow = std::make_shared<director::test::slow_table>(
    std::make_shared<list_table>());
  lender r{slow};
  r.up({fake_spec("a")});
  while (slow->busy())
    slow->complete_next();
  auto end = r.terminate("a");
  r.release({"a"}, 1h);
  r.release({"a"}, 1s);
  while (slow->busy())
    slow->complete_next();
  auto& x = r.child("a");
  CHECK(x.shutdowns == 1);
  r.world.advance(1s);
  CHECK(x.kills == 1);
  r.world.die(x, caf::exit_reason::kill);
  while (slow->busy())
    slow->complete_next();
  CHECK(r.ok(end));
}

TEST_CASE("a director says which children it does not have", "[engine]") {
  auto slow = std::make_shared<director::test::slow_table>(
    std::make_shared<list_table>());
  lender r{slow};
  r.up({fake_spec("a")});
  while (slow->busy())
    slow->complete_next();
  auto start = r.start(fake_spec("b"));
  // Whether it will have this one is not known yet.
  CHECK(r.eng->hand_over({{"a", "b", "a"}, r.why})
        == std::vector{child_id{"b"}});
  while (slow->busy())
    slow->complete_next();
  CHECK(r.ok(start));
  CHECK(r.eng->hand_over({{"b"}, r.why}).empty());
}

// -- while the director ends --------------------------------------------------

TEST_CASE("a director that ends still releases what it was told", "[engine]") {
  lender r;
  r.up({fake_spec("a"), fake_spec("b")});
  r.release({"b"});
  auto stop = r.stop();
  r.release({"b"}, 0s);
  CHECK(r.child("b").kills == 1);
  r.world.run_turns();
  r.die("b");
  r.die("a");
  CHECK(r.ok(stop));
  CHECK(r.status("a") == "none");
  CHECK(r.released("b", restarting));
}

TEST_CASE("a director that ends hurries what it hands over", "[engine]") {
  auto lost = GENERATE(false, true);
  auto keep = GENERATE(false, true);
  std::vector<child_spec> specs;
  for (auto* name : {"a", "b", "c", "d"}) {
    auto& spec = specs.emplace_back(fake_spec(name));
    spec.terminate_timeout = 1h;
    spec.delete_before_terminate = !keep;
  }
  lender r;
  r.up(specs);
  auto drop = [&](const child_id& id, caf::timespan limit) {
    if (lost)
      r.lose(id, limit);
    else
      r.release({id}, limit);
  };
  auto stop = r.stop();
  r.world.run_turns();
  CHECK(r.asked({"a", "b", "c", "d"}) == "d");
  auto& a = r.child("a");
  auto& b = r.child("b");
  auto& d = r.child("d");
  drop("a", 0s);
  CHECK(a.kills == 1);
  CHECK(a.shutdowns == 0);
  drop("b", 1s);
  CHECK(b.kills == 0);
  CHECK(b.shutdown_reason == r.why);
  r.world.advance(1s);
  CHECK(b.kills == 1);
  CHECK(d.kills == 0);
  drop("d", 1s);
  CHECK(d.shutdowns == 1);
  r.world.advance(1s);
  CHECK(d.kills == 1);
  // The rest goes in its order.
  r.counter->writes = 0;
  for (auto* x : {&a, &d, &b}) {
    CHECK(r.child("c").shutdowns == 0);
    r.world.die(*x, caf::exit_reason::kill);
  }
  CHECK(r.counter->writes == (lost ? 1 : 4));
  CHECK(r.child("c").shutdown_reason == caf::exit_reason::user_shutdown);
  CHECK(r.child("c").kills == 0);
  r.die("c");
  CHECK(r.ok(stop));
  CHECK(r.world.ends.size() == 1);
  CHECK(r.reasons == std::vector(3, r.why));
  CHECK(r.plans_asked == 0);
  CHECK(r.terminated == "adbc");
  CHECK(r.world.metrics[metric::children] == 0);
  for (auto* name : {"a", "b", "d"}) {
    if (lost)
      CHECK(r.table->find(name)->owner == r.other.address());
    else if (keep)
      CHECK(r.released(name, undefined));
    else
      CHECK(r.status(name) == "none");
  }
}

TEST_CASE("a director about to end hurries what it hands over", "[engine]") {
  auto lost = GENERATE(false, true);
  lender r;
  r.opts.order = GENERATE(stop_order::newest_first, stop_order::all_at_once);
  r.slow.insert("b");
  r.up({fake_spec("a"), fake_spec("b"), fake_spec("c")});
  auto stop = r.stop();
  auto& a = r.child("a");
  auto& b = r.child("b");
  // The first turn of the end has yet to come. "c" has not started.
  for (auto* name : {"a", "b", "c"}) {
    if (lost)
      r.lose(name, 0s);
    else
      r.release({name}, 0s);
  }
  CHECK(a.kills == 1);
  CHECK(b.kills == 1);
  r.world.die(b, caf::exit_reason::kill);
  r.world.run_turns();
  CHECK(r.world.ends.empty());
  r.world.die(a, caf::exit_reason::kill);
  CHECK(r.ok(stop));
  CHECK(r.starts("c") == 0);
  CHECK(r.world.ends.size() == 1);
  for (auto* name : {"a", "b", "c"}) {
    if (lost)
      CHECK(r.table->find(name)->owner == r.other.address());
    else
      CHECK(r.status(name) == "none");
  }
}

TEST_CASE("a director ends although what it hands over does not", "[engine]") {
  auto lost = GENERATE(false, true);
  lender r;
  r.up({fake_spec("a"), fake_spec("b")});
  auto stop = r.stop();
  r.world.run_turns();
  if (lost)
    r.lose("a", 0s);
  else
    r.release({"a"}, 0s);
  r.die("b");
  r.world.advance(2s);
  CHECK(r.reported("shutdown_error error a") == 1);
  CHECK(r.ok(stop));
  if (lost)
    CHECK(r.table->find("a")->owner == r.other.address());
  else
    CHECK(r.status("a") == "unresponsive");
  // It is too late for anything else.
  CHECK(r.eng->hand_over({{"a"}, r.why, !lost, caf::timespan{0}}).empty());
}

TEST_CASE("what the table will not take back stays", "[engine]") {
  using director::test::table_call;
  std::optional<table_call> refused;
  lender r{std::make_shared<director::test::faulty_table>(
    std::make_shared<list_table>(), [&](table_call call) {
      return call == refused ? caf::make_error(caf::sec::runtime_error)
                             : caf::error{};
    })};
  r.up({fake_spec("a"), with_plan("b", after_a_while(1s))});
  SECTION("when it is released") {
    r.crash("b");
    r.release({"a"});
    refused = table_call::put;
    r.die("a");
    r.release({"b"});
    refused.reset();
    CHECK(r.reported("table_error") == 1);
    // The restart that was scheduled is made up for.
    r.world.advance(0s);
    CHECK(r.status("b") == "running");
  }
  SECTION("when it is deleted") {
    auto end = r.terminate("a", true);
    r.release({"a"});
    refused = table_call::erase;
    r.die("a");
    refused.reset();
    CHECK(r.error(end) == caf::sec::runtime_error);
  }
  CHECK(r.ok(r.restart("a")));
  r.release({"a"}, 0s);
  CHECK(r.child("a").kills == 1);
}

TEST_CASE("a slow table takes children back", "[engine]") {
  auto slow = std::make_shared<director::test::slow_table>(
    std::make_shared<list_table>());
  auto finish = [&] {
    while (slow->busy())
      slow->complete_next();
  };
  lender r{slow};
  r.up({fake_spec("a")});
  finish();
  SECTION("and answers once they are gone") {
    auto end = r.terminate("a");
    r.release({"a"});
    finish();
    CHECK(r.child("a").shutdown_reason == errc::no_quorum);
    r.die("a");
    CHECK(r.open(end));
    // Between the two, it is neither here nor there.
    CHECK(r.error(r.restart("a")) == errc::not_parent);
    CHECK(r.error(r.terminate("a")) == errc::not_parent);
    finish();
    CHECK(r.ok(end));
    CHECK(r.released("a", undefined));
  }
  SECTION("also those that were to be restarted") {
    auto end = r.terminate("a");
    finish();
    r.die("a");
    finish();
    CHECK(r.ok(end));
    auto again = r.restart("a");
    r.release({"a"});
    finish();
    CHECK(r.error(again) == errc::undefined);
    CHECK(r.starts("a") == 1);
    CHECK(r.released("a", restarting));
  }
  SECTION("and offers them again") {
    r.release({"a"});
    r.die("a");
    r.eng->take_over({"a"});
    finish();
    r.world.run_turns();
    finish();
    CHECK(r.status("a") == "running");
    CHECK(r.restarts("a") == 1);
  }
}

TEST_CASE("a start that is not recorded fails, though the child has left",
          "[engine]") {
  auto inner = std::make_shared<list_table>();
  auto slow = std::make_shared<director::test::slow_table>(inner);
  lender r{slow};
  r.up();
  auto request = r.start(fake_spec("a"));
  slow->complete_next(); // claim
  REQUIRE(r.starts("a") == 1);
  r.release({"a"});
  // The table refuses what the request waits for.
  auto record = *r.table->find("a");
  record.owner = r.other.address();
  put_item item{r.row_of("a"), &record};
  REQUIRE_FALSE(inner->put(r.world, {&item, 1}).err());
  while (slow->busy())
    slow->complete_next();
  CHECK(r.error(request) == errc::not_parent);
}

// -- loss ---------------------------------------------------------------------

TEST_CASE("a child that is lost ends without a write", "[engine]") {
  lender r;
  r.why = caf::make_error(errc::lost_to_peer);
  r.first.default_spec = fake_spec({});
  r.up({{.id = "a", .append = true}, {.id = "b", .append = true}});
  auto& x = r.child("a");
  r.lose("a");
  CHECK(x.shutdown_reason == errc::lost_to_peer);
  auto end = r.world.next_request();
  r.eng->terminate_child(end, x.handle, GENERATE(false, true));
  // New defaults are written to all children but this one.
  auto change = r.world.next_request();
  r.eng->change_default_child_spec(change, fake_spec({}));
  CHECK(r.ok(change));
  CHECK(r.counter->writes == 1);
  r.counter->writes = 0;
  r.world.die(x, errc::lost_to_peer);
  CHECK(r.ok(end));
  CHECK(r.counter->writes == 0);
  CHECK(r.table->find("a")->owner == r.other.address());
  CHECK(r.terminated == "a");
  CHECK(r.plans_asked == 0);
  CHECK(r.reported("child_terminated warning a") == 1);
  CHECK(r.reported("shutdown_error") == 0);
  CHECK(r.reasons == std::vector{r.why});
  CHECK(r.world.metrics[metric::children] == 1);
  CHECK(r.error(r.restart("a")) == errc::not_parent);
  auto stop = r.stop();
  r.world.run_turns();
  r.die("b");
  CHECK(r.ok(stop));
  CHECK(r.table->find("a")->owner == r.other.address());
}

TEST_CASE("what is lost and does not run is forgotten", "[engine]") {
  lender r;
  r.up({with_plan("a", after_a_while(1s)), with_plan("b", plans::never())});
  r.crash("a");
  r.crash("b");
  r.lose("a");
  r.lose("b");
  r.world.advance(1h);
  CHECK(r.counter->writes == 0);
  CHECK(r.starts("a") == 1);
  CHECK(r.error(r.restart("b")) == errc::not_parent);
}

TEST_CASE("a child is lost while it is being released", "[engine]") {
  lender r;
  r.up({fake_spec("a")});
  r.release({"a"});
  r.lose("a", 0s);
  CHECK(r.child("a").kills == 1);
  r.world.die(r.child("a"), caf::exit_reason::kill);
  CHECK(r.counter->writes == 0);
  CHECK(r.reported("child_terminated warning a") == 1);
}

TEST_CASE("a lost child that is stubborn leaves no trace", "[engine]") {
  lender r;
  r.up({fake_spec("a")});
  auto& x = r.child("a");
  r.lose("a", 0s);
  r.world.advance(2s);
  CHECK(r.reported("shutdown_error error a") == 1);
  CHECK(r.status("a") == "undefined");
  r.world.die(x, caf::exit_reason::kill);
  CHECK(r.counter->writes == 0);
}

TEST_CASE("nothing starts beside a lost child", "[engine]") {
  lender r;
  r.up({with_plan("a", plans::permanent())});
  r.lose("a");
  r.return_home("a");
  CHECK(r.error(r.restart("a")) == errc::running);
  CHECK(r.error(r.start(fake_spec("a"))) == errc::running);
  r.eng->take_over({"a"});
  CHECK(r.starts("a") == 1);
  r.die("a");
  CHECK(r.starts("a") == 2);
  CHECK(r.status("a") == "running");
  CHECK(r.table->find("a")->owner == r.world.address());
  r.crash("a");
  CHECK(r.starts("a") == 3);
}

TEST_CASE("a child is lost while it is being let go", "[engine]") {
  auto slow = std::make_shared<director::test::slow_table>(
    std::make_shared<list_table>());
  lender r{slow};
  r.up({fake_spec("a")});
  while (slow->busy())
    slow->complete_next();
  auto request = r.world.next_request();
  r.eng->delete_running_child(request, r.child("a").handle);
  r.eng->hand_over({{"a"}, r.why, false, caf::infinite});
  CHECK(r.child("a").shutdowns == 1);
  slow->complete_next();
  CHECK(r.ok(request));
  r.die("a");
  CHECK_FALSE(slow->busy());
  CHECK(r.world.metrics[metric::children] == 0);
}

// -- declined offers ----------------------------------------------------------

TEST_CASE("a director declines what its catalog does not know", "[engine]") {
  auto field = GENERATE(as<std::string>{}, "start", "plan", "log_filter");
  lender r;
  r.up({fake_spec("own")});
  auto spec = fake_spec("a");
  if (field == "start")
    spec.start = start_function{"nowhere"};
  else if (field == "plan")
    spec.plan = "nowhere";
  else
    spec.log_filter = log_filter_function{"nowhere"};
  std::vector<claim_item> items(1);
  items[0].record.id = "a";
  items[0].record.spec
    = std::make_shared<const child_spec>(with_defaults(std::move(spec)));
  REQUIRE(!r.table->claim(r.other, items).err());
  auto record = items[0].record;
  record.incarnation = 3;
  record.restart_count = 2;
  release(record);
  put_item item{items[0].row, &record};
  REQUIRE(!r.table->put(r.other, {&item, 1}).err());
  // This one knows the name.
  fake_world peer;
  auto opts = r.opts;
  opts.catalog.add_start("nowhere", fake_spec({}).start);
  opts.catalog.add_plan("nowhere", plan_function{[](exit_info&) {
                          return verdict::restart();
                        }});
  opts.catalog.add_log_filter("nowhere", log_filter_function{[](report&) {
                                return report_detail::brief;
                              }});
  engine second{peer, peer, {}, opts};
  peer.eng = &second;
  second.init({});
  // First the one that does not.
  r.eng->take_over({"a"});
  REQUIRE(r.counter->refusals.size() == 1);
  CHECK(r.counter->refusals[0].first == &r.world);
  CHECK(r.counter->refusals[0].second == "a");
  CHECK(r.released("a", undefined));
  CHECK(r.restarts("a") == 2);
  CHECK(r.starts("a") == 0);
  CHECK(r.plans_asked == 0);
  CHECK(r.reported("start_error error a") == 1);
  REQUIRE(r.reasons.size() == 1);
  CHECK(r.reasons[0] == errc::start_failed);
  auto cause = cause_of(r.reasons[0]);
  CHECK(cause == errc::invalid_child_spec);
  REQUIRE(get_spec_error(cause) != nullptr);
  CHECK(get_spec_error(cause)->field == field);
  r.world.advance(1h);
  r.world.run_turns();
  CHECK(r.world.ends.empty());
  CHECK(r.status("own") == "running");
  second.take_over({"a"});
  CHECK(r.status("a") == "running");
  CHECK(r.table->find("a")->owner == peer.address());
  CHECK(r.restarts("a") == 3);
  CHECK(r.counter->refusals.size() == 1);
}

TEST_CASE("a refusal waits until the record is released", "[engine]") {
  auto inner = std::make_shared<list_table>();
  auto slow = std::make_shared<director::test::slow_table>(inner);
  lender r{slow};
  r.up();
  auto spec = fake_spec("a");
  spec.plan = "nowhere";
  std::vector<claim_item> items(1);
  items[0].record.id = "a";
  items[0].record.spec
    = std::make_shared<const child_spec>(with_defaults(std::move(spec)));
  REQUIRE(!inner->claim(r.other, items).err());
  release(items[0].record);
  put_item item{items[0].row, &items[0].record};
  REQUIRE(!inner->put(r.other, {&item, 1}).err());
  r.eng->take_over({"a"});
  slow->complete_next();
  CHECK(r.table->find("a")->owner == r.world.address());
  CHECK(r.counter->refusals.empty());
  while (slow->busy())
    slow->complete_next();
  CHECK(r.released("a", undefined));
  CHECK(r.counter->refusals.size() == 1);
}
