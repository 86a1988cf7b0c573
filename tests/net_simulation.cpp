#include "net_simulation.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace director::net::test {

using namespace std::chrono_literals;

namespace {

address address_of(size_t place) {
  return {"sim", static_cast<uint16_t>(place + 1)};
}

} // namespace

// -- one node -----------------------------------------------------------------

sim_node::sim_node(simulation& sim, size_t where, protocol_settings settings)
  : world(sim),
    place(where),
    key(settings.self.key),
    core(*this, std::move(settings)) {
  // nop
}

void sim_node::transmit(link_id to, uint64_t session, packet_ptr what) {
  world.deliver(*this, to, session, std::move(what));
}

void sim_node::connect(const address& to) {
  auto other = static_cast<size_t>(to.port - 1);
  world.after(world.delay(), [this, &w = world, key = key, to, other] {
    w.on_node(key, [=, &w](sim_node& self) {
      auto cut = !w.connected(self.place, other);
      auto* target = cut ? nullptr : w.at(other);
      if (target != nullptr && !target->left)
        self.core.connected(to, target->key, w.now());
      else
        self.core.unreachable(to, !cut, w.now());
    });
  });
}

void sim_node::changed(const entry& now, bool live) {
  world.note("n{} hears of {}: author {} term {} count {} live {}", place,
             to_string(now.id), now.last.author, now.term, now.last.count,
             live);
  view[now.id] = live && now.director != 0;
}

void sim_node::removed(const child_id& id) {
  world.note("n{} removes {}", place, to_string(id));
  view.erase(id);
}

std::optional<entry> sim_node::take(uint64_t ticket, size_t index,
                                    bool& later) {
  auto& x = requests.at(ticket);
  auto& id = x.ids[index];
  // An older instance has yet to end.
  later = running.contains(id);
  if (later)
    return std::nullopt;
  auto* before = core.entries().find(id);
  entry now;
  if (before != nullptr)
    now = *before;
  now.id = id;
  now.director = 1;
  now.status = child_status::restarting;
  now.wanted = false;
  now.keep = before != nullptr ? before->keep : x.keep;
  ++now.incarnation;
  now.body = std::make_shared<const entry_body>();
  running[id] = {now.incarnation, now.keep};
  ++x.granted;
  world.note("n{} takes {} keep {}", place, to_string(id), now.keep);
  outcomes.push_back({id, claim_outcome::granted});
  view[id] = true;
  // The start function runs; then the director records the outcome.
  world.after(world.delay(), [&w = world, key = key, id] {
    w.on_node(key, [=, &w](sim_node& self) {
      auto* y = self.core.entries().find(id);
      if (y == nullptr || !self.running.contains(id) || self.running[id].ending)
        return;
      auto next = *y;
      next.status = child_status::running;
      next.body = nullptr;
      if (self.core.put(next)) {
        auto& entry = *self.core.entries().find(id);
        self.unacknowledged.emplace(entry.last.count, std::pair{id, true});
      }
      self.core.flush();
      w.schedule_retry(self);
    });
  });
  return now;
}

bool sim_node::refuse(uint64_t ticket, size_t index, claim_outcome why) {
  outcomes.push_back({requests.at(ticket).ids[index], why});
  return true;
}

void sim_node::claim_done(uint64_t ticket) {
  requests.erase(ticket);
}

void sim_node::received_everywhere(uint64_t count) {
  auto last = unacknowledged.upper_bound(count);
  for (auto i = unacknowledged.begin(); i != last; ++i) {
    auto& [id, start] = i->second;
    if (!start) {
      world.note("n{} acknowledges the end of {}", place, to_string(id));
      if (core.entries().find(id) == nullptr)
        world.deleted.insert(id);
    } else if (auto* x = core.entries().find(id);
               x != nullptr && x->keep && x->last.author == key) {
      world.note("n{} acknowledges {}", place, to_string(id));
      world.started[id] = {x->term, key};
      world.deleted.erase(id);
    }
  }
  unacknowledged.erase(unacknowledged.begin(), last);
}

void sim_node::depart(std::vector<child_id> ids, departure why) {
  for (auto& id : ids) {
    auto i = running.find(id);
    if (i == running.end()) {
      if (why == departure::lost)
        core.ended(id);
      continue;
    }
    if (why == departure::lost || !i->second.ending)
      i->second.why = why;
    if (std::exchange(i->second.ending, true))
      continue;
    world.note("n{} ends {}: {}", place, to_string(id), static_cast<int>(why));
    world.after(world.delay(), [&w = world, key = key, id] {
      w.on_node(key, [=](sim_node& self) { self.terminate(id); });
    });
  }
}

void sim_node::terminate(const child_id& id) {
  auto i = running.find(id);
  if (i == running.end())
    return;
  auto* x = core.entries().find(id);
  if (i->second.why != departure::lost && x != nullptr) {
    auto next = *x;
    next.status = child_status::terminating;
    next.body = nullptr;
    core.put(next);
    core.flush();
  }
  if (!stubborn.contains(id))
    world.after(world.delay(), [&w = world, key = key, id] {
      w.on_node(key, [=](sim_node& self) { self.has_ended(id); });
    });
}

bool sim_node::can_read(const packet& what) const {
  auto unknown = [this](const entry& x) {
    return x.body != nullptr && unknown_types.contains(x.id)
           && x.body->raw.empty();
  };
  if (auto* x = std::get_if<copy>(&what))
    return x->careful || std::ranges::none_of(x->entries, unknown);
  if (auto* x = std::get_if<steps>(&what))
    return x->careful || std::ranges::none_of(x->list, unknown, &step::now);
  return true;
}

packet sim_node::read(packet what) const {
  auto adapt = [this](entry& x) {
    if (x.body == nullptr)
      return;
    entry_body body;
    if (unknown_types.contains(x.id))
      body.raw = "unknown";
    x.body = std::make_shared<const entry_body>(std::move(body));
  };
  if (auto* x = std::get_if<copy>(&what))
    std::ranges::for_each(x->entries, adapt);
  if (auto* x = std::get_if<steps>(&what))
    std::ranges::for_each(x->list, adapt, &step::now);
  return what;
}

void sim_node::has_ended(const child_id& id) {
  world.note("n{} has ended {}", place, to_string(id));
  auto node = running.extract(id);
  if (node.empty())
    return;
  if (node.mapped().why == departure::lost) {
    // From here on, the instance that is kept stands for both.
    auto promised = world.started.find(id);
    if (auto* x = core.entries().find(id); x != nullptr
                                           && promised != world.started.end()
                                           && promised->second.second == key)
      promised->second = {x->term, x->last.author};
    core.ended(id);
  } else if (auto* x = core.entries().find(id)) {
    auto next = *x;
    next.director = 0;
    next.status = child_status::restarting;
    next.wanted = true;
    next.body = nullptr;
    core.put(next);
  }
  core.flush();
}

void sim_node::start(std::vector<child_id> ids) {
  world.after(world.delay(), [&w = world, key = key, ids = std::move(ids)] {
    w.on_node(key, [=](sim_node& self) {
      std::vector<child_id> known;
      std::vector<child_id> unknown;
      for (auto& id : ids)
        (self.unknown_functions.contains(id) ? unknown : known).push_back(id);
      if (!unknown.empty())
        self.core.declined(unknown);
      if (!known.empty())
        self.claim(known, claim_mode::adopt, true);
    });
  });
}

uint64_t sim_node::directors() const {
  return director_count;
}

bool sim_node::may_give(const child_id& id) const {
  return !running.contains(id) && !lingering.contains(id);
}

void sim_node::node_changed(const peer& x) {
  world.note("n{} sees {} as {}", place, x.who.name, static_cast<int>(x.state));
}

void sim_node::turned_away(const std::string& text) {
  refusal = text;
}

void sim_node::complain(const std::string& text) {
  complaints.push_back(text);
}

void sim_node::took_over() {
  // nop
}

void sim_node::takeover_done(clock_type::duration) {
  // nop
}

void sim_node::conflict(const child_id&) {
  ++conflicts;
}

void sim_node::end_directors() {
  world.after(world.delay(), [&w = world, key = key] {
    w.on_node(key, [](sim_node& self) {
      for (auto& [id, x] : std::exchange(self.running, {})) {
        if (auto* now = self.core.entries().find(id); now && x.keep) {
          auto next = *now;
          next.director = 0;
          next.status = child_status::undefined;
          next.body = nullptr;
          self.core.put(next);
        } else {
          self.core.erase(id);
        }
      }
      self.director_count = 0;
      self.core.directors_ended();
      self.core.flush();
    });
  });
}

void sim_node::has_left() {
  world.note("n{} has left", place);
  left = true;
  // The process ends, and with it all that it runs.
  running.clear();
}

void sim_node::claim(std::vector<child_id> ids, claim_mode mode, bool keep) {
  auto ticket = ++world.last_ticket_;
  std::vector<std::pair<child_id, claim_mode>> items;
  for (auto& id : ids)
    items.emplace_back(id, mode);
  requests[ticket] = {std::move(ids), mode, keep, 0};
  core.claim(ticket, std::move(items), world.now());
  world.schedule_retry(*this);
}

void sim_node::restart(const child_id& id) {
  auto i = running.find(id);
  auto* x = core.entries().find(id);
  if (i == running.end() || i->second.ending || x == nullptr)
    return;
  auto next = *x;
  next.status = child_status::restarting;
  ++next.restart_count;
  next.body = nullptr;
  core.put(next);
  if (world.random() % 2 == 0)
    core.flush();
  next.status = child_status::running;
  next.incarnation = ++i->second.incarnation;
  core.put(next);
  core.flush();
}

void sim_node::erase(const child_id& id) {
  auto i = running.find(id);
  if (i == running.end() || i->second.ending)
    return;
  auto* x = core.entries().find(id);
  if (x == nullptr || x->last.author != key)
    return;
  world.note("n{} erases {}", place, to_string(id));
  // Until it is acknowledged, either may come true.
  world.started.erase(id);
  running.erase(i);
  auto next = *x;
  next.status = child_status::terminating;
  next.body = nullptr;
  core.put(next);
  if (world.random() % 2 == 0)
    core.flush();
  core.erase(id);
  view.erase(id);
  unacknowledged.emplace(core.entries().seen(key), std::pair{id, false});
  core.flush();
}

// -- the world ----------------------------------------------------------------

simulation::simulation(uint32_t seed)
  : random(seed),
    now_(time_point{} + 1h),
    tracing_(std::getenv("DIRECTOR_MODEL_TRACE") != nullptr) {
  settings.cluster = "sim";
  settings.table = "t";
}

simulation::~simulation() {
  // nop
}

bool simulation::assemble(size_t count) {
  places = count;
  for (size_t i = 0; i < count; ++i)
    boot(i);
  auto complete = run_until(60s, [&] {
    return std::ranges::all_of(nodes(), [&](sim_node* x) {
      return x->core.ready() && !x->core.paused()
             && x->core.members().live_contacts().size() == count - 1;
    });
  });
  run(1s);
  return complete;
}

sim_node& simulation::boot(size_t place) {
  auto mine = settings;
  // Keys are drawn at random in earnest.
  mine.self.key = ((random() % 1000) << 20) + ++last_key_;
  mine.self.name = "n" + std::to_string(place);
  mine.self.where = address_of(place);
  mine.random_seed = random();
  mine.seeds.clear();
  for (size_t i = 0; i < std::min<size_t>(places, 2); ++i)
    mine.seeds.push_back(address_of(i));
  auto node = std::make_unique<sim_node>(*this, place, mine);
  auto key = node->key;
  places_[place] = key;
  auto& result = *(nodes_[key] = std::move(node));
  note("n{} boots as {}", place, key);
  result.core.start(now_);
  schedule_ticks(key);
  return result;
}

void simulation::crash(size_t place) {
  auto i = places_.find(place);
  if (i == places_.end())
    return;
  auto key = i->second;
  note("n{} crashes", place);
  places_.erase(i);
  auto gone = std::move(nodes_.extract(key).mapped());
  // Nobody may be left to remember what it knew.
  auto remembered = [&](const child_id& id,
                        const std::pair<uint64_t, node_key>& claim) {
    return std::ranges::any_of(nodes_, [&](auto& kvp) {
      auto* x = kvp.second->core.entries().find(id);
      return x != nullptr && std::pair{x->term, x->last.author} >= claim;
    });
  };
  std::erase_if(started,
                [&](auto& kvp) { return !remembered(kvp.first, kvp.second); });
  std::erase_if(deleted, [&](auto& id) { return remembered(id, {}); });
  graveyard_.push_back(std::move(gone));
  for (auto& [other, x] : nodes_)
    if (connected(place, x->place))
      after(delay(), [this, other = other, key] {
        on_node(other, [this, key](sim_node& self) {
          self.core.link_lost(key, now_);
        });
      });
}

void simulation::freeze(size_t place, bool on) {
  auto* x = at(place);
  if (x == nullptr)
    return;
  x->frozen = on;
  note("n{} {}", place, on ? "freezes" : "thaws");
  if (!on)
    for (auto& fn : std::exchange(x->held_up, {}))
      fn();
}

sim_node* simulation::at(size_t place) {
  auto i = places_.find(place);
  return i != places_.end() ? nodes_.at(i->second).get() : nullptr;
}

std::vector<sim_node*> simulation::nodes() {
  std::vector<sim_node*> result;
  for (auto& [key, x] : nodes_)
    if (!x->left)
      result.push_back(x.get());
  return result;
}

void simulation::cut(size_t x, size_t y) {
  note("cut {} {}", x, y);
  cuts_.insert({std::min(x, y), std::max(x, y)});
}

void simulation::heal() {
  note("heal");
  cuts_.clear();
}

void simulation::disconnect(size_t x, size_t y) {
  auto* one = at(x);
  auto* other = at(y);
  if (one == nullptr || other == nullptr || one == other)
    return;
  note("disconnect {} {}", x, y);
  for (auto [from, to] :
       {std::pair{one->key, other->key}, std::pair{other->key, one->key}})
    after(delay(), [this, from, to] {
      on_node(from,
              [this, to](sim_node& self) { self.core.link_lost(to, now_); });
    });
}

bool simulation::connected(size_t x, size_t y) const {
  return !cuts_.contains({std::min(x, y), std::max(x, y)});
}

caf::timespan simulation::delay() {
  std::uniform_int_distribution<int64_t> pick{conditions.min_delay.count(),
                                              conditions.max_delay.count()};
  return caf::timespan{pick(random)};
}

void simulation::deliver(sim_node& from, node_key to, uint64_t session,
                         packet_ptr what) {
  ++sent[what->index()];
  if (auto* beat = std::get_if<heartbeat>(what.get()))
    last_beat[from.key] = beat->seen.size();
  if (std::holds_alternative<copy>(*what))
    note("n{} sends a copy to {}", from.place, to);
  if (!nodes_.contains(to)) {
    // As TCP does, once the machine of the dead process can be reached.
    for (auto& gone : graveyard_)
      if (gone->key == to && connected(from.place, gone->place))
        after(delay(), [this, key = from.key, to] {
          on_node(key, [this, to](sim_node& self) {
            self.core.link_lost(to, now_);
          });
        });
    return;
  }
  std::uniform_real_distribution<double> chance;
  if (chance(random) < conditions.loss
      || (lost && lost(from.place, nodes_.at(to)->place, *what)))
    return;
  auto when = now_ + delay();
  auto& last = last_delivery_[{from.key, to}];
  when = last = std::max(when, last);
  after(when - now_, [this, source = from.key, place = from.place, to, session,
                      what = std::move(what)] {
    auto i = nodes_.find(to);
    if (i == nodes_.end() || !connected(place, i->second->place))
      return;
    on_node(to, [this, source, session, what](sim_node& self) {
      if (!self.left && self.can_read(*what))
        self.core.receive(source, session, self.read(*what), now_);
      else if (!self.left)
        self.core.illegible(source, session, now_);
      schedule_retry(self);
    });
  });
}

void simulation::schedule_ticks(node_key key) {
  after(settings.heartbeat, [this, key] {
    if (!nodes_.contains(key))
      return;
    on_node(key, [this](sim_node& self) {
      self.core.tick(now_);
      // The other side may take over what it has not heard to be gone.
      if (self.core.paused())
        std::erase_if(self.unacknowledged,
                      [](auto& kvp) { return !kvp.second.second; });
      schedule_retry(self);
    });
    schedule_ticks(key);
  });
}

void simulation::schedule_retry(sim_node& x) {
  if (auto when = x.core.next_retry())
    after(std::max<caf::timespan>(*when - now_, 0s), [this, key = x.key] {
      on_node(key, [this](sim_node& self) {
        auto next = self.core.next_retry();
        if (!next || *next > now_)
          return;
        self.core.retry(now_);
        schedule_retry(self);
      });
    });
}

void simulation::on_node(node_key key,
                         const std::function<void(sim_node&)>& fn) {
  auto i = nodes_.find(key);
  if (i == nodes_.end())
    return;
  if (!i->second->frozen)
    return fn(*i->second);
  i->second->held_up.push_back([fn, self = i->second.get()] { fn(*self); });
}

void simulation::after(caf::timespan delay, std::function<void()> what) {
  events_.push_back({now_ + delay, ++last_number_, std::move(what)});
  std::ranges::push_heap(events_, later{});
}

void simulation::run(caf::timespan time) {
  run_until(time, [] { return false; });
}

bool simulation::run_until(caf::timespan limit,
                           const std::function<bool()>& done) {
  auto end = now_ + limit;
  auto next_look = now_;
  while (violation.empty()) {
    if (now_ >= next_look) {
      if (done())
        return true;
      next_look = now_ + 1ms;
    }
    if (events_.empty() || events_.front().when > end) {
      now_ = end;
      return done();
    }
    std::ranges::pop_heap(events_, later{});
    auto next = std::move(events_.back());
    events_.pop_back();
    now_ = std::max(now_, next.when);
    next.what();
    if (invariant)
      violation = invariant();
  }
  return false;
}

// -- checks -------------------------------------------------------------------

size_t simulation::running() {
  size_t result = 0;
  for (auto* x : nodes())
    result += x->running.size();
  return result;
}

std::vector<child_id> simulation::duplicates() {
  std::map<child_id, int> count;
  for (auto& [key, x] : nodes_)
    for (auto& [id, child] : x->running)
      ++count[id];
  std::vector<child_id> result;
  for (auto& [id, n] : count)
    if (n > 1)
      result.push_back(id);
  return result;
}

bool simulation::converged() {
  auto all = nodes();
  for (auto* x : all) {
    if (x->view != all[0]->view)
      return false;
    for (auto& [id, owned] : x->view) {
      auto* mine = x->core.entries().find(id);
      auto* theirs = all[0]->core.entries().find(id);
      if (mine == nullptr || theirs == nullptr || mine->last != theirs->last)
        return false;
    }
  }
  return true;
}

bool simulation::settled(size_t children) {
  return running() == children && duplicates().empty() && converged();
}

std::vector<child_id> ids(int64_t first, int64_t count) {
  std::vector<child_id> result;
  for (int64_t i = 0; i < count; ++i)
    result.emplace_back(first + i);
  return result;
}

} // namespace director::net::test
