// What happens to a table that is one of several copies.

#include "director/ets/internal/shared_table_impl.hpp"
#include "director/internal/compat.hpp"

#include <caf/actor_cast.hpp>
#include <caf/exit_reason.hpp>

#include <algorithm>
#include <utility>

namespace director::ets::internal {

replica_hooks::~replica_hooks() {
  // nop
}

// -- reads --------------------------------------------------------------------

void shared_table::complete(child_record& x, const remote_actor& where) const {
  // A handle dies with the connection, which may come back.
  if (where.id == 0 || is_alive(x.handle) || hooks_ == nullptr)
    return;
  x.handle = hooks_->resolve(where);
  if (!x.handle)
    return;
  // The next reader finds it in place.
  caf::actor garbage;
  store_.update(x.id, [&](store_type::entry& entry) {
    store_.change(entry.row(), [&](shared_record& y) {
      if (y.where == where && !is_alive(y.value.handle))
        garbage = std::exchange(y.value.handle, x.handle);
    });
  });
}

// -- writes of other nodes ----------------------------------------------------

shared_table::seat_ptr shared_table::seat_of(const child_id& id) const {
  caf::actor_addr owner;
  store_.read(id, [&](const shared_record& x) {
    if (x.where.node == 0)
      owner = x.value.owner;
  });
  if (!owner)
    return nullptr;
  for (auto& who : all_seats())
    if (who->address == owner)
      return who;
  return nullptr;
}

void shared_table::withdraw(const child_id& id) {
  auto who = seat_of(id);
  if (!who)
    return;
  std::lock_guard guard{who->mutex};
  row_index row = 0;
  store_.update(id, [&](store_type::entry& entry) { row = entry.row(); });
  disown(*who, row);
}

caf::actor shared_table::unread_handle(const child_id& id) const {
  remote_actor where;
  if (watched())
    store_.read(id, [&](const shared_record& x) {
      if (!x.value.handle)
        where = x.where;
    });
  return where.id != 0 && hooks_ != nullptr ? hooks_->resolve(where)
                                            : caf::actor{};
}

void shared_table::apply(child_record now, const remote_actor& where) {
  if (watched() && hooks_ != nullptr && where.id != 0)
    now.handle = hooks_->resolve(where);
  auto before = unread_handle(now.id);
  child_record garbage;
  auto withdrawn = false;
  auto owned_here = false;
  auto write = [&](store_type::entry& entry) {
    if (entry.row() == 0) {
      note_insert(now);
      shared_record fresh;
      fresh.value = now;
      fresh.generation = ++last_generation_;
      fresh.where = where;
      entry.insert(std::move(fresh));
      return;
    }
    store_.change(entry.row(), [&](shared_record& x) {
      owned_here = x.where.node == 0 && x.value.owner;
      if (owned_here && !withdrawn)
        return;
      if (!now.handle && where.id != 0 && x.where == where
          && is_alive(x.value.handle))
        now.handle = x.value.handle;
      if (!x.value.handle)
        x.value.handle = std::move(before);
      count_change(x.value, now);
      x.where = where;
      x.orphan = 0;
      x.wanted = false;
      garbage = overwrite(x.value, now);
    });
  };
  store_.update(now.id, write);
  if (!owned_here)
    return;
  // Seldom: a director of this node has lost the child. Its list goes first.
  withdraw(now.id);
  withdrawn = true;
  store_.update(now.id, write);
}

void shared_table::remove(const child_id& id) {
  withdraw(id);
  auto before = unread_handle(id);
  child_record garbage;
  store_.update(id, [&](store_type::entry& entry) {
    if (entry.row() == 0)
      return;
    garbage = entry.remove().value;
    if (!garbage.handle)
      garbage.handle = std::move(before);
    count_removal(garbage);
  });
}

// -- on behalf of other nodes -------------------------------------------------

bool shared_table::try_claim(table_client& client, claim_item& item,
                             leftovers& garbage) {
  auto who = find_seat(client);
  if (!who)
    return false;
  std::lock_guard guard{who->mutex};
  return who->client != nullptr && claim_one(*who, item, garbage);
}

uint64_t shared_table::directors() const {
  std::lock_guard guard{seats_mutex_};
  return seats_.empty() ? 0 : directors_;
}

bool shared_table::deserted() const {
  {
    std::lock_guard guard{seats_mutex_};
    if (!seats_.empty() || settling_ > 0)
      return false;
  }
  auto result = true;
  store_.visit([&](const shared_record& x) {
    result = result && (x.orphan == 0 || !is_alive(x.value.handle));
  });
  return result;
}

std::vector<child_id> shared_table::offer(const std::vector<child_id>& ids) {
  std::vector<child_id> result;
  auto loads = all_loads();
  for (auto& id : ids)
    if (!add_to_smallest(loads, id) && !loads.empty())
      result.push_back(id);
  for (auto& x : loads)
    make_offer(x);
  return result;
}

void shared_table::hand_over(const hand_over_request& what) {
  std::unordered_map<seat_ptr, std::vector<child_id>> owners;
  if (!what.release) {
    for (auto& who : all_seats())
      owners[who] = what.ids;
  } else {
    for (auto& id : what.ids)
      if (auto who = seat_of(id))
        owners[who].push_back(id);
  }
  for (auto& [who, ids] : owners) {
    std::lock_guard guard{who->mutex};
    if (who->client == nullptr)
      continue;
    auto part = what;
    part.ids = std::move(ids);
    who->client->hand_over(std::move(part));
  }
  if (what.limit > caf::timespan{0})
    return;
  // Their director may be busy. It hears of their end after the request.
  for (auto& id : what.ids)
    if (auto x = find(id); x && x->handle)
      compat::send(x->handle, caf::message_priority::high, nullptr,
                   caf::exit_msg{caf::actor_addr{}, caf::exit_reason::kill});
}

std::optional<uint32_t> shared_table::node_of(const child_id& id) const {
  std::optional<uint32_t> result;
  store_.read(id, [&](const shared_record& x) {
    if (x.value.owner)
      result = x.where.node;
  });
  return result;
}

} // namespace director::ets::internal
