// Functions given as callables or by name, and where names are looked up.

#include "fixture.hpp"

#include <random>

using namespace director;
using namespace fixture;

TEST_CASE("a named function is nothing, a callable or a name", "[unit]") {
  auto all = names();
  start_function none;
  CHECK(none.empty());
  CHECK_FALSE(none.local());
  CHECK(none.callable() == nullptr);
  CHECK(all.resolve(none) == nullptr);
  start_function local = [] { return start_result::declined(); };
  CHECK_FALSE(local.empty());
  CHECK(local.local());
  CHECK(local.callable() != nullptr);
  CHECK(local.name() == "local");
  CHECK(all.resolve(local) == local.callable());
  CHECK(all.complaint(local).empty());
  auto labelled = local.labelled("mine");
  CHECK(labelled.name() == "mine");
  CHECK(labelled.callable() == local.callable());
  start_function name = "start";
  CHECK_FALSE(name.empty());
  CHECK_FALSE(name.local());
  CHECK(name.callable() == nullptr);
  CHECK(name.name() == "start");
  CHECK(name.labelled("other").name() == "start");
  CHECK(all.resolve(name) != nullptr);
  CHECK(all.complaint(name).empty());
  CHECK(all.resolve(start_function{"plan"}) == nullptr);
  CHECK(all.complaint(start_function{"plan"})
        == "'plan' is not in the catalog");
  CHECK(log_filter_function{""}.empty());
  CHECK_FALSE(log_filter_function{"filter"}.empty());
  // A callable that stayed behind is not the same as none.
  auto shell = trip(labelled);
  CHECK_FALSE(shell.empty());
  CHECK(shell.local());
  CHECK(shell.callable() == nullptr);
  CHECK(all.complaint(shell) == "the callable 'mine' stayed on another node");
  CHECK_FALSE(all.complaint(trip(local)).empty());
  CHECK(trip(none).empty());
  CHECK(trip(name).name() == "start");
}

TEST_CASE("a catalog is a value", "[unit]") {
  catalog one;
  one.add_plan("p", [](exit_info&) { return verdict::wait(); });
  auto two = one;
  two.add_plan("p", [](exit_info&) { return verdict::remove(); });
  two.add_plan("q", [](exit_info&) { return verdict::restart(); });
  child_id id = 1;
  caf::error reason;
  caf::message state;
  exit_info info{id, reason, 1, 0, state};
  std::minstd_rand random{1};
  plan_function plan = "p";
  CHECK(plan.decide(info, one, random).what() == verdict::action::wait);
  CHECK(plan.decide(info, two, random).what() == verdict::action::remove);
  CHECK(one.resolve(plan_function{"q"}) == nullptr);
  CHECK_THROWS_AS(
    one.add_plan("", plan_function{[](exit_info&) { return verdict::wait(); }}),
    std::invalid_argument);
  CHECK_THROWS_AS(one.add_start("x", "name"), std::invalid_argument);
  CHECK_THROWS_AS(one.add_log_filter("x", {}), std::invalid_argument);
}
