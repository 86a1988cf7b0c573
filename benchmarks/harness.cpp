#include "harness.hpp"

#include <algorithm>
#include <array>
#include <malloc.h>
#include <thread>

namespace bench {

namespace {

/// Children of the run before the first measurement, which loads code and
/// fills caches.
constexpr int64_t warm_up_children = 100;

summary summarise(std::vector<double> xs) {
  std::sort(xs.begin(), xs.end());
  auto mid = xs.size() / 2;
  auto median = xs.size() % 2 == 1 ? xs[mid] : (xs[mid - 1] + xs[mid]) / 2;
  return {median, xs.front(), xs.back()};
}

} // namespace

subject_ptr harness::make(side which) {
  child impl{&ups_};
  if (which == side::floor)
    return make_floor_subject(system_, impl);
  return make_director_subject(system_, impl, make_table_);
}

std::vector<caf::actor> harness::populate(subject& to) {
  to.prepare_batch(children_);
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

std::vector<row> harness::run(const std::vector<metric>& metrics,
                              workload_function fn) {
  constexpr std::array sides{side::director, side::floor};
  auto wanted = [this](side x) {
    return x == side::director ? opts_.director : opts_.floor;
  };
  children_ = std::min(opts_.children, warm_up_children);
  for (auto x : sides)
    if (wanted(x))
      fn(*this, x);
  children_ = opts_.children;
  // Per metric and system.
  std::vector<std::array<std::vector<double>, 2>> values(metrics.size());
  for (int64_t i = 0; i < opts_.repeat; ++i) {
    for (auto x : sides) {
      if (!wanted(x))
        continue;
      auto results = fn(*this, x);
      for (size_t m = 0; m < metrics.size(); ++m)
        values[m][static_cast<size_t>(x)].push_back(results[m]);
    }
  }
  std::vector<row> rows;
  for (size_t m = 0; m < metrics.size(); ++m) {
    auto& [director, floor] = values[m];
    auto& added = rows.emplace_back();
    added.what = metrics[m];
    if (!director.empty())
      added.director = summarise(std::move(director));
    if (!floor.empty())
      added.floor = summarise(std::move(floor));
  }
  return rows;
}

} // namespace bench
