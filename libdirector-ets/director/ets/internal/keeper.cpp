#include "director/ets/internal/keeper.hpp"

#include "director/internal/compat.hpp"

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>
#include <caf/exit_reason.hpp>
#include <caf/sec.hpp>

#include <algorithm>
#include <utility>

namespace director::ets::internal {

namespace compat = director::internal::compat;

keeper::keeper(caf::actor_config& cfg, std::shared_ptr<shared_table> table)
  : caf::event_based_actor(cfg),
    table_(std::move(table)) {
  // nop
}

keeper::~keeper() {
  // nop
}

const char* keeper::name() const {
  return "director.ets.table";
}

std::set<std::string> keeper::message_types() const {
  return system().message_types<table_actor>();
}

caf::behavior keeper::make_behavior() {
  return compat::make_behavior(
    this,
    [](caf::exit_msg&) {
      // The table ends when it is closed, not before.
    },
    [](const caf::message&) { return caf::make_error(errc::unknown_request); },
    // -- reading
    [this](get_actor_atom, const child_id& id) -> caf::result<caf::actor> {
      return table_->get_actor(id);
    },
    [this](get_actors_atom) { return table_->get_actors(); },
    [this](count_children_atom) { return table_->count_children(); },
    [this](which_children_atom) { return table_->which_children(); },
    [this](get_child_spec_atom, const child_id& id) -> caf::result<child_spec> {
      return table_->get_child_spec(id);
    },
    [this](get_restart_count_atom, const child_id& id)
      -> caf::result<uint64_t> { return table_->get_restart_count(id); },
    [this](get_name_atom) { return table_->name(); },
    // -- subscribers
    [this](subscribe_atom, const caf::actor& who, const change_filter& filter) {
      table_->subscribe(who, filter);
    },
    [this](unsubscribe_atom, const caf::actor& who) {
      table_->unsubscribe(who);
    },
    [this](detail::feed_event) { distribute(); },
    // -- directors and their children
    [this](const detail::client_gone_event& x) { table_->abandon(x.client); },
    [this](const detail::orphans_event& x) { watch(x.orphans); },
    [this](const detail::orphan_gone_event& x) {
      table_->bury(x);
      forget(x.number);
      // There may be many of them: whatever waits is looked at once.
      if (!std::exchange(turn_pending_, true))
        compat::send(caf::actor{this}, caf::message_priority::normal, context(),
                     detail::turn_event{});
    },
    [this](detail::turn_event) {
      turn_pending_ = false;
      table_->retry();
      table_->assign();
    },
    // -- the end
    [this](detail::close_event) { quit(caf::exit_reason::normal); });
}

void keeper::on_exit() {
  timer_.dispose();
  // Nothing but a kill, a defect or the end of the actor system ends this actor
  // before the table is closed; a table without it would leave others waiting.
  table_->end();
  table_->end_feed();
  take_feed();
  for (auto& x : std::exchange(listeners_, {})) {
    auto who = caf::actor_cast<caf::actor>(x.wish.subscriber);
    if (who && !x.waiting.empty())
      compat::send(who, caf::message_priority::normal, context(),
                   std::move(x.waiting));
    dismiss(x, caf::make_error(errc::table_closed));
  }
}

// -- orphans ------------------------------------------------------------------

void keeper::watch(const std::vector<detail::orphan>& orphans) {
  auto grace = table_->options().kill_grace;
  auto now = clock_type::now();
  for (auto& x : orphans) {
    x.handle->attach_functor(
      [self = address(), gone = detail::orphan_gone_event{x.row, x.number}] {
        if (auto to = caf::actor_cast<caf::actor>(self))
          compat::send(to, caf::message_priority::normal, nullptr, gone);
      });
    compat::send(x.handle, caf::message_priority::high, context(),
                 caf::exit_msg{address(), caf::exit_reason::kill});
    if (grace != caf::infinite)
      victims_.emplace(x.number, victim{x.row, now + grace});
  }
  if (!timer_)
    arm();
}

void keeper::forget(uint64_t number) {
  victims_.erase(number);
  // A timer that runs out while the actor system ends would keep this actor,
  // and the table, in memory: CAF no longer looks at what it wakes up.
  if (victims_.empty())
    std::exchange(timer_, {}).dispose();
}

void keeper::arm() {
  if (victims_.empty())
    return;
  auto delay = victims_.begin()->second.deadline - clock_type::now();
  timer_ = run_delayed(std::max(delay, clock_type::duration{0}), [this] {
    timer_ = {};
    give_up();
    arm();
  });
}

void keeper::give_up() {
  auto now = clock_type::now();
  auto label = "table " + table_->name();
  while (!victims_.empty() && victims_.begin()->second.deadline <= now) {
    auto& [number, late] = *victims_.begin();
    auto record = table_->give_up({late.row, number});
    victims_.erase(victims_.begin());
    auto& sink = table_->options().sink;
    if (!record || !sink)
      continue;
    caf::message no_state;
    try {
      sink({report_kind::shutdown_error, severity::error, report_detail::brief,
            label, &*record, caf::make_error(errc::unresponsive),
            "its director has died", no_state});
    } catch (...) {
      // As with directors, a sink that throws misses a report.
    }
  }
  table_->retry();
}

// -- listeners ----------------------------------------------------------------

bool keeper::take_feed() {
  auto overrun = false;
  for (auto& item : table_->feed(overrun)) {
    if (auto* x = std::get_if<change>(&item))
      offer(*x);
    else if (auto* wish = std::get_if<subscription>(&item))
      add(*wish);
    else
      remove(std::get<unsubscription>(item).subscriber);
  }
  return overrun;
}

void keeper::distribute() {
  auto overrun = take_feed();
  auto limit = table_->options().max_backlog;
  std::erase_if(listeners_, [&](listener& x) {
    if (overrun || x.waiting.size() > limit) {
      dismiss(x, caf::make_error(errc::too_slow));
      return true;
    }
    return !flush(x);
  });
}

void keeper::add(const subscription& wish) {
  remove(wish.subscriber);
  listeners_.push_back({wish, {}, false, ++last_number_});
}

void keeper::remove(const caf::actor_addr& who) {
  auto count = std::erase_if(listeners_, [&](const listener& x) {
    return x.wish.subscriber == who;
  });
  if (count > 0)
    table_->lost_subscriber();
}

void keeper::offer(const change& x) {
  for (auto& to : listeners_)
    if (matches(to.wish.filter, x))
      to.waiting.push_back(x);
}

bool keeper::flush(listener& to) {
  auto who = caf::actor_cast<caf::actor>(to.wish.subscriber);
  if (!is_alive(who)) {
    table_->lost_subscriber();
    return false;
  }
  if (to.busy || to.waiting.empty())
    return true;
  to.busy = true;
  compat::request(
    this, who, [this, number = to.number] { answered(number, {}); },
    [this, number = to.number](const caf::error& err) {
      answered(number, err);
    },
    std::exchange(to.waiting, {}));
  return true;
}

void keeper::answered(uint64_t number, const caf::error& err) {
  auto i = std::ranges::find(listeners_, number, &listener::number);
  if (i == listeners_.end())
    return;
  i->busy = false;
  // Any value will do as an answer.
  if (err && err != caf::sec::unexpected_response) {
    dismiss(*i, err);
    listeners_.erase(i);
  } else if (!flush(*i)) {
    listeners_.erase(i);
  }
}

void keeper::dismiss(const listener& x, const caf::error& reason) {
  table_->lost_subscriber();
  if (auto who = caf::actor_cast<caf::actor>(x.wish.subscriber))
    compat::send(who, caf::message_priority::normal, context(),
                 subscription_end{table_->name(), reason});
}

} // namespace director::ets::internal
