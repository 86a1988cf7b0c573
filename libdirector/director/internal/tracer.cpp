#include "director/internal/tracer.hpp"

#include "director/internal/text.hpp"

#include <caf/deep_to_string.hpp>
#include <caf/sec.hpp>

#include <array>

namespace director {

namespace {

constexpr std::array<std::string_view, 6> kind_names
  = {"message", "reply", "start", "exit", "verdict", "timer"};

// Prints a time in ISO 8601 format, as CAF's own `timestamp_to_string` promises
// to do; but that prints nanoseconds, in 0.18.7 and 1.1.0.
std::string time_text(caf::timestamp x) {
  auto result = caf::deep_to_string(x);
  std::erase(result, '"');
  return result;
}

} // namespace

std::string to_string(trace_kind x) {
  auto index = static_cast<size_t>(x);
  return index < kind_names.size() ? std::string{kind_names[index]} : "???";
}

bool from_string(detail::string_view in, trace_kind& out) {
  for (uint8_t index = 0; index < kind_names.size(); ++index)
    if (kind_names[index] == std::string_view{in.data(), in.size()})
      return from_integer(index, out);
  return false;
}

bool from_integer(std::underlying_type_t<trace_kind> in, trace_kind& out) {
  out = static_cast<trace_kind>(in);
  return in < kind_names.size();
}

std::string to_string(const trace_event& x) {
  auto result = time_text(x.time) + ' ' + to_string(x.kind);
  if (!x.id.empty())
    result += ' ' + to_string(x.id);
  if (!x.text.empty())
    result += ": " + x.text;
  return internal::escaped(result);
}

namespace internal {

caf::error tracer::open() {
  if (opts_.file.empty())
    return {};
  file_.reset(std::fopen(opts_.file.c_str(), "a"));
  if (file_)
    return {};
  return caf::make_error(caf::sec::cannot_open_file, opts_.file);
}

void tracer::trace(trace_kind kind, const child_id& id, std::string text) {
  if (opts_.counters) {
    auto to = std::array{&counters_.messages, &counters_.replies,
                         &counters_.starts,   &counters_.exits,
                         &counters_.verdicts, &counters_.timers};
    ++*to[static_cast<size_t>(kind)];
  }
  trace_event event{caf::make_timestamp(), kind, id, std::move(text)};
  if (opts_.print || file_) {
    auto line = to_string(event) + '\n';
    if (opts_.print)
      std::fwrite(line.data(), 1, line.size(), stderr);
    if (file_) {
      std::fwrite(line.data(), 1, line.size(), file_.get());
      std::fflush(file_.get());
    }
  }
  if (opts_.function) {
    try {
      opts_.function(event);
    } catch (...) {
      // A broken observer must not change what it observes.
      opts_.function = nullptr;
    }
  }
  if (opts_.ring > 0) {
    if (ring_.size() == opts_.ring)
      ring_.pop_front();
    ring_.push_back(std::move(event));
  }
}

} // namespace internal
} // namespace director
