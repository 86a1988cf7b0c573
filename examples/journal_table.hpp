// A table that writes every change to a file, and starts with what is there.

#pragma once

#include "director/table.hpp"

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <ostream>
#include <string_view>
#include <unordered_map>
#include <vector>

/// Keeps the records of any number of directors in memory, and a journal of
/// all changes in a file, one line each. When the file is opened again, the
/// children that outlive their director (`delete_before_terminate` is false)
/// are back, without owner and with their counts, also if the process has
/// crashed meanwhile. Safe to use from any thread.
class journal_table final : public director::table {
public:
  // [journal-open]
  /// Returns the complete spec of a child that is found in a file, or nothing
  /// if there is no such child any more.
  using spec_function = std::function<std::optional<director::child_spec>(
    const director::child_id&)>;

  /// Opens a file, or makes a new one. Only one table at a time may use it.
  static caf::expected<std::shared_ptr<journal_table>>
  open(const std::filesystem::path& file, const spec_function& find_spec);

  /// Makes an empty table that writes to `out`.
  explicit journal_table(std::unique_ptr<std::ostream> out);
  // [journal-open]

  // -- reads ------------------------------------------------------------------

  std::optional<director::child_record>
  find(const director::child_id& id) const override;

  void visit(const std::function<void(const director::child_record&)>& fn)
    const override;

  director::child_counts count_children() const override;

  // -- writes -----------------------------------------------------------------

  caf::error attach(director::table_client& client) override;

  void detach(director::table_client& client) override;

  director::write_result
  claim(director::table_client& client,
        std::vector<director::claim_item>& items) override;

  director::write_result
  put(director::table_client& client,
      std::span<const director::put_item> items) override;

  director::write_result erase(director::table_client& client,
                               std::span<const director::row_id> rows) override;

  /// Ends the life of this object. The file stays.
  void close() override;

private:
  struct change {
    std::string_view what;
    const director::child_record* record;
  };

  // Appends one line for each change of one call.
  caf::error append(const std::vector<change>& changes);

  // Lets every further write fail, and tells the directors.
  void end(caf::error reason);

  bool owns(const director::table_client& client, director::row_id row) const;

  // These return what they have taken out of the table.
  director::child_record replace(director::row_id row,
                                 const director::child_record& record);

  std::optional<director::child_record> remove(director::row_id row);

  director::row_id insert(const director::child_record& record);

  void count(const director::child_record& record, bool add);

  // [journal-members]
  // Held during a write, from the decision to the last change.
  std::mutex writing_;
  std::unique_ptr<std::ostream> out_;
  std::vector<director::table_client*> clients_;
  caf::error failure_;

  // Held for moments, so that readers never wait for the disk. What follows
  // changes only while both are held: writers may look without this one.
  mutable std::mutex reading_;
  std::unordered_map<director::row_id, director::child_record> rows_;
  std::unordered_map<director::child_id, director::row_id> index_;
  director::child_counts counts_;
  director::row_id last_row_ = 0;
  // [journal-members]
};
