// The IDs of children.

#include "fixture.hpp"

#include <limits>
#include <unordered_set>

using namespace director;
using namespace fixture;

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
