#include "compat.hpp"
#include "director/callbacks.hpp"
#include "director/director.hpp"
#include "director/internal/compat.hpp"
#include "director/plan.hpp"
#include "subject.hpp"

#include <caf/actor_cast.hpp>

namespace bench {

namespace {

namespace compat = director::internal::compat;

class director_subject final : public subject {
public:
  director_subject(caf::actor_system& system, child impl,
                   director::table_ptr table, bool travels)
    : subject(system),
      table_(std::move(table)) {
    director::director_options options;
    options.sink = nullptr;
    options.table = table_;
    director::init_result first;
    if (travels) {
      options.catalog.add_start("child", impl);
      first.default_spec.start = "child";
      first.default_spec.delete_before_terminate = false;
    } else {
      first.default_spec.start = impl;
    }
    first.default_spec.plan = director::plans::permanent();
    auto handle = director::spawn(system, director::fixed(std::move(first)),
                                  std::move(options));
    handle_ = caf::actor_cast<caf::actor>(handle);
  }

  void prepare_batch(int64_t first, int64_t last) override {
    specs_.clear();
    specs_.reserve(static_cast<size_t>(last - first + 1));
    for (auto id = first; id <= last; ++id)
      specs_.push_back(spec(id));
  }

  void start_batch() override {
    compat::request_receive(
      self_, handle_, caf::infinite,
      [this](std::vector<director::child_outcome>& xs) {
        started_ = std::move(xs);
      },
      [](caf::error& err) { fail("start_children", err); },
      director::start_children_atom_v, std::move(specs_), false);
  }

  std::vector<caf::actor> take_batch() override {
    std::vector<caf::actor> result;
    result.reserve(started_.size());
    for (auto& outcome : std::exchange(started_, {})) {
      if (outcome.err)
        fail("start_children", outcome.err);
      result.push_back(std::move(outcome.value.handle));
    }
    return result;
  }

  const director::table* table() const override {
    return table_.get();
  }

  caf::message_handler answers(std::function<void()> then) const override {
    return {
      [then](const director::started&) { then(); },
      [then](const caf::actor&) { then(); },
      [then](const director::child_counts&) { then(); },
      [](const caf::error& err) { fail("request", err); },
    };
  }

  void start(caf::event_based_actor* self, int64_t id) const override {
    ask(self, handle_, director::start_child_atom_v, spec(id));
  }

  void lookup(caf::event_based_actor* self, int64_t id) const override {
    ask(self, handle_, director::get_actor_atom_v, director::child_id{id});
  }

  void count(caf::event_based_actor* self) const override {
    ask(self, handle_, director::count_children_atom_v);
  }

  std::vector<director::child_info> list() override {
    std::vector<director::child_info> result;
    compat::request_receive(
      self_, handle_, caf::infinite,
      [&result](std::vector<director::child_info>& xs) {
        result = std::move(xs);
      },
      [](caf::error& err) { fail("which_children", err); },
      director::which_children_atom_v);
    return result;
  }

protected:
  void send_stop() override {
    compat::send(handle_, caf::message_priority::normal, nullptr,
                 director::stop_atom_v,
                 caf::make_error(caf::exit_reason::user_shutdown));
  }

private:
  static director::child_spec spec(int64_t id) {
    director::child_spec result;
    result.id = id;
    result.append = true;
    return result;
  }

  director::table_ptr table_;
  std::vector<director::child_spec> specs_;
  std::vector<director::child_outcome> started_;
};

} // namespace

subject_ptr make_director_subject(caf::actor_system& system, child impl,
                                  director::table_ptr table, bool travels) {
  return std::make_unique<director_subject>(system, impl, std::move(table),
                                            travels);
}

} // namespace bench
