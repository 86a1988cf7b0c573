// Tables of several nodes: who takes over what from nodes and directors that
// leave, end or die.

#include "net_fixture.hpp"
#include "ports.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <director/test/internal/checks.hpp>
#include <future>
#include <mutex>
#include <thread>

using namespace net_fixture;

namespace {

/// A node whose director has died, and whose child 1 cannot end yet.
struct node_with_hung_orphan : node {
  node_with_hung_orphan() : node{"a", {}, false} {
    auto how = director_options_of_node();
    how.catalog.add_start("hung", [log = env.log,
                                   door = door](start_context& ctx) {
      return start_result{ctx.system().spawn<caf::detached>(
        [log, door](caf::event_based_actor*) -> caf::behavior {
          return {[log, door](block_atom) {
            log->add("hangs");
            door->pass();
          }};
        })};
    });
    auto spec = worker(1);
    spec.start = "hung";
    auto director = env.start({}, how);
    send(value_of(director.start_child(spec)).handle, block_atom_v);
    REQUIRE(env.log->await("hangs"));
    send_exit(as_actor(director.handle()), caf::exit_reason::kill);
    REQUIRE(env.eventually([&] { return !tab->find(1)->owner; }));
  }

  ~node_with_hung_orphan() {
    door->open();
  }

  std::shared_ptr<fixture::gate> door = std::make_shared<fixture::gate>();
};

} // namespace

TEST_CASE("a node that leaves hands its children to others", "[net]") {
  node a{"a"};
  node b{"b", near(a)};
  value_of(b.dir->start_children({worker(1), worker(2), worker(3, false)}));
  CHECK(a.env.eventually([&] {
    auto nodes = a.tab->nodes();
    return nodes.size() == 2 && nodes[1].children == 3;
  }));
  CHECK(!b.tab->leave());
  CHECK(a.env.eventually([&] {
    return asked(a, 1) == "a" && asked(a, 2) == "a" && !a.tab->find(3);
  }));
  CHECK(value_of(a.tab->get_restart_count(1)) == 1);
  CHECK(a.env.eventually([&] { return a.tab->nodes().size() == 1; }));
  CHECK(end_of(*b.dir) == errc::table_closed);
  CHECK(!b.tab->leave());
  CHECK(b.env.log->count("down 1") == 1);
  CHECK(a.env.log->count("up 1") == 1);
}

TEST_CASE("a node leaves when its last child has ended", "[net]") {
  node a{"a"};
  node b{"b", near(a)};
  auto spec = worker(1, false);
  spec.start = "stubborn";
  spec.terminate_timeout = patience;
  auto child = value_of(b.dir->start_child(spec)).handle;
  auto left = std::async(std::launch::async, [&] { return b.tab->leave(); });
  CHECK(b.env.log->await("asked"));
  CHECK(left.wait_for(300ms) == std::future_status::timeout);
  CHECK(a.tab->find(1));
  send(child, crash_atom_v);
  CHECK(!left.get());
  CHECK(a.env.eventually([&] { return !a.tab->find(1); }));
}

TEST_CASE("a node with many children leaves in order", "[net]") {
  node a{"a"};
  node b{"b", near(a)};
  std::vector<child_spec> specs;
  for (int i = 0; i < 2'000; ++i)
    specs.push_back(worker(i, false));
  value_of(b.dir->start_children(specs));
  CHECK(!b.tab->leave());
  CHECK(a.env.eventually([&] { return a.tab->size() == 0; }));
}

TEST_CASE("children that do not end are told of", "[net]") {
  node a{"a"};
  auto spec = worker(1, GENERATE(true, false));
  spec.start = "stubborn";
  spec.terminate_timeout = patience;
  auto child = value_of(a.dir->start_child(spec)).handle;
  CHECK(a.tab->leave(10ms) == errc::unresponsive);
  send(child, crash_atom_v);
}

TEST_CASE("children that others may start are killed when time is up",
          "[net]") {
  node a{"a"};
  node b{"b", near(a)};
  auto spec = worker(1);
  spec.start = "stubborn";
  spec.terminate_timeout = caf::infinite;
  auto child = value_of(b.dir->start_child(spec)).handle;
  SECTION("leave") {
    CHECK(b.tab->leave(100ms) == errc::unresponsive);
    CHECK(b.env.log->count("asked") == 1);
  }
  SECTION("close") {
    b.tab->close();
  }
  CHECK(end_of(child) == caf::exit_reason::kill);
  caf::actor next;
  CHECK(a.env.eventually([&] {
    if (auto x = a.tab->get_actor(1))
      next = *x;
    return next && next.node() == a.env.sys->node();
  }));
  a.tab->close();
  send(next, crash_atom_v);
}

TEST_CASE("a director that dies leaves its children to another node", "[net]") {
  node a{"a"};
  node b{"b", near(a)};
  value_of(b.dir->start_children({worker(1), worker(2, false)}));
  send_exit(as_actor(b.dir->handle()), caf::exit_reason::kill);
  CHECK(a.env.eventually([&] { return asked(a, 1) == "a"; }));
  CHECK(a.env.eventually([&] { return !a.tab->find(2); }));
  CHECK(a.env.eventually([&] { return asked(b, 1) == "a"; }));
}

TEST_CASE("a director restarted at once gets its many children back", "[net]") {
  node a{"a"};
  auto options = a.director_options_of_node();
  options.name = "inner";
  std::vector<child_spec> children;
  for (int64_t i = 0; i < 500; ++i)
    children.push_back(worker(i, i % 2 == 0));
  child_spec inner;
  inner.id = "inner";
  inner.type = child_type::supervisor;
  inner.plan = plans::permanent();
  inner.start = nested(fixed({.children = children}), options);
  auto outer = a.env.start({inner});
  for (int round = 0; round < 20; ++round) {
    auto handle = value_of(outer.get_actor("inner"));
    send_exit(handle, caf::exit_reason::kill);
    REQUIRE(a.env.eventually([&] {
      auto next = outer.get_actor("inner");
      auto counts = a.tab->count_children();
      return next && *next != handle && counts.specs == 500
             && counts.active == 500;
    }));
  }
  CHECK(value_of(outer.get_restart_count("inner")) == 20);
  // All nodes know, this one included.
  CHECK(a.env.eventually([&] { return a.tab->nodes()[0].children == 500; }));
}

TEST_CASE("nobody waits for a child of another node that does not end",
          "[net]") {
  node_with_hung_orphan a;
  node b{"b", near(a)};
  auto start = std::chrono::steady_clock::now();
  CHECK(error_of(b.dir->start_child(worker(1))) == errc::already_present);
  auto time = std::chrono::steady_clock::now() - start;
  CHECK(time < b.options.claim_timeout);
}

TEST_CASE("a child that is declined too late is not forgotten", "[net]") {
  node_with_hung_orphan a;
  auto self = a.env.sys->spawn(
    [](caf::event_based_actor*) { return caf::behavior{[](int) {}}; });
  test::internal::client who{self};
  REQUIRE_FALSE(a.tab->attach(who));
  a.tab->declined(who, 1);
  // Heard after that.
  a.dir = a.env.start({}, a.director_options_of_node());
  value_of(a.dir->start_child(worker(2)));
  auto x = a.tab->find(1);
  REQUIRE(x);
  CHECK(x->handle);
  CHECK(x->status == child_status::terminating);
  a.tab->detach(who);
  send_exit(self, caf::exit_reason::user_shutdown);
}

TEST_CASE("records of a director that ends in order stay", "[net]") {
  node a{"a"};
  node b{"b", near(a)};
  value_of(b.dir->start_children({worker(1), worker(2, false)}));
  CHECK(!b.dir->stop());
  CHECK(a.env.eventually([&] {
    return error_of(a.tab->get_actor(1)) == errc::undefined && !a.tab->find(2);
  }));
  CHECK(a.tab->node_of(1) == 0);
  // Whoever wants it may have it.
  CHECK(value_of(a.dir->restart_child(1)).handle);
  CHECK(b.env.eventually([&] { return asked(b, 1) == "a"; }));
  CHECK(value_of(b.tab->get_restart_count(1)) == 1);
}

TEST_CASE("a child goes to a node that knows its functions", "[net]") {
  node a{"a"};
  node b{"b", near(a)};
  node c{"c", near(a)};
  auto spec = worker(1);
  auto first = spec;
  first.start = "only c";
  // Both are known to c; a and b know only their own.
  value_of(c.dir->start_child(first));
  // No time for its child to end.
  CHECK(c.tab->leave(0s) == errc::unresponsive);
  // Nobody can start it: reported by both, and it waits.
  CHECK(a.env.log->await("'only c' is not in the catalog"));
  CHECK(b.env.log->await("'only c' is not in the catalog"));
  for (auto* x : {&a, &b})
    CHECK(x->env.eventually([&] {
      auto now = x->tab->find(1);
      return now && !now->owner && now->status == child_status::restarting;
    }));
  node d{"c", near(a)};
  CHECK(d.env.eventually([&] { return asked(a, 1) == "c"; }));
}

TEST_CASE("any director of a node may know the functions of a child", "[net]") {
  node a{"a"};
  // Has more children than the other one, which is asked first.
  auto options = a.director_options_of_node();
  options.name = "second";
  options.catalog.add_start("only c", [](start_context& ctx) {
    return ctx.spawn([](caf::event_based_actor*) {
      return caf::behavior{[](count_atom) { return std::string{"second"}; }};
    });
  });
  auto second = a.env.start({}, options);
  value_of(second.start_children({worker(1), worker(2)}));
  node c{"c", near(a)};
  auto spec = worker(3);
  spec.start = "only c";
  value_of(c.dir->start_child(spec));
  CHECK(!c.tab->leave());
  CHECK(a.env.eventually([&] { return asked(a, 3) == "second"; }));
  CHECK(a.env.log->count("'only c' is not in the catalog") == 1);
}

TEST_CASE("a director that comes later may know the functions of a child",
          "[net]") {
  node a{"a"};
  node b{"b", near(a)};
  node c{"c", near(a)};
  auto spec = worker(1);
  spec.start = "only c";
  value_of(c.dir->start_child(spec));
  CHECK(!c.tab->leave());
  CHECK(a.env.log->await("'only c' is not in the catalog"));
  CHECK(b.env.log->await("'only c' is not in the catalog"));
  auto options = b.director_options_of_node();
  options.name = "later";
  options.catalog.add_start("only c", [](start_context& ctx) {
    return ctx.spawn([](caf::event_based_actor*) {
      return caf::behavior{[](count_atom) { return std::string{"later"}; }};
    });
  });
  b.env.start({}, options);
  CHECK(b.env.eventually([&] { return asked(a, 1) == "later"; }));
}

TEST_CASE("children spread over nodes on request", "[net]") {
  node a{"a"};
  std::vector<child_spec> specs;
  for (int i = 0; i < 30; ++i)
    specs.push_back(worker(i));
  value_of(a.dir->start_children(specs));
  node b{"b", near(a)};
  node c{"c", near(b)};
  CHECK(c.tab->size() == 30);
  CHECK(a.env.eventually([&] { return a.tab->nodes().size() == 3; }));
  auto children = [](node& x) {
    for (auto& y : x.tab->nodes())
      if (y.self)
        return y.children;
    return size_t{0};
  };
  CHECK(children(b) == 0);
  // All must know that all have directors.
  for (auto* x : {&a, &b, &c}) {
    CHECK(a.env.eventually([&] {
      auto nodes = x->tab->nodes();
      return nodes.size() == 3
             && std::ranges::all_of(nodes, [](auto& y) { return y.open; });
    }));
  }
  c.tab->rebalance();
  CHECK(a.env.eventually([&] {
    return children(a) == 10 && children(b) == 10 && children(c) == 10;
  }));
  CHECK(a.env.eventually([&] { return a.tab->count_children().active == 30; }));
  size_t moved = 0;
  for (auto& x : a.tab->which_children())
    moved += x.restart_count;
  CHECK(moved == 20);
}

TEST_CASE("a closed table ends its directors", "[net]") {
  node a{"a"};
  value_of(a.dir->start_child(worker(1)));
  a.tab->close();
  CHECK(end_of(*a.dir) == errc::table_closed);
  CHECK(!a.tab->leave());
}

TEST_CASE("an actor system may end while its nodes connect", "[net]") {
  for (int i = 0; i < 50; ++i) {
    world env{
      [](caf::actor_system_config& cfg) { cfg.load<caf::io::middleman>(); }};
    for (auto* name : {"one", "two", "three"}) {
      net::options options;
      options.table = name;
      options.alone_after = 1ms;
      options.heartbeat = 10ms;
      options.sink = nullptr;
      // Nobody listens there.
      options.seeds = {{"127.0.0.1", 1}, {"127.0.0.1", 2}};
      value_of(net::join(*env.sys, options));
    }
  }
}

TEST_CASE("tables go with their actor systems, though nobody closes them",
          "[net]") {
  auto load = [](caf::actor_system_config& cfg) {
    cfg.load<caf::io::middleman>();
  };
  // All parts of a table have its sink.
  std::vector<std::weak_ptr<gate>> sinks;
  auto busy = false;
  auto join = [&](world& env, net::options options) {
    options.alone_after = options.seeds.empty() ? 0ms : patience;
    auto way = std::make_shared<gate>();
    sinks.push_back(way);
    if (!busy)
      way->open();
    options.sink = [way, log = env.log](const report& x) {
      log->add(to_string(x));
      way->pass();
    };
    return value_of(net::join(*env.sys, std::move(options)))->where();
  };
  SECTION("alone") {
    for (int i = 0; i < 20; ++i) {
      world env{load};
      // What would be left is the last of many timers, at the wrong moment.
      for (int k = 0; k < 10; ++k)
        join(env, {.table = std::to_string(k), .heartbeat = 300us});
    }
  }
  SECTION("connected") {
    for (int i = 0; i < 20; ++i) {
      world first{load};
      world second{load};
      auto seed = join(first, {.table = "test"});
      join(second, {.table = "test", .seeds = {seed}});
    }
  }
  SECTION("while the actor behind the table is busy") {
    busy = true;
    for (int i = 0; i < 10; ++i) {
      std::promise<void> ended;
      std::future<void> opener;
      {
        world env{load};
        join(env, {.table = "test"});
        provoke_report(env);
        opener = in_background(
          [way = sinks.back().lock(), end = ended.get_future()] {
            // What ends without waiting for that actor does so.
            end.wait_for(50ms);
            way->open();
          });
      }
      ended.set_value();
      opener.get();
    }
  }
  auto left = std::ranges::count_if(sinks,
                                    [](auto& x) { return !x.expired(); });
  CHECK(left == 0);
}

TEST_CASE("nodes hear each other though the scheduler of one is busy",
          "[net]") {
  auto load = [](caf::actor_system_config& cfg) {
    cfg.load<caf::io::middleman>();
    cfg.set("caf.middleman.workers", 0);
  };
  std::mutex gate;
  world first{load};
  world second{load};
  auto join = [&](world& env, net::options options) {
    options.heartbeat = 50ms;
    options.suspicion = 1s;
    options.alone_after = options.seeds.empty() ? 0ms : patience;
    options.sink = nullptr;
    return value_of(net::join(*env.sys, std::move(options)));
  };
  auto a = join(first, {.table = "test"});
  auto b = join(second, {.table = "test", .seeds = {a->where()}});
  auto all_are = [&](auto fits) {
    return std::ranges::all_of(std::array{a, b}, [&](auto& x) {
      auto nodes = x->nodes();
      return nodes.size() == 2
             && std::ranges::all_of(nodes, fits, &net::node_info::state);
    });
  };
  REQUIRE(first.eventually(
    [&] { return all_are([](auto x) { return x == net::node_state::up; }); }));
  // A busy machine may make one suspect.
  auto together = [&] {
    return all_are([](auto x) { return x != net::node_state::down; });
  };
  std::lock_guard guard{gate};
  for (size_t i = 1; i <= 2; ++i) {
    first.sys->spawn([&gate, log = first.log](caf::event_based_actor*) {
      log->add("busy");
      std::lock_guard until_open{gate};
    });
    REQUIRE(first.log->await("busy", i));
  }
  auto end = std::chrono::steady_clock::now() + 3s;
  while (together() && std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(10ms);
  CHECK(together());
}

TEST_CASE("a paused node ends its children though their director is busy",
          "[net]") {
  net::options how;
  how.partitions = net::partition_mode::pause_minority;
  how.expected_nodes = 2;
  how.suspicion = 3s;
  how.listen.port = free_port();
  // Neither is a majority alone.
  auto first
    = in_background([how] { return std::make_unique<node>("a", how, false); });
  how.seeds = {{how.listen.host, how.listen.port}};
  how.listen.port = 0;
  node b{"b", how};
  auto a = first.get();
  REQUIRE(!a->err);
  REQUIRE(!b.err);
  auto log = a->env.log;
  std::mutex gate;
  auto options = a->director_options_of_node();
  options.catalog.add_start("busy", [&](start_context&) {
    log->add("busy");
    std::lock_guard guard{gate};
    return start_result::declined();
  });
  a->dir = a->env.start({}, options);
  value_of(a->dir->start_child(worker(1)));
  auto slow = worker(2);
  slow.start = "busy";
  std::future<caf::expected<started>> starter;
  {
    std::lock_guard guard{gate};
    starter = in_background([&] { return a->dir->start_child(slow); });
    REQUIRE(log->await("busy"));
    b.tab->close();
    CHECK(log->await("down 1"));
    CHECK(a->tab->find(1)->owner);
  }
  std::ignore = starter.get();
  CHECK(a->env.eventually([&] { return !a->tab->find(1)->owner; }));
  CHECK(error_of(a->tab->get_actor(1)) == errc::restarting);
  CHECK(log->count("up 1") == 1);
}

TEST_CASE("others take over from a table that is closed", "[net]") {
  node a{"a"};
  node b{"b", near(a)};
  value_of(b.dir->start_children({worker(1), worker(2)}));
  {
    // Its directors end before the others hear of it.
    auto guard = hold_up(b);
    b.tab->close();
    CHECK(end_of(*b.dir) == errc::table_closed);
  }
  CHECK(a.env.eventually([&] { //
    return asked(a, 1) == "a" && asked(a, 2) == "a";
  }));
}
