// The engine: all decisions of a director, no scheduling.

#pragma once

#include "director/callbacks.hpp"
#include "director/child_record.hpp"
#include "director/detail/events.hpp"
#include "director/internal/tracer.hpp"
#include "director/options.hpp"
#include "director/table.hpp"

#include <caf/actor.hpp>
#include <caf/error.hpp>
#include <caf/expected.hpp>
#include <caf/message.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <queue>
#include <random>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace director::internal {

using clock_type = std::chrono::steady_clock;

using time_point = clock_type::time_point;

/// Names a request that is to be answered; 0 for nobody.
using request_id = uint64_t;

using detail::child_ref;

/// What a request is answered with.
using answer
  = std::variant<caf::unit_t, started, std::vector<child_outcome>, caf::error>;

/// What is measured.
enum class metric : uint8_t { children, starts, restarts, crashes };

/// Everything an engine can do to the outside. The director actor implements
/// it on CAF, tests implement it with a manual clock.
class world {
public:
  virtual ~world();

  virtual time_point now() = 0;

  /// Calls a start function. May throw.
  virtual start_result start(const start_function::callable_type& fn,
                             const child_record& child,
                             const caf::message& args)
    = 0;

  /// Leads to one `engine::child_exited` when the actor has ended, also if it
  /// already has.
  virtual void watch(child_ref child, const caf::actor& handle) = 0;

  /// Takes `watch` back. A late event is allowed.
  virtual void unwatch(const caf::actor& handle) = 0;

  /// Leads to at most one `engine::child_ready`.
  virtual void ask_ready(child_ref child, const caf::actor& handle) = 0;

  /// Asks the actor to end with `reason`.
  virtual void shut_down(const caf::actor& handle, const caf::error& reason)
    = 0;

  /// Makes the actor end before it looks at the rest of its mailbox.
  virtual void kill(const caf::actor& handle) = 0;

  /// Tells the actor who supervises it now.
  virtual void tell_parent(const caf::actor& handle) = 0;

  /// Tells whether the actor lives on this node.
  virtual bool local(const caf::actor& handle) = 0;

  /// Tells whether the actor has not ended yet, as far as can be known.
  virtual bool alive(const caf::actor& handle) = 0;

  /// Leads to `engine::time_passed` at `when`. Replaces the last call.
  virtual void wake_at(time_point when) = 0;

  /// Leads to one `engine::turn`, behind the messages that wait already.
  virtual void wake_soon() = 0;

  /// Answers a request. Comes once for each request other than 0.
  virtual void reply(request_id request, answer&& value) = 0;

  /// Adds to a counter or gauge.
  virtual void measure(metric what, int64_t amount) = 0;

  /// Records the time from an exit to the replacement.
  virtual void measure_restart(clock_type::duration value) = 0;

  /// The director has ended. Comes once; only replies may follow.
  virtual void end(const caf::error& reason) = 0;
};

/// All decisions of a director. Deterministic: what it does follows from the
/// calls made to it, the answers of the world, the table, and the seed in its
/// options. Not safe for concurrent use. Functions that take a `request_id`
/// lead to one `world::reply`, at once or later.
class engine {
public:
  engine(world& outside, table_client& client, callbacks hooks,
         director_options options);

  engine(const engine&) = delete;

  engine& operator=(const engine&) = delete;

  ~engine();

  // -- beginning and end ------------------------------------------------------

  /// Runs `callbacks::init` and starts what it gave. Comes first.
  void init(const caf::message& arg);

  /// Answers when all children of `init` have started, or with the error why
  /// the director could not start, once everything is undone.
  void await_up(request_id request);

  /// Ends the director with `reason`.
  void stop(request_id request, caf::error reason);

  /// Kills all children and lets go of the table: the director dies without
  /// having ended. Sends no replies.
  void abandon();

  // -- requests ---------------------------------------------------------------

  void start_child(request_id request, child_spec spec);

  void start_children(request_id request, std::vector<child_spec> specs,
                      bool all_or_nothing);

  void restart_child(request_id request, const child_id& id);

  /// Terminates a child and keeps (or erases) its record.
  void terminate_child(request_id request, const child_id& id, bool erase);

  void terminate_child(request_id request, const caf::actor& handle,
                       bool erase);

  void delete_child(request_id request, const child_id& id);

  void delete_running_child(request_id request, const caf::actor& handle);

  void become_supervisor(request_id request, const caf::actor& handle,
                         child_spec spec);

  void change_plan(request_id request, const child_id& id, plan_function plan);

  void change_log_filter(request_id request, const child_id& id,
                         log_filter_function filter);

  void change_log_filter(request_id request, log_filter_function filter);

  void change_default_child_spec(request_id request, child_spec spec);

  /// Runs `callbacks::init` again: children that run keep running, and new
  /// specs apply at their next start. New IDs are added without being started.
  void reload(request_id request);

  // -- reads ------------------------------------------------------------------

  caf::expected<child_spec> get_child_spec(const caf::actor& handle) const;

  caf::expected<plan_function> get_plan(const child_id& id) const;

  const child_spec& default_spec() const noexcept {
    return default_;
  }

  const director_options& options() const noexcept {
    return options_;
  }

  const director::table& children() const noexcept {
    return *options_.table;
  }

  /// Tells whether the actor is a child of this director, or was one lately.
  bool supervises(const caf::actor_addr& source) const;

  bool ending() const noexcept {
    return ending_;
  }

  caf::message& state() noexcept {
    return state_;
  }

  // -- events -----------------------------------------------------------------

  void child_exited(child_ref child, const caf::error& reason);

  /// The child answered the ready request, perhaps with an error.
  void child_ready(child_ref child, caf::expected<caf::message> extra);

  void time_passed();

  void turn();

  void write_completed(uint64_t ticket, caf::error err,
                       std::vector<claim_item> items);

  void table_failed(caf::error reason);

  /// Adopts and starts children whose director has died, as far as nobody else
  /// has done so. Waits until this director is up.
  void take_over(std::vector<child_id> ids);

  /// Ends children for good: whatever else is to happen to them is up to the
  /// table. Returns the IDs that no child has, as far as is known yet.
  std::vector<child_id> hand_over(hand_over_request what);

  void unexpected(std::string_view text);

  // -- tracing ----------------------------------------------------------------

  caf::error trace(trace_options options);

  /// Returns `nullptr` while nothing is traced.
  tracer* tracing() noexcept {
    return tracer_.get();
  }

private:
  enum class phase : uint8_t {
    /// The slot is not in use.
    free,
    /// The table has yet to agree.
    claiming,
    /// The start function is yet to be called.
    queued,
    /// The actor lives but has yet to answer the ready request.
    awaiting,
    running,
    /// A timer leads to the next start.
    delayed,
    /// The next turn asks the plan about a failed restart.
    retrying,
    /// Not running, nothing scheduled.
    stopped,
    /// Was asked to end.
    stopping,
    /// Was killed.
    killing,
    /// Has not even reacted to the kill.
    unresponsive,
    /// The table has yet to remove the record.
    erasing,
    /// The table has yet to take the record back.
    releasing,
  };

  /// Who asked for the start under way.
  enum class origin : uint8_t { request, restart_request, plan };

  /// What to do when a child that is being stopped is gone.
  enum class goal : uint8_t {
    /// Keep the record.
    keep,
    erase,
    /// The child failed to start: `errand::cause` says why.
    fail_start,
  };

  /// What becomes of the record of a child that is handed over.
  enum class farewell : uint8_t {
    /// The child is not handed over.
    none,
    /// It is settled with all others, because the director ends.
    detach,
    /// It goes back to the table.
    release,
    /// It is somebody else's already, and must not be written.
    lost,
  };

  static constexpr uint32_t no_slot = std::numeric_limits<uint32_t>::max();

  struct batch;

  /// Who gets the outcome of a start or stop.
  struct waiter {
    request_id request = 0;
    batch* group = nullptr;
    size_t index = 0;

    explicit operator bool() const noexcept {
      return request != 0 || group != nullptr;
    }
  };

  /// What few children have at a time.
  struct errand {
    waiter start;
    /// Who waits for the child to be gone.
    std::vector<waiter> stops;
    caf::error cause;
    /// An actor that lives already and is to become the child.
    caf::actor given;
    /// Set while the child is handed over.
    caf::error exit_reason;
    caf::timespan time_to_end = caf::infinite;
  };

  struct slot {
    child_record record;
    caf::message state;
    row_id row = 0;
    /// Place in the order of creation.
    uint64_t order = 0;
    /// When the child started or, while it does not run, when it went down.
    time_point since{};
    std::unique_ptr<errand> tasks;
    uint32_t generation = 0;
    uint32_t timer = 0;
    uint32_t recent = 0;
    phase at = phase::free;
    origin from = origin::request;
    goal then = goal::keep;
    farewell leaves = farewell::none;
    /// Status of the record once it is released.
    child_status leaves_as = child_status::undefined;
    bool from_init = false;
    /// Whether this director has created the record.
    bool fresh = false;
    /// Whether the child counts as running in the metrics.
    bool counted = false;
    bool filter_broken = false;
  };

  /// Names a slot for as long as one child lives there.
  struct member {
    uint32_t slot = no_slot;
    uint64_t order = 0;
  };

  /// Starts that belong together.
  struct batch {
    enum class kind : uint8_t { one, many, init, adoption, takeover };
    kind what = kind::one;
    request_id request = 0;
    bool all_or_nothing = false;
    /// Outcomes in the order of the specs.
    std::vector<child_outcome> outcomes;
    /// The children, as far as the table granted them.
    std::vector<member> members;
    size_t next = 0;
    /// Members whose outcome is open.
    size_t open = 0;
    bool undoing = false;
    /// Further members are to be started in the next turn.
    bool due = false;
  };

  struct timer_entry {
    time_point when;
    child_ref child;
    uint32_t timer;

    friend bool operator>(const timer_entry& x, const timer_entry& y) noexcept {
      return x.when > y.when;
    }
  };

  enum class launch_result : uint8_t { open, up, declined, failed };

  // -- slots ------------------------------------------------------------------

  uint32_t allocate();

  void free_slot(uint32_t index);

  child_ref ref(uint32_t index) const {
    return {index, slots_[index].generation};
  }

  /// Returns the slot if `child` is not stale, `nullptr` otherwise.
  slot* find_slot(child_ref child);

  /// Returns the slot unless the child has left it, `nullptr` otherwise.
  slot* find_slot(member child);

  errand& tasks(slot& x) {
    if (!x.tasks)
      x.tasks = std::make_unique<errand>();
    return *x.tasks;
  }

  bool is_mine(const child_record& record) const {
    return record.owner && record.owner == client_.address();
  }

  /// Changes the spec of an own child and the part it adds to the default.
  template <class F>
  void change_spec(request_id request, const child_id& id, F fn);

  /// Returns the slot of an own child or why there is none.
  caf::expected<uint32_t> own_slot(const child_id& id) const;

  caf::expected<uint32_t> own_slot(const caf::actor& handle) const;

  /// Calls `fn(index)` for the slot of `id`, after taking over a record
  /// without owner, or answers `request` with the error.
  template <class F>
  void with_slot(request_id request, const child_id& id, F fn);

  /// Fills in the parts of `record` that follow from `spec`.
  void apply_spec(child_record& record, child_spec spec) const;

  /// Reserves a slot and fills in the claim for a spec.
  claim_item prepare(child_spec spec, claim_mode mode);

  /// Fills the slot of a claim that was granted, frees that of one that was
  /// not. Returns whether it was granted.
  bool take(claim_item& item, const caf::error& err);

  /// Replaces the default child spec and what follows from it.
  void rederive(child_spec spec);

  /// Returns the slot of a child, `no_slot` if the actor is none.
  uint32_t slot_of(const caf::actor& handle) const;

  /// Notes the actor of a child. Returns false if it is one already.
  bool set_handle(uint32_t index, const caf::actor& handle);

  void drop_handle(uint32_t index);

  /// Takes a child off the gauge.
  void uncount(slot& x);

  /// Checks the spec of a new child.
  caf::error check_new(const child_spec& spec) const;

  // -- writes -----------------------------------------------------------------

  /// Calls `fn(err)` when the write is done. A hard error ends the director,
  /// before `fn` sees it.
  template <class F>
  void after(write_result result, F fn);

  /// Claims records and calls `fn(err, items)` when that is done.
  template <class F>
  void after_claim(std::vector<claim_item> items, F fn);

  /// Writes the record; a soft error is only reported.
  void store(uint32_t index);

  /// Writes the record, then calls `fn(err)`.
  template <class F>
  void store_then(uint32_t index, F fn);

  /// Removes the record and the slot, then calls `fn(err)`. A child that runs
  /// is let go.
  template <class F>
  void erase_then(uint32_t index, F fn);

  /// Releases the record with the given status and frees the slot, then calls
  /// `fn(err)`. On an error, the child stays.
  template <class F>
  void release_then(uint32_t index, child_status as, F fn);

  /// Writes the records gathered since `gathering_` was set.
  write_result flush(bool awaited = false);

  void table_complaint(const caf::error& err);

  // -- starts -----------------------------------------------------------------

  /// Claims what `group` is to start, then starts it. Items belong to those
  /// outcomes that have no error yet, in order.
  void submit(std::unique_ptr<batch> group, std::vector<claim_item> items);

  void claimed(batch& group, const std::vector<size_t>& places,
               const caf::error& err, std::vector<claim_item> items);

  /// A write, and the members of a group that have started if it succeeds.
  struct group_write {
    write_result result;
    std::vector<size_t> places;
  };

  /// Writes what was gathered for the members of `group` from `first` on.
  std::vector<group_write> record(batch& group, size_t first,
                                  std::vector<size_t> started);

  /// Starts the next members of `group`.
  void step(batch& group);

  /// Goes on with `group` as far as its open members allow.
  void advance(batch& group);

  /// Terminates and erases what an all-or-nothing request has started.
  void undo(batch& group);

  void finish(batch& group);

  /// Gives a child back that this director cannot start.
  void decline(uint32_t index, caf::error err);

  /// Calls the start function. On `open`, `conclude` comes later.
  launch_result launch(uint32_t index, caf::error& err);

  start_result call_start(slot& x);

  /// Settles the record after a start and says what the caller gets.
  /// Does not answer anybody.
  caf::error settle(uint32_t index, launch_result result, caf::error err);

  /// Settles the record and answers whoever waits for the start.
  void conclude(uint32_t index, launch_result result, caf::error err);

  /// Takes a start back that the table refuses to record.
  void revoke(uint32_t index, waiter who, caf::error err);

  void deliver(waiter who, started value, caf::error err);

  /// Tells that a child is gone.
  void deliver_stop(waiter who, const caf::error& err);

  /// Draws the consequences of a member's failure for its group.
  void fail_member(batch& group, caf::error err);

  /// Starts a child again; nobody waits for it.
  void relaunch(uint32_t index);

  void came_up(uint32_t index);

  // -- exits ------------------------------------------------------------------

  void consult_plan(uint32_t index, const caf::error& reason);

  verdict ask(slot& x, exit_info& info, caf::error& plan_failure);

  void rest(uint32_t index);

  // -- stops ------------------------------------------------------------------

  void begin_stop(uint32_t index, goal then);

  /// Sends the shutdown request and starts the timer.
  void request_exit(uint32_t index);

  void kill_child(uint32_t index);

  void give_up(uint32_t index);

  void gone(uint32_t index, const caf::error& reason);

  /// Does the first part of `hand_over` for one child. Returns whether it does
  /// not run and is yet to be released.
  bool begin_hand_over(uint32_t index, const hand_over_request& what);

  /// Takes the children that are handed over out of the groups they belong to.
  void leave_batches();

  /// Kills a child that is being stopped when `limit` has passed, if that is
  /// earlier than planned.
  void hasten(uint32_t index, caf::timespan limit);

  /// Frees the slot of a lost child.
  void forget(uint32_t index);

  void terminate_slot(request_id request, uint32_t index, bool erase);

  void end(caf::error reason);

  void begin_ending();

  /// Tells whoever waits for a write that the director is ending.
  void abandon_writes();

  void refuse_starts();

  /// Stops the next child, or finishes when there is none.
  void advance_ending();

  void complete_ending();

  /// Says the last words. Comes after `complete_ending`, at once or later.
  void depart();

  // -- timers -----------------------------------------------------------------

  void arm(uint32_t index, caf::timespan delay);

  /// Adds to the timer that is armed already.
  void add_timer(uint32_t index, caf::timespan delay);

  void disarm(slot& x) {
    ++x.timer;
  }

  void fire(uint32_t index);

  void later(std::variant<child_ref, batch*> what);

  // -- telling ----------------------------------------------------------------

  void tell(report_kind kind, severity level, slot* child,
            const caf::error& reason, std::string_view text = {});

  void note(trace_kind kind, const child_id& id, std::string text) {
    tracer_->trace(kind, id, std::move(text));
  }

  bool refused(request_id request);

  void reply(request_id request, answer value) {
    if (request != 0)
      world_.reply(request, std::move(value));
  }

  void reply_ok_or(request_id request, const caf::error& err) {
    if (err)
      reply(request, err);
    else
      reply(request, caf::unit);
  }

  world& world_;
  table_client& client_;
  callbacks hooks_;
  director_options options_;
  caf::message arg_;
  caf::message state_;
  std::minstd_rand random_;
  std::unique_ptr<tracer> tracer_;

  child_spec default_;
  /// Spec of the children that add nothing to `default_` but ID and args.
  child_spec_ptr derived_default_;

  std::vector<slot> slots_;
  std::vector<uint32_t> free_slots_;
  /// Complete from the first time that somebody asks for a handle; until then,
  /// starts and exits need not keep it up to date.
  mutable std::unordered_map<const void*, uint32_t> by_handle_;
  mutable bool indexed_ = false;
  caf::actor_id highest_id_ = 0;
  /// The last actors that were children: exit messages of links come late.
  std::array<caf::actor_id, 256> former_{};
  size_t next_former_ = 0;
  uint64_t next_order_ = 0;

  std::unordered_map<const batch*, std::unique_ptr<batch>> batches_;
  using completion
    = std::function<void(const caf::error&, std::vector<claim_item>)>;
  std::unordered_map<uint64_t, completion> pending_;
  std::vector<put_item> gathered_;
  bool gathering_ = false;

  std::priority_queue<timer_entry, std::vector<timer_entry>, std::greater<>>
    timers_;
  time_point wake_at_ = time_point::max();
  std::deque<std::variant<child_ref, batch*>> turns_;
  bool turn_pending_ = false;

  /// Children to take over as soon as the director is up.
  std::vector<child_id> offered_;
  /// Lost children that have yet to end, and whether they are to be taken over
  /// then.
  std::unordered_map<child_id, bool> lost_;
  std::vector<request_id> up_waiters_;
  std::vector<request_id> stop_waiters_;
  bool attached_ = false;
  bool initialized_ = false;
  bool up_ = false;
  bool ending_ = false;
  bool ending_begun_ = false;
  bool ended_ = false;
  bool filter_broken_ = false;
  caf::error end_reason_;
  caf::error exit_reason_;
  /// Set while a director that could not start waits to be asked why.
  std::optional<time_point> lingers_until_;
  /// Children to stop one after the other, the next one last.
  std::vector<child_ref> stop_queue_;
  /// Children that are being stopped while the director ends.
  size_t stops_open_ = 0;
};

} // namespace director::internal
