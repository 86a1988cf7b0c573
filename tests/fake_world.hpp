// A world for engines: a manual clock, actors that do what they are told, and
// a record of everything the engine did. And an engine in it.

#pragma once

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/exit_reason.hpp>

#include <deque>
#include <director/all.hpp>
#include <director/internal/engine.hpp>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace fixture {

using director::internal::answer;
using director::internal::child_ref;
using director::internal::clock_type;
using director::internal::engine;
using director::internal::metric;
using director::internal::request_id;
using director::internal::time_point;

/// Lends actors that do nothing and never run.
class actor_pool {
public:
  static actor_pool& instance();

  /// Lets go of all actors; comes before the end of `main`.
  static void shut_down();

  caf::actor take();

  void give_back(caf::actor x) {
    free_.push_back(std::move(x));
  }

private:
  actor_pool() = default;

  caf::actor_system_config config_;
  caf::actor_system system_{config_};
  std::vector<caf::actor> free_;
};

/// A child, as the fake world sees it.
struct fake_child {
  caf::actor handle;
  director::child_id id;
  child_ref ref{};
  bool watched = false;
  bool alive = true;
  bool asked_ready = false;
  int shutdowns = 0;
  /// Reason of the last shutdown request.
  caf::error shutdown_reason;
  int kills = 0;
};

class fake_world final : public director::internal::world,
                         public director::table_client {
public:
  fake_world();

  ~fake_world() override;

  /// Decides what the next start gives. Default: the child runs.
  std::function<director::start_result(fake_world&,
                                       const director::child_record&)>
    on_start;

  time_point time{};
  /// In the order of their creation, so that runs can be repeated.
  std::deque<fake_child> children;
  std::map<request_id, std::vector<answer>> replies;
  std::map<metric, int64_t> metrics;
  std::map<director::child_id, uint64_t> starts;
  std::vector<caf::error> ends;
  std::vector<caf::actor> new_parents;
  size_t turns_wanted = 0;
  time_point wake = time_point::max();
  size_t restarts_measured = 0;
  /// Watched actors that had ended before.
  std::vector<child_ref> dead_on_arrival;

  engine* eng = nullptr;

  /// Creates an actor that lives.
  caf::actor make_actor();

  fake_child* child(const caf::actor& handle);

  /// Returns the live supervised actor of an ID.
  fake_child* running(const director::child_id& id);

  /// Lets an actor end and, if it is watched, tells the engine.
  void die(fake_child& x, caf::error reason);

  /// Gives the engine the turns it asked for, and those it asks for then.
  void run_turns();

  /// Delivers the exits of actors that had ended before they were watched.
  void run_exits();

  /// Moves the clock and fires the timer if it is due.
  void advance(caf::timespan delta);

  request_id next_request() {
    replies[++last_request_];
    return last_request_;
  }

  /// Returns the only reply to a request, or `nullptr` if there is none or
  /// more than one.
  const answer* reply_to(request_id id) const;

  /// Returns the error that a request was answered with: an empty one on
  /// success, `sec::none` for no answer at all is impossible.
  caf::error error_of(request_id id) const;

  // -- world ------------------------------------------------------------------

  time_point now() override {
    return time;
  }

  director::start_result
  start(const director::start_function::callable_type& fn,
        const director::child_record& child, const caf::message& args) override;

  void watch(child_ref ref, const caf::actor& handle) override;

  void unwatch(const caf::actor& handle) override;

  void ask_ready(child_ref ref, const caf::actor& handle) override;

  void shut_down(const caf::actor& handle, const caf::error& reason) override;

  void kill(const caf::actor& handle) override;

  void tell_parent(const caf::actor& handle) override {
    new_parents.push_back(handle);
  }

  bool local(const caf::actor&) override {
    return true;
  }

  bool alive(const caf::actor& handle) override;

  void wake_at(time_point when) override {
    wake = when;
  }

  void wake_soon() override {
    ++turns_wanted;
  }

  void reply(request_id request, answer&& value) override {
    replies[request].push_back(std::move(value));
  }

  void measure(metric what, int64_t amount) override {
    metrics[what] += amount;
  }

  void measure_restart(clock_type::duration) override {
    ++restarts_measured;
  }

  void end(const caf::error& reason) override {
    ends.push_back(reason);
  }

  // -- table_client -----------------------------------------------------------

  const caf::actor_addr& address() const noexcept override {
    return address_;
  }

  void completed(uint64_t ticket, caf::error err,
                 std::vector<director::claim_item> items) override {
    eng->write_completed(ticket, std::move(err), std::move(items));
  }

  void take_over(std::vector<director::child_id> ids) override {
    eng->take_over(std::move(ids));
  }

  void hand_over(director::hand_over_request what) override {
    eng->hand_over(std::move(what));
  }

  void failed(caf::error reason) override {
    eng->table_failed(std::move(reason));
  }

private:
  std::unordered_map<const void*, fake_child*> by_handle_;
  caf::actor self_;
  caf::actor_addr address_;
  request_id last_request_ = 0;
};

/// A spec with a start function that `fake_world` stands in for.
director::child_spec fake_spec(director::child_id id);

/// The same with a plan.
director::child_spec with_plan(director::child_id id,
                               director::plan_function plan);

director::plan_function after_a_while(caf::timespan interval);

/// An engine, its world and all it says.
struct rig {
  explicit rig(director::table_ptr tab
               = std::make_shared<director::list_table>());

  /// Brings the engine up.
  rig& up(std::vector<director::child_spec> children = {});

  director::start_result next(const director::child_record& x);

  // -- requests ---------------------------------------------------------------

  request_id start(director::child_spec spec);

  request_id restart(const director::child_id& child);

  request_id terminate(const director::child_id& child, bool erase = false);

  request_id remove(const director::child_id& child);

  request_id stop(caf::error reason = caf::exit_reason::user_shutdown);

  // -- answers ----------------------------------------------------------------

  bool open(request_id id);

  bool ok(request_id id);

  caf::error error(request_id id);

  // -- children ---------------------------------------------------------------

  /// Returns the live actor of a child or fails the test.
  fake_child& child(const director::child_id& id);

  void crash(const director::child_id& id);

  void die(const director::child_id& id);

  /// Names the live children that were asked to end, in the given order.
  std::string asked(const std::vector<director::child_id>& ids);

  std::string status(const director::child_id& id);

  uint64_t restarts(const director::child_id& id);

  uint64_t starts(const director::child_id& id);

  size_t reported(const std::string& text);

  fake_world world;
  director::table_ptr table;
  std::vector<std::string> reports;
  std::set<director::child_id> failing;
  std::set<director::child_id> slow;
  director::director_options opts;
  director::init_result first;
  director::callbacks hooks;
  std::unique_ptr<engine> eng;
  request_id up_request = 0;
};

} // namespace fixture
