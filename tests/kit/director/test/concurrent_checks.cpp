// Many threads at once.

#include "director/test/internal/checks.hpp"

#include <fmt/format.h>

#include <atomic>
#include <memory>
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
};

} // namespace

std::vector<std::string> check_with_threads(caf::actor_system& system,
                                            const table_factory& make,
                                            const suite_options& options) {
  return concurrent_checks{system, make, options}.run();
}

} // namespace director::test::internal
