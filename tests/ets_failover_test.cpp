// Directors of a shared table that die, and what becomes of their children.

#include "fixture.hpp"

#include <atomic>
#include <director/ets/all.hpp>
#include <director/test/wrapped_table.hpp>
#include <future>
#include <map>

using namespace director;
using namespace fixture;

namespace {

struct rig {
  explicit rig(bool failover) {
    ets::table_options options;
    options.failover = failover;
    options.kill_grace = 200ms;
    options.sink = env.options().sink;
    tab = value_of(ets::open(*env.sys, "test", std::move(options)));
  }

  client start(std::string name, std::vector<child_spec> children = {}) {
    auto options = env.options(std::move(name));
    options.table = tab;
    return env.start(std::move(children), std::move(options));
  }

  /// A worker whose record stays when its director ends.
  child_spec lasting(child_id id, plan_function plan = plans::permanent()) {
    auto result = env.worker(std::move(id));
    result.delete_before_terminate = false;
    result.plan = std::move(plan);
    return result;
  }

  void kill(const client& dir) {
    send_exit(as_actor(dir.handle()), caf::exit_reason::kill);
  }

  bool runs(const child_id& id, const client& owner) {
    return env.eventually([&] {
      auto record = tab->find(id);
      return record && record->status == child_status::running
             && record->owner == owner.handle().address();
    });
  }

  bool ownerless(const child_id& id) {
    return env.eventually([&] {
      auto record = tab->find(id);
      return record && !record->owner
             && record->status == child_status::undefined;
    });
  }

  world env;
  ets::table_ptr tab;
};

} // namespace

TEST_CASE("a killed director leaves no live child and no owned record",
          "[ets_failover]") {
  rig r{false};
  auto one = r.start("one", {r.lasting("stays"), r.env.worker("vanishes")});
  auto two = r.start("two", {r.env.worker("other")});
  auto stays = value_of(r.tab->get_actor("stays"));
  auto vanishes = value_of(r.tab->get_actor("vanishes"));
  r.kill(one);
  CHECK(r.env.gone(stays));
  CHECK(r.env.gone(vanishes));
  CHECK(r.ownerless("stays"));
  CHECK(r.env.eventually([&] { return !r.tab->find("vanishes"); }));
  CHECK(r.tab->get_actor("other"));
  CHECK(r.tab->count_children() == child_counts{2, 1, 0, 2});
  auto back
    = r.env.eventually([&] { return !error_of(two.restart_child("stays")); });
  CHECK(back);
  CHECK(value_of(r.tab->get_restart_count("stays")) == 1);
}

TEST_CASE("without failover nobody starts the children of the dead",
          "[ets_failover]") {
  rig r{false};
  auto one = r.start("one", {r.lasting("a")});
  auto two = r.start("two");
  r.kill(one);
  CHECK(r.ownerless("a"));
  // Whatever the table had to say would have come before this answer.
  CHECK(!two.terminate_child("a"));
  CHECK(r.tab->find("a")->incarnation == 1);
  CHECK(error_of(r.tab->get_actor("a")) == errc::undefined);
}

TEST_CASE("another director takes over the children of a dead one",
          "[ets_failover]") {
  rig r{true};
  auto one = r.start("one", {r.lasting("a")});
  send(value_of(r.tab->get_actor("a")), crash_atom_v);
  REQUIRE(r.env.log->await("up a", 2));
  REQUIRE(r.runs("a", one));
  auto two = r.start("two");
  r.kill(one);
  REQUIRE(r.runs("a", two));
  CHECK(r.env.log->await("up a", 3));
  // The old actor is gone before the new one starts, and counts go on.
  auto record = r.tab->find("a");
  REQUIRE(record);
  CHECK(record->restart_count == 2);
  CHECK(record->incarnation == 3);
  CHECK(!two.terminate_child("a"));
}

TEST_CASE("a director that dies by an exception is succeeded, too",
          "[ets_failover]") {
  rig r{true};
  auto broken = std::make_shared<std::atomic<bool>>(false);
  auto options = r.env.options("one");
  options.table = std::make_shared<director::test::faulty_table>(
    r.tab, [broken](director::test::table_call call) -> caf::error {
      if (*broken && call == director::test::table_call::put)
        throw std::runtime_error{"broken"};
      return {};
    });
  auto one = r.env.start({r.lasting("a"), r.lasting("b")}, options);
  auto two = r.start("two");
  *broken = true;
  send(value_of(r.tab->get_actor("a")), crash_atom_v);
  CHECK(r.runs("a", two));
  CHECK(r.runs("b", two));
  CHECK(end_of(one) == caf::sec::runtime_error);
}

TEST_CASE("a director that ends in order keeps its children without owner",
          "[ets_failover]") {
  rig r{true};
  auto one = r.start("one", {r.lasting("a")});
  auto two = r.start("two");
  CHECK(!one.stop());
  CHECK(r.ownerless("a"));
  CHECK(!two.await_ready());
  CHECK(r.tab->find("a")->incarnation == 1);
}

TEST_CASE("children are spread evenly over the survivors", "[ets_failover]") {
  rig r{true};
  std::vector<child_spec> specs;
  for (int i = 0; i < 90; ++i)
    specs.push_back(r.lasting(i));
  auto one = r.start("one", std::move(specs));
  auto two = r.start("two");
  auto three = r.start("three");
  auto four = r.start("four");
  r.kill(one);
  auto all = r.env.eventually([&] {
    int restarted = 0;
    r.tab->visit([&](const child_record& x) {
      if (x.status == child_status::running && x.restart_count == 1)
        ++restarted;
    });
    return restarted == 90;
  });
  REQUIRE(all);
  std::map<caf::actor_id, int> load;
  r.tab->visit([&](const child_record& x) { ++load[x.owner.id()]; });
  CHECK(load.size() == 3);
  for (auto& [owner, count] : load)
    CHECK(count == 30);
}

TEST_CASE("a child that was stopped on purpose stays stopped",
          "[ets_failover]") {
  rig r{true};
  auto one = r.start("one", {r.lasting("a"), r.lasting("b")});
  auto two = r.start("two");
  CHECK(!one.terminate_child("a"));
  r.kill(one);
  CHECK(r.runs("b", two));
  CHECK(r.ownerless("a"));
  CHECK(r.tab->find("a")->incarnation == 1);
}

TEST_CASE("a scheduled restart is taken over", "[ets_failover]") {
  rig r{true};
  plan_function later = [](exit_info&) { return verdict::restart_after(1h); };
  auto one = r.start("one", {r.lasting("a", later)});
  auto two = r.start("two");
  send(value_of(r.tab->get_actor("a")), crash_atom_v);
  CHECK(r.env.eventually(
    [&] { return error_of(r.tab->get_actor("a")) == errc::restarting; }));
  r.kill(one);
  CHECK(r.runs("a", two));
}

TEST_CASE("children without director wait for the next one", "[ets_failover]") {
  rig r{true};
  auto one = r.start("one", {r.lasting("a")});
  r.kill(one);
  CHECK(r.ownerless("a"));
  auto two = r.start("two");
  CHECK(r.runs("a", two));
}

TEST_CASE("a child goes to a director that knows its functions",
          "[ets_failover]") {
  rig r{true};
  auto start = [&](std::string name, std::vector<child_spec> children,
                   bool knows) {
    auto options = r.env.options(std::move(name));
    options.table = r.tab;
    if (knows)
      options.catalog.add_start("special", [](start_context& ctx) {
        return ctx.spawn([](caf::event_based_actor*) {
          return caf::behavior{[](count_atom) { return 1; }};
        });
      });
    return r.env.start(std::move(children), std::move(options));
  };
  child_spec spec;
  spec.id = "a";
  spec.start = "special";
  spec.plan = plans::permanent();
  spec.delete_before_terminate = false;
  auto one = start("one", {spec}, true);
  // Has fewer children than the next one, and is asked first.
  auto two = start("two", {}, false);
  auto three = start("three", {r.lasting("b"), r.lasting("c")}, true);
  r.kill(one);
  CHECK(r.runs("a", three));
  CHECK(r.env.log->count("'special' is not in the catalog") == 1);
  // Where nobody knows them, it waits.
  r.kill(three);
  CHECK(r.runs("b", two));
  CHECK(r.env.eventually([&] { return !r.tab->find("a")->owner; }));
  auto four = start("four", {}, true);
  CHECK(r.runs("a", four));
  CHECK(r.env.log->count("'special' is not in the catalog") == 1);
}

TEST_CASE("the death of the heir leads to the next heir", "[ets_failover]") {
  rig r{true};
  auto one = r.start("one", {r.lasting("a")});
  auto two = r.start("two");
  r.kill(one);
  REQUIRE(r.runs("a", two));
  auto three = r.start("three");
  r.kill(two);
  CHECK(r.runs("a", three));
  CHECK(value_of(r.tab->get_restart_count("a")) == 2);
}

TEST_CASE("a suspended heir that dies gives its offers back",
          "[ets_failover]") {
  rig r{true};
  auto one = r.start("one", {r.lasting("a")});
  auto two = r.start("two");
  CHECK(!two.suspend());
  r.kill(one);
  CHECK(r.ownerless("a"));
  auto three = r.start("three");
  r.kill(two);
  CHECK(r.runs("a", three));
}

TEST_CASE("a child that crash-loops after failover follows its plan",
          "[ets_failover]") {
  rig r{true};
  auto starts = std::make_shared<std::atomic<int>>(0);
  auto spec = r.lasting("a", plans::standard());
  // The first start gives an actor, all others one that crashes.
  spec.start = [starts, log = r.env.log](caf::event_based_actor* self) {
    if (starts->fetch_add(1) > 0)
      self->quit(caf::sec::runtime_error);
    log->add("up a");
    return caf::behavior{[](crash_atom) {}};
  };
  auto one = r.start("one", {spec});
  REQUIRE(r.env.log->await("up a"));
  auto two = r.start("two", {r.env.worker("b")});
  r.kill(one);
  // The standard plan ends the heir on the fifth crash; the table lives on.
  CHECK(end_of(two) == caf::sec::runtime_error);
  CHECK(*starts == 6);
  CHECK(r.ownerless("a"));
  auto three = r.start("three", {r.env.worker("c")});
  CHECK(r.tab->get_actor("c"));
}

TEST_CASE("an ID is not started while the actor of a dead director lives",
          "[ets_failover]") {
  rig r{false};
  auto door = std::make_shared<gate>();
  auto spec = r.env.worker("a");
  auto log = r.env.log;
  spec.start = [door, log](start_context& ctx) -> start_result {
    return ctx.system().spawn<caf::detached>(
      [door, log](caf::event_based_actor* self) -> caf::behavior {
        log->add("up a");
        self->attach_functor([log] { log->add("down a"); });
        return {[door, log](block_atom) {
          log->add("blocked");
          door->pass();
        }};
      });
  };
  auto one = r.start("one", {spec});
  send(value_of(r.tab->get_actor("a")), block_atom_v);
  REQUIRE(r.env.log->await("blocked"));
  auto two = r.start("two");
  r.kill(one);
  CHECK(end_of(one) == caf::exit_reason::kill);
  SECTION("the start waits for its end") {
    // The claim is under way while the old actor still runs.
    auto request = std::async(std::launch::async, [&] {
      return error_of(two.start_child(r.env.worker("a", "new a")));
    });
    CHECK(!two.await_ready());
    CHECK(r.env.log->count("up new a") == 0);
    door->open();
    CHECK(request.get() == caf::error{});
    CHECK(r.env.log->count("down a") == 1);
    CHECK(r.env.log->await("up new a"));
  }
  SECTION("one that does not die is unresponsive") {
    auto err = error_of(two.start_child(r.env.worker("a", "new a")));
    CHECK(err == errc::unresponsive);
    CHECK(r.env.log->await("unresponsive"));
    CHECK(r.env.log->count("up new a") == 0);
    door->open();
    REQUIRE(r.env.log->await("down a"));
    CHECK(r.env.eventually([&] { return !r.tab->find("a"); }));
    CHECK(error_of(two.start_child(r.env.worker("a", "new a")))
          == caf::error{});
  }
}

TEST_CASE("what is granted but waits with others cannot be changed",
          "[ets_failover]") {
  rig r{false};
  auto door = std::make_shared<gate>();
  auto spec = r.env.worker("a");
  auto log = r.env.log;
  spec.start = [door, log](start_context& ctx) -> start_result {
    return ctx.system().spawn<caf::detached>(
      [door, log](caf::event_based_actor*) -> caf::behavior {
        return {[door, log](block_atom) {
          log->add("blocked");
          door->pass();
        }};
      });
  };
  auto one = r.start("one", {spec});
  send(value_of(r.tab->get_actor("a")), block_atom_v);
  REQUIRE(r.env.log->await("blocked"));
  auto two = r.start("two");
  r.kill(one);
  CHECK(end_of(one) == caf::exit_reason::kill);
  auto request = std::async(std::launch::async, [&] {
    return two.start_children({r.env.worker("x"), r.env.worker("a", "new a")});
  });
  REQUIRE(r.env.eventually([&] { return r.tab->find("x").has_value(); }));
  CHECK(two.change_plan("x", plans::never()) == errc::restarting);
  CHECK(two.change_log_filter("x", [](report& y) { return y.detail; })
        == errc::restarting);
  door->open();
  value_of(request.get());
  CHECK(!two.change_plan("x", plans::never()));
}

TEST_CASE("a director restarted by its own director finds its children free",
          "[ets_failover]") {
  rig r{false};
  auto options = r.env.options("inner");
  options.table = r.tab;
  child_spec inner;
  inner.id = "inner";
  inner.type = child_type::supervisor;
  inner.plan = plans::permanent();
  inner.start = nested(fixed({.children = {r.env.worker("a"), r.lasting("b")}}),
                       options);
  auto outer = r.env.start({inner});
  for (size_t round = 1; round <= 20; ++round) {
    auto handle = value_of(outer.get_actor("inner"));
    send_exit(handle, caf::exit_reason::kill);
    REQUIRE(r.env.log->await("up a", round + 1));
    REQUIRE(r.env.log->await("up b", round + 1));
    REQUIRE(r.env.eventually([&] {
      auto next = outer.get_actor("inner");
      return next && *next != handle
             && r.tab->count_children() == child_counts{2, 2, 0, 2};
    }));
  }
  CHECK(r.env.log->count("up a") == 21);
}

TEST_CASE("a child that is not ready yet does not live twice",
          "[ets_failover]") {
  rig r{true};
  auto door = std::make_shared<gate>();
  auto log = r.env.log;
  auto spec = r.lasting("a");
  spec.start = [door, log](start_context& ctx) -> start_result {
    log->add("up a");
    return start_result::starting(ctx.system().spawn<caf::detached>(
      [door, log](caf::event_based_actor* self) -> caf::behavior {
        self->attach_functor([log] { log->add("down a"); });
        return {[door, log](ready_atom) {
          log->add("getting ready");
          door->pass();
        }};
      }));
  };
  auto one = r.start("one");
  auto request = std::async(std::launch::async,
                            [&] { return error_of(one.start_child(spec)); });
  REQUIRE(log->await("getting ready"));
  auto two = r.start("two");
  r.kill(one);
  CHECK(request.get());
  // The table knows the actor and waits for its end.
  CHECK(!two.await_ready());
  CHECK(log->count("up a") == 1);
  door->open();
  REQUIRE(log->await("down a"));
  CHECK(log->await("up a", 2));
  CHECK(r.runs("a", two));
}

TEST_CASE("a sink that throws does not harm a table", "[ets_failover]") {
  world env;
  auto reported = std::make_shared<journal>();
  ets::table_options options;
  options.kill_grace = 50ms;
  options.sink = [reported](const report&) {
    reported->add("report");
    throw std::runtime_error{"sink"};
  };
  auto tab = value_of(ets::open(*env.sys, "test", options));
  auto door = std::make_shared<gate>();
  auto spec = env.worker("a");
  spec.start = [door, reported](start_context& ctx) -> start_result {
    return ctx.system().spawn<caf::detached>(
      [door, reported](caf::event_based_actor*) -> caf::behavior {
        return {[door, reported](block_atom) {
          reported->add("blocked");
          door->pass();
        }};
      });
  };
  auto opts = env.options("one");
  opts.table = tab;
  auto one = env.start({spec}, opts);
  send(value_of(tab->get_actor("a")), block_atom_v);
  REQUIRE(reported->await("blocked"));
  send_exit(as_actor(one.handle()), caf::exit_reason::kill);
  REQUIRE(reported->await("report"));
  door->open();
  CHECK(env.eventually([&] { return tab->size() == 0; }));
  CHECK(tab->handle());
}

TEST_CASE("the end of the actor behind a table closes the table",
          "[ets_failover]") {
  rig r{true};
  auto one = r.start("one", {r.lasting("a")});
  send_exit(as_actor(r.tab->handle()), caf::exit_reason::kill);
  CHECK(end_of(one) == errc::table_closed);
  CHECK(!r.tab->handle());
  CHECK(value_of(ets::open(*r.env.sys, "test")) != r.tab);
}
