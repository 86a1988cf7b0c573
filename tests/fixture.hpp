// Real directors on a real actor system, with everything they do put on
// record.

#pragma once

#include "catch.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/byte_buffer.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/exit_reason.hpp>
#include <caf/scoped_actor.hpp>

#include <chrono>
#include <condition_variable>
#include <director/all.hpp>
#include <director/internal/compat.hpp>
#include <functional>
#include <future>
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

namespace fixture {

using namespace std::chrono_literals;

using strings = std::vector<std::string>;

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

/// Counts how often `part` stands in `text`.
size_t occurrences(const std::string& text, const std::string& part);

bool contains(const std::string& text, const std::string& part);

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

  /// @param prepare loads modules of the actor system.
  explicit world(const std::function<void(caf::actor_system_config&)>& prepare);

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

// -- kinds of children --------------------------------------------------------

/// Notes "end <label>" when the behavior that holds it goes. Nobody hears of
/// the end of the actor before that.
std::shared_ptr<void> farewell(journal_ptr log, std::string label);

/// Notes "up <id>" and "end <id>", ends with any reason, and counts. With a
/// door, it can be told to note "busy <id>" and wait there.
director::child_spec noted(world& w, director::child_id id,
                           std::shared_ptr<gate> door = {});

/// Notes "asked <id>" when it is asked to end, but ends only when it gets
/// `block_atom`, and then notes "end <id>".
director::child_spec stubborn(world& w, director::child_id id,
                              caf::timespan timeout = patience);

/// A child whose start function fails.
director::child_spec broken(director::child_id id);

/// A worker with this plan.
director::child_spec with_plan(world& w, director::child_id id,
                               director::plan_function plan);

/// A director below another.
director::child_spec nested_spec(director::child_id id,
                                 director::callbacks hooks,
                                 director::director_options options);

/// A child that notes "up <id>" and leaves the answer to the ready request to
/// the test.
struct slow_child {
  explicit slow_child(world& w, director::child_id id,
                      caf::timespan start_timeout = patience);

  /// Waits for the ready request.
  caf::actor asked();

  journal_ptr log;
  std::shared_ptr<caf::actor> handle = std::make_shared<caf::actor>();
  director::child_spec spec;
};

// -- what directors are made of -----------------------------------------------

director::callbacks
init_with(std::function<director::init_result(const caf::message&)> init);

/// Puts "verdict on <id>: <verdict>." into the journal.
director::director_options traced(world& w);

/// Notes what it gets to see and always restarts.
director::plan_function noting(const journal_ptr& log);

director::trace_options
tracing(const std::function<void(director::trace_options&)>& change);

/// A spec that uses every field, with names only.
director::child_spec named_spec();

/// Knows the names in `named_spec`.
director::catalog names();

// -- dealing with directors ---------------------------------------------------

/// Waits until the child runs with another handle than `before`.
caf::actor await_actor(world& w, const director::client& dir,
                       const director::child_id& id,
                       const caf::actor& before = {});

/// Lets the child end and returns the handle of its replacement.
caf::actor crash(world& w, const director::client& dir,
                 const director::child_id& id,
                 const caf::error& reason = caf::sec::runtime_error);

/// Waits until there is no actor of the child for this reason.
bool becomes(world& w, const director::client& dir,
             const director::child_id& id, director::errc code);

director::child_status status_of(const director::client& dir,
                                 const director::child_id& id);

/// Returns a client of a nested director.
director::client inner(world& w, const caf::actor& handle);

/// Returns those lines of the journal that start with one of the words.
strings lines(const world& w, const strings& words);

/// Runs a request on a thread of its own. Checks belong to the main thread.
template <class F>
auto in_background(F fn) {
  return std::async(std::launch::async, std::move(fn));
}

/// Tells whether a request in the background has yet to be answered.
template <class T>
bool is_open(std::future<T>& x) {
  return x.wait_for(0s) != std::future_status::ready;
}

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

// -- looking into values ------------------------------------------------------

/// Returns the number in a message, -1 if there is none.
int32_t number(const caf::message& x);

/// Returns the number in `x` and adds `step` to it.
std::string take(caf::message& x, int32_t step);

/// Returns the field that is at fault.
std::string field_of(const caf::error& err);

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

// -- the wire format ----------------------------------------------------------

/// Actor handles, even empty ones, only travel with an actor system.
template <class T>
caf::byte_buffer to_bytes(const T& x, caf::actor_system* sys = nullptr) {
  caf::byte_buffer result;
  auto write = [&x](caf::binary_serializer sink) {
    if (!sink.apply(x))
      FAIL("cannot write: " << to_string(sink.get_error()));
  };
#if CAF_VERSION_MAJOR >= 1
  sys != nullptr ? write({*sys, result})
                 : write(caf::binary_serializer{result});
#else
  sys != nullptr ? write({*sys, result}) : write({nullptr, result});
#endif
  return result;
}

/// Returns whether the bytes hold a value and nothing else.
template <class T>
bool from_bytes(const caf::byte_buffer& bytes, T& x,
                caf::actor_system* sys = nullptr) {
  auto read = [&x](caf::binary_deserializer source) {
    return source.apply(x) && source.remaining() == 0;
  };
#if CAF_VERSION_MAJOR >= 1
  return sys != nullptr ? read({*sys, bytes})
                        : read(caf::binary_deserializer{bytes});
#else
  return sys != nullptr ? read({*sys, bytes}) : read({nullptr, bytes});
#endif
}

/// Sends a value through the wire format.
template <class T>
T trip(const T& x, caf::actor_system* sys = nullptr) {
  T result;
  REQUIRE(from_bytes(to_bytes(x, sys), result, sys));
  return result;
}

} // namespace fixture
