// Texts for people to read.

#pragma once

#include <caf/actor_system.hpp>

#include <string>
#include <string_view>

namespace director::internal {

/// Keeps a text on its line: a line feed becomes `\n`, any other control
/// character `\xNN`. Everything else stays, UTF-8 and backslashes included.
std::string escaped(std::string_view text);

/// Names an actor: without the node if it is this one, which CAF calls
/// `invalid-node` unless its middleman is loaded.
template <class Handle>
std::string actor_text(const Handle& x) {
  if (x && x.node() == x.home_system().node())
    return std::to_string(x.id());
  return to_string(x);
}

} // namespace director::internal
