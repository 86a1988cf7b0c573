#include "compat.hpp"
#include "director/internal/compat.hpp"
#include "floor.hpp"
#include "subject.hpp"
#include "types.hpp"

#include <numeric>

namespace bench {

namespace {

namespace compat = director::internal::compat;

class floor_subject final : public subject {
public:
  floor_subject(caf::actor_system& system, child impl) : subject(system) {
    handle_ = system.spawn<floor_supervisor>(impl);
  }

  void prepare_batch(int64_t first, int64_t last) override {
    ids_.resize(static_cast<size_t>(last - first + 1));
    std::iota(ids_.begin(), ids_.end(), first);
  }

  void start_batch() override {
    compat::request_receive(
      self_, handle_, caf::infinite,
      [this](std::vector<caf::actor>& xs) { started_ = std::move(xs); },
      [](caf::error& err) { fail("start", err); }, start_atom_v,
      std::move(ids_));
  }

  std::vector<caf::actor> take_batch() override {
    return std::exchange(started_, {});
  }

  caf::message_handler answers(std::function<void()> then) const override {
    return {
      [then](const caf::actor&) { then(); },
      [then](uint64_t) { then(); },
      [](const caf::error& err) { fail("request", err); },
    };
  }

  void start(caf::event_based_actor* self, int64_t id) const override {
    ask(self, handle_, start_atom_v, id);
  }

  void lookup(caf::event_based_actor* self, int64_t id) const override {
    ask(self, handle_, lookup_atom_v, id);
  }

  void count(caf::event_based_actor* self) const override {
    ask(self, handle_, count_atom_v);
  }

protected:
  void send_stop() override {
    compat::send(handle_, caf::message_priority::normal, nullptr, stop_atom_v);
  }

private:
  std::vector<int64_t> ids_;
  std::vector<caf::actor> started_;
};

} // namespace

subject_ptr make_floor_subject(caf::actor_system& system, child impl) {
  return std::make_unique<floor_subject>(system, impl);
}

} // namespace bench
