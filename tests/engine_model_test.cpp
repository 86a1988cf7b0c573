// Drives engines through random schedules and checks what must always hold.

#include "catch.hpp"
#include "fake_world.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <director/test/slow_table.hpp>
#include <iostream>
#include <random>

using namespace director;
using namespace fixture;
using namespace std::chrono_literals;

namespace {

size_t env_number(const char* name, size_t fallback) {
  auto* text = std::getenv(name);
  return text != nullptr ? std::strtoul(text, nullptr, 10) : fallback;
}

struct violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Knows the rows of all records.
class open_table final : public director::test::wrapped_table {
public:
  using wrapped_table::wrapped_table;

  write_result claim(table_client& client,
                     std::vector<claim_item>& items) override {
    auto result = wrapped_table::claim(client, items);
    for (auto& item : items)
      if (!item.err)
        rows[item.record.id] = item.row;
    return result;
  }

  std::map<child_id, row_id> rows;
};

/// One director with random clients, children and table.
class schedule {
public:
  /// @param verbose prints what happens.
  schedule(uint64_t seed, bool verbose) : random_(seed), verbose_(verbose) {
    world_.on_start = [this](fake_world&, const child_record& x) {
      return start(x);
    };
    inner_ = std::make_shared<list_table>();
    open_ = std::make_shared<open_table>(inner_);
    table_ptr tab = open_;
    if (pick(3) == 0) {
      slow_ = std::make_shared<director::test::slow_table>(tab);
      tab = slow_;
    }
    if (pick(3) == 0)
      tab = std::make_shared<director::test::faulty_table>(
        tab, [this](director::test::table_call call) { return fault(call); });
    director_options opts;
    opts.table = tab;
    opts.sink = [this](const report&) { ++reports_; };
    opts.trace.print = verbose;
    opts.kill_grace = 2s;
    opts.seed = 1 + pick(1000);
    opts.order = std::array{stop_order::requested_first,
                            stop_order::all_at_once,
                            stop_order::newest_first}[pick(3)];
    init_result first;
    for (auto n = pick(4); n > 0; --n)
      first.children.push_back(random_spec(static_cast<int64_t>(100 + n)));
    first.default_spec = fake_spec({});
    if (pick(2) == 0)
      first.default_spec.plan = plans::permanent();
    callbacks hooks;
    hooks.init = [first](const caf::message&) { return first; };
    if (pick(4) == 0)
      hooks.handle_exit = [this](exit_event& event) {
        if (pick(200) == 0)
          throw std::runtime_error{"handle_exit"};
        return event.ask_plan();
      };
    engine_ = std::make_unique<engine>(world_, world_, std::move(hooks), opts);
    world_.eng = engine_.get();
    engine_->init({});
    engine_->await_up(world_.next_request());
    check("init");
  }

  void run(size_t steps) {
    faults_ = true;
    for (size_t i = 0; i < steps && world_.ends.empty(); ++i)
      check(step());
    finish();
  }

private:
  // -- chance -----------------------------------------------------------------

  uint32_t pick(uint32_t n) {
    return static_cast<uint32_t>(random_() % n);
  }

  caf::error fault(director::test::table_call) {
    if (!faults_)
      return {};
    if (pick(20) == 0) {
      ++faults_seen_;
      return caf::make_error(caf::sec::runtime_error, "soft");
    }
    if (pick(400) == 0) {
      ++faults_seen_;
      return caf::make_error(errc::table_failed);
    }
    return {};
  }

  caf::error reason() {
    switch (pick(4)) {
      case 0:
        return {};
      case 1:
        return caf::exit_reason::user_shutdown;
      default:
        return caf::sec::runtime_error;
    }
  }

  child_id id() {
    return static_cast<int64_t>(pick(6));
  }

  plan_function random_plan() {
    switch (pick(9)) {
      case 0:
        return plans::standard();
      case 1:
        return plans::transient();
      case 2:
        return plans::temporary();
      case 3:
        return plans::never();
      case 4:
        return plans::backoff({.min = 100ms, .max = 2s});
      case 5:
        return [this](exit_info& info) {
          info.state = caf::make_message(info.lifetime);
          return pick(300) == 0 ? verdict::restart_after(-1s)
                                : verdict::restart();
        };
      default:
        return plans::permanent();
    }
  }

  child_spec random_spec(child_id name) {
    auto result = fake_spec(std::move(name));
    if (pick(4) == 0) {
      result.append = true;
      result.start = {};
    }
    if (!result.append || pick(2) == 0)
      result.plan = random_plan();
    if (pick(3) == 0)
      result.await_ready = true;
    if (pick(4) == 0)
      result.terminate_timeout = caf::timespan{0};
    if (pick(6) == 0)
      result.type = child_type::supervisor;
    if (pick(4) == 0)
      result.delete_before_terminate = false;
    return result;
  }

  start_result start(const child_record& x) {
    // A child whose actor still lives must not be started once more.
    if (world_.running(x.id) != nullptr)
      throw violation{"started twice: " + to_string(x.id)};
    auto& last = incarnations_[x.id];
    if (x.incarnation <= last && world_.starts[x.id] > 1
        && !erased_.contains(x.id))
      throw violation{"the incarnation does not grow: " + to_string(x.id)};
    last = x.incarnation;
    erased_.erase(x.id);
    if (x.restart_count + 1 != x.incarnation)
      throw violation{"restart_count and incarnation differ"};
    switch (pick(12)) {
      case 0:
        return caf::make_error(caf::sec::runtime_error, "no luck");
      case 1:
        return start_result::declined();
      case 2:
        throw std::runtime_error{"start"};
      case 3:
        return start_result::starting(named(x.id));
      default:
        return {named(x.id), caf::make_message(int32_t{1})};
    }
  }

  caf::actor named(const child_id& name) {
    auto handle = world_.make_actor();
    world_.child(handle)->id = name;
    return handle;
  }

  /// Returns a random actor that fits, or `nullptr`.
  template <class Predicate>
  fake_child* any_child(Predicate fits) {
    std::vector<fake_child*> found;
    for (auto& x : world_.children)
      if (fits(x))
        found.push_back(&x);
    return found.empty() ? nullptr : found[pick(found.size())];
  }

  // -- one step ---------------------------------------------------------------

  std::string step() {
    auto& eng = *engine_;
    switch (pick(26)) {
      case 25:
        hand_over();
        return "hand_over";
      case 24:
        bequeath();
        return "take_over";
      case 0:
      case 1:
      case 2:
        eng.start_child(world_.next_request(), random_spec(id()));
        return "start_child";
      case 3: {
        std::vector<child_spec> specs;
        for (auto n = pick(6); n > 0; --n)
          specs.push_back(random_spec(id()));
        if (pick(8) == 0)
          specs.push_back({});
        eng.start_children(world_.next_request(), std::move(specs),
                           pick(2) == 0);
        return "start_children";
      }
      case 4:
      case 5:
        eng.restart_child(world_.next_request(), id());
        return "restart_child";
      case 6:
      case 7:
        eng.terminate_child(world_.next_request(), id(), pick(2) == 0);
        return "terminate_child";
      case 8: {
        auto* x = any_child([](const fake_child&) { return true; });
        eng.terminate_child(world_.next_request(),
                            x != nullptr ? x->handle : caf::actor{},
                            pick(2) == 0);
        return "terminate_child(handle)";
      }
      case 9:
        eng.delete_child(world_.next_request(), id());
        return "delete_child";
      case 10: {
        auto* x = any_child([](const fake_child& y) { return y.alive; });
        if (x != nullptr)
          eng.delete_running_child(world_.next_request(), x->handle);
        return "delete_running_child";
      }
      case 11: {
        auto spec = random_spec(id());
        auto* x = any_child(
          [](const fake_child& y) { return !y.watched && y.alive; });
        // An actor is offered under one ID only, so that the world knows it.
        if (x != nullptr)
          spec.id = x->id;
        auto handle = x != nullptr ? x->handle : named(spec.id);
        eng.become_supervisor(world_.next_request(), handle, spec);
        return "become_supervisor";
      }
      case 12:
        eng.change_plan(world_.next_request(), id(), random_plan());
        return "change_plan";
      case 13: {
        auto spec = fake_spec({});
        if (pick(3) == 0)
          spec.start = {};
        spec.plan = random_plan();
        eng.change_default_child_spec(world_.next_request(), spec);
        return "change_default_child_spec";
      }
      case 14:
        world_.advance(std::chrono::milliseconds{pick(4000)});
        return "time";
      case 15:
        world_.run_exits();
        return "late exit";
      case 16:
        if (world_.turns_wanted > 0) {
          --world_.turns_wanted;
          eng.turn();
        }
        return "turn";
      case 17:
        if (slow_ && slow_->busy())
          slow_->complete_next();
        return "write";
      case 18: {
        auto* x = any_child(
          [](const fake_child& y) { return y.alive && y.asked_ready; });
        if (x != nullptr) {
          x->asked_ready = false;
          if (pick(4) == 0)
            eng.child_ready(x->ref, caf::make_error(caf::sec::runtime_error));
          else
            eng.child_ready(x->ref, caf::make_message(int32_t{2}));
        }
        return "ready";
      }
      case 19:
        stray({pick(8), pick(8)});
        return "stray exit";
      case 20:
        if (pick(40) == 0)
          eng.stop(world_.next_request(), reason());
        else if (pick(40) == 0)
          eng.reload(world_.next_request());
        return "stop or reload";
      default: {
        auto* x = any_child([](const fake_child& y) { return y.alive; });
        if (x != nullptr)
          obey(*x);
        return "exit";
      }
    }
  }

  /// Another director dies and leaves a child, which this one is to take over.
  void bequeath() {
    std::vector<claim_item> items(1);
    auto name = id();
    auto spec = random_spec(name);
    spec.append = false;
    spec.start = fake_spec({}).start;
    items[0].record.id = name;
    items[0].record.spec
      = std::make_shared<const child_spec>(with_defaults(std::move(spec)));
    open_->claim(testator_, items);
    if (auto x = inner_->find(name);
        x && x->owner == testator_.address() && items[0].err)
      give(*x, {});
    if (auto& x = items[0].record; !items[0].err) {
      x.incarnation = incarnations_[name] + 1;
      x.restart_count = x.incarnation - 1;
      incarnations_[name] = x.incarnation;
      erased_.erase(name);
      release(x);
      put_item item{items[0].row, &x};
      inner_->put(testator_, {&item, 1});
    }
    // Whether or not there is something to take over.
    engine_->take_over({name, id()});
  }

  void give(child_record x, const caf::actor_addr& owner) {
    release(x);
    x.owner = owner;
    put_item item{open_->rows.at(x.id), &x};
    if (owner)
      inner_->put(world_, {&item, 1});
    else
      inner_->put(testator_, {&item, 1});
  }

  /// The table has children moved elsewhere, or has already done so.
  void hand_over() {
    hand_over_request what{{id(), id()}, errc::lost_to_peer};
    // A table that gives records away must forget writes that are pending.
    what.release = pick(2) == 0 || (slow_ && slow_->busy());
    if (pick(3) == 0)
      what.limit = caf::timespan{0};
    for (auto& name : what.ids) {
      handed_over_.insert(name);
      auto x = inner_->find(name);
      if (what.release || !x || x->owner != world_.address())
        continue;
      // Whoever has it now knows the latest incarnation.
      x->incarnation = std::max(x->incarnation, incarnations_[name]);
      x->restart_count = std::max(x->incarnation, uint64_t{1}) - 1;
      give(*x, testator_.address());
      if (auto* child = world_.running(name))
        lost_.insert(child);
    }
    engine_->hand_over(what);
    // A slow table may have yet to let a child go.
    for (auto& name : what.ids)
      if (auto* x = world_.running(name);
          x != nullptr && what.limit == caf::timespan{0} && !slow_)
        require(x->kills > 0, "not killed at once: " + to_string(name));
  }

  /// Events that come late must do nothing.
  void stray(child_ref ref) {
    for (auto& x : world_.children)
      if (x.alive && x.watched && x.ref.slot == ref.slot
          && x.ref.generation == ref.generation)
        return;
    engine_->child_exited(ref, reason());
    engine_->child_ready(ref, caf::make_message(int32_t{3}));
  }

  /// Lets an actor crash or, if it was told to end, mostly do so.
  void obey(fake_child& x) {
    if (x.kills > 0 && pick(3) != 0)
      world_.die(x, caf::exit_reason::kill);
    else if (x.shutdowns > 0 && pick(3) != 0)
      world_.die(x, caf::exit_reason::user_shutdown);
    else if (x.kills == 0 && x.shutdowns == 0)
      world_.die(x, reason());
  }

  // -- invariants -------------------------------------------------------------

  void require(bool condition, const std::string& what) {
    if (!condition)
      throw violation{what};
  }

  void check(const std::string& after) {
    if (verbose_)
      std::cerr << "-- " << after << " (" << world_.replies.size()
                << " requests)" << std::endl;
    std::map<child_id, size_t> live;
    for (auto& x : world_.children) {
      if (!x.alive || !x.watched)
        continue;
      require(++live[x.id] == 1, after + ": two actors of " + to_string(x.id));
      if (!world_.ends.empty()) {
        require(x.kills > 0, after + ": a child outlives its director");
        continue;
      }
      if (lost_.contains(&x))
        continue;
      // Writes that an ending director has given up may still happen.
      if (slow_ && engine_->ending())
        continue;
      auto record = inner_->find(x.id);
      require(record.has_value(),
              after + ": no record of the live child " + to_string(x.id));
      require(record->owner == world_.address(),
              after + ": nobody owns the live child " + to_string(x.id));
      if (!slow_ && faults_seen_ == 0 && record->handle)
        require(record->handle == x.handle,
                after + ": the record has another actor");
    }
    child_counts counts;
    inner_->visit([&](const child_record& x) {
      ++counts.specs;
      if (x.status == child_status::running) {
        ++counts.active;
        auto* actor = world_.child(x.handle);
        if (!slow_ && faults_seen_ == 0 && world_.dead_on_arrival.empty())
          require(actor != nullptr && actor->alive,
                  after + ": a dead child counts as running");
      }
      *(*x.spec->type == child_type::supervisor ? &counts.supervisors
                                                : &counts.workers)
        += 1;
    });
    require(counts == inner_->count_children(), after + ": wrong counts");
    // Children that are on their way out still count.
    auto gauge = world_.metrics[metric::children];
    if (!slow_ && faults_seen_ == 0)
      require(!world_.dead_on_arrival.empty()
                || gauge >= static_cast<int64_t>(counts.active)
                     && gauge <= static_cast<int64_t>(live.size()),
              after + ": the gauge of children is wrong");
    for (auto& [request, values] : world_.replies)
      require(values.size() <= 1, after + ": a request has two answers");
    for (auto& [name, last] : incarnations_)
      if (!inner_->find(name))
        erased_.insert(name);
  }

  /// Stops the director, lets everything happen that is under way, and checks
  /// what must hold in the end.
  void finish() {
    faults_ = false;
    engine_->stop(world_.next_request(), caf::exit_reason::user_shutdown);
    for (size_t i = 0; i < 10'000 && world_.ends.empty(); ++i) {
      if (pick(8) == 0)
        hand_over();
      if (slow_ && slow_->busy())
        slow_->complete_next();
      world_.run_turns();
      world_.run_exits();
      if (auto* x = any_child([](const fake_child& y) {
            return y.alive && (y.kills > 0 || y.shutdowns > 0);
          });
          x != nullptr && pick(4) != 0)
        obey(*x);
      else
        world_.advance(std::chrono::milliseconds{pick(4000)});
      check("ending");
    }
    world_.run_exits();
    require(world_.ends.size() == 1, "the director has not ended once");
    for (auto& [request, values] : world_.replies)
      require(values.size() == 1,
              fmt::format("request {} has {} answers", request, values.size()));
    inner_->visit([&](const child_record& x) {
      if (x.owner == testator_.address())
        return;
      require(!x.owner, "a record is owned by an ended director");
      require(x.status == child_status::undefined
                || x.status == child_status::unresponsive
                || handed_over_.contains(x.id),
              "a record of an ended director is " + to_string(x.status));
    });
    require(world_.metrics[metric::children] == 0
              || any_child([](const fake_child& y) {
                   return y.alive && y.watched;
                 }) != nullptr,
            "the gauge of children is not 0 in the end");
  }

  /// Stands for a director that dies.
  class testator final : public table_client {
  public:
    explicit testator(const caf::actor& self) : address_(self.address()) {
      // nop
    }

    const caf::actor_addr& address() const noexcept override {
      return address_;
    }

    void completed(uint64_t, caf::error, std::vector<claim_item>) override {
      throw violation{"a list table announces a write"};
    }

    void take_over(std::vector<child_id>) override {
      throw violation{"a list table knows no failover"};
    }

    void hand_over(hand_over_request) override {
      throw violation{"a list table moves no children"};
    }

    void failed(caf::error) override {
      // nop
    }

  private:
    caf::actor_addr address_;
  };

  std::mt19937_64 random_;
  bool verbose_;
  fake_world world_;
  testator testator_{world_.make_actor()};
  std::shared_ptr<list_table> inner_;
  std::shared_ptr<open_table> open_;
  std::shared_ptr<director::test::slow_table> slow_;
  std::map<child_id, uint64_t> incarnations_;
  std::set<child_id> erased_;
  std::set<child_id> handed_over_;
  std::set<const fake_child*> lost_;
  std::unique_ptr<engine> engine_;
  size_t reports_ = 0;
  size_t faults_seen_ = 0;
  bool faults_ = false;
};

} // namespace

// DIRECTOR_MODEL_SEED=n runs the one schedule with this seed and prints it,
// DIRECTOR_MODEL_SCHEDULES and DIRECTOR_MODEL_STEPS change how much is run.
TEST_CASE("random schedules keep the promises of a director", "[model]") {
  auto steps = env_number("DIRECTOR_MODEL_STEPS", 200);
  auto count = env_number("DIRECTOR_MODEL_SCHEDULES", 10'000);
  auto first = env_number("DIRECTOR_MODEL_SEED", 0);
  auto verbose = first != 0;
  if (verbose)
    count = 1;
  else
    first = (uint64_t{std::random_device{}()} << 16) + 1;
  std::cout << "model check: " << count << " schedules of " << steps
            << " steps, first seed " << first << std::endl;
  for (auto seed = first; seed < first + count; ++seed) {
    std::string failure;
    try {
      schedule{seed, verbose}.run(steps);
    } catch (const violation& ex) {
      failure = ex.what();
    }
    if (!failure.empty())
      FAIL("DIRECTOR_MODEL_SEED=" << seed << ": " << failure);
  }
  SUCCEED();
}
