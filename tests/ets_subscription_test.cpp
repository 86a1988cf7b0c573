// What tables tell their subscribers.

#include "fixture.hpp"

#include <director/ets/all.hpp>

using namespace director;
using namespace fixture;

namespace {

/// Notes every change, and ends of subscriptions.
caf::behavior listener(caf::event_based_actor*, journal_ptr log) {
  return {
    [log](const std::vector<ets::change>& xs) {
      for (auto& x : xs)
        log->add(to_string(x.id) + " " + to_string(x.kind));
    },
    [log](const ets::subscription_end& x) {
      log->add("end of " + x.table + " " + to_string(x.reason));
    },
  };
}

struct rig {
  rig() {
    tab = value_of(ets::open(*env.sys, "test", options()));
    dir = start("dir");
  }

  ets::table_options options() const {
    ets::table_options result;
    result.max_backlog = 100;
    return result;
  }

  std::unique_ptr<client> start(std::string name) {
    auto opts = env.options(std::move(name));
    opts.table = tab;
    return std::make_unique<client>(env.start({}, opts));
  }

  caf::actor listen(const journal_ptr& to, ets::change_filter filter = {}) {
    auto result = env.sys->spawn(listener, to);
    tab->subscribe(result, std::move(filter));
    return result;
  }

  world env;
  ets::table_ptr tab;
  std::unique_ptr<client> dir;
  journal_ptr seen = std::make_shared<journal>();
};

} // namespace

TEST_CASE("subscribers hear of everything in the life of a child",
          "[ets_subscription]") {
  rig r;
  auto to = r.listen(r.seen);
  auto a = value_of(r.dir->start_child(r.env.worker("a"))).handle;
  send(a, crash_atom_v);
  REQUIRE(r.seen->await("a started", 2));
  CHECK(!r.dir->terminate_and_delete_child("a"));
  REQUIRE(r.seen->await("a deleted"));
  CHECK(r.seen->all()
        == "a owner_changed\na restarting\na started\n"
           "a exited\na restarting\na started\n"
           "a exited\na deleted\n");
}

TEST_CASE("a change tells actor, owners and counts", "[ets_subscription]") {
  rig r;
  std::vector<ets::change> all;
  std::mutex mutex;
  auto done = std::make_shared<gate>();
  auto to = r.env.sys->spawn([&](caf::event_based_actor*) -> caf::behavior {
    return {[&, done](const std::vector<ets::change>& xs) {
      std::lock_guard guard{mutex};
      all.insert(all.end(), xs.begin(), xs.end());
      if (all.back().kind == ets::change_kind::owner_changed
          && !all.back().owner)
        done->open();
    }};
  });
  auto spec = r.env.worker("a");
  spec.delete_before_terminate = false;
  r.tab->subscribe(to);
  auto a = value_of(r.dir->start_child(spec)).handle;
  auto address = r.dir->handle().address();
  CHECK(!r.dir->stop());
  done->pass();
  std::lock_guard guard{mutex};
  REQUIRE(all.size() >= 5);
  CHECK(all[0].owner == address);
  CHECK(!all[0].former_owner);
  CHECK(all[2].kind == ets::change_kind::started);
  CHECK(all[2].handle == a);
  CHECK(all[2].incarnation == 1);
  CHECK(all[3].kind == ets::change_kind::exited);
  CHECK(all[3].handle == a);
  CHECK(all.back().former_owner == address);
}

TEST_CASE("filters select one child or one director", "[ets_subscription]") {
  rig r;
  auto other = r.start("other");
  auto by_id = std::make_shared<journal>();
  auto by_owner = std::make_shared<journal>();
  auto one = r.listen(by_id, {.id = "b"});
  auto two = r.listen(by_owner, {.owner = other->handle().address()});
  auto all = r.listen(r.seen);
  CHECK(r.dir->start_child(r.env.worker("a")));
  CHECK(r.dir->start_child(r.env.worker("b")));
  CHECK(other->start_child(r.env.worker("c")));
  REQUIRE(r.seen->await("c started"));
  REQUIRE(by_owner->await("c started"));
  REQUIRE(by_id->await("b started"));
  CHECK(by_id->count("a ") + by_id->count("c ") == 0);
  CHECK(by_owner->count("a ") + by_owner->count("b ") == 0);
}

TEST_CASE("who unsubscribes hears no more", "[ets_subscription]") {
  rig r;
  auto gone = std::make_shared<journal>();
  auto one = r.listen(gone);
  auto two = r.listen(r.seen);
  CHECK(r.dir->start_child(r.env.worker("a")));
  REQUIRE(gone->await("a started"));
  r.tab->unsubscribe(one);
  CHECK(r.dir->start_child(r.env.worker("b")));
  REQUIRE(r.seen->await("b started"));
  CHECK(gone->count("b ") == 0);
  CHECK(gone->count("end") == 0);
}

TEST_CASE("subscribing by message is answered", "[ets_subscription]") {
  rig r;
  auto to = r.env.sys->spawn(listener, r.seen);
  caf::scoped_actor self{*r.env.sys};
  director::internal::compat::request_receive(
    self, r.tab->handle(), patience, [] {},
    [](caf::error& err) { FAIL(to_string(err)); }, ets::subscribe_atom_v, to,
    ets::change_filter{});
  CHECK(r.dir->start_child(r.env.worker("a")));
  CHECK(r.seen->await("a started"));
}

TEST_CASE("a slow subscriber is dropped with a notice", "[ets_subscription]") {
  rig r;
  auto slow = std::make_shared<journal>();
  auto door = std::make_shared<gate>();
  auto one = r.env.sys->spawn<caf::detached>(
    [slow, door](caf::event_based_actor*) -> caf::behavior {
      return {
        [slow, door](const std::vector<ets::change>&) {
          slow->add("batch");
          door->pass();
        },
        [slow](const ets::subscription_end& x) {
          slow->add("end " + to_string(x.reason));
        },
      };
    });
  r.tab->subscribe(one);
  auto two = r.listen(r.seen);
  CHECK(r.dir->start_child(r.env.worker("a")));
  REQUIRE(slow->await("batch"));
  for (int i = 0; i < 60; ++i) {
    CHECK(r.dir->start_child(r.env.worker(i)));
    // This one keeps up.
    REQUIRE(r.seen->await(std::to_string(i) + " started"));
  }
  door->open();
  CHECK(slow->await("end"));
  CHECK(slow->count(to_string(caf::make_error(errc::too_slow))) == 1);
  CHECK(slow->count("batch") == 1);
}

TEST_CASE("too many changes at once end all subscriptions",
          "[ets_subscription]") {
  rig r;
  auto to = r.listen(r.seen);
  std::vector<child_spec> specs;
  for (int i = 0; i < 2'000; ++i)
    specs.push_back(r.env.worker(i));
  CHECK(r.dir->start_children(std::move(specs)));
  CHECK(r.seen->await("end of test"));
  // The next subscriber starts anew.
  auto next = std::make_shared<journal>();
  auto again = r.listen(next);
  CHECK(r.dir->start_child(r.env.worker("a")));
  CHECK(next->await("a started"));
}

TEST_CASE("closing a table ends subscriptions", "[ets_subscription]") {
  rig r;
  auto to = r.listen(r.seen);
  r.tab->close();
  auto end = "end of test " + to_string(caf::make_error(errc::table_closed));
  CHECK(r.seen->await(end));
  // As does coming too late.
  auto late = std::make_shared<journal>();
  auto other = r.listen(late);
  CHECK(late->await(end));
}

TEST_CASE("a subscription does not keep its actor alive",
          "[ets_subscription]") {
  rig r;
  auto to = r.listen(r.seen);
  auto ended = std::make_shared<journal>();
  to->attach_functor([ended] { ended->add("ended"); });
  to = nullptr;
  CHECK(ended->await("ended"));
  CHECK(r.dir->start_child(r.env.worker("a")));
}

TEST_CASE("a tiny backlog costs subscriptions, nothing else",
          "[ets_subscription]") {
  world env;
  auto tab = value_of(ets::open(*env.sys, "test", {.max_backlog = 1}));
  auto opts = env.options();
  opts.table = tab;
  auto dir = env.start({}, opts);
  auto seen = std::make_shared<journal>();
  auto to = env.sys->spawn(listener, seen);
  tab->subscribe(to);
  std::vector<child_spec> specs;
  for (int i = 0; i < 1'000; ++i)
    specs.push_back(env.worker(i));
  CHECK(dir.start_children(std::move(specs)));
  CHECK(seen->await("end of test"));
  CHECK(tab->count_children().active == 1'000);
}
