// Slots, writes, timers, reports, and the beginning of a director.

#include "director/internal/engine.hpp"

#include "director/internal/engine_impl.hpp"
#include "director/list_table.hpp"

#include <caf/exit_reason.hpp>

#include <algorithm>
#include <unordered_set>

namespace director::internal {

namespace {

/// Checks what `init` gave.
caf::error check_init(const init_result& first, const catalog& names) {
  if (auto err = check_default(first.default_spec, names))
    return err;
  std::unordered_set<child_id> seen;
  for (auto& spec : first.children) {
    if (auto err = check_child_spec(spec, names, &first.default_spec))
      return err;
    if (!seen.insert(spec.id).second)
      return make_spec_error(errc::invalid_child_spec, "id", spec.id,
                             "init gave this ID twice");
  }
  return {};
}

} // namespace

world::~world() {
  // nop
}

engine::engine(world& outside, table_client& client, callbacks hooks,
               director_options options)
  : world_(outside),
    client_(client),
    hooks_(std::move(hooks)),
    options_(std::move(options)) {
  // nop
}

engine::~engine() {
  // nop
}

// -- beginning ----------------------------------------------------------------

void engine::init(const caf::message& arg) {
  arg_ = arg;
  init_result first;
  if (auto err = guarded([&] {
        if (hooks_.init)
          first = hooks_.init(arg);
      }))
    return end(make_nested_error(errc::callback_failed, std::move(err)));
  if (first.refusal)
    return end(*first.refusal);
  state_ = std::move(first.state);
  initialized_ = true;
  if (first.options) {
    auto name = std::move(options_.registered_name);
    options_ = std::move(*first.options);
    options_.registered_name = std::move(name);
  }
  random_.seed(options_.seed != 0 ? options_.seed : std::random_device{}());
  if (!options_.table)
    options_.table = std::make_shared<list_table>();
  if (auto err = trace(options_.trace))
    return end(std::move(err));
  if (auto err = options_.table->attach(client_))
    return end(std::move(err));
  attached_ = true;
  if (auto err = check_init(first, options_.catalog))
    return end(std::move(err));
  default_ = std::move(first.default_spec);
  derived_default_ = std::make_shared<const child_spec>(combine({}, default_));
  auto group = std::make_unique<batch>();
  group->what = batch::kind::init;
  std::vector<claim_item> items;
  for (auto& spec : first.children) {
    group->outcomes.push_back({spec.id, {}, {}});
    items.push_back(prepare(std::move(spec), claim_mode::any));
    slots_[items.back().record.slot].from_init = true;
  }
  submit(std::move(group), std::move(items));
}

void engine::await_up(request_id request) {
  if (up_ && !ending_)
    return reply(request, caf::unit);
  if (ended_ && !lingers_until_)
    return reply(request, caf::make_error(errc::stopping));
  up_waiters_.push_back(request);
  if (lingers_until_)
    depart();
}

void engine::reload(request_id request) {
  if (refused(request))
    return;
  init_result next;
  if (auto err = guarded([&] {
        if (hooks_.init)
          next = hooks_.init(arg_);
      }))
    return reply(request,
                 make_nested_error(errc::callback_failed, std::move(err)));
  auto err = next.refusal ? *next.refusal : check_init(next, options_.catalog);
  if (err)
    return reply(request, std::move(err));
  rederive(std::move(next.default_spec));
  std::vector<claim_item> added;
  for (auto& spec : next.children) {
    if (auto index = own_slot(spec.id)) {
      auto& x = slots_[*index];
      apply_spec(x.record, std::move(spec));
      store(*index);
    } else if (index.error() == errc::not_found && !lost_.contains(spec.id)) {
      added.push_back(prepare(std::move(spec), claim_mode::fresh));
      slots_[added.back().record.slot].from_init = true;
    }
  }
  if (added.empty())
    return reply(request, caf::unit);
  after_claim(std::move(added), [this, request](const caf::error& failure,
                                                std::vector<claim_item> items) {
    auto first_error = failure;
    for (auto& item : items) {
      if (auto index = item.record.slot; take(item, failure))
        rest(index);
      else if (!first_error)
        first_error = item.err;
    }
    reply_ok_or(request, first_error);
  });
}

// -- slots --------------------------------------------------------------------

uint32_t engine::allocate() {
  uint32_t index;
  if (free_slots_.empty()) {
    index = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    index = free_slots_.back();
    free_slots_.pop_back();
  }
  auto& x = slots_[index];
  x.at = phase::claiming;
  x.order = ++next_order_;
  x.record.slot = index;
  return index;
}

void engine::free_slot(uint32_t index) {
  drop_handle(index);
  auto& x = slots_[index];
  // Whatever still comes for this child must not reach the next one.
  auto generation = x.generation + 1;
  auto timer = x.timer + 1;
  x = slot{};
  x.generation = generation;
  x.timer = timer;
  free_slots_.push_back(index);
}

engine::slot* engine::find_slot(child_ref child) {
  if (child.slot >= slots_.size())
    return nullptr;
  auto& x = slots_[child.slot];
  return x.at != phase::free && x.generation == child.generation ? &x : nullptr;
}

engine::slot* engine::find_slot(member child) {
  if (child.slot >= slots_.size())
    return nullptr;
  auto& x = slots_[child.slot];
  return x.at != phase::free && x.order == child.order ? &x : nullptr;
}

caf::expected<uint32_t> engine::own_slot(const child_id& id) const {
  auto record = options_.table->find(id);
  if (!record)
    return caf::make_error(errc::not_found);
  if (!is_mine(*record))
    return caf::make_error(errc::not_parent);
  // Nothing may be written behind an erase or a release.
  auto at = slots_[record->slot].at;
  if (at == phase::erasing)
    return caf::make_error(errc::not_found);
  if (at == phase::releasing)
    return caf::make_error(errc::not_parent);
  // The table may show what it has granted before it says so.
  if (at == phase::claiming)
    return caf::make_error(errc::restarting);
  return record->slot;
}

caf::expected<uint32_t> engine::own_slot(const caf::actor& handle) const {
  if (auto index = slot_of(handle); index != no_slot)
    return index;
  // Only worth a walk through the table because it is an error anyway.
  auto code = errc::not_found;
  if (handle)
    options_.table->visit([&](const child_record& record) {
      if (record.handle == handle)
        code = errc::not_parent;
    });
  return caf::make_error(code);
}

void engine::apply_spec(child_record& record, child_spec spec) const {
  record.id = std::exchange(spec.id, {});
  record.args = std::exchange(spec.args, {});
  record.own = nullptr;
  if (!spec.append) {
    record.spec
      = std::make_shared<const child_spec>(with_defaults(std::move(spec)));
  } else if (adds_nothing(spec)) {
    record.spec = derived_default_;
  } else {
    record.own = std::make_shared<const child_spec>(std::move(spec));
    record.spec
      = std::make_shared<const child_spec>(combine(*record.own, default_));
  }
}

claim_item engine::prepare(child_spec spec, claim_mode mode) {
  claim_item item;
  apply_spec(item.record, std::move(spec));
  item.record.slot = allocate();
  item.mode = mode;
  return item;
}

bool engine::take(claim_item& item, const caf::error& err) {
  auto index = item.record.slot;
  if (err || item.err) {
    free_slot(index);
    return false;
  }
  auto& x = slots_[index];
  x.record = std::move(item.record);
  x.row = item.row;
  x.fresh = item.fresh;
  x.state = x.record.spec->state;
  x.at = phase::queued;
  return true;
}

uint32_t engine::slot_of(const caf::actor& handle) const {
  if (!std::exchange(indexed_, true))
    for (uint32_t index = 0; index < slots_.size(); ++index)
      if (auto& x = slots_[index].record.handle)
        by_handle_.emplace(handle_key(x), index);
  auto i = by_handle_.find(handle_key(handle));
  return i != by_handle_.end() ? i->second : no_slot;
}

bool engine::set_handle(uint32_t index, const caf::actor& handle) {
  // IDs grow: an actor with a higher one than all before is none of them.
  if (handle.id() > highest_id_)
    highest_id_ = handle.id();
  else if (slot_of(handle) != no_slot)
    return false;
  if (indexed_)
    by_handle_.emplace(handle_key(handle), index);
  slots_[index].record.handle = handle;
  return true;
}

void engine::drop_handle(uint32_t index) {
  auto& x = slots_[index];
  if (x.record.handle) {
    former_[next_former_++ % former_.size()] = x.record.handle.id();
    if (indexed_)
      by_handle_.erase(handle_key(x.record.handle));
    x.record.handle = caf::actor{};
    x.record.extra = caf::message{};
  }
  uncount(x);
}

void engine::uncount(slot& x) {
  if (std::exchange(x.counted, false))
    world_.measure(metric::children, -1);
}

caf::error engine::check_new(const child_spec& spec) const {
  // The actor that this director has yet to end must not meet another one.
  if (lost_.contains(spec.id))
    return caf::make_error(errc::running);
  return check_child_spec(spec, options_.catalog, &default_);
}

bool engine::supervises(const caf::actor_addr& source) const {
  auto handle = caf::actor_cast<caf::actor>(source);
  if (!handle)
    return false;
  return slot_of(handle) != no_slot
         || std::find(former_.begin(), former_.end(), handle.id())
              != former_.end();
}

// -- writes -------------------------------------------------------------------

void engine::store(uint32_t index) {
  store_then(index, [this](const caf::error& err) {
    if (err)
      table_complaint(err);
  });
}

write_result engine::flush(bool awaited) {
  gathering_ = false;
  if (gathered_.empty())
    return write_result::done();
  for (auto& item : gathered_)
    item.awaited = awaited;
  auto result = options_.table->put(client_, gathered_);
  gathered_.clear();
  return result;
}

void engine::table_complaint(const caf::error& err) {
  tell(report_kind::table_error, severity::warning, nullptr, err);
}

void engine::write_completed(uint64_t ticket, caf::error err,
                             std::vector<claim_item> items) {
  auto i = pending_.find(ticket);
  if (i == pending_.end())
    return;
  auto fn = std::move(i->second);
  pending_.erase(i);
  if (is_table_failure(err))
    end(err);
  fn(err, std::move(items));
}

void engine::table_failed(caf::error reason) {
  end(std::move(reason));
}

// -- timers -------------------------------------------------------------------

void engine::arm(uint32_t index, caf::timespan delay) {
  disarm(slots_[index]);
  add_timer(index, delay);
}

void engine::add_timer(uint32_t index, caf::timespan delay) {
  if (delay == caf::infinite)
    return;
  auto now = world_.now();
  // Nobody waits for centuries; do not overflow the clock either.
  auto when
    = now
      + std::min(std::chrono::duration_cast<clock_type::duration>(delay),
                 clock_type::duration{std::chrono::hours{100'000}});
  timers_.push({when, ref(index), slots_[index].timer});
  if (when < wake_at_) {
    wake_at_ = when;
    world_.wake_at(when);
  }
}

void engine::time_passed() {
  auto now = world_.now();
  if (lingers_until_ && now >= *lingers_until_)
    return depart();
  wake_at_ = time_point::max();
  auto budget = defaults::starts_per_turn;
  while (!timers_.empty() && timers_.top().when <= now && budget > 0) {
    auto entry = timers_.top();
    timers_.pop();
    auto* x = find_slot(entry.child);
    if (x == nullptr || x->timer != entry.timer)
      continue;
    --budget;
    fire(entry.child.slot);
  }
  if (!timers_.empty()) {
    wake_at_ = timers_.top().when;
    world_.wake_at(wake_at_);
  }
}

void engine::fire(uint32_t index) {
  auto& x = slots_[index];
  if (tracer_)
    note(trace_kind::timer, x.record.id, "");
  switch (x.at) {
    case phase::awaiting:
      tasks(x).cause = caf::make_error(errc::start_timeout);
      begin_stop(index, goal::fail_start);
      break;
    case phase::delayed:
      if (!ending_)
        relaunch(index);
      break;
    case phase::stopping:
      tell(report_kind::shutdown_error, severity::warning, &x, {},
           "did not end in time and gets killed");
      kill_child(index);
      break;
    case phase::killing:
      give_up(index);
      break;
    default:
      break;
  }
}

void engine::later(std::variant<child_ref, batch*> what) {
  turns_.push_back(what);
  if (!std::exchange(turn_pending_, true))
    world_.wake_soon();
}

void engine::turn() {
  turn_pending_ = false;
  if (ending_ && !ending_begun_)
    return begin_ending();
  // What this turn adds is for the next one.
  auto todo = std::exchange(turns_, {});
  for (auto& what : todo) {
    if (auto* child = std::get_if<child_ref>(&what)) {
      auto* x = find_slot(*child);
      if (x != nullptr && x->at == phase::retrying && !ending_)
        consult_plan(child->slot, caf::error{tasks(*x).cause});
    } else if (auto* group = std::get<batch*>(what);
               batches_.contains(group) && std::exchange(group->due, false)) {
      // It is not another one in the same place.
      step(*group);
    }
  }
}

// -- telling ------------------------------------------------------------------

void engine::tell(report_kind kind, severity level, slot* child,
                  const caf::error& reason, std::string_view text) {
  if (!options_.sink)
    return;
  auto& filter = child != nullptr ? child->record.spec->log_filter
                                  : options_.log_filter;
  auto& broken = child != nullptr ? child->filter_broken : filter_broken_;
  report what{kind,
              level,
              report_detail::brief,
              options_.name,
              child != nullptr ? &child->record : nullptr,
              reason,
              text,
              child != nullptr ? child->state : state_};
  if (!filter.empty() && !broken) {
    auto err = guarded([&] {
      if (auto* fn = options_.catalog.resolve(filter))
        what.detail = (*fn)(what);
    });
    if (err) {
      broken = true;
      tell(report_kind::log_filter_error, severity::error, child, err);
      what.detail = report_detail::brief;
    }
  }
  if (what.detail != report_detail::none)
    std::ignore = guarded([&] { options_.sink(what); });
}

void engine::unexpected(std::string_view text) {
  tell(report_kind::unexpected_message, severity::warning, nullptr,
       caf::make_error(errc::unknown_request), text);
}

caf::error engine::trace(trace_options options) {
  if (!options.enabled()) {
    tracer_.reset();
    return {};
  }
  auto next = std::make_unique<tracer>(std::move(options));
  if (auto err = next->open())
    return err;
  tracer_ = std::move(next);
  return {};
}

bool engine::refused(request_id request) {
  if (ending_)
    reply(request, caf::make_error(errc::stopping));
  return ending_;
}

} // namespace director::internal
