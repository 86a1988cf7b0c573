#include "director/net/internal/ledger.hpp"

#include <algorithm>
#include <utility>

namespace director::net::internal {

namespace {

/// A set of claims of one author has the sum of these for digest.
uint64_t digest_of(const entry& x) {
  auto result = x.born * 0x9e37'79b9'7f4a'7c15;
  result ^= result >> 32;
  return result * 0xbf58'476d'1ce4'e5b9;
}

/// Adds to the number of a node. What is 0 takes no memory.
void add(std::unordered_map<node_key, uint64_t>& numbers, node_key node,
         uint64_t amount) {
  if ((numbers[node] += amount) == 0)
    numbers.erase(node);
}

} // namespace

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

uint64_t ledger::digest(node_key author) const {
  auto i = digests_.find(author);
  return i != digests_.end() ? i->second : 0;
}

void ledger::count(const entry& x) {
  add(digests_, x.last.author, digest_of(x));
}

void ledger::discount(const entry& x) {
  add(digests_, x.last.author, uint64_t{0} - digest_of(x));
}

std::vector<entry> ledger::all(node_key about) const {
  std::vector<entry> result;
  if (about == 0)
    result.reserve(entries_.size());
  auto add = [&](const entry& x) {
    if (about == 0 || x.last.author == about)
      result.push_back(x);
  };
  for (auto& [id, x] : entries_)
    add(x);
  for (auto& [id, x] : overruled_)
    add(x);
  return result;
}

// -- own changes --------------------------------------------------------------

change_id ledger::claim(entry& x) {
  x.term = next_time();
  x.last = {self_, ++seen_[self_]};
  x.born = x.last.count;
  count(x);
  auto [i, fresh] = entries_.try_emplace(x.id, x);
  if (fresh)
    return {};
  discount(i->second);
  auto replaced = claim_of(i->second);
  i->second = x;
  return replaced;
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
  discount(x);
  entries_.erase(i);
  x.body = nullptr;
  x.last.count = ++seen_[self_];
  return true;
}

bool ledger::take_back(entry& x) {
  auto i = find_overruled(x.id, claim_of(x));
  if (i == overruled_.end())
    return false;
  discount(i->second);
  overruled_.erase(i);
  x.body = nullptr;
  x.last.count = ++seen_[self_];
  return true;
}

// -- changes of others --------------------------------------------------------

entry* ledger::find_claim(const entry& x) {
  auto i = entries_.find(x.id);
  if (i == entries_.end())
    return nullptr;
  if (claim_of(i->second) == claim_of(x))
    return &i->second;
  auto j = find_overruled(x.id, claim_of(x));
  return j != overruled_.end() ? &j->second : nullptr;
}

void ledger::update(entry& known, const entry& x) {
  auto before = std::exchange(known, x);
  if (!x.body)
    known.body = before.body;
  if (&known == find(x.id))
    on_change_(&before, &known, false);
}

void ledger::admit(const entry& x) {
  count(x);
  auto [i, fresh] = entries_.try_emplace(x.id, x);
  if (fresh)
    return on_change_(nullptr, &i->second, false);
  if (!supersedes(x, i->second)) {
    overruled_.emplace(x.id, x);
    return;
  }
  auto before = std::exchange(i->second, x);
  overruled_.emplace(x.id, before);
  on_change_(&before, &i->second, true);
}

void ledger::remove(const child_id& id, change_id claim) {
  auto i = entries_.find(id);
  if (i != entries_.end() && claim_of(i->second) == claim) {
    drop(id);
  } else if (auto j = find_overruled(id, claim); j != overruled_.end()) {
    discount(j->second);
    overruled_.erase(j);
  }
}

void ledger::apply(const step& x) {
  auto& now = x.now;
  heard(now.term);
  if (x.erased) {
    remove(now.id, claim_of(now));
  } else if (auto* known = find_claim(now)) {
    update(*known, now);
  } else if (now.last.count == now.born && now.body) {
    if (auto i = entries_.find(now.id);
        i != entries_.end() && claim_of(i->second) == x.replaced) {
      auto before = std::exchange(i->second, now);
      count(now);
      discount(before);
      on_change_(&before, &i->second, false);
    } else {
      admit(now);
      remove(now.id, x.replaced);
    }
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
  discount(before);
  entries_.erase(i);
  on_change_(&before, nullptr, false);
  promote(id);
}

void ledger::merge(const copy& x,
                   const std::function<void(const entry&)>& missed) {
  heard(x.clock);
  std::vector<change_id> theirs;
  theirs.reserve(x.entries.size());
  for (auto& y : x.entries) {
    theirs.push_back(claim_of(y));
    // Nobody knows better than this node what it has.
    if (y.last.author == self_)
      continue;
    if (auto* known = find_claim(y)) {
      if (y.last.count > known->last.count)
        update(*known, y);
    } else if (y.born > seen(y.last.author)) {
      admit(y);
    }
  }
  auto concerns = [&x](node_key author) {
    return x.about == 0 || x.about == author;
  };
  if (x.complete) {
    std::ranges::sort(theirs);
    std::vector<entry> over;
    auto look = [&](const entry& mine) {
      // What the other node has seen, but does not have any longer, is over.
      auto i = x.seen.find(mine.last.author);
      if (concerns(mine.last.author) && i != x.seen.end()
          && i->second >= mine.born
          && !std::ranges::binary_search(theirs, claim_of(mine)))
        over.push_back(mine);
    };
    for (auto& [id, mine] : entries_)
      look(mine);
    for (auto& [id, mine] : overruled_)
      look(mine);
    for (auto& mine : over) {
      if (mine.last.author == self_)
        missed(mine);
      else
        remove(mine.id, claim_of(mine));
    }
  }
  for (auto& [author, count] : x.seen)
    if (concerns(author) && author != self_)
      saw(author, count);
}

// -- claims that are overruled ------------------------------------------------

ledger::claims::iterator ledger::find_overruled(const child_id& id,
                                                change_id claim) {
  auto [first, last] = overruled_.equal_range(id);
  auto i = std::find_if(first, last, [&](auto& kvp) {
    return claim_of(kvp.second) == claim;
  });
  return i != last ? i : overruled_.end();
}

void ledger::promote(const child_id& id) {
  auto [first, last] = overruled_.equal_range(id);
  if (first == last || entries_.contains(id))
    return;
  auto best = std::max_element(first, last, [](auto& x, auto& y) {
    return supersedes(y.second, x.second);
  });
  auto [i, fresh] = entries_.emplace(id, std::move(best->second));
  overruled_.erase(best);
  on_change_(nullptr, &i->second, false);
}

bool ledger::has_overruled(
  const child_id& id, const std::function<bool(const entry&)>& pred) const {
  auto [first, last] = overruled_.equal_range(id);
  return std::any_of(first, last, [&](auto& kvp) { return pred(kvp.second); });
}

void ledger::forget_overruled(const std::function<bool(node_key)>& live) {
  std::erase_if(overruled_, [&](auto& kvp) {
    if (live(kvp.second.last.author))
      return false;
    discount(kvp.second);
    return true;
  });
}

} // namespace director::net::internal
