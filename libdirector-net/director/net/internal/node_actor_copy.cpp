// What the actor behind a table does with the copy of its node.

#include "director/internal/compat.hpp"
#include "director/net/internal/node_actor.hpp"

#include <caf/actor_cast.hpp>

#include <fmt/format.h>

#include <utility>

namespace director::net::internal {

namespace compat = director::internal::compat;

namespace {

/// How long changes gather at most.
constexpr caf::timespan longest_gathering = std::chrono::milliseconds{1};

} // namespace

void node_actor::hear() {
  if (all_received())
    return pass_on();
  if (std::exchange(gathering_, true))
    return;
  run_delayed(longest_gathering, [this] {
    gathering_ = false;
    pass_on();
  });
}

bool node_actor::all_received() const {
  return received_ == protocol_.entries().seen(protocol_.members().self());
}

void node_actor::pass_on() {
  fetch();
  protocol_.flush();
  settle();
}

void node_actor::fetch() {
  auto ended = phase_ == phase::ending_directors && table_->local().deserted();
  table_->log().fetch(fetched_);
  for (auto& x : fetched_) {
    switch (x.what) {
      case local_change::kind::put:
        if (x.handle && x.now.actor != 0)
          publish_handle(system(), x.handle);
        protocol_.put(std::move(x.now));
        break;
      case local_change::kind::erase:
        protocol_.erase(x.now.id);
        break;
      case local_change::kind::wanted:
        want(x.now.id);
        break;
      case local_change::kind::granted:
        break;
      case local_change::kind::mark:
        waiting_.push_back(
          {protocol_.entries().seen(protocol_.members().self()), x.ticket,
           clock_type::now() + options_.claim_timeout});
        break;
    }
  }
  fetched_.clear();
  if (ended)
    protocol_.directors_ended();
  // Some may wait for what has arrived already.
  received_everywhere(received_);
}

bool node_actor::want(const child_id& id) {
  auto* now = protocol_.entries().find(id);
  if (now == nullptr || now->director != 0
      || now->status == child_status::terminating)
    return false;
  auto next = *now;
  next.body = nullptr;
  next.wanted = true;
  if (!protocol_.put(std::move(next)))
    return false;
  changed(*now, true);
  return true;
}

const node_actor::source& node_actor::source_of(const entry& x) {
  auto [i, fresh] = sources_.try_emplace({x.last.author, x.director});
  auto& result = i->second;
  if (fresh && x.last.author != protocol_.members().self())
    result.node = table_->log().number_of(x.last.author);
  if (x.director != 0 && !is_alive(result.director))
    result.director = table_->log().resolve({result.node, x.director});
  return result;
}

void node_actor::changed(const entry& now, bool live) {
  // What a director of this node has, it has written there itself.
  if (now.last.author == protocol_.members().self() && now.director != 0)
    return;
  if (!now.body->raw.empty())
    complain_of("unreadable " + std::to_string(now.last.author),
                "child '" + to_string(now.id)
                  + "' has values of types that this node does not know: it "
                    "cannot start here");
  child_record x;
  x.id = now.id;
  x.incarnation = now.incarnation;
  x.restart_count = now.restart_count;
  x.spec = now.body->spec;
  x.args = now.body->args;
  x.own = now.body->own;
  x.extra = now.body->extra;
  auto& from = source_of(now);
  ets::internal::remote_actor where{from.node, 0};
  if (live && now.director != 0) {
    if (from.director)
      x.owner = from.director.address();
    x.status = now.status;
    x.handle = now.body->foreign;
    where.id = now.actor;
  } else if (live) {
    auto waits = now.wanted && now.status != child_status::terminating;
    x.status = waits ? child_status::restarting : now.status;
  } else {
    auto waits = now.wanted || now.status == child_status::running
                 || now.status == child_status::restarting;
    x.status = waits ? child_status::restarting : child_status::undefined;
  }
  table_->local().apply(std::move(x), where);
}

void node_actor::removed(const child_id& id) {
  table_->local().remove(id);
}

std::optional<entry> node_actor::take(uint64_t ticket, size_t index,
                                      bool& later) {
  return table_->take(ticket, index, later);
}

bool node_actor::refuse(uint64_t ticket, size_t index, claim_outcome why) {
  return table_->refuse(ticket, index, why);
}

void node_actor::claim_done(uint64_t ticket) {
  table_->complete(ticket);
}

void node_actor::received_everywhere(uint64_t count) {
  received_ = count;
  while (!waiting_.empty() && waiting_.front().change <= count) {
    table_->complete(waiting_.front().ticket);
    waiting_.pop_front();
  }
}

void node_actor::depart(std::vector<child_id> ids, departure why) {
  hand_over_request what;
  what.ids = std::move(ids);
  switch (why) {
    case departure::lost:
      table_->lose(what.ids);
      // Their records must be those of the other node first.
      lost_.insert(lost_.end(), what.ids.begin(), what.ids.end());
      for (auto& id : what.ids)
        await_end(id);
      return;
    case departure::paused:
      what.reason = caf::make_error(errc::no_quorum);
      what.limit = caf::timespan{0};
      tell(severity::error,
           fmt::format("no majority: {} children end here", what.ids.size()),
           what.reason);
      break;
    case departure::moved:
      break;
    case departure::overdue:
      what.limit = caf::timespan{0};
      break;
  }
  table_->local().hand_over(what);
}

void node_actor::await_end(const child_id& id) {
  auto x = table_->local().find(id);
  if (!x || !is_alive(x->handle))
    return protocol_.ended(id);
  x->handle->attach_functor([self = address(), id] {
    if (auto to = caf::actor_cast<caf::actor>(self))
      compat::send(to, caf::message_priority::normal, nullptr,
                   detail::ended_event{id});
  });
}

void node_actor::start(std::vector<child_id> ids) {
  auto declined = table_->local().offer(ids);
  // The protocol is still busy with what has led here.
  declined_.insert(declined_.end(), declined.begin(), declined.end());
}

uint64_t node_actor::directors() const {
  return table_->local().directors();
}

bool node_actor::may_give(const child_id& id) const {
  auto x = table_->local().find(id);
  return !x || !is_alive(x->handle);
}

} // namespace director::net::internal
