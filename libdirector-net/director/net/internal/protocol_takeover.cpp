// Children that have lost their node, or are to change it.

#include "director/net/internal/protocol.hpp"

#include <algorithm>
#include <exception>
#include <string>
#include <utility>

namespace director::net::internal {

namespace {

bool by_id(const placement_child& x, const placement_child& y) {
  return x.id < y.id;
}

} // namespace

// -- deciding -----------------------------------------------------------------

uint64_t protocol::open_directors() const {
  return paused_ ? 0 : env_.directors();
}

bool protocol::coordinates() const {
  if (!members_.ready() || paused_ || leaving_)
    return false;
  for (auto& [key, x] : members_.peers())
    if (key < members_.self() && x.live() && !x.leaving && !x.paused
        && x.state != node_state::reaching)
      return false;
  return true;
}

std::vector<placement_node> protocol::candidates() const {
  std::vector<placement_node> result;
  if (!leaving_ && open_directors() > 0)
    result.push_back(
      {members_.self(), settings_.self.name, children_of(members_.self())});
  for (auto& [key, x] : members_.peers())
    if (x.state == node_state::up && x.directors > 0 && !x.leaving)
      result.push_back({key, x.who.name, children_of(key)});
  return result;
}

void protocol::place() {
  if (unplaced_.empty() || !coordinates())
    return;
  auto nodes = candidates();
  if (nodes.empty())
    return;
  auto is_candidate = [&](node_key key) {
    return std::ranges::find(nodes, key, &placement_node::key) != nodes.end();
  };
  for (auto& [id, x] : errands_)
    if (x.until > now_)
      for (auto& node : nodes)
        if (node.key == x.target)
          ++node.children;
  // Children that some nodes cannot start are placed among the others.
  std::map<std::set<node_key>, std::vector<placement_child>> groups;
  std::map<node_key, std::vector<child_id>> offers;
  for (auto& id : std::exchange(unplaced_, {})) {
    auto& x = errands_[id];
    auto& now = *ledger_.find(id);
    if (!now.body->raw.empty())
      x.tried.insert(members_.self());
    auto planned = moves_.find(id);
    if (planned != moves_.end() && !is_candidate(planned->second.to)) {
      // The child does not wait for it; the plan is made anew.
      moves_.erase(planned);
      planned = moves_.end();
      drop_plan();
    }
    if (planned != moves_.end() && !x.tried.contains(planned->second.to))
      offers[planned->second.to].push_back(id);
    else if (now.keep)
      groups[x.tried].push_back({id, now.last.author});
    else if (is_candidate(now.last.author)
             && !x.tried.contains(now.last.author))
      // Nobody else may have it.
      offers[now.last.author].push_back(id);
  }
  for (auto& [tried, children] : groups) {
    auto fit = nodes;
    std::erase_if(fit, [&](auto& node) { return tried.contains(node.key); });
    if (fit.empty())
      continue;
    std::ranges::sort(children, by_id);
    auto targets = choose(children, fit);
    for (size_t i = 0; i < children.size(); ++i) {
      auto target = targets[i];
      if (std::ranges::find(fit, target, &placement_node::key) != fit.end())
        offers[target].push_back(children[i].id);
      else if (target != 0)
        env_.complain("the placement has chosen a node that it was not given");
    }
  }
  for (auto& [target, ids] : offers) {
    for (auto& id : ids) {
      auto& x = errands_[id];
      x.target = target;
      x.until = now_ + settings_.claim_timeout;
    }
    offer_to(target, std::move(ids));
  }
}

std::vector<node_key>
protocol::choose(const std::vector<placement_child>& children,
                 const std::vector<placement_node>& nodes) {
  if (settings_.placement) {
    try {
      auto result = settings_.placement(children, nodes);
      if (result.size() == children.size())
        return result;
      env_.complain("the placement has not answered for each child");
    } catch (std::exception& e) {
      env_.complain(std::string{"the placement has thrown: "} + e.what());
    } catch (...) {
      env_.complain("the placement has thrown");
    }
  }
  return spread_evenly(children, nodes);
}

void protocol::place_again(const child_id& id, errand& x) {
  x.target = 0;
  if (homeless_.contains(id))
    unplaced_.insert(id);
  place_soon_ = true;
}

void protocol::offer_to(node_key target, std::vector<child_id> ids) {
  if (target == members_.self()) {
    env_.start(std::move(ids));
  } else if (auto* x = members_.find(target)) {
    offer what;
    for (auto& id : ids)
      what.items.push_back({id, ledger_.find(id)->term});
    members_.send(*x, std::move(what));
  }
}

void protocol::handle(peer& from, offer& x) {
  if (open_directors() == 0 || leaving_) {
    decline answer;
    for (auto& item : x.items)
      answer.ids.push_back(std::move(item.id));
    return members_.send(from, std::move(answer));
  }
  for (auto& item : x.items) {
    auto& y = offered_[item.id];
    y.term = std::max(y.term, item.term);
    y.until = now_ + settings_.claim_timeout;
  }
  start_offered();
}

void protocol::start_offered() {
  std::vector<child_id> ready;
  std::vector<child_id> unreadable;
  std::erase_if(offered_, [&](auto& kvp) {
    auto& [id, x] = kvp;
    auto* now = ledger_.find(id);
    // An offer that comes late must not hold for another claim.
    if (x.until <= now_ || (now != nullptr && now->term > x.term))
      return true;
    if (now == nullptr || now->term < x.term || !is_homeless(*now))
      return false;
    (now->body->raw.empty() ? ready : unreadable).push_back(id);
    return true;
  });
  if (!ready.empty())
    env_.start(std::move(ready));
  if (!unreadable.empty())
    tell_decline(unreadable);
}

void protocol::declined(const std::vector<child_id>& ids) {
  tell_decline(ids);
  flush();
}

void protocol::tell_decline(const std::vector<child_id>& ids) {
  // Whoever coordinates by now must know.
  members_.broadcast(decline{ids, true});
  note_decline(members_.self(), ids, true);
}

void protocol::handle(peer& from, decline& x) {
  note_decline(from.who.key, x.ids, x.for_good);
}

void protocol::note_decline(node_key by, const std::vector<child_id>& ids,
                            bool for_good) {
  for (auto& id : ids) {
    if (ledger_.find(id) == nullptr)
      continue;
    auto& x = errands_[id];
    if (for_good)
      x.tried.insert(by);
    if (x.target != by)
      continue;
    if (for_good)
      place_again(id, x);
    else
      x.until = now_ + settings_.heartbeat;
  }
}

void protocol::ask_again(node_key by) {
  for (auto& [id, x] : errands_)
    if (x.tried.erase(by) > 0 && x.target == 0)
      place_again(id, x);
}

// -- moving -------------------------------------------------------------------

void protocol::rebalance(time_point now) {
  now_ = now;
  rebalance_wanted_ = ledger_.next_time();
  flush();
  members_.announce(now);
  continue_rebalance();
}

void protocol::hear_rebalance(const peer& from, uint64_t wanted,
                              uint64_t done) {
  auto before = rebalance_wanted_;
  auto pending = !rebalanced();
  ledger_.heard(wanted);
  rebalance_wanted_ = std::max(rebalance_wanted_, wanted);
  rebalance_done_ = std::max(rebalance_done_, done);
  // What was done on the other side of a partition was done without this one.
  if (pending && rebalanced() && from.state != node_state::up)
    rebalance_wanted_ = ledger_.next_time();
  if (rebalance_wanted_ != before)
    continue_rebalance();
}

void protocol::continue_rebalance() {
  if (paused_ || rebalanced() || !coordinates()) {
    plan_at_.reset();
    return drop_plan();
  }
  if (!plan_) {
    if (!all_known())
      return;
    if (!plan_at_)
      plan_at_ = now_ + settings_.claim_timeout;
    if (!all_settled() && now_ < *plan_at_)
      return;
    plan_moves();
  }
  order_moves();
}

bool protocol::all_known() const {
  // Those of whom it is not known whether they live would get nothing.
  return !place_soon_ && std::ranges::all_of(members_.peers(), [](auto& kvp) {
    auto& x = kvp.second;
    return !x.live() || x.state == node_state::up;
  });
}

bool protocol::all_settled() const {
  // Whoever comes back from the other side of a partition will take some.
  for (auto& [key, x] : members_.peers())
    if (x.established && (x.paused || x.state != node_state::up))
      return false;
  for (auto& id : homeless_)
    if (auto i = errands_.find(id);
        i != errands_.end() && i->second.target != 0 && i->second.until > now_)
      return false;
  auto result = true;
  ledger_.visit(
    [&](const entry& x) { result = result && !(x.wanted && has_director(x)); });
  return result;
}

bool protocol::on_its_way(const entry& x) const {
  return has_director(x) ? x.wanted : is_homeless(x);
}

void protocol::plan_moves() {
  plan_ = {rebalance_wanted_, now_ + settings_.claim_timeout, now_};
  plan_at_.reset();
  std::vector<placement_child> movable;
  ledger_.visit([&](const entry& x) {
    if (x.keep && has_director(x) && x.status == child_status::running)
      movable.push_back({x.id, x.last.author});
  });
  std::ranges::sort(movable, by_id);
  for (auto& x : even_out(movable, candidates()))
    moves_[x.id] = {claim_of(*ledger_.find(x.id)), x.to};
}

void protocol::order_moves() {
  auto open = false;
  auto nodes = candidates();
  std::map<node_key, std::vector<child_id>> orders;
  for (auto& [id, x] : moves_) {
    auto* now = ledger_.find(id);
    if (now == nullptr || claim_of(*now) != x.claim)
      continue;
    auto runs = has_director(*now) && now->status == child_status::running;
    if (runs
        && std::ranges::find(nodes, x.to, &placement_node::key) == nodes.end())
      return drop_plan();
    if (runs)
      orders[now->last.author].push_back(id);
    open = open || has_director(*now) || is_homeless(*now);
  }
  if (!open || plan_->until <= now_) {
    rebalance_done_ = std::max(rebalance_done_, plan_->wanted);
    return drop_plan();
  }
  // Orders may have got lost.
  if (plan_->next > now_)
    return;
  plan_->next = now_ + 4 * settings_.heartbeat;
  for (auto& [from, ids] : orders)
    depart(from, std::move(ids));
}

void protocol::drop_plan() {
  if (!plan_)
    return;
  plan_.reset();
  std::erase_if(moves_, [this](auto& kvp) {
    auto* now = ledger_.find(kvp.first);
    return now == nullptr || claim_of(*now) != kvp.second.claim
           || !on_its_way(*now);
  });
}

void protocol::depart(node_key from, std::vector<child_id> ids) {
  if (from == members_.self()) {
    departing_.insert(ids.begin(), ids.end());
    env_.depart(std::move(ids), departure::moved);
  } else if (auto* x = members_.find(from)) {
    members_.send(*x, move_request{std::move(ids)});
  }
}

void protocol::handle(peer&, move_request& x) {
  std::erase_if(x.ids, [this](const child_id& id) {
    auto* now = ledger_.find(id);
    return now == nullptr || now->last.author != members_.self()
           || now->director == 0;
  });
  if (!x.ids.empty())
    depart(members_.self(), std::move(x.ids));
}

// -- stopping -----------------------------------------------------------------

void protocol::watch_quorum() {
  auto paused = !members_.has_quorum(now_);
  if (paused == paused_)
    return;
  paused_ = paused;
  place_soon_ = true;
  // What was offered before has come to nothing.
  for (auto& [id, x] : errands_)
    place_again(id, x);
  if (!paused)
    return;
  refuse_all(claim_outcome::no_quorum);
  std::vector<child_id> own;
  ledger_.visit([&](const entry& x) {
    if (x.last.author == members_.self() && x.director != 0)
      own.push_back(x.id);
  });
  if (own.empty())
    return;
  departing_.insert(own.begin(), own.end());
  env_.depart(std::move(own), departure::paused);
}

void protocol::leave(time_point now, time_point deadline) {
  now_ = now;
  if (std::exchange(leaving_, true)) {
    leave_deadline_ = std::min(leave_deadline_, deadline);
    return check_leaving();
  }
  leave_deadline_ = deadline;
  refuse_all(claim_outcome::no_quorum);
  // The others end with their directors.
  std::vector<child_id> kept;
  ledger_.visit([&](const entry& x) {
    if (x.last.author == members_.self() && x.director != 0 && x.keep)
      kept.push_back(x.id);
  });
  if (!kept.empty())
    depart(members_.self(), std::move(kept));
  tick(now);
}

void protocol::directors_ended() {
  directors_ended_ = true;
}

void protocol::check_leaving() {
  if (!leaving_ || left_)
    return;
  auto late = now_ >= leave_deadline_;
  if ((departing_.empty() || late) && !std::exchange(ending_directors_, true)) {
    // Others start what has not ended in time, or have done so already.
    if (!departing_.empty() && !members_.peers().empty())
      env_.depart({departing_.begin(), departing_.end()}, departure::overdue);
    env_.end_directors();
  }
  // The others must know what this node has given away, and what has ended.
  auto done = departing_.empty() && directors_ended_
              && (members_.live_contacts().empty()
                  || received_by_all() >= ledger_.seen(members_.self()));
  if (!done && !late)
    return;
  members_.broadcast(bye{});
  left_ = true;
  env_.has_left();
}

} // namespace director::net::internal
