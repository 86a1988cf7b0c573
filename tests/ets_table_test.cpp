// Tables shared by directors, read directly and by message.

#include "fixture.hpp"

#include <caf/actor_registry.hpp>

#include <director/ets/all.hpp>
#include <director/test/table_suite.hpp>

using namespace director;
using namespace fixture;

namespace {

ets::table_ptr open(world& env, ets::table_options options = {}) {
  return value_of(ets::open(*env.sys, "test", std::move(options)));
}

client start_on(world& env, const ets::table_ptr& tab, std::string name,
                std::vector<child_spec> children = {}) {
  auto options = env.options(std::move(name));
  options.table = tab;
  return env.start(std::move(children), std::move(options));
}

child_spec lasting(child_spec spec) {
  spec.delete_before_terminate = false;
  return spec;
}

} // namespace

TEST_CASE("the shared table conforms", "[ets]") {
  world env;
  int next = 0;
  auto make = [&]() -> table_ptr {
    return value_of(ets::open(*env.sys, std::to_string(++next)));
  };
  std::string failures;
  for (auto& failure :
       director::test::check_table(*env.sys, make, {.concurrent = true}))
    failures += failure + "\n";
  CHECK(failures == "");
}

TEST_CASE("a table is opened by name", "[ets]") {
  world env;
  auto one = value_of(ets::open(*env.sys, "one"));
  CHECK(one->name() == "one");
  CHECK(value_of(ets::open(*env.sys, "one")) == one);
  CHECK(value_of(ets::open(*env.sys, "two")) != one);
  CHECK(error_of(ets::open(*env.sys, "")) == caf::sec::invalid_argument);
  auto imposter = env.worker("imposter");
  auto dir = env.start({imposter});
  auto handle = value_of(dir.get_actor("imposter"));
  env.sys->registry().put("director.ets.three",
                          caf::actor_cast<caf::strong_actor_ptr>(handle));
  auto err = error_of(ets::open(*env.sys, "three"));
  CHECK(err == errc::name_taken);
  CHECK(handle_of(err) == handle);
  env.sys->registry().erase("director.ets.three");
}

TEST_CASE("two actor systems have tables of the same name", "[ets]") {
  world a;
  world b;
  CHECK(open(a) != open(b));
}

TEST_CASE("a table outlives its directors", "[ets]") {
  world env;
  {
    auto tab = open(env);
    auto dir = start_on(env, tab, "first",
                        {lasting(env.worker("a")), env.worker("b")});
    CHECK(tab->size() == 2);
    CHECK(!dir.stop());
  }
  auto tab = open(env);
  CHECK(tab->size() == 1);
  CHECK(error_of(tab->get_actor("a")) == errc::undefined);
  CHECK(error_of(tab->get_actor("b")) == errc::not_found);
  auto dir = start_on(env, tab, "second");
  auto back = value_of(dir.restart_child("a"));
  CHECK(value_of(tab->get_actor("a")) == back.handle);
  CHECK(value_of(tab->get_restart_count("a")) == 1);
}

TEST_CASE("delete_table closes the table and ends its other directors",
          "[ets]") {
  world env;
  auto tab = open(env);
  auto options = env.options("deleter");
  options.table = tab;
  options.delete_table = true;
  auto one = env.start({env.worker("a")}, options);
  auto two = start_on(env, tab, "other", {env.worker("b")});
  auto b = value_of(tab->get_actor("b"));
  CHECK(!one.stop());
  CHECK(end_of(two) == errc::table_closed);
  CHECK(env.gone(b));
  CHECK(!tab->handle());
  auto next = open(env);
  CHECK(next != tab);
  CHECK(next->size() == 0);
}

TEST_CASE("a closed table refuses directors", "[ets]") {
  world env;
  auto tab = open(env);
  tab->close();
  tab->close();
  auto options = env.options();
  options.table = tab;
  auto dir = director::start(*env.sys, fixed({}), options);
  CHECK(error_of(dir) == errc::table_closed);
}

TEST_CASE("anybody reads a table directly", "[ets]") {
  world env;
  auto tab = open(env);
  auto dir = start_on(env, tab, "dir",
                      {env.worker("a"), env.worker("b"), env.worker("c")});
  CHECK(!dir.terminate_child("c"));
  CHECK(value_of(tab->get_actor("a")) == value_of(dir.get_actor("a")));
  CHECK(error_of(tab->get_actor("c")) == errc::undefined);
  CHECK(error_of(tab->get_actor("d")) == errc::not_found);
  CHECK(tab->get_actors().size() == 2);
  CHECK(tab->count_children() == child_counts{3, 2, 0, 3});
  CHECK(tab->size() == 3);
  CHECK(tab->which_children().size() == 3);
  CHECK(value_of(tab->get_child_spec("a")).id == child_id{"a"});
  CHECK(value_of(tab->get_restart_count("a")) == 0);
  size_t visited = 0;
  tab->visit([&](const child_record& x) {
    CHECK(x.owner == dir.handle().address());
    ++visited;
  });
  CHECK(visited == 3);
  auto listing = to_string(*tab);
  CHECK(listing.find("a  worker  running, 0 restarts, director")
        != std::string::npos);
  CHECK(listing.find("c  worker  undefined, 0 restarts, director")
        != std::string::npos);
}

TEST_CASE("a table answers messages like a director", "[ets]") {
  world env;
  auto tab = open(env);
  auto dir = start_on(env, tab, "dir", {env.worker("a"), env.worker("b")});
  auto to = tab->handle();
  REQUIRE(to);
  caf::scoped_actor self{*env.sys};
  auto fail = [](caf::error& err) { FAIL(to_string(err)); };
  namespace compat = director::internal::compat;
  compat::request_receive(
    self, to, patience,
    [&](caf::actor& x) { CHECK(x == value_of(tab->get_actor("a"))); }, fail,
    get_actor_atom_v, child_id{"a"});
  compat::request_receive(
    self, to, patience, [](caf::actor&) { FAIL("found"); },
    [](caf::error& err) { CHECK(err == errc::not_found); }, get_actor_atom_v,
    child_id{"x"});
  compat::request_receive(
    self, to, patience,
    [](std::vector<child_handle>& xs) { CHECK(xs.size() == 2); }, fail,
    get_actors_atom_v);
  compat::request_receive(
    self, to, patience,
    [](child_counts& x) {
      CHECK(x == child_counts{2, 2, 0, 2});
    },
    fail, count_children_atom_v);
  compat::request_receive(
    self, to, patience,
    [](std::vector<child_info>& xs) { CHECK(xs.size() == 2); }, fail,
    which_children_atom_v);
  compat::request_receive(
    self, to, patience, [](child_spec& x) { CHECK(x.id == child_id{"b"}); },
    fail, get_child_spec_atom_v, child_id{"b"});
  compat::request_receive(
    self, to, patience, [](uint64_t x) { CHECK(x == 0); }, fail,
    get_restart_count_atom_v, child_id{"b"});
  compat::request_receive(
    self, to, patience, [](std::string& x) { CHECK(x == "test"); }, fail,
    get_name_atom_v);
  compat::request_receive(
    self, as_actor(to), patience, [] { FAIL("understood"); },
    [](caf::error& err) { CHECK(err == errc::unknown_request); }, crash_atom_v);
  // Nor do exit messages end it.
  send_exit(as_actor(to), caf::exit_reason::user_shutdown);
  compat::request_receive(
    self, to, patience, [](std::string&) {}, fail, get_name_atom_v);
}

TEST_CASE("directors share a table but manage only their own children",
          "[ets]") {
  world env;
  auto tab = open(env);
  auto one = start_on(env, tab, "one", {env.worker("a")});
  auto two = start_on(env, tab, "two", {env.worker("b")});
  auto a = value_of(tab->get_actor("a"));
  CHECK(value_of(two.which_children()).size() == 2);
  CHECK(value_of(two.get_actor("a")) == a);
  CHECK(value_of(two.count_children()).specs == 2);
  CHECK(error_of(two.start_child(env.worker("a"))) == errc::already_started);
  CHECK(error_of(two.restart_child("a")) == errc::not_parent);
  CHECK(two.terminate_child("a") == errc::not_parent);
  CHECK(two.terminate_child(a) == errc::not_parent);
  CHECK(two.delete_child("a") == errc::not_parent);
  CHECK(two.terminate_and_delete_child("a") == errc::not_parent);
  CHECK(two.delete_running_child(a) == errc::not_parent);
  CHECK(two.change_plan("a", plans::never()) == errc::not_parent);
  CHECK(!one.terminate_child("a"));
  CHECK(error_of(two.start_child(env.worker("a"))) == errc::already_present);
  CHECK(error_of(two.restart_child("a")) == errc::not_parent);
  CHECK(!one.delete_child("a"));
  CHECK(error_of(two.start_child(env.worker("a"))) == caf::error{});
}

TEST_CASE("a starting director leaves the children of others alone", "[ets]") {
  world env;
  auto tab = open(env);
  auto one = start_on(env, tab, "one", {env.worker("a", "first")});
  auto two = start_on(env, tab, "two",
                      {env.worker("a", "second"), env.worker("b", "second")});
  CHECK(tab->find("a")->owner == one.handle().address());
  CHECK(tab->find("a")->incarnation == 1);
  CHECK(!two.stop());
  CHECK(error_of(tab->get_actor("a")) == caf::error{});
}

TEST_CASE("every director prints its own children", "[ets]") {
  world env;
  auto tab = open(env);
  auto one = start_on(env, tab, "one", {env.worker("a")});
  auto two = start_on(env, tab, "two", {env.worker("b")});
  auto tree = value_of(get_tree(*env.sys, two.handle()));
  REQUIRE(tree.children.size() == 1);
  CHECK(tree.children[0].child.id == child_id{"b"});
}

TEST_CASE("a child moves between directors of a table", "[ets]") {
  world env;
  auto tab = open(env);
  auto one = start_on(env, tab, "one", {env.worker("a")});
  auto two = start_on(env, tab, "two");
  auto a = value_of(tab->get_actor("a"));
  CHECK(!one.delete_running_child(a));
  CHECK(tab->size() == 0);
  CHECK(!two.become_supervisor(a, env.worker("a")));
  CHECK(env.log->await("new parent of a"));
  CHECK(value_of(tab->get_actor("a")) == a);
  CHECK(error_of(one.restart_child("a")) == errc::not_parent);
}
