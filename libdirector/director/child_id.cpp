#include "director/child_id.hpp"

#include <utility>

namespace director {

child_id::shared_text::shared_text(std::string str)
  : value(std::move(str)),
    hash(std::hash<std::string>{}(value)) {
  // nop
}

child_id::child_id(std::string value) {
  if (!value.empty())
    value_ = text_ptr{new shared_text(std::move(value)), false};
}

size_t child_id::hash() const noexcept {
  if (auto* num = integer())
    return std::hash<int64_t>{}(*num);
  if (auto* str = std::get_if<text_ptr>(&value_))
    return (*str)->hash;
  return 0;
}

bool child_id::equals(const child_id& other) const noexcept {
  auto* str = string();
  auto* other_str = other.string();
  if (str != nullptr && other_str != nullptr)
    return str == other_str || *str == *other_str;
  return value_ == other.value_;
}

bool child_id::less(const child_id& other) const noexcept {
  if (value_.index() != other.value_.index())
    return value_.index() < other.value_.index();
  if (auto* num = integer())
    return *num < *other.integer();
  if (auto* str = string())
    return *str < *other.string();
  return false;
}

child_id::wire_type child_id::to_wire() const {
  if (auto* num = integer())
    return *num;
  auto* str = string();
  return str != nullptr ? *str : std::string{};
}

void child_id::from_wire(wire_type value) {
  if (auto* num = std::get_if<int64_t>(&value))
    *this = child_id{*num};
  else
    *this = child_id{std::get<std::string>(std::move(value))};
}

std::string to_string(const child_id& x) {
  if (auto* num = x.integer())
    return std::to_string(*num);
  auto* str = x.string();
  return str != nullptr ? *str : "<empty>";
}

} // namespace director
