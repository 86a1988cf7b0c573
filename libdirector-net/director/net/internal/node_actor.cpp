#include "director/net/internal/node_actor.hpp"

#include "director/internal/compat.hpp"
#include "director/internal/names.hpp"
#include "director/net/internal/codec.hpp"

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>
#include <caf/exit_reason.hpp>
#include <caf/sec.hpp>
#include <caf/telemetry/metric_registry.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace director::net::internal {

namespace compat = director::internal::compat;

namespace {

/// A defect that shows up with each packet is reported once in a while.
constexpr caf::timespan complaint_interval = std::chrono::seconds{10};

} // namespace

node_actor::node_actor(caf::actor_config& cfg,
                       std::shared_ptr<cluster_table> table, options opts,
                       protocol_settings settings)
  : caf::event_based_actor(cfg),
    table_(std::move(table)),
    options_(std::move(opts)),
    transport_(this),
    protocol_(*this, std::move(settings)) {
  auto& all = system().metrics();
  auto& label = table_->name();
  static constexpr std::array bounds{.001, .01, .1, 1., 10., 100.};
  metrics_ = {
    all.gauge_instance("director", "net-nodes", {{"table", label}},
                       "Number of nodes that are up, this one included."),
    all.counter_instance("director", "net-takeovers", {{"table", label}},
                         "Number of children that have got another node, or "
                         "have been removed, after they had lost theirs.",
                         "1", true),
    all.counter_instance("director", "net-conflicts", {{"table", label}},
                         "Number of children of this node that had to end "
                         "because another instance was kept.",
                         "1", true),
    all
      .histogram_family<double>("director", "net-takeover-duration", {"table"},
                                bounds,
                                "Time from the loss of a node until all its "
                                "children had another one.",
                                "seconds")
      ->get_or_add({{"table", label}}),
  };
}

node_actor::~node_actor() {
  // nop
}

const char* node_actor::name() const {
  return "director.net.node";
}

caf::behavior node_actor::make_behavior() {
  begun_ = clock_type::now();
  // CAF's clock stops last, the scheduler before this actor, which may be busy:
  // what either wakes up then would stay in memory.
  transport_.on_stop([self = address(), table = std::weak_ptr{table_}] {
    if (auto ptr = table.lock())
      ptr->has_left(caf::make_error(errc::table_closed));
    if (auto to = caf::actor_cast<caf::actor>(self))
      compat::send(to, caf::message_priority::high, nullptr,
                   detail::stop_event{});
  });
  listen();
  return compat::make_behavior(
    this,
    [](caf::exit_msg&) {
      // The node leaves when it is asked to, not before.
    },
    [this](const caf::message& msg) -> caf::error {
      complain("unexpected message: " + to_string(msg));
      return caf::make_error(errc::unknown_request);
    },
    [this](frame_atom, uint64_t session, const std::string& bytes) {
      receive(current_sender(), session, bytes);
    },
    [this](detail::news_event) { hear(); },
    [this](detail::claim_event x) {
      fetch();
      protocol_.claim(x.ticket, table_->wishes(x.ticket), clock_type::now());
      settle();
    },
    [this](const detail::decline_event& x) {
      fetch();
      // Who attaches from here on is announced after that.
      if (want(x.id) && table_->local().all_decline(x.id))
        protocol_.declined({x.id});
      protocol_.flush();
      settle();
    },
    [this](const detail::ended_event& x) {
      fetch();
      protocol_.ended(x.id);
      protocol_.flush();
      settle();
    },
    [this](detail::link_event x) {
      auto i = links_.find(x.link);
      if (i == links_.end())
        return;
      numbers_.erase(i->second.address());
      links_.erase(i);
      fetch();
      protocol_.link_lost(x.link, clock_type::now());
      settle();
    },
    [this](detail::rebalance_event) {
      fetch();
      protocol_.rebalance(clock_type::now());
      settle();
    },
    [this](detail::stop_event) { quit(caf::exit_reason::user_shutdown); },
    [this](detail::leave_event x) {
      fetch();
      auto now = clock_type::now();
      auto limit = std::min<caf::timespan>(x.timeout, std::chrono::hours{24});
      protocol_.leave(now, now + limit);
      settle();
    });
}

void node_actor::on_exit() {
  // Nothing but a kill or the end of the actor system ends this actor before
  // the node has left.
  if (phase_ != phase::over) {
    metrics_.nodes->value(0);
    table_->has_left(caf::make_error(errc::table_closed));
  }
  if (phase_ < phase::member)
    failure_ = caf::make_error(caf::exit_reason::kill);
  if (failure_)
    table_->joined.set_value(failure_);
  links_.clear();
  sources_.clear();
}

// -- connections --------------------------------------------------------------

void node_actor::listen() {
  if (unprotected(options_))
    tell(severity::warning,
         fmt::format("listens on '{}' without TLS: whoever reaches the port "
                     "can join, read and write",
                     options_.listen.host));
  transport_.publish({options_.listen.host, options_.listen.port, options_.tls},
                     caf::actor_cast<caf::actor>(ctrl()),
                     [this](caf::expected<uint16_t> port) {
                       if (!port) {
                         failure_ = std::move(port.error());
                         return end();
                       }
                       port_ = *port;
                       protocol_.port(port_);
                       phase_ = phase::joining;
                       protocol_.start(clock_type::now());
                       tick();
                     });
}

void node_actor::connect(const net::address& to) {
  transport_.connect(
    {to.host, to.port, options_.tls}, options_.suspicion,
    [this, to](caf::expected<connection> other) {
      fetch();
      auto now = clock_type::now();
      if (other && other->node == node()) {
        protocol_.found_self(to, now);
      } else if (other) {
        auto ptr = caf::actor_cast<caf::strong_actor_ptr>(other->actor);
        protocol_.connected(to, link_to(ptr), now);
      } else {
        trouble_ = fmt::format("{}:{}: {}", to.host, to.port,
                               to_string(other.error()));
        auto refused = other.error() == caf::sec::cannot_connect_to_node;
        // Nodes that are not there are part of life.
        if (!refused && other.error() != caf::sec::connection_timeout)
          complain("cannot connect to " + trouble_);
        protocol_.unreachable(to, refused, now);
      }
      settle();
    });
}

link_id node_actor::link_to(const caf::strong_actor_ptr& other) {
  auto handle = caf::actor_cast<caf::actor>(other);
  auto [i, fresh] = numbers_.try_emplace(handle.address(), last_link_ + 1);
  if (!fresh)
    return i->second;
  auto number = ++last_link_;
  links_.emplace(number, handle);
  // Ends with the actor or with the connection, whichever comes first.
  handle->attach_functor([self = address(), number] {
    if (auto to = caf::actor_cast<caf::actor>(self))
      compat::send(to, caf::message_priority::normal, nullptr,
                   detail::link_event{number});
  });
  return number;
}

void node_actor::transmit(link_id to, uint64_t session, packet_ptr what) {
  auto i = links_.find(to);
  if (i == links_.end())
    return;
  if (encoded_ != what) {
    encoded_ = std::move(what);
    bytes_.clear();
    if (auto err = encode_packet(system(), *encoded_, bytes_)) {
      encoded_ = nullptr;
      return complain("cannot be sent to other nodes: " + to_string(err));
    }
  }
  compat::send_as(ctrl(), i->second, context(), frame_atom_v, session, bytes_);
}

void node_actor::receive(const caf::strong_actor_ptr& from, uint64_t session,
                         const std::string& bytes) {
  if (!from || from->node() == node())
    return complain("a packet without sender");
  packet what;
  auto number = link_to(from);
  if (auto err = decode_packet(system(), table_->log().handles(), bytes,
                               what)) {
    trouble_ = "malformed packet: " + to_string(err);
    complain(trouble_);
    if (std::holds_alternative<copy>(what)
        || std::holds_alternative<steps>(what))
      protocol_.illegible(number, session, clock_type::now());
    return;
  }
  if (auto* x = std::get_if<hello>(&what))
    table_->log().locate(x->self.key, from->node());
  // Receipts, of which there are many, say nothing that own changes could
  // contradict.
  auto is_receipt = std::holds_alternative<receipt>(what);
  if (!is_receipt)
    fetch();
  protocol_.receive(number, session, std::move(what), clock_type::now());
  if (is_receipt && gathering_ && all_received())
    return pass_on();
  settle();
}

// -- news ---------------------------------------------------------------------

void node_actor::node_changed(const peer& x) {
  tell(x.state == node_state::up ? severity::info : severity::warning,
       fmt::format("node '{}' at {}:{} is {}", x.who.name, x.who.where.host,
                   x.who.where.port, to_string(x.state)));
  publish_view();
}

void node_actor::turned_away(const std::string& text) {
  refusal_ = text;
  complain("refused by another node: " + text);
}

void node_actor::complain(const std::string& text) {
  complain_of(text, text);
}

void node_actor::complain_of(const std::string& what, const std::string& text) {
  auto now = clock_type::now();
  if (complaints_.size() > 100)
    complaints_.clear();
  auto [i, fresh] = complaints_.try_emplace(what, now);
  if (!fresh && now - i->second < complaint_interval)
    return;
  i->second = now;
  tell(severity::warning, text);
}

void node_actor::took_over() {
  metrics_.takeovers->inc();
}

void node_actor::takeover_done(clock_type::duration time) {
  metrics_.takeover_duration->observe(
    std::chrono::duration<double>(time).count());
}

void node_actor::conflict(const child_id&) {
  metrics_.conflicts->inc();
}

void node_actor::end_directors() {
  phase_ = phase::ending_directors;
  table_->local().end_directors();
}

void node_actor::has_left() {
  phase_ = phase::outside;
  protocol_.entries().visit([&](const entry& x) {
    if (x.last.author == protocol_.members().self() && x.director != 0)
      farewell_ = caf::make_error(errc::unresponsive);
  });
}

void node_actor::tell(severity level, const std::string& text,
                      caf::error reason, const child_record* child) {
  if (!options_.sink)
    return;
  caf::message no_state;
  try {
    options_.sink({report_kind::unexpected_message, level, report_detail::brief,
                   "table " + table_->name(), child, reason, text, no_state});
  } catch (...) {
    // As with directors, a sink that throws misses a report.
  }
}

// -- work ---------------------------------------------------------------------

void node_actor::settle() {
  if (!lost_.empty()) {
    hand_over_request what;
    what.ids = std::exchange(lost_, {});
    what.reason = caf::make_error(errc::lost_to_peer);
    what.release = false;
    table_->local().hand_over(what);
  }
  // Whoever decides now may not have heard of it.
  if (!declined_.empty())
    protocol_.declined(std::exchange(declined_, {}));
  retry_later();
  check_joined();
  if (phase_ == phase::outside) {
    phase_ = phase::closing;
    // Whoever joins again finds the port free.
    transport_.unpublish(port_, [this](const caf::error&) { end(); });
  }
}

void node_actor::end() {
  phase_ = phase::over;
  metrics_.nodes->value(0);
  director::internal::release_name(system(),
                                   table_->local().registered_name() + ".node",
                                   ctrl());
  table_->local().close();
  table_->has_left(farewell_);
  quit();
}

void node_actor::tick() {
  transport_.repair();
  // Directors that have ended are not kept.
  std::erase_if(sources_,
                [](auto& kvp) { return !is_alive(kvp.second.director); });
  fetch();
  auto now = clock_type::now();
  protocol_.tick(now);
  // Not for ever, if a node lives but cannot make sense of a change.
  while (!waiting_.empty() && waiting_.front().deadline <= now) {
    table_->complete(waiting_.front().ticket,
                     caf::make_error(errc::claim_timeout));
    waiting_.pop_front();
  }
  publish_view();
  settle();
  run_delayed(options_.heartbeat, [this] { tick(); });
}

void node_actor::retry_later() {
  auto next = protocol_.next_retry();
  if (!next || std::exchange(retry_pending_, true))
    return;
  auto delay = std::max<caf::timespan>(*next - clock_type::now(),
                                       caf::timespan{0});
  run_delayed(delay, [this] {
    retry_pending_ = false;
    fetch();
    protocol_.retry(clock_type::now());
    settle();
  });
}

void node_actor::publish_view() {
  std::vector<node_info> nodes;
  auto& members = protocol_.members();
  auto& self = members.settings().self;
  nodes.push_back({self.key, self.name, self.where, node_state::up, true,
                   directors() > 0, false, protocol_.children_of(self.key),
                   system().node()});
  int64_t up = 1;
  for (auto& [key, x] : members.peers()) {
    if (x.dead)
      continue;
    nodes.push_back({key, x.who.name, x.who.where, x.state, false,
                     x.directors > 0, x.leaving,
                     x.live() ? protocol_.children_of(key) : 0,
                     table_->log().location_of(key)});
    up += x.state == node_state::up ? 1 : 0;
  }
  std::ranges::sort(nodes, [](const node_info& x, const node_info& y) {
    return std::tie(x.name, x.key) < std::tie(y.name, y.key);
  });
  metrics_.nodes->value(up);
  table_->view(self.key, self.where, std::move(nodes), protocol_.paused());
}

size_t node_actor::other_seeds() const {
  auto& settings = protocol_.members().settings();
  return settings.seeds.size()
         - static_cast<size_t>(
           std::ranges::count(settings.seeds, settings.self.where));
}

void node_actor::check_joined() {
  if (phase_ != phase::joining)
    return;
  auto waited = clock_type::now() - begun_;
  auto alone = std::ranges::none_of(protocol_.members().peers(), [](auto& x) {
    return x.second.established || x.second.state == node_state::up;
  });
  auto late = waited >= options_.join_timeout;
  // Of several seeds, another one may know better.
  if (!refusal_.empty() && alone
      && (late || other_seeds() < 2 || waited >= options_.alone_after)) {
    failure_ = caf::make_error(errc::join_refused, refusal_);
  } else if (!protocol_.ready() || protocol_.paused()) {
    if (!late)
      return;
    failure_
      = protocol_.paused()
          ? caf::make_error(errc::no_quorum)
          : caf::make_error(caf::sec::connection_timeout,
                            "no copy from any other node, last " + trouble_);
  } else if (alone && other_seeds() > 0) {
    tell(severity::warning,
         "no seed has answered, starts alone; last " + trouble_);
  }
  phase_ = failure_ ? phase::outside : phase::member;
  publish_view();
  if (!failure_)
    table_->joined.set_value(caf::error{});
}

} // namespace director::net::internal
