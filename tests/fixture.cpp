#include "fixture.hpp"

#include <algorithm>
#include <future>
#include <thread>

namespace fixture {

void journal::add(std::string line) {
  std::unique_lock guard{mutex_};
  lines_.push_back(std::move(line));
  changed_.notify_all();
}

bool journal::await(const std::string& text, size_t count) {
  std::unique_lock guard{mutex_};
  return changed_.wait_for(guard, patience,
                           [&] { return count_locked(text) >= count; });
}

size_t journal::count(const std::string& text) const {
  std::unique_lock guard{mutex_};
  return count_locked(text);
}

std::string journal::all() const {
  std::unique_lock guard{mutex_};
  std::string result;
  for (auto& line : lines_)
    result += line + "\n";
  return result;
}

size_t journal::count_locked(const std::string& text) const {
  return static_cast<size_t>(
    std::count_if(lines_.begin(), lines_.end(), [&](const std::string& line) {
      return line.find(text) != std::string::npos;
    }));
}

void gate::open() {
  std::unique_lock guard{mutex_};
  open_ = true;
  changed_.notify_all();
}

void gate::pass() {
  std::unique_lock guard{mutex_};
  changed_.wait_for(guard, patience, [this] { return open_; });
}

world::world() : world(2) {
  // nop
}

world::world(size_t threads) {
  config.set("caf.scheduler.max-threads", threads);
  sys = std::make_unique<caf::actor_system>(config);
}

world::~world() {
  for (auto& handle : directors_)
    send_exit(as_actor(handle), caf::exit_reason::user_shutdown);
  directors_.clear();
  sys.reset();
}

director::director_options world::options(std::string name) {
  director::director_options result;
  result.name = std::move(name);
  result.sink = [log = log](const director::report& x) {
    log->add(to_string(x));
  };
  result.kill_grace = 200ms;
  return result;
}

director::client world::start(std::vector<director::child_spec> children,
                              director::director_options options,
                              director::child_spec default_spec) {
  if (options.name == "director")
    options = this->options();
  return start_with(director::fixed({.children = std::move(children),
                                     .default_spec = std::move(default_spec)}),
                    std::move(options));
}

director::client world::start_with(director::callbacks hooks,
                                   director::director_options options) {
  auto handle
    = value_of(director::start(*sys, std::move(hooks), std::move(options)));
  directors_.push_back(handle);
  return {*sys, handle, patience};
}

director::child_spec world::worker(director::child_id id, std::string label) {
  if (label.empty())
    label = to_string(id);
  auto fn = [log = log, label](caf::event_based_actor* self) {
    log->add("up " + label);
    self->attach_functor([log, label] { log->add("down " + label); });
    auto count = std::make_shared<int>(0);
    return caf::behavior{
      [self](crash_atom) { self->quit(caf::sec::runtime_error); },
      [self](crash_atom, const caf::error& reason) { self->quit(reason); },
      [](throw_atom) { throw std::runtime_error{"child"}; },
      [count](count_atom) { return ++*count; },
      [log, label](director::new_parent_atom, const caf::actor&) {
        log->add("new parent of " + label);
      },
    };
  };
  director::child_spec result;
  result.id = std::move(id);
  result.start = fn;
  return result;
}

bool world::eventually(const std::function<bool()>& predicate) {
  auto deadline = std::chrono::steady_clock::now() + patience;
  while (!predicate()) {
    if (std::chrono::steady_clock::now() > deadline)
      return false;
    std::this_thread::yield();
  }
  return true;
}

bool world::gone(const caf::actor& handle) {
  auto done = std::make_shared<std::promise<void>>();
  handle->attach_functor([done] { done->set_value(); });
  return done->get_future().wait_for(patience) == std::future_status::ready;
}

void send_exit(const caf::actor& receiver, caf::error reason) {
  receiver->enqueue(director::internal::compat::make_element(
                      caf::message_priority::high,
                      caf::exit_msg{receiver.address(), std::move(reason)}),
                    nullptr);
}

caf::error end_of(const caf::actor& handle) {
  auto result = std::make_shared<std::promise<caf::error>>();
  handle->attach_functor(
    [result](const caf::error& reason) { result->set_value(reason); });
  auto reason = result->get_future();
  if (reason.wait_for(patience) != std::future_status::ready)
    FAIL("the actor has not ended");
  return reason.get();
}

caf::error end_of(const director::client& dir) {
  return end_of(as_actor(dir.handle()));
}

} // namespace fixture
