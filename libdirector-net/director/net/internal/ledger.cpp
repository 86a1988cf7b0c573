#include "director/net/internal/ledger.hpp"

#include <algorithm>
#include <utility>

namespace director::net::internal {

ledger::ledger(node_key self, listener on_change)
  : self_(self),
    on_change_(std::move(on_change)) {
  seen_[self] = 0;
}

// -- state --------------------------------------------------------------------

const entry* ledger::find(const child_id& id) const {
  auto i = entries_.find(id);
  return i != entries_.end() ? &i->second : nullptr;
}

uint64_t ledger::seen(node_key author) const {
  auto i = seen_.find(author);
  return i != seen_.end() ? i->second : 0;
}

std::vector<entry> ledger::all(node_key about) const {
  std::vector<entry> result;
  if (about == 0)
    result.reserve(entries_.size());
  for (auto& [id, x] : entries_)
    if (about == 0 || x.last.author == about)
      result.push_back(x);
  return result;
}

// -- own changes --------------------------------------------------------------

void ledger::claim(entry& x) {
  x.term = ++clock_;
  x.last = {self_, ++seen_[self_]};
  x.born = x.last.count;
  entries_.insert_or_assign(x.id, x);
}

bool ledger::put(entry& x) {
  auto i = entries_.find(x.id);
  if (i == entries_.end() || i->second.last.author != self_)
    return false;
  x.term = i->second.term;
  x.born = i->second.born;
  x.last = {self_, ++seen_[self_]};
  auto body = x.body ? x.body : i->second.body;
  i->second = x;
  i->second.body = std::move(body);
  return true;
}

bool ledger::erase(entry& x) {
  auto i = entries_.find(x.id);
  if (i == entries_.end() || i->second.last.author != self_)
    return false;
  x = i->second;
  x.body = nullptr;
  x.last.count = ++seen_[self_];
  entries_.erase(i);
  return true;
}

// -- changes of others --------------------------------------------------------

void ledger::store(const entry& x) {
  auto [i, fresh] = entries_.try_emplace(x.id, x);
  if (fresh)
    return on_change_(nullptr, &i->second);
  auto before = std::exchange(i->second, x);
  if (!x.body)
    i->second.body = before.body;
  on_change_(&before, &i->second);
}

void ledger::apply(const step& x) {
  auto& now = x.now;
  clock_ = std::max(clock_, now.term);
  auto i = entries_.find(now.id);
  auto same_claim = i != entries_.end() && i->second.term == now.term
                    && i->second.last.author == now.last.author;
  if (x.erased) {
    if (same_claim)
      drop(now.id);
  } else if (same_claim
             || (now.body
                 && (i == entries_.end() || supersedes(now, i->second)))) {
    store(now);
  }
  saw(now.last.author, now.last.count);
}

void ledger::saw(node_key author, uint64_t count) {
  auto& mine = seen_[author];
  mine = std::max(mine, count);
}

void ledger::drop(const child_id& id) {
  auto i = entries_.find(id);
  if (i == entries_.end())
    return;
  auto before = std::move(i->second);
  entries_.erase(i);
  on_change_(&before, nullptr);
}

void ledger::merge(const copy& x,
                   const std::function<void(const entry&)>& missed) {
  auto concerns = [&x](node_key author) {
    return x.about == 0 || x.about == author;
  };
  clock_ = std::max(clock_, x.clock);
  if (x.complete) {
    std::unordered_map<child_id, const entry*> theirs;
    theirs.reserve(x.entries.size());
    for (auto& y : x.entries)
      theirs.emplace(y.id, &y);
    std::vector<child_id> gone;
    std::vector<entry> own;
    for (auto& [id, mine] : entries_) {
      auto author = mine.last.author;
      if (!concerns(author) || theirs.contains(id))
        continue;
      auto i = x.seen.find(author);
      if (i == x.seen.end() || i->second < mine.born)
        continue;
      if (author == self_)
        own.push_back(mine);
      else
        gone.push_back(id);
    }
    for (auto& id : gone)
      drop(id);
    for (auto& y : own)
      missed(y);
    for (auto& y : x.entries) {
      auto i = entries_.find(y.id);
      if (i == entries_.end() ? y.born > seen(y.last.author)
                              : supersedes(y, i->second))
        store(y);
    }
  }
  for (auto& [author, count] : x.seen)
    if (concerns(author) && author != self_)
      saw(author, count);
}

} // namespace director::net::internal
