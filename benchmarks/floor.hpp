// The floor: what CAF itself costs.

#pragma once

#include "child.hpp"

#include <caf/actor.hpp>
#include <caf/event_based_actor.hpp>

#include <cstdint>
#include <unordered_map>

namespace bench {

/// A supervisor as one writes it by hand: starts children, starts them again
/// when they exit, and stops them. No specs, no plans, no reports.
///
/// - (start_atom, id) -> handle
/// - (start_atom, ids) -> handles
/// - (lookup_atom, id) -> handle
/// - (count_atom) -> number of children
/// - (stop_atom): ends when all children have ended
class floor_supervisor final : public caf::event_based_actor {
public:
  floor_supervisor(caf::actor_config& cfg, child impl);

protected:
  caf::behavior make_behavior() override;

private:
  const caf::actor& start(int64_t id);

  void exited(caf::actor_id who);

  child impl_;
  bool stopping_ = false;
  std::unordered_map<int64_t, caf::actor> children_;
  std::unordered_map<caf::actor_id, int64_t> ids_;
};

} // namespace bench
