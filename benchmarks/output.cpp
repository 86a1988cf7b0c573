#include "output.hpp"

#include "compat.hpp"

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

std::string verdict(const row& x) {
  auto& demand = x.what.demand;
  if (demand.what == bound::kind::none)
    return "";
  auto ratio = demand.what == bound::kind::ratio;
  auto text = fmt::format("<= {}{}{}", ratio ? "" : "floor + ", demand.limit,
                          ratio ? "x" : "");
  if (x.floor && x.director) {
    auto limit = ratio ? x.floor->median * demand.limit
                       : x.floor->median + demand.limit;
    if (x.director->median > limit)
      text += "  exceeded";
  }
  return text;
}

void print_line(std::string_view name, std::string_view unit,
                std::string_view floor, std::string_view director,
                std::string_view ratio, std::string_view demand) {
  auto line = fmt::format("{:<19}{:<12}{:>9}{:>10}{:>8}  {}", name, unit, floor,
                          director, ratio, demand);
  line.erase(line.find_last_not_of(' ') + 1);
  puts(line.c_str());
  fflush(stdout);
}

std::string to_json(const options& opts, const row& x, const summary& values,
                    std::string_view system) {
  return fmt::format(R"({{"workload": "{}", "table": "{}", "children": {}, )"
                     R"("clients": {}, "system": "{}", "unit": "{}", )"
                     R"("median": {:.4f}, "min": {:.4f}, "max": {:.4f}}})",
                     x.what.name, opts.table, opts.children, opts.clients,
                     system, x.what.unit, values.median, values.min,
                     values.max);
}

} // namespace

void print_header(const options& opts) {
  fmt::print("CAF {}, scheduler {}, {} threads, table {}, {} children, "
             "median of {}\n",
             caf_version(), opts.policy, opts.threads, opts.table,
             opts.children, opts.repeat);
  if (caf_is_0_18 && opts.policy == "sharing")
    puts("(policy sharing: with stealing, CAF 0.18 takes time proportional to "
         "its queue)");
  puts("");
  print_line("workload", "unit", "floor", "director", "ratio", "bound");
}

void print_row(const row& x) {
  std::string ratio = "-";
  if (x.floor && x.director && x.floor->median > 0.)
    ratio = fmt::format("{:.2f}", x.director->median / x.floor->median);
  print_line(x.what.name, x.what.unit, cell(x.floor), cell(x.director), ratio,
             verdict(x));
}

bool write_json(const options& opts, const std::vector<row>& rows) {
  std::string text;
  auto add = [&](const row& x, const std::optional<summary>& values,
                 std::string_view system) {
    if (values)
      text += (text.empty() ? "[\n  " : ",\n  ")
              + to_json(opts, x, *values, system);
  };
  for (auto& x : rows) {
    add(x, x.floor, "floor");
    add(x, x.director, "director");
  }
  text += "\n]\n";
  auto* file = fopen(opts.json.c_str(), "w");
  if (file == nullptr)
    return false;
  auto written = fwrite(text.data(), 1, text.size(), file);
  return fclose(file) == 0 && written == text.size();
}

} // namespace bench
