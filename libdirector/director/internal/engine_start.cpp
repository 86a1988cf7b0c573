// How children come up.

#include "director/internal/engine_impl.hpp"
#include "director/internal/text.hpp"

namespace director::internal {

// -- batches ------------------------------------------------------------------

void engine::submit(std::unique_ptr<batch> group,
                    std::vector<claim_item> items) {
  auto& x = *group;
  batches_.emplace(&x, std::move(group));
  x.members.resize(x.outcomes.size());
  std::vector<size_t> places;
  places.reserve(items.size());
  for (size_t place = 0; place < x.outcomes.size(); ++place)
    if (!x.outcomes[place].err)
      places.push_back(place);
  if (items.empty())
    return step(x);
  after_claim(std::move(items),
              [this, &x, places = std::move(places)](
                const caf::error& err, std::vector<claim_item> granted) {
                claimed(x, places, err, std::move(granted));
              });
}

void engine::claimed(batch& group, const std::vector<size_t>& places,
                     const caf::error& err, std::vector<claim_item> items) {
  caf::error failure;
  for (size_t i = 0; i < places.size(); ++i) {
    if (i >= items.size()) { // the write was given up
      failure = group.outcomes[places[i]].err = err;
      continue;
    }
    auto index = items[i].record.slot;
    if (take(items[i], err)) {
      auto& x = slots_[index];
      if (group.what == batch::kind::takeover) {
        // Names that mean nothing here may mean something to another director.
        if (auto flaw = check_child_spec(effective_spec(x.record),
                                         options_.catalog)) {
          decline(index, std::move(flaw));
          continue;
        }
        x.from = origin::plan;
        x.since = world_.now();
      }
      group.members[places[i]] = {index, x.order};
      continue;
    }
    auto& outcome = group.outcomes[places[i]];
    outcome.err = err ? err : items[i].err;
    // A child that another live director runs is left alone.
    if (group.what == batch::kind::init && outcome.err == errc::not_parent)
      outcome.err = caf::error{};
    else
      failure = outcome.err;
  }
  if (failure)
    fail_member(group, std::move(failure));
  step(group);
}

void engine::step(batch& group) {
  auto budget = defaults::starts_per_turn;
  auto sequential = group.what == batch::kind::init;
  auto first = group.next;
  std::vector<size_t> started;
  gathering_ = true;
  while (group.next < group.members.size() && budget > 0 && !group.undoing
         && !ending_ && !(sequential && group.open > 0)) {
    auto place = group.next++;
    auto& outcome = group.outcomes[place];
    auto [index, order] = group.members[place];
    if (index == no_slot)
      continue;
    auto* x = find_slot(group.members[place]);
    if (x == nullptr || x->at != phase::queued) {
      // Somebody has terminated the child before it was started.
      outcome.err = caf::make_error(errc::undefined);
      fail_member(group, outcome.err);
      continue;
    }
    --budget;
    caf::error err;
    auto result = launch(index, err);
    if (result == launch_result::open) {
      tasks(slots_[index]).start = {0, &group, place};
      ++group.open;
      store(index);
      continue;
    }
    outcome.err = settle(index, result, std::move(err));
    if (outcome.err) {
      fail_member(group, outcome.err);
      continue;
    }
    outcome.value = {slots_[index].record.handle, slots_[index].record.extra};
    started.push_back(place);
  }
  auto writes = record(group, first, std::move(started));
  group.open += writes.size();
  for (auto& [result, places] : writes)
    after(std::move(result),
          [this, &group, places = std::move(places)](const caf::error& err) {
            for (auto place : err ? places : std::vector<size_t>{}) {
              if (group.undoing)
                break;
              if (find_slot(group.members[place]) != nullptr) {
                revoke(group.members[place].slot, {0, &group, place}, err);
              } else if (group.what != batch::kind::init) {
                // It is gone already, but nobody may rely on a start that
                // failed.
                group.outcomes[place].value = {};
                group.outcomes[place].err = err;
                fail_member(group, err);
              }
            }
            // Last, because a group without open members may be gone.
            --group.open;
            advance(group);
          });
}

std::vector<engine::group_write> engine::record(batch& group, size_t first,
                                                std::vector<size_t> started) {
  auto awaited = group.what != batch::kind::takeover;
  auto several = gathered_.size() > 1;
  std::vector<group_write> result;
  result.push_back({flush(awaited), std::move(started)});
  auto& err = result.front().result.err();
  if (!several || !err || is_table_failure(err))
    return result;
  // One that the table refuses must not take the others along.
  auto places = std::move(result.front().places);
  result.assign(1, {});
  for (auto place = first; place < group.next; ++place) {
    auto* x = find_slot(group.members[place]);
    if (x == nullptr || x->at == phase::erasing)
      continue;
    auto index = group.members[place].slot;
    if (!std::binary_search(places.begin(), places.end(), place)) {
      store(index);
      continue;
    }
    gathering_ = true;
    store(index);
    result.push_back({flush(awaited), {place}});
  }
  return result;
}

void engine::advance(batch& group) {
  if (ending_ || !batches_.contains(&group))
    return;
  if (group.next < group.members.size() && !group.undoing) {
    if ((group.what != batch::kind::init || group.open == 0)
        && !std::exchange(group.due, true))
      later(&group);
  } else if (group.open == 0) {
    finish(group);
  }
}

void engine::fail_member(batch& group, caf::error err) {
  if (group.what == batch::kind::init)
    end(std::move(err));
  else if (group.all_or_nothing && !group.undoing)
    undo(group);
}

void engine::undo(batch& group) {
  group.undoing = true;
  // Keeps the group alive while its members go.
  ++group.open;
  gathering_ = false;
  after(flush(), [](const caf::error&) {
    // What could not be recorded is erased anyway.
  });
  for (size_t place = 0; place < group.members.size(); ++place) {
    auto* x = find_slot(group.members[place]);
    auto& outcome = group.outcomes[place];
    if (!outcome.err)
      outcome.err = caf::make_error(errc::undone);
    outcome.value = {};
    if (x == nullptr)
      continue;
    auto index = group.members[place].slot;
    switch (x->at) {
      case phase::running:
      case phase::awaiting:
        if (x->tasks && x->tasks->start.group == &group) {
          x->tasks->start = {};
          --group.open;
        }
        ++group.open;
        tasks(*x).stops.push_back({0, &group, place});
        begin_stop(index, goal::erase);
        break;
      case phase::stopping:
      case phase::killing:
        ++group.open;
        x->then = goal::erase;
        tasks(*x).stops.push_back({0, &group, place});
        break;
      case phase::unresponsive:
      case phase::erasing:
        break;
      default:
        erase_then(index, [this](const caf::error& err) {
          if (err)
            table_complaint(err);
        });
    }
  }
  --group.open;
}

void engine::finish(batch& group) {
  auto done = std::move(batches_.extract(&group).mapped());
  auto& first = done->outcomes;
  switch (done->what) {
    case batch::kind::init:
      up_ = true;
      for (auto request : std::exchange(up_waiters_, {}))
        reply(request, caf::unit);
      take_over(std::exchange(offered_, {}));
      break;
    case batch::kind::takeover:
      break;
    case batch::kind::many:
      reply(done->request, std::move(first));
      break;
    case batch::kind::adoption:
      if (!first[0].err && first[0].value.handle)
        world_.tell_parent(first[0].value.handle);
      reply_ok_or(done->request, first[0].err);
      break;
    case batch::kind::one:
      if (first[0].err)
        reply(done->request, std::move(first[0].err));
      else
        reply(done->request, std::move(first[0].value));
  }
}

void engine::take_over(std::vector<child_id> ids) {
  // What is about to end here has to be gone first.
  if (!lost_.empty())
    std::erase_if(ids, [this](const child_id& id) {
      auto i = lost_.find(id);
      if (i != lost_.end())
        i->second = true;
      return i != lost_.end();
    });
  if (ending_ || ids.empty())
    return;
  if (!up_) {
    offered_.insert(offered_.end(), ids.begin(), ids.end());
    return;
  }
  auto group = std::make_unique<batch>();
  group->what = batch::kind::takeover;
  std::vector<claim_item> items(ids.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    group->outcomes.push_back({ids[i], {}, {}});
    items[i].record.id = ids[i];
    items[i].record.slot = allocate();
    items[i].mode = claim_mode::adopt;
  }
  submit(std::move(group), std::move(items));
}

void engine::decline(uint32_t index, caf::error err) {
  auto& x = slots_[index];
  tell(report_kind::start_error, severity::error, &x,
       make_nested_error(errc::start_failed, std::move(err)));
  release_then(index, child_status::undefined,
               [this, id = x.record.id](const caf::error& failure) {
                 if (failure)
                   table_complaint(failure);
                 else
                   options_.table->declined(client_, id);
               });
}

// -- one start ----------------------------------------------------------------

start_result engine::call_start(slot& x) {
  if (x.tasks && x.tasks->given)
    return std::exchange(x.tasks->given, {});
  auto& spec = *x.record.spec;
  auto* fn = options_.catalog.resolve(spec.start);
  if (fn == nullptr)
    return make_spec_error(errc::invalid_child_spec, "start", x.record.id,
                           options_.catalog.complaint(spec.start));
  start_result result{caf::actor{}};
  auto err = guarded([&] {
    result = world_.start(*fn, x.record, concat_args(spec.args, x.record.args));
  });
  return err ? start_result{std::move(err)} : result;
}

engine::launch_result engine::launch(uint32_t index, caf::error& err) {
  auto& x = slots_[index];
  ++x.generation;
  disarm(x);
  if (x.record.incarnation++ > 0)
    ++x.record.restart_count;
  auto adopted = x.tasks && x.tasks->given;
  auto result = call_start(x);
  if (result.what() == start_result::kind::failed) {
    err = make_nested_error(errc::start_failed, result.error());
    return launch_result::failed;
  }
  if (result.what() == start_result::kind::declined)
    return launch_result::declined;
  auto& handle = result.handle();
  if (!set_handle(index, handle)) {
    err = make_nested_error(errc::start_failed,
                            caf::make_error(errc::already_started, handle));
    return launch_result::failed;
  }
  x.record.extra = result.extra();
  world_.watch(ref(index), handle);
  if (adopted
      || (result.what() != start_result::kind::starting
          && !*x.record.spec->await_ready))
    return launch_result::up;
  x.at = phase::awaiting;
  world_.ask_ready(ref(index), handle);
  arm(index, *x.record.spec->start_timeout);
  return launch_result::open;
}

caf::error engine::settle(uint32_t index, launch_result result,
                          caf::error err) {
  auto& x = slots_[index];
  if (tracer_ && result != launch_result::up)
    note(trace_kind::start, x.record.id,
         result == launch_result::declined ? "declined" : to_string(err));
  if (result == launch_result::up) {
    x.record.status = child_status::running;
    store(index);
    came_up(index);
    return {};
  }
  if (result == launch_result::declined) {
    rest(index);
    return {};
  }
  tell(report_kind::start_error, severity::error, &x, err);
  if (x.from == origin::plan) {
    tasks(x).cause = err;
    x.at = phase::retrying;
    x.record.status = child_status::restarting;
    store(index);
    later(ref(index));
  } else if (x.fresh && x.record.incarnation == 1
             && x.from == origin::request) {
    erase_then(index, [this](const caf::error& failure) {
      if (failure)
        table_complaint(failure);
    });
  } else {
    rest(index);
  }
  return err;
}

void engine::came_up(uint32_t index) {
  auto& x = slots_[index];
  auto now = world_.now();
  x.at = phase::running;
  if (tracer_)
    note(trace_kind::start, x.record.id, actor_text(x.record.handle));
  world_.measure(metric::starts, 1);
  world_.measure(metric::children, 1);
  x.counted = true;
  if (x.record.restart_count > 0)
    world_.measure(metric::restarts, 1);
  if (x.from == origin::plan)
    world_.measure_restart(now - x.since);
  x.since = now;
  tell(report_kind::progress, severity::info, &x, {});
  if (!hooks_.handle_start)
    return;
  if (auto err = guarded([&] {
        start_event event{x.record.id,    x.record.handle,
                          x.record.extra, x.record.restart_count,
                          x.state,        state_};
        hooks_.handle_start(event);
      }))
    end(make_nested_error(errc::callback_failed, std::move(err)));
}

void engine::conclude(uint32_t index, launch_result result, caf::error err) {
  auto& x = slots_[index];
  // The outcome is known; the table may take its time to write it.
  disarm(x);
  waiter who;
  if (x.tasks)
    who = std::exchange(x.tasks->start, {});
  if (!who) {
    std::ignore = settle(index, result, std::move(err));
    return;
  }
  if (result == launch_result::up) {
    // The caller hears of the start when it is recorded.
    x.record.status = child_status::running;
    started value{x.record.handle, x.record.extra};
    gathering_ = true;
    store(index);
    came_up(index);
    auto awaited = who.group == nullptr
                   || who.group->what != batch::kind::takeover;
    return after(flush(awaited),
                 [this, who, value,
                  child = member{index, x.order}](const caf::error& failure) {
                   if (!failure)
                     return deliver(who, value, {});
                   auto* y = find_slot(child);
                   if (y == nullptr || y->at != phase::running)
                     return deliver(who, {}, failure);
                   if (who.group != nullptr)
                     --who.group->open;
                   revoke(child.slot, who, failure);
                 });
  }
  err = settle(index, result, std::move(err));
  deliver(who, {}, std::move(err));
}

void engine::revoke(uint32_t index, waiter who, caf::error err) {
  auto& x = slots_[index];
  if (who.group != nullptr) {
    ++who.group->open;
    who.group->outcomes[who.index].value = {};
    who.group->outcomes[who.index].err = err;
  }
  if (who.group != nullptr && who.group->what == batch::kind::adoption
      && x.at == phase::running) {
    // The actor was there before and stays.
    world_.unwatch(x.record.handle);
    drop_handle(index);
    return erase_then(index, [this, who, err](const caf::error&) {
      deliver(who, {}, err);
    });
  }
  tasks(x).start = who;
  tasks(x).cause = std::move(err);
  if (x.record.handle)
    begin_stop(index, goal::fail_start);
  else
    conclude(index, launch_result::failed, caf::error{tasks(x).cause});
}

void engine::deliver(waiter who, started value, caf::error err) {
  if (who.request != 0) {
    if (err)
      reply(who.request, std::move(err));
    else
      reply(who.request, std::move(value));
  }
  if (who.group == nullptr || !batches_.contains(who.group))
    return;
  auto& group = *who.group;
  auto& outcome = group.outcomes[who.index];
  // What was undone was undone.
  if (!group.undoing) {
    outcome.value = std::move(value);
    outcome.err = std::move(err);
  }
  --group.open;
  // A child that is handed over no longer keeps the director from coming up.
  auto handed_over = group.members[who.index].slot == no_slot;
  if (group.what == batch::kind::init && handed_over)
    outcome.err = caf::error{};
  if (outcome.err && !group.undoing)
    fail_member(group, outcome.err);
  if (group.what == batch::kind::init && group.next < group.members.size())
    step(group);
  else
    advance(group);
}

void engine::deliver_stop(waiter who, const caf::error& err) {
  if (who.request != 0)
    reply_ok_or(who.request, err);
  if (who.group == nullptr || !batches_.contains(who.group))
    return;
  if (err)
    who.group->outcomes[who.index].err = err;
  --who.group->open;
  advance(*who.group);
}

void engine::relaunch(uint32_t index) {
  auto& x = slots_[index];
  x.from = origin::plan;
  x.record.status = child_status::restarting;
  store(index);
  caf::error err;
  auto result = launch(index, err);
  if (result == launch_result::open)
    store(index);
  else
    std::ignore = settle(index, result, std::move(err));
}

void engine::child_ready(child_ref child, caf::expected<caf::message> extra) {
  auto* x = find_slot(child);
  if (x == nullptr || x->at != phase::awaiting)
    return;
  if (extra) {
    if (!extra->empty())
      x->record.extra = std::move(*extra);
    return conclude(child.slot, launch_result::up, {});
  }
  auto& err = extra.error();
  tasks(*x).cause
    = err == errc::declined ? err : make_nested_error(errc::start_failed, err);
  begin_stop(child.slot, goal::fail_start);
}

} // namespace director::internal
