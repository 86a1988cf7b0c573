#include "options.hpp"

#include "compat.hpp"
#include "tables.hpp"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace bench {

namespace {

constexpr const char* usage = R"(usage: director-bench [options]

Compares directors with a minimal supervisor, the floor, in the same run.

  --workload LIST  what to measure, separated by commas: start, storm, latency,
                   read, list, stop, memory, or a single row such as
                   latency_p50 (default: all)
  --table NAME     table of the directors: %s (default: list)
  --children N     number of children (default: 10000)
  --clients N      number of clients of start_concurrent (default: 4)
  --repeat N       how often to measure each workload (default: 5)
  --threads N      number of scheduler threads (default: 2)
  --policy NAME    scheduler policy of CAF: stealing or sharing
                   (default: sharing with CAF 0.18, else stealing)
  --json FILE      where to write the results as JSON
  --system NAME    director, floor or both (default: both)
  -h, --help       print this text
)";

int64_t number(std::string_view name, std::string_view text) {
  int64_t value = 0;
  auto end = text.data() + text.size();
  auto [pos, err] = std::from_chars(text.data(), end, value);
  if (err != std::errc{} || pos != end || value < 1)
    reject(std::string{name} + " needs a positive number, not "
           + std::string{text});
  return value;
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> result;
  while (!text.empty()) {
    auto end = text.find(',');
    if (end != 0)
      result.emplace_back(text.substr(0, end));
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
  return result;
}

void set_system(options& opts, std::string_view value) {
  if (value != "director" && value != "floor" && value != "both")
    reject("unknown system " + std::string{value}
           + "; known: director, floor, both");
  opts.director = value != "floor";
  opts.floor = value != "director";
}

void set_policy(options& opts, std::string_view value) {
  if (value != "stealing" && value != "sharing")
    reject("unknown policy " + std::string{value}
           + "; known: stealing, sharing");
  opts.policy = value;
}

void set(options& opts, std::string_view name, std::string_view value) {
  if (name == "--workload")
    opts.workloads = split(value);
  else if (name == "--table")
    opts.table = value;
  else if (name == "--children")
    opts.children = number(name, value);
  else if (name == "--clients")
    opts.clients = number(name, value);
  else if (name == "--repeat")
    opts.repeat = number(name, value);
  else if (name == "--threads")
    opts.threads = number(name, value);
  else if (name == "--policy")
    set_policy(opts, value);
  else if (name == "--json")
    opts.json = value;
  else if (name == "--system")
    set_system(opts, value);
  else
    reject("unknown option " + std::string{name});
}

} // namespace

options parse_options(int argc, char** argv) {
  options result;
  for (int i = 1; i < argc; ++i) {
    std::string_view name = argv[i];
    if (name == "-h" || name == "--help") {
      printf(usage, table_names().c_str());
      exit(0);
    }
    auto eq = name.find('=');
    if (eq != name.npos) {
      set(result, name.substr(0, eq), name.substr(eq + 1));
      continue;
    }
    if (i + 1 == argc)
      reject(name.starts_with('-') ? std::string{name} + " needs a value"
                                   : "unknown option " + std::string{name});
    set(result, name, argv[++i]);
  }
  if (result.policy.empty())
    result.policy = caf_is_0_18 ? "sharing" : "stealing";
  if (find_table(result.table) == nullptr)
    reject("unknown table " + result.table + "; known: " + table_names());
  return result;
}

void reject(const std::string& what) {
  fprintf(stderr, "director-bench: %s; see --help\n", what.c_str());
  exit(2);
}

} // namespace bench
