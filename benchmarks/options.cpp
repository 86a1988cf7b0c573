#include "options.hpp"

#include "compat.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace bench {

namespace {

constexpr const char* usage = R"(usage: director-bench [options]

Compares directors with a minimal supervisor, the floor, in the same run.

  --workload LIST  what to measure, separated by commas: memory, start, storm,
                   latency, read, list, stop, share, net, or a single row such
                   as latency_p50, with those that are measured along with it
                   (default: all; share needs the table ets or net, net needs
                   the table net)
  --table LIST     tables of the directors, separated by commas, which take
                   turns: %s (default: list); with net, two more
                   processes take part
  --children LIST  numbers of children, separated by commas, each measured by
                   itself; with more than one, shows how the cost per child
                   grows from the least to the most (default: 10000)
  --clients N      number of clients of start_concurrent (default: 4)
  --repeat N       how often to measure each workload (default: 5)
  --threads N      number of scheduler threads (default: 2)
  --policy NAME    scheduler policy of CAF: stealing or sharing
                   (default: sharing with CAF 0.18, else stealing)
  --decoders N     with net: number of actors that decode messages of other
                   nodes, caf.middleman.workers; with 0, the thread of the
                   sockets does (default: 0)
  --json FILE      where to write the results as JSON
  --system NAME    director, floor or both (default: both)
  -h, --help       print this text
)";

int64_t number(std::string_view name, std::string_view text,
               int64_t least = 1) {
  int64_t value = 0;
  auto end = text.data() + text.size();
  auto [pos, err] = std::from_chars(text.data(), end, value);
  if (err != std::errc{} || pos != end || value < least)
    reject(std::string{name} + " needs a number of " + std::to_string(least)
           + " or more, not " + std::string{text});
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

std::vector<int64_t> numbers(std::string_view name, std::string_view text) {
  std::vector<int64_t> result;
  for (auto& x : split(text))
    result.push_back(number(name, x));
  if (result.empty())
    reject(std::string{name} + " needs a number");
  std::ranges::sort(result);
  auto twice = std::ranges::unique(result);
  result.erase(twice.begin(), twice.end());
  return result;
}

std::vector<contender> contenders(std::string_view system,
                                  std::string_view tables) {
  if (system != "director" && system != "floor" && system != "both")
    reject("unknown system " + std::string{system}
           + "; known: director, floor, both");
  std::vector<contender> result;
  if (system != "director")
    result.push_back({});
  if (system == "floor")
    return result;
  for (auto& name : split(tables)) {
    auto* table = find_table(name);
    if (table == nullptr)
      reject("unknown table " + name + "; known: " + table_names());
    if (std::ranges::find(result, table, &contender::table) == result.end())
      result.push_back({table});
  }
  if (result.empty() || result.back().is_floor())
    reject("--table needs a name");
  return result;
}

void set_policy(options& opts, std::string_view value) {
  if (value != "stealing" && value != "sharing")
    reject("unknown policy " + std::string{value}
           + "; known: stealing, sharing");
  opts.policy = value;
}

/// The options as they are read.
struct draft : options {
  std::string_view tables = "list";
  std::string_view system = "both";
};

void set(draft& opts, std::string_view name, std::string_view value) {
  if (name == "--workload")
    opts.workloads = split(value);
  else if (name == "--table")
    opts.tables = value;
  else if (name == "--children")
    opts.children = numbers(name, value);
  else if (name == "--clients")
    opts.clients = number(name, value);
  else if (name == "--repeat")
    opts.repeat = number(name, value);
  else if (name == "--threads")
    opts.threads = number(name, value);
  else if (name == "--policy")
    set_policy(opts, value);
  else if (name == "--decoders")
    opts.decoders = number(name, value, 0);
  else if (name == "--json")
    opts.json = value;
  else if (name == "--system")
    opts.system = value;
  else
    reject("unknown option " + std::string{name});
}

} // namespace

bool can_run(const options& x, reach needed) {
  auto all_floor = std::ranges::all_of(x.contenders, &contender::is_floor);
  return std::ranges::any_of(x.contenders, [&](const contender& y) {
    return y.can(needed) && (all_floor || !y.is_floor());
  });
}

options parse_options(int argc, char** argv) {
  draft result;
  result.children = {10'000};
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
  result.contenders = contenders(result.system, result.tables);
  return result;
}

void reject(const std::string& what) {
  fprintf(stderr, "director-bench: %s; see --help\n", what.c_str());
  exit(2);
}

} // namespace bench
