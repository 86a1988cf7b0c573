#include "director/test/wrapped_table.hpp"

namespace director::test {

std::optional<child_record> wrapped_table::find(const child_id& id) const {
  return inner_->find(id);
}

void wrapped_table::visit(
  const std::function<void(const child_record&)>& fn) const {
  inner_->visit(fn);
}

child_counts wrapped_table::count_children() const {
  return inner_->count_children();
}

caf::error wrapped_table::attach(table_client& client) {
  return inner_->attach(client);
}

void wrapped_table::detach(table_client& client) {
  inner_->detach(client);
}

void wrapped_table::abandon(table_client& client) {
  inner_->abandon(client);
}

void wrapped_table::declined(table_client& client, const child_id& id) {
  inner_->declined(client, id);
}

write_result wrapped_table::claim(table_client& client,
                                  std::vector<claim_item>& items) {
  return inner_->claim(client, items);
}

write_result wrapped_table::put(table_client& client,
                                std::span<const put_item> items) {
  return inner_->put(client, items);
}

write_result wrapped_table::erase(table_client& client,
                                  std::span<const row_id> rows) {
  return inner_->erase(client, rows);
}

void wrapped_table::close() {
  inner_->close();
}

caf::error faulty_table::attach(table_client& client) {
  auto err = fault_(table_call::attach);
  return err ? err : inner_->attach(client);
}

write_result faulty_table::claim(table_client& client,
                                 std::vector<claim_item>& items) {
  auto err = fault_(table_call::claim);
  return err ? write_result::failed(err) : inner_->claim(client, items);
}

write_result faulty_table::put(table_client& client,
                               std::span<const put_item> items) {
  auto err = fault_(table_call::put);
  return err ? write_result::failed(err) : inner_->put(client, items);
}

write_result faulty_table::erase(table_client& client,
                                 std::span<const row_id> rows) {
  auto err = fault_(table_call::erase);
  return err ? write_result::failed(err) : inner_->erase(client, rows);
}

} // namespace director::test
