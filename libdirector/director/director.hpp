// Starting directors.

#pragma once

#include "director/callbacks.hpp"
#include "director/fwd.hpp"
#include "director/messages.hpp"
#include "director/options.hpp"
#include "director/start.hpp"

#include <caf/actor_system.hpp>
#include <caf/expected.hpp>
#include <caf/local_actor.hpp>
#include <caf/message.hpp>
#include <caf/timespan.hpp>

namespace director {

// A director lives until it is stopped, even if nobody holds its handle any
// longer: an actor system waits for its directors when it shuts down.

/// Returns callbacks that only have an `init`, which gives `first`.
callbacks fixed(init_result first);

/// Spawns a director and returns at once. `ready_atom` asks it for the
/// outcome: it answers when all children of `init` have started, or with the
/// error why the director could not start (`errc::declined` if `init` gave
/// `init_result::ignore()`). A director that could not start waits up to
/// `defaults::linger` to be asked. Safe from any thread, actors included.
/// @param arg what `callbacks::init` gets.
director_actor spawn(caf::actor_system& system, callbacks hooks,
                     director_options options = {}, caf::message arg = {});

/// Like `spawn`, and links the director to `parent`: it ends when its parent
/// does, and the other way round.
director_actor spawn_linked(caf::local_actor* parent, callbacks hooks,
                            director_options options = {},
                            caf::message arg = {});

/// Spawns a director and waits for the outcome: a handle, an empty handle if
/// `init` gave `init_result::ignore()`, or the error why it could not start.
/// What had started is gone again when that error is returned. Blocks: not for
/// event-based actors.
/// @param timeout limits the waiting; a director that takes longer is stopped
///        and `sec::request_timeout` returned.
caf::expected<director_actor>
start(caf::actor_system& system, callbacks hooks, director_options options = {},
      caf::message arg = {}, caf::timespan timeout = caf::infinite);

/// Like `start`, and links the director to `parent`, usually a
/// `caf::scoped_actor`.
caf::expected<director_actor>
start_linked(caf::local_actor* parent, callbacks hooks,
             director_options options = {}, caf::message arg = {},
             caf::timespan timeout = caf::infinite);

/// Returns a start function for a director as child of another, which counts
/// as started when its own children have. The spec should have type
/// `supervisor`.
start_function nested(callbacks hooks, director_options options = {},
                      caf::message arg = {});

} // namespace director
