// Another process of this program that takes part in a cluster.

#pragma once

#include "countdown.hpp"

#include <caf/actor_system.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <sys/types.h>

namespace bench {

/// Runs `run_peer` in a process of its own, which ends with this object, and
/// with this process. Ends the program if the peer fails or does not answer.
class peer {
public:
  explicit peer(const caf::actor_system& system);

  peer(const peer&) = delete;

  ~peer();

  /// Sends a command without waiting. See `run_peer` for the commands.
  void tell(std::string_view command);

  /// Returns the next line that the peer writes.
  std::string answer();

  /// Returns the next line, which is a time. The processes of a machine share
  /// a clock.
  time_point answered_time();

  /// Waits until a command has been carried out.
  void ask(std::string_view command);

  /// Kills the process without warning and returns when that was.
  time_point kill();

private:
  pid_t pid_ = 0;
  int to_ = -1;
  int from_ = -1;
  std::string received_;
};

using peer_ptr = std::shared_ptr<peer>;

} // namespace bench
