#include "crash_storm.hpp"
#include "director/errc.hpp"
#include "readers.hpp"
#include "workloads.hpp"

#include <unordered_map>

namespace bench {

namespace {

/// The lookups of the floor. The keys are those that a table has: who needs to
/// find children by their IDs needs them here, too, and what makes up the
/// difference is then the table and not the key.
using plain_map = std::unordered_map<director::child_id, caf::actor>;

/// What is measured, and how to end it.
struct readable {
  subject_ptr to;
  plain_map plain;

  void stop() {
    plain.clear();
    to->stop();
  }
};

readable make_readable(harness& env, const contender& who) {
  readable result{env.make(who), {}};
  auto children = env.populate(*result.to);
  if (who.is_floor()) {
    int64_t id = 0;
    for (auto& x : children)
      result.plain.emplace(++id, std::move(x));
  }
  children.clear();
  env.settled_memory();
  return result;
}

reading read(size_t threads, const harness& env, const readable& from) {
  if (auto* table = from.to->table())
    return read_for_a_while(
      threads, env.children(), [table](const director::child_id& id) {
        auto found = table->get_actor(id);
        if (!found && found.error() != director::errc::restarting)
          fail("get_actor", found.error());
      });
  return read_for_a_while(threads, env.children(),
                          [map = &from.plain](const director::child_id& id) {
                            auto i = map->find(id);
                            if (i == map->end())
                              fail("find", {});
                            auto copy = i->second;
                          });
}

/// Some time of reading, again and again.
class turns {
public:
  explicit turns(size_t threads) : threads_(threads) {
    // nop
  }

  void take(const harness& env, const readable& from) {
    auto x = read(threads_, env, from);
    // Readers that do not run at the same time cannot get in each other's way.
    if (x.share >= 0.9)
      ++good_;
    else if (good_ > 0 || x.share < best_.share)
      return;
    if (good_ <= 1 || x.us < best_.us)
      best_ = x;
  }

  bool enough() const {
    return good_ >= 10;
  }

  /// Returns the time per read when others disturbed least; on a machine that
  /// never had processors for all readers, when they had most of them.
  double best_us() const {
    return best_.us;
  }

private:
  size_t threads_;
  size_t good_ = 0;
  reading best_ = {};
};

/// One thread and two take turns: both then meet what else goes on.
std::vector<double> one_and_two(const harness& env, const readable& from) {
  constexpr int most_turns = 100;
  turns one{1};
  turns two{2};
  for (int i = 0; i < most_turns && !(one.enough() && two.enough()); ++i) {
    one.take(env, from);
    two.take(env, from);
  }
  return {one.best_us(), two.best_us(), 2. * one.best_us() / two.best_us()};
}

} // namespace

std::vector<double> run_read_direct(harness& env, const contender& who) {
  auto from = make_readable(env, who);
  auto result = one_and_two(env, from);
  from.stop();
  return result;
}

// Nobody may change a plain map while others read it. That of the floor keeps
// the children of the beginning, while the storm goes on in the supervisor.
std::vector<double> run_read_storm(harness& env, const contender& who) {
  auto from = make_readable(env, who);
  crash_storm storm{env, *from.to};
  auto result = one_and_two(env, from);
  result.push_back(storm.stop());
  from.stop();
  return result;
}

} // namespace bench
