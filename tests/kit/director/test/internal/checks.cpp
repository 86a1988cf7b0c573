#include "director/test/internal/checks.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/exit_reason.hpp>
#include <caf/system_messages.hpp>

#include <director/internal/compat.hpp>

namespace director::test::internal {

namespace compat = director::internal::compat;

namespace {

caf::behavior idle_actor(caf::event_based_actor*) {
  return {[](int) {}};
}

} // namespace

checks::checks(caf::actor_system& system, const table_factory& make,
               suite_options options)
  : make_(make),
    options_(options) {
  for (auto& actor : actors_)
    actor = system.spawn(idle_actor);
  auto spec = child_spec{};
  // Not every table takes callables: they cannot leave the process.
  spec.start = "never called";
  vanishing_ = std::make_shared<const child_spec>(with_defaults(spec));
  spec.delete_before_terminate = false;
  spec.type = child_type::supervisor;
  staying_ = std::make_shared<const child_spec>(with_defaults(spec));
}

checks::~checks() {
  // A table may have made them known to other nodes, which keeps them alive.
  for (auto& actor : actors_)
    compat::send(actor, caf::message_priority::high, nullptr,
                 caf::exit_msg{actor.address(), caf::exit_reason::kill});
}

void checks::expect(bool condition, std::string what) {
  if (condition)
    return;
  std::lock_guard guard{mutex_};
  if (failures_.size() < 20)
    failures_.push_back(std::move(what));
}

claim_item checks::item(const child_id& id, claim_mode mode,
                        child_spec_ptr spec) const {
  claim_item result;
  result.record.id = id;
  result.record.spec = spec                        ? spec
                       : mode == claim_mode::adopt ? nullptr
                                                   : vanishing_;
  result.record.slot = 7;
  result.mode = mode;
  return result;
}

claim_item checks::claim(table& tab, client& who, const child_id& id,
                         claim_mode mode, child_spec_ptr spec) const {
  std::vector items{item(id, mode, std::move(spec))};
  auto err = who.wait(tab.claim(who, items), &items);
  if (items.empty())
    items.emplace_back();
  if (err)
    items[0].err = err;
  return items[0];
}

caf::error checks::put(table& tab, client& who, row_id row,
                       const child_record& record) {
  put_item one{row, &record};
  return who.wait(tab.put(who, {&one, 1}));
}

caf::error checks::erase(table& tab, client& who, row_id row) {
  return who.wait(tab.erase(who, {&row, 1}));
}

void checks::tally(const table& tab, const std::string& where) {
  std::vector<child_record> records;
  tab.visit([&](const child_record& x) { records.push_back(x); });
  child_counts counts;
  for (auto& x : records) {
    ++counts.specs;
    if (x.status == child_status::running)
      ++counts.active;
    if (*x.spec->type == child_type::supervisor)
      ++counts.supervisors;
    else
      ++counts.workers;
    auto again = tab.find(x.id);
    expect(again && same(*again, x),
           where + ": find and visit disagree about " + to_string(x.id));
  }
  expect(counts == tab.count_children(),
         where + ": count_children and visit disagree");
  expect(tab.get_actors().size() == counts.active,
         where + ": get_actors and visit disagree");
  expect(tab.which_children().size() == records.size(),
         where + ": which_children and visit disagree");
  expect(tab.size() == records.size(), where + ": size and visit disagree");
}

bool checks::same(const child_record& x, const child_record& y) {
  return x.id == y.id && x.spec == y.spec && x.own == y.own
         && x.handle == y.handle && x.restart_count == y.restart_count
         && x.incarnation == y.incarnation && x.owner == y.owner
         && x.slot == y.slot && x.status == y.status;
}

child_record checks::running(const child_record& x,
                             uint64_t incarnation) const {
  auto result = x;
  result.status = child_status::running;
  result.incarnation = incarnation;
  result.handle = actors_[incarnation % actors_.size()];
  return result;
}

} // namespace director::test::internal
