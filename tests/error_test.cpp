// Errors, and the names of enums.

#include "fixture.hpp"

#include <set>

using namespace director;
using namespace fixture;

// -- errors -------------------------------------------------------------------

TEST_CASE("error codes have names", "[unit]") {
  std::set<std::string> seen;
  constexpr auto last = static_cast<uint8_t>(errc::unreadable);
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
  CHECK(seen.contains("too_slow"));
  CHECK(seen.contains("unreadable"));
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
