#include "director/internal/compat.hpp"
#include "workloads.hpp"

#include <caf/exit_reason.hpp>
#include <caf/scoped_actor.hpp>

namespace bench {

namespace {

namespace compat = director::internal::compat;

double growth_per_child(harness& env, size_t before) {
  auto after = harness::settled_memory();
  return (static_cast<double>(after) - static_cast<double>(before))
         / static_cast<double>(env.children());
}

double bare_bytes(harness& env) {
  std::vector<caf::actor> children;
  children.reserve(static_cast<size_t>(env.children()));
  auto before = harness::settled_memory();
  env.ups().expect(env.children());
  for (int64_t i = 0; i < env.children(); ++i)
    children.push_back(env.system().spawn(child{&env.ups()}));
  env.ups().wait();
  auto result = growth_per_child(env, before);
  caf::scoped_actor self{env.system()};
  for (auto& x : children)
    compat::send(x, caf::message_priority::normal, nullptr,
                 caf::exit_msg{self->address(),
                               caf::exit_reason::user_shutdown});
  self->wait_for(children);
  return result;
}

} // namespace

std::vector<double> run_memory(harness& env, const contender& who) {
  auto bare = bare_bytes(env);
  auto before = harness::settled_memory();
  auto to = env.make(who);
  env.populate(*to);
  auto bytes = growth_per_child(env, before);
  to->stop();
  return {bytes, bytes - bare};
}

} // namespace bench
