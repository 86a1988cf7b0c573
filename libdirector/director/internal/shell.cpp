#include "director/internal/shell.hpp"

#include "director/internal/names.hpp"

#include <caf/actor_system.hpp>
#include <caf/exit_reason.hpp>
#include <caf/sec.hpp>
#include <caf/telemetry/metric_registry.hpp>

#include <array>
#include <type_traits>
#include <utility>

namespace director::internal {

namespace {

/// Sends an `down_event` when its host ends. Runs on the thread of the host.
class exit_watch final : public caf::attachable {
public:
  /// Marks tokens that select watches by the director they work for.
  static constexpr size_t token_type = 0x6469'7265'6374;

  exit_watch(caf::strong_actor_ptr director, child_ref child)
    : director_(std::move(director)),
      child_(child) {
    // nop
  }

  void actor_exited(const caf::error& reason,
                    compat::scheduler_type* sched) override {
    director_->enqueue(compat::make_element(caf::message_priority::normal,
                                            detail::down_event{child_, reason}),
                       sched);
  }

  bool matches(const token& what) override {
    return what.subtype == token_type && what.ptr == director_.get();
  }

private:
  caf::strong_actor_ptr director_;
  child_ref child_;
};

template <class T>
caf::result<T> to_result(answer&& value) {
  if (auto* err = std::get_if<caf::error>(&value))
    return std::move(*err);
  if constexpr (std::is_void_v<T>)
    return caf::unit;
  else
    return std::move(std::get<T>(value));
}

} // namespace

shell::shell(caf::actor_config& cfg, callbacks hooks, director_options options,
             caf::message arg, caf::actor parent)
  : caf::event_based_actor(cfg),
    engine_(*this, *this, std::move(hooks), std::move(options)),
    arg_(std::move(arg)),
    parent_(std::move(parent)),
    address_(caf::event_based_actor::address()),
    registered_name_(engine_.options().registered_name),
    keep_alive_(ctrl()) {
  // nop
}

shell::~shell() {
  // nop
}

const char* shell::name() const {
  return "director";
}

std::set<std::string> shell::message_types() const {
  return system().message_types<director_actor>();
}

void shell::on_exit() {
  timer_.dispose();
  engine_.abandon();
  // What was put off holds response promises, whose end answers the requests.
  put_off_.clear();
  promises_.clear();
  drop_name();
  keep_alive_ = nullptr;
}

// -- requests -----------------------------------------------------------------

template <class T, class F>
caf::result<T> shell::submit(const char* what, F fn) {
  note_message(what);
  request_id id;
  if (free_requests_.empty()) {
    promises_.emplace_back();
    id = promises_.size();
  } else {
    id = free_requests_.back();
    free_requests_.pop_back();
  }
  if (suspended_) {
    promises_[id - 1] = make_response_promise();
    put_off_.emplace_back([fn, id]() mutable { fn(id); });
    return caf::delegated<T>{};
  }
  current_ = id;
  fn(id);
  current_ = 0;
  if (current_answer_) {
    free_requests_.push_back(id);
    auto value = std::move(*current_answer_);
    current_answer_.reset();
    return to_result<T>(std::move(value));
  }
  promises_[id - 1] = make_response_promise();
  return caf::delegated<T>{};
}

template <class T, class F>
caf::result<T> shell::read(const char* what, F fn) {
  note_message(what);
  auto ask = [this, what, fn]() -> caf::expected<T> {
    caf::expected<T> value = fn();
    if (auto* log = engine_.tracing())
      log->trace(trace_kind::reply, {},
                 value ? std::string{what} : to_string(value.error()));
    return value;
  };
  if (suspended_) {
    auto promise = make_response_promise<T>();
    put_off_.emplace_back([ask, promise]() mutable {
      if (auto value = ask())
        promise.deliver(std::move(*value));
      else
        promise.deliver(std::move(value.error()));
    });
    return promise;
  }
  auto value = ask();
  if (value)
    return std::move(*value);
  return std::move(value.error());
}

template <class F>
void shell::event(F fn) {
  if (suspended_)
    put_off_.emplace_back(std::move(fn));
  else
    fn();
}

void shell::resume_work() {
  suspended_ = false;
  for (auto& fn : std::exchange(put_off_, {}))
    fn();
}

void shell::note_message(const char* what) {
  if (auto* log = engine_.tracing())
    log->trace(trace_kind::message, {}, what);
}

caf::behavior shell::make_behavior() {
  if (parent_)
    link_to(parent_);
  if (auto err = take_name())
    engine_.stop(0, std::move(err));
  else
    engine_.init(arg_);
  return compat::make_behavior(
    this, [this](caf::exit_msg& msg) { handle_exit_msg(msg); },
    [this](const caf::message& msg) { return handle_unexpected(msg); },
    // -- events, most frequent first
    [this](detail::down_event& x) {
      if (suspended_)
        put_off_.emplace_back(
          [this, x] { engine_.child_exited(x.child, x.reason); });
      else
        engine_.child_exited(x.child, x.reason);
    },
    [this](detail::turn_event) { event([this] { engine_.turn(); }); },
    [this](detail::table_event& x) {
      event([this, x]() mutable {
        if (x.ticket == 0)
          engine_.table_failed(std::move(x.err));
        else
          engine_.write_completed(x.ticket, std::move(x.err),
                                  std::move(x.items));
      });
    },
    [this](detail::takeover_event& x) {
      event([this, x]() mutable { engine_.take_over(std::move(x.ids)); });
    },
    [this](detail::handover_event& x) {
      auto urgent = !x.what.release || x.what.limit == caf::timespan{0};
      if (suspended_ && urgent) {
        // Nothing would kill the children later.
        x.what.limit = caf::timespan{0};
        // The start of the others may be among what was put off.
        x.what.ids = engine_.hand_over(x.what);
      }
      event([this, x]() mutable { engine_.hand_over(std::move(x.what)); });
    },
    // -- reading
    [this](get_actor_atom, const child_id& id) {
      return read<caf::actor>("get_actor", [this, id] {
        return engine_.children().get_actor(id);
      });
    },
    [this](count_children_atom) {
      return read<child_counts>("count_children", [this] {
        return caf::expected<child_counts>{engine_.children().count_children()};
      });
    },
    [this](which_children_atom) {
      return read<std::vector<child_info>>("which_children", [this] {
        return caf::expected<std::vector<child_info>>{
          engine_.children().which_children()};
      });
    },
    [this](get_actors_atom) {
      return read<std::vector<child_handle>>("get_actors", [this] {
        return caf::expected<std::vector<child_handle>>{
          engine_.children().get_actors()};
      });
    },
    [this](get_child_spec_atom, const child_id& id) {
      return read<child_spec>("get_child_spec", [this, id] {
        return engine_.children().get_child_spec(id);
      });
    },
    [this](get_child_spec_atom, const caf::actor& handle) {
      return read<child_spec>("get_child_spec", [this, handle] {
        return engine_.get_child_spec(handle);
      });
    },
    [this](get_plan_atom, const child_id& id) {
      return read<plan_function>("get_plan",
                                 [this, id] { return engine_.get_plan(id); });
    },
    [this](get_restart_count_atom, const child_id& id) {
      return read<uint64_t>("get_restart_count", [this, id] {
        return engine_.children().get_restart_count(id);
      });
    },
    [this](get_default_child_spec_atom) {
      return read<child_spec>("get_default_child_spec", [this] {
        return caf::expected<child_spec>{engine_.default_spec()};
      });
    },
    [this](get_name_atom) {
      return read<std::string>("get_name", [this] {
        return caf::expected<std::string>{engine_.options().name};
      });
    },
    // -- starting
    [this](start_child_atom, child_spec& spec) {
      return submit<started>("start_child", [this, spec = std::move(spec)](
                                              request_id id) mutable {
        engine_.start_child(id, std::move(spec));
      });
    },
    [this](start_children_atom, std::vector<child_spec>& specs,
           bool all_or_nothing) {
      return submit<std::vector<child_outcome>>(
        "start_children", [this, specs = std::move(specs),
                           all_or_nothing](request_id id) mutable {
          engine_.start_children(id, std::move(specs), all_or_nothing);
        });
    },
    [this](restart_child_atom, const child_id& child) {
      return submit<started>("restart_child", [this, child](request_id id) {
        engine_.restart_child(id, child);
      });
    },
    [this](become_supervisor_atom, const caf::actor& handle, child_spec& spec) {
      return submit<void>(
        "become_supervisor",
        [this, handle, spec = std::move(spec)](request_id id) mutable {
          engine_.become_supervisor(id, handle, std::move(spec));
        });
    },
    // -- ending
    [this](terminate_child_atom, const child_id& child) {
      return terminate("terminate_child", child, false);
    },
    [this](terminate_child_atom, const caf::actor& child) {
      return terminate("terminate_child", child, false);
    },
    [this](terminate_and_delete_child_atom, const child_id& child) {
      return terminate("terminate_and_delete_child", child, true);
    },
    [this](terminate_and_delete_child_atom, const caf::actor& child) {
      return terminate("terminate_and_delete_child", child, true);
    },
    [this](delete_child_atom, const child_id& child) {
      return submit<void>("delete_child", [this, child](request_id id) {
        engine_.delete_child(id, child);
      });
    },
    [this](delete_running_child_atom, const caf::actor& child) {
      return submit<void>("delete_running_child", [this, child](request_id id) {
        engine_.delete_running_child(id, child);
      });
    },
    [this](stop_atom, const caf::error& reason) {
      if (suspended_)
        resume_work();
      return submit<void>("stop", [this, reason](request_id id) {
        engine_.stop(id, reason);
      });
    },
    // -- changing
    [this](change_plan_atom, const child_id& child, const plan_function& plan) {
      return submit<void>("change_plan", [this, child, plan](request_id id) {
        engine_.change_plan(id, child, plan);
      });
    },
    [this](change_log_filter_atom, const child_id& child,
           const log_filter_function& filter) {
      return submit<void>("change_log_filter",
                          [this, child, filter](request_id id) {
                            engine_.change_log_filter(id, child, filter);
                          });
    },
    [this](change_log_filter_atom, const log_filter_function& filter) {
      return submit<void>("change_log_filter", [this, filter](request_id id) {
        engine_.change_log_filter(id, filter);
      });
    },
    [this](change_default_child_spec_atom, const child_spec& spec) {
      return submit<void>("change_default_child_spec",
                          [this, spec](request_id id) {
                            engine_.change_default_child_spec(id, spec);
                          });
    },
    [this](reload_atom) {
      return submit<void>("reload",
                          [this](request_id id) { engine_.reload(id); });
    },
    [this](ready_atom) {
      return submit<void>("ready",
                          [this](request_id id) { engine_.await_up(id); });
    },
    // -- debugging, which goes on while the director is suspended
    [this](trace_atom, const trace_options& options) -> caf::result<void> {
      if (auto err = engine_.trace(options))
        return err;
      return caf::unit;
    },
    [this](get_trace_atom) {
      auto* log = engine_.tracing();
      return log != nullptr ? log->ring() : std::vector<trace_event>{};
    },
    [this](get_trace_counters_atom) {
      auto* log = engine_.tracing();
      return log != nullptr ? log->counters() : trace_counters{};
    },
    [this](get_state_atom) { return message_box{engine_.state()}; },
    [this](replace_state_atom, const message_box& box) {
      engine_.state() = box.value;
    },
    [this](suspend_atom) { suspended_ = true; },
    [this](resume_atom) { resume_work(); });
}

template <class Child>
caf::result<void>
shell::terminate(const char* what, const Child& child, bool erase) {
  return submit<void>(what, [this, child, erase](request_id id) {
    engine_.terminate_child(id, child, erase);
  });
}

void shell::handle_exit_msg(caf::exit_msg& msg) {
  auto from_parent = parent_ && msg.source == parent_;
  // A child that has linked itself to its director is monitored anyway.
  if (!from_parent && (!msg.reason || engine_.supervises(msg.source)))
    return;
  engine_.stop(0, msg.reason ? std::move(msg.reason)
                             : caf::make_error(caf::exit_reason::normal));
  resume_work();
}

caf::error shell::handle_unexpected(const caf::message& msg) {
  note_message("unknown");
  engine_.unexpected(to_string(msg));
  return caf::make_error(errc::unknown_request);
}

caf::error shell::take_name() {
  if (registered_name_.empty())
    return {};
  auto holder = claim_name(system(), registered_name_, ctrl());
  if (holder == ctrl())
    return {};
  return caf::make_error(errc::name_taken, caf::actor_cast<caf::actor>(holder));
}

void shell::drop_name() {
  if (!registered_name_.empty())
    release_name(system(), registered_name_, ctrl());
  registered_name_.clear();
}

// -- world --------------------------------------------------------------------

time_point shell::now() {
  return clock_type::now();
}

start_result shell::start(const start_function::callable_type& fn,
                          const child_record& child, const caf::message& args) {
  start_context ctx{this, child.id, child.incarnation};
  return fn(ctx, args);
}

void shell::watch(child_ref child, const caf::actor& handle) {
  handle->attach(caf::attachable_ptr{new exit_watch(ctrl(), child)});
}

void shell::unwatch(const caf::actor& handle) {
  handle->detach({exit_watch::token_type, ctrl()});
}

void shell::ask_ready(child_ref child, const caf::actor& handle) {
  auto tell = [this, child](caf::expected<caf::message> extra) {
    event([this, child, extra] { engine_.child_ready(child, extra); });
  };
  compat::request(
    this, handle, [tell] { tell(caf::message{}); },
    [tell](const caf::error& err) {
      // Any value is a welcome answer; this is how CAF hands over those whose
      // types it was not told.
      if (err == caf::sec::unexpected_response
          && err.context().match_elements<caf::message>())
        tell(err.context().get_as<caf::message>(0));
      else
        tell(err);
    },
    ready_atom_v);
}

void shell::shut_down(const caf::actor& handle, const caf::error& reason) {
  compat::send(handle, caf::message_priority::normal, context(),
               caf::exit_msg{address_, reason});
}

void shell::kill(const caf::actor& handle) {
  compat::send(handle, caf::message_priority::high, context(),
               caf::exit_msg{address_, caf::exit_reason::kill});
}

void shell::tell_parent(const caf::actor& handle) {
  compat::send(handle, caf::message_priority::normal, context(),
               new_parent_atom_v, caf::actor{this});
}

bool shell::local(const caf::actor& handle) {
  return handle.node() == system().node();
}

bool shell::alive(const caf::actor& handle) {
  return is_alive(handle);
}

void shell::wake_at(time_point when) {
  timer_.dispose();
  auto delay = std::max(when - now(), clock_type::duration{0});
  timer_ = run_delayed(delay,
                       [this] { event([this] { engine_.time_passed(); }); });
}

void shell::wake_soon() {
  compat::send(caf::actor{this}, caf::message_priority::normal, context(),
               detail::turn_event{});
}

void shell::reply(request_id request, answer&& value) {
  if (auto* log = engine_.tracing())
    log->trace(trace_kind::reply, {},
               std::holds_alternative<caf::error>(value)
                 ? to_string(std::get<caf::error>(value))
                 : "ok");
  if (request == current_) {
    current_answer_ = std::move(value);
    return;
  }
  auto promise = std::exchange(promises_[request - 1], {});
  free_requests_.push_back(request);
  std::visit([&promise](auto& x) { promise.deliver(std::move(x)); }, value);
}

void shell::measure(metric what, int64_t amount) {
  auto& to = instruments();
  switch (what) {
    case metric::children:
      to.children->inc(amount);
      break;
    case metric::starts:
      to.starts->inc(amount);
      break;
    case metric::restarts:
      to.restarts->inc(amount);
      break;
    case metric::crashes:
      to.crashes->inc(amount);
  }
}

void shell::measure_restart(clock_type::duration value) {
  using seconds = std::chrono::duration<double>;
  instruments().restart_duration->observe(
    std::chrono::duration_cast<seconds>(value).count());
}

shell::metrics& shell::instruments() {
  if (!metrics_) {
    auto& all = system().metrics();
    auto& name = engine_.options().name;
    static constexpr std::array bounds{.00001, .0001, .001, .01, .1, 1., 10.};
    metrics_.emplace(metrics{
      all.gauge_instance("director", "children", {{"name", name}},
                         "Number of children that run."),
      all.counter_instance("director", "starts", {{"name", name}},
                           "Number of successful starts.", "1", true),
      all.counter_instance("director", "restarts", {{"name", name}},
                           "Number of successful starts after the first of a "
                           "child.",
                           "1", true),
      all.counter_instance("director", "crashes", {{"name", name}},
                           "Number of exits that were neither normal nor on "
                           "request.",
                           "1", true),
      all
        .histogram_family<double>(
          "director", "restart-duration", {"name"}, bounds,
          "Time from an exit to the replacement.", "seconds")
        ->get_or_add({{"name", name}}),
    });
  }
  return *metrics_;
}

void shell::end(const caf::error& reason) {
  // Before anybody hears of the end and takes the name.
  drop_name();
  quit(reason);
}

// -- table_client -------------------------------------------------------------

void shell::completed(uint64_t ticket, caf::error err,
                      std::vector<claim_item> items) {
  compat::send(caf::actor{this}, caf::message_priority::normal, nullptr,
               detail::table_event{ticket, std::move(err), std::move(items)});
}

void shell::take_over(std::vector<child_id> ids) {
  compat::send(caf::actor{this}, caf::message_priority::normal, nullptr,
               detail::takeover_event{std::move(ids)});
}

void shell::hand_over(hand_over_request what) {
  compat::send(caf::actor{this}, caf::message_priority::normal, nullptr,
               detail::handover_event{std::move(what)});
}

void shell::failed(caf::error reason) {
  completed(0, std::move(reason), {});
}

} // namespace director::internal
