// The copy that one node has of a table, without the actor behind it: claims,
// rows, and the log of what directors change.

#include "net_fixture.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <director/net/internal/cluster_table.hpp>
#include <director/test/internal/checks.hpp>
#include <future>
#include <thread>
#include <utility>
#include <vector>

using namespace net_fixture;

namespace {

/// A copy that no node has, and somebody to claim children.
struct lone_copy {
  ~lone_copy() {
    send_exit(self, caf::exit_reason::user_shutdown);
  }

  world env{
    [](caf::actor_system_config& cfg) { cfg.load<caf::io::middleman>(); }};
  std::shared_ptr<net::internal::change_log> log
    = std::make_shared<net::internal::change_log>(*env.sys);
  std::shared_ptr<ets::internal::shared_table> table
    = std::make_shared<ets::internal::shared_table>(*env.sys, "test",
                                                    ets::table_options{}, log);
  caf::actor self = env.sys->spawn(
    [](caf::event_based_actor*) { return caf::behavior{[](int) {}}; });
  test::internal::client who{self};
};

} // namespace

TEST_CASE("an orphan is wanted before it has ended", "[net]") {
  lone_copy copy;
  auto& log = *copy.log;
  child_record before;
  before.id = 1;
  before.spec = std::make_shared<const child_spec>();
  before.owner = copy.self.address();
  auto wanted_if = [&](child_status status) {
    before.status = status;
    auto after = before;
    after.owner = caf::actor_addr{};
    after.status = child_status::terminating;
    log.changed(before, after);
    std::vector<net::internal::local_change> changes;
    log.fetch(changes);
    REQUIRE(changes.size() == 1);
    return changes[0].now.wanted;
  };
  CHECK(wanted_if(child_status::running));
  CHECK(wanted_if(child_status::restarting));
  CHECK_FALSE(wanted_if(child_status::terminating));
}

TEST_CASE("what has happened before a grant does not undo it", "[net]") {
  lone_copy copy;
  auto& log = *copy.log;
  using kind = net::internal::local_change::kind;
  child_record free;
  free.id = 1;
  free.spec = std::make_shared<const child_spec>();
  auto other = free;
  other.id = 2;
  auto orphan = free;
  orphan.status = child_status::terminating;
  // An orphan ends, its ID is granted, and the new director dies as well.
  log.changed(orphan, free);
  log.wanted(1);
  log.mark(7);
  log.changed(other, other);
  log.removed(free);
  log.claimed(1);
  log.changed(free, orphan);
  log.wanted(1);
  std::vector<net::internal::local_change> changes;
  log.fetch(changes);
  std::vector<std::pair<kind, child_id>> left;
  for (auto& x : changes)
    left.emplace_back(x.what, x.now.id);
  CHECK(left
        == std::vector<std::pair<kind, child_id>>{
          {kind::mark, {}}, {kind::put, 2}, {kind::put, 1}, {kind::wanted, 1}});
  CHECK(changes[2].now.status == child_status::terminating);
}

TEST_CASE("grants are logged in their order", "[net]") {
  lone_copy copy;
  auto& tab = *copy.table;
  auto& who = copy.who;
  REQUIRE_FALSE(tab.attach(who));
  child_spec spec;
  spec.start = "worker";
  ets::internal::shared_table::leftovers garbage;
  claim_item item;
  item.record.id = 1;
  item.record.spec = std::make_shared<const child_spec>(spec);
  std::vector<net::internal::local_change> changes;
  for (int i = 0; i < 2; ++i) {
    // What the grant overtakes is left out, what follows is not.
    REQUIRE(tab.try_claim(who, item, garbage));
    REQUIRE_FALSE(item.err);
    changes.clear();
    copy.log->fetch(changes);
    CHECK(changes.empty());
    REQUIRE_FALSE(tab.erase(who, std::array{item.row}).err());
  }
  copy.log->fetch(changes);
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].what == net::internal::local_change::kind::erase);
  tab.detach(who);
}

TEST_CASE("a row that has got another record is not written", "[net]") {
  lone_copy copy;
  auto& tab = *copy.table;
  auto& who = copy.who;
  REQUIRE_FALSE(tab.attach(who));
  ets::internal::shared_table::leftovers garbage;
  auto claimed = [&](child_id id) {
    child_spec spec;
    spec.start = "worker";
    spec.type = child_type::worker;
    claim_item item;
    item.record.id = std::move(id);
    item.record.spec = std::make_shared<const child_spec>(with_defaults(spec));
    REQUIRE(tab.try_claim(who, item, garbage));
    REQUIRE_FALSE(item.err);
    return item;
  };
  auto lost = claimed("lost");
  // Another node removes it; the director has yet to hear of that.
  tab.remove("lost");
  std::vector<claim_item> others;
  for (int64_t i = 0; i < 1000; ++i)
    others.push_back(claimed(i));
  REQUIRE(std::ranges::any_of(others, [&](auto& x) {
    return static_cast<uint32_t>(x.row) == static_cast<uint32_t>(lost.row);
  }));
  auto refused = [](const write_result& x) {
    return x.err() == errc::not_parent;
  };
  for (auto owner : {copy.self.address(), caf::actor_addr{}}) {
    lost.record.owner = owner;
    put_item one{lost.row, &lost.record};
    CHECK(refused(tab.put(who, {&one, 1})));
    std::array two{put_item{others[0].row, &others[0].record}, one};
    CHECK(refused(tab.put(who, two)));
  }
  CHECK(refused(tab.erase(who, std::array{lost.row})));
  for (auto& x : others) {
    auto now = tab.find(x.record.id);
    REQUIRE(now);
    CHECK(now->owner == copy.self.address());
  }
  for (auto& x : others)
    REQUIRE_FALSE(tab.erase(who, std::array{x.row}).err());
  CHECK(tab.count_children().specs == 0);
  tab.detach(who);
}

TEST_CASE("a granted claim that is overruled fails", "[net]") {
  lone_copy copy;
  net::internal::cluster_table tab{*copy.env.sys, "test", copy.table, copy.log};
  auto& who = copy.who;
  REQUIRE_FALSE(tab.attach(who));
  child_spec spec;
  spec.start = "worker";
  std::vector<claim_item> items(3);
  for (int64_t i = 0; i < 3; ++i) {
    items[i].record.id = i;
    items[i].record.spec = std::make_shared<const child_spec>(spec);
  }
  auto asked = tab.claim(who, items);
  // While the request waits for the third, another node turns out to have the
  // first.
  auto later = false;
  for (size_t i = 0; i < 2; ++i)
    REQUIRE(tab.take(asked.ticket(), i, later));
  tab.lose({0, 2});
  child_record theirs;
  theirs.id = 0;
  theirs.spec = std::make_shared<const child_spec>(spec);
  copy.table->apply(theirs, {1, 0});
  REQUIRE(tab.take(asked.ticket(), 2, later));
  tab.complete(asked.ticket());
  CHECK_FALSE(who.wait(asked, &items));
  REQUIRE(items.size() == 3);
  CHECK(items[0].err == errc::lost_to_peer);
  CHECK_FALSE(items[1].err);
  CHECK_FALSE(items[2].err);
  tab.detach(who);
}

TEST_CASE("what a claim replaces is destroyed when claims are free", "[net]") {
  lone_copy copy;
  net::internal::cluster_table tab{*copy.env.sys, "test", copy.table, copy.log};
  auto& who = copy.who;
  REQUIRE_FALSE(tab.attach(who));
  test::internal::client other{copy.self};
  // Nobody else has a reference, the scheduler included.
  auto last = copy.env.sys->spawn<caf::lazy_init>(
    [](caf::event_based_actor*) { return caf::behavior{[](int) {}}; });
  auto gone = false;
  last->attach_functor([&] {
    tab.detach(other);
    gone = true;
  });
  child_record theirs;
  theirs.id = 1;
  theirs.spec = std::make_shared<const child_spec>();
  theirs.args = caf::make_message(std::exchange(last, {}));
  copy.table->apply(std::move(theirs), {1, 0});
  std::vector<claim_item> items(1);
  items[0].mode = claim_mode::any;
  items[0].record.id = 1;
  items[0].record.spec = std::make_shared<const child_spec>();
  auto asked = tab.claim(who, items);
  // A thread that waits for itself cannot be ended.
  std::packaged_task<bool()> take{[&] {
    auto later = true;
    return tab.take(asked.ticket(), 0, later).has_value();
  }};
  auto taken = take.get_future();
  std::thread{std::move(take)}.detach();
  if (taken.wait_for(patience) != std::future_status::ready)
    std::abort();
  CHECK(taken.get());
  CHECK(gone);
  tab.complete(asked.ticket());
  CHECK_FALSE(who.wait(asked, &items));
  tab.detach(who);
}
