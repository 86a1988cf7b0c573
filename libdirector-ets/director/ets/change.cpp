#include "director/ets/change.hpp"

#include <array>
#include <string_view>

namespace director::ets {

namespace {

constexpr std::array<std::string_view, 5> names{
  "started", "exited", "restarting", "deleted", "owner_changed",
};

} // namespace

std::string to_string(change_kind x) {
  auto index = static_cast<size_t>(x);
  return std::string{index < names.size() ? names[index] : "???"};
}

bool from_string(director::detail::string_view text, change_kind& x) {
  std::string_view wanted{text.data(), text.size()};
  for (size_t index = 0; index < names.size(); ++index)
    if (names[index] == wanted)
      return from_integer(static_cast<uint8_t>(index), x);
  return false;
}

bool from_integer(std::underlying_type_t<change_kind> value, change_kind& x) {
  if (value >= names.size())
    return false;
  x = static_cast<change_kind>(value);
  return true;
}

bool matches(const change_filter& filter, const change& x) noexcept {
  return (filter.id.empty() || filter.id == x.id)
         && (!filter.owner || filter.owner == x.owner
             || filter.owner == x.former_owner);
}

} // namespace director::ets
