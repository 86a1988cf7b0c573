#include "director/net/internal/change_log.hpp"

#include "director/internal/compat.hpp"
#include "director/net/detail/events.hpp"

#include <caf/actor_cast.hpp>

#include <ranges>
#include <unordered_set>
#include <utility>

namespace director::net::internal {

namespace compat = director::internal::compat;

entry to_entry(const child_record& x, bool with_body) {
  entry result;
  result.id = x.id;
  result.director = x.owner ? x.owner.id() : 0;
  auto here = x.handle && (!x.owner || x.handle->node() == x.owner.node());
  result.actor = here ? x.handle->id() : 0;
  result.incarnation = x.incarnation;
  result.restart_count = x.restart_count;
  result.status = x.status;
  // Without director, somebody has to do the restart.
  result.wanted = !x.owner && x.status == child_status::restarting;
  result.keep = !x.spec->delete_before_terminate.value_or(true);
  auto foreign = x.handle && !here;
  if (with_body || foreign)
    result.body = std::make_shared<const entry_body>(entry_body{
      x.spec, x.args, x.own, x.extra, foreign ? x.handle : caf::actor{}});
  return result;
}

change_log::change_log(caf::actor_system& system)
  : system_(system),
    handles_(system) {
  nodes_.emplace_back(0, system.node());
}

// -- replica_hooks ------------------------------------------------------------

void change_log::changed(const child_record& from, const child_record& to) {
  auto new_body = from.spec != to.spec || from.own != to.own
                  || from.args.cptr() != to.args.cptr()
                  || from.extra.cptr() != to.extra.cptr();
  auto now = to_entry(to, new_body);
  // Its director has died, and it follows. If the node is lost before that,
  // others start it.
  if (!to.owner && to.status == child_status::terminating)
    now.wanted = from.status == child_status::running
                 || from.status == child_status::restarting;
  add({local_change::kind::put, std::move(now),
       from.handle != to.handle ? to.handle : caf::actor{}, 0});
}

void change_log::claimed(const child_id& id) {
  local_change x;
  x.what = local_change::kind::granted;
  x.now.id = id;
  add(std::move(x));
}

void change_log::removed(const child_record& x) {
  local_change gone;
  gone.what = local_change::kind::erase;
  gone.now.id = x.id;
  add(std::move(gone));
}

void change_log::wanted(const child_id& id) {
  local_change x;
  x.what = local_change::kind::wanted;
  x.now.id = id;
  add(std::move(x));
}

caf::actor change_log::resolve(const ets::internal::remote_actor& x) {
  caf::node_id where;
  {
    std::shared_lock guard{nodes_mutex_};
    if (x.node < nodes_.size())
      where = nodes_[x.node].second;
  }
  return where ? handles_.get(where, x.id) : caf::actor{};
}

// -- the log ------------------------------------------------------------------

void change_log::mark(uint64_t ticket) {
  local_change x;
  x.what = local_change::kind::mark;
  x.ticket = ticket;
  add(std::move(x));
}

void change_log::add(local_change x) {
  caf::actor reader;
  {
    std::lock_guard guard{mutex_};
    if (closed_)
      return;
    changes_.push_back(std::move(x));
    if (std::exchange(announced_, true))
      return;
    reader = caf::actor_cast<caf::actor>(reader_);
  }
  if (reader)
    compat::send(reader, caf::message_priority::normal, nullptr,
                 detail::news_event{});
}

void change_log::reader(const caf::actor& x) {
  std::lock_guard guard{mutex_};
  reader_ = x.address();
}

void change_log::fetch(std::vector<local_change>& into) {
  using kind = local_change::kind;
  {
    std::lock_guard guard{mutex_};
    announced_ = false;
    changes_.swap(into);
  }
  // What a grant has overtaken goes with it.
  std::unordered_set<child_id> granted;
  for (auto& x : std::views::reverse(into)) {
    if (x.what == kind::granted)
      granted.insert(x.now.id);
    else if (x.what != kind::mark && granted.contains(x.now.id))
      x.what = kind::granted;
  }
  if (!granted.empty())
    std::erase_if(into, [](auto& x) { return x.what == kind::granted; });
}

void change_log::close() {
  std::lock_guard guard{mutex_};
  closed_ = true;
}

// -- nodes --------------------------------------------------------------------

uint32_t change_log::number_of(node_key node) {
  std::unique_lock guard{nodes_mutex_};
  auto [i, fresh] = numbers_.try_emplace(node,
                                         static_cast<uint32_t>(nodes_.size()));
  if (fresh)
    nodes_.emplace_back(node, caf::node_id{});
  return i->second;
}

node_key change_log::key_of(uint32_t number) const {
  std::shared_lock guard{nodes_mutex_};
  return number < nodes_.size() ? nodes_[number].first : 0;
}

void change_log::locate(node_key node, const caf::node_id& where) {
  auto number = number_of(node);
  std::unique_lock guard{nodes_mutex_};
  nodes_[number].second = where;
}

caf::node_id change_log::location_of(node_key node) const {
  std::shared_lock guard{nodes_mutex_};
  auto i = numbers_.find(node);
  return i != numbers_.end() ? nodes_[i->second].second : caf::node_id{};
}

} // namespace director::net::internal
