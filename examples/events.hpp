// Lets a program wait for what its actors tell, with a deadline.

#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>

/// Takes lines from any thread and hands them out in order.
class events {
public:
  void push(std::string line) {
    std::lock_guard guard{mtx_};
    lines_.push_back(std::move(line));
    changed_.notify_all();
  }

  /// Waits until `wanted` comes along, and drops what comes before it.
  /// @throws std::runtime_error when that takes longer than 10 s.
  void wait_for(const std::string& wanted) {
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{10};
    std::unique_lock guard{mtx_};
    for (;;) {
      while (!lines_.empty()) {
        auto line = std::move(lines_.front());
        lines_.pop_front();
        if (line == wanted)
          return;
      }
      if (changed_.wait_until(guard, deadline) == std::cv_status::timeout
          && lines_.empty())
        throw std::runtime_error("waited in vain for: " + wanted);
    }
  }

private:
  std::mutex mtx_;
  std::condition_variable changed_;
  std::deque<std::string> lines_;
};

/// Shared with actors, which may outlive the function that made it.
using events_ptr = std::shared_ptr<events>;
