// Verdicts and plans.

#include "fixture.hpp"

#include <algorithm>
#include <limits>
#include <random>

using namespace director;
using namespace fixture;

namespace {

verdict decide(const plan_function& plan, uint32_t recent,
               const caf::error& reason = caf::sec::runtime_error,
               std::minstd_rand random = std::minstd_rand{1}) {
  child_id id = "child";
  caf::message state;
  exit_info info{id, reason, recent, recent, state};
  return plan.decide(info, {}, random);
}

} // namespace

TEST_CASE("a verdict says what it is", "[unit]") {
  CHECK(verdict::restart().what() == verdict::action::restart);
  CHECK(verdict::wait().what() == verdict::action::wait);
  CHECK(verdict::remove().what() == verdict::action::remove);
  auto delayed = verdict::restart_after(2s);
  CHECK(delayed.what() == verdict::action::restart_after);
  CHECK(delayed.interval() == 2s);
  CHECK(delayed.valid());
  CHECK(verdict::restart_after(0s).valid());
  CHECK_FALSE(verdict::restart_after(-1ns).valid());
  CHECK_FALSE(verdict::restart_after(caf::infinite).valid());
  auto stop = verdict::stop();
  CHECK(stop.what() == verdict::action::stop);
  CHECK_FALSE(stop.reason());
  auto with_reason = verdict::stop(caf::sec::runtime_error);
  CHECK(with_reason.what() == verdict::action::stop);
  REQUIRE(with_reason.reason());
  CHECK(*with_reason.reason() == caf::sec::runtime_error);
  for (auto& x : {verdict::restart(), verdict::wait(), verdict::remove(), stop,
                  with_reason})
    CHECK(x.valid());
  CHECK(to_string(verdict::restart()) == "restart");
  CHECK(to_string(delayed) == "restart after 2s");
  CHECK(to_string(verdict::wait()) == "wait");
  CHECK(to_string(verdict::remove()) == "remove");
  CHECK(to_string(stop) == "stop");
  CHECK(contains(to_string(with_reason), "stop with "));
  CHECK(contains(to_string(with_reason), "runtime_error"));
}

TEST_CASE("exits are orderly or crashes", "[unit]") {
  CHECK(is_orderly({}));
  CHECK(is_orderly(caf::exit_reason::normal));
  CHECK(is_orderly(caf::exit_reason::user_shutdown));
  CHECK_FALSE(is_orderly(caf::exit_reason::kill));
  CHECK_FALSE(is_orderly(caf::exit_reason::unknown));
  CHECK_FALSE(is_orderly(caf::sec::runtime_error));
  CHECK_FALSE(is_orderly(caf::make_error(errc::start_failed)));
}

TEST_CASE("the standard plan goes by its table", "[unit]") {
  auto plan = default_plan();
  CHECK(plan.what() == plan_function::kind::standard);
  CHECK(plan.quiet_time() == 1min);
  for (auto& reason : {caf::error{}, caf::error{caf::sec::runtime_error}}) {
    for (uint32_t crash = 1; crash <= 3; ++crash)
      CHECK(decide(plan, crash, reason).what() == verdict::action::restart);
    auto fourth = decide(plan, 4, reason);
    CHECK(fourth.what() == verdict::action::restart_after);
    CHECK(fourth.interval() == 1s);
    for (uint32_t crash : {5u, 6u, std::numeric_limits<uint32_t>::max()}) {
      auto last = decide(plan, crash, reason);
      CHECK(last.what() == verdict::action::stop);
      CHECK_FALSE(last.reason());
    }
  }
  auto own = plans::standard({.immediate = 0, .delay = 5ms, .quiet_time = 2s});
  CHECK(decide(own, 1).what() == verdict::action::restart_after);
  CHECK(decide(own, 1).interval() == 5ms);
  CHECK(decide(own, 2).what() == verdict::action::stop);
  CHECK(own.quiet_time() == 2s);
}

TEST_CASE("the other ready-made plans always answer the same", "[unit]") {
  using action = verdict::action;
  std::vector<caf::error> reasons = {
    {},
    caf::exit_reason::normal,
    caf::exit_reason::user_shutdown,
    caf::exit_reason::kill,
    caf::sec::runtime_error,
    make_nested_error(errc::start_failed, caf::sec::runtime_error),
  };
  for (auto& reason : reasons) {
    INFO(to_string(reason));
    for (uint32_t recent : {1u, 2u, 1000u}) {
      CHECK(decide(plans::permanent(), recent, reason).what()
            == action::restart);
      CHECK(decide(plans::temporary(), recent, reason).what()
            == action::remove);
      CHECK(decide(plans::never(), recent, reason).what() == action::wait);
      CHECK(decide(plans::transient(), recent, reason).what()
            == (is_orderly(reason) ? action::wait : action::restart));
    }
  }
}

TEST_CASE("intervals of backoff grow up to their maximum", "[unit]") {
  auto plan
    = plans::backoff({.min = 100ms, .max = 30s, .factor = 2.0, .jitter = 0.0});
  auto interval = [&](uint32_t recent) {
    auto x = decide(plan, recent);
    CHECK(x.what() == verdict::action::restart_after);
    CHECK(x.valid());
    return x.interval();
  };
  CHECK(interval(1) == 100ms);
  CHECK(interval(2) == 200ms);
  CHECK(interval(3) == 400ms);
  CHECK(interval(9) == 25'600ms);
  CHECK(interval(10) == 30s);
  CHECK(interval(11) == 30s);
  CHECK(interval(2000) == 30s);
  CHECK(interval(std::numeric_limits<uint32_t>::max()) == 30s);
  plan = plans::backoff({.min = 50ms, .max = 1h, .factor = 1.0, .jitter = 0});
  CHECK(interval(1) == 50ms);
  CHECK(interval(1000) == 50ms);
  // A huge maximum neither overflows nor becomes negative.
  plan = plans::backoff(
    {.min = 1s, .max = caf::timespan::max() - 1ns, .jitter = 1.0});
  for (uint32_t recent : {1u, 60u, 64u, 5000u, 4'000'000'000u})
    CHECK(interval(recent) >= 0s);
}

TEST_CASE("backoff without a minimum restarts at once forever", "[unit]") {
  auto plan = plans::backoff({.min = 0s, .max = 1s, .factor = 2.0});
  CHECK(plan.complaint({}).empty());
  for (uint32_t recent : {1u, 2u, 1024u, 1025u, 1026u, 5000u, 4'000'000'000u}) {
    INFO(recent);
    auto x = decide(plan, recent);
    CHECK(x.valid());
    CHECK(x.interval() == 0s);
  }
}

TEST_CASE("the jitter of backoff stays within its bounds", "[unit]") {
  auto plan
    = plans::backoff({.min = 1s, .max = 8s, .factor = 2.0, .jitter = 0.25});
  std::minstd_rand random{42};
  child_id id = 1;
  caf::error reason = caf::sec::runtime_error;
  caf::message state;
  for (uint32_t recent : {1u, 2u, 4u, 5u, 4'000'000'000u}) {
    auto base = caf::timespan{recent < 5 ? 1s * (1 << (recent - 1)) : 8s};
    caf::timespan lowest = caf::infinite;
    caf::timespan highest{0};
    for (int i = 0; i < 5000; ++i) {
      exit_info info{id, reason, recent, recent, state};
      auto x = plan.decide(info, {}, random);
      lowest = std::min(lowest, x.interval());
      highest = std::max(highest, x.interval());
    }
    INFO(recent);
    CHECK(lowest >= base * 3 / 4);
    CHECK(highest <= base * 5 / 4);
    // Uses the whole range.
    CHECK(lowest < base * 77 / 100);
    CHECK(highest > base * 123 / 100);
  }
  // Same seed, same interval; another seed, another interval.
  auto draw = [&](uint32_t seed) {
    return decide(plan, 1, reason, std::minstd_rand{seed}).interval();
  };
  CHECK(draw(5) == draw(5));
  CHECK(draw(5) != draw(500));
  // Full jitter never yields a negative interval.
  plan = plans::backoff({.min = 1s, .max = 1s, .jitter = 1.0});
  for (int i = 0; i < 5000; ++i) {
    exit_info info{id, reason, 1, 1, state};
    auto x = plan.decide(info, {}, random);
    REQUIRE(x.valid());
    REQUIRE(x.interval() <= 2s);
  }
}

TEST_CASE("custom plans run, by callable or by name", "[unit]") {
  auto all = names();
  std::minstd_rand random{1};
  child_id id = "x";
  caf::error reason = caf::sec::runtime_error;
  caf::message state = caf::make_message("old");
  exit_info info{id, reason, 2, 9, state};
  plan_function plan = [](exit_info& x) {
    CHECK(x.id == child_id{"x"});
    CHECK(x.reason == caf::sec::runtime_error);
    CHECK(x.recent == 2);
    CHECK(x.lifetime == 9);
    x.state = caf::make_message("new");
    return verdict::remove();
  };
  CHECK(plan.decide(info, all, random).what() == verdict::action::remove);
  CHECK(to_string(state) == R"__(message("new"))__");
  CHECK(plan_function{"plan"}.decide(info, all, random).what()
        == verdict::action::wait);
  CHECK_THROWS_AS(plan_function{"other"}.decide(info, all, random),
                  std::runtime_error);
  CHECK_THROWS_AS(plan_function{}.decide(info, all, random),
                  std::runtime_error);
  plan = [](exit_info&) -> verdict { throw std::logic_error{"plan"}; };
  CHECK_THROWS_AS(plan.decide(info, all, random), std::logic_error);
}

TEST_CASE("a plan that is wrong says why", "[unit]") {
  auto all = names();
  auto complaint = [&](const plan_function& x) { return x.complaint(all); };
  for (auto& good : {plans::standard(), plans::permanent(), plans::transient(),
                     plans::temporary(), plans::never(), plans::backoff(),
                     plan_function{"plan"},
                     plan_function{[](exit_info&) { return verdict::wait(); }}})
    CHECK(complaint(good) == "");
  CHECK(complaint({}) == "no plan was given");
  CHECK(complaint("other") == "'other' is not in the catalog");
  CHECK(complaint(plans::never().with_quiet_time(-1s))
        == "the quiet time is negative");
  auto interval = "an interval is negative, or the maximum below the minimum";
  CHECK(complaint(plans::backoff({.min = -1s})) == interval);
  CHECK(complaint(plans::backoff({.min = 2s, .max = 1s})) == interval);
  CHECK(complaint(plans::standard({.delay = -1s})) == interval);
  CHECK(complaint(plans::standard({.delay = caf::infinite}))
        == "an interval is infinite");
  CHECK(complaint(plans::backoff({.max = caf::infinite}))
        == "an interval is infinite");
  auto factor = "the factor is below 1 or not a number";
  CHECK(complaint(plans::backoff({.factor = 0.99})) == factor);
  CHECK(complaint(
          plans::backoff({.factor = std::numeric_limits<double>::quiet_NaN()}))
        == factor);
  CHECK(complaint(
          plans::backoff({.factor = std::numeric_limits<double>::infinity()}))
        == factor);
  auto jitter = "the jitter is not between 0 and 1";
  CHECK(complaint(plans::backoff({.jitter = -0.1})) == jitter);
  CHECK(complaint(plans::backoff({.jitter = 1.1})) == jitter);
  CHECK(complaint(
          plans::backoff({.jitter = std::numeric_limits<double>::quiet_NaN()}))
        == jitter);
  std::function<verdict(exit_info&)> hollow;
  CHECK_FALSE(complaint(plan_function{hollow}).empty());
}

TEST_CASE("a quiet time can be given to every plan", "[unit]") {
  for (auto& plan :
       {plans::permanent(), plans::backoff(), plan_function{"plan"}}) {
    CHECK(plan.quiet_time() == 1min);
    auto other = plan.with_quiet_time(3s);
    CHECK(other.quiet_time() == 3s);
    CHECK(other.what() == plan.what());
    CHECK(other.name() == plan.name());
  }
}

TEST_CASE("ready-made plans travel with their parameters", "[unit]") {
  auto spec = named_spec();
  spec.plan = plans::backoff(
    {.min = 5ms, .max = 320ms, .factor = 4.0, .jitter = 0.0, .quiet_time = 9s});
  auto plan = trip(spec).plan;
  CHECK(plan.what() == plan_function::kind::backoff);
  CHECK(plan.quiet_time() == 9s);
  CHECK(decide(plan, 1).interval() == 5ms);
  CHECK(decide(plan, 2).interval() == 20ms);
  CHECK(decide(plan, 9).interval() == 320ms);
  plan
    = trip(plans::standard({.immediate = 1, .delay = 3ms, .quiet_time = 4s}));
  CHECK(plan.what() == plan_function::kind::standard);
  CHECK(plan.quiet_time() == 4s);
  CHECK(decide(plan, 1).what() == verdict::action::restart);
  CHECK(decide(plan, 2).interval() == 3ms);
  CHECK(decide(plan, 3).what() == verdict::action::stop);
  for (auto& x : {plans::permanent(), plans::transient(), plans::temporary(),
                  plans::never()}) {
    auto arrived = trip(x.with_quiet_time(8s));
    CHECK(arrived.what() == x.what());
    CHECK(arrived.name() == x.name());
    CHECK(arrived.quiet_time() == 8s);
    CHECK(decide(arrived, 1).what() == decide(x, 1).what());
    CHECK(arrived.complaint({}).empty());
  }
  // A quiet time belongs to a name, too.
  CHECK(trip(plan_function{"plan"}.with_quiet_time(8s)).quiet_time() == 8s);
  // Bytes that make no sense are refused.
  using byte_type = caf::byte_buffer::value_type;
  auto bytes = to_bytes(plans::never());
  auto kind = static_cast<byte_type>(plan_function::kind::never);
  auto failures = 0;
  for (auto& byte : bytes) {
    if (byte != kind)
      continue;
    auto before = std::exchange(byte, byte_type{200});
    plan_function broken;
    if (!from_bytes(bytes, broken))
      ++failures;
    byte = before;
  }
  CHECK(failures > 0);
}
