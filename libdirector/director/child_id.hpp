// Identity of a child within its table.

#pragma once

#include "director/fwd.hpp"

#include <caf/intrusive_ptr.hpp>
#include <caf/ref_counted.hpp>

#include <concepts>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>

namespace director {

namespace detail {

template <class T>
inline constexpr bool is_letter
  = std::same_as<T, bool> || std::same_as<T, char>;

/// Integers as opposed to letters and truth values.
template <class T>
concept id_integer = std::integral<T> && !is_letter<T>;

} // namespace detail

/// Unique name of a child within one table: an integer or a string. Copying
/// never copies the string. Default-constructed IDs are empty and belong to no
/// child, as does the empty string.
class child_id {
public:
  child_id() = default;

  /// Converts from any integer.
  template <detail::id_integer T>
  child_id(T value) : value_(static_cast<int64_t>(value)) {
    // nop
  }

  child_id(std::string value);

  child_id(std::string_view value) : child_id(std::string{value}) {
    // nop
  }

  child_id(const char* value) : child_id(std::string{value}) {
    // nop
  }

  /// Returns whether this ID names no child.
  bool empty() const noexcept {
    return std::holds_alternative<std::monostate>(value_);
  }

  /// Returns the integer, or `nullptr` if this is a string or empty.
  const int64_t* integer() const noexcept {
    return std::get_if<int64_t>(&value_);
  }

  /// Returns the string, or `nullptr` if this is an integer or empty.
  const std::string* string() const noexcept {
    auto* text = std::get_if<text_ptr>(&value_);
    return text != nullptr ? &(*text)->value : nullptr;
  }

  size_t hash() const noexcept;

  friend bool operator==(const child_id& x, const child_id& y) noexcept {
    return x.equals(y);
  }

  friend bool operator<(const child_id& x, const child_id& y) noexcept {
    return x.less(y);
  }

  template <class Inspector>
  friend bool inspect(Inspector& f, child_id& x) {
    auto get = [&x] { return x.to_wire(); };
    auto set = [&x](wire_type value) {
      x.from_wire(std::move(value));
      return true;
    };
    return f.object(x).fields(f.field("value", get, set));
  }

private:
  struct shared_text final : caf::ref_counted {
    explicit shared_text(std::string str);
    std::string value;
    size_t hash;
  };

  using text_ptr = caf::intrusive_ptr<const shared_text>;

  // An empty string stands for the empty ID.
  using wire_type = std::variant<int64_t, std::string>;

  bool equals(const child_id& other) const noexcept;

  bool less(const child_id& other) const noexcept;

  wire_type to_wire() const;

  void from_wire(wire_type value);

  std::variant<std::monostate, int64_t, text_ptr> value_;
};

/// Renders integers as they are and strings without quotes.
/// @relates child_id
std::string to_string(const child_id& x);

} // namespace director

template <>
struct std::hash<director::child_id> {
  size_t operator()(const director::child_id& x) const noexcept {
    return x.hash();
  }
};
