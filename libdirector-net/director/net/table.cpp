#include "director/net/table.hpp"

#include "director/ets/internal/keeper.hpp"
#include "director/internal/compat.hpp"
#include "director/internal/names.hpp"
#include "director/internal/text.hpp"
#include "director/net/internal/node_actor.hpp"

#include <caf/actor_cast.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/sec.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <chrono>
#include <iterator>
#include <map>
#include <random>
#include <unistd.h>
#include <utility>

namespace director::net {

namespace {

bool is_loopback(const std::string& host) {
  in_addr number;
  return host == "localhost" || host == "::1"
         || (host.starts_with("127.")
             && ::inet_pton(AF_INET, host.c_str(), &number) == 1);
}

/// Tells whether a host stands for all addresses of this machine.
bool is_wildcard(const std::string& host) {
  return host.empty() || host == "0.0.0.0" || host == "::";
}

caf::error invalid(std::string text) {
  return caf::make_error(caf::sec::invalid_argument, std::move(text));
}

node_key random_key() {
  std::random_device source;
  std::uniform_int_distribution<node_key> pick{1};
  return pick(source);
}

} // namespace

std::string to_string(partition_mode x) {
  return x == partition_mode::ignore ? "ignore" : "pause_minority";
}

std::string to_string(node_state x) {
  static constexpr std::array names{"reaching", "up", "suspect", "down"};
  return names.at(static_cast<size_t>(x));
}

std::string complaint(const options& x) {
  if (x.table.empty())
    return "a table needs a name";
  if (unprotected(x) && !x.allow_plaintext)
    return "listening on '" + x.listen.host
           + "' without TLS needs allow_plaintext";
  if (is_wildcard(x.advertise.empty() ? x.listen.host : x.advertise))
    return "listening at all addresses needs one to advertise";
  if (x.partitions == partition_mode::pause_minority && x.expected_nodes < 2)
    return "pause_minority needs the expected number of nodes";
  for (auto time : {x.heartbeat, x.suspicion, x.pause_grace, x.claim_timeout})
    if (time > internal::longest_time)
      return "heartbeat, suspicion, pause_grace and claim_timeout must not be "
             "longer than a year";
  if (x.heartbeat <= caf::timespan{0})
    return "the heartbeat interval must be positive";
  if (x.suspicion < 3 * x.heartbeat)
    return "the suspicion time must be 3 heartbeats at least";
  if (x.pause_grace < caf::timespan{0})
    return "the grace time must not be negative";
  auto patience = x.suspicion;
  if (x.partitions == partition_mode::pause_minority)
    patience += x.pause_grace + x.heartbeat;
  if (x.claim_timeout <= patience)
    return "the claim timeout must be longer than the time after which a "
           "silent node is down";
  return {};
}

bool unprotected(const options& x) {
  return !x.tls && !is_loopback(x.listen.host);
}

std::string to_string(const table& x) {
  std::string result;
  std::map<node_key, std::string> names;
  for (auto& node : x.nodes()) {
    names[node.key] = director::internal::escaped(node.name);
    fmt::format_to(std::back_inserter(result),
                   "node {}  {}:{}  {}{}, {} child{}\n", names[node.key],
                   node.where.host, node.where.port, to_string(node.state),
                   node.self ? " (this one)" : "", node.children,
                   node.children == 1 ? "" : "ren");
  }
  auto rows = x.which_children();
  std::ranges::sort(rows, [](const child_info& a, const child_info& b) {
    return a.id < b.id;
  });
  for (auto& row : rows) {
    auto key = x.node_of(row.id);
    auto name = names.find(key);
    fmt::format_to(std::back_inserter(result), "{}  {}  {}, {} restart{}, {}\n",
                   director::internal::escaped(to_string(row.id)),
                   to_string(row.type), to_string(row.status),
                   row.restart_count, row.restart_count == 1 ? "" : "s",
                   name != names.end() ? "on " + name->second : "on no node");
  }
  return result;
}

node_namer namer(const table& x) {
  std::map<caf::node_id, std::string> names;
  for (auto& node : x.nodes())
    if (node.process)
      names.emplace(node.process, node.name);
  return [names = std::move(names)](const caf::node_id& process) {
    auto i = names.find(process);
    return i != names.end() ? i->second : std::string{};
  };
}

caf::expected<table_ptr> join(caf::actor_system& system, options opts) {
  if (auto text = complaint(opts); !text.empty())
    return invalid(std::move(text));
  if (!system.has_middleman())
    return invalid("the actor system has not loaded CAF's middleman");
  if (!opts.allow_plaintext
      && caf::get_or(system.config(),
                     "caf.middleman.enable-automatic-connections", false))
    return invalid("with automatic connections, CAF listens at all addresses "
                   "without TLS, which needs allow_plaintext");
  if (opts.tls && !tls_loaded(system))
    return invalid("TLS is not set up: see load_tls");
  auto log = std::make_shared<internal::change_log>(system);
  ets::table_options local_options;
  local_options.failover = true;
  local_options.kill_grace = opts.kill_grace;
  local_options.max_backlog = opts.max_backlog;
  local_options.sink = opts.sink;
  auto local = std::make_shared<ets::internal::shared_table>(
    system, opts.table, std::move(local_options), log);
  auto keeper
    = system.spawn<ets::internal::keeper, caf::hidden + caf::lazy_init>(local);
  local->keeper(keeper);
  auto self = caf::actor_cast<caf::strong_actor_ptr>(keeper);
  auto holder = director::internal::claim_name(system, local->registered_name(),
                                               self);
  if (holder != self)
    return caf::make_error(errc::name_taken,
                           caf::actor_cast<caf::actor>(holder));
  auto result = std::make_shared<internal::cluster_table>(system, opts.table,
                                                          local, log);
  internal::protocol_settings settings;
  settings.self.key = random_key();
  settings.self.where = {opts.advertise.empty() ? opts.listen.host
                                                : opts.advertise,
                         opts.listen.port};
  settings.self.name = opts.node.empty() ? std::to_string(::getpid())
                                         : opts.node;
  settings.cluster = opts.cluster;
  settings.table = opts.table;
  settings.seeds = opts.seeds;
  settings.heartbeat = opts.heartbeat;
  settings.suspicion = opts.suspicion;
  settings.pause_minority = opts.partitions == partition_mode::pause_minority;
  settings.grace = opts.pause_grace;
  settings.expected = opts.expected_nodes;
  settings.alone_after = opts.alone_after;
  settings.claim_timeout = opts.claim_timeout;
  settings.placement = opts.placement;
  settings.random_seed = random_key();
  auto joined = result->joined.get_future();
  auto node = system.spawn<internal::node_actor,
                           caf::detached + caf::hidden + caf::lazy_init>(
    result, opts, std::move(settings));
  result->actor(node);
  director::internal::claim_name(system, local->registered_name() + ".node",
                                 caf::actor_cast<caf::strong_actor_ptr>(node));
  director::internal::compat::send(node, caf::message_priority::normal, nullptr,
                                   detail::news_event{});
  if (auto err = joined.get())
    return err;
  return table_ptr{result};
}

} // namespace director::net
