// The default table: private to one director.

#pragma once

#include "director/table.hpp"

#include <unordered_map>

namespace director {

/// Keeps records in a plain array with an index by ID. The reference
/// implementation of the contract and the default of every director. May
/// serve several directors one after the other, but knows no locks: all use of
/// it must come from one thread at a time.
class list_table final : public table {
public:
  // -- reads ------------------------------------------------------------------

  std::optional<child_record> find(const child_id& id) const override;

  void visit(const std::function<void(const child_record&)>& fn) const override;

  child_counts count_children() const override {
    return counts_;
  }

  // -- writes -----------------------------------------------------------------

  caf::error attach(table_client& client) override;

  void detach(table_client& client) override;

  write_result claim(table_client& client,
                     std::vector<claim_item>& items) override;

  write_result put(table_client& client,
                   std::span<const put_item> items) override;

  write_result erase(table_client& client,
                     std::span<const row_id> rows) override;

  void close() override;

private:
  bool owns(const table_client& client, row_id row) const;

  row_id insert(const child_record& record);

  void replace(row_id row, const child_record& record);

  void remove(row_id row);

  // Adds (or takes back) what a record contributes to the counts.
  void count(const child_record& record, bool add);

  // Unused rows have no spec.
  std::vector<child_record> rows_;
  std::vector<row_id> free_;
  std::unordered_map<child_id, row_id> index_;
  child_counts counts_;
  std::vector<table_client*> clients_;
  bool closed_ = false;
};

} // namespace director
