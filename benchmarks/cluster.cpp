#include "cluster.hpp"

#include "subject.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <thread>
#include <unistd.h>
#include <utility>

namespace bench {

namespace {

constexpr auto poll_interval = std::chrono::microseconds{100};

constexpr auto patience = std::chrono::seconds{120};

std::unique_ptr<cluster>& current() {
  static std::unique_ptr<cluster> result;
  return result;
}

} // namespace

director::net::table_ptr join_table(caf::actor_system& system,
                                    const std::string& cluster,
                                    const std::string& table, uint16_t port) {
  director::net::options options;
  options.cluster = cluster;
  options.table = table;
  options.sink = nullptr;
  if (port != 0)
    options.seeds = {{"127.0.0.1", port}};
  auto result = director::net::join(system, std::move(options));
  if (!result)
    fail("join", result.error());
  return std::move(*result);
}

void leave_table(director::net::table_ptr table) {
  if (auto err = table->leave(caf::timespan{0}))
    fail("leave", err);
}

time_point await(const char* what, const std::function<bool()>& predicate) {
  auto deadline = clock_type::now() + patience;
  for (;;) {
    auto now = clock_type::now();
    if (predicate())
      return now;
    if (now > deadline)
      fail(what, caf::make_error(caf::sec::request_timeout));
    std::this_thread::sleep_for(poll_interval);
  }
}

void await_nodes(const director::net::table& table, size_t n) {
  await("meeting the other nodes", [&] {
    auto nodes = table.nodes();
    return nodes.size() == n && std::ranges::all_of(nodes, [](auto& x) {
             return x.state == director::net::node_state::up;
           });
  });
}

void await_directors(const director::net::table& table, size_t n) {
  await("meeting other directors", [&] {
    auto nodes = table.nodes();
    return std::ranges::count_if(nodes, &director::net::node_info::open)
           == static_cast<std::ptrdiff_t>(n);
  });
}

time_point await_children(const director::net::table& table, size_t n) {
  return await("waiting for children",
               [&] { return table.count_children().active == n; });
}

time_point await_loss(const director::net::table& table, size_t children,
                      size_t nodes) {
  return await("waiting for a loss", [&] {
    return table.count_children().active < children
           || table.nodes().size() < nodes;
  });
}

cluster::cluster(caf::actor_system& system, std::vector<peer_ptr> peers)
  : peers_(std::move(peers)) {
  static int64_t count = 0;
  auto name = fmt::format("director-bench-{}", getpid());
  auto table = std::to_string(++count);
  table_ = join_table(system, name, table, 0);
  auto command = fmt::format("join {} {} {}", name, table,
                             table_->where().port);
  for (auto& x : peers_)
    x->ask(command);
  await_nodes(*table_, peers_.size() + 1);
}

cluster::~cluster() {
  for (auto& x : peers_)
    x->ask("leave");
  leave_table(std::move(table_));
}

time_point cluster::lose_peer() {
  auto result = peers_.back()->kill();
  peers_.pop_back();
  return result;
}

const std::vector<peer_ptr>& standing_peers(caf::actor_system& system) {
  static const std::vector peers{std::make_shared<peer>(system),
                                 std::make_shared<peer>(system)};
  return peers;
}

cluster& current_cluster() {
  return *current();
}

cluster& make_current_cluster(caf::actor_system& system) {
  end_current_cluster();
  current() = std::make_unique<cluster>(system, standing_peers(system));
  return *current();
}

void end_current_cluster() {
  current() = nullptr;
}

} // namespace bench
