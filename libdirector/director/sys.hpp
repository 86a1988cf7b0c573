// Tracing: watching a director at work.

#pragma once

#include "director/child_id.hpp"
#include "director/fwd.hpp"

#include <caf/default_enum_inspect.hpp>
#include <caf/message.hpp>
#include <caf/timestamp.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace director {

/// What happened inside a director.
enum class trace_kind : uint8_t {
  /// A request came in.
  message,
  /// A request was answered.
  reply,
  /// A child was started, or could not be.
  start,
  /// A child has ended.
  exit,
  /// A plan has spoken.
  verdict,
  /// A timer of a child has fired.
  timer
};

/// @relates trace_kind
std::string to_string(trace_kind);

/// @relates trace_kind
bool from_string(detail::string_view, trace_kind&);

/// @relates trace_kind
bool from_integer(std::underlying_type_t<trace_kind>, trace_kind&);

/// @relates trace_kind
template <class Inspector>
bool inspect(Inspector& f, trace_kind& x) {
  return caf::default_enum_inspect(f, x);
}

/// One entry of a trace.
struct trace_event {
  caf::timestamp time;
  trace_kind kind = trace_kind::message;
  /// Empty if no child is concerned.
  child_id id;
  std::string text;
};

/// @relates trace_event
std::string to_string(const trace_event& x);

/// @relates trace_event
template <class Inspector>
bool inspect(Inspector& f, trace_event& x) {
  return f.object(x).fields(f.field("time", x.time), f.field("kind", x.kind),
                            f.field("id", x.id), f.field("text", x.text));
}

/// How often each kind of event was seen while counting was on.
struct trace_counters {
  uint64_t messages = 0;
  uint64_t replies = 0;
  uint64_t starts = 0;
  uint64_t exits = 0;
  uint64_t verdicts = 0;
  uint64_t timers = 0;
};

/// @relates trace_counters
template <class Inspector>
bool inspect(Inspector& f, trace_counters& x) {
  return f.object(x).fields(
    f.field("messages", x.messages), f.field("replies", x.replies),
    f.field("starts", x.starts), f.field("exits", x.exits),
    f.field("verdicts", x.verdicts), f.field("timers", x.timers));
}

/// Where a trace goes. All can be on at the same time; all are off by default,
/// and then cost nothing worth measuring.
struct trace_options {
  /// Keeps the last so many events for `get_trace_atom`.
  uint64_t ring = 0;
  /// Counts events for `get_trace_counters_atom`.
  bool counters = false;
  /// Prints events to `stderr`.
  bool print = false;
  /// Appends events to this file.
  std::string file = {};
  /// Called on the director's thread. Stays in its process: a director on
  /// another node ignores it.
  std::function<void(const trace_event&)> function = {};

  /// Tells whether anything is on.
  bool enabled() const noexcept {
    return ring > 0 || counters || print || !file.empty() || function;
  }
};

/// @relates trace_options
template <class Inspector>
bool inspect(Inspector& f, trace_options& x) {
  return f.object(x).fields(f.field("ring", x.ring),
                            f.field("counters", x.counters),
                            f.field("print", x.print), f.field("file", x.file));
}

/// A message inside a message: what `get_state_atom` answers and
/// `replace_state_atom` takes.
struct message_box {
  caf::message value;
};

/// @relates message_box
template <class Inspector>
bool inspect(Inspector& f, message_box& x) {
  return f.object(x).fields(f.field("value", x.value));
}

} // namespace director
