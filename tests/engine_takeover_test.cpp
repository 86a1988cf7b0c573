// Engines that take over the children of a director that has died.

#include "catch.hpp"
#include "fake_world.hpp"

#include <director/test/slow_table.hpp>

using namespace director;
using namespace fixture;
using namespace std::chrono_literals;

namespace {

/// Leaves a record without owner, as a dead director does.
void bequeath(rig& r, table& tab, const child_id& id, uint64_t incarnation,
              plan_function plan = plans::permanent()) {
  fake_world other;
  std::vector<claim_item> items(1);
  auto spec = fake_spec(id);
  spec.plan = std::move(plan);
  items[0].record.id = id;
  items[0].record.spec
    = std::make_shared<const child_spec>(with_defaults(std::move(spec)));
  REQUIRE(tab.claim(other, items).ticket() == 0);
  auto record = items[0].record;
  record.incarnation = incarnation;
  record.restart_count = incarnation - 1;
  release(record);
  put_item item{items[0].row, &record};
  REQUIRE(!tab.put(other, {&item, 1}).err());
  CHECK(r.status(id) == "undefined");
}

} // namespace

TEST_CASE("a director takes over what it is offered", "[engine]") {
  rig r;
  r.up({fake_spec("own")});
  bequeath(r, *r.table, "a", 3);
  bequeath(r, *r.table, "b", 1);
  r.eng->take_over({"a", "b"});
  CHECK(r.status("a") == "running");
  CHECK(r.status("b") == "running");
  CHECK(r.restarts("a") == 3);
  CHECK(r.restarts("b") == 1);
  CHECK(r.starts("a") == 1);
  CHECK(r.world.restarts_measured == 2);
  r.crash("a");
  CHECK(r.restarts("a") == 4);
  auto end = r.terminate("own");
  r.die("own");
  CHECK(r.ok(end));
}

TEST_CASE("what others have, or nobody knows, is not taken over", "[engine]") {
  rig r;
  r.up({fake_spec("own")});
  fake_world other;
  std::vector<claim_item> items(1);
  items[0].record.id = "theirs";
  items[0].record.spec
    = std::make_shared<const child_spec>(with_defaults(fake_spec("theirs")));
  REQUIRE(r.table->claim(other, items).ticket() == 0);
  r.eng->take_over({"own", "theirs", "unknown"});
  CHECK(r.starts("own") == 1);
  CHECK(r.starts("theirs") == 0);
  CHECK(r.status("unknown") == "none");
  r.eng->take_over({});
  CHECK(r.reports.size() == 1);
}

TEST_CASE("a start that fails after a takeover follows the plan", "[engine]") {
  rig r;
  r.up();
  bequeath(r, *r.table, "a", 1, plans::standard());
  r.failing.insert("a");
  r.eng->take_over({"a"});
  CHECK(r.status("a") == "restarting");
  for (int i = 0; i < 3; ++i)
    r.world.run_turns();
  r.failing.clear();
  r.world.advance(1s);
  CHECK(r.status("a") == "running");
  CHECK(r.world.ends.empty());
}

TEST_CASE("a child taken over may have to become ready", "[engine]") {
  rig r;
  r.up();
  bequeath(r, *r.table, "a", 1);
  r.slow.insert("a");
  r.eng->take_over({"a"});
  CHECK(r.status("a") == "restarting");
  r.eng->child_ready(r.child("a").ref, caf::message{});
  CHECK(r.status("a") == "running");
}

TEST_CASE("a director that is not up yet takes over later", "[engine]") {
  rig r;
  r.slow.insert("own");
  r.up({fake_spec("own")});
  bequeath(r, *r.table, "a", 1);
  r.eng->take_over({"a"});
  CHECK(r.starts("a") == 0);
  r.eng->child_ready(r.child("own").ref, caf::message{});
  CHECK(r.ok(r.up_request));
  CHECK(r.status("a") == "running");
}

TEST_CASE("a director that ends takes nothing over", "[engine]") {
  rig r;
  r.up({fake_spec("own")});
  bequeath(r, *r.table, "a", 1);
  auto stop = r.stop();
  r.eng->take_over({"a"});
  r.world.run_turns();
  r.die("own");
  CHECK(r.ok(stop));
  CHECK(r.starts("a") == 0);
  CHECK(r.status("a") == "undefined");
}

TEST_CASE("a large inheritance leaves room for other work", "[engine]") {
  rig r;
  r.up();
  std::vector<child_id> ids;
  for (int i = 0; i < 700; ++i) {
    ids.push_back(i);
    bequeath(r, *r.table, i, 1);
  }
  r.eng->take_over(ids);
  CHECK(r.table->count_children().active == defaults::starts_per_turn);
  CHECK(r.ok(r.start(fake_spec("other"))));
  r.world.run_turns();
  CHECK(r.table->count_children().active == 701);
}

TEST_CASE("an offer can be overtaken by a request", "[engine]") {
  auto inner = std::make_shared<list_table>();
  auto slow = std::make_shared<director::test::slow_table>(inner);
  rig r{slow};
  r.up();
  while (slow->busy())
    slow->complete_next();
  bequeath(r, *inner, "a", 1);
  auto request = r.restart("a");
  r.eng->take_over({"a"});
  while (slow->busy())
    slow->complete_next();
  CHECK(r.ok(request));
  CHECK(r.starts("a") == 1);
  CHECK(r.status("a") == "running");
}
