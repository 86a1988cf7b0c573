#include "output.hpp"

#include "compat.hpp"
#include "verdict.hpp"

#include <fmt/format.h>

#include <cstdio>

namespace bench {

namespace {

std::string number(double x) {
  if (x >= 100. || x <= -100.)
    return fmt::format("{:.0f}", x);
  return x >= 10. ? fmt::format("{:.1f}", x) : fmt::format("{:.3f}", x);
}

std::string cell(const std::optional<summary>& x) {
  return x ? number(x->median) : "-";
}

std::string cell(const std::optional<double>& x) {
  return x ? fmt::format("{:.2f}", *x) : "-";
}

/// Lays out one line.
/// @param value returns the text for the column of a contender.
/// @param ratio returns the text for the column that compares two.
template <class Value, class Ratio>
void print_line(const options& opts, std::string_view name,
                std::string_view unit, Value value, Ratio ratio,
                std::string_view demand) {
  auto& all = opts.contenders;
  auto line = fmt::format("{:<24}{:<12}", name, unit);
  for (size_t i = 0; i < all.size(); ++i) {
    line += fmt::format("{:>9}", value(i));
    for (auto other : compared_with(all, i))
      line += fmt::format("{:>8}", ratio(i, other));
  }
  line += fmt::format("  {}", demand);
  line.erase(line.find_last_not_of(' ') + 1);
  puts(line.c_str());
  fflush(stdout);
}

std::string to_json(const options& opts, const row& x, size_t who) {
  auto& by = opts.contenders[who];
  auto& values = *x.values[who];
  return fmt::format(R"({{"workload": "{}", "table": "{}", "children": {}, )"
                     R"("clients": {}, "system": "{}", "unit": "{}", )"
                     R"("median": {:.4f}, "min": {:.4f}, "max": {:.4f}}})",
                     x.what.name, by.is_floor() ? "" : by.table->name,
                     x.children, opts.clients,
                     by.is_floor() ? "floor" : "director", x.what.unit,
                     values.median, values.min, values.max);
}

} // namespace

void print_header(const options& opts) {
  fmt::print("CAF {}, scheduler {}, {} threads, median of {}\n", caf_version(),
             opts.policy, opts.threads, opts.repeat);
  if (caf_is_0_18 && opts.policy == "sharing")
    puts("(policy sharing: with stealing, CAF 0.18 takes time proportional to "
         "its queue)");
}

void print_headings(const options& opts, std::string_view title) {
  fmt::print("\n{}\n\n", title);
  auto& all = opts.contenders;
  print_line(
    opts, "workload", "unit", [&](size_t who) { return all[who].name(); },
    [&](size_t, size_t other) { return fmt::format("/{}", all[other].name()); },
    "bound");
}

void print_row(const options& opts, const row& x) {
  print_line(
    opts, x.what.name, x.what.unit,
    [&](size_t who) { return cell(x.values[who]); },
    [&](size_t who, size_t other) { return cell(times(x, who, other)); },
    verdict(opts.contenders, x));
}

bool write_json(const options& opts, const std::vector<row>& rows) {
  std::string text;
  for (auto& x : rows)
    for (size_t i = 0; i < x.values.size(); ++i)
      if (x.values[i])
        text += (text.empty() ? "[\n  " : ",\n  ") + to_json(opts, x, i);
  text += "\n]\n";
  auto* file = fopen(opts.json.c_str(), "w");
  if (file == nullptr)
    return false;
  auto written = fwrite(text.data(), 1, text.size(), file);
  return fclose(file) == 0 && written == text.size();
}

} // namespace bench
