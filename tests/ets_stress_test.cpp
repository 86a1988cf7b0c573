// Shared tables under load. DIRECTOR_STRESS_SECONDS sets how long directors
// are killed at random (default: 60), DIRECTOR_STRESS_ROUNDS how often one ID
// is started by all at once (default: 10000).

#include "fixture.hpp"

#include <array>
#include <cstdlib>
#include <director/ets/all.hpp>
#include <map>
#include <random>
#include <thread>

using namespace director;
using namespace fixture;

namespace {

size_t env_number(const char* name, size_t fallback) {
  auto* text = std::getenv(name);
  return text != nullptr ? std::strtoul(text, nullptr, 10) : fallback;
}

/// Knows the last actor of each ID.
class census {
public:
  explicit census(size_t ids) : last_(ids) {
    // nop
  }

  /// Starts another actor of this ID.
  caf::actor start(caf::actor_system& sys, size_t id) {
    std::lock_guard guard{mutex_};
    if (alive_locked(id))
      ++twins_;
    ++starts_;
    auto handle = sys.spawn([](caf::event_based_actor* self) -> caf::behavior {
      return {[self](crash_atom) { self->quit(caf::sec::runtime_error); }};
    });
    last_[id] = handle.address();
    return handle;
  }

  bool alive(size_t id) const {
    std::lock_guard guard{mutex_};
    return alive_locked(id);
  }

  size_t count_alive() const {
    std::lock_guard guard{mutex_};
    size_t result = 0;
    for (size_t id = 0; id < last_.size(); ++id)
      if (alive_locked(id))
        ++result;
    return result;
  }

  /// Returns how often an ID was started while its last actor lived.
  size_t twins() const {
    std::lock_guard guard{mutex_};
    return twins_;
  }

  size_t starts() const {
    std::lock_guard guard{mutex_};
    return starts_;
  }

private:
  bool alive_locked(size_t id) const {
    return is_alive(caf::actor_cast<caf::actor>(last_[id]));
  }

  mutable std::mutex mutex_;
  std::vector<caf::actor_addr> last_;
  size_t twins_ = 0;
  size_t starts_ = 0;
};

using census_ptr = std::shared_ptr<census>;

/// A start function for children that are counted.
start_function counted(census_ptr to) {
  return [to](start_context& ctx) -> start_result {
    return to->start(ctx.system(), static_cast<size_t>(*ctx.id().integer()));
  };
}

client start_on(world& env, const ets::table_ptr& tab, child_spec common) {
  auto options = env.options("stress");
  options.table = tab;
  options.sink = nullptr;
  return env.start({}, options, std::move(common));
}

} // namespace

TEST_CASE("of 8 directors that start an ID at once, one wins", "[ets_stress]") {
  constexpr size_t count = 8;
  auto rounds = env_number("DIRECTOR_STRESS_ROUNDS", 10'000);
  world env;
  auto tab = value_of(ets::open(*env.sys, "test"));
  auto to = std::make_shared<census>(rounds);
  child_spec common;
  common.start = counted(to);
  std::vector<client> directors;
  for (size_t i = 0; i < count; ++i)
    directors.push_back(start_on(env, tab, common));
  // Every director gets the same requests in the same order, as fast as it can
  // take them.
  std::vector<child_spec> specs(rounds);
  for (size_t id = 0; id < rounds; ++id) {
    specs[id].id = id;
    specs[id].append = true;
  }
  std::vector<std::atomic<int>> wins(rounds);
  std::atomic<size_t> answers = 0;
  std::atomic<size_t> wrong = 0;
  for (auto& dir : directors)
    env.sys->spawn(
      [&, to = as_actor(dir.handle())](caf::event_based_actor* self) {
        for (auto& spec : specs) {
          auto id = static_cast<size_t>(*spec.id.integer());
          director::internal::compat::request(
            self, to,
            [&, id](const started&) {
              ++wins[id];
              ++answers;
            },
            [&](const caf::error& err) {
              if (err != errc::already_started && err != errc::already_present)
                ++wrong;
              ++answers;
            },
            start_child_atom_v, spec);
        }
      });
  REQUIRE(env.eventually([&] { return answers == count * rounds; }));
  CHECK(wrong == 0);
  CHECK(std::all_of(wins.begin(), wins.end(), [](auto& x) { return x == 1; }));
  CHECK(to->starts() == rounds);
  CHECK(to->twins() == 0);
  CHECK(tab->count_children().active == rounds);
}

TEST_CASE("readers see whole records during a storm of restarts",
          "[ets_stress]") {
  constexpr size_t children = 1'000;
  auto storms = env_number("DIRECTOR_STRESS_ROUNDS", 10'000) / 100;
  world env;
  auto tab = value_of(ets::open(*env.sys, "test"));
  // Tells which incarnation an actor is.
  std::mutex mutex;
  std::map<caf::actor_id, std::pair<size_t, uint64_t>> known;
  child_spec common;
  common.plan = plans::permanent();
  common.start = [&](start_context& ctx) -> start_result {
    auto handle
      = ctx.system().spawn([](caf::event_based_actor* self) -> caf::behavior {
          return {[self](crash_atom) { self->quit(caf::sec::runtime_error); }};
        });
    std::lock_guard guard{mutex};
    known[handle.id()] = {static_cast<size_t>(*ctx.id().integer()),
                          ctx.incarnation()};
    return handle;
  };
  auto dir = start_on(env, tab, common);
  std::vector<child_spec> specs(children);
  for (size_t id = 0; id < children; ++id) {
    specs[id].id = id;
    specs[id].append = true;
  }
  for (auto& outcome : value_of(dir.start_children(std::move(specs))))
    REQUIRE(!outcome.err);
  std::atomic<bool> done = false;
  std::atomic<size_t> bad = 0;
  std::atomic<size_t> reads = 0;
  auto check = [&](const child_record& x) {
    ++reads;
    if (x.status == child_status::running) {
      std::lock_guard guard{mutex};
      auto i = known.find(x.handle.id());
      if (i == known.end()
          || i->second
               != std::pair{static_cast<size_t>(*x.id.integer()), x.incarnation}
          || x.restart_count + 1 != x.incarnation)
        ++bad;
    } else if (x.status != child_status::restarting || x.handle) {
      ++bad;
    }
  };
  std::vector<std::thread> readers;
  for (uint32_t r = 1; r <= 2; ++r)
    readers.emplace_back([&, r] {
      std::minstd_rand random{r};
      while (!done) {
        auto id = static_cast<int64_t>(random() % children);
        auto record = tab->find(id);
        if (record)
          check(*record);
        else
          ++bad;
        if (auto handle = tab->get_actor(id);
            !handle && handle.error() != errc::restarting)
          ++bad;
        if (random() % 64 == 0)
          tab->visit(check);
      }
    });
  for (uint64_t storm = 1; storm <= storms; ++storm) {
    for (auto& x : tab->get_actors())
      send(x.handle, crash_atom_v);
    auto calm = env.eventually([&] {
      uint64_t sum = 0;
      tab->visit([&](const child_record& x) {
        if (x.status == child_status::running)
          sum += x.restart_count;
      });
      return sum == storm * children;
    });
    if (!calm) {
      CHECK(calm);
      break;
    }
  }
  done = true;
  for (auto& reader : readers)
    reader.join();
  CHECK(bad == 0);
  CHECK(reads > 0);
}

TEST_CASE("directors killed at random leave no orphan and start nothing twice",
          "[ets_stress]") {
  constexpr size_t ids = 400;
  constexpr size_t count = 4;
  auto time = std::chrono::seconds{
    static_cast<int64_t>(env_number("DIRECTOR_STRESS_SECONDS", 60))};
  auto failover = GENERATE(true, false);
  world env;
  ets::table_options options;
  options.failover = failover;
  options.sink = nullptr;
  auto tab = value_of(ets::open(*env.sys, "test", options));
  auto to = std::make_shared<census>(ids);
  child_spec common;
  common.start = counted(to);
  common.plan = plans::permanent();
  std::array<std::optional<client>, count> directors;
  std::minstd_rand random{std::random_device{}()};
  auto seed = random();
  INFO("seed " << seed);
  random.seed(seed);
  auto end = std::chrono::steady_clock::now() + time / 2;
  caf::scoped_actor self{*env.sys};
  size_t kills = 0;
  while (std::chrono::steady_clock::now() < end) {
    auto& dir = directors[random() % count];
    if (!dir) {
      dir = start_on(env, tab, common);
      continue;
    }
    switch (random() % 8) {
      case 0:
        send_exit(as_actor(dir->handle()), caf::exit_reason::kill);
        dir.reset();
        ++kills;
        break;
      case 1:
        for (auto& x : tab->get_actors())
          if (random() % 4 == 0)
            send(x.handle, crash_atom_v);
        break;
      case 2: {
        auto id = static_cast<int64_t>(random() % ids);
        std::ignore = dir->terminate_and_delete_child(child_id{id});
        break;
      }
      case 3:
        std::ignore = dir->restart_child(static_cast<int64_t>(random() % ids));
        break;
      default: {
        std::vector<child_spec> specs(16);
        for (auto& spec : specs) {
          spec.id = static_cast<int64_t>(random() % ids);
          spec.append = true;
          spec.delete_before_terminate = random() % 2 == 0;
        }
        std::ignore = dir->start_children(std::move(specs));
      }
    }
  }
  CHECK(kills > 0);
  // Afterwards: every live actor has a record with a live owner, and every
  // record that says so has a live actor.
  auto settled = [&] {
    auto fine = true;
    size_t running = 0;
    tab->visit([&](const child_record& x) {
      auto id = static_cast<size_t>(*x.id.integer());
      if (x.status == child_status::running) {
        ++running;
        fine = fine && is_alive(x.handle) && to->alive(id) && x.owner
               && is_alive(caf::actor_cast<caf::actor>(x.owner));
      } else {
        fine = fine && !to->alive(id) && x.status == child_status::undefined;
        if (x.owner)
          fine = fine && is_alive(caf::actor_cast<caf::actor>(x.owner));
      }
    });
    return fine && to->count_alive() == running
           && tab->count_children().active == running;
  };
  CHECK(env.eventually(settled));
  CHECK(to->twins() == 0);
  for (auto& dir : directors)
    if (dir)
      CHECK(!dir->stop());
  CHECK(env.eventually([&] {
    auto idle = true;
    tab->visit([&](const child_record& x) {
      idle = idle && !x.owner && x.status == child_status::undefined;
    });
    return idle;
  }));
  CHECK(to->twins() == 0);
}

TEST_CASE("a table goes with its actor system, whoever has died before",
          "[ets_stress]") {
  // What would be left is the last of many timers, at the wrong moment.
  constexpr size_t count = 100;
  auto rounds = env_number("DIRECTOR_STRESS_ROUNDS", 10'000) / 200;
  size_t left = 0;
  for (size_t round = 0; round < rounds; ++round) {
    std::weak_ptr<ets::table> rest;
    {
      world env;
      ets::table_options options;
      options.kill_grace = 2ms;
      options.sink = nullptr;
      auto tab = value_of(ets::open(*env.sys, "test", options));
      rest = tab;
      auto to = std::make_shared<census>(count);
      child_spec common;
      common.start = counted(to);
      std::vector<client> directors;
      for (size_t i = 0; i < count; ++i) {
        child_spec spec;
        spec.id = i;
        spec.append = true;
        directors.push_back(start_on(env, tab, common));
        REQUIRE(directors.back().start_child(std::move(spec)));
      }
      for (auto& dir : directors)
        send_exit(as_actor(dir.handle()), caf::exit_reason::kill);
    }
    left += rest.expired() ? 0 : 1;
  }
  CHECK(left == 0);
}
