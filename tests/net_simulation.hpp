// A cluster without processes, sockets and clocks.

#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <deque>
#include <director/net/internal/protocol.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace director::net::test {

using namespace internal;

class simulation;

/// Tells whether a packet says, or leads to asking, what the sender has
/// changed.
inline bool is_news(const packet& x) {
  return std::holds_alternative<steps>(x) || std::holds_alternative<copy>(x)
         || std::holds_alternative<heartbeat>(x);
}

/// What goes wrong, and how often.
struct weather {
  /// Probability that a frame is lost.
  double loss = 0.0;
  caf::timespan min_delay = std::chrono::microseconds{100};
  caf::timespan max_delay = std::chrono::milliseconds{5};
};

/// One process: a protocol with a make-believe table and directors.
class sim_node final : public environment {
public:
  sim_node(simulation& world, size_t place, protocol_settings settings);

  // -- environment ------------------------------------------------------------

  void transmit(link_id to, uint64_t session, packet_ptr what) override;
  void connect(const address& to) override;
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

  // -- what directors do ------------------------------------------------------

  void claim(std::vector<child_id> ids, claim_mode mode, bool keep);

  void restart(const child_id& id);

  void erase(const child_id& id);

  void terminate(const child_id& id);

  void has_ended(const child_id& id);

  bool can_read(const packet& what) const;

  /// Returns what arrives of a packet that can be read.
  packet read(packet what) const;

  simulation& world;
  size_t place;
  node_key key;
  protocol core;

  struct child {
    uint64_t incarnation = 0;
    bool keep = true;
    bool ending = false;
    departure why = departure::moved;
  };

  /// What really runs here.
  std::map<child_id, child> running;

  struct request {
    std::vector<child_id> ids;
    claim_mode mode;
    bool keep;
    size_t granted = 0;
  };

  std::map<uint64_t, request> requests;

  struct outcome {
    child_id id;
    claim_outcome how;
  };

  std::vector<outcome> outcomes;

  /// Starts and removals that are to be acknowledged, by number of the change.
  std::multimap<uint64_t, std::pair<child_id, bool>> unacknowledged;

  /// What a reader of this node's copy sees.
  std::map<child_id, bool> view;

  std::vector<std::string> complaints;
  std::string refusal;
  std::set<child_id> unknown_functions;
  /// Children without director that have yet to end.
  std::set<child_id> lingering;
  /// Children that do not end when they are told to.
  std::set<child_id> stubborn;
  /// Children that it cannot read about.
  std::set<child_id> unknown_types;
  size_t conflicts = 0;
  uint64_t director_count = 1;
  bool frozen = false;
  bool left = false;
  std::vector<std::function<void()>> held_up;
};

/// The network and the time.
class simulation {
public:
  explicit simulation(uint32_t seed);

  ~simulation();

  // -- nodes ------------------------------------------------------------------

  /// Starts processes at the first few places, and waits until all know each
  /// other and who can take children. Returns whether they do.
  bool assemble(size_t count);

  /// Starts a process at a place; the first few places are everybody's seeds.
  sim_node& boot(size_t place);

  void crash(size_t place);

  void freeze(size_t place, bool on);

  /// Returns the process at a place, `nullptr` if there is none.
  sim_node* at(size_t place);

  std::vector<sim_node*> nodes();

  // -- network ----------------------------------------------------------------

  /// Frames between these places vanish, in both directions.
  void cut(size_t x, size_t y);

  void heal();

  /// A connection is lost, and can be made again at once.
  void disconnect(size_t x, size_t y);

  bool connected(size_t x, size_t y) const;

  // -- time -------------------------------------------------------------------

  time_point now() const {
    return now_;
  }

  void after(caf::timespan delay, std::function<void()> what);

  /// Runs for some time.
  void run(caf::timespan time);

  /// Runs until `done` or until the time is up. Returns whether it is done.
  bool run_until(caf::timespan limit, const std::function<bool()>& done);

  // -- checks -----------------------------------------------------------------

  /// Prints what happens if the environment has DIRECTOR_MODEL_TRACE.
  template <class... Ts>
  void note(fmt::format_string<Ts...> pattern, Ts&&... xs) {
    if (tracing_)
      fmt::print("{:10.6f} {}\n",
                 std::chrono::duration<double>(now_.time_since_epoch()).count()
                   - 3600,
                 fmt::format(pattern, std::forward<Ts>(xs)...));
  }

  /// Returns how many instances run.
  size_t running();

  /// Returns the IDs that run at more than one node.
  std::vector<child_id> duplicates();

  /// Tells whether all nodes that live have the same entries.
  bool converged();

  /// Tells whether so many children run, each once, and everybody knows.
  bool settled(size_t children);

  /// Names frames that get lost, by the places of sender and receiver.
  std::function<bool(size_t, size_t, const packet&)> lost;

  /// Runs once on each event; a text ends the simulation.
  std::function<std::string()> invariant;
  std::string violation;

  size_t places = 3;
  protocol_settings settings;
  weather conditions;
  std::mt19937 random;

  /// Acknowledged starts of children that are to survive, with term and author
  /// of the claim, and acknowledged removals.
  std::map<child_id, std::pair<uint64_t, node_key>> started;
  std::set<child_id> deleted;

  /// Packets sent so far, by position in the variant.
  std::map<size_t, size_t> sent;

  /// How many authors the last heartbeat of each node has told of.
  std::map<node_key, size_t> last_beat;

private:
  friend sim_node;

  struct event {
    time_point when;
    uint64_t number;
    std::function<void()> what;
  };

  struct later {
    bool operator()(const event& x, const event& y) const {
      return std::pair{x.when, x.number} > std::pair{y.when, y.number};
    }
  };

  void deliver(sim_node& from, node_key to, uint64_t session, packet_ptr what);

  void schedule_ticks(node_key key);

  void schedule_retry(sim_node& x);

  /// Runs `fn` at the process with this key, if it still lives, once it is not
  /// frozen.
  void on_node(node_key key, const std::function<void(sim_node&)>& fn);

  caf::timespan delay();

  time_point now_;
  bool tracing_;
  uint64_t last_number_ = 0;
  uint64_t last_key_ = 0;
  uint64_t last_ticket_ = 0;
  std::vector<event> events_;
  std::map<node_key, std::unique_ptr<sim_node>> nodes_;
  std::map<size_t, node_key> places_;
  std::set<std::pair<size_t, size_t>> cuts_;
  /// Frames of one sender to one receiver stay in order.
  std::map<std::pair<node_key, node_key>, time_point> last_delivery_;
  std::vector<std::unique_ptr<sim_node>> graveyard_;
};

/// Returns IDs in sequence.
std::vector<child_id> ids(int64_t first, int64_t count);

} // namespace director::net::test
