// How nodes agree on who owns a child.

#include "director/net/internal/protocol.hpp"

#include <algorithm>
#include <utility>

namespace director::net::internal {

namespace {

constexpr caf::timespan shortest_pause = std::chrono::milliseconds{1};

constexpr caf::timespan longest_pause = std::chrono::milliseconds{64};

} // namespace

// -- asking -------------------------------------------------------------------

bool protocol::eligible(const child_id& id, claim_mode mode) const {
  if (has_rival(id) || losing_.contains(id))
    return false;
  auto* x = ledger_.find(id);
  if (x == nullptr || !visible(*x))
    return mode != claim_mode::adopt;
  return mode != claim_mode::fresh && !has_director(*x);
}

void protocol::claim(uint64_t ticket,
                     std::vector<std::pair<child_id, claim_mode>> items,
                     time_point now) {
  now_ = now;
  auto& x = claims_[ticket];
  x.open = items.size();
  x.deadline = now + settings_.claim_timeout;
  if (items.empty()) {
    claims_.erase(ticket);
    return env_.claim_done(ticket);
  }
  for (uint32_t i = 0; i < items.size(); ++i)
    queued_.push_back(
      {ticket, i, std::move(items[i].first), items[i].second, {}, false});
  open_queued();
  flush();
}

void protocol::open_queued() {
  if (ballots_.empty() && !queued_.empty())
    open(std::exchange(queued_, {}));
}

void protocol::open(std::vector<candidate> items) {
  if (paused_ || leaving_) {
    for (auto& x : items)
      finish(x, claim_outcome::no_quorum);
    return;
  }
  if (!members_.ready()) {
    for (auto& x : items)
      if (claims_.contains(x.ticket))
        postpone(std::move(x));
    return;
  }
  auto number = ++last_ballot_;
  open_ballot y;
  std::vector<child_id> own;
  for (auto& x : items) {
    if (!claims_.contains(x.ticket))
      continue;
    if (!eligible(x.id, x.mode)) {
      finish(x, claim_outcome::refused);
      continue;
    }
    if (auto* base = ledger_.find(x.id);
        base != nullptr && visible(*base) && !base->body->raw.empty()) {
      finish(x, claim_outcome::unreadable);
      continue;
    }
    if (!promises_.try_emplace(x.id, promise{members_.self(), number}).second) {
      postpone(std::move(x));
      continue;
    }
    auto* base = ledger_.find(x.id);
    x.base = base != nullptr ? base->last : change_id{};
    x.busy = false;
    own.push_back(x.id);
    y.items.push_back(std::move(x));
  }
  if (y.items.empty())
    return;
  promised_[{members_.self(), number}] = std::move(own);
  y.sent = now_;
  for (auto& [key, voter] : members_.peers())
    if (voter.state == node_state::up || voter.state == node_state::suspect)
      y.waiting.insert(key);
  auto& stored = ballots_[number] = std::move(y);
  // What the ballot says about this node's changes must have been sent.
  flush();
  for (auto key : stored.waiting)
    send_ballot(number, stored, *members_.find(key));
  if (stored.waiting.empty())
    count_votes(number);
}

void protocol::send_ballot(uint64_t number, const open_ballot& x,
                           const peer& to) {
  ballot request;
  request.number = number;
  request.seen = ledger_.seen();
  request.items.reserve(x.items.size());
  for (auto& y : x.items)
    request.items.push_back({y.id, y.base});
  members_.send(to, std::move(request));
}

void protocol::handle(peer& from, vote& x) {
  auto i = ballots_.find(x.number);
  if (i == ballots_.end() || i->second.waiting.erase(from.who.key) == 0)
    return;
  for (auto index : x.busy)
    if (index < i->second.items.size())
      i->second.items[index].busy = true;
  if (!x.abstains) {
    ++i->second.votes;
    i->second.voters += from.voter ? 1 : 0;
  }
  if (i->second.waiting.empty())
    count_votes(x.number);
}

void protocol::count_votes(uint64_t number) {
  auto i = ballots_.find(number);
  if (i == ballots_.end())
    return;
  auto x = std::move(i->second);
  ballots_.erase(i);
  close_ballot(number, std::move(x));
}

void protocol::close_ballot(uint64_t number, open_ballot x) {
  auto quorum = !leaving_ && members_.has_quorum(now_);
  auto own_vote = members_.is_voter(now_) ? size_t{1} : size_t{0};
  auto decided = members_.is_majority(x.votes + 1, x.voters + own_vote);
  for (auto& y : x.items) {
    if (!claims_.contains(y.ticket))
      continue;
    auto later = false;
    auto* now = ledger_.find(y.id);
    auto unchanged = (now != nullptr ? now->last : change_id{}) == y.base;
    if (!quorum) {
      finish(y, claim_outcome::no_quorum);
    } else if (y.busy || !unchanged || !decided) {
      y.busy = true;
    } else if (auto taken = env_.take(y.ticket, y.index, later)) {
      auto before = now != nullptr ? std::optional<entry>{*now} : std::nullopt;
      taken->id = y.id;
      auto replaced = ledger_.claim(*taken);
      account(before ? &*before : nullptr, &*taken);
      publish(*taken, false, replaced);
      departing_.erase(y.id);
      finish(y, claim_outcome::granted);
    } else if (later) {
      y.busy = true;
    } else {
      finish(y, claim_outcome::refused);
    }
  }
  release(members_.self(), number);
  flush();
  members_.broadcast(ballot_end{number, ledger_.seen(members_.self())});
  for (auto& y : x.items)
    if (y.busy && claims_.contains(y.ticket))
      postpone(std::move(y));
  open_queued();
}

void protocol::finish(candidate x, claim_outcome how) {
  auto i = claims_.find(x.ticket);
  if (i == claims_.end())
    return;
  if (how != claim_outcome::granted && !env_.refuse(x.ticket, x.index, how))
    return postpone(std::move(x));
  if (--i->second.open > 0)
    return;
  claims_.erase(i);
  env_.claim_done(x.ticket);
}

// -- trying again -------------------------------------------------------------

void protocol::postpone(candidate x) {
  auto& claim = claims_.at(x.ticket);
  auto rounds = std::min(claim.rounds++, 6);
  auto limit = std::min(longest_pause, shortest_pause * (1 << rounds));
  // Those who block each other must not meet again.
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  auto pause = limit / 2
               + caf::timespan{static_cast<int64_t>(
                 random_ % static_cast<uint64_t>(limit.count() / 2))};
  postponed_.emplace(now_ + pause, std::move(x));
}

std::optional<time_point> protocol::next_retry() const {
  if (postponed_.empty())
    return std::nullopt;
  return postponed_.begin()->first;
}

void protocol::retry(time_point now) {
  now_ = now;
  while (!postponed_.empty() && postponed_.begin()->first <= now) {
    auto x = std::move(postponed_.extract(postponed_.begin()).mapped());
    auto i = claims_.find(x.ticket);
    if (i == claims_.end())
      continue;
    if (i->second.deadline <= now)
      finish(x, claim_outcome::timed_out);
    else
      queued_.push_back(std::move(x));
  }
  open_queued();
  // Voters that are up, but do not answer, must not hold anybody up for ever.
  std::vector<uint64_t> late;
  for (auto& [number, x] : ballots_) {
    auto expired = std::ranges::any_of(x.items, [&](const candidate& y) {
      auto i = claims_.find(y.ticket);
      return i != claims_.end() && i->second.deadline <= now;
    });
    if (!expired)
      continue;
    late.push_back(number);
    for (auto& y : x.items)
      y.busy = true;
  }
  for (auto number : late)
    count_votes(number);
  flush();
}

// -- voting -------------------------------------------------------------------

bool protocol::still_here(const child_id& id) const {
  if (losing_.contains(id))
    return true;
  auto* now = ledger_.find(id);
  return now != nullptr && now->last.author == members_.self()
         && (now->director != 0 || !env_.may_give(id));
}

bool protocol::grants(const peer& to, const ballot& x, size_t index) {
  auto& item = x.items[index];
  auto* now = ledger_.find(item.id);
  if (still_here(item.id))
    return false;
  if (now != nullptr) {
    // Who runs, runs; and who knows less than this node must wait.
    if (has_director(*now) || has_rival(item.id))
      return false;
    auto i = x.seen.find(now->last.author);
    auto known = i != x.seen.end() && i->second >= now->last.count;
    if (!known && item.base != now->last)
      return false;
  }
  auto [i, fresh] = promises_.try_emplace(item.id,
                                          promise{to.who.key, x.number});
  if (fresh)
    return true;
  auto& holder = i->second;
  if (holder.claimant == to.who.key) {
    holder.ballot = x.number;
    return true;
  }
  // Of two that ask each other, the one with the lower key goes first.
  if (holder.claimant != members_.self() || to.who.key > members_.self())
    return false;
  if (auto own = ballots_.find(holder.ballot); own != ballots_.end())
    for (auto& y : own->second.items)
      if (y.id == item.id)
        y.busy = true;
  holder = {to.who.key, x.number};
  return true;
}

void protocol::handle(peer& from, ballot& x) {
  vote answer;
  answer.number = x.number;
  answer.abstains = paused_;
  if (paused_) {
    // The majority can do without this node, but knows less of what is here.
    for (uint32_t i = 0; i < x.items.size(); ++i)
      if (still_here(x.items[i].id) || has_rival(x.items[i].id))
        answer.busy.push_back(i);
    return members_.send(from, std::move(answer));
  }
  // Nobody would notice if one that is down went down again.
  auto counts = from.state == node_state::up
                || from.state == node_state::suspect;
  std::vector<child_id> granted;
  for (uint32_t i = 0; i < x.items.size(); ++i) {
    if (counts && grants(from, x, i))
      granted.push_back(x.items[i].id);
    else
      answer.busy.push_back(i);
  }
  if (!granted.empty()) {
    auto& all = promised_[{from.who.key, x.number}];
    all.insert(all.end(), granted.begin(), granted.end());
  }
  members_.send(from, std::move(answer));
}

void protocol::handle(peer& from, ballot_end& x) {
  // If what has come of it got lost, a heartbeat releases the promises later.
  if (ledger_.seen(from.who.key) >= x.changes)
    release(from.who.key, x.number);
}

void protocol::release(node_key claimant, uint64_t ballot) {
  auto i = promised_.find({claimant, ballot});
  if (i == promised_.end())
    return;
  for (auto& id : i->second) {
    auto j = promises_.find(id);
    if (j != promises_.end() && j->second.claimant == claimant
        && j->second.ballot == ballot)
      promises_.erase(j);
  }
  promised_.erase(i);
}

void protocol::refuse_all(claim_outcome why) {
  for (auto& [when, x] : std::exchange(postponed_, {}))
    finish(x, why);
  for (auto& x : std::exchange(queued_, {}))
    finish(x, why);
  for (auto& [number, x] : std::exchange(ballots_, {})) {
    for (auto& y : x.items)
      finish(y, why);
    release(members_.self(), number);
    members_.broadcast(ballot_end{number, ledger_.seen(members_.self())});
  }
}

} // namespace director::net::internal
