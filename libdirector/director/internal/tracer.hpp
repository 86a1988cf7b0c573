// Hands trace events to where the trace options say.

#pragma once

#include "director/sys.hpp"

#include <caf/error.hpp>

#include <cstdio>
#include <deque>
#include <memory>

namespace director::internal {

/// Used by one director, on its thread.
class tracer {
public:
  explicit tracer(trace_options opts) : opts_(std::move(opts)) {
    // nop
  }

  /// Opens the file, if one is wanted.
  caf::error open();

  void trace(trace_kind kind, const child_id& id, std::string text);

  std::vector<trace_event> ring() const {
    return {ring_.begin(), ring_.end()};
  }

  const trace_counters& counters() const noexcept {
    return counters_;
  }

private:
  struct closer {
    void operator()(FILE* file) const {
      std::fclose(file);
    }
  };

  trace_options opts_;
  std::deque<trace_event> ring_;
  trace_counters counters_;
  std::unique_ptr<FILE, closer> file_;
};

} // namespace director::internal
