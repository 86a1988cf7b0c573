#include "readers.hpp"

#include <algorithm>
#include <ctime>
#include <pthread.h>
#include <sched.h>

namespace bench {

double thread_us() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6
         + static_cast<double>(now.tv_nsec) * 1e-3;
}

void pin_thread(size_t number) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
    return;
  number %= static_cast<size_t>(CPU_COUNT(&allowed));
  for (size_t i = 0; i < CPU_SETSIZE; ++i) {
    if (!CPU_ISSET(i, &allowed) || number-- > 0)
      continue;
    cpu_set_t mine;
    CPU_ZERO(&mine);
    CPU_SET(i, &mine);
    pthread_setaffinity_np(pthread_self(), sizeof(mine), &mine);
    return;
  }
}

reading sum_up(const std::vector<reader_result>& xs) {
  auto begin = std::ranges::min(xs, {}, &reader_result::begin).begin;
  auto end = std::ranges::max(xs, {}, &reader_result::end).end;
  double us = 0.;
  int64_t reads = 0;
  for (auto& x : xs) {
    us += x.us;
    reads += x.reads;
  }
  return {us / static_cast<double>(reads),
          us / (to_us(end - begin) * static_cast<double>(xs.size()))};
}

} // namespace bench
