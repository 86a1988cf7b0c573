// A function given as a callable or by its name in a catalog.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace director {

template <class Signature>
class named_function;

/// Base of `start_function`, `plan_function` and `log_filter_function`: either
/// nothing, a callable that lives in this process, or the name of one in a
/// `catalog`. Only names mean something on another node: a callable that was
/// sent there arrives as an empty shell that is refused with an error.
/// Cheap to copy; immutable, hence safe to read from any thread.
template <class R, class... Ts>
class named_function<R(Ts...)> {
public:
  using callable_type = std::function<R(Ts...)>;

  /// Tells whether neither a callable nor a name was given.
  bool empty() const noexcept {
    return !local_ && name_.empty();
  }

  /// Tells whether this is a callable rather than the name of one.
  bool local() const noexcept {
    return local_;
  }

  /// Returns the name in the catalog, or the label of a callable.
  const std::string& name() const noexcept {
    return name_;
  }

  /// Returns the callable, `nullptr` for names and for callables of another
  /// node.
  const callable_type* callable() const noexcept {
    return callable_.get();
  }

  template <class Inspector>
  friend bool inspect(Inspector& f, named_function& x) {
    return f.object(x).fields(f.field("name", x.name_),
                              f.field("local", x.local_));
  }

protected:
  named_function() = default;

  explicit named_function(std::string name) : name_(std::move(name)) {
    // nop
  }

  named_function(std::string label, callable_type fn)
    : name_(std::move(label)),
      local_(true) {
    if (fn)
      callable_ = std::make_shared<const callable_type>(std::move(fn));
  }

  std::string name_;
  bool local_ = false;
  std::shared_ptr<const callable_type> callable_;
};

} // namespace director
