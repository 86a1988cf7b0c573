// Base of tables that stand between a director and another table.

#pragma once

#include <director/table.hpp>
#include <functional>

namespace director::test {

/// Forwards everything to another table. Tests derive from it.
class wrapped_table : public table {
public:
  explicit wrapped_table(table_ptr inner) : inner_(std::move(inner)) {
    // nop
  }

  std::optional<child_record> find(const child_id& id) const override;

  void visit(const std::function<void(const child_record&)>& fn) const override;

  child_counts count_children() const override;

  caf::error attach(table_client& client) override;

  void detach(table_client& client) override;

  void abandon(table_client& client) override;

  void declined(table_client& client, const child_id& id) override;

  write_result claim(table_client& client,
                     std::vector<claim_item>& items) override;

  write_result put(table_client& client,
                   std::span<const put_item> items) override;

  write_result erase(table_client& client,
                     std::span<const row_id> rows) override;

  void close() override;

protected:
  table_ptr inner_;
};

/// What a table is asked to do.
enum class table_call : uint8_t { attach, claim, put, erase };

/// Fails calls on demand. Like `wrapped_table`, as safe for concurrent use as
/// the inner table.
class faulty_table final : public wrapped_table {
public:
  /// Returns the error to fail with, or an empty one to let the call pass. May
  /// throw, to find out what a table that does so does to a director.
  using fault_function = std::function<caf::error(table_call)>;

  faulty_table(table_ptr inner, fault_function fault)
    : wrapped_table(std::move(inner)),
      fault_(std::move(fault)) {
    // nop
  }

  caf::error attach(table_client& client) override;

  write_result claim(table_client& client,
                     std::vector<claim_item>& items) override;

  write_result put(table_client& client,
                   std::span<const put_item> items) override;

  write_result erase(table_client& client,
                     std::span<const row_id> rows) override;

private:
  fault_function fault_;
};

} // namespace director::test
