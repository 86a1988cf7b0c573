// What is measured: a supervisor, be it a director or the floor.

#pragma once

#include "child.hpp"
#include "director/table.hpp"

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/message_handler.hpp>
#include <caf/scoped_actor.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace bench {

/// A supervisor with the requests that all systems know. Child IDs are 1 to N.
class subject {
public:
  explicit subject(caf::actor_system& system) : self_(system) {
    // nop
  }

  virtual ~subject();

  // -- from the main thread ---------------------------------------------------

  /// Makes the request that `start_batch` will send.
  virtual void prepare_batch(int64_t first, int64_t last) = 0;

  /// Starts children `first` to `last` by one request and waits for the
  /// answer. From any thread, by one at a time.
  virtual void start_batch() = 0;

  /// Returns what the last batch has started, in order of the IDs.
  virtual std::vector<caf::actor> take_batch() = 0;

  /// Returns the table for those who read without asking; the floor has none.
  virtual const director::table* table() const;

  /// Lists the children, as `which_children` does. The floor lists nothing.
  virtual std::vector<director::child_info> list();

  /// Ends the supervisor and its children and returns when they were gone.
  time_point stop();

  // -- from other actors ------------------------------------------------------

  /// Returns handlers for the answers to what follows: each calls `then`.
  virtual caf::message_handler answers(std::function<void()> then) const = 0;

  virtual void start(caf::event_based_actor* self, int64_t id) const = 0;

  virtual void lookup(caf::event_based_actor* self, int64_t id) const = 0;

  virtual void count(caf::event_based_actor* self) const = 0;

protected:
  virtual void send_stop() = 0;

  caf::scoped_actor self_;
  caf::actor handle_;
};

using subject_ptr = std::unique_ptr<subject>;

/// @relates subject
subject_ptr make_floor_subject(caf::actor_system& system, child impl);

/// @param travels whether the children can be started again elsewhere: their
///                specs only name functions, and they are to outlive this
///                process.
/// @relates subject
subject_ptr make_director_subject(caf::actor_system& system, child impl,
                                  director::table_ptr table,
                                  bool travels = false);

/// Logs a request that should not have failed and gives up.
[[noreturn]] void fail(const char* what, const caf::error& reason);

} // namespace bench
