#include "subject.hpp"

#include <cstdio>
#include <cstdlib>
#include <future>

namespace bench {

subject::~subject() {
  // nop
}

const director::table* subject::table() const {
  return nullptr;
}

std::vector<director::child_info> subject::list() {
  return {};
}

time_point subject::stop() {
  auto gone = std::make_shared<std::promise<time_point>>();
  handle_->attach_functor([gone] { gone->set_value(clock_type::now()); });
  send_stop();
  handle_ = nullptr;
  return gone->get_future().get();
}

void fail(const char* what, const caf::error& reason) {
  fprintf(stderr, "director-bench: %s failed: %s\n", what,
          to_string(reason).c_str());
  std::_Exit(1);
}

} // namespace bench
