#include "harness.hpp"

#include "cluster.hpp"

#include <algorithm>
#include <malloc.h>
#include <thread>

namespace bench {

namespace {

/// Children of the run before the first measurement, which loads code and
/// fills caches.
constexpr int64_t warm_up_children = 100;

std::optional<summary> summarise(std::vector<double> xs) {
  if (xs.empty())
    return std::nullopt;
  std::sort(xs.begin(), xs.end());
  auto mid = xs.size() / 2;
  auto median = xs.size() % 2 == 1 ? xs[mid] : (xs[mid - 1] + xs[mid]) / 2;
  return summary{median, xs.front(), xs.back()};
}

} // namespace

subject_ptr harness::make(const contender& who) {
  return std::move(make_team(who, 1).front());
}

std::vector<subject_ptr> harness::make_team(const contender& who,
                                            int64_t size) {
  child impl{&ups_};
  director::table_ptr table;
  if (!who.is_floor())
    table = who.table->make(system_);
  std::vector<subject_ptr> result;
  for (int64_t i = 0; i < size; ++i)
    result.push_back(
      table ? make_director_subject(system_, impl, table, who.is_cluster())
            : make_floor_subject(system_, impl));
  return result;
}

std::vector<caf::actor> harness::populate(subject& to) {
  to.prepare_batch(1, children_);
  ups_.expect(children_);
  to.start_batch();
  ups_.wait();
  return to.take_batch();
}

size_t harness::settled_memory() {
  auto allocated = [] {
    auto info = mallinfo2();
    return info.uordblks + info.hblkhd;
  };
  auto last = allocated();
  for (;;) {
    std::this_thread::sleep_for(std::chrono::milliseconds{2});
    auto current = allocated();
    if (current == last)
      return current;
    last = current;
  }
}

std::vector<row> harness::run(const std::vector<metric>& metrics, reach needed,
                              workload_function fn) {
  auto& all = opts_.contenders;
  auto run_one = [&](const contender& x) {
    auto results = fn(*this, x);
    // What others still have to do must not disturb the next one.
    end_current_cluster();
    return results;
  };
  children_ = std::min(wanted_children_, warm_up_children);
  for (auto& x : all)
    if (x.can(needed))
      run_one(x);
  children_ = wanted_children_;
  // Per contender and metric.
  std::vector<std::vector<std::vector<double>>> values(
    all.size(), std::vector<std::vector<double>>(metrics.size()));
  for (int64_t i = 0; i < opts_.repeat; ++i) {
    for (size_t c = 0; c < all.size(); ++c) {
      if (!all[c].can(needed))
        continue;
      auto results = run_one(all[c]);
      for (size_t m = 0; m < metrics.size(); ++m)
        values[c][m].push_back(results[m]);
    }
  }
  std::vector<row> rows;
  for (size_t m = 0; m < metrics.size(); ++m) {
    auto& added = rows.emplace_back(row{metrics[m], children_, {}});
    for (auto& x : values)
      added.values.push_back(summarise(std::move(x[m])));
  }
  return rows;
}

} // namespace bench
