#include "director/net/internal/protocol.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace director::net::internal {

namespace {

constexpr uint64_t ticks_between_full_heartbeats = 32;

/// What one node has heard may be on its way to the other for so long.
constexpr int tolerated_differences = 3;

} // namespace

environment::~environment() {
  // nop
}

protocol::protocol(environment& env, protocol_settings settings)
  : env_(env),
    settings_(std::move(settings)),
    members_(*this, settings_),
    ledger_(settings_.self.key,
            [this](const entry* before, const entry* now, bool overruled) {
              entry_changed(before, now, overruled);
            }),
    random_(settings_.random_seed | 1) {
  // nop
}

// -- events from outside ------------------------------------------------------

void protocol::start(time_point now) {
  now_ = now;
  members_.start(now);
  paused_ = !members_.has_quorum(now);
}

void protocol::connected(const address& to, link_id link, time_point now) {
  now_ = now;
  members_.connected(to, link, now);
}

void protocol::unreachable(const address& to, bool refused, time_point now) {
  now_ = now;
  members_.unreachable(to, refused, now);
  flush();
}

void protocol::found_self(const address& to, time_point now) {
  now_ = now;
  members_.found_self(to, now);
  flush();
}

void protocol::link_lost(link_id link, time_point now) {
  now_ = now;
  members_.link_lost(link, now);
  flush();
}

void protocol::receive(link_id from, uint64_t session, packet what,
                       time_point now) {
  now_ = now;
  if (left_)
    return;
  if (auto* x = std::get_if<hello>(&what)) {
    members_.handle(from, *x, now);
  } else if (auto* y = std::get_if<refusal>(&what)) {
    members_.handle(*y);
  } else if (auto* sender = members_.sender_of(from, session, now)) {
    std::visit([this, sender](auto& z) { handle(*sender, z); }, what);
  }
  flush();
  check_leaving();
}

void protocol::illegible(link_id from, uint64_t session, time_point now) {
  now_ = now;
  if (auto* sender = members_.sender_of(from, session, now))
    members_.send(*sender, internal::illegible{});
}

void protocol::tick(time_point now) {
  now_ = now;
  if (left_)
    return;
  ++ticks_;
  settle_overruled();
  // Heartbeats tell how many changes there are.
  flush();
  // A late tick must notice the loss of the majority before anything else.
  watch_quorum();
  members_.tick(now);
  watch_quorum();
  continue_rebalance();
  retry(now);
  for (auto& [number, x] : ballots_) {
    // Votes may have got lost.
    if (now - x.sent < 4 * settings_.heartbeat)
      continue;
    x.sent = now;
    for (auto key : x.waiting)
      if (auto* voter = members_.find(key))
        send_ballot(number, x, *voter);
  }
  // Offers that nobody has taken up, and children that nobody could take.
  for (auto& id : homeless_)
    if (auto i = errands_.find(id); i == errands_.end())
      unplaced_.insert(id);
    else if (i->second.target == 0 || i->second.until <= now)
      place_again(id, i->second);
  place_soon_ = true;
  flush();
  check_leaving();
}

// -- news of the membership ---------------------------------------------------

void protocol::transmit(link_id to, uint64_t session, packet_ptr what) {
  env_.transmit(to, session, std::move(what));
}

void protocol::connect(const address& to) {
  env_.connect(to);
}

void protocol::turned_away(const std::string& text) {
  env_.turned_away(text);
}

void protocol::complain(const std::string& text) {
  env_.complain(text);
}

const horizon& protocol::seen() const {
  return ledger_.seen();
}

void protocol::describe(heartbeat& beat) const {
  // Of those who are long gone, most of the time nobody has any news.
  auto everybody = ticks_ % ticks_between_full_heartbeats == 0;
  for (auto& [author, count] : ledger_.seen()) {
    auto* x = members_.find(author);
    if (everybody || members_.live(author)
        || (x != nullptr && members_.recent(*x, now_)))
      beat.seen.emplace(author, count);
  }
  beat.claims = ledger_.digest(members_.self());
  beat.oldest_ballot = ballots_.empty() ? last_ballot_ + 1
                                        : ballots_.begin()->first;
  beat.directors = open_directors();
  beat.rebalance_wanted = rebalance_wanted_;
  beat.rebalance_done = rebalance_done_;
  beat.leaving = leaving_;
  beat.paused = paused_;
  beat.members = members_.live_contacts();
}

void protocol::session_begun(peer& x) {
  // What was offered to it in an earlier session may have got lost.
  for (auto& [id, y] : errands_)
    if (y.target == x.who.key)
      place_again(id, y);
  x.differences = 0;
  // What is on its way to others is in the copy; the session goes on from it.
  flush();
  // Whoever sees this node come up must know whether it takes children.
  members_.send_heartbeat(x, now_);
  send_copy(x, 0, x.was_down || x.seen != ledger_.seen());
}

void protocol::came_up(peer& x) {
  ledger_.visit([&](const entry& y) {
    if (y.last.author != x.who.key)
      return;
    note_homeless(y.id, is_homeless(y));
    env_.changed(y, true);
  });
  if (homeless_.empty())
    homeless_since_.reset();
  env_.node_changed(x);
  place_soon_ = true;
}

void protocol::went_down(peer& x) {
  auto key = x.who.key;
  std::vector<child_id> gone;
  ledger_.visit([&](const entry& y) {
    if (y.last.author != key)
      return;
    if (!y.keep) {
      gone.push_back(y.id);
      return;
    }
    moves_.erase(y.id);
    if (is_homeless(y))
      note_homeless(y.id, true);
    env_.changed(y, false);
  });
  for (auto& id : gone) {
    note_homeless(id, false);
    if (x.dead)
      ledger_.drop(id);
    else
      env_.removed(id);
  }
  for (auto& [id, y] : errands_)
    if (y.target == key)
      place_again(id, y);
  std::vector<uint64_t> broken;
  for (auto i = promised_.lower_bound({key, 0});
       i != promised_.end() && i->first.first == key; ++i)
    broken.push_back(i->first.second);
  for (auto number : broken)
    release(key, number);
  env_.node_changed(x);
  std::vector<uint64_t> complete;
  for (auto& [number, y] : ballots_)
    if (y.waiting.erase(key) > 0 && y.waiting.empty())
      complete.push_back(number);
  for (auto number : complete)
    count_votes(number);
  check_received();
  place_soon_ = true;
  // The plan was made for this node, too.
  drop_plan();
}

// -- packets ------------------------------------------------------------------

void protocol::handle(peer&, hello&) {
  // Dealt with before.
}

void protocol::handle(peer&, refusal&) {
  // Dealt with before.
}

void protocol::handle(peer& from, copy& x) {
  // Who lives must be known before it is known who runs what.
  for (auto& who : x.members)
    members_.learn(who, now_);
  // What nobody can see must not end what they can.
  std::erase_if(x.entries, [this](const entry& y) {
    auto* now = ledger_.find(y.id);
    return now != nullptr && claim_of(*now) != claim_of(y) && visible(*now)
           && y.last.author != members_.self() && is_hidden(y);
  });
  ledger_.merge(x, [&](const entry& mine) {
    if (auto* now = ledger_.find(mine.id);
        now == nullptr || claim_of(*now) != claim_of(mine)) {
      take_back(mine);
    } else if (mine.keep) {
      // Somebody has taken it over and removed it.
      if (mine.director != 0)
        lose(mine);
      env_.removed(mine.id);
      erase(mine.id);
    } else {
      // The others have dropped it because they took this node for dead.
      auto before = mine;
      auto y = mine;
      auto replaced = ledger_.claim(y);
      account(&before, &y);
      publish(y, false, replaced);
    }
  });
  if (x.about == 0)
    members_.synced(from, now_);
  members_.send(from, receipt{ledger_.seen(from.who.key)});
}

void protocol::handle(peer& from, copy_request& x) {
  flush();
  send_copy(from, x.about, true);
}

void protocol::handle(peer& from, steps& x) {
  auto author = from.who.key;
  auto next = ledger_.seen(author) + 1;
  if (x.first > next) {
    ask_copy(from, 0);
    return;
  }
  auto least = x.first;
  for (auto& y : x.list) {
    auto& last = y.now.last;
    if (last.author != author || last.count < least) {
      env_.complain("node '" + from.who.name
                    + "' has sent changes of others, or out of order");
      return;
    }
    least = last.count + 1;
    if (last.count >= next)
      ledger_.apply(y);
  }
  members_.send(from, receipt{ledger_.seen(author)});
}

void protocol::handle(peer& from, receipt& x) {
  from.received = std::max(from.received, x.count);
  check_received();
}

void protocol::handle(peer& from, internal::illegible&) {
  if (std::exchange(from.careful, true))
    return;
  flush();
  send_copy(from, 0, true);
}

void protocol::handle(peer& from, heartbeat& x) {
  auto directors = from.directors;
  members_.handle(from, x, now_);
  if (from.directors != directors)
    ask_again(from.who.key);
  hear_rebalance(from, x.rebalance_wanted, x.rebalance_done);
  // What is older than the oldest ballot is over, even if nobody has said so.
  std::vector<uint64_t> over;
  auto key = from.who.key;
  auto changes = x.seen.find(key);
  if (changes == x.seen.end() || changes->second <= ledger_.seen(key))
    for (auto i = promised_.lower_bound({key, 0});
         i != promised_.end() && i->first.first == key
         && i->first.second < x.oldest_ballot;
         ++i)
      over.push_back(i->first.second);
  for (auto number : over)
    release(key, number);
  if (auto i = x.seen.find(members_.self()); i != x.seen.end())
    from.received = std::max(from.received, i->second);
  check_received();
  // Of the last changes of a node that is gone, others may know more.
  for (auto& [author, count] : x.seen)
    if (!members_.live(author) && count > ledger_.seen(author))
      ask_copy(from, author);
  if (changes == x.seen.end())
    return;
  if (changes->second > ledger_.seen(key))
    ask_copy(from, 0);
  compare_claims(from, changes->second, x.claims);
}

void protocol::compare_claims(peer& from, uint64_t seen, uint64_t claims) {
  auto key = from.who.key;
  if (seen != ledger_.seen(key))
    return;
  if (claims == ledger_.digest(key)) {
    from.differences = 0;
    return;
  }
  if (++from.differences <= tolerated_differences)
    return;
  from.differences = 0;
  if (ask_copy(from, 0))
    send_copy(from, 0, true);
}

bool protocol::ask_copy(peer& from, node_key about) {
  // The last one may be on its way; a large one takes its time.
  if (now_ - from.last_request
      < std::max(from.copy_time, 5 * settings_.heartbeat))
    return false;
  from.last_request = now_;
  members_.send(from, copy_request{about});
  return true;
}

void protocol::handle(peer& from, bye&) {
  members_.left(from, now_);
}

// -- entries ------------------------------------------------------------------

bool protocol::put(entry x) {
  auto* before = ledger_.find(x.id);
  if (before == nullptr || before->last.author != members_.self())
    return false;
  auto old = *before;
  auto with_body = x.body != nullptr;
  if (auto* waiting = overtake(old))
    with_body = with_body || waiting->body != nullptr;
  auto departs = departing_.contains(x.id);
  auto has_ended = x.status != child_status::terminating;
  // If this node is lost before the child has ended, others start it.
  if (departs && !has_ended)
    x.wanted = true;
  // Its director has died on the way, and has not said that it is to go on.
  auto resumed = departs && has_ended && x.director == 0 && old.director == 0
                 && x.status == child_status::undefined;
  if (resumed) {
    x.status = child_status::restarting;
    x.wanted = true;
  }
  ledger_.put(x);
  auto* now = ledger_.find(x.id);
  account(&old, now);
  auto change = *now;
  if (!with_body)
    change.body = nullptr;
  publish(change, false);
  if (x.director == 0 && has_ended)
    departing_.erase(x.id);
  if (resumed)
    env_.changed(*ledger_.find(x.id), true);
  return true;
}

void protocol::erase(const child_id& id) {
  auto* before = ledger_.find(id);
  if (before == nullptr)
    return;
  auto old = *before;
  auto x = old;
  if (!ledger_.erase(x))
    return;
  overtake(old);
  account(&old, nullptr);
  publish(x, true);
  departing_.erase(id);
  ledger_.promote(id);
}

void protocol::entry_changed(const entry* before, const entry* now,
                             bool overruled) {
  account(before, now);
  auto self = members_.self();
  auto& id = now != nullptr ? now->id : before->id;
  if (before != nullptr && before->last.author == self) {
    departing_.erase(id);
    if (before->director != 0)
      lose(*before);
    else if (overruled)
      take_back(*before);
  }
  if (now != nullptr && visible(*now))
    env_.changed(*now, members_.live(now->last.author));
  else
    env_.removed(id);
}

void protocol::lose(const entry& x) {
  // It may have come back and lost again while its child was ending.
  if (auto i = losing_.find(x.id);
      i != losing_.end() && claim_of(i->second) == claim_of(x))
    return;
  // The claim is taken back when the child is gone: until then nobody may start
  // another one.
  losing_[x.id] = x;
  env_.conflict(x.id);
  env_.depart({x.id}, departure::lost);
}

void protocol::ended(const child_id& id) {
  auto node = losing_.extract(id);
  if (node.empty())
    return;
  auto& x = node.mapped();
  auto* now = ledger_.find(id);
  if (now == nullptr || now->last.author != members_.self())
    return take_back(x);
  // The claim that had overruled it is over: it starts again, somewhere.
  auto next = *now;
  next.director = 0;
  next.actor = 0;
  next.status = child_status::restarting;
  next.wanted = true;
  next.body = nullptr;
  put(next);
  env_.changed(*ledger_.find(id), true);
}

void protocol::take_back(entry x) {
  if (ledger_.take_back(x))
    publish(x, true);
}

bool protocol::has_rival(const child_id& id) const {
  return ledger_.has_overruled(id, [this](const entry& x) {
    return x.director != 0 && members_.live(x.last.author);
  });
}

void protocol::settle_overruled() {
  ledger_.forget_overruled([this](node_key x) { return members_.live(x); });
  // What this node does not end any more is over. It must not come back.
  std::vector<entry> own;
  ledger_.visit_overruled([&](const entry& x) {
    auto i = losing_.find(x.id);
    if (x.last.author == members_.self()
        && (i == losing_.end() || claim_of(i->second) != claim_of(x)))
      own.push_back(x);
  });
  for (auto& x : own)
    take_back(x);
  // What nobody can see must not keep others from what they can have.
  std::vector<child_id> blocked;
  ledger_.visit_overruled([&](const entry& x) { blocked.push_back(x.id); });
  for (auto& id : blocked)
    if (auto* now = ledger_.find(id); now != nullptr && is_hidden(*now))
      ledger_.drop(id);
}

bool protocol::is_hidden(const entry& x) const {
  // An author that is coming back has been told already that it is still here.
  auto* author = members_.find(x.last.author);
  return !visible(x) && (author == nullptr || !author->established);
}

bool protocol::is_homeless(const entry& x) const {
  if (members_.live(x.last.author))
    return x.director == 0 && x.wanted && x.status != child_status::terminating;
  return x.keep
         && (x.wanted
             || (x.director != 0
                 && (x.status == child_status::running
                     || x.status == child_status::restarting)));
}

void protocol::account(const entry* before, const entry* now) {
  if (now != nullptr && now->director != 0)
    ++owned_[now->last.author];
  if (before != nullptr && before->director != 0)
    if (auto i = owned_.find(before->last.author); --i->second == 0)
      owned_.erase(i);
  auto& id = now != nullptr ? now->id : before->id;
  if (auto i = moves_.find(id);
      i != moves_.end()
      && (now == nullptr || claim_of(*now) != i->second.claim))
    moves_.erase(i);
  if (now != nullptr && is_homeless(*now)) {
    note_homeless(id, true);
    // What was offered of an earlier claim may be void.
    if (auto i = errands_.find(id); i != errands_.end() && before != nullptr
                                    && claim_of(*before) != claim_of(*now))
      place_again(id, i->second);
    return;
  }
  // Whoever has taken it may find out that it cannot start it. Until it runs,
  // it counts who has tried.
  if (now == nullptr || now->status == child_status::running) {
    errands_.erase(id);
  } else if (auto i = errands_.find(id); i != errands_.end()) {
    i->second.target = 0;
  }
  if (!note_homeless(id, false))
    return;
  env_.took_over();
  if (homeless_.empty() && homeless_since_) {
    env_.takeover_done(now_ - *homeless_since_);
    homeless_since_.reset();
  }
}

bool protocol::note_homeless(const child_id& id, bool homeless) {
  if (!homeless) {
    unplaced_.erase(id);
    return homeless_.erase(id) > 0;
  }
  if (!homeless_.insert(id).second)
    return false;
  unplaced_.insert(id);
  place_soon_ = true;
  if (!homeless_since_)
    homeless_since_ = now_;
  return true;
}

size_t protocol::children_of(node_key node) const {
  auto i = owned_.find(node);
  return i != owned_.end() ? i->second : 0;
}

void protocol::publish(const entry& x, bool erased, change_id replaced) {
  outbox_.push_back({{x, erased, replaced}, false});
}

const entry* protocol::overtake(const entry& x) {
  if (outbox_.empty() || x.last.count == x.born)
    return nullptr;
  auto first = outbox_.front().what.now.last.count;
  if (x.last.count < first)
    return nullptr;
  auto& result = outbox_[x.last.count - first];
  result.overtaken = true;
  return &result.what.now;
}

void protocol::flush() {
  if (std::exchange(place_soon_, false)) {
    start_offered();
    place();
  }
  if (!outbox_.empty()) {
    steps news;
    news.first = outbox_.front().what.now.last.count;
    news.list.reserve(
      std::ranges::count(outbox_, false, &unsent_step::overtaken));
    for (auto& x : outbox_)
      if (!x.overtaken)
        news.list.push_back(std::move(x.what));
    outbox_.clear();
    members_.broadcast(std::move(news));
    check_received();
  }
  // Children may be lost before the next heartbeat.
  if (auto count = open_directors(); count != directors_) {
    directors_ = count;
    ask_again(members_.self());
    members_.announce(now_);
  }
}

void protocol::send_copy(peer& to, node_key about, bool complete) {
  copy x;
  x.about = about;
  x.clock = ledger_.clock();
  x.seen = ledger_.seen();
  x.members = members_.live_contacts();
  x.complete = complete;
  if (complete)
    x.entries = ledger_.all(about);
  members_.send(to, std::move(x));
}

void protocol::check_received() {
  // A side without majority does not speak for all copies.
  auto count = received_by_all();
  if (paused_ || count <= received_)
    return;
  received_ = count;
  env_.received_everywhere(count);
}

uint64_t protocol::received_by_all() const {
  auto result = ledger_.seen(members_.self());
  for (auto& [key, x] : members_.peers())
    if (x.state == node_state::up || x.state == node_state::suspect)
      result = std::min(result, x.received);
  return result;
}

} // namespace director::net::internal
