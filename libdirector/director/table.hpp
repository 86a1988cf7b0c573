// The contract between directors and the tables that keep their children.

#pragma once

#include "director/child_record.hpp"
#include "director/errc.hpp"
#include "director/fwd.hpp"

#include <caf/actor_addr.hpp>
#include <caf/error.hpp>
#include <caf/expected.hpp>
#include <caf/timespan.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace director {

/// Position of a record inside its table, given out by `table::claim` and
/// valid until the record is erased. Owners name their records by it, so that
/// no write has to search.
using row_id = uint64_t;

/// Which records a claim may take.
enum class claim_mode : uint8_t {
  /// Only an ID that the table does not hold yet.
  fresh,
  /// Only a record without owner.
  adopt,
  /// Either.
  any,
};

/// One record to claim. The director fills in the upper half, the table the
/// lower.
struct claim_item {
  /// In: `id`, `spec`, `args`, `own`, `slot`. Out: the record as it now stands
  /// in the table. A fresh record has status `restarting`; an adopted one
  /// keeps its counts, and takes the spec given here unless that is `nullptr`.
  child_record record;
  claim_mode mode = claim_mode::fresh;

  row_id row = 0;
  /// Whether the record is new.
  bool fresh = false;
  /// Empty on success. `already_started` (with handle) or `already_present`
  /// for a known ID in mode `fresh`; `not_found` in mode `adopt`; `not_parent`
  /// when the record belongs to another director; `running` while the actor of
  /// a record without owner lives, or `unresponsive` if it refuses to die.
  caf::error err;
};

/// One record to overwrite.
struct put_item {
  row_id row;
  /// Never `nullptr`; valid during the call. An empty `owner` releases the
  /// record.
  const child_record* record;
  /// Whether somebody who has asked for the start of the child hears of it when
  /// this write is complete. A table with copies elsewhere completes it when
  /// they have it.
  bool awaited = false;
};

/// Outcome of a write, or the ticket under which it will be announced.
class write_result {
public:
  /// The write is done.
  static write_result done() {
    return {};
  }

  /// The write was refused as a whole.
  static write_result failed(caf::error err) {
    write_result result;
    result.err_ = std::move(err);
    return result;
  }

  /// `table_client::completed` will announce the outcome under this ticket,
  /// which is not 0 and which the table does not use again.
  static write_result pending(uint64_t ticket) {
    write_result result;
    result.ticket_ = ticket;
    return result;
  }

  /// Returns 0 unless the write is pending.
  uint64_t ticket() const noexcept {
    return ticket_;
  }

  const caf::error& err() const noexcept {
    return err_;
  }

private:
  uint64_t ticket_ = 0;
  caf::error err_;
};

/// Children that a director is to give up.
struct hand_over_request {
  std::vector<child_id> ids;
  /// Exit reason of the children. Empty: `caf::exit_reason::user_shutdown`.
  caf::error reason;
  /// Whether the records are still those of the director, which releases them
  /// when the children are gone. If not, they belong to somebody else already,
  /// and the director writes nothing more about these children.
  bool release = true;
  /// Upper limit of the time that the children get before they are killed,
  /// which is their `terminate_timeout` otherwise. 0 kills at once.
  caf::timespan limit = caf::infinite;
};

/// What a table knows of a director that uses it. The director keeps this
/// object alive from `attach` to `detach`; tables may call it from any thread.
class table_client {
public:
  virtual ~table_client();

  /// Returns the address that stands as owner in the records of the director.
  virtual const caf::actor_addr& address() const noexcept = 0;

  /// Announces the outcome of a pending write. For claims, `items` are those
  /// of the call, filled in; otherwise it is empty.
  virtual void
  completed(uint64_t ticket, caf::error err, std::vector<claim_item> items)
    = 0;

  /// Asks the director to adopt and start these children, whose director has
  /// died. Only tables with failover call this. What the director does not
  /// claim, because it ends for example, stays without owner.
  virtual void take_over(std::vector<child_id> ids) = 0;

  /// Asks the director to end these children and to forget them, without
  /// asking their plans. IDs that it does not have are ignored. What it
  /// releases, it puts with empty owner and handle: with status `restarting` if
  /// the child ran or was to be started, so that the table can have it started
  /// elsewhere, `undefined` if it was stopped. A child that turns unresponsive
  /// is released once it has died. A second request can shorten the time that
  /// a child gets.
  ///
  /// A director that ends already does not wait with these children for their
  /// turn; what it would release, it leaves to `table::detach`. A suspended
  /// director kills these children at once if `limit` is 0 or `release` is
  /// false, and does the rest when it is resumed.
  virtual void hand_over(hand_over_request what) = 0;

  /// Announces that the table is broken or closed. The director ends.
  virtual void failed(caf::error reason) = 0;
};

/// Keeps child records. Any number of directors may share one; each writes
/// only records it owns, and takes ownership only by `claim`, which is atomic.
///
/// Errors: `errc::table_failed` and `errc::table_closed` are hard, the
/// director ends with them. Everything else is soft: it is answered to whoever
/// asked for the operation, or reported if nobody did, and the table must be
/// as if the write had never been tried.
///
/// Writes may complete later (`write_result::pending`); the director serves
/// others meanwhile. Writes to one row take effect in the order of the calls.
///
/// Threads: the writes of one director come from one thread at a time. A table
/// that is shared must allow writes of different directors, and reads from any
/// thread, at the same time. Reads never block for long, never ask anybody,
/// and never see a half-written record.
///
/// The conformance kit (CMake target `director::test`) checks all this.
class table {
public:
  virtual ~table();

  // -- reads ------------------------------------------------------------------

  /// Returns a copy of the record of `id`.
  virtual std::optional<child_record> find(const child_id& id) const = 0;

  /// Calls `fn` for each record, in no particular order. `fn` must not call
  /// the table, nor wait for anybody: the owner of the record may be held up.
  virtual void
  visit(const std::function<void(const child_record&)>& fn) const = 0;

  /// Counts records by kind, in constant time.
  virtual child_counts count_children() const = 0;

  // -- writes -----------------------------------------------------------------

  /// Introduces a director; comes before all its writes.
  virtual caf::error attach(table_client& client) = 0;

  /// Says goodbye. Settles all records that `client` still owns: those with
  /// `delete_before_terminate` vanish, the others lose their owner and get
  /// status `undefined`. Records with status `unresponsive` only lose their
  /// owner. Pending writes of `client` are forgotten.
  virtual void detach(table_client& client) = 0;

  /// Takes leave of a director that dies without having ended, and whose
  /// children have been killed but may live for another moment. A shared table
  /// must not give their IDs away before they are gone. Default: `detach`.
  virtual void abandon(table_client& client);

  /// Tells that `client`, asked to take over a child, cannot: its catalog
  /// lacks the start function, the plan or the log filter of that child. It
  /// has claimed and released the record, which has status `undefined` now.
  /// A table may ask another director. Default: nothing.
  virtual void declined(table_client& client, const child_id& id);

  /// Takes ownership of records, each by itself; at most one claimant wins a
  /// record. A pending claim moves `items` away and gives them back to
  /// `table_client::completed`.
  virtual write_result
  claim(table_client& client, std::vector<claim_item>& items)
    = 0;

  /// Overwrites records that `client` owns, all or none.
  virtual write_result
  put(table_client& client, std::span<const put_item> items)
    = 0;

  /// Removes records that `client` owns, all or none. A row may be named more
  /// than once.
  virtual write_result erase(table_client& client, std::span<const row_id> rows)
    = 0;

  /// Ends the table's life: every further write fails with `table_closed`,
  /// and attached directors are told, who still detach. Reads go on. Serves
  /// `director_options::delete_table`.
  virtual void close() = 0;

  // -- derived reads ----------------------------------------------------------

  /// Returns the number of records.
  size_t size() const;

  /// Returns the live actor of a child.
  /// Errors: `not_found`, `restarting`, `undefined`.
  virtual caf::expected<caf::actor> get_actor(const child_id& id) const;

  /// Returns all children that run.
  std::vector<child_handle> get_actors() const;

  /// Lists all records.
  std::vector<child_info> which_children() const;

  /// Returns the complete spec of a child. Errors: `not_found`.
  caf::expected<child_spec> get_child_spec(const child_id& id) const;

  /// Returns the number of starts after the first. Errors: `not_found`.
  caf::expected<uint64_t> get_restart_count(const child_id& id) const;
};

/// Shared by the directors that use the table and by its readers.
/// @relates table
using table_ptr = std::shared_ptr<table>;

/// Renders one line per record, ordered by ID: ID, type, status, restarts, and
/// the director that owns it.
/// @relates table
std::string to_string(const table& x);

/// Tells whether an actor has not ended yet, as far as can be known.
/// @relates table
bool is_alive(const caf::actor& handle) noexcept;

/// Fills in the outcome of claiming `item` for a table that holds `existing`
/// (`nullptr` if the ID is new), on behalf of `owner`. Tables call this to
/// decide a claim; storing `item.record` on success is left to them.
/// @relates table
void decide_claim(claim_item& item, const child_record* existing,
                  const caf::actor_addr& owner);

/// Overwrites a stored record with `from`, which has the same ID. Cheaper than
/// an assignment when little has changed. Returns what was replaced: a table
/// must not destroy that while it holds a lock, because the end of an actor or
/// of a message runs code of the application.
/// @relates table
child_record overwrite(child_record& to, const child_record& from);

/// Tells whether `detach` erases a record (as opposed to releasing it).
/// @relates table
bool vanishes_on_detach(const child_record& x) noexcept;

/// Changes a record as `detach` does for those it keeps.
/// @relates table
void release(child_record& x);

} // namespace director
