#include "director/net/internal/membership.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace director::net::internal {

namespace {

constexpr caf::timespan first_backoff = std::chrono::milliseconds{50};

constexpr caf::timespan last_backoff = std::chrono::seconds{2};

/// Times of silence, in heartbeats, after which a node is under suspicion.
constexpr int missed_heartbeats = 3;

/// How long the dead are remembered, in times of suspicion.
constexpr int memory = 10;

int64_t to_stamp(time_point x) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
           x.time_since_epoch())
    .count();
}

time_point from_stamp(int64_t x) {
  return time_point{std::chrono::duration_cast<time_point::duration>(
    std::chrono::nanoseconds{x})};
}

void be_careful(packet& what) {
  if (auto* x = std::get_if<copy>(&what))
    x->careful = true;
  else if (auto* y = std::get_if<steps>(&what))
    y->careful = true;
}

} // namespace

member_listener::~member_listener() {
  // nop
}

membership::membership(member_listener& listener, member_settings settings)
  : listener_(listener),
    settings_(std::move(settings)) {
  // nop
}

// -- finding others -----------------------------------------------------------

void membership::start(time_point now) {
  started_ = last_tick_ = now;
  for (auto& seed : settings_.seeds)
    if (seed != settings_.self.where)
      attempts_[seed];
  if (attempts_.empty())
    ready_ = true;
  try_addresses(now);
}

bool membership::worth_trying(const address& to, const attempt& x) const {
  auto wanted = std::ranges::find(settings_.seeds, to) != settings_.seeds.end();
  for (auto& [key, other] : peers_) {
    auto there = other.who.where == to;
    // A connection to a node that is down may be a dead one.
    if (other.linked && other.live() && (there || key == x.met))
      return false;
    wanted = wanted || (there && !other.dead);
  }
  return wanted;
}

void membership::try_addresses(time_point now) {
  for (auto& [key, x] : peers_)
    if (!x.linked && !x.dead)
      attempts_[x.who.where];
  for (auto& [to, x] : attempts_) {
    if (x.busy || x.next > now || !worth_trying(to, x))
      continue;
    x.busy = true;
    listener_.connect(to);
  }
}

void membership::connected(const address& to, link_id link, time_point now) {
  auto& x = attempts_[to];
  x.busy = false;
  // Whoever answers there may be none of this cluster.
  x.backoff = std::clamp(2 * x.backoff, first_backoff, last_backoff);
  x.next = now + x.backoff;
  if (auto i = links_.find(link); i != links_.end()) {
    x.met = i->second;
    return;
  }
  auto session = ++last_session_;
  strangers_[link] = session;
  hello greeting;
  greeting.cluster = settings_.cluster;
  greeting.table = settings_.table;
  greeting.self = settings_.self;
  greeting.settings = settings_;
  greeting.session = session;
  greeting.seen = listener_.seen();
  listener_.transmit(link, session,
                     std::make_shared<const packet>(std::move(greeting)));
}

void membership::unreachable(const address& to, bool refused, time_point now) {
  auto& x = attempts_[to];
  x.busy = false;
  x.backoff = std::clamp(2 * x.backoff, first_backoff, last_backoff);
  x.next = now + x.backoff;
  // Nobody listens where that process did.
  if (refused)
    ended(to, now);
}

void membership::found_self(const address& to, time_point now) {
  std::erase(settings_.seeds, to);
  attempts_.erase(to);
  // This node has taken the place of another.
  ended(to, now);
  if (attempts_.empty() && peers_.empty())
    ready_ = true;
}

void membership::ended(const address& there, time_point now) {
  for (auto& [key, x] : peers_)
    if (x.who.where == there && !x.linked && !x.dead)
      down(x, true, now);
}

void membership::learn(const contact& who, time_point now) {
  if (who.key == self() || who.key == 0)
    return;
  auto [i, fresh] = peers_.try_emplace(who.key);
  if (!fresh)
    return;
  i->second.who = who;
  i->second.since = i->second.last_heard = now;
  // Connections that both sides make at the same time get in each other's way:
  // whoever joins goes first, and the one with the lower key.
  auto [j, untried] = attempts_.try_emplace(who.where);
  if (untried)
    j->second.next
      = now
        + std::min(settings_.heartbeat
                     * ((ready_ ? 2 : 0) + (self() > who.key ? 1 : 0)),
                   settings_.suspicion / 2);
}

std::vector<contact> membership::live_contacts() const {
  std::vector<contact> result;
  for (auto& [key, x] : peers_)
    if (x.state == node_state::up || x.state == node_state::suspect)
      result.push_back(x.who);
  return result;
}

// -- sessions -----------------------------------------------------------------

std::string membership::objection(const hello& x) const {
  if (x.version != protocol_version)
    return fmt::format("node '{}' speaks version {} of the protocol, not {}",
                       x.self.name, x.version, protocol_version);
  if (x.cluster != settings_.cluster)
    return fmt::format("node '{}' belongs to cluster '{}', not '{}'",
                       x.self.name, x.cluster, settings_.cluster);
  if (x.table != settings_.table)
    return fmt::format("node '{}' has the table '{}', not '{}'", x.self.name,
                       x.table, settings_.table);
  if (x.self.key == 0 || x.self.key == self())
    return fmt::format("node '{}' has no key of its own", x.self.name);
  if (x.self.where == settings_.self.where)
    return fmt::format("node '{}' gives the address of node '{}', {}:{}",
                       x.self.name, settings_.self.name, x.self.where.host,
                       x.self.where.port);
  if (auto text = disagreement(x.settings); !text.empty())
    return fmt::format("node '{}' has {}", x.self.name, text);
  return {};
}

std::string membership::disagreement(const common_settings& x) const {
  if (x.pause_minority != settings_.pause_minority)
    return "another partition mode";
  if (x.heartbeat != settings_.heartbeat || x.suspicion != settings_.suspicion)
    return "another heartbeat or suspicion time";
  if (!settings_.pause_minority)
    return {};
  if (x.expected != settings_.expected)
    return fmt::format("{} expected nodes, not {}", x.expected,
                       settings_.expected);
  if (x.grace != settings_.grace)
    return "another pause grace";
  return {};
}

void membership::count_nodes() {
  auto up = 1 + std::ranges::count_if(peers_, [](auto& kvp) {
              return kvp.second.state == node_state::up;
            });
  if (settings_.pause_minority
      && static_cast<uint64_t>(up) > settings_.expected)
    listener_.complain(
      fmt::format("{} nodes are up, and only {} expected: two sides of a "
                  "partition could both have the majority",
                  up, settings_.expected));
}

void membership::send_hello(peer& to, time_point now) {
  if (to.my_session == 0)
    to.my_session = ++last_session_;
  to.last_hello = now;
  hello greeting;
  greeting.cluster = settings_.cluster;
  greeting.table = settings_.table;
  greeting.self = settings_.self;
  greeting.settings = settings_;
  greeting.session = to.my_session;
  greeting.ack = to.their_session;
  greeting.established = to.established;
  greeting.seen = listener_.seen();
  listener_.transmit(to.link, to.my_session,
                     std::make_shared<const packet>(std::move(greeting)));
}

void membership::close_session(peer& x) {
  if (x.established)
    x.my_session = ++last_session_;
  x.established = false;
  x.synced = false;
}

void membership::handle(link_id from, const hello& x, time_point now) {
  if (auto text = objection(x); !text.empty()) {
    listener_.complain("refused: " + text);
    listener_.transmit(from, 0, std::make_shared<const packet>(refusal{text}));
    return;
  }
  for (auto& [key, other] : peers_) {
    if (key == x.self.key || other.who.where != x.self.where || other.dead)
      continue;
    if (other.linked
        && now - other.last_heard < missed_heartbeats * settings_.heartbeat)
      return listener_.complain(
        fmt::format("node '{}' gives the address of node '{}', which lives",
                    x.self.name, other.who.name));
    // Who listens where another process did has taken its place.
    down(other, true, now);
  }
  auto [i, fresh] = peers_.try_emplace(x.self.key);
  auto& who = i->second;
  if (fresh) {
    who.since = now;
    // It may have been known before.
    who.was_down = true;
  }
  if (who.dead) {
    // It has left, or was refused by mistake; it may come back.
    who.dead = false;
    who.leaving = false;
  }
  who.who = x.self;
  who.last_heard = now;
  who.seen = x.seen;
  auto other_link = !who.linked || who.link != from;
  if (other_link) {
    if (who.linked)
      links_.erase(who.link);
    close_session(who);
    who.link = from;
    who.linked = true;
    links_[from] = x.self.key;
  }
  if (auto j = strangers_.find(from); j != strangers_.end()) {
    if (!who.established)
      who.my_session = j->second;
    strangers_.erase(j);
  }
  if (other_link || x.session != who.their_session) {
    close_session(who);
    who.their_session = x.session;
    if (who.state == node_state::up) {
      who.state = node_state::suspect;
      who.since = now;
    }
  }
  if (!who.established && x.ack != 0 && x.ack == who.my_session) {
    who.established = true;
    who.last_request = now;
    who.copy_time = 5 * settings_.heartbeat;
    attempts_[who.who.where].backoff = caf::timespan{0};
    send_hello(who, now);
    listener_.session_begun(who);
    who.was_down = false;
  } else if (!who.established || !x.established) {
    send_hello(who, now);
  }
}

void membership::handle(const refusal& x) {
  listener_.turned_away(x.text);
}

peer* membership::sender_of(link_id from, uint64_t session, time_point now) {
  auto i = links_.find(from);
  if (i == links_.end())
    return nullptr;
  auto& x = peers_.at(i->second);
  if (!x.established || x.their_session != session)
    return nullptr;
  x.last_heard = now;
  if (x.state == node_state::suspect && x.synced) {
    x.state = node_state::up;
    x.since = now;
  }
  return &x;
}

void membership::synced(peer& from, time_point now) {
  from.synced = true;
  if (from.state != node_state::up) {
    from.state = node_state::up;
    from.since = now;
    listener_.came_up(from);
    count_nodes();
  }
  try_addresses(now);
  check_ready(now);
}

void membership::send(const peer& to, packet what) {
  if (to.careful)
    be_careful(what);
  if (to.established)
    listener_.transmit(to.link, to.my_session,
                       std::make_shared<const packet>(std::move(what)));
}

void membership::broadcast(packet what) {
  auto with_entries = std::holds_alternative<steps>(what);
  auto shared = std::make_shared<const packet>(std::move(what));
  packet_ptr careful;
  for (auto& [key, x] : peers_) {
    if (!x.established)
      continue;
    if (x.careful && with_entries && careful == nullptr) {
      auto same = *shared;
      be_careful(same);
      careful = std::make_shared<const packet>(std::move(same));
    }
    listener_.transmit(x.link, x.my_session,
                       x.careful && with_entries ? careful : shared);
  }
}

// -- watching others ----------------------------------------------------------

void membership::link_lost(link_id link, time_point now) {
  strangers_.erase(link);
  auto i = links_.find(link);
  if (i == links_.end())
    return;
  auto& x = peers_.at(i->second);
  links_.erase(i);
  x.linked = false;
  close_session(x);
  if (x.state == node_state::up) {
    x.state = node_state::suspect;
    x.since = now;
  }
  // If nobody listens there any longer, its process has ended.
  attempts_[x.who.where].next = now;
  try_addresses(now);
}

void membership::handle(peer& from, const heartbeat& x, time_point now) {
  from.their_stamp = x.stamp;
  if (x.echo != 0 && from_stamp(x.echo) <= now)
    from.leased_until = std::max(from.leased_until,
                                 from_stamp(x.echo) + settings_.suspicion);
  from.directors = x.directors;
  from.leaving = x.leaving;
  from.paused = x.paused;
  from.voter = x.voter;
  for (auto& who : x.members)
    learn(who, now);
}

void membership::left(peer& from, time_point now) {
  down(from, true, now);
}

void membership::down(peer& x, bool dead, time_point now) {
  close_session(x);
  auto news = x.state != node_state::down || dead > x.dead;
  x.dead = dead;
  x.was_down = true;
  if (!news)
    return;
  x.state = node_state::down;
  x.since = now;
  x.directors = 0;
  x.paused = false;
  x.leased_until = time_point{};
  listener_.went_down(x);
  check_ready(now);
}

void membership::tick(time_point now) {
  met_all_ = met_all_ || 1 + leases(now) >= settings_.expected;
  if (now - last_tick_ > settings_.suspicion / 2)
    // This process was frozen: what the others sent meanwhile is still to come.
    for (auto& [key, x] : peers_)
      x.last_heard = now;
  last_tick_ = now;
  for (auto& [key, x] : peers_) {
    auto silence = now - x.last_heard;
    if (x.state == node_state::up
        && silence > missed_heartbeats * settings_.heartbeat) {
      x.state = node_state::suspect;
      x.since = now;
    }
    if (silence > patience()) {
      if (x.live())
        down(x, false, now);
      else
        close_session(x);
    }
    if (x.linked && !x.established && !x.dead
        && now - x.last_hello
             >= (x.live() ? settings_.heartbeat : settings_.suspicion))
      send_hello(x, now);
    send_heartbeat(x, now);
    if (x.established && !x.synced && now - x.last_request > x.copy_time) {
      // A large one takes its time.
      x.last_request = now;
      x.copy_time *= 2;
      send(x, copy_request{});
    }
  }
  forget_dead(now);
  try_addresses(now);
  check_ready(now);
}

void membership::forget_dead(time_point now) {
  for (auto i = peers_.begin(); i != peers_.end();) {
    auto& x = i->second;
    if (!x.dead || x.linked || recent(x, now)) {
      ++i;
      continue;
    }
    auto there = x.who.where;
    i = peers_.erase(i);
    auto j = attempts_.find(there);
    if (j != attempts_.end() && !j->second.busy
        && !worth_trying(there, j->second))
      attempts_.erase(j);
  }
}

bool membership::recent(const peer& x, time_point now) const {
  return now - x.since < memory * settings_.suspicion;
}

void membership::announce(time_point now) {
  for (auto& [key, x] : peers_)
    send_heartbeat(x, now);
}

void membership::send_heartbeat(const peer& to, time_point now) {
  if (!to.established)
    return;
  heartbeat beat;
  beat.stamp = to_stamp(now);
  beat.echo = to.their_stamp;
  beat.voter = is_voter(now);
  listener_.describe(beat);
  send(to, std::move(beat));
}

caf::timespan membership::patience() const {
  // A loss of the majority is noticed with the next tick.
  return settings_.pause_minority
           ? settings_.suspicion + settings_.grace + settings_.heartbeat
           : settings_.suspicion;
}

void membership::check_ready(time_point now) {
  if (ready_)
    return;
  auto met = false;
  for (auto& [key, x] : peers_) {
    if (x.state == node_state::reaching || x.state == node_state::suspect)
      return;
    met = met || x.state == node_state::up;
  }
  ready_ = met || now - started_ >= settings_.alone_after;
}

// -- state --------------------------------------------------------------------

peer* membership::find(node_key key) {
  auto i = peers_.find(key);
  return i != peers_.end() ? &i->second : nullptr;
}

const peer* membership::find(node_key key) const {
  auto i = peers_.find(key);
  return i != peers_.end() ? &i->second : nullptr;
}

bool membership::live(node_key key) const {
  if (key == self())
    return true;
  auto* x = find(key);
  return x != nullptr && x->live();
}

bool membership::has_quorum(time_point now) const {
  if (!settings_.pause_minority)
    return true;
  size_t voters = is_voter(now) ? 1 : 0;
  for (auto& [key, x] : peers_)
    voters += x.leased_until > now && x.voter ? 1 : 0;
  return is_majority(1 + leases(now), voters);
}

size_t membership::leases(time_point now) const {
  return static_cast<size_t>(std::ranges::count_if(peers_, [now](auto& kvp) {
    return kvp.second.leased_until > now;
  }));
}

bool membership::is_voter(time_point now) const {
  return met_all_ || now - started_ > patience();
}

bool membership::is_majority(size_t nodes, size_t voters) const noexcept {
  return !settings_.pause_minority || 2 * voters > settings_.expected
         || nodes >= settings_.expected;
}

} // namespace director::net::internal
