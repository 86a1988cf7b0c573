// The actor behind a table: talks to the other nodes.

#pragma once

#include "director/net/internal/cluster_table.hpp"
#include "director/net/internal/protocol.hpp"
#include "director/net/internal/transport.hpp"
#include "director/net/table.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/telemetry/counter.hpp>
#include <caf/telemetry/gauge.hpp>
#include <caf/telemetry/histogram.hpp>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace director::net::internal {

/// Gives a protocol what it needs: messages, connections, time, and a copy of
/// the table.
class node_actor final : public caf::event_based_actor, environment {
public:
  node_actor(caf::actor_config& cfg, std::shared_ptr<cluster_table> table,
             options opts, protocol_settings settings);

  ~node_actor() override;

  const char* name() const override;

  void on_exit() override;

protected:
  caf::behavior make_behavior() override;

private:
  // -- environment ------------------------------------------------------------

  void transmit(link_id to, uint64_t session, packet_ptr what) override;

  void connect(const net::address& to) override;

  void changed(const entry& now, bool live) override;

  void removed(const child_id& id) override;

  std::optional<entry> take(uint64_t ticket, size_t index,
                            bool& later) override;

  bool refuse(uint64_t ticket, size_t index, claim_outcome why) override;

  void claim_done(uint64_t ticket) override;

  void received_everywhere(uint64_t count) override;

  void depart(std::vector<child_id> ids, departure why) override;

  void start(std::vector<child_id> ids) override;

  uint64_t directors() const override;

  bool may_give(const child_id& id) const override;

  void node_changed(const peer& x) override;

  void turned_away(const std::string& text) override;

  void complain(const std::string& text) override;

  void took_over() override;

  void takeover_done(clock_type::duration time) override;

  void conflict(const child_id& id) override;

  void end_directors() override;

  void has_left() override;

  // -- connections ------------------------------------------------------------

  void listen();

  /// Returns the number of the table of another node.
  link_id link_to(const caf::strong_actor_ptr& other);

  void receive(const caf::strong_actor_ptr& from, uint64_t session,
               const std::string& bytes);

  // -- the local copy ---------------------------------------------------------

  /// Passes changes of this node on to the protocol. Comes before anything else
  /// that the protocol hears.
  void fetch();

  /// Passes changes of this node on, now or, while earlier ones are under way,
  /// when some have gathered: small packets cost more than what is in them.
  void hear();

  /// Tells whether no changes of this node are under way.
  bool all_received() const;

  void pass_on();

  /// Says that a child of this node is to be started, wherever. Returns false
  /// if it is not one of this node, has a director, or is yet to end.
  bool want(const child_id& id);

  /// Who runs a child of another node.
  struct source {
    uint32_t node = 0;
    /// Empty if the child has none.
    caf::actor director;
  };

  const source& source_of(const entry& x);

  /// Tells the protocol when the actor of a child has ended.
  void await_end(const child_id& id);

  // -- work -------------------------------------------------------------------

  /// Does what has gathered during an event.
  void settle();

  /// Sets the names free and quits.
  void end();

  void tick();

  void retry_later();

  void publish_view();

  void check_joined();

  /// Returns how many seeds there are besides this node.
  size_t other_seeds() const;

  void tell(severity level, const std::string& text, caf::error reason = {},
            const child_record* child = nullptr);

  /// Reports a defect, but not again and again.
  void complain_of(const std::string& what, const std::string& text);

  std::shared_ptr<cluster_table> table_;
  options options_;
  transport transport_;
  protocol protocol_;
  uint16_t port_ = 0;

  /// Tables of other nodes.
  std::unordered_map<link_id, caf::actor> links_;
  std::unordered_map<caf::actor_addr, link_id> numbers_;
  link_id last_link_ = 0;

  /// What was encoded last: most packets go to several nodes.
  packet_ptr encoded_;
  std::string bytes_;

  /// By author and director of entries.
  std::map<std::pair<node_key, uint64_t>, source> sources_;

  /// A write that waits until the other copies have it.
  struct waiting_write {
    uint64_t change;
    uint64_t ticket;
    time_point deadline;
  };

  /// In the order of changes, and so of deadlines.
  std::deque<waiting_write> waiting_;

  /// Empty, but for its memory.
  std::vector<local_change> fetched_;
  bool gathering_ = false;

  uint64_t received_ = 0;
  std::vector<child_id> lost_;
  std::vector<child_id> declined_;
  bool retry_pending_ = false;

  enum class phase : uint8_t {
    /// Is about to listen.
    opening,
    /// `join` waits.
    joining,
    member,
    /// Leaves the cluster when its directors have ended.
    ending_directors,
    /// Has left the cluster, or has failed to join.
    outside,
    /// Frees the port, then the names.
    closing,
    over,
  };

  phase phase_ = phase::opening;
  /// Why `join` has failed, which it tells when its port and name are free.
  caf::error failure_;
  /// What those who wait for the end of `leave` are told.
  caf::error farewell_;
  time_point begun_{};
  std::string refusal_;
  /// Which address could not be reached last, and why.
  std::string trouble_;
  std::map<std::string, time_point> complaints_;

  struct metrics {
    caf::telemetry::int_gauge* nodes;
    caf::telemetry::int_counter* takeovers;
    caf::telemetry::int_counter* conflicts;
    caf::telemetry::dbl_histogram* takeover_duration;
  };

  metrics metrics_;
};

} // namespace director::net::internal
