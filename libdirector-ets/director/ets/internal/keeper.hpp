// The actor behind a table.

#pragma once

#include "director/ets/internal/shared_table.hpp"

#include <caf/disposable.hpp>
#include <caf/event_based_actor.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace director::ets::internal {

/// Watches the directors of a table and the children they leave behind, feeds
/// subscribers, and answers readers on other nodes. Local readers and
/// directors never wait for it.
class keeper final : public caf::event_based_actor {
public:
  keeper(caf::actor_config& cfg, std::shared_ptr<shared_table> table);

  ~keeper() override;

  const char* name() const override;

  std::set<std::string> message_types() const override;

  const std::shared_ptr<shared_table>& table() const noexcept {
    return table_;
  }

  void on_exit() override;

protected:
  caf::behavior make_behavior() override;

private:
  using clock_type = std::chrono::steady_clock;

  /// Somebody who wants to know of changes.
  struct listener {
    subscription wish;
    std::vector<change> waiting;
    bool busy = false;
    /// Tells answers to this subscription from those to an older one.
    uint64_t number = 0;
  };

  // -- orphans ----------------------------------------------------------------

  /// An orphan that has been killed.
  struct victim {
    uint32_t row;
    clock_type::time_point deadline;
  };

  void watch(const std::vector<detail::orphan>& orphans);

  /// Stops waiting for an orphan.
  void forget(uint64_t number);

  /// Wakes up for the oldest orphan, if any.
  void arm();

  void give_up();

  // -- listeners --------------------------------------------------------------

  /// Hands changes to those who want them. Returns whether some were lost.
  bool take_feed();

  void distribute();

  void add(const subscription& wish);

  void remove(const caf::actor_addr& subscriber);

  void offer(const change& x);

  /// Sends what waits unless the listener is busy. Returns whether the listener
  /// lives.
  bool flush(listener& to);

  void answered(uint64_t number, const caf::error& err);

  void dismiss(const listener& x, const caf::error& reason);

  std::shared_ptr<shared_table> table_;
  /// By number, and so, nearly, by deadline.
  std::map<uint64_t, victim> victims_;
  caf::disposable timer_;
  std::vector<listener> listeners_;
  uint64_t last_number_ = 0;
  bool turn_pending_ = false;
};

} // namespace director::ets::internal
