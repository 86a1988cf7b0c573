#include "director/plan.hpp"

#include "director/catalog.hpp"

#include <caf/deep_to_string.hpp>
#include <caf/exit_reason.hpp>

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace director {

bool is_orderly(const caf::error& reason) noexcept {
  return !reason || reason == caf::exit_reason::normal
         || reason == caf::exit_reason::user_shutdown;
}

std::string to_string(const verdict& x) {
  switch (x.what()) {
    case verdict::action::restart:
      return "restart";
    case verdict::action::restart_after:
      return "restart after " + caf::deep_to_string(x.interval());
    case verdict::action::wait:
      return "wait";
    case verdict::action::remove:
      return "remove";
    default:
      return x.reason() ? "stop with " + to_string(*x.reason()) : "stop";
  }
}

plan_function::plan_function(kind what, const standard_options& opts)
  : kind_(what),
    immediate_(opts.immediate) {
  backoff_.min = opts.delay;
  backoff_.max = opts.delay;
  backoff_.quiet_time = opts.quiet_time;
  name_
    = std::array{"custom",    "standard", "permanent", "transient",
                 "temporary", "never",    "backoff"}[static_cast<int>(what)];
}

plan_function::plan_function(const backoff_options& opts)
  : plan_function(kind::backoff, {}) {
  backoff_ = opts;
}

plan_function plan_function::with_quiet_time(caf::timespan value) const {
  auto result = *this;
  result.backoff_.quiet_time = value;
  return result;
}

std::string plan_function::complaint(const catalog& names) const {
  if (empty())
    return "no plan was given";
  if (quiet_time() < caf::timespan{0})
    return "the quiet time is negative";
  if (backoff_.min < caf::timespan{0} || backoff_.max < backoff_.min)
    return "an interval is negative, or the maximum below the minimum";
  if (backoff_.max == caf::infinite)
    return "an interval is infinite";
  if (!(backoff_.factor >= 1.0) || !std::isfinite(backoff_.factor))
    return "the factor is below 1 or not a number";
  if (!(backoff_.jitter >= 0.0 && backoff_.jitter <= 1.0))
    return "the jitter is not between 0 and 1";
  return kind_ == kind::custom ? names.complaint(*this) : std::string{};
}

caf::timespan plan_function::next_interval(uint32_t recent,
                                           std::minstd_rand& random) const {
  auto max = static_cast<double>(backoff_.max.count());
  auto grown = static_cast<double>(backoff_.min.count())
               * std::pow(backoff_.factor, static_cast<double>(recent) - 1.0);
  // Zero times infinity is no interval.
  auto base = backoff_.min.count() == 0 ? 0.0 : std::min(grown, max);
  auto share = std::uniform_real_distribution<>{-1.0, 1.0}(random);
  // A double cannot hold the largest timespan exactly: stay well below it.
  auto limit = static_cast<double>(caf::timespan::max().count()) / 2.0;
  auto chosen = std::clamp(base * (1.0 + backoff_.jitter * share), 0.0, limit);
  return caf::timespan{static_cast<caf::timespan::rep>(chosen)};
}

verdict plan_function::decide(exit_info& info, const catalog& names,
                              std::minstd_rand& random) const {
  switch (kind_) {
    case kind::standard:
      if (info.recent <= immediate_)
        return verdict::restart();
      if (info.recent == immediate_ + 1)
        return verdict::restart_after(backoff_.min);
      return verdict::stop();
    case kind::permanent:
      return verdict::restart();
    case kind::transient:
      return is_orderly(info.reason) ? verdict::wait() : verdict::restart();
    case kind::temporary:
      return verdict::remove();
    case kind::never:
      return verdict::wait();
    case kind::backoff:
      return verdict::restart_after(next_interval(info.recent, random));
    default:
      break;
  }
  auto* fn = names.resolve(*this);
  if (fn == nullptr)
    throw std::runtime_error{names.complaint(*this)};
  return (*fn)(info);
}

namespace plans {

plan_function standard(const standard_options& opts) {
  return {plan_function::kind::standard, opts};
}

plan_function permanent() {
  return {plan_function::kind::permanent, standard_options{}};
}

plan_function transient() {
  return {plan_function::kind::transient, standard_options{}};
}

plan_function temporary() {
  return {plan_function::kind::temporary, standard_options{}};
}

plan_function never() {
  return {plan_function::kind::never, standard_options{}};
}

plan_function backoff(const backoff_options& opts) {
  return plan_function{opts};
}

} // namespace plans
} // namespace director
