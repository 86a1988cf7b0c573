// Options of a director.

#pragma once

#include "director/catalog.hpp"
#include "director/defaults.hpp"
#include "director/fwd.hpp"
#include "director/report.hpp"
#include "director/sys.hpp"
#include "director/table.hpp"

#include <caf/timespan.hpp>

#include <cstdint>
#include <string>

namespace director {

/// In which order a director that ends terminates its children.
enum class stop_order : uint8_t {
  /// First those started on request, all at once; then those that `init` gave,
  /// newest first and one at a time. Source: Elixir and OTP.
  requested_first,
  /// Everything at once.
  all_at_once,
  /// Newest first and one at a time. Source: OTP.
  newest_first,
};

/// Options of a director.
struct director_options {
  /// Stands in reports and labels the metrics.
  std::string name = "director";

  /// Name in the registry of the actor system; empty for none.
  std::string registered_name = {};

  /// Where the children are kept. Default: a new `list_table`.
  table_ptr table = nullptr;

  /// Whether the table is closed when the director ends.
  bool delete_table = false;

  /// Functions that specs may name.
  director::catalog catalog = {};

  /// Receives the reports; empty for none.
  report_sink sink = stderr_sink();

  /// Filters the reports about the director itself. Default: brief for
  /// everything.
  log_filter_function log_filter = {};

  /// Time between the kill and calling a child unresponsive.
  caf::timespan kill_grace = defaults::kill_grace;

  /// In which order the children go when the director ends.
  stop_order order = stop_order::requested_first;

  /// What is traced from the start on. Default: nothing.
  trace_options trace = {};

  /// Seed of the jitter of `plans::backoff`; 0 for a random one.
  uint32_t seed = 0;
};

} // namespace director
