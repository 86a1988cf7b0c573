#include "director/callbacks.hpp"

#include "director/errc.hpp"

namespace director {

init_result init_result::ignore() {
  return stop(caf::make_error(errc::declined));
}

init_result init_result::stop(caf::error reason) {
  init_result result;
  result.refusal = std::move(reason);
  return result;
}

} // namespace director
