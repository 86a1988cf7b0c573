#include "fixture.hpp"

#include <algorithm>
#include <sstream>
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

size_t occurrences(const std::string& text, const std::string& part) {
  size_t result = 0;
  for (auto i = text.find(part); i != std::string::npos;
       i = text.find(part, i + 1))
    ++result;
  return result;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
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

world::world(const std::function<void(caf::actor_system_config&)>& prepare) {
  config.set("caf.scheduler.max-threads", size_t{2});
  prepare(config);
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

std::shared_ptr<void> farewell(journal_ptr log, std::string label) {
  return {nullptr, [log = std::move(log), label = std::move(label)](void*) {
            log->add("end " + label);
          }};
}

director::child_spec noted(world& w, director::child_id id,
                           std::shared_ptr<gate> door) {
  auto label = to_string(id);
  director::child_spec result;
  result.id = std::move(id);
  result.start = [log = w.log, label, door](caf::event_based_actor* self) {
    log->add("up " + label);
    auto end = farewell(log, label);
    return caf::behavior{
      [self, end](crash_atom, const caf::error& reason) { self->quit(reason); },
      [log, label, door](block_atom) {
        log->add("busy " + label);
        door->pass();
      },
      [log, label](count_atom) { log->add("counted " + label); },
    };
  };
  return result;
}

director::child_spec stubborn(world& w, director::child_id id,
                              caf::timespan timeout) {
  auto label = to_string(id);
  director::child_spec result;
  result.id = std::move(id);
  result.terminate_timeout = timeout;
  result.start = [log = w.log, label](caf::event_based_actor* self) {
    auto end = farewell(log, label);
    return director::internal::compat::make_behavior(
      self, [log, label](caf::exit_msg&) { log->add("asked " + label); },
      [](const caf::message&) -> caf::error {
        return caf::sec::unexpected_message;
      },
      [self, end](block_atom) { self->quit(caf::exit_reason::user_shutdown); });
  };
  return result;
}

director::child_spec broken(director::child_id id) {
  director::child_spec result;
  result.id = std::move(id);
  result.start = []() -> director::start_result {
    return caf::make_error(caf::sec::bad_function_call);
  };
  return result;
}

director::child_spec with_plan(world& w, director::child_id id,
                               director::plan_function plan) {
  auto result = w.worker(std::move(id));
  result.plan = std::move(plan);
  return result;
}

director::child_spec nested_spec(director::child_id id,
                                 director::callbacks hooks,
                                 director::director_options options) {
  director::child_spec result;
  result.id = std::move(id);
  result.start = director::nested(std::move(hooks), std::move(options));
  result.type = director::child_type::supervisor;
  return result;
}

slow_child::slow_child(world& w, director::child_id id,
                       caf::timespan start_timeout)
  : log(w.log) {
  auto label = to_string(id);
  spec.id = std::move(id);
  spec.await_ready = true;
  spec.start_timeout = start_timeout;
  spec.start = [log = w.log, label,
                handle = handle](caf::event_based_actor* self) {
    log->add("up " + label);
    auto end = farewell(log, label);
    auto promise = std::make_shared<caf::response_promise>();
    return caf::behavior{
      [=](director::ready_atom) -> caf::result<int32_t> {
        *promise = self->make_response_promise();
        *handle = caf::actor{self};
        log->add("asked " + label);
        return caf::delegated<int32_t>{};
      },
      [=](count_atom) {
        log->add("ready " + label);
        promise->deliver(int32_t{42});
      },
      [=](crash_atom, const caf::error& reason) {
        std::ignore = end;
        self->quit(reason);
      },
    };
  };
}

caf::actor slow_child::asked() {
  if (!log->await("asked " + to_string(spec.id)))
    FAIL("no ready request");
  return std::exchange(*handle, {});
}

director::callbacks
init_with(std::function<director::init_result(const caf::message&)> init) {
  director::callbacks result;
  result.init = std::move(init);
  return result;
}

director::director_options traced(world& w) {
  auto result = w.options();
  result.trace.function = [log = w.log](const director::trace_event& x) {
    if (x.kind == director::trace_kind::verdict)
      log->add("verdict on " + to_string(x.id) + ": " + x.text + ".");
  };
  return result;
}

director::plan_function noting(const journal_ptr& log) {
  return [log](director::exit_info& x) {
    log->add("plan " + to_string(x.id) + " recent=" + std::to_string(x.recent)
             + " lifetime=" + std::to_string(x.lifetime) + " "
             + to_string(x.reason));
    return director::verdict::restart();
  };
}

director::trace_options
tracing(const std::function<void(director::trace_options&)>& change) {
  director::trace_options result;
  change(result);
  return result;
}

director::child_spec named_spec() {
  return {
    .id = "child",
    .start = "start",
    .args = caf::make_message(int32_t{1}, "two"),
    .plan = "plan",
    .state = caf::make_message("state"),
    .type = director::child_type::supervisor,
    .terminate_timeout = 3s,
    .modules = director::module_list{"one", "two"},
    .log_filter = "filter",
    .delete_before_terminate = false,
    .append = true,
    .await_ready = true,
    .start_timeout = 7s,
  };
}

director::catalog names() {
  director::catalog result;
  result.add_start("start", [] { return director::start_result::declined(); })
    .add_plan("plan",
              [](director::exit_info&) { return director::verdict::wait(); })
    .add_log_filter("filter", [](director::report&) {
      return director::report_detail::full;
    });
  return result;
}

caf::actor await_actor(world& w, const director::client& dir,
                       const director::child_id& id, const caf::actor& before) {
  caf::actor result;
  auto restarted = w.eventually([&] {
    auto handle = dir.get_actor(id);
    if (!handle || *handle == before)
      return false;
    result = *handle;
    return true;
  });
  if (!restarted)
    FAIL("no new actor for " << to_string(id));
  return result;
}

caf::actor crash(world& w, const director::client& dir,
                 const director::child_id& id, const caf::error& reason) {
  auto handle = await_actor(w, dir, id);
  send(handle, crash_atom_v, reason);
  return await_actor(w, dir, id, handle);
}

bool becomes(world& w, const director::client& dir,
             const director::child_id& id, director::errc code) {
  return w.eventually([&] { return error_of(dir.get_actor(id)) == code; });
}

director::child_status status_of(const director::client& dir,
                                 const director::child_id& id) {
  for (auto& x : value_of(dir.which_children()))
    if (x.id == id)
      return x.status;
  FAIL("no child " << to_string(id));
  return director::child_status::undefined;
}

director::client inner(world& w, const caf::actor& handle) {
  return {*w.sys, caf::actor_cast<director::director_actor>(handle), patience};
}

strings lines(const world& w, const strings& words) {
  strings result;
  std::istringstream in{w.log->all()};
  for (std::string line; std::getline(in, line);)
    if (std::any_of(words.begin(), words.end(), [&](const std::string& word) {
          return line.compare(0, word.size(), word) == 0;
        }))
      result.push_back(line);
  return result;
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

int32_t number(const caf::message& x) {
  return x.match_elements<int32_t>() ? x.get_as<int32_t>(0) : -1;
}

std::string take(caf::message& x, int32_t step) {
  auto result = number(x);
  x = caf::make_message(result + step);
  return std::to_string(result);
}

std::string field_of(const caf::error& err) {
  auto* where = director::get_spec_error(err);
  return where != nullptr ? where->field : "";
}

} // namespace fixture
