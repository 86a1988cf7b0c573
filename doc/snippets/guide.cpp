// The examples of doc/guide.md, as one program. doc/check_snippets.py keeps
// the two equal: the lines between two markers of the same name are a block.

#include "director/all.hpp"

#include <caf/all.hpp>
#include <caf/io/all.hpp>

#include <chrono>
#include <functional>
#include <iostream>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

// [type-ids]
struct job {
  std::string path;
  int32_t priority = 0;
};

template <class Inspector>
bool inspect(Inspector& f, job& x) {
  return f.object(x).fields(f.field("path", x.path),
                            f.field("priority", x.priority));
}

CAF_BEGIN_TYPE_ID_BLOCK(guide, caf::first_custom_type_id)
  CAF_ADD_TYPE_ID(guide, (job))
CAF_END_TYPE_ID_BLOCK(guide)
// [type-ids]

namespace {

// -- start functions ----------------------------------------------------------

// [function-based]
caf::behavior greeter(caf::event_based_actor* self, std::string name,
                      int32_t limit) {
  return {
    [self, name, limit, count = 0](caf::get_atom) mutable {
      if (++count == limit)
        self->quit();
      return "hello, " + name;
    },
  };
}

director::child_spec greeter_spec() {
  return {.id = "greeter",
          .start = greeter,
          .args = caf::make_message("world", int32_t{1000})};
}
// [function-based]

// [class-based]
class counter : public caf::event_based_actor {
public:
  counter(caf::actor_config& cfg, int32_t first)
    : caf::event_based_actor(cfg),
      value_(first) {
    if (first < 0)
      throw std::invalid_argument("a counter starts at 0 or above");
  }

  caf::behavior make_behavior() override {
    return {[this](caf::get_atom) { return value_++; }};
  }

private:
  int32_t value_;
};

director::child_spec counter_spec() {
  return {.id = "counter",
          .start = director::start_class<counter, int32_t>(),
          .args = caf::make_message(int32_t{10})};
}
// [class-based]

// [stateful]
struct cell_state {
  cell_state(caf::event_based_actor*, int32_t first) : value(first) {
    // nop
  }

  caf::behavior make_behavior() {
    return {
      [this](caf::put_atom, int32_t x) { value = x; },
      [this](caf::get_atom) { return value; },
    };
  }

  int32_t value;
};

director::child_spec cell_spec() {
  using cell = caf::stateful_actor<cell_state>;
  return {.id = "cell",
          .start = director::start_class<cell, int32_t>(),
          .args = caf::make_message(int32_t{42})};
}
// [stateful]

// [typed]
using adder = caf::typed_actor<caf::result<int32_t>(int32_t, int32_t)>;

adder::behavior_type adder_impl() {
  return {[](int32_t x, int32_t y) { return x + y; }};
}

director::child_spec adder_spec() {
  return {.id = "adder", .start = adder_impl};
}

adder get_adder(const director::client& tree) {
  if (auto handle = tree.get_actor("adder"))
    return caf::actor_cast<adder>(*handle);
  return {};
}
// [typed]

// [options]
caf::behavior hasher() {
  return {[](const std::string& x) { return std::hash<std::string>{}(x); }};
}

director::child_spec hasher_spec() {
  using director::start_function;
  return {.id = "hasher",
          .start = start_function::spawning<caf::detached>(hasher)};
}
// [options]

// [own-start]
director::start_result start_greeter(director::start_context& ctx,
                                     const std::string& name) {
  if (name.empty())
    return director::start_result::declined();
  if (name == "nobody")
    return caf::make_error(caf::sec::invalid_argument, "nobody is no name");
  auto handle = ctx.spawn(greeter, name, int32_t{1000});
  return {handle, caf::make_message(ctx.incarnation())};
}
// [own-start]

// [whole-message]
director::start_result start_any(director::start_context& ctx,
                                 const caf::message& args) {
  if (args.match_elements<std::string>())
    return ctx.spawn(greeter, args.get_as<std::string>(0), int32_t{1000});
  return ctx.spawn<counter>(static_cast<int32_t>(args.size()));
}
// [whole-message]

// [await-ready]
// Opens something that takes a while, and answers when it is there.
struct loader_state {
  loader_state(caf::event_based_actor* selfptr, std::string path)
    : self(selfptr),
      source(std::move(path)) {
    // nop
  }

  caf::behavior make_behavior() {
    return {
      [this](director::ready_atom) {
        auto promise = self->make_response_promise<std::string>();
        self->run_delayed(1ms, [this, promise]() mutable {
          if (source.empty())
            promise.deliver(caf::make_error(caf::sec::cannot_open_file));
          else
            promise.deliver("opened " + source);
        });
        return promise;
      },
    };
  }

  caf::event_based_actor* self;
  std::string source;
};

director::child_spec loader_spec() {
  using loader = caf::stateful_actor<loader_state>;
  return {.id = "loader",
          .start = director::start_class<loader, std::string>(),
          .args = caf::make_message("data.bin"),
          .await_ready = true,
          .start_timeout = 30s};
}
// [await-ready]

// [remote]
// Runs on every node that lends its cores: a name for each kind of child.
class worker_config : public caf::actor_system_config {
public:
  worker_config() {
    add_actor_type("greeter", greeter);
  }
};

// Runs on the node of the director, which has connected to `where` before.
director::start_result start_remote_greeter(director::start_context& ctx,
                                            const caf::node_id& where,
                                            const std::string& name) {
  auto& middleman = ctx.system().middleman();
  return middleman.remote_spawn<caf::actor>(
    where, "greeter", caf::make_message(name, int32_t{1000}), 5s);
}
// [remote]

void try_start_functions(caf::actor_system& sys) {
  auto top = director::start(sys,
                             director::fixed({.children = {greeter_spec()}}),
                             {.sink = {}});
  if (!top)
    throw std::runtime_error{to_string(top.error())};
  director::client tree{sys, *top};
  for (auto& spec : {counter_spec(), cell_spec(), adder_spec(), hasher_spec(),
                     loader_spec()})
    if (auto child = tree.start_child(spec); !child)
      throw std::runtime_error{to_string(child.error())};
  if (!get_adder(tree))
    throw std::runtime_error{"no adder"};
  // [mismatch]
  // An `int64_t` where `counter` takes an `int32_t`.
  auto child
    = tree.start_child({.id = "wrong",
                        .start = director::start_class<counter, int32_t>(),
                        .args = caf::make_message(int64_t{10})});
  if (!child && child.error() == director::errc::start_failed)
    std::cout << to_string(director::cause_of(child.error())) << '\n';
  // [mismatch]
  // [extra]
  auto guest = tree.start_child({.id = "guest",
                                 .start = start_greeter,
                                 .args = caf::make_message("guest")});
  if (guest && guest->extra.match_elements<uint64_t>())
    std::cout << "start number " << guest->extra.get_as<uint64_t>(0) << '\n';
  // [extra]
  std::ignore = tree.start_child({.id = "any", .start = start_any});
  std::ignore = tree.stop();
}

// -- child specs --------------------------------------------------------------

void try_specs(caf::actor_system& sys) {
  // [spec]
  director::child_spec spec{
    .id = "greeter",
    .start = greeter,
    .args = caf::make_message("world", int32_t{1000}),
    .plan = director::plans::backoff(),
    .terminate_timeout = 2s,
  };
  // [spec]
  // [check]
  if (auto err = director::check_child_spec(spec)) {
    if (auto* what = director::get_spec_error(err))
      std::cout << "field " << what->field << ": " << what->text << '\n';
  }
  // [check]
  // [start]
  auto top = director::start(sys, director::fixed({.children = {spec}}),
                             {.name = "front"});
  if (!top) {
    std::cerr << to_string(top.error()) << '\n';
    return;
  }
  // [start]
  director::client tree{sys, *top};
  std::ignore = tree.stop();
}

// -- plans --------------------------------------------------------------------

// [own-plan]
director::verdict careful(director::exit_info& info) {
  if (director::is_orderly(info.reason))
    return director::verdict::remove();
  if (info.reason == caf::sec::cannot_open_file)
    return director::verdict::stop();
  if (info.recent > 10)
    return director::verdict::wait();
  return director::verdict::restart_after(info.recent * 50ms);
}
// [own-plan]

// [plan-state]
// Remembers the last reason in the child's own slot.
director::verdict noting(director::exit_info& info) {
  info.state = caf::make_message(to_string(info.reason));
  return director::verdict::restart();
}
// [plan-state]

void try_plans(caf::actor_system& sys) {
  // [ready-made]
  namespace plans = director::plans;
  auto three_then_stop
    = plans::standard({.immediate = 3, .delay = 1s, .quiet_time = 1min});
  auto patient = plans::backoff({.min = 200ms,
                                 .max = 1min,
                                 .factor = 2.0,
                                 .jitter = 0.2,
                                 .quiet_time = 5min});
  // [ready-made]
  // [quiet-time]
  auto forgetful = director::plan_function{careful}.with_quiet_time(10s);
  // [quiet-time]
  // [catalog]
  director::director_options options;
  options.catalog.add_start("greeter", greeter)
    .add_plan("careful", careful)
    .add_log_filter("quiet", [](director::report&) {
      return director::report_detail::none;
    });
  director::child_spec spec{.id = "greeter",
                            .start = "greeter",
                            .args = caf::make_message("world", int32_t{1000}),
                            .plan = "careful",
                            .log_filter = "quiet"};
  auto top = director::start(sys, director::fixed({.children = {spec}}),
                             options);
  // [catalog]
  if (!top)
    throw std::runtime_error{to_string(top.error())};
  director::client tree{sys, *top};
  for (auto& plan :
       {three_then_stop, patient, forgetful, director::plan_function{noting}})
    if (auto err = tree.change_plan("greeter", plan))
      throw std::runtime_error{to_string(err)};
  std::ignore = tree.stop();
}

// -- default child spec -------------------------------------------------------

void try_default_spec(caf::actor_system& sys) {
  // [default-spec]
  director::init_result first;
  first.default_spec.start = greeter;
  first.default_spec.args = caf::make_message("world");
  first.default_spec.plan = director::plans::transient();
  auto top = director::start(sys, director::fixed(first), {.sink = {}});
  // [default-spec]
  if (!top)
    throw std::runtime_error{to_string(top.error())};
  director::client tree{sys, *top};
  // [append]
  std::vector<director::child_spec> specs;
  for (int32_t i = 0; i < 1000; ++i)
    specs.push_back({.id = i,
                     .args = caf::make_message(int32_t{100}), // the limit
                     .append = true});
  auto outcomes = tree.start_children(std::move(specs));
  if (outcomes)
    for (auto& outcome : *outcomes)
      if (outcome.err)
        std::cerr << to_string(outcome.id) << ": " << to_string(outcome.err)
                  << '\n';
  // [append]
  // [change-default]
  if (auto spec = tree.get_default_child_spec()) {
    spec->plan = director::plans::permanent();
    if (auto err = tree.change_default_child_spec(*spec))
      std::cerr << to_string(err) << '\n';
  }
  // [change-default]
  std::ignore = tree.stop();
}

// -- operations ---------------------------------------------------------------

// [from-actor]
void ask_for(caf::event_based_actor* self, const director::director_actor& tree,
             director::child_spec spec) {
  auto on_start = [](const director::started& child) {
    std::cout << "started " << to_string(child.handle) << '\n';
  };
  auto on_error = [](const caf::error& err) {
    if (err == director::errc::already_started)
      std::cout << "runs: " << to_string(director::handle_of(err)) << '\n';
    else
      std::cout << to_string(err) << '\n';
  };
#if CAF_VERSION_MAJOR >= 1
  self->mail(director::start_child_atom_v, std::move(spec))
    .request(tree, 10s)
    .then(on_start, on_error);
#else
  self->request(tree, 10s, director::start_child_atom_v, std::move(spec))
    .then(on_start, on_error);
#endif
}
// [from-actor]

void try_operations(caf::actor_system& sys) {
  auto top = director::start(sys, {}, {.sink = {}});
  if (!top)
    throw std::runtime_error{to_string(top.error())};
  auto asker = sys.spawn([tree = *top](caf::event_based_actor* self) {
    ask_for(self, tree, greeter_spec());
  });
  {
    caf::scoped_actor self{sys};
    self->wait_for(asker);
  }
  // [from-thread]
  director::client tree{sys, *top};
  auto child = tree.start_child(counter_spec());
  if (!child)
    std::cerr << to_string(child.error()) << '\n';
  // A child may take its time to end: wait longer than usual.
  if (auto err = tree.within(1min).terminate_child("counter"))
    std::cerr << to_string(err) << '\n';
  child = tree.restart_child("counter");
  if (auto counts = tree.count_children())
    std::cout << counts->active << " of " << counts->specs << " run\n";
  // [from-thread]
  // [all-or-nothing]
  auto outcomes = tree.start_children({cell_spec(), adder_spec()}, true);
  // [all-or-nothing]
  // [hand-over]
  auto other = director::start(sys, {}, {.name = "other"});
  auto cell = tree.get_actor("cell");
  if (other && cell) {
    auto err = tree.delete_running_child(*cell);
    if (!err)
      err = director::client{sys, *other}.become_supervisor(*cell, cell_spec());
    if (err)
      std::cerr << to_string(err) << '\n';
  }
  // [hand-over]
  if (other)
    std::ignore = director::client{sys, *other}.stop();
  std::ignore = tree.stop();
}

// -- callbacks ----------------------------------------------------------------

// [callbacks]
director::callbacks counting_hooks() {
  return {
    .init =
      [](const caf::message& arg) {
        if (!arg.match_elements<int32_t>())
          return director::init_result::stop(
            caf::make_error(caf::sec::invalid_argument, "how many counters?"));
        director::init_result first;
        first.state = caf::make_message(uint64_t{0}); // exits so far
        for (int32_t i = 0; i < arg.get_as<int32_t>(0); ++i)
          first.children.push_back(
            {.id = i,
             .start = director::start_class<counter, int32_t>(),
             .args = caf::make_message(int32_t{0})});
        return first;
      },
    .handle_exit =
      [](director::exit_event& event) {
        auto exits = event.director_state.get_as<uint64_t>(0);
        event.director_state = caf::make_message(exits + 1);
        return event.ask_plan();
      },
    .terminate =
      [](const caf::error& reason, caf::message& state) {
        std::cout << "exits: " << to_string(state) << '\n';
        return reason;
      },
  };
}
// [callbacks]

// [nested]
director::child_spec pool_spec() {
  return {.id = "pool",
          .start = director::nested(counting_hooks(), {.name = "pool"},
                                    caf::make_message(int32_t{4})),
          .type = director::child_type::supervisor};
}
// [nested]

void try_callbacks(caf::actor_system& sys) {
  // [hooked]
  auto top = director::start(sys, counting_hooks(), {.sink = {}},
                             caf::make_message(int32_t{3}));
  // [hooked]
  if (!top)
    throw std::runtime_error{to_string(top.error())};
  director::client tree{sys, *top};
  if (auto pool = tree.start_child(pool_spec()); !pool)
    throw std::runtime_error{to_string(pool.error())};
  // [tree]
  if (auto root = director::get_tree(sys, tree.handle())) {
    std::cout << to_string(*root);
    std::cout << to_dot(*root); // for: dot -Tsvg
  }
  // [tree]
  std::ignore = tree.stop();
}

// -- reports ------------------------------------------------------------------

// [log-filter]
// Starts and orderly exits are no news; crashes come with the whole record.
director::report_detail crashes_in_full(director::report& x) {
  if (x.level == director::severity::info)
    return director::report_detail::none;
  if (x.kind == director::report_kind::child_terminated)
    return director::report_detail::full;
  return director::report_detail::brief;
}
// [log-filter]

void try_reports(caf::actor_system& sys) {
  // [sink]
  director::director_options options;
  options.name = "front";
  options.log_filter = crashes_in_full; // about the director itself
  options.sink = [](const director::report& x) {
    if (x.level >= director::severity::warning)
      std::cerr << to_string(x) << '\n';
  };
  director::init_result first;
  first.default_spec.log_filter = crashes_in_full; // about its children
  // [sink]
  auto top = director::start(sys, director::fixed(first), options);
  if (!top)
    throw std::runtime_error{to_string(top.error())};
  std::ignore = director::client{sys, *top}.stop();
}

// -- debugging ----------------------------------------------------------------

void try_debugging(caf::actor_system& sys) {
  auto top = director::start(sys, counting_hooks(), {.sink = {}},
                             caf::make_message(int32_t{1}));
  if (!top)
    throw std::runtime_error{to_string(top.error())};
  director::client tree{sys, *top};
  // [trace]
  director::trace_options what;
  what.ring = 100;
  what.counters = true;
  if (auto err = tree.trace(what))
    std::cerr << to_string(err) << '\n';
  // ...
  if (auto events = tree.get_trace())
    for (auto& event : *events)
      std::cout << to_string(event) << '\n';
  if (auto counters = tree.get_trace_counters())
    std::cout << counters->messages << " requests\n";
  std::ignore = tree.trace({}); // off again
  // [trace]
  // [state]
  if (auto state = tree.get_state())
    std::cout << to_string(*state) << '\n';
  std::ignore = tree.replace_state(caf::make_message(uint64_t{0}));
  // [state]
  // [suspend]
  std::ignore = tree.suspend();
  // Exits, timers and requests wait.
  std::ignore = tree.resume();
  // [suspend]
  // [reload]
  if (auto err = tree.reload())
    std::cerr << to_string(err) << '\n';
  // [reload]
  std::ignore = tree.stop();
}

// -- shutdown -----------------------------------------------------------------

// [own-resource]
// Stands for a port, a lock file, or whatever else only one actor may hold.
class port_registry {
public:
  bool bind(uint16_t port) {
    std::lock_guard guard{mutex_};
    return taken_.insert(port).second;
  }

  void release(uint16_t port) {
    std::lock_guard guard{mutex_};
    taken_.erase(port);
  }

private:
  std::mutex mutex_;
  std::set<uint16_t> taken_;
};

port_registry ports;

struct listener_state {
  listener_state(caf::event_based_actor* selfptr, uint16_t wanted)
    : self(selfptr),
      port(wanted) {
    // nop
  }

  ~listener_state() {
    unbind();
  }

  caf::behavior make_behavior() {
    return {
      [this](director::ready_atom) {
        auto promise = self->make_response_promise<uint16_t>();
        bind(promise);
        return promise;
      },
      [this](caf::close_atom) {
        unbind(); // first the port, then the actor
        self->quit();
      },
    };
  }

  void bind(caf::typed_response_promise<uint16_t> promise) {
    bound = ports.bind(port);
    if (bound)
      promise.deliver(port);
    else // the one before has not let go yet
      self->run_delayed(20ms, [this, promise] { bind(promise); });
  }

  void unbind() {
    if (std::exchange(bound, false))
      ports.release(port);
  }

  caf::event_based_actor* self;
  uint16_t port;
  bool bound = false;
};

director::child_spec listener_spec() {
  using listener = caf::stateful_actor<listener_state>;
  return {.id = "listener",
          .start = director::start_class<listener, uint16_t>(),
          .args = caf::make_message(uint16_t{8080}),
          .plan = director::plans::permanent(),
          .await_ready = true,
          .start_timeout = 10s};
}
// [own-resource]

void try_shutdown(caf::actor_system& sys) {
  // [shutdown-options]
  director::director_options options;
  options.order = director::stop_order::newest_first;
  options.kill_grace = 1s;
  // [shutdown-options]
  options.sink = {};
  auto top = director::start(sys,
                             director::fixed({.children = {listener_spec()}}),
                             options);
  if (!top)
    throw std::runtime_error{to_string(top.error())};
  director::client tree{sys, *top};
  // [stop]
  if (auto err = tree.within(30s).stop())
    std::cerr << to_string(err) << '\n';
  // [stop]
}

} // namespace

// [caf-main]
void caf_main(caf::actor_system& sys) {
  // ...
  // [caf-main]
  try_specs(sys);
  try_start_functions(sys);
  try_plans(sys);
  try_default_spec(sys);
  try_operations(sys);
  try_callbacks(sys);
  try_reports(sys);
  try_debugging(sys);
  try_shutdown(sys);
  // Needs a second node: only compiled.
  std::ignore = director::start_function{start_remote_greeter};
  std::ignore = sizeof(worker_config);
  // [caf-main]
}

CAF_MAIN(caf::id_block::director, caf::id_block::guide, caf::io::middleman)
// [caf-main]
