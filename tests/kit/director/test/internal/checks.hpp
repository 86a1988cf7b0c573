// What the checks of the conformance kit share.

#pragma once

#include "director/test/table_suite.hpp"

#include <caf/actor.hpp>
#include <caf/actor_cast.hpp>
#include <caf/sec.hpp>

#include <array>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <utility>

namespace director::test::internal {

using namespace std::chrono_literals;

/// How long a check waits for something that must happen.
constexpr auto deadline = 30s;

/// Stands for a director and waits for writes that complete later.
class client final : public table_client {
public:
  explicit client(caf::actor self)
    : self_(std::move(self)),
      address_(caf::actor_cast<caf::actor_addr>(self_)) {
    // nop
  }

  const caf::actor_addr& address() const noexcept override {
    return address_;
  }

  void completed(uint64_t ticket, caf::error err,
                 std::vector<claim_item> items) override {
    std::unique_lock guard{mutex_};
    done_[ticket] = {std::move(err), std::move(items)};
    changed_.notify_all();
  }

  void take_over(std::vector<child_id>) override {
    // What is offered stays without owner.
  }

  void hand_over(hand_over_request) override {
    // There are no children to end.
  }

  void failed(caf::error reason) override {
    std::unique_lock guard{mutex_};
    failure_ = std::move(reason);
    changed_.notify_all();
  }

  /// Waits for the outcome of a write.
  caf::error wait(const write_result& result,
                  std::vector<claim_item>* items = nullptr) {
    if (result.ticket() == 0)
      return result.err();
    std::unique_lock guard{mutex_};
    auto arrived = changed_.wait_for(guard, deadline, [&] {
      return done_.contains(result.ticket());
    });
    if (!arrived)
      return caf::make_error(caf::sec::request_timeout);
    auto [err, granted] = std::move(done_[result.ticket()]);
    done_.erase(result.ticket());
    if (items != nullptr)
      *items = std::move(granted);
    return err;
  }

  /// Waits until the table has said that it is broken or closed.
  caf::error wait_for_failure() {
    std::unique_lock guard{mutex_};
    changed_.wait_for(guard, deadline, [&] { return bool{failure_}; });
    return failure_;
  }

private:
  caf::actor self_;
  caf::actor_addr address_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<uint64_t, std::pair<caf::error, std::vector<claim_item>>> done_;
  caf::error failure_;
};

/// Base of the checks: things to check with, and a list of what went wrong.
class checks {
public:
  checks(caf::actor_system& system, const table_factory& make,
         suite_options options);

  ~checks();

protected:
  /// Notes `what` unless the condition holds. Safe to call from any thread.
  void expect(bool condition, std::string what);

  /// Makes an item that claims `id` for slot 7. Without a spec, only an
  /// adoption keeps the one in the table.
  claim_item item(const child_id& id, claim_mode mode,
                  child_spec_ptr spec = nullptr) const;

  claim_item claim(table& tab, client& who, const child_id& id, claim_mode mode,
                   child_spec_ptr spec = nullptr) const;

  static caf::error put(table& tab, client& who, row_id row,
                        const child_record& record);

  static caf::error erase(table& tab, client& who, row_id row);

  /// Checks that all reads agree with each other.
  void tally(const table& tab, const std::string& where);

  static bool same(const child_record& x, const child_record& y);

  child_record running(const child_record& x, uint64_t incarnation) const;

  std::vector<std::string> failures() {
    return std::move(failures_);
  }

  const table_factory& make_;
  suite_options options_;
  std::array<caf::actor, 8> actors_;
  child_spec_ptr vanishing_;
  child_spec_ptr staying_;

private:
  std::mutex mutex_;
  std::vector<std::string> failures_;
};

/// Checks a table with one call after the other: the contract point by point,
/// then random calls against a model.
std::vector<std::string> check_in_sequence(caf::actor_system& system,
                                           const table_factory& make,
                                           const suite_options& options);

/// Checks a table with many threads at once.
std::vector<std::string> check_with_threads(caf::actor_system& system,
                                            const table_factory& make,
                                            const suite_options& options);

} // namespace director::test::internal
