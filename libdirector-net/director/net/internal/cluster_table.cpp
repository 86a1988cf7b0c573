#include "director/net/internal/cluster_table.hpp"

#include "director/internal/compat.hpp"

#include <caf/actor_cast.hpp>

#include <algorithm>
#include <tuple>
#include <utility>

namespace director::net::internal {

namespace compat = director::internal::compat;

const char* local_field(const child_spec& spec) {
  if (spec.start.local())
    return "start";
  if (spec.plan.local())
    return "plan";
  if (spec.log_filter.local())
    return "log_filter";
  return nullptr;
}

namespace {

caf::error check_travels(const child_record& x) {
  for (auto& spec : {x.spec, x.own})
    if (spec)
      if (auto* field = local_field(*spec))
        return make_spec_error(
          errc::invalid_child_spec, field, x.id,
          "a callable cannot travel to other nodes; give the name of one in "
          "the catalog");
  return {};
}

bool has_values(const child_spec_ptr& x) {
  return x && (!x->args.empty() || !x->state.empty());
}

bool has_values(const child_record& x) {
  return !x.args.empty() || !x.extra.empty() || has_values(x.spec)
         || has_values(x.own);
}

} // namespace

cluster_table::cluster_table(caf::actor_system& system, std::string name,
                             std::shared_ptr<local_table> local,
                             std::shared_ptr<change_log> log)
  : system_(system),
    name_(std::move(name)),
    local_(std::move(local)),
    log_(std::move(log)) {
  // nop
}

void cluster_table::actor(const caf::actor& x) {
  actor_ = x.address();
  log_->reader(x);
}

template <class Event>
bool cluster_table::tell(Event event) const {
  auto to = caf::actor_cast<caf::actor>(actor_);
  if (!is_alive(to))
    return false;
  compat::send(to, caf::message_priority::normal, nullptr, std::move(event));
  return true;
}

// -- reads --------------------------------------------------------------------

const std::string& cluster_table::name() const noexcept {
  return name_;
}

ets::table_actor cluster_table::handle() const {
  return local_->handle();
}

void cluster_table::subscribe(const caf::actor& subscriber,
                              ets::change_filter filter) {
  local_->subscribe(subscriber, std::move(filter));
}

void cluster_table::unsubscribe(const caf::actor& subscriber) {
  local_->unsubscribe(subscriber);
}

std::optional<child_record> cluster_table::find(const child_id& id) const {
  return local_->find(id);
}

void cluster_table::visit(
  const std::function<void(const child_record&)>& fn) const {
  local_->visit(fn);
}

child_counts cluster_table::count_children() const {
  return local_->count_children();
}

caf::expected<caf::actor> cluster_table::get_actor(const child_id& id) const {
  return local_->get_actor(id);
}

// -- directors ----------------------------------------------------------------

caf::error cluster_table::attach(table_client& client) {
  // Owners can be asked from other nodes, too.
  if (auto owner = caf::actor_cast<caf::actor>(client.address()))
    publish_handle(system_, owner);
  auto err = local_->attach(client);
  // This node can take children from now on.
  if (!err)
    tell(detail::news_event{});
  return err;
}

void cluster_table::forget(table_client& client) {
  std::vector<pending_write> forgotten;
  {
    std::lock_guard guard{pending_mutex_};
    std::erase_if(pending_, [&](auto& kvp) {
      auto its_own = kvp.second.client == &client;
      if (its_own)
        forgotten.push_back(std::move(kvp.second));
      return its_own;
    });
  }
  // Nobody will start what such a claim was granted already.
  std::vector<row_id> rows;
  for (auto& x : forgotten)
    for (auto& item : x.items)
      if (item.fresh && !item.err && item.row != 0)
        rows.push_back(item.row);
  if (!rows.empty())
    local_->erase(client, rows);
}

void cluster_table::detach(table_client& client) {
  forget(client);
  local_->detach(client);
}

void cluster_table::abandon(table_client& client) {
  forget(client);
  local_->abandon(client);
}

void cluster_table::declined(table_client& client, const child_id& id) {
  local_->note_declined(client, id);
  tell(detail::decline_event{id});
}

// -- writes -------------------------------------------------------------------

caf::error cluster_table::check_values(const child_record& x,
                                       const child_record& before) const {
  caf::error result;
  auto good = [&](const char* field, const caf::message& now,
                  const caf::message& old) {
    if (now.empty() || now.cptr() == old.cptr())
      return true;
    caf::byte_buffer bytes;
    if (auto err = encode(system_, bytes, now))
      result
        = make_spec_error(errc::invalid_child_spec, field, x.id,
                          "cannot travel to other nodes: " + to_string(err));
    return !result;
  };
  static const child_spec nothing;
  auto good_spec = [&](const child_spec_ptr& now, const child_spec_ptr& old) {
    auto& known = old ? *old : nothing;
    return !now
           || (good("args", now->args, known.args)
               && good("state", now->state, known.state));
  };
  std::ignore = good("args", x.args, before.args)
                && good_spec(x.spec, before.spec)
                && good_spec(x.own, before.own)
                && good("extra", x.extra, before.extra);
  return result;
}

write_result cluster_table::claim(table_client& client,
                                  std::vector<claim_item>& items) {
  pending_write x;
  x.client = &client;
  // Most children of one request have values in common.
  child_record checked;
  for (size_t i = 0; i < items.size(); ++i) {
    auto& item = items[i];
    item.err = item.record.spec ? check_travels(item.record) : caf::error{};
    if (!item.err && has_values(item.record)) {
      item.err = check_values(item.record, checked);
      if (!item.err)
        checked = item.record;
    }
    if (!item.err)
      x.asked.push_back(i);
  }
  if (x.asked.empty())
    return write_result::done();
  uint64_t ticket = 0;
  {
    std::lock_guard guard{pending_mutex_};
    if (closed_)
      return write_result::failed(caf::make_error(errc::table_closed));
    ticket = ++last_ticket_;
    x.items = std::move(items);
    pending_.emplace(ticket, std::move(x));
  }
  tell(detail::claim_event{ticket});
  return write_result::pending(ticket);
}

write_result cluster_table::put(table_client& client,
                                std::span<const put_item> items) {
  auto acknowledged = false;
  for (auto& item : items) {
    auto& x = *item.record;
    if (auto err = check_travels(x))
      return write_result::failed(std::move(err));
    if (has_values(x)) {
      auto before = local_->find(x.id).value_or(child_record{});
      if (auto err = check_values(x, before))
        return write_result::failed(std::move(err));
    }
    // Whoever hears of a start relies on it.
    acknowledged = acknowledged
                   || (item.awaited && x.status != child_status::restarting);
  }
  auto result = local_->put(client, items);
  if (!acknowledged || result.err())
    return result;
  uint64_t ticket = 0;
  {
    std::lock_guard guard{pending_mutex_};
    if (closed_)
      return result;
    ticket = ++last_ticket_;
    pending_write x;
    x.client = &client;
    pending_.emplace(ticket, std::move(x));
  }
  log_->mark(ticket);
  return write_result::pending(ticket);
}

write_result cluster_table::erase(table_client& client,
                                  std::span<const row_id> rows) {
  return local_->erase(client, rows);
}

void cluster_table::close() {
  finish();
  {
    std::lock_guard guard{leave_mutex_};
    abrupt_ = true;
  }
  // The others are to take over what the directors had, not what they leave
  // behind when they end because of this.
  log_->close();
  local_->close();
  if (!tell(detail::leave_event{caf::timespan{0}}))
    has_left({});
}

void cluster_table::finish() {
  std::lock_guard guard{pending_mutex_};
  closed_ = true;
  for (auto& [ticket, x] : std::exchange(pending_, {}))
    x.client->completed(ticket, caf::make_error(errc::table_closed),
                        std::move(x.items));
}

// -- the cluster --------------------------------------------------------------

address cluster_table::where() const {
  std::lock_guard guard{view_mutex_};
  return where_;
}

std::vector<node_info> cluster_table::nodes() const {
  std::lock_guard guard{view_mutex_};
  return nodes_;
}

node_key cluster_table::node_of(const child_id& id) const {
  auto number = local_->node_of(id);
  if (!number)
    return 0;
  if (*number != 0)
    return log_->key_of(*number);
  std::lock_guard guard{view_mutex_};
  return self_;
}

bool cluster_table::paused() const {
  std::lock_guard guard{view_mutex_};
  return paused_;
}

void cluster_table::rebalance() {
  tell(detail::rebalance_event{});
}

caf::error cluster_table::leave(caf::timespan timeout) {
  std::future<caf::error> done;
  {
    std::lock_guard guard{leave_mutex_};
    if (left_)
      return *left_;
    done = leavers_.emplace_back().get_future();
  }
  if (!tell(detail::leave_event{timeout}))
    has_left({});
  return done.get();
}

// -- for the actor behind the table -------------------------------------------

void cluster_table::view(node_key self, address where,
                         std::vector<node_info> nodes, bool paused) {
  std::lock_guard guard{view_mutex_};
  self_ = self;
  where_ = std::move(where);
  nodes_ = std::move(nodes);
  paused_ = paused;
}

std::vector<std::pair<child_id, claim_mode>>
cluster_table::wishes(uint64_t ticket) {
  std::vector<std::pair<child_id, claim_mode>> result;
  std::lock_guard guard{pending_mutex_};
  auto i = pending_.find(ticket);
  if (i == pending_.end())
    return result;
  auto& x = i->second;
  result.reserve(x.asked.size());
  for (auto position : x.asked)
    result.emplace_back(x.items[position].record.id, x.items[position].mode);
  return result;
}

std::optional<entry> cluster_table::take(uint64_t ticket, size_t index,
                                         bool& later) {
  ets::internal::shared_table::leftovers garbage;
  std::lock_guard guard{pending_mutex_};
  auto i = pending_.find(ticket);
  if (i == pending_.end())
    return std::nullopt;
  auto& item = i->second.items[i->second.asked[index]];
  // The dead may have to go first.
  later = !local_->try_claim(*i->second.client, item, garbage);
  if (later || item.err)
    return std::nullopt;
  return to_entry(item.record, true);
}

bool cluster_table::refuse(uint64_t ticket, size_t index, claim_outcome why) {
  // The last reference to an actor must not go while the lock is held.
  std::optional<child_record> existing;
  caf::actor owner;
  caf::error before;
  std::lock_guard guard{pending_mutex_};
  auto i = pending_.find(ticket);
  if (i == pending_.end())
    return true;
  auto& item = i->second.items[i->second.asked[index]];
  before = std::exchange(item.err, {});
  if (why == claim_outcome::no_quorum) {
    item.err = caf::make_error(errc::no_quorum);
    return true;
  }
  if (why == claim_outcome::unreadable) {
    item.err = caf::make_error(errc::unreadable);
    return true;
  }
  // This copy has the answer.
  existing = local_->find(item.record.id);
  if (why == claim_outcome::refused && existing) {
    owner = caf::actor_cast<caf::actor>(existing->owner);
    // What a dead director of this node has left is settled soon, or has been
    // in this moment. Orphans of other nodes have no handle here.
    auto unsettled
      = existing->owner
          ? !is_alive(owner) && local_->node_of(item.record.id).value_or(0) == 0
          : existing->status == child_status::terminating && existing->handle;
    if (unsettled)
      return false;
  }
  auto decided = item;
  decide_claim(decided, existing ? &*existing : nullptr,
               i->second.client->address());
  if (decided.err)
    item = std::move(decided);
  else if (why == claim_outcome::timed_out)
    item.err = caf::make_error(errc::claim_timeout);
  else // What stood in the way has gone in this moment.
    return false;
  return true;
}

void cluster_table::lose(const std::vector<child_id>& ids) {
  std::lock_guard guard{pending_mutex_};
  for (auto& [ticket, x] : pending_)
    for (auto position : x.asked) {
      auto& item = x.items[position];
      if (item.row != 0 && !item.err
          && std::ranges::find(ids, item.record.id) != ids.end())
        item.err = caf::make_error(errc::lost_to_peer);
    }
}

void cluster_table::complete(uint64_t ticket, const caf::error& err) {
  std::lock_guard guard{pending_mutex_};
  auto i = pending_.find(ticket);
  if (i == pending_.end())
    return;
  auto x = std::move(i->second);
  pending_.erase(i);
  x.client->completed(ticket, err, std::move(x.items));
}

void cluster_table::has_left(caf::error err) {
  finish();
  local_->end();
  std::vector<std::promise<caf::error>> waiting;
  {
    std::lock_guard guard{leave_mutex_};
    // Whoever closes a table does not expect children to end first.
    if (abrupt_)
      err = caf::error{};
    if (!left_)
      left_ = err;
    waiting = std::exchange(leavers_, {});
  }
  for (auto& x : waiting)
    x.set_value(err);
}

} // namespace director::net::internal
