#include "floor.hpp"

#include "director/internal/compat.hpp"
#include "types.hpp"

#include <caf/exit_reason.hpp>
#include <caf/result.hpp>
#include <caf/sec.hpp>

#include <vector>

namespace bench {

namespace compat = director::internal::compat;

floor_supervisor::floor_supervisor(caf::actor_config& cfg, child impl)
  : caf::event_based_actor(cfg),
    impl_(impl) {
  // nop
}

caf::behavior floor_supervisor::make_behavior() {
  return {
    [this](down_atom, caf::actor_id who) { exited(who); },
    [this](start_atom, int64_t id) { return start(id); },
    [this](start_atom, const std::vector<int64_t>& ids) {
      std::vector<caf::actor> result;
      result.reserve(ids.size());
      for (auto id : ids)
        result.push_back(start(id));
      return result;
    },
    [this](lookup_atom, int64_t id) -> caf::result<caf::actor> {
      if (auto i = children_.find(id); i != children_.end())
        return i->second;
      return caf::sec::no_such_key;
    },
    [this](count_atom) { return static_cast<uint64_t>(children_.size()); },
    [this](stop_atom) {
      stopping_ = true;
      if (children_.empty())
        quit();
      for (auto& [id, handle] : children_)
        compat::send(handle, caf::message_priority::normal, context(),
                     caf::exit_msg{address(), caf::exit_reason::user_shutdown});
    },
  };
}

const caf::actor& floor_supervisor::start(int64_t id) {
  auto& handle = children_[id];
  handle = spawn(impl_);
  ids_.emplace(handle.id(), id);
  // Unlike a monitor, this is the same in all versions of CAF, and faster.
  handle->attach_functor([self = caf::actor{this}, who = handle.id()](
                           const caf::error&, compat::scheduler_type* sched) {
    compat::send(self, caf::message_priority::normal, sched, down_atom_v, who);
  });
  return handle;
}

void floor_supervisor::exited(caf::actor_id who) {
  auto i = ids_.find(who);
  if (i == ids_.end())
    return;
  auto id = i->second;
  ids_.erase(i);
  if (!stopping_) {
    start(id);
    return;
  }
  children_.erase(id);
  if (children_.empty())
    quit();
}

} // namespace bench
