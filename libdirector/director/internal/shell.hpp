// The shell: a CAF actor around an engine.

#pragma once

#include "director/callbacks.hpp"
#include "director/internal/compat.hpp"
#include "director/internal/engine.hpp"
#include "director/messages.hpp"
#include "director/options.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/response_promise.hpp>
#include <caf/telemetry/counter.hpp>
#include <caf/telemetry/gauge.hpp>
#include <caf/telemetry/histogram.hpp>

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace director::internal {

/// Turns messages into calls of the engine, and what the engine wants done
/// into messages, spawns and timers.
class shell final : public caf::event_based_actor, world, table_client {
public:
  shell(caf::actor_config& cfg, callbacks hooks, director_options options,
        caf::message arg, caf::actor parent);

  ~shell() override;

  const char* name() const override;

  std::set<std::string> message_types() const override;

  void on_exit() override;

protected:
  caf::behavior make_behavior() override;

private:
  // -- world ------------------------------------------------------------------

  time_point now() override;

  start_result start(const start_function::callable_type& fn,
                     const child_record& child,
                     const caf::message& args) override;

  void watch(child_ref child, const caf::actor& handle) override;

  void unwatch(const caf::actor& handle) override;

  void ask_ready(child_ref child, const caf::actor& handle) override;

  void shut_down(const caf::actor& handle, const caf::error& reason) override;

  void kill(const caf::actor& handle) override;

  void tell_parent(const caf::actor& handle) override;

  bool local(const caf::actor& handle) override;

  bool alive(const caf::actor& handle) override;

  void wake_at(time_point when) override;

  void wake_soon() override;

  void reply(request_id request, answer&& value) override;

  void measure(metric what, int64_t amount) override;

  void measure_restart(clock_type::duration value) override;

  void end(const caf::error& reason) override;

  // -- table_client -----------------------------------------------------------

  const caf::actor_addr& address() const noexcept override {
    return address_;
  }

  void completed(uint64_t ticket, caf::error err,
                 std::vector<claim_item> items) override;

  void take_over(std::vector<child_id> ids) override;

  void hand_over(hand_over_request what) override;

  void failed(caf::error reason) override;

  // -- requests ---------------------------------------------------------------

  /// Hands a request to the engine: `fn(id)`.
  template <class T, class F>
  caf::result<T> submit(const char* what, F fn);

  /// Answers a request from what is at hand: `fn()`.
  template <class T, class F>
  caf::result<T> read(const char* what, F fn);

  template <class Child>
  caf::result<void> terminate(const char* what, const Child& child, bool erase);

  /// Puts `fn` off while the director is suspended.
  template <class F>
  void event(F fn);

  void resume_work();

  void note_message(const char* what);

  void handle_exit_msg(caf::exit_msg& msg);

  caf::error handle_unexpected(const caf::message& msg);

  caf::error take_name();

  void drop_name();

  struct metrics {
    caf::telemetry::int_gauge* children;
    caf::telemetry::int_counter* starts;
    caf::telemetry::int_counter* restarts;
    caf::telemetry::int_counter* crashes;
    caf::telemetry::dbl_histogram* restart_duration;
  };

  metrics& instruments();

  engine engine_;
  caf::message arg_;
  caf::actor parent_;
  caf::actor_addr address_;
  std::string registered_name_;

  /// Directors live until they end, not until nobody knows them any longer.
  caf::strong_actor_ptr keep_alive_;

  /// The request that the engine is looking at right now.
  request_id current_ = 0;
  std::optional<answer> current_answer_;

  /// Requests to answer later; `request_id` is index + 1.
  std::vector<caf::response_promise> promises_;
  std::vector<request_id> free_requests_;

  bool suspended_ = false;
  std::vector<std::function<void()>> put_off_;

  caf::disposable timer_;
  std::optional<metrics> metrics_;
};

} // namespace director::internal
