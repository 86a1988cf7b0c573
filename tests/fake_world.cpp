#include "fake_world.hpp"

namespace fixture {

namespace {

caf::behavior idle_actor(caf::event_based_actor*) {
  return {[](int) {}};
}

const void* key(const caf::actor& x) {
  return x ? x->ctrl() : nullptr;
}

std::unique_ptr<actor_pool> the_pool;

} // namespace

actor_pool& actor_pool::instance() {
  if (!the_pool)
    the_pool.reset(new actor_pool);
  return *the_pool;
}

void actor_pool::shut_down() {
  the_pool.reset();
}

caf::actor actor_pool::take() {
  if (free_.empty())
    return system_.spawn<caf::hidden + caf::lazy_init>(idle_actor);
  auto result = std::move(free_.back());
  free_.pop_back();
  return result;
}

fake_world::fake_world()
  : self_(actor_pool::instance().take()),
    address_(caf::actor_cast<caf::actor_addr>(self_)) {
  time += std::chrono::hours{1};
}

fake_world::~fake_world() {
  auto& pool = actor_pool::instance();
  for (auto& x : children)
    pool.give_back(x.handle);
  pool.give_back(self_);
}

caf::actor fake_world::make_actor() {
  auto handle = actor_pool::instance().take();
  auto& x = children.emplace_back();
  by_handle_[key(handle)] = &x;
  x.handle = handle;
  return handle;
}

fake_child* fake_world::child(const caf::actor& handle) {
  auto i = by_handle_.find(key(handle));
  return i != by_handle_.end() ? i->second : nullptr;
}

fake_child* fake_world::running(const director::child_id& id) {
  for (auto& x : children)
    if (x.alive && x.watched && x.id == id)
      return &x;
  return nullptr;
}

void fake_world::die(fake_child& x, caf::error reason) {
  if (!x.alive)
    return;
  x.alive = false;
  if (x.watched)
    eng->child_exited(x.ref, std::move(reason));
}

void fake_world::run_turns() {
  while (turns_wanted > 0) {
    --turns_wanted;
    eng->turn();
  }
}

void fake_world::run_exits() {
  for (auto& ref : std::exchange(dead_on_arrival, {}))
    eng->child_exited(ref, caf::exit_reason::unknown);
}

void fake_world::advance(caf::timespan delta) {
  time += delta;
  if (wake <= time) {
    wake = time_point::max();
    eng->time_passed();
  }
}

const answer* fake_world::reply_to(request_id id) const {
  auto i = replies.find(id);
  return i != replies.end() && i->second.size() == 1 ? &i->second[0] : nullptr;
}

caf::error fake_world::error_of(request_id id) const {
  auto* value = reply_to(id);
  if (value == nullptr)
    return caf::make_error(caf::sec::request_timeout);
  auto* err = std::get_if<caf::error>(value);
  return err != nullptr ? *err : caf::error{};
}

director::start_result
fake_world::start(const director::start_function::callable_type&,
                  const director::child_record& child, const caf::message&) {
  ++starts[child.id];
  return on_start ? on_start(*this, child)
                  : director::start_result{make_actor()};
}

void fake_world::watch(child_ref ref, const caf::actor& handle) {
  auto* x = child(handle);
  x->ref = ref;
  x->watched = true;
  if (!x->alive)
    dead_on_arrival.push_back(ref);
}

void fake_world::unwatch(const caf::actor& handle) {
  child(handle)->watched = false;
}

void fake_world::ask_ready(child_ref, const caf::actor& handle) {
  child(handle)->asked_ready = true;
}

void fake_world::shut_down(const caf::actor& handle) {
  ++child(handle)->shutdowns;
}

void fake_world::kill(const caf::actor& handle) {
  ++child(handle)->kills;
}

bool fake_world::alive(const caf::actor& handle) {
  auto* x = child(handle);
  return x != nullptr && x->alive;
}

director::child_spec fake_spec(director::child_id id) {
  director::child_spec result;
  result.id = std::move(id);
  result.start = [] { return director::start_result::declined(); };
  return result;
}

} // namespace fixture
