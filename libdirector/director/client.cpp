#include "director/client.hpp"

#include "director/internal/compat.hpp"

#include <caf/actor_cast.hpp>
#include <caf/exit_reason.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/sec.hpp>

#include <chrono>
#include <future>
#include <memory>

namespace director {

template <class T, class... Ts>
caf::expected<T> client::ask(Ts&&... xs) const {
  caf::expected<T> result{caf::error{caf::sec::request_receiver_down}};
  if (!handle_)
    return result;
  caf::scoped_actor self{*system_};
  internal::compat::request_receive(
    self, handle_, timeout_, [&result](T& value) { result = std::move(value); },
    [&result](caf::error& err) { result = std::move(err); },
    std::forward<Ts>(xs)...);
  return result;
}

template <class... Ts>
caf::error client::tell(Ts&&... xs) const {
  if (!handle_)
    return caf::sec::request_receiver_down;
  caf::error result;
  caf::scoped_actor self{*system_};
  internal::compat::request_receive(
    self, handle_, timeout_, [] {},
    [&result](caf::error& err) { result = std::move(err); },
    std::forward<Ts>(xs)...);
  return result;
}

caf::expected<started> client::start_child(child_spec spec) const {
  return ask<started>(start_child_atom_v, std::move(spec));
}

caf::expected<std::vector<child_outcome>>
client::start_children(std::vector<child_spec> specs,
                       bool all_or_nothing) const {
  return ask<std::vector<child_outcome>>(start_children_atom_v,
                                         std::move(specs), all_or_nothing);
}

caf::expected<started> client::restart_child(const child_id& id) const {
  return ask<started>(restart_child_atom_v, id);
}

caf::error client::become_supervisor(const caf::actor& child,
                                     child_spec spec) const {
  return tell(become_supervisor_atom_v, child, std::move(spec));
}

caf::error client::terminate_child(const child_id& id) const {
  return tell(terminate_child_atom_v, id);
}

caf::error client::terminate_child(const caf::actor& child) const {
  return tell(terminate_child_atom_v, child);
}

caf::error client::delete_child(const child_id& id) const {
  return tell(delete_child_atom_v, id);
}

caf::error client::terminate_and_delete_child(const child_id& id) const {
  return tell(terminate_and_delete_child_atom_v, id);
}

caf::error client::terminate_and_delete_child(const caf::actor& child) const {
  return tell(terminate_and_delete_child_atom_v, child);
}

caf::error client::delete_running_child(const caf::actor& child) const {
  return tell(delete_running_child_atom_v, child);
}

caf::error client::stop(caf::error reason) const {
  if (!handle_)
    return {};
  auto gone = std::make_shared<std::promise<void>>();
  auto deadline = std::chrono::steady_clock::now()
                  + std::min(timeout_,
                             caf::timespan{std::chrono::hours{100'000}});
  handle_->attach_functor([gone] { gone->set_value(); });
  auto err = tell(stop_atom_v, std::move(reason));
  // A director that ends drops requests that it has not looked at.
  if (err && err != caf::sec::request_receiver_down)
    return err;
  if (gone->get_future().wait_until(deadline) == std::future_status::ready)
    return {};
  return caf::sec::request_timeout;
}

caf::expected<child_counts> client::count_children() const {
  return ask<child_counts>(count_children_atom_v);
}

caf::expected<std::vector<child_info>> client::which_children() const {
  return ask<std::vector<child_info>>(which_children_atom_v);
}

caf::expected<child_spec> client::get_child_spec(const child_id& id) const {
  return ask<child_spec>(get_child_spec_atom_v, id);
}

caf::expected<child_spec>
client::get_child_spec(const caf::actor& child) const {
  return ask<child_spec>(get_child_spec_atom_v, child);
}

caf::expected<caf::actor> client::get_actor(const child_id& id) const {
  return ask<caf::actor>(get_actor_atom_v, id);
}

caf::expected<std::vector<child_handle>> client::get_actors() const {
  return ask<std::vector<child_handle>>(get_actors_atom_v);
}

caf::expected<plan_function> client::get_plan(const child_id& id) const {
  return ask<plan_function>(get_plan_atom_v, id);
}

caf::expected<uint64_t> client::get_restart_count(const child_id& id) const {
  return ask<uint64_t>(get_restart_count_atom_v, id);
}

caf::expected<child_spec> client::get_default_child_spec() const {
  return ask<child_spec>(get_default_child_spec_atom_v);
}

caf::expected<std::string> client::get_name() const {
  return ask<std::string>(get_name_atom_v);
}

caf::error client::change_plan(const child_id& id, plan_function plan) const {
  return tell(change_plan_atom_v, id, std::move(plan));
}

caf::error client::change_log_filter(const child_id& id,
                                     log_filter_function filter) const {
  return tell(change_log_filter_atom_v, id, std::move(filter));
}

caf::error client::change_log_filter(log_filter_function filter) const {
  return tell(change_log_filter_atom_v, std::move(filter));
}

caf::error client::change_default_child_spec(child_spec spec) const {
  return tell(change_default_child_spec_atom_v, std::move(spec));
}

caf::error client::await_ready() const {
  return tell(ready_atom_v);
}

caf::error client::trace(trace_options options) const {
  return tell(trace_atom_v, std::move(options));
}

caf::expected<std::vector<trace_event>> client::get_trace() const {
  return ask<std::vector<trace_event>>(get_trace_atom_v);
}

caf::expected<trace_counters> client::get_trace_counters() const {
  return ask<trace_counters>(get_trace_counters_atom_v);
}

caf::expected<caf::message> client::get_state() const {
  auto box = ask<message_box>(get_state_atom_v);
  if (!box)
    return std::move(box.error());
  return std::move(box->value);
}

caf::error client::replace_state(caf::message value) const {
  return tell(replace_state_atom_v, message_box{std::move(value)});
}

caf::error client::suspend() const {
  return tell(suspend_atom_v);
}

caf::error client::resume() const {
  return tell(resume_atom_v);
}

caf::error client::reload() const {
  return tell(reload_atom_v);
}

} // namespace director
