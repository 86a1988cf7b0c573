#include "fake_world.hpp"

#include "catch.hpp"

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

void fake_world::shut_down(const caf::actor& handle, const caf::error& reason) {
  auto* x = child(handle);
  ++x->shutdowns;
  x->shutdown_reason = reason;
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

director::child_spec with_plan(director::child_id id,
                               director::plan_function plan) {
  auto result = fake_spec(std::move(id));
  result.plan = std::move(plan);
  return result;
}

director::plan_function after_a_while(caf::timespan interval) {
  return [interval](director::exit_info&) {
    return director::verdict::restart_after(interval);
  };
}

rig::rig(director::table_ptr tab) : table(std::move(tab)) {
  opts.kill_grace = std::chrono::seconds{2};
  opts.seed = 1;
  opts.sink = [this](const director::report& x) {
    reports.push_back(
      to_string(x.kind) + " " + to_string(x.level)
      + (x.child != nullptr ? " " + to_string(x.child->id) : ""));
  };
  world.on_start = [this](fake_world&, const director::child_record& x) {
    return next(x);
  };
}

rig& rig::up(std::vector<director::child_spec> children) {
  first.children = std::move(children);
  opts.table = table;
  hooks.init = [this](const caf::message&) { return first; };
  eng = std::make_unique<engine>(world, world, hooks, opts);
  world.eng = eng.get();
  up_request = world.next_request();
  eng->init({});
  eng->await_up(up_request);
  return *this;
}

director::start_result rig::next(const director::child_record& x) {
  if (failing.contains(x.id))
    return caf::make_error(caf::sec::runtime_error, "no luck");
  auto handle = world.make_actor();
  world.child(handle)->id = x.id;
  if (slow.contains(x.id))
    return director::start_result::starting(handle);
  return handle;
}

request_id rig::start(director::child_spec spec) {
  auto id = world.next_request();
  eng->start_child(id, std::move(spec));
  return id;
}

request_id rig::restart(const director::child_id& child) {
  auto id = world.next_request();
  eng->restart_child(id, child);
  return id;
}

request_id rig::terminate(const director::child_id& child, bool erase) {
  auto id = world.next_request();
  eng->terminate_child(id, child, erase);
  return id;
}

request_id rig::remove(const director::child_id& child) {
  auto id = world.next_request();
  eng->delete_child(id, child);
  return id;
}

request_id rig::stop(caf::error reason) {
  auto id = world.next_request();
  eng->stop(id, std::move(reason));
  return id;
}

bool rig::open(request_id id) {
  return world.replies[id].empty();
}

bool rig::ok(request_id id) {
  return world.reply_to(id) != nullptr && !world.error_of(id);
}

caf::error rig::error(request_id id) {
  return world.error_of(id);
}

fake_child& rig::child(const director::child_id& id) {
  auto* result = world.running(id);
  if (result == nullptr)
    FAIL("does not run: " << to_string(id));
  return *result;
}

void rig::crash(const director::child_id& id) {
  world.die(child(id), caf::sec::runtime_error);
}

void rig::die(const director::child_id& id) {
  world.die(child(id), caf::exit_reason::user_shutdown);
}

std::string rig::asked(const std::vector<director::child_id>& ids) {
  std::string result;
  for (auto& id : ids)
    if (auto* x = world.running(id); x != nullptr && x->shutdowns > 0)
      result += to_string(id);
  return result;
}

std::string rig::status(const director::child_id& id) {
  auto record = table->find(id);
  return record ? to_string(record->status) : "none";
}

uint64_t rig::restarts(const director::child_id& id) {
  auto record = table->find(id);
  return record ? record->restart_count : 9999;
}

uint64_t rig::starts(const director::child_id& id) {
  return world.starts[id];
}

size_t rig::reported(const std::string& text) {
  size_t result = 0;
  for (auto& x : reports)
    if (x.find(text) != std::string::npos)
      ++result;
  return result;
}

} // namespace fixture
