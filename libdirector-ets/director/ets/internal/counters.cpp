#include "director/ets/internal/counters.hpp"

#include <algorithm>

namespace director::ets::internal {

namespace {

int64_t runs(const child_record& x) {
  return x.status == child_status::running ? 1 : 0;
}

int64_t supervises(const child_record& x) {
  return *x.spec->type == child_type::supervisor ? 1 : 0;
}

void add(std::atomic<int64_t>& to, int64_t step) {
  if (step != 0)
    to.fetch_add(step, std::memory_order_relaxed);
}

} // namespace

counters::part& counters::mine() noexcept {
  static std::atomic<size_t> next = 0;
  thread_local const auto number = next++;
  return parts_[number % parts_.size()];
}

void counters::count(const child_record& x, int64_t step) noexcept {
  auto& to = mine();
  add(to.specs, step);
  add(to.active, step * runs(x));
  add(to.supervisors, step * supervises(x));
}

void counters::added(const child_record& x) noexcept {
  count(x, 1);
}

void counters::removed(const child_record& x) noexcept {
  count(x, -1);
}

void counters::changed(const child_record& from,
                       const child_record& to) noexcept {
  auto& own = mine();
  add(own.active, runs(to) - runs(from));
  if (from.spec != to.spec)
    add(own.supervisors, supervises(to) - supervises(from));
}

child_counts counters::sum() const noexcept {
  int64_t specs = 0;
  int64_t active = 0;
  int64_t supervisors = 0;
  for (auto& x : parts_) {
    specs += x.specs.load(std::memory_order_relaxed);
    active += x.active.load(std::memory_order_relaxed);
    supervisors += x.supervisors.load(std::memory_order_relaxed);
  }
  specs = std::max<int64_t>(specs, 0);
  auto within = [specs](int64_t x) {
    return static_cast<uint64_t>(std::clamp<int64_t>(x, 0, specs));
  };
  return {static_cast<uint64_t>(specs), within(active), within(supervisors),
          within(specs - supervisors)};
}

} // namespace director::ets::internal
