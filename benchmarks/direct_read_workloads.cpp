#include "crash_storm.hpp"
#include "director/errc.hpp"
#include "readers.hpp"
#include "workloads.hpp"

#include <algorithm>
#include <limits>
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

/// Returns the time per read when others disturbed least. Leaves out turns
/// that others used: readers that do not run at the same time cannot get in
/// each other's way.
double best(const std::vector<reading>& turns) {
  auto most = std::ranges::max(turns, {}, &reading::share).share;
  auto result = std::numeric_limits<double>::max();
  for (auto& x : turns)
    if (x.share >= most * 0.75)
      result = std::min(result, x.us);
  return result;
}

/// One thread and two take turns: both then meet what else goes on.
std::vector<double> one_and_two(const harness& env, const readable& from) {
  constexpr size_t turns = 10;
  std::vector<reading> one;
  std::vector<reading> two;
  while (one.size() < turns) {
    one.push_back(read(1, env, from));
    two.push_back(read(2, env, from));
  }
  return {best(one), best(two), 2. * best(one) / best(two)};
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
