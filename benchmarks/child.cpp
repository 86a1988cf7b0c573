#include "child.hpp"

#include "types.hpp"

#include <caf/sec.hpp>

namespace bench {

caf::behavior child::operator()(caf::event_based_actor* self) const {
  ups->hit();
  return {
    [self](crash_atom) { self->quit(caf::sec::runtime_error); },
    [](caf::get_atom) { return 42; },
  };
}

} // namespace bench
