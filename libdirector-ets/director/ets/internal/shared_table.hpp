// The storage of a table and its rules.

#pragma once

#include "director/ets/detail/events.hpp"
#include "director/ets/internal/counters.hpp"
#include "director/ets/internal/replica.hpp"
#include "director/ets/internal/store.hpp"
#include "director/ets/table.hpp"

#include <caf/actor_addr.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

namespace director::ets::internal {

/// A child record with what the table itself needs.
struct shared_record {
  child_record value;
  /// Position among the rows of the owner.
  uint32_t place = 0;
  /// Tells records apart that have had the same row, one after the other.
  uint32_t generation = 0;
  /// Number of the orphan if the owner has died and the actor is yet to
  /// follow, else 0.
  uint64_t orphan = 0;
  /// Whether an orphan is to be started by another director.
  bool wanted = false;
  /// The actor of a child that another node runs.
  remote_actor where = {};
};

struct id_of {
  const child_id& operator()(const shared_record& x) const noexcept {
    return x.value.id;
  }
};

/// Asks for the changes from here on.
struct subscription {
  caf::actor_addr subscriber;
  change_filter filter;
};

/// Asks for no more changes.
struct unsubscription {
  caf::actor_addr subscriber;
};

/// What the actor behind the table passes on, in order.
using feed_item = std::variant<change, subscription, unsubscription>;

/// What every thread may call. The order of locks: seat, then the map of
/// seats, then shard, then row, then the lists of feed, parked claims and
/// homeless children.
class shared_table final : public table {
public:
  /// @param hooks `nullptr` unless the table is one of several copies.
  shared_table(caf::actor_system& system, std::string name,
               table_options options,
               std::shared_ptr<replica_hooks> hooks = nullptr);

  /// Introduces the actor behind the table. Comes before anything else.
  void keeper(const caf::actor& x) {
    keeper_ = x.address();
  }

  const table_options& options() const noexcept {
    return options_;
  }

  // -- table ------------------------------------------------------------------

  const std::string& name() const noexcept override {
    return name_;
  }

  table_actor handle() const override;

  void subscribe(const caf::actor& subscriber, change_filter filter) override;

  void unsubscribe(const caf::actor& subscriber) override;

  std::optional<child_record> find(const child_id& id) const override;

  void visit(const std::function<void(const child_record&)>& fn) const override;

  child_counts count_children() const override;

  caf::expected<caf::actor> get_actor(const child_id& id) const override;

  caf::error attach(table_client& client) override;

  void detach(table_client& client) override;

  void abandon(table_client& client) override;

  write_result claim(table_client& client,
                     std::vector<claim_item>& items) override;

  write_result put(table_client& client,
                   std::span<const put_item> items) override;

  write_result erase(table_client& client,
                     std::span<const row_id> rows) override;

  void declined(table_client& client, const child_id& id) override;

  void close() override;

  // -- for the actor behind the table -----------------------------------------

  /// Returns the name under which the actor behind a table is registered.
  static std::string registered_name(const std::string& table_name);

  std::string registered_name() const;

  /// Abandons the director with this address, unless it has left.
  void abandon(const caf::actor_addr& client);

  /// Does all of `close` but for the name, which a dead actor does not block.
  void end();

  /// Does the first part of `end`: the directors are told to end, and nobody
  /// writes any more.
  void end_directors();

  /// An orphan is gone.
  void bury(const detail::orphan_gone_event& x);

  /// An orphan had time enough. Returns its record unless it is gone.
  std::optional<child_record> give_up(const detail::orphan_gone_event& x);

  /// Tries claims again that had to wait for orphans.
  void retry();

  /// Offers children that have no director to those that are there.
  void assign();

  /// Takes what has gathered since the last call.
  /// @param overrun whether changes were lost because there were too many.
  std::vector<feed_item> feed(bool& overrun);

  /// Ends what `feed` returns: subscriptions are refused from now on.
  void end_feed();

  /// Notes that a subscription has ended.
  void lost_subscriber() {
    subscribers_.fetch_sub(1, std::memory_order_relaxed);
  }

  // -- for tables that are one of several copies ------------------------------

  /// What is to be destroyed when all locks are free, those of the caller, too.
  struct leftovers {
    std::vector<child_record> records;
    std::vector<caf::actor> actors;
  };

  /// Takes over what another node says about a child.
  void apply(child_record now, const remote_actor& where);

  /// Removes what another node has removed.
  void remove(const child_id& id);

  /// Claims one record. Returns false if that is not possible just now.
  bool try_claim(table_client& client, claim_item& item, leftovers& garbage);

  /// Returns how many directors have used the table so far, 0 if none does now.
  uint64_t directors() const;

  /// Tells whether there are no directors, and nothing of those that were
  /// there runs or is yet to be settled.
  bool deserted() const;

  /// Has children started by those directors that have the fewest. Returns
  /// those that all directors have declined.
  std::vector<child_id> offer(const std::vector<child_id>& ids);

  /// Notes that a director cannot start a child.
  void note_declined(const table_client& client, const child_id& id);

  /// Tells whether there are directors, and all have declined a child.
  bool all_decline(const child_id& id) const;

  /// Has children ended by their directors; by whoever has them if their
  /// records belong to another node already.
  void hand_over(const hand_over_request& what);

  /// Returns the number of the node that manages a child, nothing if there is
  /// no such child, or nobody manages it.
  std::optional<uint32_t> node_of(const child_id& id) const;

private:
  using store_type = store<shared_record, id_of, std::hash<child_id>>;

  /// A director that uses the table.
  struct seat {
    std::mutex mutex;
    /// Is `nullptr` once the director has left.
    table_client* client = nullptr;
    caf::actor_addr address;
    std::vector<row_index> rows;
    /// Children whose functions it does not know.
    std::unordered_set<child_id> declined;
  };

  using seat_ptr = std::shared_ptr<seat>;

  /// What a director has, and what it is to be asked to start.
  struct load {
    seat_ptr who;
    size_t children;
    std::unordered_set<child_id> declined;
    std::vector<child_id> offer;
  };

  /// A claim that waits for orphans.
  struct parked_claim {
    seat_ptr who;
    uint64_t ticket;
    std::vector<claim_item> items;
    std::vector<size_t> blocked;
  };

  seat_ptr find_seat(const table_client& client) const;

  std::vector<seat_ptr> all_seats() const;

  std::vector<load> all_loads() const;

  /// Adds a child to the smallest load, but not to that of a director that has
  /// declined it. Returns that director, `nullptr` if there is none.
  static seat_ptr add_to_smallest(std::vector<load>& loads, const child_id& id);

  /// Asks a director to start what it is offered. Returns false if it has left.
  static bool make_offer(load& x);

  /// Settles the records of a director that leaves.
  void leave(const seat_ptr& who, bool died);

  /// Removes the record of a child that has never been started.
  void discard(row_index row, const child_id& id);

  /// Settles one record.
  void settle(row_index row, const caf::actor_addr& owner, bool died,
              std::vector<detail::orphan>& orphans);

  /// Removes or releases the record of a child that is gone.
  /// What is to be destroyed when all locks are free goes to `garbage`.
  /// @param wanted whether another director is to start it.
  void release_row(store_type::entry& entry, bool wanted,
                   child_record& garbage);

  /// Returns whether there is an answer already.
  bool claim_one(seat& who, claim_item& item, leftovers& garbage);

  /// Takes a row off the list of its owner.
  void disown(seat& who, row_index row);

  std::optional<child_id> id_at(row_index row);

  /// Returns the director of this node that owns a record, if any.
  seat_ptr seat_of(const child_id& id) const;

  /// Takes a record off the list of its owner.
  void withdraw(const child_id& id);

  /// Returns the handle of a child of another node that nobody has read, but
  /// of whose end subscribers are to hear.
  caf::actor unread_handle(const child_id& id) const;

  /// Fills in the handle of a child of another node.
  void complete(child_record& x, const remote_actor& where) const;

  /// Keeps counts, subscribers and other copies up to date; comes before the
  /// change.
  void note(const child_record& from, const child_record& to);

  /// As `note`, but for other copies.
  void count_change(const child_record& from, const child_record& to);

  void count_removal(const child_record& x);

  void note_insert(const child_record& x);

  void note_remove(const child_record& x);

  bool watched() const noexcept {
    return subscribers_.load(std::memory_order_relaxed) > 0;
  }

  /// Returns false once the feed has ended.
  bool emit(feed_item item);

  template <class Event>
  void tell_keeper(Event event) const;

  caf::actor_system& system_;
  std::string name_;
  table_options options_;
  std::shared_ptr<replica_hooks> hooks_;
  caf::actor_addr keeper_;
  // Reading may complete a handle.
  mutable store_type store_;
  counters counters_;
  std::atomic<bool> closed_ = false;
  /// Nobody is left to wait for orphans.
  std::atomic<bool> ended_ = false;

  mutable std::mutex seats_mutex_;
  std::unordered_map<const table_client*, seat_ptr> seats_;
  uint64_t directors_ = 0;
  /// Directors that have no seat any more, but whose records are not settled.
  std::atomic<size_t> settling_ = 0;

  std::mutex parked_mutex_;
  std::vector<parked_claim> parked_;
  std::atomic<uint64_t> last_ticket_ = 0;
  std::atomic<uint32_t> last_generation_ = 0;
  std::atomic<uint64_t> last_orphan_ = 0;

  /// Children to be started by another director, with the one that was asked
  /// to do so, if any.
  std::mutex homeless_mutex_;
  std::unordered_map<child_id, seat_ptr> homeless_;
  std::atomic<size_t> homeless_count_ = 0;

  std::atomic<size_t> subscribers_ = 0;
  std::mutex feed_mutex_;
  std::vector<feed_item> feed_;
  std::vector<feed_item> lost_;
  bool feed_announced_ = false;
  bool overrun_ = false;
  bool feed_ended_ = false;
};

} // namespace director::ets::internal
