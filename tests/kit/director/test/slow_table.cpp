#include "director/test/slow_table.hpp"

#include <utility>

namespace director::test {

void slow_table::detach(table_client& client) {
  std::erase_if(pending_,
                [&client](const write& x) { return x.client == &client; });
  wrapped_table::detach(client);
}

write_result slow_table::claim(table_client& client,
                               std::vector<claim_item>& items) {
  return add(client, std::move(items),
             [this, &client](std::vector<claim_item>& xs) {
               return inner_->claim(client, xs);
             });
}

write_result slow_table::put(table_client& client,
                             std::span<const put_item> items) {
  std::vector<std::pair<row_id, child_record>> copy;
  for (auto& item : items)
    copy.emplace_back(item.row, *item.record);
  return add(client, {},
             [this, &client, copy = std::move(copy)](std::vector<claim_item>&) {
               std::vector<put_item> again;
               for (auto& [row, record] : copy)
                 again.push_back({row, &record});
               return inner_->put(client, again);
             });
}

write_result slow_table::erase(table_client& client,
                               std::span<const row_id> rows) {
  std::vector<row_id> copy(rows.begin(), rows.end());
  return add(client, {},
             [this, &client, copy = std::move(copy)](std::vector<claim_item>&) {
               return inner_->erase(client, copy);
             });
}

void slow_table::complete_next() {
  auto next = std::move(pending_.front());
  pending_.pop_front();
  auto result = next.run(next.items);
  next.client->completed(next.ticket, result.err(), std::move(next.items));
}

write_result
slow_table::add(table_client& client, std::vector<claim_item> items,
                std::function<write_result(std::vector<claim_item>&)> run) {
  pending_.push_back(
    {&client, ++last_ticket_, std::move(run), std::move(items)});
  return write_result::pending(last_ticket_);
}

} // namespace director::test
