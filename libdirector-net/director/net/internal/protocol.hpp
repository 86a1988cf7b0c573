// How the nodes of a cluster keep one table.

#pragma once

#include "director/net/internal/ledger.hpp"
#include "director/net/internal/membership.hpp"
#include "director/net/placement.hpp"
#include "director/table.hpp"

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace director::net::internal {

/// Why a child must end on this node.
enum class departure : uint8_t {
  /// Another node runs it, by right.
  lost,
  /// This side has no majority.
  paused,
  /// It is to be started on another node.
  moved,
  /// The same, and time is up.
  overdue,
};

/// How a claim ended.
enum class claim_outcome : uint8_t {
  /// All nodes agree: this node is the author of the entry.
  granted,
  /// The local copy says no.
  refused,
  timed_out,
  no_quorum,
  /// This node knows only a part of the record.
  unreadable,
};

/// The world of a protocol.
class environment {
public:
  virtual ~environment();

  // -- other nodes ------------------------------------------------------------

  virtual void transmit(link_id to, uint64_t session, packet_ptr what) = 0;

  virtual void connect(const address& to) = 0;

  // -- the table of this node -------------------------------------------------

  /// An entry of another node is new or has changed.
  /// @param live whether its author is up, without which it has no director
  virtual void changed(const entry& now, bool live) = 0;

  virtual void removed(const child_id& id) = 0;

  /// A claim has been granted. Returns what this node says about the child
  /// (term and change are filled in later), nothing if it cannot take it.
  /// @param later whether it may be able to take it soon
  virtual std::optional<entry> take(uint64_t ticket, size_t index, bool& later)
    = 0;

  /// A claim has been refused. Returns false if the reason, which the local
  /// copy must know, is gone: then it is tried again.
  virtual bool refuse(uint64_t ticket, size_t index, claim_outcome why) = 0;

  /// All parts of a claim have been granted or refused.
  virtual void claim_done(uint64_t ticket) = 0;

  /// The own changes up to this one are in all copies.
  virtual void received_everywhere(uint64_t count) = 0;

  /// Children must end here. Unless lost, they are put back without director.
  virtual void depart(std::vector<child_id> ids, departure why) = 0;

  /// Children are to be started here.
  virtual void start(std::vector<child_id> ids) = 0;

  /// Returns how many directors this node has had so far, 0 if it has none now
  /// that could start children.
  virtual uint64_t directors() const = 0;

  /// Tells whether nothing is left here of a child that has no director.
  virtual bool may_give(const child_id& id) const = 0;

  // -- news -------------------------------------------------------------------

  virtual void node_changed(const peer& x) = 0;

  virtual void turned_away(const std::string& text) = 0;

  virtual void complain(const std::string& text) = 0;

  /// A child that had lost its node has got another one, or is gone.
  virtual void took_over() = 0;

  /// All children that had lost their nodes have got others.
  virtual void takeover_done(clock_type::duration time) = 0;

  virtual void conflict(const child_id& id) = 0;

  /// What could be handed over has been. The directors of this node are to end,
  /// with the rest of their children.
  virtual void end_directors() = 0;

  /// This node is done.
  virtual void has_left() = 0;
};

/// Settings of a protocol.
struct protocol_settings : member_settings {
  caf::timespan claim_timeout = std::chrono::seconds{10};
  placement_function placement;
  uint64_t random_seed = 1;
};

/// The state of one node: what it knows, what it asks for, what it has
/// promised. Deterministic; no threads, no clock, no input or output but
/// through its environment.
class protocol final : member_listener {
public:
  protocol(environment& env, protocol_settings settings);

  // -- events from outside ----------------------------------------------------

  void port(uint16_t x) {
    members_.port(x);
  }

  void start(time_point now);

  void connected(const address& to, link_id link, time_point now);

  void unreachable(const address& to, bool refused, time_point now);

  void found_self(const address& to, time_point now);

  void link_lost(link_id link, time_point now);

  /// @param session of the sender
  void receive(link_id from, uint64_t session, packet what, time_point now);

  /// A packet has arrived that cannot be read.
  /// @param session of the sender
  void illegible(link_id from, uint64_t session, time_point now);

  /// To be called once per heartbeat interval.
  void tick(time_point now);

  /// Returns when claims are to be tried again, if at all.
  std::optional<time_point> next_retry() const;

  void retry(time_point now);

  // -- events from this node --------------------------------------------------

  /// Asks for ownership of records. The environment hears of each item, then
  /// of the claim as a whole.
  void claim(uint64_t ticket,
             std::vector<std::pair<child_id, claim_mode>> items,
             time_point now);

  /// An own entry has changed. Returns false if it is not an own one.
  bool put(entry x);

  /// An own entry is gone.
  void erase(const child_id& id);

  /// A child that had to end because another node has it by right is gone.
  void ended(const child_id& id);

  /// This node cannot start children that it was offered.
  void declined(const std::vector<child_id>& ids);

  /// Sends what has gathered.
  void flush();

  /// Gives away what can be given away, has the rest ended, says goodbye, and
  /// tells the environment, no later than at the deadline.
  void leave(time_point now, time_point deadline);

  /// The directors of this node have ended since `environment::end_directors`,
  /// and what they have left behind is known here.
  void directors_ended();

  /// Has children spread evenly over the nodes, once no node is suspect and no
  /// child on its way to another one. All nodes know of it until it is done.
  void rebalance(time_point now);

  // -- state ------------------------------------------------------------------

  bool ready() const {
    return members_.ready();
  }

  bool paused() const noexcept {
    return paused_;
  }

  bool leaving() const noexcept {
    return leaving_;
  }

  /// Tells whether all that was asked for with `rebalance` is done, as far as
  /// this node knows.
  bool rebalanced() const noexcept {
    return rebalance_wanted_ <= rebalance_done_;
  }

  const membership& members() const noexcept {
    return members_;
  }

  const ledger& entries() const noexcept {
    return ledger_;
  }

  /// Returns how many children with a director a node is the author of.
  size_t children_of(node_key node) const;

  /// Returns the number of children that wait for a node.
  size_t homeless() const noexcept {
    return homeless_.size();
  }

  /// Tells whether an entry has a director that lives, as far as known.
  bool has_director(const entry& x) const {
    return x.director != 0 && members_.live(x.last.author);
  }

private:
  // -- member_listener --------------------------------------------------------

  void transmit(link_id to, uint64_t session, packet_ptr what) override;

  void connect(const address& to) override;

  void session_begun(peer& x) override;

  void came_up(peer& x) override;

  void went_down(peer& x) override;

  void turned_away(const std::string& text) override;

  void complain(const std::string& text) override;

  const horizon& seen() const override;

  void describe(heartbeat& beat) const override;

  // -- packets ----------------------------------------------------------------

  void handle(peer& from, hello& x);

  void handle(peer& from, refusal& x);

  void handle(peer& from, copy& x);

  void handle(peer& from, copy_request& x);

  void handle(peer& from, steps& x);

  void handle(peer& from, receipt& x);

  void handle(peer& from, ballot& x);

  void handle(peer& from, vote& x);

  void handle(peer& from, ballot_end& x);

  void handle(peer& from, heartbeat& x);

  void handle(peer& from, offer& x);

  void handle(peer& from, decline& x);

  void handle(peer& from, move_request& x);

  void handle(peer& from, bye& x);

  void handle(peer& from, internal::illegible& x);

  // -- entries ----------------------------------------------------------------

  /// Entries of dead nodes that nobody else may have are hidden.
  bool visible(const entry& x) const {
    return x.keep || members_.live(x.last.author);
  }

  /// Tells whether an entry is not visible, and will not be before its author
  /// has come back.
  bool is_hidden(const entry& x) const;

  void entry_changed(const entry* before, const entry* now, bool overruled);

  /// Keeps what follows from an entry up to date.
  void account(const entry* before, const entry* now);

  bool is_homeless(const entry& x) const;

  /// Returns whether that is news.
  bool note_homeless(const child_id& id, bool homeless);

  /// Another node has the child by right.
  void lose(const entry& x);

  /// Tells whether an instance that was overruled has yet to end.
  bool has_rival(const child_id& id) const;

  /// Settles claims that were overruled by, or made by, those who are down.
  void settle_overruled();

  void take_back(entry x);

  void send_copy(peer& to, node_key about, bool complete);

  /// Returns false if it is too early to ask again.
  bool ask_copy(peer& from, node_key about);

  /// Two nodes that have seen the same changes of one of them must know the
  /// same claims of it. A third one may have told one of them that a claim is
  /// over, and died before it could tell the other.
  void compare_claims(peer& from, uint64_t seen, uint64_t claims);

  /// @param replaced as in `step`.
  void publish(const entry& x, bool erased, change_id replaced = {});

  /// The last change of `x`, unless it was the claim, need not be sent any more
  /// if it has not been: the next one says all. Returns it if so.
  const entry* overtake(const entry& x);

  void check_received();

  /// Returns how many of the own changes are in all copies.
  uint64_t received_by_all() const;

  // -- claims -----------------------------------------------------------------

  struct candidate {
    uint64_t ticket = 0;
    uint32_t index = 0;
    child_id id;
    claim_mode mode = claim_mode::fresh;
    change_id base;
    bool busy = false;
  };

  /// Claims on which the other nodes vote.
  struct open_ballot {
    std::vector<candidate> items;
    std::set<node_key> waiting;
    /// Votes cast by others, and how many of them count for the majority.
    size_t votes = 0;
    size_t voters = 0;
    time_point sent{};
  };

  struct pending_claim {
    size_t open = 0;
    time_point deadline{};
    int rounds = 0;
  };

  /// Whom a record is promised to.
  struct promise {
    node_key claimant = 0;
    uint64_t ballot = 0;
  };

  /// Tells whether the local copy allows a claim.
  bool eligible(const child_id& id, claim_mode mode) const;

  /// Puts all that waits to the vote, unless a vote is under way: claims that
  /// come meanwhile share the next ballot.
  void open_queued();

  void open(std::vector<candidate> items);

  void send_ballot(uint64_t number, const open_ballot& x, const peer& to);

  void count_votes(uint64_t number);

  void close_ballot(uint64_t number, open_ballot x);

  /// Tries a candidate again later.
  void postpone(candidate x);

  void finish(candidate x, claim_outcome how);

  /// Tells whether a child of this node has yet to end, also if its director or
  /// its record is gone.
  bool still_here(const child_id& id) const;

  bool grants(const peer& to, const ballot& x, size_t index);

  void release(node_key claimant, uint64_t ballot);

  void refuse_all(claim_outcome why);

  // -- children without a node ------------------------------------------------

  struct errand {
    node_key target = 0;
    time_point until{};
    /// Where the child could not be started.
    std::set<node_key> tried;
  };

  /// An offer that cannot be taken up yet.
  struct early_offer {
    /// See `offer_item`.
    uint64_t term = 0;
    time_point until{};
  };

  /// Starts what this node was offered and, by now, knows to have lost its
  /// node: others may notice that earlier.
  void start_offered();

  /// See `heartbeat::directors`.
  uint64_t open_directors() const;

  /// Tells whether this node decides where children go.
  bool coordinates() const;

  std::vector<placement_node> candidates() const;

  void place();

  /// Asks the placement; where it fails, the default decides.
  std::vector<node_key> choose(const std::vector<placement_child>& children,
                               const std::vector<placement_node>& nodes);

  void offer_to(node_key target, std::vector<child_id> ids);

  /// Turns offers down for good.
  void tell_decline(const std::vector<child_id>& ids);

  void note_decline(node_key by, const std::vector<child_id>& ids,
                    bool for_good);

  /// A node has got another director, which may know what all others lack.
  void ask_again(node_key by);

  /// An offer has come to nothing.
  void place_again(const child_id& id, errand& x);

  /// A child that is to change its node.
  struct planned_move {
    /// The claim of the node that has it still.
    change_id claim;
    node_key to = 0;
  };

  /// A rebalance that this node carries out.
  struct rebalance_plan {
    uint64_t wanted = 0;
    time_point until{};
    /// When children are asked for again.
    time_point next{};
  };

  void hear_rebalance(const peer& from, uint64_t wanted, uint64_t done);

  /// Carries on with what `rebalance` asks for.
  void continue_rebalance();

  /// Tells whether it is known who lives.
  bool all_known() const;

  /// Tells whether no child is about to change its node, and all nodes take
  /// part.
  bool all_settled() const;

  /// Tells whether a child has been told to move and has yet to end, or has
  /// ended and waits for its node.
  bool on_its_way(const entry& x) const;

  void plan_moves();

  void order_moves();

  /// What is on its way stays so.
  void drop_plan();

  void depart(node_key from, std::vector<child_id> ids);

  void watch_quorum();

  void check_leaving();

  environment& env_;
  protocol_settings settings_;
  membership members_;
  ledger ledger_;
  time_point now_{};
  uint64_t ticks_ = 0;
  uint64_t random_;

  struct unsent_step {
    step what;
    /// Has been made superfluous by a later one.
    bool overtaken = false;
  };

  /// All changes since the last packet, without gap.
  std::vector<unsent_step> outbox_;
  uint64_t received_ = 0;

  std::map<uint64_t, pending_claim> claims_;
  std::vector<candidate> queued_;
  std::map<uint64_t, open_ballot> ballots_;
  uint64_t last_ballot_ = 0;
  std::multimap<time_point, candidate> postponed_;
  std::unordered_map<child_id, promise> promises_;
  std::map<std::pair<node_key, uint64_t>, std::vector<child_id>> promised_;

  std::unordered_map<node_key, size_t> owned_;
  std::unordered_set<child_id> homeless_;
  /// Those of them that nobody has been offered.
  std::unordered_set<child_id> unplaced_;
  std::unordered_map<child_id, errand> errands_;
  /// Those of the plan, and of earlier ones if they are on their way.
  std::unordered_map<child_id, planned_move> moves_;
  std::unordered_map<child_id, early_offer> offered_;
  std::optional<time_point> homeless_since_;
  bool place_soon_ = false;
  /// See `heartbeat`.
  uint64_t rebalance_wanted_ = 0;
  uint64_t rebalance_done_ = 0;
  std::optional<rebalance_plan> plan_;
  /// When a plan is made even if not all is settled.
  std::optional<time_point> plan_at_;
  /// What the others have been told.
  uint64_t directors_ = 0;
  bool paused_ = false;
  bool leaving_ = false;
  bool ending_directors_ = false;
  bool directors_ended_ = false;
  bool left_ = false;
  time_point leave_deadline_{};
  /// Own children that were told to end and have not been put back yet.
  std::unordered_set<child_id> departing_;
  /// Own children that have yet to end because they were overruled.
  std::unordered_map<child_id, entry> losing_;
};

} // namespace director::net::internal
