// Tables of several nodes: joining, reading, writing, what travels.

#include "net_fixture.hpp"
#include "ports.hpp"

#include <caf/telemetry/metric_registry.hpp>

#include <algorithm>
#include <array>
#include <director/net/internal/basp.hpp>
#include <director/test/table_suite.hpp>
#include <map>

using namespace net_fixture;

TEST_CASE("the table of a cluster conforms", "[net]") {
  world env{
    [](caf::actor_system_config& cfg) { cfg.load<caf::io::middleman>(); }};
  int next = 0;
  auto make = [&]() -> table_ptr {
    net::options options;
    options.table = std::to_string(++next);
    options.sink = nullptr;
    auto result = value_of(net::join(*env.sys, options));
    // Nobody else closes them.
    return {result.get(), [result](director::table*) { result->close(); }};
  };
  std::string failures;
  for (auto& failure : director::test::check_table(
         *env.sys, make, {.concurrent = true, .runs = 10, .rounds = 50}))
    failures += failure + "\n";
  CHECK(failures == "");
}

TEST_CASE("options are checked", "[net]") {
  world env{
    [](caf::actor_system_config& cfg) { cfg.load<caf::io::middleman>(); }};
  net::options good;
  good.table = "t";
  CHECK(complaint(good) == "");
  auto complains = [&](const std::function<void(net::options&)>& change) {
    auto bad = good;
    change(bad);
    auto text = complaint(bad);
    CHECK(error_of(net::join(*env.sys, bad)) == caf::sec::invalid_argument);
    return text;
  };
  CHECK(contains(complains([](auto& x) { x.table = ""; }), "name"));
  for (auto* host : {"0.0.0.0", "127.example.org", "127.0.0.1.example.org"})
    CHECK(contains(complains([&](auto& x) { x.listen.host = host; }),
                   "allow_plaintext"));
  for (auto* host : {"0.0.0.0", "::", ""})
    CHECK(contains(complains([&](auto& x) {
                     x.listen.host = host;
                     x.allow_plaintext = true;
                   }),
                   "advertise"));
  for (auto* host : {"0.0.0.0", "::"})
    CHECK(
      contains(complains([&](auto& x) { x.advertise = host; }), "advertise"));
  CHECK(contains(complains([](auto& x) {
                   x.partitions = net::partition_mode::pause_minority;
                 }),
                 "expected"));
  CHECK(contains(complains([](auto& x) { x.heartbeat = 0s; }), "heartbeat"));
  CHECK(contains(complains([](auto& x) { x.suspicion = 300ms; }), "suspicion"));
  CHECK(contains(complains([](auto& x) { x.pause_grace = -1s; }), "grace"));
  CHECK(contains(complains([](auto& x) { x.claim_timeout = 2s; }), "claim"));
  CHECK(contains(complains([](auto& x) {
                   x.partitions = net::partition_mode::pause_minority;
                   x.expected_nodes = 3;
                   x.claim_timeout = 3200ms;
                 }),
                 "claim"));
  for (auto field : {&net::options::heartbeat, &net::options::suspicion,
                     &net::options::pause_grace, &net::options::claim_timeout})
    CHECK(contains(complains([&](auto& x) { x.*field = caf::infinite; }),
                   "longer than a year"));
  auto with_tls = good;
  with_tls.tls = true;
  CHECK(error_of(net::join(*env.sys, with_tls)) == caf::sec::invalid_argument);
  world bare;
  CHECK(error_of(net::join(*bare.sys, good)) == caf::sec::invalid_argument);
  // CAF would listen to everybody.
  world open{[](caf::actor_system_config& cfg) {
    cfg.load<caf::io::middleman>();
    cfg.set("caf.middleman.enable-automatic-connections", true);
  }};
  CHECK(error_of(net::join(*open.sys, good)) == caf::sec::invalid_argument);
  good.allow_plaintext = true;
  value_of(net::join(*open.sys, good))->close();
}

TEST_CASE("listening to everybody without TLS is warned of", "[net]") {
  net::options how;
  // An address that no machine has, so that nobody does reach it.
  how.listen.host = "192.0.2.1";
  how.allow_plaintext = true;
  node a{"a", how};
  CHECK(a.err == caf::sec::cannot_open_port);
  CHECK(a.env.log->count("listens on '192.0.2.1' without TLS") == 1);
  node b{"b"};
  CHECK(b.env.log->count("without TLS") == 0);
}

TEST_CASE("a process joins a table once", "[net]") {
  node a{"a"};
  CHECK(error_of(net::join(*a.env.sys, a.options)) == errc::name_taken);
  CHECK(!a.tab->leave());
  a.tab = value_of(net::join(*a.env.sys, a.options));
}

TEST_CASE("nodes share a table", "[net]") {
  node a{"a"};
  node b{"b", near(a)};
  REQUIRE(!b.err);
  CHECK(value_of(a.dir->start_child(worker(1))).handle);
  CHECK(value_of(b.dir->start_child(worker("two"))).handle);
  // What has been acknowledged is known everywhere.
  CHECK(asked(b, 1) == "a");
  CHECK(asked(a, "two") == "b");
  CHECK(a.tab->count_children().active == 2);
  CHECK(b.tab->count_children().active == 2);
  auto err = error_of(b.dir->start_child(worker(1)));
  CHECK(err == errc::already_started);
  CHECK(ask(b, handle_of(err)) == "a");
  CHECK(a.tab->node_of(1) == b.tab->node_of(1));
  CHECK(a.tab->node_of(1) != a.tab->node_of("two"));
  CHECK(a.tab->node_of(3) == 0);
  // Only its own director may end a child.
  CHECK(b.dir->terminate_child(1) == errc::not_parent);
  CHECK(!a.dir->terminate_and_delete_child(1));
  CHECK(a.env.eventually([&] { return !b.tab->find(1); }));
  auto text = to_string(*a.tab);
  CHECK(contains(text, "two  worker  running, 0 restarts, on b"));
  auto nodes = b.tab->nodes();
  REQUIRE(nodes.size() == 2);
  CHECK(nodes[0].name == "a");
  CHECK(nodes[1].self);
}

TEST_CASE("starts that have been answered are known everywhere", "[net]") {
  node a{"a"};
  node b{"b", near(a)};
  value_of(a.dir->start_child(worker(1)));
  for (int i = 0; i < 20; ++i) {
    CHECK(asked(b, 1) == "a");
    CHECK(!a.dir->terminate_child(1));
    CHECK(value_of(a.dir->restart_child(1)).handle);
  }
}

TEST_CASE("a restart is seen everywhere", "[net]") {
  node a{"a"};
  node b{"b", near(a)};
  value_of(a.dir->start_child(worker(1)));
  auto before = value_of(b.tab->get_actor(1));
  send(before, crash_atom_v);
  CHECK(b.env.eventually([&] {
    auto now = b.tab->get_actor(1);
    return now && *now != before;
  }));
  CHECK(value_of(b.tab->get_restart_count(1)) == 1);
  CHECK(asked(b, 1) == "a");
  CHECK(b.env.gone(before));
}

TEST_CASE("a connection that comes back brings new handles", "[net]") {
  net::options how;
  how.suspicion = 4s;
  node a{"a", how};
  how.seeds = {a.where()};
  node b{"b", how};
  value_of(b.dir->start_child(worker(1)));
  REQUIRE(asked(a, 1) == "b");
  auto before = value_of(a.tab->get_actor(1));
  net::internal::basp{*a.env.sys}.disconnect(b.env.sys->node());
  CHECK(a.env.gone(before));
  // Once as news, once more when its second copy has arrived.
  auto port = std::to_string(b.where().port);
  REQUIRE(a.env.log->await("node 'b' at 127.0.0.1:" + port + " is up", 2));
  CHECK(asked(a, 1) == "b");
  CHECK(is_alive(a.tab->get_actors().at(0).handle));
  auto err = error_of(a.dir->start_child(worker(1)));
  REQUIRE(err == errc::already_started);
  CHECK(ask(a, handle_of(err)) == "b");
  CHECK(get_trees(*a.env.sys, *a.tab, patience).size() == 1);
  auto record = a.tab->find(1);
  REQUIRE(record);
  CHECK(is_alive(caf::actor_cast<caf::actor>(record->owner)));
  CHECK(value_of(a.tab->get_restart_count(1)) == 0);
}

TEST_CASE("a copy does not keep the directors of other nodes", "[net]") {
  node a{"a"};
  node b{"b", near(a)};
  caf::weak_actor_ptr proxy;
  {
    auto second = b.env.start({}, b.director_options_of_node());
    value_of(second.start_child(worker(1)));
    proxy = caf::actor_cast<caf::weak_actor_ptr>(a.tab->find(1)->owner);
    CHECK(caf::actor_cast<caf::strong_actor_ptr>(proxy));
    CHECK(!second.stop());
  }
  CHECK(a.env.eventually(
    [&] { return !caf::actor_cast<caf::strong_actor_ptr>(proxy); }));
}

TEST_CASE("subscribers hear of children of other nodes", "[net]") {
  node a{"a"};
  node b{"b", near(a)};
  auto log = b.env.log;
  auto listener = b.env.sys->spawn([log](caf::event_based_actor*) {
    return caf::behavior{[log](const std::vector<ets::change>& xs) {
      for (auto& x : xs)
        log->add(to_string(x.kind) + " " + to_string(x.id)
                 + (x.handle ? " with handle" : ""));
    }};
  });
  b.tab->subscribe(listener);
  value_of(a.dir->start_child(worker(1)));
  CHECK(log->await("started 1 with handle"));
  send(value_of(b.tab->get_actor(1)), crash_atom_v);
  CHECK(log->await("exited 1 with handle"));
  CHECK(log->await("started 1 with handle", 2));
  CHECK(!a.dir->terminate_and_delete_child(1));
  CHECK(log->await("deleted 1"));
}

TEST_CASE("subscribers hear of the end of children nobody has asked for",
          "[net]") {
  node a{"a"};
  node b{"b", near(a)};
  value_of(a.dir->start_child(worker(1)));
  REQUIRE(
    b.env.eventually([&] { return b.tab->count_children().active == 1; }));
  auto log = b.env.log;
  auto listener = b.env.sys->spawn([log](caf::event_based_actor*) {
    return caf::behavior{[log](const std::vector<ets::change>& xs) {
      for (auto& x : xs)
        log->add(to_string(x.kind) + " " + to_string(x.id)
                 + (x.handle ? " with handle" : ""));
    }};
  });
  b.tab->subscribe(listener);
  send(value_of(a.tab->get_actor(1)), crash_atom_v);
  CHECK(log->await("exited 1 with handle"));
}

TEST_CASE("callables do not travel", "[net]") {
  node a{"a"};
  auto spec = a.env.worker(1);
  auto err = error_of(a.dir->start_child(spec));
  CHECK(err == errc::invalid_child_spec);
  CHECK(field_of(err) == "start");
  spec = worker(1);
  spec.plan = [](exit_info&) { return verdict::restart(); };
  CHECK(field_of(error_of(a.dir->start_child(spec))) == "plan");
  spec = worker(1);
  spec.log_filter = [](report&) { return report_detail::none; };
  CHECK(field_of(error_of(a.dir->start_child(spec))) == "log_filter");
  CHECK(!a.tab->find(1));
  // Nor do changes.
  value_of(a.dir->start_child(worker(2)));
  CHECK(field_of(a.dir->change_plan(2, plan_function{[](exit_info&) {
                                      return verdict::restart();
                                    }}))
        == "plan");
  // Among many, it concerns only the one.
  auto outcomes
    = value_of(a.dir->start_children({worker(3), a.env.worker(4), worker(5)}));
  CHECK(!outcomes[0].err);
  CHECK(outcomes[1].err == errc::invalid_child_spec);
  CHECK(!outcomes[2].err);
}

TEST_CASE("values that cannot be sent do not travel", "[net]") {
  init_types();
  node a{"a", {}, false};
  auto options = a.director_options_of_node();
  options.catalog.add_start("secretive", [log = a.env.log](start_context& ctx) {
    auto child = ctx.spawn([log](caf::event_based_actor* self) {
      self->attach_functor([log] { log->add("down 2"); });
      return caf::behavior{[](count_atom) {}};
    });
    return start_result{child, caf::make_message(secret{})};
  });
  a.dir = a.env.start({}, options);
  node b{"b", near(a)};
  auto refused = [&](const child_spec& spec) {
    auto err = error_of(a.dir->start_child(spec));
    CHECK(err == errc::invalid_child_spec);
    CHECK(!a.tab->find(spec.id));
    return field_of(err);
  };
  auto spec = worker(1);
  spec.args = caf::make_message(secret{});
  CHECK(refused(spec) == "args");
  spec = worker(1);
  spec.state = caf::make_message(secret{});
  CHECK(refused(spec) == "state");
  CHECK(a.env.log->count("up 1") == 0);
  spec = worker(2);
  spec.start = "secretive";
  CHECK(refused(spec) == "extra");
  CHECK(a.env.log->await("down 2"));
  // Neither among many, nor in a change.
  auto many = std::vector{worker(3), worker(4), worker(5)};
  many[1].args = caf::make_message(secret{});
  auto outcomes = value_of(a.dir->start_children(many));
  CHECK(!outcomes[0].err);
  CHECK(field_of(outcomes[1].err) == "args");
  CHECK(!outcomes[2].err);
  many = {worker(9), worker(10), worker(11)};
  many[1].start = "secretive";
  outcomes = value_of(a.dir->start_children(many));
  CHECK(!outcomes[0].err);
  CHECK(field_of(outcomes[1].err) == "extra");
  CHECK(!a.tab->find(10));
  CHECK(!outcomes[2].err);
  child_spec shared = worker(6);
  shared.state = caf::make_message(secret{});
  CHECK(!a.dir->change_default_child_spec(shared));
  child_spec own;
  own.id = 7;
  own.append = true;
  CHECK(refused(own) == "state");
  // The others hear of everything else.
  CHECK(value_of(a.dir->start_child(worker(8))).handle);
  CHECK(asked(b, 3) == "a");
  CHECK(asked(b, 8) == "a");
  CHECK(asked(b, 11) == "a");
}

TEST_CASE("a callable sent to a director of another node is refused", "[net]") {
  node a{"a"};
  node b{"b", near(a)};
  value_of(a.dir->start_child(worker(1)));
  auto owner = b.tab->find(1)->owner;
  client far{*b.env.sys,
             caf::actor_cast<director_actor>(
               caf::actor_cast<caf::strong_actor_ptr>(owner)),
             patience};
  auto err = error_of(far.start_child(b.env.worker(2)));
  CHECK(err == errc::invalid_child_spec);
  CHECK(field_of(err) == "start");
  CHECK(value_of(far.start_child(worker(2))).handle);
  CHECK(asked(b, 2) == "a");
}

TEST_CASE("a child with values that a node does not know does not hold it up",
          "[net]") {
  init_types();
  node a{"a"};
  node b{"b", near(a)};
  value_of(b.dir->start_child(worker(1)));
  auto spec = worker(2);
  spec.state = caf::make_message(riddle{});
  auto outcomes = value_of(a.dir->start_children({worker(3), spec, worker(4)}));
  for (auto& x : outcomes)
    CHECK(!x.err);
  CHECK(b.env.log->await("child '2' has values of types"));
  // Who joins gets it from either of them.
  node c{"c", near(b)};
  CHECK(c.env.log->await("child '2' has values of types"));
  for (auto* x : {&b, &c}) {
    CHECK(asked(*x, 2) == "a");
    CHECK(asked(*x, 4) == "a");
    auto seen = value_of(x->tab->get_child_spec(2));
    CHECK(seen.start.name() == "worker");
    CHECK(seen.state.empty());
  }
  CHECK(!b.tab->leave());
  CHECK(c.env.eventually([&] { return asked(c, 1) != "b"; }));
  // It can run nowhere else, and waits.
  CHECK(!a.tab->leave());
  CHECK(c.env.eventually([&] { //
    return asked(c, 3) == "c" && asked(c, 4) == "c";
  }));
  CHECK(c.env.log->count("up 2") == 0);
  CHECK(error_of(c.dir->restart_child(2)) == errc::unreadable);
  CHECK(c.dir->delete_child(2) == errc::unreadable);
}

TEST_CASE("nodes of another cluster or table are turned away", "[net]") {
  node a{"a"};
  auto how = near(a);
  how.cluster = "elsewhere";
  node b{"b", how};
  CHECK(b.err == errc::join_refused);
  CHECK(contains(to_string(b.err), "elsewhere"));
  CHECK(a.env.log->await("belongs to cluster 'elsewhere'"));
}

TEST_CASE("one seed of another cluster does not keep a node from joining",
          "[net]") {
  net::options how;
  how.cluster = "elsewhere";
  node stranger{"stranger", how};
  node a{"a"};
  how = near(stranger);
  how.seeds.push_back(a.where());
  node b{"b", how};
  CHECK(!b.err);
  REQUIRE(b.tab);
  CHECK(b.env.log->await("refused by another node"));
}

TEST_CASE("a join that has failed leaves nothing behind", "[net]") {
  node a{"a"};
  world env{
    [](caf::actor_system_config& cfg) { cfg.load<caf::io::middleman>(); }};
  auto how = near(a);
  how.table = "test";
  how.heartbeat = 50ms;
  how.suspicion = 500ms;
  how.listen.port = free_port();
  how.sink = nullptr;
  for (int i = 0; i < 2; ++i) {
    how.cluster = "elsewhere";
    how.seeds.resize(1);
    how.alone_after = patience;
    CHECK(error_of(net::join(*env.sys, how)) == errc::join_refused);
    // Nobody listens at the second one.
    how.seeds.emplace_back("127.0.0.1", 1);
    how.alone_after = 2s;
    CHECK(error_of(net::join(*env.sys, how)) == errc::join_refused);
    how.cluster = a.options.cluster;
    auto tab = value_of(net::join(*env.sys, how));
    CHECK(!tab->leave());
  }
}

TEST_CASE("a node that starts alone though it has seeds says so", "[net]") {
  world env{
    [](caf::actor_system_config& cfg) { cfg.load<caf::io::middleman>(); }};
  net::options how;
  how.table = "test";
  how.alone_after = 0ms;
  how.sink = [log = env.log](const report& x) { log->add(to_string(x)); };
  value_of(net::join(*env.sys, how))->close();
  CHECK(env.log->count("starts alone") == 0);
  how.table = "other";
  how.seeds = {{"127.0.0.1", 1}};
  value_of(net::join(*env.sys, how))->close();
  CHECK(env.log->count("starts alone") == 1);
}

TEST_CASE("nodes with other settings are turned away", "[net]") {
  node a{"a"};
  auto how = near(a);
  SECTION("partition mode") {
    how.partitions = net::partition_mode::pause_minority;
    how.expected_nodes = 2;
  }
  SECTION("suspicion") {
    how.suspicion = 1s;
  }
  node b{"b", how};
  CHECK(b.err == errc::join_refused);
  CHECK(contains(to_string(b.err), "has another"));
  CHECK(a.env.log->await("has another"));
}

TEST_CASE("without majority nothing starts", "[net]") {
  net::options how;
  how.partitions = net::partition_mode::pause_minority;
  how.expected_nodes = 2;
  how.join_timeout = 500ms;
  node alone{"a", how};
  CHECK(alone.err == errc::no_quorum);
}

TEST_CASE("a node recognises itself", "[net]") {
  net::options how;
  node a{"a", how};
  auto again = a.options;
  again.listen.port = a.where().port;
  CHECK(!a.tab->leave());
  again.seeds = {{"localhost", again.listen.port}};
  again.alone_after = 1h;
  again.join_timeout = patience;
  a.tab = value_of(net::join(*a.env.sys, again));
  CHECK(a.tab->nodes().size() == 1);
  CHECK(a.env.log->count("without sender") == 0);
}

TEST_CASE("every node can print the tree of the cluster", "[net]") {
  node a{"a"};
  node b{"b", near(a)};
  value_of(a.dir->start_child(worker(1)));
  value_of(b.dir->start_child(worker("two")));
  const std::string expected = "a  director  on a\n"
                               "└─ 1  worker  running, 0 restarts  on a\n"
                               "b  director  on b\n"
                               "└─ two  worker  running, 0 restarts  on b\n";
  for (auto* x : {&a, &b}) {
    std::string text;
    for (auto& tree : get_trees(*x->env.sys, *x->tab, patience))
      text += to_string(tree, namer(*x->tab));
    CHECK(text == expected);
  }
  // The child of a director may live on another node.
  auto far = value_of(a.tab->get_actor("two"));
  child_spec spec;
  spec.id = "far";
  spec.start = [far](start_context&) { return far; };
  auto dir = a.env.start({spec}, a.env.options("d"));
  auto tree = value_of(get_tree(*a.env.sys, dir.handle(), patience));
  CHECK(to_string(tree, namer(*a.tab))
        == "d  director  on a\n"
           "└─ far  worker  running, 0 restarts  on b\n");
  auto process = to_string(b.env.sys->node());
  CHECK(to_string(tree)
        == "d  director\n"
           "└─ far  worker  running, 0 restarts  on "
             + process + "\n");
}

TEST_CASE("nodes show in the metrics", "[net]") {
  net::options how;
  // Nobody but the last one is taken for dead.
  how.suspicion = 2s;
  node a{"a", how};
  how = near(a);
  how.suspicion = 2s;
  auto number = [](node& x, const char* name) {
    auto& all = x.env.sys->metrics();
    return all
      .counter_instance("director", name, {{"table", "test"}}, "", "1", true)
      ->value();
  };
  auto nodes = [](node& x) {
    auto& all = x.env.sys->metrics();
    return all.gauge_instance("director", "net-nodes", {{"table", "test"}}, "")
      ->value();
  };
  {
    node b{"b", how};
    value_of(b.dir->start_child(worker(1)));
    CHECK(!b.tab->leave());
    CHECK(nodes(b) == 0);
  }
  CHECK(a.env.eventually([&] { return asked(a, 1) == "a"; }));
  CHECK(a.env.eventually([&] { //
    return number(a, "net-takeovers") == 1 && nodes(a) == 1;
  }));
  node c{"c", how};
  value_of(c.dir->start_children({worker(2), worker(3)}));
  {
    // Others take it for dead.
    auto guard = hold_up(c);
    CHECK(a.env.eventually([&] { //
      return asked(a, 2) == "a" && asked(a, 3) == "a";
    }));
  }
  CHECK(c.env.log->await("lost_to_peer", 2));
  CHECK(c.env.eventually([&] { return number(c, "net-conflicts") == 2; }));
  CHECK(number(a, "net-conflicts") == 0);
  CHECK(number(a, "net-takeovers") == 3);
  // Two losses.
  static constexpr std::array bounds{.001, .01, .1, 1., 10., 100.};
  auto& times = *a.env.sys->metrics()
                   .histogram_family<double>("director",
                                             "net-takeover-duration", {"table"},
                                             bounds, "", "seconds")
                   ->get_or_add({{"table", "test"}});
  int64_t takeovers = 0;
  for (auto& bucket : times.buckets())
    takeovers += bucket.count.value();
  CHECK(takeovers == 2);
  CHECK(times.sum() > 0);
}

TEST_CASE("a child outlives the one that it had lost to", "[net]") {
  // Two that have never heard of each other.
  node a{"a"};
  node b{"b"};
  auto spec = worker(1, false);
  spec.start = "stubborn";
  spec.terminate_timeout = patience;
  value_of(a.dir->start_child(spec));
  value_of(b.dir->start_child(spec));
  auto children = std::map<node*, caf::actor>{
    {&a, value_of(a.tab->get_actor(1))}, {&b, value_of(b.tab->get_actor(1))}};
  auto options = near(a);
  options.seeds.push_back(b.where());
  node c{"c", options, false};
  auto a_lost = [&] { return a.env.log->count("asked") == 1; };
  auto b_lost = [&] { return b.env.log->count("asked") == 1; };
  REQUIRE(a.env.eventually([&] { return a_lost() || b_lost(); }));
  auto& loser = a_lost() ? a : b;
  auto& winner = a_lost() ? b : a;
  winner.tab->close();
  send(children[&winner], crash_atom_v);
  REQUIRE(loser.env.eventually([&] { return loser.tab->nodes().size() == 2; }));
  send(children[&loser], crash_atom_v);
  // It is gone, and starts again where it was.
  auto runs_again = [&](node& x) {
    auto now = x.tab->find(1);
    return now && now->status == child_status::running && now->incarnation > 1;
  };
  CHECK(loser.env.eventually([&] { return runs_again(loser); }));
  CHECK(c.env.eventually([&] { return runs_again(c); }));
  auto last = loser.tab->get_actor(1);
  loser.tab->close();
  if (last)
    send(*last, crash_atom_v);
}
