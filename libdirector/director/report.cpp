#include "director/report.hpp"

#include "director/child_record.hpp"
#include "director/internal/text.hpp"

#include <caf/deep_to_string.hpp>

#include <fmt/format.h>

#include <array>
#include <iterator>

namespace director {

namespace {

template <size_t N, class Enum>
std::string pick(const std::array<const char*, N>& names, Enum x) {
  auto index = static_cast<size_t>(x);
  return index < N ? names[index] : "???";
}

} // namespace

std::string to_string(report_kind x) {
  static constexpr std::array names
    = {"progress",         "child_terminated",     "start_error",
       "shutdown_error",   "director_terminating", "unexpected_message",
       "log_filter_error", "table_error"};
  return pick(names, x);
}

std::string to_string(severity x) {
  static constexpr std::array names = {"info", "warning", "error"};
  return pick(names, x);
}

std::string to_string(report_detail x) {
  static constexpr std::array names = {"none", "brief", "full"};
  return pick(names, x);
}

std::string to_string(const report& x) {
  std::string result;
  auto out = std::back_inserter(result);
  fmt::format_to(out, "{} {} {}", to_string(x.level), x.director,
                 to_string(x.kind));
  if (x.child != nullptr)
    fmt::format_to(out, " child={}", to_string(x.child->id));
  if (x.child != nullptr && x.child->handle)
    fmt::format_to(out, " actor={}", internal::actor_text(x.child->handle));
  if (x.reason)
    fmt::format_to(out, " reason={}", to_string(x.reason));
  if (!x.text.empty())
    fmt::format_to(out, " {}", x.text);
  // Whatever an ID or a message contains, a line stays a line.
  result = internal::escaped(result);
  if (x.detail == report_detail::full && x.child != nullptr)
    result += fmt::format("\n  {}\n  state={}", to_string(*x.child),
                          internal::escaped(to_string(x.state)));
  return result;
}

report_sink stderr_sink(severity minimum) {
  return [minimum](const report& x) {
    if (x.level < minimum)
      return;
    auto line = to_string(x) + '\n';
    std::fwrite(line.data(), 1, line.size(), stderr);
  };
}

} // namespace director
