// Texts for people to read.

#pragma once

#include <string>
#include <string_view>

namespace director::internal {

/// Keeps a text on its line: a line feed becomes `\n`, any other control
/// character `\xNN`. Everything else stays, UTF-8 and backslashes included.
std::string escaped(std::string_view text);

} // namespace director::internal
