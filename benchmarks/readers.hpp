// Threads that read random children.

#pragma once

#include "countdown.hpp"
#include "director/child_id.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <latch>
#include <thread>
#include <vector>

namespace bench {

/// Random numbers at the price of a multiplication, so that they hardly count
/// next to what is measured.
class dice {
public:
  explicit dice(uint64_t seed) : state_(seed) {
    // nop
  }

  /// Returns a number from 1 to `sides`, which must be less than 2^32.
  int64_t roll(int64_t sides) {
    state_ = state_ * 6'364'136'223'846'793'005u + 1'442'695'040'888'963'407u;
    return static_cast<int64_t>((state_ >> 32) * static_cast<uint64_t>(sides)
                                >> 32)
           + 1;
  }

private:
  uint64_t state_;
};

/// Returns the time in us that this thread has spent on a processor.
double thread_us();

/// Keeps this thread on one processor. Left alone, threads that run for a short
/// time often share one.
void pin_thread(size_t number);

/// What came of some time of reading.
struct reading {
  /// Processor time per read.
  double us;
  /// Part of the time in which the readers had a processor.
  double share;
};

/// What one reader did.
struct reader_result {
  int64_t reads = 0;
  double us = 0.;
  time_point begin = {};
  time_point end = {};
};

/// Sums up what readers did at the same time.
reading sum_up(const std::vector<reader_result>& xs);

/// Lets threads look up random children for a short while, all at the same
/// time and each on a processor of its own. What counts is the time that they
/// spend there; time on the clock would say more of what else the machine
/// does, a storm to begin with. That includes spinning and waiting for memory,
/// but no sleep.
/// @param lookup is called with a `director::child_id`.
template <class F>
reading read_for_a_while(size_t threads, int64_t children, F lookup) {
  constexpr auto duration = std::chrono::milliseconds{10};
  constexpr int64_t reads_at_once = 512;
  std::vector<reader_result> results(threads);
  std::latch ready{static_cast<std::ptrdiff_t>(threads) + 1};
  std::atomic<bool> stop = false;
  auto read = [&](size_t number) {
    pin_thread(number);
    dice ids{number + 42};
    reader_result mine;
    ready.arrive_and_wait();
    mine.begin = clock_type::now();
    auto us_before = thread_us();
    do {
      for (int64_t i = 0; i < reads_at_once; ++i)
        lookup(director::child_id{ids.roll(children)});
      mine.reads += reads_at_once;
    } while (!stop.load(std::memory_order_relaxed));
    mine.us = thread_us() - us_before;
    mine.end = clock_type::now();
    results[number] = mine;
  };
  std::vector<std::jthread> running;
  for (size_t i = 0; i < threads; ++i)
    running.emplace_back(read, i);
  ready.arrive_and_wait();
  std::this_thread::sleep_for(duration);
  stop = true;
  running.clear();
  return sum_up(results);
}

} // namespace bench
