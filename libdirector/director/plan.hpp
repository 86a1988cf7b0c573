// Plans: why a child ended -> what to do about it.

#pragma once

#include "director/child_id.hpp"
#include "director/defaults.hpp"
#include "director/fwd.hpp"
#include "director/named_function.hpp"

#include <caf/error.hpp>
#include <caf/message.hpp>
#include <caf/timespan.hpp>

#include <concepts>
#include <optional>
#include <random>
#include <string>
#include <type_traits>

namespace director {

/// What a plan knows when its child has ended or has failed to start again.
struct exit_info {
  const child_id& id;
  /// Exit reason of the child. `errc::start_failed` or `errc::start_timeout`
  /// when a restart failed.
  const caf::error& reason;
  /// Exits and failed restarts since the child last ran for a quiet time, this
  /// one included.
  uint32_t recent;
  /// Restarts since the child was added, failed ones included; never resets.
  uint64_t lifetime;
  /// The slot of the child inside the director. Plans may replace it.
  caf::message& state;
};

/// Tells whether an exit with this reason is no crash: normal or on request.
bool is_orderly(const caf::error& reason) noexcept;

/// What a director does about an exit.
class verdict {
public:
  enum class action : uint8_t { restart, restart_after, wait, remove, stop };

  /// Restarts the child at once.
  static verdict restart() {
    return verdict{action::restart};
  }

  /// Restarts the child after `interval`. A negative or infinite interval
  /// counts as a failed plan.
  static verdict restart_after(caf::timespan interval) {
    verdict result{action::restart_after};
    result.interval_ = interval;
    return result;
  }

  /// Keeps the child without running it until somebody asks for a restart.
  static verdict wait() {
    return verdict{action::wait};
  }

  /// Deletes the child.
  static verdict remove() {
    return verdict{action::remove};
  }

  /// Ends the director with the exit reason of the child.
  static verdict stop() {
    return verdict{action::stop};
  }

  /// Ends the director with `reason`.
  static verdict stop(caf::error reason) {
    verdict result{action::stop};
    result.reason_ = std::move(reason);
    return result;
  }

  action what() const noexcept {
    return action_;
  }

  /// Only meaningful for `restart_after`.
  caf::timespan interval() const noexcept {
    return interval_;
  }

  /// Only set for `stop(reason)`.
  const std::optional<caf::error>& reason() const noexcept {
    return reason_;
  }

  /// Tells whether a director can carry this out.
  bool valid() const noexcept {
    return interval_ >= caf::timespan{0} && interval_ != caf::infinite;
  }

private:
  explicit verdict(action what) : action_(what) {
    // nop
  }

  action action_;
  caf::timespan interval_{0};
  std::optional<caf::error> reason_;
};

/// @relates verdict
std::string to_string(const verdict& x);

/// Options of `plans::standard`.
struct standard_options {
  /// Crashes answered with an immediate restart.
  uint32_t immediate = defaults::immediate_restarts;
  /// Interval before the one restart after those; the next crash ends the
  /// director with the exit reason of the child.
  caf::timespan delay = defaults::last_restart_delay;
  /// Time the child must run for the count to start anew.
  caf::timespan quiet_time = defaults::quiet_time;
};

/// Options of `plans::backoff`.
struct backoff_options {
  /// Interval before the first restart.
  caf::timespan min = std::chrono::milliseconds{100};
  /// Upper limit of the interval (before jitter).
  caf::timespan max = std::chrono::seconds{30};
  /// Growth of the interval from crash to crash, 1 or more.
  double factor = 2.0;
  /// Random share added or taken, from 0 (none) to 1 (up to all of it).
  double jitter = 0.1;
  /// Time the child must run for the interval to start at `min` anew.
  caf::timespan quiet_time = defaults::quiet_time;
};

/// Decides what happens when a child has ended: a ready-made plan (namespace
/// `plans`), a callable `verdict (exit_info&)`, or the name of one in the
/// catalog. A plan runs on the thread of its director and must not block.
class plan_function : public named_function<verdict(exit_info&)> {
public:
  enum class kind : uint8_t {
    custom,
    standard,
    permanent,
    transient,
    temporary,
    never,
    backoff
  };

  /// Creates an empty plan: the default child spec's plan or, without one,
  /// the standard plan.
  plan_function() = default;

  /// Refers to a plan in the catalog.
  plan_function(std::string name) : super(std::move(name)) {
    // nop
  }

  /// @copydoc plan_function(std::string)
  plan_function(const char* name) : super(std::string{name}) {
    // nop
  }

  /// Wraps a callable.
  template <std::invocable<exit_info&> F>
  plan_function(F fn) : super("local", callable_type{std::move(fn)}) {
    // nop
  }

  /// Creates a ready-made plan; see namespace `plans`.
  plan_function(kind what, const standard_options& opts);

  /// Creates `plans::backoff`.
  explicit plan_function(const backoff_options& opts);

  /// Tells whether neither a ready-made plan, a callable nor a name was given.
  bool empty() const noexcept {
    return kind_ == kind::custom && super::empty();
  }

  kind what() const noexcept {
    return kind_;
  }

  /// Time the child must run for `exit_info::recent` to start anew.
  caf::timespan quiet_time() const noexcept {
    return backoff_.quiet_time;
  }

  /// Returns a copy with another quiet time.
  plan_function with_quiet_time(caf::timespan value) const;

  /// Returns what is wrong with this plan, an empty string if nothing is.
  std::string complaint(const catalog& names) const;

  /// Runs the plan.
  /// @param random source of the jitter of `plans::backoff`.
  /// @throws whatever a callable throws, `std::runtime_error` for a name that
  ///         is not in `names`.
  verdict decide(exit_info& info, const catalog& names,
                 std::minstd_rand& random) const;

  template <class Inspector>
  friend bool inspect(Inspector& f, plan_function& x) {
    auto get = [&x] { return static_cast<uint8_t>(x.kind_); };
    auto set = [&x](uint8_t value) {
      if (value > static_cast<uint8_t>(kind::backoff))
        return false;
      x.kind_ = static_cast<kind>(value);
      return true;
    };
    return f.object(x).fields(
      f.field("name", x.name_), f.field("local", x.local_),
      f.field("kind", get, set), f.field("immediate", x.immediate_),
      f.field("min", x.backoff_.min), f.field("max", x.backoff_.max),
      f.field("factor", x.backoff_.factor),
      f.field("jitter", x.backoff_.jitter),
      f.field("quiet-time", x.backoff_.quiet_time));
  }

private:
  using super = named_function<verdict(exit_info&)>;

  caf::timespan next_interval(uint32_t recent, std::minstd_rand& random) const;

  kind kind_ = kind::custom;
  uint32_t immediate_ = 0;
  // Also holds the delay of the standard plan (`min`) and the quiet time of
  // every plan.
  backoff_options backoff_{{}, {}, 1.0, 0.0, defaults::quiet_time};
};

/// Ready-made plans. All of them may travel between nodes.
namespace plans {

/// Restarts at once after the first crashes, with a delay after the next, then
/// ends the director with the exit reason of the child. The default.
/// Source: the Erlang director, plus the quiet time.
plan_function standard(const standard_options& opts = {});

/// Always restarts. Source: OTP.
plan_function permanent();

/// Restarts unless the exit was normal or a shutdown; then waits.
/// Source: OTP.
plan_function transient();

/// Never restarts, deletes the child. Source: OTP.
plan_function temporary();

/// Never restarts, waits for a restart request.
plan_function never();

/// Restarts after an interval that grows from crash to crash. Ours.
plan_function backoff(const backoff_options& opts = {});

} // namespace plans
} // namespace director
