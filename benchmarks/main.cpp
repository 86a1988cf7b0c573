// director-bench: what a director costs, compared with the floor.

#include "catalogue.hpp"
#include "director/ets/table.hpp"
#include "director/messages.hpp"
#include "director/net/table.hpp"
#include "growth.hpp"
#include "output.hpp"
#include "peer_process.hpp"
#include "types.hpp"

#include <caf/actor_system_config.hpp>
#include <caf/init_global_meta_objects.hpp>
#include <caf/io/middleman.hpp>

#include <fmt/format.h>

#include <cstdio>
#include <string_view>

namespace bench {

namespace {

std::vector<row> run_all(caf::actor_system& system, const options& opts,
                         const std::vector<workload>& selected,
                         int64_t children) {
  std::vector<row> result;
  harness env{system, opts, children};
  print_headings(opts, fmt::format("{} children", children));
  for (auto& x : selected) {
    for (auto& y : env.run(x.metrics, x.needed, x.run)) {
      print_row(opts, y);
      result.push_back(std::move(y));
    }
  }
  return result;
}

/// Ascending, so that the heap is tidy where it matters most.
std::vector<row> run_all_sizes(caf::actor_system& system, const options& opts,
                               const std::vector<workload>& selected) {
  std::vector<row> result;
  std::vector<row> fewest;
  std::vector<row> most;
  for (auto n : opts.children) {
    most = run_all(system, opts, selected, n);
    if (fewest.empty())
      fewest = most;
    result.insert(result.end(), most.begin(), most.end());
  }
  if (opts.children.size() == 1)
    return result;
  print_headings(opts,
                 fmt::format("cost per child, {} children / {} children",
                             opts.children.back(), opts.children.front()));
  for (auto& x : growth(fewest, most)) {
    print_row(opts, x);
    result.push_back(std::move(x));
  }
  return result;
}

int run(int argc, char** argv) {
  auto opts = parse_options(argc, argv);
  auto selected = selected_workloads(opts);
  caf::actor_system_config cfg;
  if (can_run(opts, reach::cluster)) {
    cfg.load<caf::io::middleman>();
    cfg.set("caf.middleman.workers", opts.decoders);
  }
  cfg.set("caf.scheduler.policy", opts.policy);
  cfg.set("caf.scheduler.max-threads", opts.threads);
  caf::actor_system system{cfg};
  print_header(opts);
  auto rows = run_all_sizes(system, opts, selected);
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
  caf::init_global_meta_objects<caf::id_block::director_ets>();
  caf::init_global_meta_objects<caf::id_block::director_net>();
  caf::io::middleman::init_global_meta_objects();
  caf::core::init_global_meta_objects();
  if (argc > 1 && argv[1] == std::string_view{"--peer"})
    return bench::run_peer(argc, argv);
  return bench::run(argc, argv);
}
