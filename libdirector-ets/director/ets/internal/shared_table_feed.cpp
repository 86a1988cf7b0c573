// What subscribers hear of changes.

#include "director/ets/internal/shared_table_impl.hpp"

#include <algorithm>
#include <iterator>

namespace director::ets::internal {

// -- changes -------------------------------------------------------

void shared_table::note(const child_record& from, const child_record& to) {
  count_change(from, to);
  if (hooks_ != nullptr)
    hooks_->changed(from, to);
}

void shared_table::count_change(const child_record& from,
                                const child_record& to) {
  counters_.changed(from, to);
  if (watched())
    each_change(from, to, [this](change x) { emit(std::move(x)); });
}

void shared_table::note_insert(const child_record& x) {
  counters_.added(x);
  if (watched())
    each_change({}, x, [this](change y) { emit(std::move(y)); });
}

void shared_table::note_remove(const child_record& x) {
  count_removal(x);
  if (hooks_ != nullptr)
    hooks_->removed(x);
}

void shared_table::count_removal(const child_record& x) {
  counters_.removed(x);
  if (!watched())
    return;
  change last{change_kind::deleted, x.id,    x.handle,
              caf::actor_addr{},    x.owner, x.incarnation,
              x.restart_count};
  if (x.handle && !is_alive(x.handle)) {
    auto exit = last;
    exit.kind = change_kind::exited;
    exit.owner = x.owner;
    emit(std::move(exit));
  }
  emit(std::move(last));
}

bool shared_table::emit(feed_item item) {
  auto announce = false;
  {
    std::lock_guard guard{feed_mutex_};
    if (feed_ended_)
      return false;
    auto is_change = std::holds_alternative<change>(item);
    if (is_change && !overrun_ && feed_.size() >= options_.max_backlog) {
      overrun_ = true;
      // Destroyed later, because whoever emits holds locks.
      lost_.swap(feed_);
      std::ranges::copy_if(lost_, std::back_inserter(feed_),
                           [](const feed_item& x) {
                             return !std::holds_alternative<change>(x);
                           });
    }
    if (!is_change || !overrun_)
      feed_.push_back(std::move(item));
    announce = !std::exchange(feed_announced_, true);
  }
  if (announce)
    tell_keeper(detail::feed_event{});
  return true;
}

std::vector<feed_item> shared_table::feed(bool& overrun) {
  std::vector<feed_item> lost;
  std::lock_guard guard{feed_mutex_};
  lost.swap(lost_);
  feed_announced_ = false;
  overrun = std::exchange(overrun_, false);
  return std::exchange(feed_, {});
}

void shared_table::subscribe(const caf::actor& subscriber,
                             change_filter filter) {
  subscribers_.fetch_add(1, std::memory_order_relaxed);
  if (emit(subscription{subscriber.address(), std::move(filter)}))
    return;
  lost_subscriber();
  compat::send(subscriber, caf::message_priority::normal, nullptr,
               subscription_end{name_, caf::make_error(errc::table_closed)});
}

void shared_table::end_feed() {
  std::lock_guard guard{feed_mutex_};
  feed_ended_ = true;
}

void shared_table::unsubscribe(const caf::actor& subscriber) {
  emit(unsubscription{subscriber.address()});
}

} // namespace director::ets::internal
