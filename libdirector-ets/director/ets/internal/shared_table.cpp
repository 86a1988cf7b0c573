// Reads, directors, claims and other writes.

#include "director/ets/internal/shared_table_impl.hpp"
#include "director/internal/names.hpp"

#include <caf/actor_cast.hpp>

#include <algorithm>
#include <iterator>
#include <utility>

namespace director::ets::internal {

namespace {

/// A director may name a row that another node has freed meanwhile.
row_id name_of(row_index row, uint32_t generation) {
  return (row_id{generation} << 32) | row;
}

row_index row_of(row_id x) {
  return static_cast<row_index>(x);
}

uint32_t generation_of(row_id x) {
  return static_cast<uint32_t>(x >> 32);
}

caf::error closed_error() {
  return caf::make_error(errc::table_closed);
}

} // namespace

shared_table::shared_table(caf::actor_system& system, std::string name,
                           table_options options,
                           std::shared_ptr<replica_hooks> hooks)
  : system_(system),
    name_(std::move(name)),
    options_(std::move(options)),
    hooks_(std::move(hooks)) {
  // nop
}

std::string shared_table::registered_name(const std::string& table_name) {
  return "director.ets." + table_name;
}

std::string shared_table::registered_name() const {
  // Copies have names of their own, beside tables of this process only.
  return hooks_ ? "director.net." + name_ : registered_name(name_);
}

table_actor shared_table::handle() const {
  auto keeper = caf::actor_cast<caf::actor>(keeper_);
  if (closed_ || !keeper)
    return {};
  return caf::actor_cast<table_actor>(keeper);
}

// -- reads --------------------------------------------------------------------

std::optional<child_record> shared_table::find(const child_id& id) const {
  std::optional<child_record> result;
  remote_actor where;
  store_.read(id, [&](const shared_record& x) {
    result = x.value;
    where = x.where;
  });
  if (result)
    complete(*result, where);
  return result;
}

void shared_table::visit(
  const std::function<void(const child_record&)>& fn) const {
  std::vector<std::pair<child_record, remote_actor>> remote;
  store_.visit([&](const shared_record& x) {
    if (x.where.id != 0 && !is_alive(x.value.handle))
      remote.emplace_back(x.value, x.where);
    else
      fn(x.value);
  });
  for (auto& [record, where] : remote) {
    complete(record, where);
    fn(record);
  }
}

child_counts shared_table::count_children() const {
  return counters_.sum();
}

caf::expected<caf::actor> shared_table::get_actor(const child_id& id) const {
  caf::actor handle;
  auto status = child_status::undefined;
  auto elsewhere = false;
  auto found = store_.read(id, [&](const shared_record& x) {
    status = x.value.status;
    if (status == child_status::running) {
      handle = x.value.handle;
      elsewhere = x.where.id != 0 && !is_alive(handle);
    }
  });
  if (elsewhere)
    return director::table::get_actor(id);
  if (!found)
    return caf::make_error(errc::not_found);
  switch (status) {
    case child_status::running:
      return handle;
    case child_status::restarting:
      return caf::make_error(errc::restarting);
    default:
      return caf::make_error(errc::undefined);
  }
}

// -- directors ----------------------------------------------------------------

shared_table::seat_ptr
shared_table::find_seat(const table_client& client) const {
  std::lock_guard guard{seats_mutex_};
  auto i = seats_.find(&client);
  return i != seats_.end() ? i->second : nullptr;
}

std::vector<shared_table::seat_ptr> shared_table::all_seats() const {
  std::lock_guard guard{seats_mutex_};
  std::vector<seat_ptr> result;
  for (auto& [client, who] : seats_)
    result.push_back(who);
  return result;
}

caf::error shared_table::attach(table_client& client) {
  auto who = std::make_shared<seat>();
  who->client = &client;
  who->address = client.address();
  {
    std::lock_guard guard{seats_mutex_};
    if (closed_)
      return closed_error();
    seats_.emplace(&client, who);
    ++directors_;
  }
  if (auto self = caf::actor_cast<caf::actor>(client.address()))
    self->attach_functor([keeper = keeper_, address = client.address(),
                          place = std::weak_ptr<seat>{who}] {
      // Nobody needs to hear of those who have left in order.
      if (place.expired())
        return;
      if (auto to = caf::actor_cast<caf::actor>(keeper))
        compat::send(to, caf::message_priority::normal, nullptr,
                     detail::client_gone_event{address});
    });
  if (homeless_count_ > 0)
    tell_keeper(detail::turn_event{});
  return {};
}

void shared_table::detach(table_client& client) {
  if (auto who = find_seat(client))
    leave(who, false);
}

void shared_table::abandon(table_client& client) {
  if (auto who = find_seat(client))
    leave(who, true);
}

void shared_table::abandon(const caf::actor_addr& client) {
  for (auto& who : all_seats())
    if (who->address == client)
      leave(who, true);
}

void shared_table::leave(const seat_ptr& who, bool died) {
  std::vector<row_index> rows;
  {
    std::lock_guard guard{who->mutex};
    if (who->client == nullptr)
      return;
    {
      std::lock_guard seats{seats_mutex_};
      seats_.erase(who->client);
      ++settling_;
    }
    who->client = nullptr;
    rows.swap(who->rows);
  }
  std::vector<parked_claim> given_up;
  {
    std::lock_guard guard{parked_mutex_};
    auto first = std::partition(parked_.begin(), parked_.end(),
                                [&](auto& x) { return x.who != who; });
    std::move(first, parked_.end(), std::back_inserter(given_up));
    parked_.erase(first, parked_.end());
  }
  // Nobody will start what such a claim was granted already.
  for (auto& x : given_up)
    for (auto& item : x.items)
      if (item.fresh && !item.err && item.row != 0)
        discard(row_of(item.row), item.record.id);
  std::vector<detail::orphan> orphans;
  for (auto row : rows)
    settle(row, who->address, died, orphans);
  --settling_;
  if (!orphans.empty())
    tell_keeper(detail::orphans_event{std::move(orphans)});
  // Claims may have been parked because of the dead, but not yet be on the
  // list.
  auto waiting = died;
  if (homeless_count_ > 0) {
    std::lock_guard guard{homeless_mutex_};
    for (auto& [id, asked] : homeless_)
      if (asked == who)
        asked = nullptr;
    waiting = true;
  }
  if (waiting)
    tell_keeper(detail::turn_event{});
}

void shared_table::discard(row_index row, const child_id& id) {
  child_record garbage;
  store_.update(id, [&](store_type::entry& entry) {
    if (entry.row() != row)
      return;
    garbage = entry.remove().value;
    note_remove(garbage);
  });
}

void shared_table::settle(row_index row, const caf::actor_addr& owner,
                          bool died, std::vector<detail::orphan>& orphans) {
  auto id = id_at(row);
  if (!id)
    return;
  child_record garbage;
  store_.update(*id, [&](store_type::entry& entry) {
    if (entry.row() != row)
      return;
    auto wanted = false;
    auto gone = false;
    store_.change(row, [&](shared_record& x) {
      auto& record = x.value;
      if (record.owner != owner)
        return;
      wanted = died && options_.failover
               && (record.status == child_status::running
                   || record.status == child_status::restarting);
      gone = !died || ended_ || record.status == child_status::unresponsive
             || !is_alive(record.handle);
      if (gone)
        return;
      x.orphan = ++last_orphan_;
      x.wanted = wanted;
      orphans.push_back({row, x.orphan, record.handle});
      auto next = record;
      next.owner = caf::actor_addr{};
      next.status = child_status::terminating;
      note(record, next);
      garbage = overwrite(record, next);
    });
    if (gone)
      release_row(entry, wanted, garbage);
  });
}

void shared_table::release_row(store_type::entry& entry, bool wanted,
                               child_record& garbage) {
  auto vanishes = false;
  store_.change(entry.row(), [&](shared_record& x) {
    auto& record = x.value;
    vanishes = vanishes_on_detach(record);
    if (vanishes)
      return;
    x.orphan = 0;
    x.wanted = false;
    auto next = record;
    release(next);
    note(record, next);
    garbage = overwrite(record, next);
    if (!wanted)
      return;
    if (hooks_ != nullptr)
      return hooks_->wanted(record.id);
    std::lock_guard guard{homeless_mutex_};
    homeless_.emplace(record.id, nullptr);
    homeless_count_ = homeless_.size();
  });
  if (vanishes) {
    garbage = entry.remove().value;
    note_remove(garbage);
  }
}

std::optional<child_id> shared_table::id_at(row_index row) {
  std::optional<child_id> result;
  store_.change(row, [&](shared_record& x) { result = x.value.id; });
  return result;
}

// -- claims -------------------------------------------------------------------

bool shared_table::claim_one(seat& who, claim_item& item, leftovers& garbage) {
  auto blocked = false;
  store_.update(item.record.id, [&](store_type::entry& entry) {
    auto place = static_cast<uint32_t>(who.rows.size());
    if (entry.row() == 0) {
      decide_claim(item, nullptr, who.address);
      if (item.err)
        return;
      auto generation = ++last_generation_;
      item.row = name_of(entry.insert({item.record, place, generation}),
                         generation);
      who.rows.push_back(entry.row());
      note_insert(item.record);
      if (hooks_ != nullptr)
        hooks_->claimed(item.record.id);
      return;
    }
    store_.change(entry.row(), [&](shared_record& x) {
      auto& record = x.value;
      auto stubborn = record.status == child_status::unresponsive
                      && is_alive(record.handle);
      // The end of a director may not have been noticed yet.
      auto foreign = record.owner && record.owner != who.address;
      if (foreign)
        garbage.actors.push_back(caf::actor_cast<caf::actor>(record.owner));
      blocked = (x.orphan != 0 && !stubborn)
                || (foreign && !is_alive(garbage.actors.back()));
      if (blocked)
        return;
      decide_claim(item, &record, who.address);
      if (item.err)
        return;
      count_change(record, item.record);
      if (hooks_ != nullptr)
        hooks_->claimed(record.id);
      x.orphan = 0;
      x.wanted = false;
      x.where = {};
      x.place = place;
      item.row = name_of(entry.row(), x.generation);
      garbage.records.push_back(overwrite(record, item.record));
      who.rows.push_back(entry.row());
    });
  });
  if (!blocked && !item.err)
    who.declined.erase(item.record.id);
  if (!blocked && !item.err && homeless_count_ > 0) {
    std::lock_guard guard{homeless_mutex_};
    homeless_.erase(item.record.id);
    homeless_count_ = homeless_.size();
  }
  return !blocked;
}

write_result shared_table::claim(table_client& client,
                                 std::vector<claim_item>& items) {
  if (closed_)
    return write_result::failed(closed_error());
  auto who = find_seat(client);
  if (!who)
    return write_result::failed(caf::make_error(errc::not_parent));
  std::vector<size_t> blocked;
  leftovers garbage;
  {
    std::lock_guard guard{who->mutex};
    if (who->client == nullptr)
      return write_result::failed(caf::make_error(errc::not_parent));
    for (size_t i = 0; i < items.size(); ++i)
      if (!claim_one(*who, items[i], garbage))
        blocked.push_back(i);
  }
  if (blocked.empty())
    return write_result::done();
  auto ticket = ++last_ticket_;
  {
    std::lock_guard guard{parked_mutex_};
    if (closed_)
      return write_result::failed(closed_error());
    parked_.push_back({who, ticket, std::move(items), std::move(blocked)});
  }
  tell_keeper(detail::turn_event{});
  return write_result::pending(ticket);
}

// -- other writes -------------------------------------------------------------

write_result shared_table::put(table_client& client,
                               std::span<const put_item> items) {
  if (closed_)
    return write_result::failed(closed_error());
  auto is_mine = [&](const shared_record& x, const put_item& item) {
    return x.value.owner == client.address()
           && x.generation == generation_of(item.row);
  };
  auto not_mine = [] {
    return write_result::failed(caf::make_error(errc::not_parent));
  };
  if (items.size() > 1)
    for (auto& item : items) {
      auto mine = false;
      store_.change(row_of(item.row),
                    [&](shared_record& x) { mine = is_mine(x, item); });
      if (!mine)
        return not_mine();
    }
  for (auto& item : items) {
    auto row = row_of(item.row);
    auto mine = false;
    child_record garbage;
    if (!item.record->owner) {
      store_.change(row, [&](shared_record& x) { mine = is_mine(x, item); });
      if (!mine)
        return not_mine();
      if (auto who = find_seat(client)) {
        std::lock_guard guard{who->mutex};
        disown(*who, row);
      }
    }
    store_.change(row, [&](shared_record& x) {
      mine = is_mine(x, item);
      if (!mine)
        return;
      note(x.value, *item.record);
      garbage = overwrite(x.value, *item.record);
    });
    if (!mine)
      return not_mine();
  }
  return write_result::done();
}

write_result shared_table::erase(table_client& client,
                                 std::span<const row_id> rows) {
  if (closed_)
    return write_result::failed(closed_error());
  auto who = find_seat(client);
  std::vector<std::pair<row_index, child_id>> found;
  for (auto row : rows)
    store_.change(row_of(row), [&](shared_record& x) {
      if (x.value.owner == client.address()
          && x.generation == generation_of(row))
        found.emplace_back(row_of(row), x.value.id);
    });
  if (!who || found.size() != rows.size())
    return write_result::failed(caf::make_error(errc::not_parent));
  std::vector<child_record> garbage;
  std::lock_guard guard{who->mutex};
  for (auto& [row, id] : found) {
    disown(*who, row);
    store_.update(id, [&, row = row](store_type::entry& entry) {
      if (entry.row() != row)
        return;
      garbage.push_back(entry.remove().value);
      note_remove(garbage.back());
    });
  }
  return write_result::done();
}

void shared_table::disown(seat& who, row_index row) {
  auto place = who.rows.size();
  store_.change(row, [&](shared_record& x) {
    if (x.value.owner == who.address)
      place = x.place;
  });
  if (place >= who.rows.size() || who.rows[place] != row)
    return;
  auto last = who.rows.back();
  who.rows[place] = last;
  who.rows.pop_back();
  store_.change(last, [&](shared_record& x) {
    x.place = static_cast<uint32_t>(place);
  });
}

void shared_table::close() {
  // Without its name, nothing else keeps it alive for its last message.
  auto last_reference = caf::actor_cast<caf::strong_actor_ptr>(keeper_);
  if (last_reference)
    director::internal::release_name(system_, registered_name(),
                                     last_reference);
  end();
}

void shared_table::end() {
  end_directors();
  ended_ = true;
  tell_keeper(detail::close_event{});
}

void shared_table::end_directors() {
  {
    std::lock_guard guard{seats_mutex_};
    if (closed_.exchange(true))
      return;
  }
  std::vector<parked_claim> waiting;
  {
    std::lock_guard guard{parked_mutex_};
    waiting.swap(parked_);
  }
  for (auto& x : waiting) {
    std::lock_guard guard{x.who->mutex};
    if (x.who->client != nullptr)
      x.who->client->completed(x.ticket, closed_error(), std::move(x.items));
  }
  for (auto& who : all_seats()) {
    std::lock_guard guard{who->mutex};
    if (who->client != nullptr)
      who->client->failed(closed_error());
  }
}

} // namespace director::ets::internal
