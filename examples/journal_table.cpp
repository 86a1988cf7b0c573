#include "journal_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>

using director::child_id;
using director::child_record;
using director::errc;
using director::row_id;
using director::write_result;

namespace {

// -- lines --------------------------------------------------------------------

// [journal-line]
/// One line, for example `0 put running keep 2 3 s printer`.
struct entry {
  /// How many lines of the same call follow.
  size_t more = 0;
  /// `claim`, `put`, `release` or `erase`.
  std::string what;
  std::string status;
  /// `keep` for children that outlive their director, `drop` for others.
  std::string fate;
  uint64_t restart_count = 0;
  uint64_t incarnation = 0;
  child_id id;
};
// [journal-line]

std::string escaped(const std::string& x) {
  std::string result;
  for (auto c : x) {
    if (c == '\\')
      result += "\\\\";
    else if (c == '\n')
      result += "\\n";
    else
      result += c;
  }
  return result;
}

std::string unescaped(const std::string& x) {
  std::string result;
  for (size_t i = 0; i < x.size(); ++i) {
    if (x[i] == '\\' && i + 1 < x.size())
      result += x[++i] == 'n' ? '\n' : x[i];
    else
      result += x[i];
  }
  return result;
}

std::string line_of(size_t more, std::string_view what, const child_record& x) {
  auto keep = !x.spec->delete_before_terminate.value_or(true);
  auto* text = x.id.string();
  return fmt::format("{} {} {} {} {} {} {} {}\n", more, what,
                     to_string(x.status), keep ? "keep" : "drop",
                     x.restart_count, x.incarnation,
                     text != nullptr ? 's' : 'i',
                     text != nullptr ? escaped(*text) : to_string(x.id));
}

std::optional<entry> parse(const std::string& line) {
  std::istringstream in{line};
  entry result;
  char kind = ' ';
  std::string text;
  in >> result.more >> result.what >> result.status >> result.fate
    >> result.restart_count >> result.incarnation >> kind;
  if (!in || in.get() != ' ')
    return std::nullopt;
  if (kind == 's') {
    std::getline(in, text, '\0');
    result.id = unescaped(text);
  } else if (int64_t number = 0; kind == 'i' && in >> number) {
    result.id = number;
  }
  return result.id.empty() ? std::nullopt : std::optional{result};
}

// -- replay -------------------------------------------------------------------

using entries = std::map<child_id, entry>;

caf::error failure(std::string what) {
  return caf::make_error(errc::table_failed, std::move(what));
}

// [journal-replay]
/// Returns the children that have outlived the directors that wrote the file.
caf::expected<entries> replay(std::istream& in) {
  entries result;
  std::vector<entry> call;
  std::string line;
  for (size_t number = 1; std::getline(in, line); ++number) {
    if (in.eof()) // The line does not end, so it was never written out.
      break;
    auto next = parse(line);
    if (!next)
      return failure(fmt::format("line {} makes no sense", number));
    call.push_back(std::move(*next));
    if (call.back().more > 0)
      continue;
    // What one call has written counts as a whole or not at all.
    for (auto& x : std::exchange(call, {})) {
      if (x.what == "erase" || x.fate == "drop")
        result.erase(x.id);
      else
        result[x.id] = x;
    }
  }
  if (in.bad())
    return failure("cannot read the journal");
  return result;
}
// [journal-replay]

} // namespace

// [journal-restore]
caf::expected<std::shared_ptr<journal_table>>
journal_table::open(const std::filesystem::path& file,
                    const spec_function& find_spec) {
  std::error_code err;
  auto known = caf::expected<entries>{entries{}};
  if (std::filesystem::exists(file, err)) {
    std::ifstream in{file, std::ios::binary};
    known = in ? replay(in) : failure("cannot open " + file.string());
  }
  if (err)
    return failure("cannot find " + file.string() + ": " + err.message());
  if (!known)
    return known.error();
  // Starting a new file drops what is history, and the torn line of a crash.
  auto fresh = file;
  fresh += ".new";
  auto table = std::make_shared<journal_table>(
    std::make_unique<std::ofstream>(fresh, std::ios::binary));
  for (auto& [id, x] : *known) {
    auto spec = find_spec(id);
    if (!spec)
      continue;
    child_record record;
    record.id = id;
    record.args = std::exchange(spec->args, {});
    record.spec = std::make_shared<const director::child_spec>(
      with_defaults(std::move(*spec)));
    record.restart_count = x.restart_count;
    record.incarnation = x.incarnation;
    table->insert(record);
    if (table->append({{"release", &record}}))
      break;
  }
  if (table->failure_ || !table->out_->flush())
    return failure("cannot write " + fresh.string());
  std::filesystem::rename(fresh, file, err);
  if (err)
    return failure("cannot replace " + file.string() + ": " + err.message());
  return table;
}
// [journal-restore]

journal_table::journal_table(std::unique_ptr<std::ostream> out)
  : out_(std::move(out)) {
  // nop
}

// -- reads --------------------------------------------------------------------

// [journal-reads]
std::optional<child_record> journal_table::find(const child_id& id) const {
  std::lock_guard reader{reading_};
  auto i = index_.find(id);
  if (i == index_.end())
    return std::nullopt;
  return rows_.at(i->second);
}

void journal_table::visit(
  const std::function<void(const child_record&)>& fn) const {
  std::lock_guard reader{reading_};
  for (auto& [row, record] : rows_)
    fn(record);
}

director::child_counts journal_table::count_children() const {
  std::lock_guard reader{reading_};
  return counts_;
}
// [journal-reads]

// -- writes -------------------------------------------------------------------

caf::error journal_table::attach(director::table_client& client) {
  std::lock_guard writer{writing_};
  if (!failure_)
    clients_.push_back(&client);
  return failure_;
}

// [journal-detach]
void journal_table::detach(director::table_client& client) {
  std::vector<child_record> replaced;
  std::lock_guard writer{writing_};
  if (std::erase(clients_, &client) == 0)
    return;
  std::map<row_id, child_record> kept;
  std::vector<row_id> gone;
  std::vector<change> changes;
  for (auto& [row, record] : rows_) {
    if (record.owner != client.address())
      continue;
    if (vanishes_on_detach(record)) {
      gone.push_back(row);
      changes.push_back({"erase", &record});
    } else {
      auto& copy = kept[row] = record;
      release(copy);
      changes.push_back({"release", &copy});
    }
  }
  // The director leaves in any case; a failure is for the others.
  std::ignore = append(changes);
  std::lock_guard reader{reading_};
  for (auto& [row, record] : kept)
    replaced.push_back(replace(row, record));
  for (auto row : gone)
    if (auto record = remove(row))
      replaced.push_back(std::move(*record));
}
// [journal-detach]

// [journal-claim]
write_result journal_table::claim(director::table_client& client,
                                  std::vector<director::claim_item>& items) {
  std::vector<child_record> replaced;
  std::lock_guard writer{writing_};
  if (failure_)
    return write_result::failed(failure_);
  // An ID may come more than once.
  std::unordered_map<child_id, const child_record*> granted;
  std::vector<change> changes;
  for (auto& item : items) {
    const child_record* known = nullptr;
    if (auto i = granted.find(item.record.id); i != granted.end())
      known = i->second;
    else if (auto j = index_.find(item.record.id); j != index_.end())
      known = &rows_.at(j->second);
    decide_claim(item, known, client.address());
    if (item.err)
      continue;
    granted.emplace(item.record.id, &item.record);
    changes.push_back({"claim", &item.record});
  }
  if (auto err = append(changes))
    return write_result::failed(err);
  std::lock_guard reader{reading_};
  for (auto& item : items) {
    if (item.err)
      continue;
    if (item.fresh) {
      item.row = insert(item.record);
    } else {
      item.row = index_.at(item.record.id);
      replaced.push_back(replace(item.row, item.record));
    }
  }
  return write_result::done();
}
// [journal-claim]

// [journal-put]
write_result journal_table::put(director::table_client& client,
                                std::span<const director::put_item> items) {
  std::vector<child_record> replaced;
  std::lock_guard writer{writing_};
  if (failure_)
    return write_result::failed(failure_);
  std::vector<change> changes;
  for (auto& item : items) {
    if (!owns(client, item.row))
      return write_result::failed(caf::make_error(errc::not_parent));
    changes.push_back({item.record->owner ? "put" : "release", item.record});
  }
  if (auto err = append(changes))
    return write_result::failed(err);
  std::lock_guard reader{reading_};
  for (auto& item : items)
    replaced.push_back(replace(item.row, *item.record));
  return write_result::done();
}
// [journal-put]

write_result journal_table::erase(director::table_client& client,
                                  std::span<const row_id> rows) {
  std::vector<child_record> replaced;
  std::lock_guard writer{writing_};
  if (failure_)
    return write_result::failed(failure_);
  std::vector<change> changes;
  for (auto row : rows) {
    if (!owns(client, row))
      return write_result::failed(caf::make_error(errc::not_parent));
    changes.push_back({"erase", &rows_.at(row)});
  }
  if (auto err = append(changes))
    return write_result::failed(err);
  std::lock_guard reader{reading_};
  for (auto row : rows)
    if (auto record = remove(row))
      replaced.push_back(std::move(*record));
  return write_result::done();
}

void journal_table::close() {
  std::lock_guard writer{writing_};
  if (!failure_)
    end(caf::make_error(errc::table_closed));
}

// -- helpers ------------------------------------------------------------------

// [journal-append]
caf::error journal_table::append(const std::vector<change>& changes) {
  if (failure_ || changes.empty())
    return failure_;
  std::string lines;
  for (auto more = changes.size(); auto& [what, record] : changes)
    lines += line_of(--more, what, *record);
  if (!(*out_ << lines << std::flush))
    end(failure("cannot write the journal"));
  return failure_;
}

void journal_table::end(caf::error reason) {
  failure_ = std::move(reason);
  out_.reset();
  for (auto* client : clients_)
    client->failed(failure_);
}
// [journal-append]

bool journal_table::owns(const director::table_client& client,
                         row_id row) const {
  auto i = rows_.find(row);
  return i != rows_.end() && i->second.owner == client.address();
}

child_record journal_table::replace(row_id row, const child_record& record) {
  auto& stored = rows_.at(row);
  count(stored, false);
  count(record, true);
  return std::exchange(stored, record);
}

std::optional<child_record> journal_table::remove(row_id row) {
  auto node = rows_.extract(row);
  if (node.empty())
    return std::nullopt;
  count(node.mapped(), false);
  index_.erase(node.mapped().id);
  return std::move(node.mapped());
}

row_id journal_table::insert(const child_record& record) {
  rows_.emplace(++last_row_, record);
  index_.emplace(record.id, last_row_);
  count(record, true);
  return last_row_;
}

void journal_table::count(const child_record& record, bool add) {
  auto step = add ? uint64_t{1} : ~uint64_t{0};
  counts_.specs += step;
  if (record.status == director::child_status::running)
    counts_.active += step;
  if (*record.spec->type == director::child_type::supervisor)
    counts_.supervisors += step;
  else
    counts_.workers += step;
}
