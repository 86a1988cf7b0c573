// Parameter types of functions and function objects.

#pragma once

#include <tuple>
#include <type_traits>

namespace director::detail {

template <class F>
struct callable_traits : callable_traits<decltype(&F::operator())> {};

template <class R, class... Ts>
struct callable_traits<R(Ts...)> {
  using result_type = R;
  using params = std::tuple<Ts...>;
};

template <class R, class... Ts>
struct callable_traits<R (*)(Ts...)> : callable_traits<R(Ts...)> {};

template <class R, class... Ts>
struct callable_traits<R (*)(Ts...) noexcept> : callable_traits<R(Ts...)> {};

template <class C, class R, class... Ts>
struct callable_traits<R (C::*)(Ts...)> : callable_traits<R(Ts...)> {};

template <class C, class R, class... Ts>
struct callable_traits<R (C::*)(Ts...) const> : callable_traits<R(Ts...)> {};

template <class C, class R, class... Ts>
struct callable_traits<R (C::*)(Ts...) noexcept> : callable_traits<R(Ts...)> {};

template <class C, class R, class... Ts>
struct callable_traits<R (C::*)(Ts...) const noexcept>
  : callable_traits<R(Ts...)> {};

template <class T>
concept function_object = requires {
  &T::operator();
};

/// Functions and function objects without overloads.
template <class F>
concept plain_callable
  = std::is_function_v<std::remove_pointer_t<F>> || function_object<F>;

/// The first type of a tuple, `void` if there is none.
template <class Tuple>
struct first {
  using type = void;
};

template <class T, class... Ts>
struct first<std::tuple<T, Ts...>> {
  using type = T;
};

/// All but the first type of a tuple.
template <class Tuple>
struct rest {
  using type = std::tuple<>;
};

template <class T, class... Ts>
struct rest<std::tuple<T, Ts...>> {
  using type = std::tuple<Ts...>;
};

} // namespace director::detail
