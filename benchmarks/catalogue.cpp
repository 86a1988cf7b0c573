#include "catalogue.hpp"

#include "workloads.hpp"

#include <algorithm>

namespace bench {

namespace {

// Memory goes first, while the heap is still tidy.
std::vector<workload> all_workloads() {
  constexpr bounds hot{.times_floor = 1.5, .times_list = 1.25, .growth = 2};
  constexpr bounds storm{
    .times_floor = 1.5, .times_list = 1.25, .times_ets = 2, .growth = 2};
  constexpr bounds direct{.times_floor = 3, .times_ets = 1.25};
  constexpr bounds two_readers{.at_least = 1.8};
  constexpr bounds two_directors{.at_least = 1};
  return {
    {"memory",
     {{"memory", "bytes/child", {.above_floor = 400}},
      {"memory_above_bare", "bytes/child"}},
     run_memory},
    {"start", {{"start", "us/child", hot}}, run_start},
    {"start",
     {{"start_pipelined", "us/child", {.times_ets = 8}}},
     run_start_pipelined},
    {"start", {{"start_concurrent", "us/child"}}, run_start_concurrent},
    {"storm", {{"storm", "us/child", storm}}, run_storm},
    {"latency",
     {{"latency_p50", "us", {.times_floor = 1.3}}, {"latency_p99", "us"}},
     run_latency},
    {"read", {{"read_director", "us"}}, run_read},
    {"read",
     {{"read_direct", "us", direct},
      {"read_direct_2", "us"},
      {"read_direct_speedup", "x", two_readers}},
     run_read_direct,
     reach::process},
    {"read",
     {{"read_storm", "us", direct},
      {"read_storm_2", "us"},
      {"read_storm_speedup", "x", two_readers},
      {"read_storm_pace", "crashes/ms"}},
     run_read_storm,
     reach::process},
    {"list", {{"list", "us/child", {.times_floor = 3}}}, run_list},
    {"list", {{"count", "us"}}, run_count},
    {"stop", {{"stop", "us/child", hot}}, run_stop},
    {"share",
     {{"share_start_1", "us/child"},
      {"share_start_2", "us/child"},
      {"share_start_4", "us/child"},
      {"share_start_speedup", "x", two_directors}},
     run_share_start,
     reach::process},
    {"share",
     {{"share_storm_1", "us/child"},
      {"share_storm_2", "us/child"},
      {"share_storm_4", "us/child"},
      {"share_storm_speedup", "x", two_directors}},
     run_share_storm,
     reach::process},
    {"net",
     {{"claim_p50", "us"}, {"claim_p99", "us"}},
     run_claim,
     reach::cluster},
    {"net",
     {{"takeover_noticed", "ms", {.at_most = 100}},
      {"takeover", "us/child"},
      {"takeover_times_start", "x", {.at_most = 3}},
      {"takeover_largest_part", "%"}},
     run_takeover,
     reach::cluster},
    {"net",
     {{"change_few", "us"},
      {"change", "us"},
      {"change_growth", "x", {.at_most = 1.5}},
      {"change_few_traffic", "bytes"},
      {"change_traffic", "bytes"},
      {"change_traffic_growth", "x", {.at_most = 1.5}}},
     run_change,
     reach::cluster},
  };
}

bool matches(const workload& x, const std::string& name) {
  return x.group == name
         || std::ranges::find(x.metrics, name, &metric::name)
              != x.metrics.end();
}

void check_names(const std::vector<workload>& known, const options& opts) {
  for (auto& name : opts.workloads) {
    auto is_meant = [&name](const workload& x) { return matches(x, name); };
    if (std::ranges::none_of(known, is_meant))
      reject("unknown workload " + name);
    auto is_possible = [&](const workload& x) {
      return is_meant(x) && can_run(opts, x.needed);
    };
    if (std::ranges::none_of(known, is_possible))
      reject(name + " needs a table that can be shared so far");
  }
}

} // namespace

std::vector<workload> selected_workloads(const options& opts) {
  auto result = all_workloads();
  check_names(result, opts);
  std::erase_if(result, [&opts](const workload& x) {
    auto is_name = [&x](const std::string& name) { return matches(x, name); };
    return !can_run(opts, x.needed)
           || (!opts.workloads.empty()
               && std::ranges::none_of(opts.workloads, is_name));
  });
  return result;
}

} // namespace bench
