// A table whose writes complete only when the test says so.

#pragma once

#include "director/test/wrapped_table.hpp"

#include <deque>

namespace director::test {

/// Leaves all writes pending. Nothing of a write can be seen before it
/// completes. Not safe for concurrent use.
class slow_table final : public wrapped_table {
public:
  using wrapped_table::wrapped_table;

  void detach(table_client& client) override;

  write_result claim(table_client& client,
                     std::vector<claim_item>& items) override;

  write_result put(table_client& client,
                   std::span<const put_item> items) override;

  write_result erase(table_client& client,
                     std::span<const row_id> rows) override;

  /// Tells whether a write is pending.
  bool busy() const noexcept {
    return !pending_.empty();
  }

  /// Carries out the oldest pending write and announces its outcome.
  void complete_next();

private:
  struct write {
    table_client* client;
    uint64_t ticket;
    std::function<write_result(std::vector<claim_item>&)> run;
    std::vector<claim_item> items;
  };

  write_result add(table_client& client, std::vector<claim_item> items,
                   std::function<write_result(std::vector<claim_item>&)> run);

  std::deque<write> pending_;
  uint64_t last_ticket_ = 0;
};

} // namespace director::test
