// A table of one's own, and the program that checks it against the contract.
// Part of doc/tables.md; needs the target director::test.

#include "director/all.hpp"
#include "director/test/table_suite.hpp"

#include <caf/all.hpp>

#include <iostream>
#include <memory>
#include <mutex>

// [locked-table]
// A list table behind a lock: several directors of one process may share it.
class locked_table final : public director::table {
public:
  std::optional<director::child_record>
  find(const director::child_id& id) const override {
    std::lock_guard guard{mutex_};
    return inner_.find(id);
  }

  void visit(const std::function<void(const director::child_record&)>& fn)
    const override {
    std::lock_guard guard{mutex_};
    inner_.visit(fn);
  }

  director::child_counts count_children() const override {
    std::lock_guard guard{mutex_};
    return inner_.count_children();
  }

  caf::error attach(director::table_client& client) override {
    std::lock_guard guard{mutex_};
    return inner_.attach(client);
  }

  void detach(director::table_client& client) override {
    std::lock_guard guard{mutex_};
    inner_.detach(client);
  }

  director::write_result
  claim(director::table_client& client,
        std::vector<director::claim_item>& items) override {
    std::lock_guard guard{mutex_};
    return inner_.claim(client, items);
  }

  director::write_result
  put(director::table_client& client,
      std::span<const director::put_item> items) override {
    std::lock_guard guard{mutex_};
    return inner_.put(client, items);
  }

  director::write_result
  erase(director::table_client& client,
        std::span<const director::row_id> rows) override {
    std::lock_guard guard{mutex_};
    return inner_.erase(client, rows);
  }

  void close() override {
    std::lock_guard guard{mutex_};
    inner_.close();
  }

private:
  mutable std::mutex mutex_;
  director::list_table inner_;
};
// [locked-table]

// [table-check]
int caf_main(caf::actor_system& sys) {
  auto violations = director::test::check_table(
    sys, [] { return std::make_shared<locked_table>(); }, {.concurrent = true});
  for (auto& violation : violations)
    std::cerr << violation << '\n';
  return violations.empty() ? 0 : 1;
}

CAF_MAIN(caf::id_block::director)
// [table-check]
