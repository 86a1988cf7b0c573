// How children and the director itself come to an end.

#include "director/internal/engine_impl.hpp"

#include <caf/exit_reason.hpp>

#include <algorithm>
#include <stdexcept>
#include <unordered_set>

namespace director::internal {

// -- exits --------------------------------------------------------------------

void engine::child_exited(child_ref child, const caf::error& reason) {
  auto* x = find_slot(child);
  if (x == nullptr)
    return;
  if (tracer_)
    note(trace_kind::exit, x->record.id, to_string(reason));
  switch (x->at) {
    case phase::awaiting:
      tasks(*x).cause = make_nested_error(errc::start_failed, reason);
      x->then = goal::fail_start;
      return gone(child.slot, reason);
    case phase::stopping:
    case phase::killing:
    case phase::unresponsive:
      return gone(child.slot, reason);
    case phase::erasing:
      return drop_handle(child.slot);
    case phase::running:
      break;
    default:
      return;
  }
  auto orderly = is_orderly(reason);
  if (!orderly)
    world_.measure(metric::crashes, 1);
  tell(report_kind::child_terminated,
       orderly ? severity::info : severity::error, x, reason);
  drop_handle(child.slot);
  auto now = world_.now();
  if (now - x->since >= x->record.spec->plan.quiet_time())
    x->recent = 0;
  x->since = now;
  if (ending_)
    return rest(child.slot);
  consult_plan(child.slot, reason);
}

verdict engine::ask(slot& x, exit_info& info, caf::error& plan_failure) {
  auto ask_plan = [&]() -> verdict {
    std::optional<verdict> result;
    plan_failure = guarded([&] {
      result = x.record.spec->plan.decide(info, options_.catalog, random_);
    });
    if (!plan_failure && !result->valid())
      plan_failure = caf::make_error(
        caf::sec::invalid_argument, "the plan returned: " + to_string(*result));
    if (plan_failure)
      throw std::runtime_error{to_string(plan_failure)};
    return *result;
  };
  if (!hooks_.handle_exit)
    return ask_plan();
  std::function<verdict()> fn = ask_plan;
  exit_event event{info, state_, fn};
  return hooks_.handle_exit(event);
}

void engine::consult_plan(uint32_t index, const caf::error& reason) {
  auto& x = slots_[index];
  ++x.recent;
  exit_info info{x.record.id, reason, x.recent, x.record.restart_count,
                 x.state};
  std::optional<verdict> ruling;
  caf::error plan_failure;
  auto err = guarded([&] { ruling = ask(x, info, plan_failure); });
  if (!err && !ruling->valid())
    err = caf::make_error(caf::sec::invalid_argument,
                          "handle_exit returned: " + to_string(*ruling));
  if (err && plan_failure)
    err = make_nested_error(errc::plan_failed, std::move(plan_failure));
  else if (err)
    err = make_nested_error(errc::callback_failed, std::move(err));
  if (err) {
    rest(index);
    return end(std::move(err));
  }
  if (tracer_)
    note(trace_kind::verdict, x.record.id, to_string(*ruling));
  switch (ruling->what()) {
    case verdict::action::restart:
      return relaunch(index);
    case verdict::action::restart_after:
      x.at = phase::delayed;
      x.record.status = child_status::restarting;
      store(index);
      return arm(index, ruling->interval());
    case verdict::action::wait:
      return rest(index);
    case verdict::action::remove:
      return erase_then(index, [this](const caf::error& failure) {
        if (failure)
          table_complaint(failure);
      });
    case verdict::action::stop:
      rest(index);
      return end(ruling->reason() ? *ruling->reason() : reason);
  }
}

void engine::rest(uint32_t index) {
  auto& x = slots_[index];
  disarm(x);
  x.at = phase::stopped;
  x.record.status = child_status::undefined;
  store(index);
}

// -- stopping one child -------------------------------------------------------

void engine::begin_stop(uint32_t index, goal then) {
  auto& x = slots_[index];
  x.at = phase::stopping;
  x.then = then;
  x.record.status = child_status::terminating;
  if (ending_begun_)
    ++stops_open_;
  store(index);
  request_exit(index);
}

void engine::request_exit(uint32_t index) {
  auto& x = slots_[index];
  auto timeout = *x.record.spec->terminate_timeout;
  auto reason = caf::make_error(caf::exit_reason::user_shutdown);
  if (x.leaves != farewell::none) {
    timeout = std::min(timeout, x.tasks->time_to_end);
    reason = x.tasks->exit_reason;
  }
  if (timeout == caf::timespan{0})
    return kill_child(index);
  world_.shut_down(x.record.handle, reason);
  arm(index, timeout);
}

void engine::kill_child(uint32_t index) {
  auto& x = slots_[index];
  x.at = phase::killing;
  world_.kill(x.record.handle);
  arm(index, options_.kill_grace);
}

void engine::give_up(uint32_t index) {
  auto& x = slots_[index];
  auto err = caf::make_error(errc::unresponsive);
  x.at = phase::unresponsive;
  x.record.status = child_status::unresponsive;
  tell(report_kind::shutdown_error, severity::error, &x, err);
  if (x.leaves != farewell::lost)
    store(index);
  if (x.tasks) {
    auto who = std::exchange(x.tasks->start, {});
    // Nobody waits any longer for a start that a request had asked for.
    if (who && x.then == goal::fail_start)
      x.then = goal::keep;
    deliver(who, {}, err);
    for (auto& stop : std::exchange(tasks(slots_[index]).stops, {}))
      deliver_stop(stop, err);
  }
  if (ending_begun_) {
    --stops_open_;
    advance_ending();
  }
}

void engine::gone(uint32_t index, const caf::error& reason) {
  auto& x = slots_[index];
  auto was_open = x.at == phase::stopping || x.at == phase::killing;
  auto was_killed = reason == caf::exit_reason::kill;
  auto leaves = x.leaves;
  caf::error asked;
  if (leaves != farewell::none)
    asked = x.tasks->exit_reason;
  disarm(x);
  if (x.at != phase::awaiting && !was_killed && !is_orderly(reason)
      && reason != asked)
    tell(report_kind::shutdown_error, severity::warning, &x, reason);
  if (leaves != farewell::none)
    tell(report_kind::child_terminated,
         leaves == farewell::lost ? severity::warning : severity::info, &x,
         asked);
  drop_handle(index);
  x.since = world_.now();
  if (x.then == goal::fail_start && !ending_ && leaves != farewell::lost) {
    auto child = member{index, x.order};
    auto cause = caf::error{tasks(x).cause};
    // The child died with the ready request in its hands.
    auto answer_lost = cause_of(cause) == caf::sec::broken_promise
                       || cause_of(cause) == caf::sec::request_receiver_down;
    if (answer_lost && !was_killed && reason != caf::exit_reason::user_shutdown)
      cause = make_nested_error(errc::start_failed, reason);
    auto stops = std::exchange(tasks(x).stops, {});
    auto result = cause == errc::declined ? launch_result::declined
                                          : launch_result::failed;
    conclude(index, result, std::move(cause));
    for (auto& stop : stops)
      deliver_stop(stop, {});
    if (leaves == farewell::release)
      if (auto* y = find_slot(child);
          y != nullptr && (y->at == phase::stopped || y->at == phase::retrying))
        release_then(index, y->record.status, [this](const caf::error& err) {
          if (err)
            table_complaint(err);
        });
    return;
  }
  if (hooks_.handle_terminate) {
    auto err = guarded([&] {
      terminate_event event{x.record.id, reason, x.state, state_};
      hooks_.handle_terminate(event);
    });
    if (err)
      end(make_nested_error(errc::callback_failed, std::move(err)));
  }
  waiter starter;
  std::vector<waiter> stops;
  if (x.tasks) {
    starter = std::exchange(x.tasks->start, {});
    stops = std::exchange(x.tasks->stops, {});
  }
  auto done = [this, stops = std::move(stops)](const caf::error& err) {
    for (auto& stop : stops)
      deliver_stop(stop, err);
  };
  x.at = phase::stopped;
  x.record.status = child_status::undefined;
  if (leaves == farewell::lost) {
    forget(index);
    done({});
  } else if (x.then == goal::erase) {
    erase_then(index, std::move(done));
  } else if (leaves == farewell::release) {
    release_then(index, x.leaves_as, std::move(done));
  } else {
    store_then(index, std::move(done));
  }
  if (starter)
    deliver(starter, {}, make_nested_error(errc::start_failed, reason));
  if (ending_begun_ && was_open) {
    --stops_open_;
    advance_ending();
  }
}

void engine::terminate_slot(request_id request, uint32_t index, bool erase) {
  auto& x = slots_[index];
  auto respond = [this, request](const caf::error& err) {
    reply_ok_or(request, err);
  };
  switch (x.at) {
    case phase::running:
    case phase::awaiting: {
      auto before = x.at;
      auto before_status = x.record.status;
      x.at = phase::stopping;
      x.then = erase ? goal::erase : goal::keep;
      x.record.status = child_status::terminating;
      tasks(x).stops.push_back({request, nullptr, 0});
      // Its time to get ready is not its time to end.
      disarm(x);
      // A child that the table will not let go keeps running.
      return store_then(index, [this, before, before_status,
                                child = ref(index)](const caf::error& err) {
        auto* y = find_slot(child);
        if (y == nullptr || y->at != phase::stopping)
          return;
        if (!err || y->leaves != farewell::none)
          return request_exit(child.slot);
        y->at = before;
        y->record.status = before_status;
        if (before == phase::awaiting)
          arm(child.slot, *y->record.spec->start_timeout);
        for (auto& stop : std::exchange(tasks(*y).stops, {}))
          deliver_stop(stop, err);
      });
    }
    case phase::stopping:
    case phase::killing:
      if (erase)
        x.then = goal::erase;
      else if (x.then == goal::fail_start && x.from == origin::plan)
        x.then = goal::keep;
      x.leaves_as = child_status::undefined;
      tasks(x).stops.push_back({request, nullptr, 0});
      return;
    case phase::unresponsive:
      return reply(request, caf::make_error(errc::unresponsive));
    case phase::erasing:
    case phase::claiming:
    case phase::free:
      return reply(request, caf::make_error(errc::not_found));
    default:
      break;
  }
  // Does not run: cancel what was scheduled.
  if (erase)
    return erase_then(index, respond);
  if (x.at == phase::stopped)
    return reply(request, caf::unit);
  auto before = x.at;
  auto before_status = std::exchange(x.record.status, child_status::undefined);
  x.at = phase::stopped;
  store_then(index, [this, request, before, before_status,
                     child = ref(index)](const caf::error& err) {
    auto* y = find_slot(child);
    if (y != nullptr && y->at == phase::stopped) {
      if (err) {
        // What was scheduled stays so: the timer still runs.
        y->at = before;
        y->record.status = before_status;
        if (before == phase::retrying)
          later(child);
      } else {
        disarm(*y);
      }
    }
    reply_ok_or(request, err);
  });
}

// -- handing children over ----------------------------------------------------

std::vector<child_id> engine::hand_over(hand_over_request what) {
  if (ended_ || what.ids.empty())
    return {};
  if (!what.reason)
    what.reason = caf::exit_reason::user_shutdown;
  std::unordered_set<child_id> wanted{what.ids.begin(), what.ids.end()};
  std::vector<uint32_t> found;
  for (uint32_t index = 0; index < slots_.size(); ++index)
    if (auto& x = slots_[index]; x.at != phase::free && x.at != phase::claiming
                                 && wanted.contains(x.record.id))
      found.push_back(index);
  for (auto index : found)
    wanted.erase(slots_[index].record.id);
  auto mark = farewell::lost;
  if (what.release)
    mark = ending_ ? farewell::detach : farewell::release;
  // A child that is lost or about to be erased cannot be released any more.
  std::erase_if(found, [&](uint32_t index) {
    auto& x = slots_[index];
    if (x.leaves >= mark && x.at == phase::stopping)
      hasten(index, what.limit);
    return x.leaves >= mark
           || (what.release
               && (x.at == phase::erasing || x.at == phase::releasing));
  });
  for (auto index : found)
    slots_[index].leaves = mark;
  if (!ending_)
    leave_batches();
  gathering_ = true;
  std::erase_if(found,
                [&](uint32_t index) { return !begin_hand_over(index, what); });
  auto complain = [this](const caf::error& err) {
    if (err)
      table_complaint(err);
  };
  after(flush(), complain);
  for (auto index : found)
    release_then(index, slots_[index].leaves_as, complain);
  return {wanted.begin(), wanted.end()};
}

bool engine::begin_hand_over(uint32_t index, const hand_over_request& what) {
  auto& x = slots_[index];
  auto& todo = tasks(x);
  todo.exit_reason = what.reason;
  todo.time_to_end = what.limit;
  x.leaves_as = x.at == phase::stopped || x.at == phase::stopping
                    || x.at == phase::killing || x.at == phase::unresponsive
                  ? child_status::undefined
                  : child_status::restarting;
  if (x.leaves == farewell::lost && x.record.handle)
    lost_.emplace(x.record.id, false);
  switch (x.at) {
    case phase::running:
    case phase::awaiting:
      if (x.leaves != farewell::lost) {
        begin_stop(index, goal::keep);
        return false;
      }
      break;
    case phase::stopping:
      hasten(index, what.limit);
      return false;
    case phase::killing:
    case phase::unresponsive:
      return false;
    default:
      break;
  }
  if (x.leaves != farewell::lost)
    return x.leaves == farewell::release;
  if (x.record.handle) {
    x.at = phase::stopping;
    x.then = goal::keep;
    if (ending_begun_)
      ++stops_open_;
    request_exit(index);
  } else {
    forget(index);
  }
  return false;
}

void engine::hasten(uint32_t index, caf::timespan limit) {
  auto& time = tasks(slots_[index]).time_to_end;
  time = std::min(time, limit);
  if (limit == caf::timespan{0})
    kill_child(index);
  else
    add_timer(index, limit);
}

void engine::leave_batches() {
  std::vector<batch*> broken;
  for (auto& [key, group] : batches_) {
    for (size_t place = 0; place < group->members.size(); ++place) {
      auto* x = find_slot(group->members[place]);
      if (x == nullptr || x->leaves == farewell::none)
        continue;
      if (x->at == phase::queued) {
        group->outcomes[place].err = caf::make_error(errc::undefined);
        if (group->all_or_nothing && !group->undoing
            && (broken.empty() || broken.back() != group.get()))
          broken.push_back(group.get());
      }
      group->members[place] = {};
    }
  }
  for (auto* group : broken) {
    undo(*group);
    advance(*group);
  }
}

void engine::forget(uint32_t index) {
  auto id = slots_[index].record.id;
  auto known = lost_.extract(id);
  free_slot(index);
  if (known && known.mapped())
    take_over({std::move(id)});
}

// -- stopping the director ----------------------------------------------------

void engine::stop(request_id request, caf::error reason) {
  if (ended_ && !lingers_until_)
    return reply(request, caf::unit);
  if (request != 0)
    stop_waiters_.push_back(request);
  if (lingers_until_)
    return depart();
  end(std::move(reason));
}

void engine::end(caf::error reason) {
  if (std::exchange(ending_, true))
    return;
  end_reason_ = std::move(reason);
  // From a fresh turn, because whoever called has not finished its work.
  if (!std::exchange(turn_pending_, true))
    world_.wake_soon();
}

void engine::abandon_writes() {
  // Giving one up may lead to another.
  while (!pending_.empty())
    for (auto& [ticket, fn] : std::exchange(pending_, {}))
      fn(caf::make_error(errc::stopping), {});
}

void engine::refuse_starts() {
  auto err = is_table_failure(end_reason_) ? end_reason_
                                           : caf::make_error(errc::stopping);
  abandon_writes();
  for (auto& [group, keeper] : std::exchange(batches_, {}))
    reply(keeper->request, err);
  for (auto& x : slots_)
    if (x.tasks)
      reply(std::exchange(x.tasks->start, {}).request, err);
}

void engine::begin_ending() {
  refuse_starts();
  ending_begun_ = true;
  turns_.clear();
  std::vector<child_ref> order;
  for (uint32_t index = 0; index < slots_.size(); ++index) {
    auto& x = slots_[index];
    switch (x.at) {
      case phase::awaiting:
      case phase::running:
        order.push_back(ref(index));
        break;
      case phase::stopping:
      case phase::killing:
        ++stops_open_;
        break;
      default:
        disarm(x);
    }
  }
  auto at_once = [&](const child_ref& child) {
    return options_.order == stop_order::all_at_once
           || (options_.order == stop_order::requested_first
               && !slots_[child.slot].from_init);
  };
  auto one_by_one = std::partition(order.begin(), order.end(), at_once);
  gathering_ = true;
  std::for_each(order.begin(), one_by_one, [this](const child_ref& child) {
    begin_stop(child.slot, goal::keep);
  });
  after(flush(), [this](const caf::error& err) {
    if (err)
      table_complaint(err);
  });
  stop_queue_.assign(one_by_one, order.end());
  std::sort(stop_queue_.begin(), stop_queue_.end(),
            [this](const child_ref& x, const child_ref& y) {
              return slots_[x.slot].order < slots_[y.slot].order;
            });
  advance_ending();
}

void engine::advance_ending() {
  if (stops_open_ > 0 || ended_)
    return;
  while (!stop_queue_.empty()) {
    auto child = stop_queue_.back();
    stop_queue_.pop_back();
    auto* x = find_slot(child);
    if (x != nullptr && (x->at == phase::running || x->at == phase::awaiting))
      return begin_stop(child.slot, goal::keep);
  }
  complete_ending();
}

void engine::complete_ending() {
  ended_ = true;
  if (attached_) {
    // A start that failed leaves nothing behind.
    std::vector<row_id> rows;
    for (auto& x : slots_)
      if (!up_ && x.fresh && x.at == phase::stopped)
        rows.push_back(x.row);
    if (!rows.empty())
      options_.table->erase(client_, rows);
    options_.table->detach(client_);
    attached_ = false;
    if (options_.delete_table)
      options_.table->close();
  }
  auto reason = end_reason_ == errc::declined
                  ? caf::make_error(caf::exit_reason::normal)
                  : end_reason_;
  if (initialized_ && hooks_.terminate) {
    auto err = guarded([&] { reason = hooks_.terminate(reason, state_); });
    if (err)
      reason = make_nested_error(errc::callback_failed, std::move(err));
  }
  tell(report_kind::director_terminating,
       is_orderly(reason) ? severity::info : severity::error, nullptr, reason);
  abandon_writes();
  for (auto& x : slots_)
    uncount(x);
  exit_reason_ = std::move(reason);
  if (up_ || !up_waiters_.empty() || !stop_waiters_.empty())
    return depart();
  // Whoever started this director is about to ask why it failed.
  lingers_until_ = world_.now() + defaults::linger;
  world_.wake_at(*lingers_until_);
}

void engine::depart() {
  lingers_until_.reset();
  auto refusal = up_ ? caf::make_error(errc::stopping) : end_reason_;
  world_.end(exit_reason_);
  for (auto request : std::exchange(up_waiters_, {}))
    reply(request, refusal);
  for (auto request : std::exchange(stop_waiters_, {}))
    reply(request, caf::unit);
}

void engine::abandon() {
  if (std::exchange(ended_, true))
    return;
  for (auto& x : slots_) {
    if (x.record.handle)
      world_.kill(x.record.handle);
    uncount(x);
  }
  if (attached_) {
    options_.table->abandon(client_);
    attached_ = false;
    if (options_.delete_table)
      options_.table->close();
  }
}

} // namespace director::internal
