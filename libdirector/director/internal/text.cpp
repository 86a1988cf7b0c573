#include "director/internal/text.hpp"

#include <fmt/format.h>

#include <iterator>

namespace director::internal {

std::string escaped(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (auto c : text) {
    auto code = static_cast<unsigned char>(c);
    if (c == '\n')
      result += "\\n";
    else if (code < 0x20 || code == 0x7f)
      fmt::format_to(std::back_inserter(result), "\\x{:02x}", code);
    else
      result += c;
  }
  return result;
}

} // namespace director::internal
