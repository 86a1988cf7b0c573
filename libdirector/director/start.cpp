#include "director/start.hpp"

#include <fmt/format.h>

namespace director::detail {

caf::error make_argument_error(const child_id& id, std::string expected,
                               const caf::message& got) {
  return caf::make_error(
    caf::sec::cannot_spawn_actor_from_arguments,
    fmt::format("the start function of child '{}' takes ({}), but its args "
                "are {}",
                to_string(id), expected, to_string(got)));
}

} // namespace director::detail
