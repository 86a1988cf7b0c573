// Child specs: how they travel, are combined, completed and checked.

#include "fixture.hpp"

using namespace director;
using namespace fixture;

TEST_CASE("a spec that holds names survives a journey", "[unit]") {
  auto spec = trip(named_spec());
  CHECK(spec.id == child_id{"child"});
  CHECK(spec.start.name() == "start");
  CHECK_FALSE(spec.start.local());
  CHECK(to_string(spec.args) == R"__(message(1, "two"))__");
  CHECK(spec.plan.name() == "plan");
  CHECK(spec.plan.what() == plan_function::kind::custom);
  CHECK(to_string(spec.state) == R"__(message("state"))__");
  CHECK(spec.type == child_type::supervisor);
  CHECK(spec.terminate_timeout == caf::timespan{3s});
  REQUIRE(spec.modules);
  CHECK(to_string(*spec.modules) == "[one, two]");
  CHECK(spec.log_filter.name() == "filter");
  CHECK(spec.delete_before_terminate == false);
  CHECK(spec.append);
  CHECK(spec.await_ready == true);
  CHECK(spec.start_timeout == caf::timespan{7s});
  CHECK_FALSE(check_child_spec(spec, names()));
  // What was left open stays open.
  spec = trip(child_spec{.id = 1, .start = "start"});
  CHECK(spec.args.empty());
  CHECK(spec.plan.empty());
  CHECK(spec.state.empty());
  CHECK_FALSE(spec.type);
  CHECK_FALSE(spec.terminate_timeout);
  CHECK_FALSE(spec.modules);
  CHECK(spec.log_filter.empty());
  CHECK_FALSE(spec.delete_before_terminate);
  CHECK_FALSE(spec.append);
  CHECK_FALSE(spec.await_ready);
  CHECK_FALSE(spec.start_timeout);
  // Infinite and dynamic are values.
  spec = trip(child_spec{.id = 1,
                         .terminate_timeout = caf::infinite,
                         .modules = module_list::dynamic()});
  CHECK(spec.terminate_timeout == caf::timespan{caf::infinite});
  REQUIRE(spec.modules);
  CHECK(to_string(*spec.modules) == "dynamic");
}

TEST_CASE("a callable does not travel, and the spec says so", "[unit]") {
  auto all = names();
  auto refused = [&](auto change) {
    auto spec = named_spec();
    change(spec);
    CHECK_FALSE(check_child_spec(spec, all));
    auto arrived = trip(spec);
    auto err = check_child_spec(arrived, all);
    CHECK(err == errc::invalid_child_spec);
    REQUIRE(get_spec_error(err) != nullptr);
    CHECK(get_spec_error(err)->id == child_id{"child"});
    CHECK(contains(get_spec_error(err)->text, "stayed on another node"));
    return field_of(err);
  };
  CHECK(refused([](child_spec& x) {
          x.start = [] { return start_result::declined(); };
        })
        == "start");
  CHECK(refused([](child_spec& x) {
          x.plan = [](exit_info&) { return verdict::wait(); };
        })
        == "plan");
  CHECK(refused([](child_spec& x) {
          x.log_filter = [](report&) { return report_detail::none; };
        })
        == "log_filter");
}

TEST_CASE("combine takes each field as it should", "[unit]") {
  child_spec own{.id = "own"};
  child_spec base{
    .id = "base",
    .start = "base",
    .plan = plans::never(),
    .state = caf::make_message("base"),
    .type = child_type::supervisor,
    .log_filter = "base",
    .delete_before_terminate = false,
    .await_ready = true,
    .start_timeout = 1s,
  };
  SECTION("what the child leaves open comes from the default") {
    auto x = combine(own, base);
    CHECK(x.id == child_id{"own"});
    CHECK(x.append);
    CHECK(x.start.name() == "base");
    CHECK(x.plan.what() == plan_function::kind::never);
    CHECK(to_string(x.state) == R"__(message("base"))__");
    CHECK(x.type == child_type::supervisor);
    CHECK(x.log_filter.name() == "base");
    CHECK(x.delete_before_terminate == false);
    CHECK(x.await_ready == true);
    CHECK(x.start_timeout == caf::timespan{1s});
    // Open in both.
    CHECK(x.terminate_timeout == caf::timespan{caf::infinite});
    CHECK(to_string(*x.modules) == "[base]");
  }
  SECTION("what the child says wins") {
    own.start = "own";
    own.plan = plans::temporary();
    own.state = caf::make_message("own");
    own.type = child_type::worker;
    own.log_filter = "own";
    own.delete_before_terminate = true;
    own.await_ready = false;
    own.start_timeout = 2s;
    auto x = combine(own, base);
    CHECK(x.start.name() == "own");
    CHECK(x.plan.what() == plan_function::kind::temporary);
    CHECK(to_string(x.state) == R"__(message("own"))__");
    CHECK(x.type == child_type::worker);
    CHECK(x.log_filter.name() == "own");
    CHECK(x.delete_before_terminate == true);
    CHECK(x.await_ready == false);
    CHECK(x.start_timeout == caf::timespan{2s});
    CHECK(x.terminate_timeout == caf::timespan{5s});
    CHECK(to_string(*x.modules) == "[own]");
  }
  SECTION("what both leave open gets its default") {
    auto x = combine(own, {});
    CHECK(x.start.empty());
    CHECK(x.plan.what() == plan_function::kind::standard);
    CHECK(x.state.empty());
    CHECK(x.type == child_type::worker);
    CHECK(x.terminate_timeout == caf::timespan{5s});
    CHECK(x.delete_before_terminate == true);
    CHECK(x.await_ready == false);
    CHECK(x.start_timeout == caf::timespan{5s});
    CHECK(x.log_filter.empty());
  }
  SECTION("args: the default's go first") {
    CHECK(combine(own, base).args.empty());
    base.args = caf::make_message(1, 2);
    CHECK(to_string(combine(own, base).args) == "message(1, 2)");
    own.args = caf::make_message("3");
    CHECK(to_string(combine(own, base).args) == R"__(message(1, 2, "3"))__");
    base.args = {};
    CHECK(to_string(combine(own, base).args) == R"__(message("3"))__");
  }
  SECTION("terminate timeouts add up when both are finite") {
    auto sum = [&](std::optional<caf::timespan> x,
                   std::optional<caf::timespan> y) {
      own.terminate_timeout = x;
      base.terminate_timeout = y;
      return *combine(own, base).terminate_timeout;
    };
    CHECK(sum(1s, 2s) == 3s);
    CHECK(sum(0s, 2s) == 2s);
    CHECK(sum(1s, std::nullopt) == 1s);
    CHECK(sum(std::nullopt, 2s) == 2s);
    CHECK(sum(caf::infinite, 2s) == caf::infinite);
    CHECK(sum(2s, caf::infinite) == caf::infinite);
    CHECK(sum(caf::infinite, caf::infinite) == caf::infinite);
    CHECK(sum(std::nullopt, caf::infinite) == caf::infinite);
    CHECK(sum(caf::timespan::max() - 1s, 2s) == caf::infinite);
  }
  SECTION("modules are joined") {
    auto join = [&](std::optional<module_list> x,
                    std::optional<module_list> y) {
      own.modules = std::move(x);
      base.modules = std::move(y);
      return to_string(*combine(own, base).modules);
    };
    CHECK(join(module_list{"own"}, module_list{"base", "too"})
          == "[base, too, own]");
    CHECK(join(module_list{"own"}, std::nullopt) == "[own]");
    CHECK(join(std::nullopt, module_list{"base"}) == "[base]");
    CHECK(join(module_list::dynamic(), module_list{"base"}) == "dynamic");
    CHECK(join(module_list{"own"}, module_list::dynamic()) == "dynamic");
    CHECK(join(module_list::dynamic(), std::nullopt) == "dynamic");
  }
}

TEST_CASE("every optional field has a default", "[unit]") {
  auto x = with_defaults({.id = 1, .start = "fn"});
  CHECK(x.plan.what() == plan_function::kind::standard);
  CHECK(x.type == child_type::worker);
  CHECK(x.terminate_timeout == caf::timespan{5s});
  CHECK(to_string(*x.modules) == "[fn]");
  CHECK(x.delete_before_terminate == true);
  CHECK(x.await_ready == false);
  CHECK(x.start_timeout == caf::timespan{5s});
  CHECK_FALSE(x.append);
  x = with_defaults({.id = 1, .type = child_type::supervisor});
  CHECK(x.terminate_timeout == caf::timespan{caf::infinite});
  auto y = with_defaults(named_spec());
  CHECK(y.terminate_timeout == caf::timespan{3s});
  CHECK(to_string(*y.modules) == "[one, two]");
  CHECK(y.plan.name() == "plan");
  CHECK(y.append);
}

TEST_CASE("without a start function there is no module", "[unit]") {
  auto base = default_child_spec();
  CHECK(to_string(*base.modules) == "[]");
  // A default child spec made of it adds nothing.
  auto modules = [&](const child_spec& own) {
    return to_string(*combine(own, base).modules);
  };
  CHECK(modules({.id = 1, .start = "own"}) == "[own]");
  base.start = "base";
  CHECK(modules({.id = 1}) == "[base]");
  CHECK(modules({.id = 1, .modules = module_list{"m"}}) == "[m]");
  CHECK(modules({.id = 1, .modules = module_list::dynamic()}) == "dynamic");
}

TEST_CASE("a spec is checked without a director", "[unit]") {
  auto all = names();
  auto spec = named_spec();
  CHECK_FALSE(check_child_spec(spec, all));
  CHECK(field_of(check_child_spec(spec)) == "start");
  spec.start = {};
  CHECK(field_of(check_child_spec(spec, all)) == "start");
  child_spec base{.id = {}, .start = "start"};
  CHECK_FALSE(check_child_spec(spec, all, &base));
  spec.append = false;
  CHECK(field_of(check_child_spec(spec, all, &base)) == "start");
  spec = named_spec();
  spec.id = {};
  CHECK(field_of(check_child_spec(spec, all)) == "id");
  CHECK_FALSE(check_child_spec({.id = 1, .append = true}));
  CHECK(field_of(check_child_spec({.id = {}, .append = true})) == "id");
  CHECK(
    field_of(check_child_spec(
      {.id = 1, .plan = plans::never().with_quiet_time(-1s), .append = true}))
    == "plan");
}

TEST_CASE("args are joined", "[unit]") {
  auto none = caf::message{};
  auto one = caf::make_message(1);
  CHECK(concat_args(none, none).empty());
  CHECK(to_string(concat_args(one, none)) == "message(1)");
  CHECK(to_string(concat_args(none, one)) == "message(1)");
  CHECK(to_string(concat_args(one, caf::make_message("a", 2.5)))
        == R"__(message(1, "a", 2.5))__");
  CHECK(to_string(one) == "message(1)");
}

TEST_CASE("module lists", "[unit]") {
  CHECK(to_string(module_list{}) == "dynamic");
  CHECK(to_string(module_list::dynamic()) == "dynamic");
  CHECK(to_string(module_list{"a"}) == "[a]");
  CHECK(to_string(module_list{"a", "b"}) == "[a, b]");
  CHECK(to_string(module_list{std::vector<std::string>{}}) == "[]");
  for (auto& x : {module_list{}, module_list{"a"}, module_list{"a", "b"},
                  module_list{std::vector<std::string>{}}})
    CHECK(to_string(trip(x)) == to_string(x));
}
