#include "director/table.hpp"

#include <caf/actor_cast.hpp>
#include <caf/actor_control_block.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace director {

table_client::~table_client() {
  // nop
}

table::~table() {
  // nop
}

void table::abandon(table_client& client) {
  detach(client);
}

void table::declined(table_client&, const child_id&) {
  // nop
}

size_t table::size() const {
  return count_children().specs;
}

caf::expected<caf::actor> table::get_actor(const child_id& id) const {
  auto record = find(id);
  if (!record)
    return caf::make_error(errc::not_found);
  switch (record->status) {
    case child_status::running:
      return std::move(record->handle);
    case child_status::restarting:
      return caf::make_error(errc::restarting);
    default:
      return caf::make_error(errc::undefined);
  }
}

std::vector<child_handle> table::get_actors() const {
  std::vector<child_handle> result;
  result.reserve(count_children().active);
  visit([&result](const child_record& x) {
    if (x.status == child_status::running)
      result.push_back({x.id, x.handle});
  });
  return result;
}

std::vector<child_info> table::which_children() const {
  std::vector<child_info> result;
  result.reserve(size());
  visit([&result](const child_record& x) {
    result.push_back(
      {x.id, x.status, x.handle, x.spec->type.value_or(child_type::worker),
       x.spec->modules.value_or(module_list{}), x.restart_count, x.owner});
  });
  return result;
}

caf::expected<child_spec> table::get_child_spec(const child_id& id) const {
  if (auto record = find(id))
    return effective_spec(*record);
  return caf::make_error(errc::not_found);
}

caf::expected<uint64_t> table::get_restart_count(const child_id& id) const {
  if (auto record = find(id))
    return record->restart_count;
  return caf::make_error(errc::not_found);
}

std::string to_string(const table& x) {
  auto rows = x.which_children();
  std::sort(rows.begin(), rows.end(),
            [](const child_info& a, const child_info& b) {
              return a.id < b.id;
            });
  std::string result;
  for (auto& row : rows)
    fmt::format_to(std::back_inserter(result), "{}  {}  {}, {} restart{}, {}\n",
                   to_string(row.id), to_string(row.type),
                   to_string(row.status), row.restart_count,
                   row.restart_count == 1 ? "" : "s",
                   row.owner ? fmt::format("director {}", row.owner.id())
                             : "no owner");
  return result;
}

bool is_alive(const caf::actor& handle) noexcept {
  return handle && !handle->getf(caf::abstract_actor::is_terminated_flag);
}

void decide_claim(claim_item& item, const child_record* existing,
                  const caf::actor_addr& owner) {
  item.err = caf::error{};
  item.fresh = existing == nullptr;
  if (existing == nullptr) {
    if (item.mode == claim_mode::adopt) {
      item.err = caf::make_error(errc::not_found);
      return;
    }
    item.record.status = child_status::restarting;
    item.record.owner = owner;
    return;
  }
  auto alive = is_alive(existing->handle);
  auto stubborn = alive && existing->status == child_status::unresponsive;
  if (item.mode != claim_mode::fresh && existing->owner)
    item.err = caf::make_error(errc::not_parent);
  else if (stubborn)
    item.err = caf::make_error(errc::unresponsive);
  else if (item.mode != claim_mode::fresh && alive)
    item.err = caf::make_error(errc::running);
  else if (alive && existing->status != child_status::restarting)
    item.err = caf::make_error(errc::already_started, existing->handle);
  else if (item.mode == claim_mode::fresh)
    item.err = caf::make_error(errc::already_present);
  if (item.err)
    return;
  auto slot = item.record.slot;
  auto wanted = std::exchange(item.record, *existing);
  if (wanted.spec) {
    item.record.spec = std::move(wanted.spec);
    item.record.args = std::move(wanted.args);
    item.record.own = std::move(wanted.own);
  }
  item.record.slot = slot;
  item.record.owner = owner;
  item.record.status = child_status::restarting;
  item.record.handle = caf::actor{};
}

namespace {

/// As opposed to `==`, tells two proxies of one actor apart: one of them may
/// have ended with its connection.
template <class Handle>
bool same(const Handle& x, const Handle& y) {
  return caf::actor_cast<caf::actor_control_block*>(x)
         == caf::actor_cast<caf::actor_control_block*>(y);
}

} // namespace

child_record overwrite(child_record& to, const child_record& from) {
  child_record old;
  // Every copy of a shared part costs two atomic operations.
  if (to.spec != from.spec)
    old.spec = std::exchange(to.spec, from.spec);
  if (to.own != from.own)
    old.own = std::exchange(to.own, from.own);
  if (to.args.cptr() != from.args.cptr())
    old.args = std::exchange(to.args, from.args);
  if (to.extra.cptr() != from.extra.cptr())
    old.extra = std::exchange(to.extra, from.extra);
  if (!same(to.owner, from.owner))
    to.owner = from.owner;
  if (!same(to.handle, from.handle))
    old.handle = std::exchange(to.handle, from.handle);
  to.restart_count = from.restart_count;
  to.incarnation = from.incarnation;
  to.slot = from.slot;
  to.status = from.status;
  return old;
}

bool vanishes_on_detach(const child_record& x) noexcept {
  return x.status != child_status::unresponsive
         && x.spec->delete_before_terminate.value_or(true);
}

void release(child_record& x) {
  x.owner = caf::actor_addr{};
  if (x.status == child_status::unresponsive)
    return;
  x.handle = caf::actor{};
  x.status = child_status::undefined;
}

} // namespace director
