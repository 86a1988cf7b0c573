#include "director/director.hpp"

#include "director/errc.hpp"
#include "director/internal/compat.hpp"
#include "director/internal/shell.hpp"

#include <caf/actor_cast.hpp>
#include <caf/exit_reason.hpp>
#include <caf/scoped_actor.hpp>

namespace director {

namespace {

director_actor launch(caf::actor_system& system, callbacks hooks,
                      director_options options, caf::message arg,
                      caf::actor parent) {
  auto handle = system.spawn<internal::shell>(
    std::move(hooks), std::move(options), std::move(arg), std::move(parent));
  return caf::actor_cast<director_actor>(handle);
}

caf::expected<director_actor>
await(caf::actor_system& system, director_actor handle, caf::timespan timeout) {
  caf::error err;
  caf::scoped_actor self{system};
  internal::compat::request_receive(
    self, handle, timeout, [] {},
    [&err](caf::error& reason) { err = std::move(reason); }, ready_atom_v);
  if (!err)
    return handle;
  if (err == errc::declined)
    return director_actor{};
  if (err == caf::sec::request_timeout)
    internal::compat::send(
      caf::actor_cast<caf::actor>(handle), caf::message_priority::high, nullptr,
      caf::exit_msg{self.address(), caf::exit_reason::user_shutdown});
  return err;
}

caf::actor as_actor(caf::local_actor* self) {
  return caf::actor_cast<caf::actor>(caf::strong_actor_ptr{self->ctrl()});
}

} // namespace

callbacks fixed(init_result first) {
  return {
    .init = [first = std::move(first)](const caf::message&) { return first; }};
}

director_actor spawn(caf::actor_system& system, callbacks hooks,
                     director_options options, caf::message arg) {
  return launch(system, std::move(hooks), std::move(options), std::move(arg),
                {});
}

director_actor spawn_linked(caf::local_actor* parent, callbacks hooks,
                            director_options options, caf::message arg) {
  return launch(parent->system(), std::move(hooks), std::move(options),
                std::move(arg), as_actor(parent));
}

caf::expected<director_actor> start(caf::actor_system& system, callbacks hooks,
                                    director_options options, caf::message arg,
                                    caf::timespan timeout) {
  auto handle = spawn(system, std::move(hooks), std::move(options),
                      std::move(arg));
  return await(system, std::move(handle), timeout);
}

caf::expected<director_actor>
start_linked(caf::local_actor* parent, callbacks hooks,
             director_options options, caf::message arg,
             caf::timespan timeout) {
  auto handle = spawn_linked(parent, std::move(hooks), std::move(options),
                             std::move(arg));
  return await(parent->system(), std::move(handle), timeout);
}

start_function nested(callbacks hooks, director_options options,
                      caf::message arg) {
  start_function result = [hooks = std::move(hooks),
                           options = std::move(options),
                           arg = std::move(arg)](start_context& ctx) {
    return start_result::starting(caf::actor_cast<caf::actor>(
      launch(ctx.system(), hooks, options, arg, {})));
  };
  return result.labelled("director");
}

} // namespace director
