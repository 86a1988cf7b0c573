// The list table, and tables between it and a director, against the
// conformance kit; and the kit against tables that break the contract.

#include "catch.hpp"

#include <caf/actor_system_config.hpp>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <director/list_table.hpp>
#include <director/test/slow_table.hpp>
#include <director/test/table_suite.hpp>
#include <mutex>
#include <thread>

using namespace director;
using director::test::slow_table;
using director::test::suite_options;
using director::test::wrapped_table;

namespace {

// -- tables that conform ------------------------------------------------------

/// Lets several threads use another table, one at a time.
class locked_table : public wrapped_table {
public:
  explicit locked_table(table_ptr inner = std::make_shared<list_table>())
    : wrapped_table(std::move(inner)) {
    // nop
  }

  std::optional<child_record> find(const child_id& id) const override {
    std::lock_guard guard{mutex_};
    return wrapped_table::find(id);
  }

  void
  visit(const std::function<void(const child_record&)>& fn) const override {
    std::lock_guard guard{mutex_};
    wrapped_table::visit(fn);
  }

  child_counts count_children() const override {
    std::lock_guard guard{mutex_};
    return wrapped_table::count_children();
  }

  caf::error attach(table_client& client) override {
    std::lock_guard guard{mutex_};
    return wrapped_table::attach(client);
  }

  void detach(table_client& client) override {
    std::lock_guard guard{mutex_};
    wrapped_table::detach(client);
  }

  write_result claim(table_client& client,
                     std::vector<claim_item>& items) override {
    std::lock_guard guard{mutex_};
    return wrapped_table::claim(client, items);
  }

  write_result put(table_client& client,
                   std::span<const put_item> items) override {
    std::lock_guard guard{mutex_};
    return wrapped_table::put(client, items);
  }

  write_result erase(table_client& client,
                     std::span<const row_id> rows) override {
    std::lock_guard guard{mutex_};
    return wrapped_table::erase(client, rows);
  }

  void close() override {
    std::lock_guard guard{mutex_};
    wrapped_table::close();
  }

protected:
  mutable std::mutex mutex_;
};

/// Carries out all writes on a thread of its own.
class deferring_table final : public locked_table {
public:
  deferring_table()
    : deferring_table(
      std::make_shared<slow_table>(std::make_shared<list_table>())) {
    // nop
  }

  ~deferring_table() override {
    {
      std::lock_guard guard{mutex_};
      done_ = true;
      changed_.notify_one();
    }
    worker_.join();
  }

  write_result claim(table_client& client,
                     std::vector<claim_item>& items) override {
    auto result = locked_table::claim(client, items);
    changed_.notify_one();
    return result;
  }

  write_result put(table_client& client,
                   std::span<const put_item> items) override {
    auto result = locked_table::put(client, items);
    changed_.notify_one();
    return result;
  }

  write_result erase(table_client& client,
                     std::span<const row_id> rows) override {
    auto result = locked_table::erase(client, rows);
    changed_.notify_one();
    return result;
  }

private:
  explicit deferring_table(const std::shared_ptr<slow_table>& slow)
    : locked_table(slow),
      worker_([this, slow] { work(*slow); }) {
    // nop
  }

  void work(slow_table& slow) {
    std::unique_lock guard{mutex_};
    for (;;) {
      changed_.wait(guard, [&] { return done_ || slow.busy(); });
      if (done_)
        return;
      slow.complete_next();
    }
  }

  std::condition_variable changed_;
  bool done_ = false;
  std::thread worker_;
};

// -- tables that break the contract, but only when threads meet ---------------

/// Decides about a claim by what it has seen before it took the lock.
class generous_table final : public locked_table {
public:
  write_result claim(table_client& client,
                     std::vector<claim_item>& items) override {
    auto wanted = items[0];
    auto seen = find(wanted.record.id);
    decide_claim(wanted, seen ? &*seen : nullptr, client.address());
    std::this_thread::yield();
    auto result = locked_table::claim(client, items);
    if (!wanted.err && !result.err() && items[0].err)
      items[0] = wanted;
    return result;
  }
};

/// Forgets restart counts of adopted records when two threads claim at once.
class forgetful_table final : public locked_table {
public:
  write_result claim(table_client& client,
                     std::vector<claim_item>& items) override {
    ++claiming_;
    std::this_thread::yield();
    auto result = locked_table::claim(client, items);
    for (auto& item : items) {
      if (item.err || item.fresh || claiming_ == 1)
        continue;
      item.record.restart_count = 0;
      put_item forgotten{item.row, &item.record};
      std::ignore = put(client, {&forgotten, 1});
    }
    --claiming_;
    return result;
  }

private:
  std::atomic<int> claiming_ = 0;
};

/// Writes the status of a record first and the rest later.
class tearing_table final : public locked_table {
public:
  write_result put(table_client& client,
                   std::span<const put_item> items) override {
    std::vector<child_record> halves;
    for (auto& item : items) {
      halves.push_back(find(item.record->id).value_or(*item.record));
      halves.back().status = item.record->status;
    }
    std::vector<put_item> first;
    for (size_t i = 0; i < items.size(); ++i)
      first.push_back({items[i].row, &halves[i]});
    if (auto result = locked_table::put(client, first); result.err())
      return result;
    std::this_thread::yield();
    return locked_table::put(client, items);
  }
};

// -- helpers ------------------------------------------------------------------

std::string join(const std::vector<std::string>& failures) {
  std::string result;
  for (auto& failure : failures)
    result += failure + "\n";
  return result;
}

template <class Table>
std::vector<std::string> check(suite_options options = {}) {
  caf::actor_system_config cfg;
  caf::actor_system sys{cfg};
  return director::test::check_table(
    sys, [] { return std::make_shared<Table>(); }, options);
}

template <class Table>
void require_conforming(suite_options options = {}) {
  auto failures = check<Table>(options);
  INFO(join(failures));
  CHECK(failures.empty());
}

/// Checks that only the random writes of many threads show what is wrong.
template <class Table>
void require_caught() {
  require_conforming<Table>({.runs = 5});
  auto failures = check<Table>({.concurrent = true, .runs = 0});
  INFO(join(failures));
  CHECK(std::any_of(failures.begin(), failures.end(), [](auto& failure) {
    return failure.starts_with("concurrent, seed");
  }));
}

} // namespace

TEST_CASE("the list table conforms", "[table]") {
  require_conforming<list_table>();
}

TEST_CASE("a list table behind a lock conforms", "[table]") {
  require_conforming<locked_table>({.concurrent = true});
}

TEST_CASE("a table whose writes complete later conforms", "[table]") {
  require_conforming<deferring_table>(
    {.concurrent = true, .runs = 5, .rounds = 50});
}

TEST_CASE("the kit catches a claim that is granted twice", "[table]") {
  require_caught<generous_table>();
}

TEST_CASE("the kit catches a lost restart count", "[table]") {
  require_caught<forgetful_table>();
}

TEST_CASE("the kit catches half-written records", "[table]") {
  require_caught<tearing_table>();
}
