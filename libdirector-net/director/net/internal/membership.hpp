// Who belongs to the cluster, and who of them lives.

#pragma once

#include "director/net/internal/packets.hpp"
#include "director/net/node.hpp"

#include <caf/timespan.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

namespace director::net::internal {

using clock_type = std::chrono::steady_clock;

using time_point = clock_type::time_point;

/// Stands for the actor behind a table on another node, as long as the
/// connection lasts.
using link_id = uint64_t;

/// Settings of a member.
struct member_settings : common_settings {
  contact self;
  std::string cluster;
  std::string table;
  std::vector<address> seeds;
  /// How long to look for others before starting alone.
  caf::timespan alone_after = std::chrono::seconds{3};
};

/// Another node.
struct peer {
  contact who;
  node_state state = node_state::reaching;
  /// Its process is known to have ended, or it has left.
  bool dead = false;
  /// Means nothing unless `linked`.
  link_id link = 0;
  bool linked = false;
  uint64_t my_session = 0;
  uint64_t their_session = 0;
  /// Both sides know the session of the other.
  bool established = false;
  /// Its copy has arrived in this session.
  bool synced = false;
  /// Has been down since the last copy was sent to it.
  bool was_down = false;
  time_point last_heard{};
  time_point last_hello{};
  /// When a copy was asked for, and how long it may take.
  time_point last_request{};
  caf::timespan copy_time{};
  time_point since{};
  int64_t their_stamp = 0;
  /// Until then it does not take this node for down.
  time_point leased_until{};
  horizon seen;
  /// How many heartbeats have told of other claims than are known here.
  int differences = 0;
  /// How many of this node's changes have arrived there.
  uint64_t received = 0;
  /// See `heartbeat::directors`.
  uint64_t directors = 0;
  bool leaving = false;
  bool paused = false;
  /// Has to be sent packets that are written carefully.
  bool careful = false;
  /// Counts for the majority.
  bool voter = false;

  /// Neither down nor unheard of.
  bool live() const noexcept {
    return state != node_state::down;
  }
};

/// What a membership wants done.
class member_listener {
public:
  virtual ~member_listener();

  /// @param session of this node, by which the receiver knows whether the
  ///                packet is for it.
  virtual void transmit(link_id to, uint64_t session, packet_ptr what) = 0;

  virtual void connect(const address& to) = 0;

  /// A session has begun: the peer wants a copy.
  virtual void session_begun(peer& x) = 0;

  virtual void came_up(peer& x) = 0;

  virtual void went_down(peer& x) = 0;

  virtual void turned_away(const std::string& text) = 0;

  virtual void complain(const std::string& text) = 0;

  virtual const horizon& seen() const = 0;

  /// Completes a heartbeat.
  virtual void describe(heartbeat& beat) const = 0;
};

/// Finds the other nodes, opens sessions with them, and watches them. No
/// threads, no clock: time is passed in.
class membership {
public:
  membership(member_listener& listener, member_settings settings);

  const member_settings& settings() const noexcept {
    return settings_;
  }

  node_key self() const noexcept {
    return settings_.self.key;
  }

  void port(uint16_t x) {
    settings_.self.where.port = x;
  }

  // -- events -----------------------------------------------------------------

  void start(time_point now);

  /// There is a connection to the table at an address.
  void connected(const address& to, link_id link, time_point now);

  /// There is none.
  /// @param refused whether nobody listens there.
  void unreachable(const address& to, bool refused, time_point now);

  /// It is an address of this node, which is not to be tried again.
  void found_self(const address& to, time_point now);

  void link_lost(link_id link, time_point now);

  void handle(link_id from, const hello& x, time_point now);

  void handle(const refusal& x);

  void handle(peer& from, const heartbeat& x, time_point now);

  /// A complete copy has arrived in this session.
  void synced(peer& from, time_point now);

  /// Somebody has mentioned a node.
  void learn(const contact& who, time_point now);

  void left(peer& from, time_point now);

  /// To be called once per heartbeat interval.
  void tick(time_point now);

  /// Sends heartbeats out of turn.
  void announce(time_point now);

  /// Sends one heartbeat if there is a session.
  void send_heartbeat(const peer& to, time_point now);

  // -- state ------------------------------------------------------------------

  /// Returns who sent a frame, `nullptr` if the session is over.
  peer* sender_of(link_id from, uint64_t session, time_point now);

  peer* find(node_key key);

  const peer* find(node_key key) const;

  /// Tells whether a node is to be reckoned with.
  bool live(node_key key) const;

  /// Tells whether the state of a node has changed not long ago.
  bool recent(const peer& x, time_point now) const;

  const std::map<node_key, peer>& peers() const noexcept {
    return peers_;
  }

  /// Has met all it knows of, or has given up finding others.
  bool ready() const noexcept {
    return ready_;
  }

  /// Tells whether this side may claim and run children.
  bool has_quorum(time_point now) const;

  /// Tells whether the majority counts on this node. One that has come up only
  /// just may be in the place of another, which has promised others not to take
  /// them for down: those promises must have run out first, or those others
  /// must have been heard of, as when all nodes are there.
  bool is_voter(time_point now) const;

  /// Tells whether so many nodes may decide, of which so many are voters; this
  /// one is included in both. All nodes together need not be voters.
  bool is_majority(size_t nodes, size_t voters) const noexcept;

  /// Sends to a node if there is a session.
  void send(const peer& to, packet what);

  /// Sends to all nodes with which there is a session.
  void broadcast(packet what);

  std::vector<contact> live_contacts() const;

private:
  /// Silence after which a node is down.
  caf::timespan patience() const;

  /// Returns how many nodes do not take this one for down.
  size_t leases(time_point now) const;

  struct attempt {
    time_point next{};
    caf::timespan backoff{};
    bool busy = false;
    /// Who has answered there.
    node_key met = 0;
  };

  void send_hello(peer& to, time_point now);

  void down(peer& x, bool dead, time_point now);

  /// The process that was at an address has ended.
  void ended(const address& there, time_point now);

  /// A session is over; the next one needs other numbers.
  void close_session(peer& x);

  void try_addresses(time_point now);

  void check_ready(time_point now);

  std::string objection(const hello& x) const;

  /// Names a setting that another node must not have.
  std::string disagreement(const common_settings& x) const;

  /// Tells if more nodes are up than a majority is reckoned for.
  void count_nodes();

  void forget_dead(time_point now);

  /// Tells whether there is reason to look for a node at an address.
  bool worth_trying(const address& to, const attempt& x) const;

  member_listener& listener_;
  member_settings settings_;
  std::map<node_key, peer> peers_;
  std::unordered_map<link_id, node_key> links_;
  /// Connections of which the other end is not known yet, with the session.
  std::unordered_map<link_id, uint64_t> strangers_;
  std::map<address, attempt> attempts_;
  uint64_t last_session_ = 0;
  time_point started_{};
  time_point last_tick_{};
  bool ready_ = false;
  bool met_all_ = false;
};

} // namespace director::net::internal
