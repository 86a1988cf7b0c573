// Start functions: how a director starts a child.

#pragma once

#include "director/child_id.hpp"
#include "director/detail/callable_traits.hpp"
#include "director/errc.hpp"
#include "director/fwd.hpp"
#include "director/named_function.hpp"

#include <caf/actor.hpp>
#include <caf/actor_cast.hpp>
#include <caf/behavior.hpp>
#include <caf/error.hpp>
#include <caf/expected.hpp>
#include <caf/local_actor.hpp>
#include <caf/message.hpp>
#include <caf/sec.hpp>
#include <caf/spawn_options.hpp>
#include <caf/type_id.hpp>
#include <caf/typed_actor.hpp>
#include <caf/typed_behavior.hpp>

#include <concepts>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace director {

/// What a start function returns.
class start_result {
public:
  enum class kind : uint8_t { running, starting, declined, failed };

  /// The child runs. An empty handle means that the function declined.
  start_result(caf::actor handle, caf::message extra = {})
    : kind_(handle ? kind::running : kind::declined),
      handle_(std::move(handle)),
      extra_(std::move(extra)) {
    // nop
  }

  /// @copydoc start_result(caf::actor,caf::message)
  template <class... Sigs>
  start_result(const caf::typed_actor<Sigs...>& handle, caf::message extra = {})
    : start_result(caf::actor_cast<caf::actor>(handle), std::move(extra)) {
    // nop
  }

  /// The child could not be started.
  start_result(caf::error reason)
    : kind_(kind::failed),
      error_(std::move(reason)) {
    // nop
  }

  /// The child runs, or could not be started.
  template <class T>
  start_result(caf::expected<T> value)
    : start_result(value ? start_result{std::move(*value)}
                         : start_result{std::move(value.error())}) {
    // nop
  }

  /// There is nothing to run for now and that is no error; the child stays in
  /// the table with status `undefined`. OTP calls this `ignore`.
  static start_result declined() {
    return start_result{caf::actor{}};
  }

  /// The actor lives but counts as started only when it has answered the
  /// ready request, whatever the spec says about `await_ready`.
  static start_result starting(caf::actor handle) {
    start_result result{std::move(handle)};
    if (result.kind_ == kind::running)
      result.kind_ = kind::starting;
    return result;
  }

  kind what() const noexcept {
    return kind_;
  }

  const caf::actor& handle() const noexcept {
    return handle_;
  }

  /// Value that the caller of `start_child` gets beside the handle.
  const caf::message& extra() const noexcept {
    return extra_;
  }

  const caf::error& error() const noexcept {
    return error_;
  }

private:
  kind kind_;
  caf::actor handle_;
  caf::message extra_;
  caf::error error_;
};

/// What a start function may ask of the director that calls it.
class start_context {
public:
  start_context(caf::local_actor* self, const child_id& id,
                uint64_t incarnation)
    : self_(self),
      id_(id),
      incarnation_(incarnation) {
    // nop
  }

  caf::actor_system& system() const {
    return self_->system();
  }

  /// Returns the ID of the child to start.
  const child_id& id() const noexcept {
    return id_;
  }

  /// Returns how often this ID was started, this time included.
  uint64_t incarnation() const noexcept {
    return incarnation_;
  }

  /// Spawns a class-based actor.
  template <class Impl, caf::spawn_options Os = caf::no_spawn_options,
            class... Ts>
  auto spawn(Ts&&... xs) {
    return self_->template spawn<Impl, Os>(std::forward<Ts>(xs)...);
  }

  /// Spawns a function-based actor.
  template <caf::spawn_options Os = caf::no_spawn_options, class F, class... Ts>
  auto spawn(F&& fn, Ts&&... xs) {
    return self_->template spawn<Os>(std::forward<F>(fn),
                                     std::forward<Ts>(xs)...);
  }

private:
  caf::local_actor* self_;
  const child_id& id_;
  uint64_t incarnation_;
};

namespace detail {

template <class T>
struct is_behavior : std::is_same<T, caf::behavior> {};

template <class... Sigs>
struct is_behavior<caf::typed_behavior<Sigs...>> : std::true_type {};

template <class F>
constexpr bool is_actor_function() {
  using traits = callable_traits<F>;
  using first_param = typename first<typename traits::params>::type;
  using pointee = std::remove_pointer_t<first_param>;
  if (is_behavior<typename traits::result_type>::value)
    return true;
  return std::is_pointer_v<
           first_param> && std::is_base_of_v<caf::local_actor, pointee>;
}

template <class F>
using result_of = typename callable_traits<F>::result_type;

/// Functions that CAF's `spawn` turns into an actor.
template <class F>
concept actor_function = plain_callable<F> && is_actor_function<F>();

/// Functions that start a child themselves.
template <class F>
concept starter_function
  = plain_callable<F> && !is_actor_function<F>()
    && std::constructible_from<start_result, result_of<F>>;

/// Drops the first element if it is what the director supplies: the pointer
/// to the new actor or the start context.
template <class Params>
using user_params = std::conditional_t<
  std::is_pointer_v<
    typename first<Params>::
      type> || std::is_same_v<typename first<Params>::type, start_context&>,
  typename rest<Params>::type, Params>;

/// Makes the error for arguments that do not fit.
caf::error make_argument_error(const child_id& id, std::string expected,
                               const caf::message& got);

template <class T>
std::string param_name() {
  return std::string{
    std::string_view{caf::type_name_v<T>.data(), caf::type_name_v<T>.size()}};
}

/// Calls `fn` with the values in `args`.
template <class... Ts, class F>
start_result apply_args(std::type_identity<std::tuple<Ts...>>,
                        const child_id& id, const caf::message& args, F&& fn) {
  if constexpr (sizeof...(Ts) == 1
                && (std::is_same_v<std::decay_t<Ts>, caf::message> && ...)) {
    return fn(args);
  } else {
    bool match = args.size() == sizeof...(Ts);
    if constexpr (sizeof...(Ts) > 0)
      match = match && args.match_elements<std::decay_t<Ts>...>();
    if (!match) {
      std::string names;
      ((names += names.empty() ? "" : ", ",
        names += param_name<std::decay_t<Ts>>()),
       ...);
      return make_argument_error(id, std::move(names), args);
    }
    return [&]<size_t... Is>(std::index_sequence<Is...>)->start_result {
      return fn(args.get_as<std::decay_t<Ts>>(Is)...);
    }
    (std::index_sequence_for<Ts...>{});
  }
}

} // namespace detail

/// Starts a child. Made from
/// - anything that CAF's `spawn` accepts: functions that return a behavior or
///   take a pointer to their actor (event-based, blocking, stateful, typed);
///   for classes see `start_class`;
/// - a function that starts the child itself, optionally takes a
///   `start_context&` first, and returns a handle or a `start_result`;
/// - the name of a start function in the catalog.
///
/// All further parameters are filled from `child_spec::args`. The function
/// runs on the thread of the director, which serves nobody else meanwhile: a
/// child with a long way to go uses `await_ready`. Exceptions that it throws,
/// those of actor constructors included, are start errors.
class start_function
  : public named_function<start_result(start_context&, const caf::message&)> {
public:
  /// Creates an empty function: the one of the default child spec.
  start_function() = default;

  /// Refers to a start function in the catalog.
  start_function(std::string name) : super(std::move(name)) {
    // nop
  }

  /// @copydoc start_function(std::string)
  start_function(const char* name) : super(std::string{name}) {
    // nop
  }

  /// Spawns `fn` as an actor.
  template <detail::actor_function F>
  start_function(F fn)
    : start_function(spawning<caf::no_spawn_options>(std::move(fn))) {
    // nop
  }

  /// Calls `fn` to start the child.
  template <detail::starter_function F>
  start_function(F fn) : super("local", calling(std::move(fn))) {
    // nop
  }

  /// Spawns `fn` as an actor, with options such as `caf::detached`.
  template <caf::spawn_options Os, class F>
  static start_function spawning(F&& fn) {
    using fn_type = std::decay_t<F>;
    using params = typename detail::callable_traits<fn_type>::params;
    using args_type = detail::user_params<params>;
    return {"local", [fn = fn_type{std::forward<F>(fn)}](
                       start_context& ctx, const caf::message& args) {
              return detail::apply_args(std::type_identity<args_type>{},
                                        ctx.id(), args,
                                        [&](const auto&... xs) -> start_result {
                                          return ctx.spawn<Os>(fn, xs...);
                                        });
            }};
  }

  /// Returns a copy that `child_spec::modules` shows under `label`. No use
  /// for names in the catalog.
  start_function labelled(std::string label) const {
    auto result = *this;
    if (local_)
      result.name_ = std::move(label);
    return result;
  }

  /// Spawns actors of class `Impl`, whose constructor takes `Ts...` behind
  /// CAF's own parameter.
  template <class Impl, caf::spawn_options Os, class... Ts>
  static start_function spawning_class() {
    return {"local", [](start_context& ctx, const caf::message& args) {
              return detail::apply_args(std::type_identity<std::tuple<Ts...>>{},
                                        ctx.id(), args,
                                        [&](const auto&... xs) -> start_result {
                                          return ctx.spawn<Impl, Os>(xs...);
                                        });
            }};
  }

private:
  using super
    = named_function<start_result(start_context&, const caf::message&)>;

  start_function(std::string label, callable_type fn)
    : super(std::move(label), std::move(fn)) {
    // nop
  }

  template <class F>
  static callable_type calling(F fn) {
    using params = typename detail::callable_traits<F>::params;
    constexpr auto with_context
      = std::is_same_v<typename detail::first<params>::type, start_context&>;
    return [fn = std::move(fn)](start_context& ctx, const caf::message& args) {
      return detail::apply_args(
        std::type_identity<detail::user_params<params>>{}, ctx.id(), args,
        [&](const auto&... xs) -> start_result {
          if constexpr (with_context)
            return start_result{fn(ctx, xs...)};
          else
            return start_result{fn(xs...)};
        });
    };
  }
};

/// Returns a start function that spawns actors of class `Impl`, whose
/// constructor takes `Ts...` behind CAF's own parameter.
/// @relates start_function
template <class Impl, class... Ts>
start_function start_class() {
  return start_function::spawning_class<Impl, caf::no_spawn_options, Ts...>();
}

} // namespace director
