// Reports: what a director tells the people who run it, and log filters,
// which decide how much of it.

#pragma once

#include "director/fwd.hpp"
#include "director/named_function.hpp"

#include <caf/default_enum_inspect.hpp>
#include <caf/error.hpp>
#include <caf/message.hpp>

#include <concepts>
#include <cstdio>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>

namespace director {

/// What a report is about.
enum class report_kind : uint8_t {
  /// A child was started.
  progress,
  /// A child has ended without being asked to, or at the request of the table.
  /// The latter is a warning if the child had become somebody else's before.
  child_terminated,
  /// A child could not be started.
  start_error,
  /// A child did not end as it should when asked to.
  shutdown_error,
  /// The director is gone, its children too.
  director_terminating,
  /// The director got a message it does not know.
  unexpected_message,
  /// A log filter threw.
  log_filter_error,
  /// The table refused a write that nobody waits for.
  table_error,
};

/// @relates report_kind
std::string to_string(report_kind);

/// How bad it is.
enum class severity : uint8_t { info, warning, error };

/// @relates severity
std::string to_string(severity);

/// How much of a report the sink gets.
enum class report_detail : uint8_t {
  /// The report is dropped.
  none,
  /// One line.
  brief,
  /// The line and the whole child record.
  full
};

/// @relates report_detail
std::string to_string(report_detail);

/// One report. All references are valid only during the call that hands it
/// out; `to_string` makes a copy that lasts.
struct report {
  report_kind kind;
  severity level;
  /// What the log filter chose; `brief` while the filter runs.
  report_detail detail;
  /// Name of the director (`director_options::name`).
  std::string_view director;
  /// The child, `nullptr` for reports about the director itself.
  const child_record* child;
  /// Exit reason or error; empty for `progress`.
  const caf::error& reason;
  /// Further words, for example the message that was not expected.
  std::string_view text;
  /// State of the child, or of the director for reports about itself. Log
  /// filters may replace it.
  caf::message& state;
};

/// Renders `x` as one line without line break, or, when `x.detail` is `full`,
/// as several.
/// @relates report
std::string to_string(const report& x);

/// Receives the reports of a director, on the director's thread. An exception
/// it throws is swallowed.
using report_sink = std::function<void(const report&)>;

/// Returns a sink that writes reports of at least this severity to `stderr`.
/// @relates report
report_sink stderr_sink(severity minimum = severity::info);

/// Decides how much is reported for an event: a callable
/// `report_detail (report&)` or the name of one in the catalog. Runs on the
/// thread of its director. A filter that throws is reported once and counts
/// as `brief` from then on.
class log_filter_function : public named_function<report_detail(report&)> {
public:
  /// Creates an empty filter: the default child spec's or `brief` for all.
  log_filter_function() = default;

  /// Refers to a log filter in the catalog.
  log_filter_function(std::string name) : super(std::move(name)) {
    // nop
  }

  /// @copydoc log_filter_function(std::string)
  log_filter_function(const char* name) : super(std::string{name}) {
    // nop
  }

  /// Wraps a callable.
  template <std::invocable<report&> F>
  log_filter_function(F fn) : super("local", callable_type{std::move(fn)}) {
    // nop
  }

private:
  using super = named_function<report_detail(report&)>;
};

} // namespace director
