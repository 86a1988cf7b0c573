// Child spec: everything needed to start and manage one child.

#pragma once

#include "director/child_id.hpp"
#include "director/errc.hpp"
#include "director/fwd.hpp"
#include "director/plan.hpp"
#include "director/report.hpp"
#include "director/start.hpp"

#include <caf/default_enum_inspect.hpp>
#include <caf/error.hpp>
#include <caf/message.hpp>
#include <caf/timespan.hpp>

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace director {

/// What a child is.
enum class child_type : uint8_t { worker, supervisor };

/// @relates child_type
std::string to_string(child_type);

/// @relates child_type
bool from_string(detail::string_view, child_type&);

/// @relates child_type
bool from_integer(std::underlying_type_t<child_type>, child_type&);

/// @relates child_type
template <class Inspector>
bool inspect(Inspector& f, child_type& x) {
  return caf::default_enum_inspect(f, x);
}

/// Names the modules that a child is made of: purely informative. Cheap to
/// copy.
struct module_list {
  module_list() = default;

  module_list(std::vector<std::string> xs)
    : names(std::make_shared<const std::vector<std::string>>(std::move(xs))) {
    // nop
  }

  module_list(std::initializer_list<std::string> xs)
    : module_list(std::vector<std::string>{xs}) {
    // nop
  }

  /// The modules of this child change while it runs.
  static module_list dynamic() {
    return {};
  }

  /// `nullptr` stands for dynamic.
  std::shared_ptr<const std::vector<std::string>> names;
};

/// @relates module_list
std::string to_string(const module_list& x);

/// @relates module_list
template <class Inspector>
bool inspect(Inspector& f, module_list& x) {
  auto get = [&x]() -> std::optional<std::vector<std::string>> {
    if (x.names)
      return *x.names;
    return std::nullopt;
  };
  auto set = [&x](std::optional<std::vector<std::string>> value) {
    x = value ? module_list{std::move(*value)} : module_list{};
    return true;
  };
  return f.object(x).fields(f.field("names", get, set));
}

/// Everything needed to start and manage one child. Fields that are left alone
/// get their value from the default child spec if `append` is set, and the
/// default named here otherwise.
struct child_spec {
  /// Unique within the table. Required.
  child_id id;

  /// Starts the child. Required unless `append` supplies it.
  start_function start = {};

  /// Arguments for `start`. With `append`, they follow the default's.
  caf::message args = {};

  /// Decides what happens when the child exits. Default: `plans::standard()`.
  plan_function plan = {};

  /// The child's own slot inside the director: any message. Plans, log filters
  /// and callbacks see it and may replace it. Default: empty.
  caf::message state = {};

  /// Default: worker.
  std::optional<child_type> type = std::nullopt;

  /// Time between the shutdown request and the kill; 0 kills at once,
  /// `caf::infinite` never. Default: 5 s for workers, infinite for
  /// supervisors. With `append`, the sum of both when both are given, finite.
  std::optional<caf::timespan> terminate_timeout = std::nullopt;

  /// Default: the name of `start`, if there is one. With `append`, both lists.
  std::optional<module_list> modules = std::nullopt;

  /// Default: brief for everything.
  log_filter_function log_filter = {};

  /// Whether the record vanishes when the director ends. Set it to false to
  /// leave it in a shared table, where another director can start the child
  /// again. Default: true.
  std::optional<bool> delete_before_terminate = std::nullopt;

  /// Combines this spec with the director's default child spec.
  bool append = false;

  /// Whether a start counts as done only when the child has answered the
  /// request `ready_atom`. What it answers is the extra value of the start; an
  /// error is a start error. Default: false.
  std::optional<bool> await_ready = std::nullopt;

  /// Time the child has to answer the ready request. Default: 5 s.
  std::optional<caf::timespan> start_timeout = std::nullopt;
};

/// @relates child_spec
template <class Inspector>
bool inspect(Inspector& f, child_spec& x) {
  return f.object(x).fields(
    f.field("id", x.id), f.field("start", x.start), f.field("args", x.args),
    f.field("plan", x.plan), f.field("state", x.state), f.field("type", x.type),
    f.field("terminate-timeout", x.terminate_timeout),
    f.field("modules", x.modules), f.field("log-filter", x.log_filter),
    f.field("delete-before-terminate", x.delete_before_terminate),
    f.field("append", x.append), f.field("await-ready", x.await_ready),
    f.field("start-timeout", x.start_timeout));
}

/// Returns a child spec in which every field but `id`, `start` and `args` has
/// its default value.
/// @relates child_spec
child_spec default_child_spec();

/// Returns the plan of children that have none: `plans::standard()`.
/// @relates child_spec
plan_function default_plan();

/// Checks a spec as a director with this catalog and this default child spec
/// would. Needs no director; safe from any thread.
/// @returns an empty error or `errc::invalid_child_spec`, which names field
///          and child.
/// @relates child_spec
caf::error check_child_spec(const child_spec& spec, const catalog& names,
                            const child_spec* default_spec = nullptr);

/// @copydoc check_child_spec
caf::error check_child_spec(const child_spec& spec);

/// Combines the own part of a child with a default child spec as described at
/// each field. The result has no optional field left open and `append` set.
/// @relates child_spec
child_spec combine(const child_spec& own, const child_spec& defaults);

/// Returns `first` followed by `second`. (CAF's own `concat` cannot be linked
/// with CAF 0.18, and cannot deal with empty messages in 1.1.)
/// @relates child_spec
caf::message concat_args(const caf::message& first, const caf::message& second);

/// Returns a copy of `spec` in which every optional field has a value.
/// @relates child_spec
child_spec with_defaults(child_spec spec);

} // namespace director
