#include "crash_storm.hpp"

#include "director/internal/compat.hpp"
#include "readers.hpp"
#include "types.hpp"

#include <caf/event_based_actor.hpp>

#include <memory>

namespace bench {

namespace {

namespace compat = director::internal::compat;

constexpr auto pause = std::chrono::milliseconds{1};
constexpr int crashes_per_pause = 50;

struct driver_state {
  const subject* victims;
  int64_t children;
  int64_t* crashes;
  countdown* stopped;
  dice ids{7};
};

void pick_victims(caf::event_based_actor* self,
                  const std::shared_ptr<driver_state>& state) {
  for (int i = 0; i < crashes_per_pause; ++i)
    state->victims->lookup(self, state->ids.roll(state->children));
  self->run_delayed(pause, [self, state] { pick_victims(self, state); });
}

/// Asks the supervisor for victims: all systems know that request.
caf::behavior driver(caf::event_based_actor* self, driver_state init) {
  auto state = std::make_shared<driver_state>(init);
  pick_victims(self, state);
  return {
    [self, state](const caf::actor& victim) {
      ++*state->crashes;
      compat::send(victim, caf::message_priority::normal, self->context(),
                   crash_atom_v);
    },
    // The child is on its way back already.
    [](const caf::error&) {},
    [self, state](stop_atom) {
      self->quit();
      state->stopped->hit();
    },
  };
}

} // namespace

crash_storm::crash_storm(harness& env, const subject& victims)
  : begin_(clock_type::now()) {
  stopped_.expect(1);
  driver_ = env.system().spawn(driver, driver_state{&victims, env.children(),
                                                    &crashes_, &stopped_});
}

double crash_storm::stop() {
  compat::send(driver_, caf::message_priority::normal, nullptr, stop_atom_v);
  auto us = to_us(stopped_.wait() - begin_);
  return static_cast<double>(crashes_) * 1e3 / us;
}

} // namespace bench
