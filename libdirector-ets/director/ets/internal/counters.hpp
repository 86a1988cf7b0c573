// Counting children in constant time without a place that all threads share.

#pragma once

#include "director/child_record.hpp"

#include <array>
#include <atomic>
#include <cstdint>

namespace director::ets::internal {

/// Counts in several parts, of which each thread uses one; the sum is what
/// counts. Safe for concurrent use.
class counters {
public:
  void added(const child_record& x) noexcept;

  void removed(const child_record& x) noexcept;

  void changed(const child_record& from, const child_record& to) noexcept;

  /// Changes that are under way may be seen by half.
  child_counts sum() const noexcept;

private:
  struct alignas(64) part {
    std::atomic<int64_t> specs = 0;
    std::atomic<int64_t> active = 0;
    std::atomic<int64_t> supervisors = 0;
  };

  part& mine() noexcept;

  void count(const child_record& x, int64_t step) noexcept;

  std::array<part, 16> parts_;
};

} // namespace director::ets::internal
