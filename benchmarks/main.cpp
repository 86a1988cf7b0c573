// director-bench: what a director costs, compared with the floor.

#include "director/fwd.hpp"
#include "director/messages.hpp"
#include "options.hpp"
#include "output.hpp"
#include "types.hpp"
#include "workloads.hpp"

#include <caf/actor_system_config.hpp>
#include <caf/init_global_meta_objects.hpp>

#include <algorithm>
#include <cstdio>

namespace bench {

namespace {

struct workload {
  std::string_view group;
  std::vector<metric> metrics;
  harness::workload_function run;
};

constexpr bound at_most(double ratio) {
  return {bound::kind::ratio, ratio};
}

constexpr bound at_most_above(double excess) {
  return {bound::kind::excess, excess};
}

// Memory goes first, while the heap is still tidy.
const std::vector<workload>& workloads() {
  static const std::vector<workload> result{
    {"memory",
     {{"memory", "bytes/child", at_most_above(400)},
      {"memory_above_bare", "bytes/child"}},
     run_memory},
    {"start", {{"start", "us/child", at_most(1.5)}}, run_start},
    {"start", {{"start_pipelined", "us/child"}}, run_start_pipelined},
    {"start", {{"start_concurrent", "us/child"}}, run_start_concurrent},
    {"storm", {{"storm", "us/child", at_most(1.5)}}, run_storm},
    {"latency",
     {{"latency_p50", "us", at_most(1.3)}, {"latency_p99", "us"}},
     run_latency},
    {"read", {{"read_director", "us"}}, run_read},
    {"list", {{"list", "us/child", at_most(3)}}, run_list},
    {"list", {{"count", "us"}}, run_count},
    {"stop", {{"stop", "us/child", at_most(1.5)}}, run_stop},
  };
  return result;
}

bool matches(const workload& x, const std::string& name) {
  auto is_name = [&name](const metric& y) { return y.name == name; };
  return x.group == name || std::ranges::any_of(x.metrics, is_name);
}

void check_names(const std::vector<std::string>& names) {
  for (auto& name : names)
    if (std::ranges::none_of(workloads(), [&name](const workload& x) {
          return matches(x, name);
        }))
      reject("unknown workload " + name);
}

std::vector<row> run_all(caf::actor_system& system, const options& opts) {
  std::vector<row> result;
  harness env{system, opts};
  for (auto& x : workloads()) {
    auto wanted = [&x](const std::string& name) { return matches(x, name); };
    if (!opts.workloads.empty() && std::ranges::none_of(opts.workloads, wanted))
      continue;
    for (auto& y : env.run(x.metrics, x.run)) {
      print_row(y);
      result.push_back(std::move(y));
    }
  }
  return result;
}

int run(int argc, char** argv) {
  auto opts = parse_options(argc, argv);
  check_names(opts.workloads);
  caf::actor_system_config cfg;
  cfg.set("caf.scheduler.policy", opts.policy);
  cfg.set("caf.scheduler.max-threads", opts.threads);
  caf::actor_system system{cfg};
  print_header(opts);
  auto rows = run_all(system, opts);
  if (!opts.json.empty() && !write_json(opts, rows)) {
    fprintf(stderr, "director-bench: cannot write %s\n", opts.json.c_str());
    return 1;
  }
  return 0;
}

} // namespace

} // namespace bench

int main(int argc, char** argv) {
  caf::init_global_meta_objects<caf::id_block::director_bench>();
  caf::init_global_meta_objects<caf::id_block::director>();
  caf::core::init_global_meta_objects();
  return bench::run(argc, argv);
}
