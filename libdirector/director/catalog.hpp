// Catalog: names of functions, so that a child spec can travel between nodes.

#pragma once

#include "director/fwd.hpp"
#include "director/plan.hpp"
#include "director/report.hpp"
#include "director/start.hpp"

#include <memory>
#include <string>
#include <unordered_map>

namespace director {

/// Maps names to start functions, plans and log filters. A value: directors
/// get a copy through their options, and adding to a catalog does not change
/// copies made before. Not safe for concurrent changes.
class catalog {
public:
  /// Adds or replaces a start function. @throws std::invalid_argument when the
  /// name is empty or `fn` is not a callable.
  catalog& add_start(const std::string& name, const start_function& fn);

  /// Adds or replaces a plan. @throws as `add_start`.
  catalog& add_plan(const std::string& name, const plan_function& fn);

  /// Adds or replaces a log filter. @throws as `add_start`.
  catalog& add_log_filter(const std::string& name,
                          const log_filter_function& fn);

  /// Returns the function behind `fn`, be it local or named, or `nullptr`
  /// if there is none. Valid as long as this catalog and `fn` live.
  template <class Function>
  const typename Function::callable_type* resolve(const Function& fn) const {
    if (fn.local())
      return fn.callable();
    auto& names = names_of(fn);
    auto i = names.find(fn.name());
    return i != names.end() ? i->second.get() : nullptr;
  }

  /// Returns why `resolve` returns `nullptr`, an empty string if it does not.
  template <class Function>
  std::string complaint(const Function& fn) const {
    if (resolve(fn) != nullptr)
      return {};
    if (fn.local())
      return fn.callable() == nullptr && fn.name() != "local"
               ? "the callable '" + fn.name() + "' stayed on another node"
               : "the callable is empty or stayed on another node";
    return "'" + fn.name() + "' is not in the catalog";
  }

private:
  template <class Function>
  using map_type = std::unordered_map<
    std::string, std::shared_ptr<const typename Function::callable_type>>;

  const map_type<start_function>& names_of(const start_function&) const {
    return starts_;
  }

  const map_type<plan_function>& names_of(const plan_function&) const {
    return plans_;
  }

  const map_type<log_filter_function>&
  names_of(const log_filter_function&) const {
    return filters_;
  }

  map_type<start_function> starts_;
  map_type<plan_function> plans_;
  map_type<log_filter_function> filters_;
};

} // namespace director
