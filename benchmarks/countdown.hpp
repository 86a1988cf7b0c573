// Waiting for the last of many events.

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <utility>

namespace bench {

using clock_type = std::chrono::steady_clock;
using time_point = clock_type::time_point;

inline double to_us(clock_type::duration x) {
  return std::chrono::duration<double, std::micro>(x).count();
}

/// Notes when the last of a number of events happened.
class countdown {
public:
  /// Starts to count. The previous count must have come to its end.
  /// @param then runs at the end, on the thread of the last event.
  void expect(int64_t events, std::function<void()> then = {}) {
    then_ = std::move(then);
    done_.store(false, std::memory_order_relaxed);
    left_.store(events, std::memory_order_release);
  }

  /// Counts one event. Events that nobody expects are ignored.
  void hit() {
    if (left_.fetch_sub(1, std::memory_order_acq_rel) != 1)
      return;
    end_ = clock_type::now();
    // What follows may start the next count.
    auto then = std::move(then_);
    done_.store(true, std::memory_order_release);
    done_.notify_all();
    if (then)
      then();
  }

  /// Returns the time of the last event. For `then`, and after `wait`.
  time_point end() const noexcept {
    return end_;
  }

  /// Waits for the last event and returns its time.
  time_point wait() const {
    done_.wait(false, std::memory_order_acquire);
    return end_;
  }

private:
  std::atomic<int64_t> left_ = 0;
  std::atomic<bool> done_ = true;
  time_point end_ = {};
  std::function<void()> then_;
};

} // namespace bench
