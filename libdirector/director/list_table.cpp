#include "director/list_table.hpp"

#include <algorithm>

namespace director {

std::optional<child_record> list_table::find(const child_id& id) const {
  auto i = index_.find(id);
  if (i == index_.end())
    return std::nullopt;
  return rows_[i->second];
}

void list_table::visit(
  const std::function<void(const child_record&)>& fn) const {
  for (auto& record : rows_)
    if (record.spec)
      fn(record);
}

caf::error list_table::attach(table_client& client) {
  if (closed_)
    return caf::make_error(errc::table_closed);
  clients_.push_back(&client);
  return {};
}

void list_table::detach(table_client& client) {
  if (std::erase(clients_, &client) == 0)
    return;
  for (row_id row = 0; row < rows_.size(); ++row) {
    if (!owns(client, row))
      continue;
    if (vanishes_on_detach(rows_[row])) {
      remove(row);
    } else {
      auto record = rows_[row];
      release(record);
      replace(row, record);
    }
  }
}

write_result list_table::claim(table_client& client,
                               std::vector<claim_item>& items) {
  if (closed_)
    return write_result::failed(caf::make_error(errc::table_closed));
  if (auto n = rows_.size() + items.size(); n > rows_.capacity()) {
    n = std::max(n, 2 * rows_.size());
    rows_.reserve(n);
    index_.reserve(n);
  }
  for (auto& item : items) {
    auto [i, added] = index_.try_emplace(item.record.id, 0);
    decide_claim(item, added ? nullptr : &rows_[i->second], client.address());
    if (item.err) {
      if (added)
        index_.erase(i);
      continue;
    }
    if (added)
      i->second = insert(item.record);
    else
      replace(i->second, item.record);
    item.row = i->second;
  }
  return write_result::done();
}

write_result list_table::put(table_client& client,
                             std::span<const put_item> items) {
  if (closed_)
    return write_result::failed(caf::make_error(errc::table_closed));
  for (auto& item : items)
    if (!owns(client, item.row))
      return write_result::failed(caf::make_error(errc::not_parent));
  for (auto& item : items)
    replace(item.row, *item.record);
  return write_result::done();
}

write_result list_table::erase(table_client& client,
                               std::span<const row_id> rows) {
  if (closed_)
    return write_result::failed(caf::make_error(errc::table_closed));
  for (auto row : rows)
    if (!owns(client, row))
      return write_result::failed(caf::make_error(errc::not_parent));
  // Nothing forbids to name a row twice.
  for (auto row : rows)
    if (owns(client, row))
      remove(row);
  return write_result::done();
}

void list_table::close() {
  if (std::exchange(closed_, true))
    return;
  for (auto* client : clients_)
    client->failed(caf::make_error(errc::table_closed));
}

bool list_table::owns(const table_client& client, row_id row) const {
  return row < rows_.size() && rows_[row].spec
         && rows_[row].owner == client.address();
}

row_id list_table::insert(const child_record& record) {
  row_id row = rows_.size();
  if (free_.empty()) {
    rows_.push_back(record);
  } else {
    row = free_.back();
    free_.pop_back();
    rows_[row] = record;
  }
  count(record, true);
  return row;
}

void list_table::replace(row_id row, const child_record& record) {
  count(rows_[row], false);
  overwrite(rows_[row], record);
  count(rows_[row], true);
}

void list_table::remove(row_id row) {
  count(rows_[row], false);
  index_.erase(rows_[row].id);
  rows_[row] = child_record{};
  free_.push_back(row);
}

void list_table::count(const child_record& record, bool add) {
  auto step = add ? uint64_t{1} : ~uint64_t{0};
  counts_.specs += step;
  if (record.status == child_status::running)
    counts_.active += step;
  if (*record.spec->type == child_type::supervisor)
    counts_.supervisors += step;
  else
    counts_.workers += step;
}

} // namespace director
