// Requests that do not start or stop anything by themselves, and the entrance
// for those that do.

#include "director/internal/engine_impl.hpp"

#include <algorithm>

namespace director::internal {

// -- starts -------------------------------------------------------------------

void engine::start_child(request_id request, child_spec spec) {
  if (refused(request))
    return;
  if (auto err = check_new(spec))
    return reply(request, std::move(err));
  auto group = std::make_unique<batch>();
  group->request = request;
  group->outcomes.push_back({spec.id, {}, {}});
  std::vector<claim_item> items;
  items.push_back(prepare(std::move(spec), claim_mode::fresh));
  submit(std::move(group), std::move(items));
}

void engine::start_children(request_id request, std::vector<child_spec> specs,
                            bool all_or_nothing) {
  if (refused(request))
    return;
  auto group = std::make_unique<batch>();
  group->what = batch::kind::many;
  group->request = request;
  group->all_or_nothing = all_or_nothing;
  group->outcomes.reserve(specs.size());
  auto flawless = true;
  for (auto& spec : specs) {
    auto err = check_new(spec);
    flawless = flawless && !err;
    group->outcomes.push_back({spec.id, {}, std::move(err)});
  }
  if (all_or_nothing && !flawless) {
    for (auto& outcome : group->outcomes)
      if (!outcome.err)
        outcome.err = caf::make_error(errc::undone);
    return reply(request, std::move(group->outcomes));
  }
  if (auto n = slots_.size() + specs.size() - free_slots_.size();
      n > slots_.capacity())
    slots_.reserve(std::max(n, 2 * slots_.capacity()));
  std::vector<claim_item> items;
  items.reserve(specs.size());
  for (size_t i = 0; i < specs.size(); ++i)
    if (!group->outcomes[i].err)
      items.push_back(prepare(std::move(specs[i]), claim_mode::fresh));
  submit(std::move(group), std::move(items));
}

void engine::restart_child(request_id request, const child_id& id) {
  with_slot(request, id, [this, request](uint32_t index) {
    auto& x = slots_[index];
    switch (x.at) {
      case phase::stopped:
        break;
      case phase::running:
      case phase::stopping:
      case phase::killing:
        return reply(request, caf::make_error(errc::running));
      case phase::unresponsive:
        return reply(request, caf::make_error(errc::unresponsive));
      case phase::erasing:
        return reply(request, caf::make_error(errc::not_found));
      default:
        return reply(request, caf::make_error(errc::restarting));
    }
    x.from = origin::restart_request;
    x.recent = 0;
    x.at = phase::queued;
    x.record.status = child_status::restarting;
    store_then(index, [this, request, child = member{index, x.order}](
                        const caf::error& failure) {
      auto* y = find_slot(child);
      if (y == nullptr || y->at != phase::queued)
        return reply(request, caf::make_error(errc::undefined));
      if (failure) {
        y->at = phase::stopped;
        y->record.status = child_status::undefined;
        return reply(request, failure);
      }
      caf::error err;
      auto result = launch(child.slot, err);
      y->at = phase::awaiting;
      tasks(*y).start = {request, nullptr, 0};
      if (result == launch_result::open)
        store(child.slot);
      else
        conclude(child.slot, result, std::move(err));
    });
  });
}

void engine::become_supervisor(request_id request, const caf::actor& handle,
                               child_spec spec) {
  if (refused(request))
    return;
  if (!handle)
    return reply(request, caf::make_error(errc::actor_not_alive));
  if (!world_.local(handle))
    return reply(request, caf::make_error(errc::not_local));
  if (!world_.alive(handle))
    return reply(request, caf::make_error(errc::actor_not_alive));
  if (slot_of(handle) != no_slot)
    return reply(request, caf::make_error(errc::already_started, handle));
  if (auto err = check_new(spec))
    return reply(request, std::move(err));
  auto group = std::make_unique<batch>();
  group->what = batch::kind::adoption;
  group->request = request;
  group->outcomes.push_back({spec.id, {}, {}});
  std::vector<claim_item> items;
  items.push_back(prepare(std::move(spec), claim_mode::fresh));
  tasks(slots_[items.back().record.slot]).given = handle;
  submit(std::move(group), std::move(items));
}

// -- ends ---------------------------------------------------------------------

void engine::terminate_child(request_id request, const child_id& id,
                             bool erase) {
  with_slot(request, id, [this, request, erase](uint32_t index) {
    terminate_slot(request, index, erase);
  });
}

void engine::terminate_child(request_id request, const caf::actor& handle,
                             bool erase) {
  if (refused(request))
    return;
  if (auto index = own_slot(handle))
    terminate_slot(request, *index, erase);
  else
    reply(request, index.error());
}

void engine::delete_child(request_id request, const child_id& id) {
  with_slot(request, id, [this, request](uint32_t index) {
    switch (slots_[index].at) {
      case phase::stopped:
        return erase_then(index, [this, request](const caf::error& err) {
          reply_ok_or(request, err);
        });
      case phase::running:
      case phase::stopping:
      case phase::killing:
      case phase::unresponsive:
        return reply(request, caf::make_error(errc::running));
      case phase::erasing:
        return reply(request, caf::make_error(errc::not_found));
      default:
        return reply(request, caf::make_error(errc::restarting));
    }
  });
}

void engine::delete_running_child(request_id request,
                                  const caf::actor& handle) {
  if (refused(request))
    return;
  auto index = own_slot(handle);
  if (!index)
    return reply(request, index.error());
  if (slots_[*index].at != phase::running)
    return reply(request, caf::make_error(errc::not_found));
  erase_then(*index, [this, request](const caf::error& err) {
    reply_ok_or(request, err);
  });
}

// -- changes ------------------------------------------------------------------

template <class F>
void engine::change_spec(request_id request, const child_id& id, F fn) {
  auto index = own_slot(id);
  if (!index)
    return reply(request, index.error());
  slots_[*index].filter_broken = false;
  auto& record = slots_[*index].record;
  auto before = std::pair{record.spec, record.own};
  auto changed = *record.spec;
  fn(changed);
  record.spec = std::make_shared<const child_spec>(std::move(changed));
  if (record.spec->append) {
    auto own = record.own ? *record.own : child_spec{.id = {}, .append = true};
    fn(own);
    record.own = std::make_shared<const child_spec>(std::move(own));
  }
  store_then(*index, [this, request, before,
                      child = member{*index, slots_[*index].order}](
                       const caf::error& err) {
    if (auto* x = find_slot(child); err && x != nullptr)
      std::tie(x->record.spec, x->record.own) = before;
    reply_ok_or(request, err);
  });
}

void engine::change_plan(request_id request, const child_id& id,
                         plan_function plan) {
  if (refused(request))
    return;
  if (auto text = plan.complaint(options_.catalog); !text.empty())
    return reply(request, make_spec_error(errc::invalid_plan, "plan", id,
                                          std::move(text)));
  change_spec(request, id, [&](child_spec& spec) { spec.plan = plan; });
}

void engine::change_log_filter(request_id request, const child_id& id,
                               log_filter_function filter) {
  if (refused(request))
    return;
  if (auto text = options_.catalog.complaint(filter); !text.empty())
    return reply(request, make_spec_error(errc::invalid_log_filter,
                                          "log_filter", id, std::move(text)));
  change_spec(request, id, [&](child_spec& spec) { spec.log_filter = filter; });
}

void engine::change_log_filter(request_id request, log_filter_function filter) {
  if (refused(request))
    return;
  if (auto text = options_.catalog.complaint(filter); !text.empty())
    return reply(request, make_spec_error(errc::invalid_log_filter,
                                          "log_filter", {}, std::move(text)));
  options_.log_filter = std::move(filter);
  filter_broken_ = false;
  reply(request, caf::unit);
}

void engine::change_default_child_spec(request_id request, child_spec spec) {
  if (refused(request))
    return;
  auto err = check_default(spec, options_.catalog);
  for (auto& x : slots_)
    if (!err && x.at != phase::free && x.record.spec && x.record.spec->append
        && spec.start.empty() && (!x.record.own || x.record.own->start.empty()))
      err = make_spec_error(errc::invalid_child_spec, "start", x.record.id,
                            "the child would lose its start function");
  if (err)
    return reply(request, std::move(err));
  gathering_ = true;
  auto before = default_;
  rederive(std::move(spec));
  after(flush(), [this, request, before](const caf::error& failure) {
    if (failure) {
      // Takes the change back without writing anything.
      gathering_ = true;
      rederive(before);
      gathered_.clear();
      gathering_ = false;
    }
    reply_ok_or(request, failure);
  });
}

void engine::rederive(child_spec spec) {
  default_ = std::move(spec);
  derived_default_ = std::make_shared<const child_spec>(combine({}, default_));
  for (uint32_t index = 0; index < slots_.size(); ++index) {
    auto& x = slots_[index];
    if (x.at == phase::free || x.at == phase::claiming || x.at == phase::erasing
        || x.at == phase::releasing || x.leaves == farewell::lost
        || !x.record.spec->append)
      continue;
    x.record.spec = x.record.own ? std::make_shared<const child_spec>(
                      combine(*x.record.own, default_))
                                 : derived_default_;
    store(index);
  }
}

// -- reads --------------------------------------------------------------------

caf::expected<child_spec>
engine::get_child_spec(const caf::actor& handle) const {
  if (auto index = slot_of(handle); index != no_slot)
    return effective_spec(slots_[index].record);
  std::optional<child_spec> result;
  if (handle)
    options_.table->visit([&](const child_record& record) {
      if (record.handle == handle)
        result = effective_spec(record);
    });
  if (result)
    return std::move(*result);
  return caf::make_error(errc::not_found);
}

caf::expected<plan_function> engine::get_plan(const child_id& id) const {
  if (auto record = options_.table->find(id))
    return record->spec->plan;
  return caf::make_error(errc::not_found);
}

} // namespace director::internal
