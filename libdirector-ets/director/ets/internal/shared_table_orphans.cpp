// Children whose director has died, and those who wait for them.

#include "director/ets/internal/shared_table_impl.hpp"

#include <algorithm>

namespace director::ets::internal {

// -- orphans ------------------------------------------------------------------

void shared_table::bury(const detail::orphan_gone_event& orphan) {
  auto id = id_at(orphan.row);
  if (!id)
    return;
  child_record garbage;
  store_.update(*id, [&](store_type::entry& entry) {
    if (entry.row() != orphan.row)
      return;
    auto mine = false;
    auto wanted = false;
    store_.change(orphan.row, [&](shared_record& x) {
      mine = x.orphan == orphan.number;
      wanted = x.wanted;
      if (mine)
        x.value.status = child_status::terminating;
    });
    if (mine)
      release_row(entry, wanted, garbage);
  });
}

std::optional<child_record>
shared_table::give_up(const detail::orphan_gone_event& orphan) {
  std::optional<child_record> result;
  store_.change(orphan.row, [&](shared_record& x) {
    if (x.orphan != orphan.number || !is_alive(x.value.handle))
      return;
    x.value.status = child_status::unresponsive;
    result = x.value;
  });
  return result;
}

std::vector<shared_table::load> shared_table::all_loads() const {
  std::vector<load> result;
  for (auto& who : all_seats()) {
    std::lock_guard guard{who->mutex};
    if (who->client != nullptr)
      result.push_back({who, who->rows.size(), who->declined, {}});
  }
  return result;
}

shared_table::seat_ptr shared_table::add_to_smallest(std::vector<load>& loads,
                                                     const child_id& id) {
  load* least = nullptr;
  for (auto& x : loads)
    if (!x.declined.contains(id)
        && (least == nullptr || x.children < least->children))
      least = &x;
  if (least == nullptr)
    return nullptr;
  ++least->children;
  least->offer.push_back(id);
  return least->who;
}

bool shared_table::make_offer(load& x) {
  if (x.offer.empty())
    return true;
  std::lock_guard guard{x.who->mutex};
  if (x.who->client == nullptr)
    return false;
  x.who->client->take_over(std::move(x.offer));
  return true;
}

void shared_table::note_declined(const table_client& client,
                                 const child_id& id) {
  if (auto who = find_seat(client)) {
    std::lock_guard guard{who->mutex};
    who->declined.insert(id);
  }
}

bool shared_table::all_decline(const child_id& id) const {
  auto loads = all_loads();
  return !loads.empty() && std::ranges::all_of(loads, [&](auto& x) {
    return x.declined.contains(id);
  });
}

void shared_table::declined(table_client& client, const child_id& id) {
  note_declined(client, id);
  {
    // It waits until there is somebody who has not declined it.
    std::lock_guard guard{homeless_mutex_};
    homeless_.emplace(id, nullptr);
    homeless_count_ = homeless_.size();
  }
  tell_keeper(detail::turn_event{});
}

void shared_table::assign() {
  if (homeless_count_ == 0)
    return;
  auto loads = all_loads();
  {
    std::lock_guard guard{homeless_mutex_};
    for (auto& [id, asked] : homeless_)
      for (auto& x : loads)
        if (asked == x.who)
          ++x.children;
    for (auto& [id, asked] : homeless_) {
      if (!asked)
        asked = add_to_smallest(loads, id);
    }
  }
  for (auto& x : loads) {
    if (make_offer(x))
      continue;
    // It has left meanwhile: the next turn asks somebody else.
    std::lock_guard guard{homeless_mutex_};
    for (auto& id : x.offer)
      if (auto i = homeless_.find(id);
          i != homeless_.end() && i->second == x.who)
        i->second = nullptr;
    tell_keeper(detail::turn_event{});
  }
}

void shared_table::retry() {
  std::vector<parked_claim> waiting;
  {
    std::lock_guard guard{parked_mutex_};
    waiting.swap(parked_);
  }
  if (waiting.empty())
    return;
  // A claim may wait for a director whose end nobody has announced yet.
  for (auto& who : all_seats())
    if (!is_alive(caf::actor_cast<caf::actor>(who->address)))
      leave(who, true);
  leftovers garbage;
  for (auto& x : waiting) {
    std::lock_guard guard{x.who->mutex};
    if (x.who->client == nullptr)
      continue;
    std::erase_if(x.blocked, [&](size_t i) {
      return claim_one(*x.who, x.items[i], garbage);
    });
    if (x.blocked.empty()) {
      x.who->client->completed(x.ticket, {}, std::move(x.items));
      continue;
    }
    std::lock_guard parked{parked_mutex_};
    parked_.push_back(std::move(x));
  }
}

} // namespace director::ets::internal
