// Many threads at once.

#include "director/test/internal/checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <thread>

namespace director::test::internal {

namespace {

class concurrent_checks final : checks {
public:
  using checks::checks;

  std::vector<std::string> run() {
    contest();
    race();
    traffic();
    return failures();
  }

private:
  /// All threads claim the same ID at the same moment.
  void contest() {
    auto tab = make_();
    auto n = actors_.size();
    std::vector<std::unique_ptr<client>> clients;
    for (auto& actor : actors_) {
      clients.push_back(std::make_unique<client>(actor));
      expect(!tab->attach(*clients.back()), "attach fails");
    }
    std::atomic<size_t> ready = 0;
    std::atomic<size_t> wins = 0;
    std::vector<std::thread> threads;
    for (size_t i = 0; i < n; ++i)
      threads.emplace_back([&, i] {
        for (size_t round = 0; round < options_.rounds; ++round) {
          ++ready;
          while (ready < (round + 1) * n)
            std::this_thread::yield();
          auto id = child_id{static_cast<int64_t>(round)};
          if (!claim(*tab, *clients[i], id, claim_mode::fresh).err)
            ++wins;
        }
      });
    for (auto& thread : threads)
      thread.join();
    expect(wins == options_.rounds,
           fmt::format("{} IDs were granted {} times to threads that claimed "
                       "them at once",
                       options_.rounds, wins.load()));
    tally(*tab, "after a contest");
    for (auto& who : clients)
      tab->detach(*who);
  }

  /// Writers start and end children while readers look on.
  void race() {
    auto tab = make_();
    constexpr size_t writers = 4;
    constexpr size_t ids = 16;
    std::atomic<size_t> active = writers;
    std::atomic<size_t> torn = 0;
    std::atomic<size_t> failed = 0;
    std::vector<std::thread> threads;
    for (size_t w = 0; w < writers; ++w)
      threads.emplace_back([&, w] {
        client who{actors_[w]};
        if (tab->attach(who))
          ++failed;
        for (uint64_t round = 1; round <= options_.rounds; ++round) {
          std::vector<claim_item> items;
          for (size_t i = 0; i < ids; ++i)
            items.push_back(
              item(static_cast<int64_t>(i * writers + w), claim_mode::fresh));
          if (who.wait(tab->claim(who, items), &items))
            ++failed;
          for (auto& x : items) {
            if (x.err || put(*tab, who, x.row, running(x.record, round)))
              ++failed;
            if (round % 2 == 0)
              std::this_thread::yield();
          }
          for (auto& x : items)
            if (erase(*tab, who, x.row))
              ++failed;
        }
        tab->detach(who);
        --active;
      });
    auto whole = [this](const child_record& x) {
      if (x.status == child_status::running)
        return x.handle == actors_[x.incarnation % actors_.size()];
      return x.status == child_status::restarting && !x.handle
             && x.incarnation == 0;
    };
    for (int r = 0; r < 2; ++r)
      threads.emplace_back([&, r] {
        std::minstd_rand random{options_.seed + static_cast<uint32_t>(r)};
        while (active > 0) {
          auto record
            = tab->find(static_cast<int64_t>(random() % (ids * writers)));
          if (record && !whole(*record))
            ++torn;
          tab->visit([&](const child_record& x) {
            if (!whole(x))
              ++torn;
          });
          if (tab->count_children().specs > ids * writers)
            ++torn;
          // Be fair to tables with a plain lock.
          std::this_thread::yield();
        }
      });
    for (auto& thread : threads)
      thread.join();
    expect(torn == 0,
           fmt::format("readers saw {} half-written records", torn.load()));
    expect(failed == 0,
           fmt::format("{} writes of own records failed", failed.load()));
    expect(tab->size() == 0, "records are left over after a race");
  }

  // -- against a model --------------------------------------------------------

  // Few IDs, so that the writers meet.
  static constexpr size_t id_count = 5;
  static constexpr size_t writer_count = 4;

  // What a table may hold for an ID, and when at most. As nobody can tell when
  // during a call a write takes effect, states that follow each other overlap.
  struct state {
    std::optional<child_record> record;
    uint64_t from;
    uint64_t to = std::numeric_limits<uint64_t>::max();
  };

  // All that writers have done to one ID. The order of the states is that of
  // the table: only the holder of a record changes it, and does so in here
  // before anybody else can become the holder.
  struct cell {
    std::mutex mutex;
    std::vector<state> states{{std::nullopt, 0}};
    // What was put, by incarnation. Incarnations go on when an ID is erased
    // and claimed anew, so that each stands for one put.
    std::vector<child_record> puts;
  };

  // A claim that was not granted.
  struct refusal {
    claim_item wanted;
    claim_item got;
    size_t writer;
    uint64_t from;
    uint64_t to;
  };

  struct traffic_world {
    table_ptr tab;
    std::vector<std::unique_ptr<client>> clients;
    std::array<cell, id_count> cells;
    std::atomic<uint64_t> clock = 0;
    std::array<std::vector<refusal>, writer_count> refusals;
    std::atomic<size_t> active = writer_count;
    // A write has failed as a whole, or never completes: no use to go on.
    std::atomic<bool> stuck = false;
  };

  // A writer and the records that it holds.
  struct writer {
    size_t index;
    client& who;
    std::minstd_rand random;
    std::map<size_t, row_id> held;

    size_t pick(size_t n) {
      return random() % n;
    }
  };

  static child_id id_of(size_t index) {
    return static_cast<int64_t>(index);
  }

  // The slot of a record tells who has claimed it last.
  static uint32_t slot_of(size_t writer) {
    return static_cast<uint32_t>(100 + writer);
  }

  void complain(const std::string& what) {
    expect(false, fmt::format("concurrent, seed {}: {}", options_.seed, what));
  }

  void give_up(traffic_world& x, const std::string& why) {
    complain(why);
    x.stuck = true;
  }

  /// Random writes of several clients, compared with a model of each ID, while
  /// readers look on.
  void traffic() {
    traffic_world x;
    x.tab = make_();
    for (size_t i = 0; i < writer_count; ++i) {
      x.clients.push_back(std::make_unique<client>(actors_[i]));
      expect(!x.tab->attach(*x.clients.back()), "attach fails");
    }
    std::vector<std::thread> threads;
    for (size_t i = 0; i < writer_count; ++i)
      threads.emplace_back([this, &x, i] {
        writer self{i, *x.clients[i], std::minstd_rand{seed(i)}, {}};
        for (size_t step = 0; step < 10 * options_.rounds && !x.stuck; ++step)
          write(x, self);
        --x.active;
      });
    for (size_t i = 0; i < 2; ++i)
      threads.emplace_back([this, &x, i] {
        std::minstd_rand random{seed(writer_count + i)};
        while (x.active > 0) {
          read(x, random() % id_count);
          // Be fair to tables with a plain lock.
          std::this_thread::yield();
        }
      });
    for (auto& thread : threads)
      thread.join();
    for (auto& list : x.refusals)
      for (auto& refused : list)
        check_refusal(x, refused);
    size_t left = 0;
    for (size_t i = 0; i < id_count; ++i) {
      auto& expected = x.cells[i].states.back().record;
      auto found = x.tab->find(id_of(i));
      if (found.has_value() != expected.has_value()
          || (found && !same(*found, *expected)))
        complain("in the end, the table and the model disagree");
      if (expected && (!expected->owner || !vanishes_on_detach(*expected)))
        ++left;
    }
    tally(*x.tab, "after concurrent writes");
    for (auto& who : x.clients)
      x.tab->detach(*who);
    expect(x.tab->size() == left,
           "after concurrent writes, detach settles too little or too much");
  }

  uint32_t seed(size_t thread) const {
    return options_.seed + static_cast<uint32_t>(7919 * thread);
  }

  void write(traffic_world& x, writer& self) {
    switch (self.pick(10)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return claim_some(x, self);
      case 4:
      case 5:
      case 6:
        return put_some(x, self, false);
      case 7:
        return put_some(x, self, true);
      case 8:
        return erase_some(x, self);
      default:
        if (self.pick(5) == 0)
          leave(x, self);
    }
  }

  void claim_some(traffic_world& x, writer& self) {
    std::vector<claim_item> wanted;
    auto first = self.pick(id_count);
    for (size_t i = 0, n = 1 + self.pick(2); i < n; ++i) {
      auto mode = std::array{claim_mode::fresh, claim_mode::adopt,
                             claim_mode::any}[self.pick(3)];
      auto spec = std::array{vanishing_, staying_}[self.pick(2)];
      if (mode == claim_mode::adopt && self.pick(2) == 0)
        spec = nullptr;
      wanted.push_back(item(id_of((first + i) % id_count), mode, spec));
      wanted.back().record.slot = slot_of(self.index);
    }
    auto items = wanted;
    auto from = ++x.clock;
    auto err = self.who.wait(x.tab->claim(self.who, items), &items);
    auto to = ++x.clock;
    if (err || items.size() != wanted.size())
      return give_up(x, "a claim fails as a whole: " + to_string(err));
    for (size_t i = 0; i < items.size(); ++i) {
      auto index = (first + i) % id_count;
      if (items[i].err)
        x.refusals[self.index].push_back(
          {wanted[i], items[i], self.index, from, to});
      else if (granted(x.cells[index], self, wanted[i], items[i], from, to))
        take(self, index, items[i].row);
    }
  }

  void take(writer& self, size_t index, row_id row) {
    for (auto& [other, taken] : self.held)
      if (taken == row)
        return complain("two records of one client have the same row");
    self.held[index] = row;
  }

  /// Checks a claim that was granted: the last holder has let go, and the
  /// record is as it was left.
  bool granted(cell& at, const writer& self, claim_item wanted,
               const claim_item& got, uint64_t from, uint64_t to) {
    std::lock_guard guard{at.mutex};
    auto& last = at.states.back();
    decide_claim(wanted, last.record ? &*last.record : nullptr,
                 self.who.address());
    if (wanted.err) {
      complain("a claim is granted that had to be refused with "
               + to_string(wanted.err));
      return false;
    }
    if (got.fresh != wanted.fresh || !same(got.record, wanted.record))
      complain("a claim is granted, but gives '" + to_string(got.record)
               + "' instead of '" + to_string(wanted.record) + "'");
    last.to = to;
    at.states.push_back({std::move(wanted.record), from});
    return true;
  }

  /// Notes in the model what the holder is about to write, if the model agrees
  /// about the holder. Returns the place of the state that ends.
  static std::optional<size_t>
  replace(traffic_world& x, const writer& self, size_t index,
          const std::function<std::optional<child_record>(cell&, child_record)>&
            change) {
    auto& at = x.cells[index];
    std::lock_guard guard{at.mutex};
    auto& last = at.states.back().record;
    if (!last || last->owner != self.who.address())
      return std::nullopt;
    auto next = change(at, *last);
    at.states.push_back({std::move(next), ++x.clock});
    return at.states.size() - 2;
  }

  static void has_ended(traffic_world& x, size_t index, size_t place) {
    auto& at = x.cells[index];
    std::lock_guard guard{at.mutex};
    at.states[place].to = ++x.clock;
  }

  /// Picks one of the held records, or all of them.
  static std::map<size_t, row_id> pick_held(writer& self) {
    if (self.held.empty() || self.pick(4) == 0)
      return self.held;
    auto i = self.held.begin();
    std::advance(i, self.pick(self.held.size()));
    return {*i};
  }

  /// Puts records, which keeps or releases them.
  void put_some(traffic_world& x, writer& self, bool let_go) {
    std::vector<std::array<size_t, 2>> ended;
    std::vector<row_id> rows;
    std::vector<child_record> records;
    for (auto& [index, row] : pick_held(self)) {
      auto place = replace(x, self, index, [&](cell& at, child_record record) {
        record.incarnation = at.puts.size() + 1;
        record.restart_count += self.pick(2);
        record.status = let_go ? child_status::undefined
                               : static_cast<child_status>(self.pick(5));
        // Status and incarnation tell which actor it is.
        record.handle = record.status == child_status::undefined
                            || record.status == child_status::restarting
                          ? caf::actor{}
                          : actors_[record.incarnation % actors_.size()];
        if (let_go)
          record.owner = caf::actor_addr{};
        at.puts.push_back(record);
        records.push_back(record);
        return record;
      });
      if (!place)
        continue;
      ended.push_back({index, *place});
      rows.push_back(row);
    }
    std::vector<put_item> items;
    for (size_t i = 0; i < rows.size(); ++i)
      items.push_back({rows[i], &records[i]});
    if (rows.empty())
      return;
    if (let_go)
      for (auto& [index, place] : ended)
        self.held.erase(index);
    if (auto err = self.who.wait(x.tab->put(self.who, items)))
      return give_up(x, "a put of own records fails: " + to_string(err));
    for (auto& [index, place] : ended)
      has_ended(x, index, place);
    if (let_go)
      return;
    // Nobody else may change what this client holds.
    for (auto& record : records)
      if (auto found = x.tab->find(record.id); !found || !same(*found, record))
        complain("a client does not find what it has put: '"
                 + (found ? to_string(*found) : "nothing") + "' instead of '"
                 + to_string(record) + "'");
  }

  void erase_some(traffic_world& x, writer& self) {
    std::vector<std::array<size_t, 2>> ended;
    std::vector<row_id> rows;
    for (auto& [index, row] : pick_held(self)) {
      self.held.erase(index);
      if (auto place = replace(x, self, index, [](cell&, const child_record&) {
            return std::nullopt;
          })) {
        ended.push_back({index, *place});
        rows.push_back(row);
      }
    }
    if (rows.empty())
      return;
    if (auto err = self.who.wait(x.tab->erase(self.who, rows)))
      return give_up(x, "an erase of own records fails: " + to_string(err));
    for (auto& [index, place] : ended)
      has_ended(x, index, place);
  }

  /// Detaches and attaches again.
  void leave(traffic_world& x, writer& self) {
    std::vector<std::array<size_t, 2>> ended;
    auto settle = [](cell&,
                     child_record record) -> std::optional<child_record> {
      if (vanishes_on_detach(record))
        return std::nullopt;
      release(record);
      return record;
    };
    for (auto& [index, row] : self.held) {
      auto& at = x.cells[index];
      std::unique_lock guard{at.mutex};
      // Its ID could never be claimed again.
      if (auto& last = at.states.back().record;
          last && last->status == child_status::unresponsive)
        return;
    }
    for (auto& [index, row] : std::exchange(self.held, {}))
      if (auto place = replace(x, self, index, settle))
        ended.push_back({index, *place});
    x.tab->detach(self.who);
    for (auto& [index, place] : ended)
      has_ended(x, index, place);
    if (auto err = x.tab->attach(self.who))
      give_up(x, "a client cannot attach again: " + to_string(err));
  }

  /// Checks that the reason was true at some moment during the call.
  void check_refusal(traffic_world& x, const refusal& refused) {
    auto index = static_cast<size_t>(*refused.wanted.record.id.integer());
    for (auto& at : x.cells[index].states) {
      if (at.from > refused.to || at.to < refused.from)
        continue;
      auto wanted = refused.wanted;
      decide_claim(wanted, at.record ? &*at.record : nullptr,
                   x.clients[refused.writer]->address());
      if (wanted.err == refused.got.err
          && handle_of(wanted.err) == handle_of(refused.got.err))
        return;
    }
    complain("a claim is refused without reason: "
             + to_string(refused.got.err));
  }

  void read(traffic_world& x, size_t index) {
    auto check = [&](const child_record& record) {
      if (!was_written(x, record))
        complain("a reader sees what was never written: " + to_string(record));
    };
    if (auto found = x.tab->find(id_of(index))) {
      if (found->id != id_of(index))
        complain("find returns the record of another ID");
      check(*found);
    }
    std::vector<child_record> records;
    x.tab->visit([&](const child_record& y) { records.push_back(y); });
    std::for_each(records.begin(), records.end(), check);
    auto counts = x.tab->count_children();
    if (counts.specs > id_count || counts.active > id_count
        || counts.workers > id_count || counts.supervisors > id_count)
      complain("count_children counts more children than there are IDs");
  }

  /// Tells whether a record may have been in the table at some time.
  bool was_written(traffic_world& x, const child_record& record) {
    auto* number = record.id.integer();
    if (number == nullptr || *number < 0
        || static_cast<size_t>(*number) >= id_count)
      return false;
    if (record.spec != vanishing_ && record.spec != staying_)
      return false;
    auto slots = slot_of(0);
    if (record.slot < slots || record.slot >= slots + writer_count)
      return false;
    if (record.owner
        && record.owner != x.clients[record.slot - slots]->address())
      return false;
    auto& at = x.cells[static_cast<size_t>(*number)];
    std::lock_guard guard{at.mutex};
    if (record.incarnation > at.puts.size())
      return false;
    auto* put = record.incarnation > 0 ? &at.puts[record.incarnation - 1]
                                       : nullptr;
    if (record.restart_count != (put != nullptr ? put->restart_count : 0))
      return false;
    // As a put, or a claim or a detach after it, has left it.
    if (put != nullptr && same(record, *put))
      return true;
    return !record.handle
           && record.status
                == (record.owner ? child_status::restarting
                                 : child_status::undefined);
  }
};

} // namespace

std::vector<std::string> check_with_threads(caf::actor_system& system,
                                            const table_factory& make,
                                            const suite_options& options) {
  return concurrent_checks{system, make, options}.run();
}

} // namespace director::test::internal
