// The concurrent map under ets tables, by itself: nothing here knows CAF, so
// that the thread sanitizer's word can be trusted.

#define CATCH_CONFIG_MAIN
#include "catch.hpp"

#include <atomic>
#include <cstdint>
#include <director/ets/internal/store.hpp>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

using director::ets::internal::row_index;

namespace {

struct record {
  int64_t key = 0;
  /// All three are equal unless a reader sees a record by half.
  uint64_t a = 0;
  uint64_t b = 0;
  std::string c = "0";
};

struct key_of {
  const int64_t& operator()(const record& x) const noexcept {
    return x.key;
  }
};

using store
  = director::ets::internal::store<record, key_of, std::hash<int64_t>>;

record make(int64_t key, uint64_t value) {
  return {key, value, value, std::to_string(value)};
}

void assign(record& x, uint64_t value) {
  x.a = value;
  x.b = value;
  x.c = std::to_string(value);
}

bool whole(const record& x) {
  return x.a == x.b && x.c == std::to_string(x.a);
}

row_index insert(store& to, int64_t key, uint64_t value) {
  row_index result = 0;
  to.update(key, [&](store::entry& entry) {
    if (entry.row() == 0)
      result = entry.insert(make(key, value));
  });
  return result;
}

bool remove(store& from, int64_t key) {
  auto result = false;
  from.update(key, [&](store::entry& entry) {
    result = entry.row() != 0;
    if (result)
      entry.remove();
  });
  return result;
}

bool contains(const store& in, int64_t key) {
  return in.read(key, [](const record&) {});
}

} // namespace

TEST_CASE("a store keeps what is inserted until it is removed") {
  store x;
  CHECK_FALSE(contains(x, 1));
  auto row = insert(x, 1, 7);
  REQUIRE(row != 0);
  CHECK(insert(x, 1, 8) == 0);
  CHECK(contains(x, 1));
  CHECK(x.change(row, [](record& y) { assign(y, 9); }));
  uint64_t seen = 0;
  CHECK(x.read(1, [&](const record& y) { seen = y.a; }));
  CHECK(seen == 9);
  CHECK(remove(x, 1));
  CHECK_FALSE(remove(x, 1));
  CHECK_FALSE(contains(x, 1));
  CHECK_FALSE(x.change(row, [](record&) {}));
  CHECK_FALSE(x.change(0, [](record&) {}));
  CHECK_FALSE(x.change(1'000'000, [](record&) {}));
}

TEST_CASE("a store agrees with a map") {
  std::minstd_rand random{4711};
  store x;
  std::map<int64_t, uint64_t> expected;
  std::map<int64_t, row_index> rows;
  for (uint64_t step = 0; step < 200'000; ++step) {
    auto key = static_cast<int64_t>(random() % 20'000);
    switch (random() % 4) {
      case 0:
        CHECK(remove(x, key) == (expected.erase(key) > 0));
        break;
      case 1:
        if (expected.contains(key)) {
          CHECK(x.change(rows[key], [&](record& y) { assign(y, step); }));
          expected[key] = step;
        }
        break;
      default:
        if (auto row = insert(x, key, step); row != 0) {
          CHECK(expected.emplace(key, step).second);
          rows[key] = row;
        } else {
          CHECK(expected.contains(key));
        }
    }
  }
  std::map<int64_t, uint64_t> seen;
  x.visit([&](const record& y) { seen.emplace(y.key, y.a); });
  CHECK(seen == expected);
  for (int64_t key = 0; key < 20'000; ++key) {
    uint64_t value = 0;
    auto found = x.read(key, [&](const record& y) { value = y.a; });
    auto want = expected.find(key);
    if (found != (want != expected.end()) || (found && value != want->second))
      FAIL("wrong value for " << key);
  }
}

TEST_CASE("rows stay where they are while a store grows") {
  store x;
  std::vector<row_index> rows;
  constexpr int64_t count = 100'000;
  for (int64_t key = 0; key < count; ++key)
    rows.push_back(insert(x, key, static_cast<uint64_t>(key)));
  for (int64_t key = 0; key < count; ++key) {
    auto right = false;
    x.change(rows[static_cast<size_t>(key)],
             [&](record& y) { right = y.key == key; });
    if (!right)
      FAIL("row of " << key << " has moved");
  }
}

TEST_CASE("the rows of removed records are used again") {
  store x;
  auto first = insert(x, 1, 1);
  row_index highest = 0;
  for (int i = 0; i < 10'000; ++i) {
    remove(x, 1);
    highest = std::max(highest, insert(x, 1, 1));
  }
  CHECK(highest == first);
}

TEST_CASE("one of several threads inserts a key") {
  constexpr int64_t keys = 5'000;
  constexpr size_t count = 4;
  store x;
  std::atomic<size_t> wins = 0;
  std::atomic<size_t> ready = 0;
  std::vector<std::thread> threads;
  for (size_t i = 0; i < count; ++i)
    threads.emplace_back([&] {
      ++ready;
      while (ready < count)
        std::this_thread::yield();
      for (int64_t key = 0; key < keys; ++key)
        if (insert(x, key, 1) != 0)
          ++wins;
    });
  for (auto& thread : threads)
    thread.join();
  CHECK(wins == keys);
}

TEST_CASE("readers see whole records, and miss none, while others write") {
  // Keys below `stable` are never removed; the others come and go, which makes
  // the index grow and rows change hands.
  constexpr int64_t stable = 500;
  constexpr int64_t fleeting = 4'000;
  constexpr size_t rounds = 40;
  store x;
  std::vector<row_index> rows;
  for (int64_t key = 0; key < stable; ++key)
    rows.push_back(insert(x, key, 0));
  std::atomic<size_t> active = 2;
  std::atomic<size_t> torn = 0;
  std::atomic<size_t> missed = 0;
  std::vector<std::thread> threads;
  for (int w = 0; w < 2; ++w)
    threads.emplace_back([&, w] {
      for (size_t round = 0; round < rounds; ++round) {
        for (int64_t key = stable + w; key < stable + fleeting; key += 2)
          insert(x, key, round);
        for (auto i = static_cast<size_t>(w); i < rows.size(); i += 2)
          x.change(rows[i], [&](record& y) { assign(y, round); });
        for (int64_t key = stable + w; key < stable + fleeting; key += 2)
          remove(x, key);
      }
      --active;
    });
  for (int r = 0; r < 2; ++r)
    threads.emplace_back([&, r] {
      std::minstd_rand random{static_cast<uint32_t>(r + 1)};
      while (active > 0) {
        auto key = static_cast<int64_t>(random() % (stable + 64));
        auto found = x.read(key, [&](const record& y) {
          if (!whole(y) || y.key != key)
            ++torn;
        });
        if (!found && key < stable)
          ++missed;
        if (random() % 256 != 0)
          continue;
        size_t seen = 0;
        x.visit([&](const record& y) {
          if (!whole(y))
            ++torn;
          if (y.key < stable)
            ++seen;
        });
        if (seen != static_cast<size_t>(stable))
          ++missed;
      }
    });
  for (auto& thread : threads)
    thread.join();
  CHECK(torn == 0);
  CHECK(missed == 0);
}
