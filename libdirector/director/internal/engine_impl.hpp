// Templates and helpers that only the sources of the engine need.

#pragma once

#include "director/internal/engine.hpp"

#include <caf/actor_cast.hpp>
#include <caf/sec.hpp>

#include <exception>
#include <string>
#include <typeinfo>

namespace director::internal {

/// Calls `fn` and turns an exception into an error.
template <class F>
caf::error guarded(F&& fn) {
  try {
    fn();
    return {};
  } catch (const std::exception& ex) {
    return caf::make_error(caf::sec::runtime_error,
                           std::string{"exception: "} + ex.what());
  } catch (...) {
    return caf::make_error(caf::sec::runtime_error, "unknown exception");
  }
}

/// Identifies an actor for as long as somebody holds a reference to it.
inline const void* handle_key(const caf::actor& handle) {
  return handle ? static_cast<const void*>(handle->ctrl()) : nullptr;
}

/// Tells whether a spec consists of ID and args only.
inline bool adds_nothing(const child_spec& x) {
  return x.start.empty() && x.plan.empty() && x.state.empty() && !x.type
         && !x.terminate_timeout && !x.modules && x.log_filter.empty()
         && !x.delete_before_terminate && !x.await_ready && !x.start_timeout;
}

/// Checks a default child spec, which needs neither ID nor start function.
inline caf::error check_default(const child_spec& spec, const catalog& names) {
  auto probe = spec;
  probe.id = "default child spec";
  if (!probe.start.empty())
    return check_child_spec(probe, names);
  // Borrows a start function, which makes the check look at the rest.
  auto lender = child_spec{};
  lender.start = [] { return start_result::declined(); };
  probe.append = true;
  return check_child_spec(probe, names, &lender);
}

template <class F>
void engine::after(write_result result, F fn) {
  if (result.ticket() != 0) {
    pending_.emplace(result.ticket(),
                     [fn](const caf::error& err, std::vector<claim_item>) {
                       fn(err);
                     });
    return;
  }
  if (is_table_failure(result.err()))
    end(result.err());
  fn(result.err());
}

template <class F>
void engine::after_claim(std::vector<claim_item> items, F fn) {
  auto result = options_.table->claim(client_, items);
  if (result.ticket() != 0) {
    pending_.emplace(result.ticket(), std::move(fn));
    return;
  }
  if (is_table_failure(result.err()))
    end(result.err());
  fn(result.err(), std::move(items));
}

template <class F>
void engine::store_then(uint32_t index, F fn) {
  auto& x = slots_[index];
  put_item item{x.row, &x.record};
  if (gathering_) {
    gathered_.push_back(item);
    return;
  }
  after(options_.table->put(client_, {&item, 1}), std::move(fn));
}

template <class F>
void engine::erase_then(uint32_t index, F fn) {
  auto& x = slots_[index];
  disarm(x);
  x.at = phase::erasing;
  after(options_.table->erase(client_, {&x.row, 1}),
        [this, child = member{index, x.order}, fn](const caf::error& err) {
          auto* y = find_slot(child);
          // The child may have been lost meanwhile.
          if (y == nullptr || y->at != phase::erasing)
            return fn(err);
          if (err) {
            y->at = phase::running;
            y->leaves = farewell::none;
            if (!y->record.handle)
              rest(child.slot);
          } else {
            if (y->record.handle)
              world_.unwatch(y->record.handle);
            free_slot(child.slot);
          }
          fn(err);
        });
}

template <class F>
void engine::release_then(uint32_t index, child_status as, F fn) {
  auto& x = slots_[index];
  auto before = std::exchange(x.at, phase::releasing);
  auto record = x.record;
  release(record);
  record.status = as;
  put_item item{x.row, &record};
  after(options_.table->put(client_, {&item, 1}),
        [this, before, child = member{index, x.order},
         fn](const caf::error& err) {
          auto* y = find_slot(child);
          if (y == nullptr || y->at != phase::releasing)
            return fn(err);
          if (!err) {
            free_slot(child.slot);
            return fn(err);
          }
          y->at = before;
          y->leaves = farewell::none;
          if (before == phase::queued)
            rest(child.slot);
          else if (before == phase::retrying)
            later(ref(child.slot));
          else if (before == phase::delayed)
            arm(child.slot, caf::timespan{0}); // it may have been due
          fn(err);
        });
}

template <class F>
void engine::with_slot(request_id request, const child_id& id, F fn) {
  if (refused(request))
    return;
  auto record = options_.table->find(id);
  if (!record)
    return reply(request, caf::make_error(errc::not_found));
  if (is_mine(*record)) {
    if (slots_[record->slot].at == phase::releasing)
      return reply(request, caf::make_error(errc::not_parent));
    return fn(record->slot);
  }
  // The actor that this director has yet to end must not meet another one.
  if (lost_.contains(id))
    return reply(request, caf::make_error(errc::running));
  std::vector<claim_item> items(1);
  items[0].record.id = id;
  items[0].record.slot = allocate();
  items[0].mode = claim_mode::adopt;
  auto index = items[0].record.slot;
  after_claim(std::move(items),
              [this, request, index, id, fn](const caf::error& err,
                                             std::vector<claim_item> claimed) {
                if (claimed.empty()) {
                  free_slot(index);
                  return reply(request, err);
                }
                if (!take(claimed[0], err)) {
                  // Another request of ours may have been faster.
                  auto again = own_slot(id);
                  if (!err && again)
                    return fn(*again);
                  return reply(request, err ? err : claimed[0].err);
                }
                rest(index);
                fn(index);
              });
}

} // namespace director::internal
