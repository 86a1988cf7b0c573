// Everything that needs no running director: values, plans, texts.

#include "fixture.hpp"

#include <caf/actor_registry.hpp>
#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/byte_buffer.hpp>

#include <algorithm>
#include <limits>
#include <random>
#include <set>
#include <unordered_set>

using namespace director;
using namespace fixture;

namespace {

/// Actor handles, even empty ones, only travel with an actor system.
template <class T>
caf::byte_buffer to_bytes(const T& x, caf::actor_system* sys = nullptr) {
  caf::byte_buffer result;
  auto write = [&x](caf::binary_serializer sink) {
    if (!sink.apply(x))
      FAIL("cannot write: " << to_string(sink.get_error()));
  };
#if CAF_VERSION_MAJOR >= 1
  sys != nullptr ? write({*sys, result})
                 : write(caf::binary_serializer{result});
#else
  sys != nullptr ? write({*sys, result}) : write({nullptr, result});
#endif
  return result;
}

/// Returns whether the bytes hold a value and nothing else.
template <class T>
bool from_bytes(const caf::byte_buffer& bytes, T& x,
                caf::actor_system* sys = nullptr) {
  auto read = [&x](caf::binary_deserializer source) {
    return source.apply(x) && source.remaining() == 0;
  };
#if CAF_VERSION_MAJOR >= 1
  return sys != nullptr ? read({*sys, bytes})
                        : read(caf::binary_deserializer{bytes});
#else
  return sys != nullptr ? read({*sys, bytes}) : read({nullptr, bytes});
#endif
}

/// Sends a value through the wire format.
template <class T>
T trip(const T& x, caf::actor_system* sys = nullptr) {
  T result;
  REQUIRE(from_bytes(to_bytes(x, sys), result, sys));
  return result;
}

trace_options tracing(const std::function<void(trace_options&)>& change) {
  trace_options result;
  change(result);
  return result;
}

verdict decide(const plan_function& plan, uint32_t recent,
               const caf::error& reason = caf::sec::runtime_error,
               std::minstd_rand random = std::minstd_rand{1}) {
  child_id id = "child";
  caf::message state;
  exit_info info{id, reason, recent, recent, state};
  return plan.decide(info, {}, random);
}

std::string field_of(const caf::error& err) {
  auto* where = get_spec_error(err);
  return where != nullptr ? where->field : "";
}

child_spec named_spec() {
  return {
    .id = "child",
    .start = "start",
    .args = caf::make_message(int32_t{1}, "two"),
    .plan = "plan",
    .state = caf::make_message("state"),
    .type = child_type::supervisor,
    .terminate_timeout = 3s,
    .modules = module_list{"one", "two"},
    .log_filter = "filter",
    .delete_before_terminate = false,
    .append = true,
    .await_ready = true,
    .start_timeout = 7s,
  };
}

catalog names() {
  catalog result;
  result.add_start("start", [] { return start_result::declined(); })
    .add_plan("plan", [](exit_info&) { return verdict::wait(); })
    .add_log_filter("filter", [](report&) { return report_detail::full; });
  return result;
}

size_t lines(const std::string& text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace

// -- IDs ----------------------------------------------------------------------

TEST_CASE("an ID is an integer, a string or empty", "[unit]") {
  static_assert(!std::is_constructible_v<child_id, bool>);
  static_assert(!std::is_constructible_v<child_id, char>);
  static_assert(!std::is_constructible_v<child_id, double>);
  child_id none;
  CHECK(none.empty());
  CHECK(none.integer() == nullptr);
  CHECK(none.string() == nullptr);
  CHECK(child_id{""} == none);
  CHECK(child_id{std::string{}} == none);
  CHECK(child_id{std::string_view{}} == none);
  child_id num = 7;
  CHECK_FALSE(num.empty());
  REQUIRE(num.integer() != nullptr);
  CHECK(*num.integer() == 7);
  CHECK(num.string() == nullptr);
  CHECK(*child_id{uint8_t{255}}.integer() == 255);
  CHECK(*child_id{std::numeric_limits<int64_t>::min()}.integer()
        == std::numeric_limits<int64_t>::min());
  child_id text = "seven";
  CHECK_FALSE(text.empty());
  REQUIRE(text.string() != nullptr);
  CHECK(*text.string() == "seven");
  CHECK(text.integer() == nullptr);
  CHECK(text == child_id{std::string{"seven"}});
  CHECK(text == child_id{std::string_view{"seven"}});
  auto copy = text;
  CHECK(copy.string() == text.string());
}

TEST_CASE("IDs compare, order and hash by kind and value", "[unit]") {
  CHECK(child_id{1} == child_id{int8_t{1}});
  CHECK(child_id{1} != child_id{2});
  CHECK(child_id{1} != child_id{"1"});
  CHECK(child_id{0} != child_id{});
  CHECK(child_id{"a"} != child_id{"b"});
  std::vector<child_id> sorted
    = {{}, -1, 0, 1, std::numeric_limits<int64_t>::max(), "", "a", "aa", "b"};
  sorted.erase(sorted.begin() + 5);
  for (size_t i = 0; i < sorted.size(); ++i)
    for (size_t j = 0; j < sorted.size(); ++j) {
      INFO(i << " " << j);
      CHECK((sorted[i] < sorted[j]) == (i < j));
      CHECK((sorted[i] == sorted[j]) == (i == j));
    }
  std::hash<child_id> hash;
  CHECK(hash(child_id{"a"}) == hash(child_id{std::string{"a"}}));
  CHECK(hash(child_id{5}) == hash(child_id{int64_t{5}}));
  CHECK(hash(child_id{}) == hash(child_id{""}));
  std::unordered_set<child_id> set{1, "1", "a", {}};
  CHECK(set.size() == 4);
  CHECK(set.contains("1"));
  CHECK_FALSE(set.contains(2));
}

TEST_CASE("IDs have a text and a wire format", "[unit]") {
  CHECK(to_string(child_id{-12}) == "-12");
  CHECK(to_string(child_id{"a b"}) == "a b");
  CHECK(to_string(child_id{}) == "<empty>");
  for (auto& id : std::vector<child_id>{{},
                                        0,
                                        std::numeric_limits<int64_t>::min(),
                                        std::numeric_limits<int64_t>::max(),
                                        "0",
                                        "text",
                                        std::string(100'000, 'x')})
    CHECK(trip(id) == id);
}

// -- errors -------------------------------------------------------------------

TEST_CASE("error codes have names", "[unit]") {
  std::set<std::string> seen;
  constexpr auto last = static_cast<uint8_t>(errc::table_closed);
  for (uint8_t value = 0; value <= last; ++value) {
    errc code = errc::table_failed;
    REQUIRE(from_integer(value, code));
    CHECK(static_cast<uint8_t>(code) == value);
    auto name = to_string(code);
    CHECK(seen.insert(name).second);
    errc again = value == 0 ? errc::undone : errc::none;
    REQUIRE(from_string(name, again));
    CHECK(again == code);
    CHECK(trip(code) == code);
  }
  CHECK(seen.contains("already_started"));
  CHECK(seen.contains("table_closed"));
  auto code = errc::undone;
  CHECK_FALSE(from_integer(last + 1, code));
  CHECK_FALSE(from_integer(255, code));
  CHECK_FALSE(from_string("", code));
  CHECK_FALSE(from_string("nonsense", code));
  CHECK(code == errc::undone);
  CHECK(to_string(static_cast<errc>(200)) == "???");
  CHECK(contains(to_string(caf::make_error(errc::not_found)), "not_found"));
  CHECK_FALSE(caf::make_error(errc::none));
}

TEST_CASE("errors carry a field, a cause or a handle", "[unit]") {
  auto spec = make_spec_error(errc::invalid_child_spec, "plan", 4, "is bad");
  CHECK(spec == errc::invalid_child_spec);
  auto* where = get_spec_error(spec);
  REQUIRE(where != nullptr);
  CHECK(where->field == "plan");
  CHECK(where->id == child_id{4});
  CHECK(where->text == "is bad");
  CHECK(cause_of(spec) == spec);
  CHECK_FALSE(handle_of(spec));
  auto text = to_string(spec);
  INFO(text);
  CHECK(contains(text, "invalid_child_spec"));
  CHECK(contains(text, "plan"));
  CHECK(contains(text, "is bad"));
  auto traveller = trip(spec);
  REQUIRE(get_spec_error(traveller) != nullptr);
  CHECK(get_spec_error(traveller)->field == "plan");
  CHECK(get_spec_error(traveller)->id == child_id{4});

  auto nested = make_nested_error(errc::start_failed,
                                  caf::make_error(caf::sec::runtime_error));
  CHECK(nested == errc::start_failed);
  CHECK(cause_of(nested) == caf::sec::runtime_error);
  CHECK(get_spec_error(nested) == nullptr);
  CHECK(cause_of(trip(nested)) == caf::sec::runtime_error);
  CHECK(cause_of(make_nested_error(errc::plan_failed, nested))
        == errc::start_failed);

  caf::error plain = caf::sec::runtime_error;
  CHECK(get_spec_error(plain) == nullptr);
  CHECK(cause_of(plain) == plain);
  CHECK_FALSE(handle_of(plain));
  CHECK(get_spec_error({}) == nullptr);
  CHECK_FALSE(cause_of({}));
  CHECK_FALSE(handle_of({}));
  // The context of somebody else's error means nothing.
  auto foreign = caf::make_error(caf::sec::runtime_error, plain);
  CHECK(cause_of(foreign) == foreign);

  CHECK(is_table_failure(caf::make_error(errc::table_failed)));
  CHECK(is_table_failure(caf::make_error(errc::table_closed)));
  CHECK_FALSE(is_table_failure(plain));
  CHECK_FALSE(is_table_failure({}));
}

TEST_CASE("an error hands out the actor it carries", "[unit]") {
  world w;
  auto handle = w.sys->spawn(
    [](caf::event_based_actor*) { return caf::behavior{[](int) {}}; });
  auto err = caf::make_error(errc::already_started, handle);
  CHECK(handle_of(err) == handle);
  CHECK(cause_of(err) == err);
  CHECK_FALSE(handle_of(caf::make_error(caf::sec::runtime_error, handle)));
}

// -- enums --------------------------------------------------------------------

TEST_CASE("enums have names", "[unit]") {
  auto round = [](auto first, auto last) {
    using type = decltype(first);
    for (auto i = static_cast<uint8_t>(first); i <= static_cast<uint8_t>(last);
         ++i) {
      auto value = last;
      CHECK(from_integer(i, value));
      CHECK(static_cast<uint8_t>(value) == i);
      auto again = value == first ? last : first;
      CHECK(from_string(to_string(value), again));
      CHECK(again == value);
      CHECK(trip(value) == value);
    }
    auto value = first;
    CHECK_FALSE(from_string("nonsense", value));
    CHECK_FALSE(from_string("", value));
    type beyond{};
    CHECK_FALSE(from_integer(static_cast<uint8_t>(last) + 1, beyond));
  };
  round(child_status::undefined, child_status::unresponsive);
  round(child_type::worker, child_type::supervisor);
  round(trace_kind::message, trace_kind::timer);
  CHECK(to_string(child_status::restarting) == "restarting");
  CHECK(to_string(child_type::supervisor) == "supervisor");
  CHECK(to_string(trace_kind::verdict) == "verdict");
  CHECK(to_string(static_cast<child_status>(77)) == "???");
  CHECK(to_string(static_cast<trace_kind>(77)) == "???");
  CHECK(to_string(severity::warning) == "warning");
  CHECK(to_string(report_detail::full) == "full");
  CHECK(to_string(report_kind::progress) == "progress");
  CHECK(to_string(report_kind::table_error) == "table_error");
}

// -- plans --------------------------------------------------------------------

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

// -- named functions ----------------------------------------------------------

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

// -- specs --------------------------------------------------------------------

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

// -- what travels back --------------------------------------------------------

TEST_CASE("answers survive a journey", "[unit]") {
  world w;
  auto* sys = w.sys.get();
  child_info info{
    "x", child_status::restarting, {}, child_type::supervisor, module_list{"m"},
    12};
  auto arrived = trip(info, sys);
  CHECK(arrived.id == child_id{"x"});
  CHECK(arrived.status == child_status::restarting);
  CHECK_FALSE(arrived.handle);
  CHECK(arrived.type == child_type::supervisor);
  CHECK(to_string(arrived.modules) == "[m]");
  CHECK(arrived.restart_count == 12);
  info.handle = sys->spawn(
    [](caf::event_based_actor*) { return caf::behavior{[](int) {}}; });
  // An actor that nobody has registered is known on its own node only.
  sys->registry().put(info.handle.id(), info.handle);
  CHECK(trip(info, sys).handle == info.handle);
  sys->registry().erase(info.handle.id());
  CHECK(trip(child_counts{4, 3, 2, 1}) == child_counts{4, 3, 2, 1});
  auto outcome = trip(child_outcome{7,
                                    {{}, caf::make_message("extra")},
                                    caf::make_error(errc::undone)},
                      sys);
  CHECK(outcome.id == child_id{7});
  CHECK(outcome.err == errc::undone);
  CHECK(to_string(outcome.value.extra) == R"__(message("extra"))__");
  auto opts = trip(tracing([](auto& x) {
    x.ring = 3;
    x.counters = true;
    x.print = true;
    x.file = "f";
    x.function = [](const trace_event&) {};
  }));
  CHECK(opts.ring == 3);
  CHECK(opts.counters);
  CHECK(opts.print);
  CHECK(opts.file == "f");
  CHECK_FALSE(opts.function);
  CHECK(to_string(trip(message_box{caf::make_message(1)}).value)
        == "message(1)");
  auto event
    = trip(trace_event{caf::make_timestamp(), trace_kind::exit, 3, "text"});
  CHECK(event.kind == trace_kind::exit);
  CHECK(event.id == child_id{3});
  CHECK(event.text == "text");
  CHECK(trip(trace_counters{1, 2, 3, 4, 5, 6}).verdicts == 5);
}

TEST_CASE("trace options know whether they are on", "[unit]") {
  CHECK_FALSE(trace_options{}.enabled());
  CHECK(tracing([](auto& x) { x.ring = 1; }).enabled());
  CHECK(tracing([](auto& x) { x.counters = true; }).enabled());
  CHECK(tracing([](auto& x) { x.print = true; }).enabled());
  CHECK(tracing([](auto& x) { x.file = "x"; }).enabled());
  CHECK(
    tracing([](auto& x) { x.function = [](const trace_event&) {}; }).enabled());
}

// -- texts --------------------------------------------------------------------

TEST_CASE("a brief report is one line, a full one has the record", "[unit]") {
  child_record record;
  record.id = "kid";
  record.spec = std::make_shared<const child_spec>(
    with_defaults({.id = {}, .start = "fn", .args = caf::make_message(1)}));
  record.args = caf::make_message("own");
  record.restart_count = 3;
  record.incarnation = 4;
  record.status = child_status::restarting;
  auto reason = caf::make_error(caf::sec::runtime_error, "two\nlines");
  auto state = caf::make_message("slot");
  report x{report_kind::child_terminated,
           severity::error,
           report_detail::brief,
           "dir",
           &record,
           reason,
           "some words",
           state};
  auto brief = to_string(x);
  INFO(brief);
  CHECK(lines(brief) == 0);
  CHECK(contains(brief, "error dir child_terminated child=kid"));
  CHECK(contains(brief, "runtime_error"));
  CHECK(contains(brief, "some words"));
  CHECK_FALSE(contains(brief, "restart_count"));
  x.detail = report_detail::full;
  auto full = to_string(x);
  INFO(full);
  CHECK(lines(full) > 0);
  CHECK(full.substr(0, brief.size()) == brief);
  for (auto part : {"id=kid", "status=restarting", "type=worker", "start=fn",
                    "plan=standard", "restart_count=3", "incarnation=4",
                    R"__(args=message(1, "own"))__", "modules=[fn]",
                    R"__(state=message("slot"))__"})
    CHECK(contains(full, part));
  // About the director itself.
  report y{report_kind::director_terminating,
           severity::info,
           report_detail::full,
           "dir",
           nullptr,
           caf::error{},
           {},
           state};
  CHECK(to_string(y) == "info dir director_terminating");
}

TEST_CASE("a brief report is one line whatever the names are", "[unit]") {
  child_record record;
  record.id = "two\nlines";
  record.spec = std::make_shared<const child_spec>(with_defaults({.id = {}}));
  caf::error reason;
  caf::message state;
  report x{report_kind::progress, severity::info, report_detail::brief,
           "dir\nector",          &record,        reason,
           "more\nwords",         state};
  auto text = to_string(x);
  INFO(text);
  CHECK(lines(text) == 0);
}

TEST_CASE("a record has a text", "[unit]") {
  child_record record;
  record.id = 5;
  record.spec = std::make_shared<const child_spec>(
    with_defaults({.id = {},
                   .type = child_type::supervisor,
                   .modules = module_list::dynamic()}));
  auto text = to_string(record);
  INFO(text);
  CHECK(contains(text, "id=5"));
  CHECK(contains(text, "status=undefined"));
  CHECK(contains(text, "type=supervisor"));
  CHECK(contains(text, "modules=dynamic"));
  CHECK(lines(text) == 0);
}

TEST_CASE("an effective spec is complete", "[unit]") {
  child_spec base{.id = {}, .start = "fn", .args = caf::make_message(1)};
  child_record record;
  record.id = "kid";
  record.args = caf::make_message(2);
  record.spec = std::make_shared<const child_spec>(combine({}, base));
  auto spec = effective_spec(record);
  CHECK(spec.id == child_id{"kid"});
  CHECK(to_string(spec.args) == "message(1, 2)");
  CHECK_FALSE(spec.append);
  CHECK(spec.type);
  CHECK(spec.modules);
}

TEST_CASE("a trace event has a text", "[unit]") {
  auto now = caf::make_timestamp();
  auto stamp = caf::timestamp_to_string(now);
  CHECK(to_string(trace_event{now, trace_kind::verdict, "kid", "wait"})
        == stamp + " verdict kid: wait");
  CHECK(to_string(trace_event{now, trace_kind::timer, 7, ""})
        == stamp + " timer 7");
  CHECK(to_string(trace_event{now, trace_kind::message, {}, "stop"})
        == stamp + " message: stop");
}

TEST_CASE("a tree is printed with its levels", "[unit]") {
  tree_node root;
  root.name = "top";
  auto& first = root.children.emplace_back();
  first.child = {"first", child_status::running, {}, child_type::supervisor, {},
                 1};
  first.name = "below";
  auto& leaf = first.children.emplace_back();
  leaf.child = {7, child_status::restarting, {}, child_type::worker, {}, 2};
  auto& last = root.children.emplace_back();
  last.child
    = {R"(qu"o\te)", child_status::undefined, {}, child_type::worker, {}, 0};
  auto text = to_string(root);
  INFO(text);
  CHECK(text
        == "top  director\n"
           "├─ first  supervisor  running, 1 restart  director below\n"
           "│  └─ 7  worker  restarting, 2 restarts\n"
           "└─ qu\"o\\te  worker  undefined, 0 restarts\n");
  auto dot = to_dot(root);
  INFO(dot);
  CHECK(contains(dot, "digraph"));
  CHECK(contains(dot, R"(label="top\ndirector", shape=box];)"));
  CHECK(contains(
    dot, R"(label="first\nsupervisor\nrunning, 1 restart\ndirector below")"));
  CHECK(contains(dot,
                 R"(label="7\nworker\nrestarting, 2 restarts", shape=ellipse, )"
                 R"(style=dashed];)"));
  CHECK(contains(dot, R"(label="qu\"o\\te\nworker\nundefined, 0 restarts")"));
  CHECK(contains(dot, "n0 -> n1;"));
  CHECK(contains(dot, "n1 -> n2;"));
  CHECK(contains(dot, "n0 -> n3;"));
  CHECK(dot.substr(dot.size() - 2) == "}\n");
  CHECK(to_string(tree_node{{}, "alone", {}}) == "alone  director\n");
}

TEST_CASE("stop orders and refusals", "[unit]") {
  auto ignore = init_result::ignore();
  REQUIRE(ignore.refusal);
  CHECK(*ignore.refusal == errc::declined);
  auto stop = init_result::stop(caf::sec::runtime_error);
  REQUIRE(stop.refusal);
  CHECK(*stop.refusal == caf::sec::runtime_error);
  CHECK_FALSE(init_result{}.refusal);
  CHECK(director_options{}.order == stop_order::requested_first);
  CHECK(director_options{}.kill_grace == caf::timespan{5s});
  auto fn = fixed({.state = caf::make_message(3)});
  REQUIRE(fn.init);
  CHECK(to_string(fn.init({}).state) == "message(3)");
}
