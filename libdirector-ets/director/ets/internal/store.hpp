// A concurrent map whose rows stay where they are. Knows nothing of actors, so
// that it can be checked by itself.

#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace director::ets::internal {

/// A lock of one byte, for critical sections of a few instructions.
class spin_lock {
public:
  void lock() noexcept {
    if (locked_.exchange(true, std::memory_order_acquire))
      wait();
  }

  void unlock() noexcept {
    locked_.store(false, std::memory_order_release);
  }

private:
  [[gnu::noinline]] void wait() noexcept {
    do {
      for (int spins = 0; locked_.load(std::memory_order_relaxed); ++spins)
        if (spins >= 64)
          std::this_thread::yield();
    } while (locked_.exchange(true, std::memory_order_acquire));
  }

  std::atomic<bool> locked_ = false;
};

/// Names a row from `store::entry::insert` to `store::entry::remove`; 0 is no
/// row.
using row_index = uint32_t;

/// Keeps records in rows that never move, with an index by key. Safe for
/// concurrent use. Readers walk the index without a lock and then lock the one
/// row they found, so that they never hold up writers of other keys. Adding
/// and removing keys locks one shard of the index.
/// @tparam KeyOf returns a reference to the key within a record.
template <class Record, class KeyOf, class Hash>
class store {
public:
  store() = default;

  store(const store&) = delete;

  store& operator=(const store&) = delete;

  // -- reads ------------------------------------------------------------------

  /// Calls `fn(const Record&)` while no one else can change the record.
  /// Returns whether there is a record with this key.
  template <class Key, class F>
  bool read(const Key& key, F&& fn) const {
    auto hash = mix(Hash{}(key));
    auto& home = shard_of(hash);
    for (;;) {
      auto version = home.version.load(std::memory_order_acquire);
      auto* index = home.index.load(std::memory_order_acquire);
      if (index != nullptr) {
        auto i = index->head(hash).load(std::memory_order_acquire);
        while (i != 0) {
          auto& x = at(i);
          if (x.hash.load(std::memory_order_relaxed) == tag(hash)) {
            std::lock_guard guard{x.lock};
            if (x.used && KeyOf{}(x.record) == key) {
              fn(std::as_const(x.record));
              return true;
            }
          }
          i = x.next.load(std::memory_order_acquire);
        }
      }
      // Whoever walks a chain that is being changed may end up in another.
      if (version % 2 == 0
          && version == home.version.load(std::memory_order_acquire))
        return false;
      std::this_thread::yield();
    }
  }

  /// Calls `fn(const Record&)` for each record, one at a time, while no one
  /// else can change that record.
  template <class F>
  void visit(F&& fn) const {
    size_t left = last_row_.load(std::memory_order_acquire);
    for (size_t segment = 0; left > 0 && segment < max_segments; ++segment) {
      auto size = std::min(left, segment_size(segment));
      left -= size;
      auto* rows = segments_[segment].load(std::memory_order_acquire);
      if (rows == nullptr)
        continue;
      for (size_t i = 0; i < size; ++i) {
        auto& x = rows[i];
        std::lock_guard guard{x.lock};
        if (x.used)
          fn(std::as_const(x.record));
      }
    }
  }

  // -- writes -----------------------------------------------------------------

  /// Calls `fn(Record&)` while no one else can see the record. `fn` must not
  /// change the key, nor destroy anything whose end may call the store.
  /// Returns whether there is such a row.
  template <class F>
  bool change(row_index i, F&& fn) {
    if (i == 0 || i > last_row_.load(std::memory_order_acquire))
      return false;
    auto [segment, offset] = locate(i);
    auto* rows = segments_[segment].load(std::memory_order_acquire);
    if (rows == nullptr)
      return false;
    auto& x = rows[offset];
    std::lock_guard guard{x.lock};
    if (!x.used)
      return false;
    fn(x.record);
    return true;
  }

private:
  struct alignas(64) row {
    std::atomic<row_index> next = 0;
    std::atomic<uint32_t> hash = 0;
    mutable spin_lock lock;
    bool used = false;
    Record record;
  };

  struct chains {
    explicit chains(size_t size)
      : mask(size - 1),
        heads(std::make_unique<std::atomic<row_index>[]>(size)) {
      // nop
    }

    std::atomic<row_index>& head(uint64_t hash) {
      return heads[hash & mask];
    }

    size_t mask;
    std::unique_ptr<std::atomic<row_index>[]> heads;
  };

  struct alignas(64) shard {
    /// Odd while rows leave their chains.
    std::atomic<uint64_t> version = 0;
    std::atomic<chains*> index = nullptr;
    std::mutex mutex;
    size_t size = 0;
    std::vector<row_index> free;
    /// The index and its smaller predecessors, which readers may still use.
    std::vector<std::unique_ptr<chains>> kept;
  };

public:
  /// One key, while nobody else can add or remove it.
  class entry {
  public:
    /// Returns the row of the key, 0 if there is none.
    row_index row() const noexcept {
      return row_;
    }

    /// Adds a record with the key, of which there must be none.
    row_index insert(Record record) {
      row_ = store_.add(home_, hash_, std::move(record));
      return row_;
    }

    /// Removes the record with the key, which there must be, and returns it.
    Record remove() {
      return store_.drop(home_, hash_, std::exchange(row_, 0));
    }

  private:
    friend store;

    entry(store& owner, shard& home, uint64_t hash, row_index row)
      : store_(owner),
        home_(home),
        hash_(hash),
        row_(row) {
      // nop
    }

    store& store_;
    shard& home_;
    uint64_t hash_;
    row_index row_;
  };

  /// Calls `fn(entry&)`. All calls for one key come one after the other; `fn`
  /// must not call `update` itself.
  template <class Key, class F>
  void update(const Key& key, F&& fn) {
    auto hash = mix(Hash{}(key));
    auto& home = shard_of(hash);
    std::lock_guard guard{home.mutex};
    entry x{*this, home, hash, find(home, hash, key)};
    fn(x);
  }

private:
  // -- rows -------------------------------------------------------------------

  // Segments double in size up to this one, so that small stores are small
  // and large ones never pause for long.
  static constexpr size_t first_bits = 6;
  static constexpr size_t last_bits = 13;
  static constexpr size_t doublings = last_bits - first_bits;
  static constexpr size_t max_segments = 8192;

  static constexpr size_t segment_size(size_t segment) {
    return size_t{1} << std::min(first_bits + segment, last_bits);
  }

  /// Returns segment and offset of a row.
  static std::pair<size_t, size_t> locate(row_index i) {
    constexpr auto small = ((size_t{1} << doublings) - 1) << first_bits;
    size_t n = i - 1;
    if (n >= small) {
      n -= small;
      return {doublings + (n >> last_bits), n & ((size_t{1} << last_bits) - 1)};
    }
    auto segment = static_cast<size_t>(std::bit_width((n >> first_bits) + 1))
                   - 1;
    return {segment, n - (((size_t{1} << segment) - 1) << first_bits)};
  }

  row& at(row_index i) const {
    auto [segment, offset] = locate(i);
    return segments_[segment].load(std::memory_order_acquire)[offset];
  }

  row_index allocate() {
    auto i = last_row_.fetch_add(1, std::memory_order_acq_rel) + 1;
    auto segment = locate(i).first;
    if (segments_.at(segment).load(std::memory_order_acquire) == nullptr) {
      std::lock_guard guard{growing_};
      if (segments_[segment].load(std::memory_order_relaxed) == nullptr) {
        owned_.push_back(std::make_unique<row[]>(segment_size(segment)));
        segments_[segment].store(owned_.back().get(),
                                 std::memory_order_release);
      }
    }
    return i;
  }

  // -- index ------------------------------------------------------------------

  static constexpr size_t shard_bits = 6;

  static uint64_t mix(uint64_t x) {
    x ^= x >> 32;
    x *= 0x9e37'79b9'7f4a'7c15;
    x ^= x >> 29;
    x *= 0xbf58'476d'1ce4'e5b9;
    return x ^ (x >> 32);
  }

  /// Tells most rows of a chain apart without locking them.
  static uint32_t tag(uint64_t hash) {
    return static_cast<uint32_t>(hash >> 24);
  }

  shard& shard_of(uint64_t hash) const {
    return shards_[hash >> (64 - shard_bits)];
  }

  template <class Key>
  row_index find(shard& home, uint64_t hash, const Key& key) const {
    auto* index = home.index.load(std::memory_order_relaxed);
    if (index == nullptr)
      return 0;
    auto i = index->head(hash).load(std::memory_order_relaxed);
    while (i != 0) {
      auto& x = at(i);
      // The lock of the shard keeps the key as it is.
      if (x.hash.load(std::memory_order_relaxed) == tag(hash)
          && KeyOf{}(x.record) == key)
        return i;
      i = x.next.load(std::memory_order_relaxed);
    }
    return 0;
  }

  row_index add(shard& home, uint64_t hash, Record record) {
    reserve(home);
    row_index i;
    if (home.free.empty()) {
      i = allocate();
    } else {
      i = home.free.back();
      home.free.pop_back();
    }
    auto& x = at(i);
    {
      std::lock_guard guard{x.lock};
      x.record = std::move(record);
      x.used = true;
    }
    auto& head = home.index.load(std::memory_order_relaxed)->head(hash);
    x.hash.store(tag(hash), std::memory_order_relaxed);
    x.next.store(head.load(std::memory_order_relaxed),
                 std::memory_order_release);
    head.store(i, std::memory_order_release);
    ++home.size;
    return i;
  }

  Record drop(shard& home, uint64_t hash, row_index i) {
    home.version.fetch_add(1, std::memory_order_acq_rel);
    auto* link = &home.index.load(std::memory_order_relaxed)->head(hash);
    while (link->load(std::memory_order_relaxed) != i)
      link = &at(link->load(std::memory_order_relaxed)).next;
    auto& x = at(i);
    link->store(x.next.load(std::memory_order_relaxed),
                std::memory_order_release);
    home.version.fetch_add(1, std::memory_order_acq_rel);
    home.free.push_back(i);
    --home.size;
    std::lock_guard guard{x.lock};
    x.used = false;
    return std::exchange(x.record, Record{});
  }

  /// Makes room for one more row in the index.
  void reserve(shard& home) {
    auto* old = home.index.load(std::memory_order_relaxed);
    if (old != nullptr && home.size <= old->mask)
      return;
    auto size = old != nullptr ? 4 * (old->mask + 1) : size_t{16};
    home.kept.push_back(std::make_unique<chains>(size));
    auto* index = home.kept.back().get();
    home.version.fetch_add(1, std::memory_order_acq_rel);
    for (size_t chain = 0; old != nullptr && chain <= old->mask; ++chain) {
      auto i = old->heads[chain].load(std::memory_order_relaxed);
      while (i != 0) {
        auto& x = at(i);
        auto next = x.next.load(std::memory_order_relaxed);
        auto& head = index->head(mix(Hash{}(KeyOf{}(x.record))));
        x.next.store(head.load(std::memory_order_relaxed),
                     std::memory_order_release);
        head.store(i, std::memory_order_release);
        i = next;
      }
    }
    home.index.store(index, std::memory_order_release);
    home.version.fetch_add(1, std::memory_order_acq_rel);
  }

  mutable std::array<shard, size_t{1} << shard_bits> shards_;
  std::array<std::atomic<row*>, max_segments> segments_ = {};
  std::atomic<row_index> last_row_ = 0;
  std::mutex growing_;
  std::vector<std::unique_ptr<row[]>> owned_;
};

} // namespace director::ets::internal
