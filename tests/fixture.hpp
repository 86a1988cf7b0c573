// Real directors on a real actor system, with everything they do put on
// record.

#pragma once

#include "catch.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/exit_reason.hpp>
#include <caf/scoped_actor.hpp>

#include <chrono>
#include <condition_variable>
#include <director/all.hpp>
#include <director/internal/compat.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

// -- messages of the test children --------------------------------------------

CAF_BEGIN_TYPE_ID_BLOCK(director_test, first_custom_type_id)

  CAF_ADD_ATOM(director_test, fixture, crash_atom)
  CAF_ADD_ATOM(director_test, fixture, count_atom)
  CAF_ADD_ATOM(director_test, fixture, throw_atom)
  CAF_ADD_ATOM(director_test, fixture, block_atom)

CAF_END_TYPE_ID_BLOCK(director_test)

template <>
struct Catch::StringMaker<caf::error> {
  static std::string convert(const caf::error& x) {
    return to_string(x);
  }
};

namespace fixture {

using namespace std::chrono_literals;

/// How long a test waits for something that must happen.
constexpr auto patience = 20s;

/// Lines that anybody may add and tests wait for.
class journal {
public:
  void add(std::string line);

  /// Waits until there are `count` lines that contain `text`, and returns
  /// whether that came to pass.
  bool await(const std::string& text, size_t count = 1);

  size_t count(const std::string& text) const;

  std::string all() const;

private:
  size_t count_locked(const std::string& text) const;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;
};

using journal_ptr = std::shared_ptr<journal>;

/// Opens for threads that wait at it.
class gate {
public:
  void open();

  void pass();

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

/// An actor system and a journal.
class world {
public:
  world();

  explicit world(size_t threads);

  ~world();

  director::director_options options(std::string name = "test");

  /// Starts a director that has these children, or fails the test.
  director::client start(std::vector<director::child_spec> children = {},
                         director::director_options options = {},
                         director::child_spec default_spec = {});

  director::client start_with(director::callbacks hooks,
                              director::director_options options);

  /// A worker that notes "up <label>" when it comes up and "down <label>" when
  /// it goes, and dies on request.
  director::child_spec worker(director::child_id id, std::string label = "");

  /// Polls until `predicate` holds, with a deadline.
  bool eventually(const std::function<bool()>& predicate);

  /// Waits until an actor has ended.
  bool gone(const caf::actor& handle);

  caf::actor_system_config config;
  journal_ptr log = std::make_shared<journal>();
  std::unique_ptr<caf::actor_system> sys;

private:
  std::vector<director::director_actor> directors_;
};

/// Sends an asynchronous message.
template <class... Ts>
void send(const caf::actor& receiver, Ts&&... xs) {
  receiver->enqueue(director::internal::compat::make_element(
                      caf::message_priority::normal, std::forward<Ts>(xs)...),
                    nullptr);
}

void send_exit(const caf::actor& receiver, caf::error reason);

template <class T>
caf::actor as_actor(const T& handle) {
  return caf::actor_cast<caf::actor>(handle);
}

/// Waits for the end of an actor and returns its exit reason.
caf::error end_of(const caf::actor& handle);

caf::error end_of(const director::client& dir);

/// Returns the error, an empty one if there is a value.
template <class T>
caf::error error_of(const caf::expected<T>& x) {
  return x ? caf::error{} : x.error();
}

/// Returns the value or fails the test.
template <class T>
T value_of(caf::expected<T> x) {
  if (!x)
    FAIL("unexpected error: " << to_string(x.error()));
  return std::move(*x);
}

} // namespace fixture
