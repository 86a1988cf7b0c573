// One node's copy, as its directors and readers see it.

#pragma once

#include "director/ets/internal/shared_table.hpp"
#include "director/net/internal/change_log.hpp"
#include "director/net/internal/protocol.hpp"
#include "director/net/table.hpp"

#include <caf/actor_system.hpp>

#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace director::net::internal {

/// What every thread may call. Reads and writes of owners go straight to the
/// local copy; claims, and starts that are to be acknowledged, go through the
/// actor behind the table.
class cluster_table final : public table {
public:
  using local_table = ets::internal::shared_table;

  cluster_table(caf::actor_system& system, std::string name,
                std::shared_ptr<local_table> local,
                std::shared_ptr<change_log> log);

  /// Introduces the actor that talks to the other nodes.
  void actor(const caf::actor& x);

  // -- ets::table -------------------------------------------------------------

  const std::string& name() const noexcept override;

  ets::table_actor handle() const override;

  void subscribe(const caf::actor& subscriber,
                 ets::change_filter filter) override;

  void unsubscribe(const caf::actor& subscriber) override;

  std::optional<child_record> find(const child_id& id) const override;

  void visit(const std::function<void(const child_record&)>& fn) const override;

  child_counts count_children() const override;

  caf::expected<caf::actor> get_actor(const child_id& id) const override;

  caf::error attach(table_client& client) override;

  void detach(table_client& client) override;

  void abandon(table_client& client) override;

  write_result claim(table_client& client,
                     std::vector<claim_item>& items) override;

  write_result put(table_client& client,
                   std::span<const put_item> items) override;

  write_result erase(table_client& client,
                     std::span<const row_id> rows) override;

  void declined(table_client& client, const child_id& id) override;

  void close() override;

  // -- net::table -------------------------------------------------------------

  address where() const override;

  std::vector<node_info> nodes() const override;

  node_key node_of(const child_id& id) const override;

  bool paused() const override;

  void rebalance() override;

  caf::error leave(caf::timespan timeout) override;

  // -- for the actor behind the table -----------------------------------------

  local_table& local() noexcept {
    return *local_;
  }

  change_log& log() noexcept {
    return *log_;
  }

  /// What `join` waits for: empty once this node has a copy.
  std::promise<caf::error> joined;

  /// Publishes the cluster view.
  void view(node_key self, address where, std::vector<node_info> nodes,
            bool paused);

  /// Returns what a claim asks for; nothing if its director has gone.
  std::vector<std::pair<child_id, claim_mode>> wishes(uint64_t ticket);

  /// Carries out a part of a claim that all nodes have agreed on.
  std::optional<entry> take(uint64_t ticket, size_t index, bool& later);

  /// Returns false if there is no reason to any more.
  bool refuse(uint64_t ticket, size_t index, claim_outcome why);

  /// Other nodes have these children by right: if claims that are not complete
  /// were granted them, that has come to nothing.
  void lose(const std::vector<child_id>& ids);

  /// Announces the outcome of a write.
  void complete(uint64_t ticket, const caf::error& err = {});

  /// This node has left the cluster.
  void has_left(caf::error err);

private:
  /// A write that other nodes have a say in.
  struct pending_write {
    table_client* client = nullptr;
    /// Of claims.
    std::vector<claim_item> items;
    /// Position in the call of the items that nodes vote on.
    std::vector<size_t> asked;
  };

  template <class Event>
  bool tell(Event event) const;

  void forget(table_client& client);

  /// Finds values that cannot be sent, except for those that are in `before`.
  caf::error check_values(const child_record& x,
                          const child_record& before) const;

  /// Refuses all writes that other nodes have a say in.
  void finish();

  caf::actor_system& system_;
  std::string name_;
  std::shared_ptr<local_table> local_;
  std::shared_ptr<change_log> log_;
  caf::actor_addr actor_;

  std::mutex pending_mutex_;
  std::unordered_map<uint64_t, pending_write> pending_;
  uint64_t last_ticket_ = 0;
  bool closed_ = false;

  mutable std::mutex view_mutex_;
  node_key self_ = 0;
  address where_;
  std::vector<node_info> nodes_;
  bool paused_ = false;

  std::mutex leave_mutex_;
  std::vector<std::promise<caf::error>> leavers_;
  std::optional<caf::error> left_;
  bool abrupt_ = false;
};

/// Returns the field of a spec that cannot travel, `nullptr` if all can.
const char* local_field(const child_spec& spec);

} // namespace director::net::internal
