#include "director/test/table_suite.hpp"

#include <caf/actor_cast.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/sec.hpp>

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

namespace director::test {

namespace {

using namespace std::chrono_literals;

constexpr auto deadline = 30s;

/// Stands for a director and waits for writes that complete later.
class client final : public table_client {
public:
  explicit client(caf::actor self)
    : self_(std::move(self)),
      address_(caf::actor_cast<caf::actor_addr>(self_)) {
    // nop
  }

  const caf::actor_addr& address() const noexcept override {
    return address_;
  }

  void completed(uint64_t ticket, caf::error err,
                 std::vector<claim_item> items) override {
    std::unique_lock guard{mutex_};
    done_[ticket] = {std::move(err), std::move(items)};
    changed_.notify_all();
  }

  void take_over(std::vector<child_id>) override {
    // What is offered stays without owner.
  }

  void failed(caf::error reason) override {
    std::unique_lock guard{mutex_};
    failure_ = std::move(reason);
    changed_.notify_all();
  }

  /// Waits for the outcome of a write.
  caf::error wait(const write_result& result,
                  std::vector<claim_item>* items = nullptr) {
    if (result.ticket() == 0)
      return result.err();
    std::unique_lock guard{mutex_};
    auto arrived = changed_.wait_for(guard, deadline, [&] {
      return done_.contains(result.ticket());
    });
    if (!arrived)
      return caf::make_error(caf::sec::request_timeout);
    auto [err, granted] = std::move(done_[result.ticket()]);
    done_.erase(result.ticket());
    if (items != nullptr)
      *items = std::move(granted);
    return err;
  }

  /// Waits until the table has said that it is broken or closed.
  caf::error wait_for_failure() {
    std::unique_lock guard{mutex_};
    changed_.wait_for(guard, deadline, [&] { return bool{failure_}; });
    return failure_;
  }

private:
  caf::actor self_;
  caf::actor_addr address_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<uint64_t, std::pair<caf::error, std::vector<claim_item>>> done_;
  caf::error failure_;
};

caf::behavior idle_actor(caf::event_based_actor*) {
  return {[](int) {}};
}

class suite {
public:
  suite(caf::actor_system& system, const table_factory& make,
        suite_options options)
    : make_(make),
      options_(options) {
    if (options_.seed == 0)
      options_.seed = std::random_device{}();
    for (auto& actor : actors_)
      actor = system.spawn<caf::hidden + caf::lazy_init>(idle_actor);
    auto spec = child_spec{};
    spec.start = [] { return start_result::declined(); };
    vanishing_ = std::make_shared<const child_spec>(with_defaults(spec));
    spec.delete_before_terminate = false;
    spec.type = child_type::supervisor;
    staying_ = std::make_shared<const child_spec>(with_defaults(spec));
  }

  std::vector<std::string> run() {
    claims();
    adoption();
    ownership();
    batches();
    detaching();
    closing();
    for (size_t i = 0; i < options_.runs; ++i)
      model(options_.seed + static_cast<uint32_t>(i));
    if (options_.concurrent) {
      contest();
      race();
    }
    return std::move(failures_);
  }

private:
  // -- tools ------------------------------------------------------------------

  void expect(bool condition, std::string what) {
    if (!condition && failures_.size() < 20)
      failures_.push_back(std::move(what));
  }

  claim_item item(const child_id& id, claim_mode mode,
                  child_spec_ptr spec = nullptr) const {
    claim_item result;
    result.record.id = id;
    result.record.spec = spec                        ? spec
                         : mode == claim_mode::adopt ? nullptr
                                                     : vanishing_;
    result.record.slot = 7;
    result.mode = mode;
    return result;
  }

  claim_item claim(table& tab, client& who, const child_id& id, claim_mode mode,
                   child_spec_ptr spec = nullptr) {
    std::vector items{item(id, mode, std::move(spec))};
    auto err = who.wait(tab.claim(who, items), &items);
    if (items.empty())
      items.emplace_back();
    if (err)
      items[0].err = err;
    return items[0];
  }

  caf::error put(table& tab, client& who, row_id row,
                 const child_record& record) {
    put_item one{row, &record};
    return who.wait(tab.put(who, {&one, 1}));
  }

  caf::error erase(table& tab, client& who, row_id row) {
    return who.wait(tab.erase(who, {&row, 1}));
  }

  /// Checks that all reads agree with each other.
  void tally(const table& tab, const std::string& where) {
    std::vector<child_record> records;
    tab.visit([&](const child_record& x) { records.push_back(x); });
    child_counts counts;
    for (auto& x : records) {
      ++counts.specs;
      if (x.status == child_status::running)
        ++counts.active;
      if (*x.spec->type == child_type::supervisor)
        ++counts.supervisors;
      else
        ++counts.workers;
      auto again = tab.find(x.id);
      expect(again && same(*again, x),
             where + ": find and visit disagree about " + to_string(x.id));
    }
    expect(counts == tab.count_children(),
           where + ": count_children and visit disagree");
    expect(tab.get_actors().size() == counts.active,
           where + ": get_actors and visit disagree");
    expect(tab.which_children().size() == records.size(),
           where + ": which_children and visit disagree");
    expect(tab.size() == records.size(), where + ": size and visit disagree");
  }

  static bool same(const child_record& x, const child_record& y) {
    return x.id == y.id && x.spec == y.spec && x.own == y.own
           && x.handle == y.handle && x.restart_count == y.restart_count
           && x.incarnation == y.incarnation && x.owner == y.owner
           && x.slot == y.slot && x.status == y.status;
  }

  child_record running(const child_record& x, uint64_t incarnation) const {
    auto result = x;
    result.status = child_status::running;
    result.incarnation = incarnation;
    result.handle = actors_[incarnation % actors_.size()];
    return result;
  }

  // -- one client after the other ---------------------------------------------

  void claims() {
    auto tab = make_();
    client who{actors_[0]};
    expect(!tab->attach(who), "attach fails on a new table");
    expect(tab->size() == 0, "a new table is not empty");
    expect(!tab->find("a"), "find finds something in an empty table");
    auto first = claim(*tab, who, "a", claim_mode::fresh);
    expect(!first.err && first.fresh, "a claim of a new ID fails");
    expect(first.record.owner == who.address()
             && first.record.status == child_status::restarting
             && first.record.slot == 7,
           "a claimed record lacks owner, slot or status restarting");
    auto found = tab->find("a");
    expect(found && same(*found, first.record),
           "find does not find what was claimed");
    expect(tab->get_actor("a").error() == errc::restarting,
           "get_actor of a child that starts is not `restarting`");
    expect(claim(*tab, who, "a", claim_mode::fresh).err
             == errc::already_present,
           "a second claim of a child that does not run is not "
           "`already_present`");
    auto record = running(first.record, 1);
    record.extra = caf::make_message("extra");
    expect(!put(*tab, who, first.row, record), "put by the owner fails");
    found = tab->find("a");
    expect(found && same(*found, record) && found->extra.size() == 1,
           "put does not change the record");
    auto again = claim(*tab, who, "a", claim_mode::fresh);
    expect(again.err == errc::already_started
             && handle_of(again.err) == record.handle,
           "a second claim of a running child is not `already_started` with "
           "its handle");
    auto handle = tab->get_actor("a");
    expect(handle && *handle == record.handle,
           "get_actor does not give the handle");
    expect(tab->get_actor("b").error() == errc::not_found,
           "get_actor of an unknown ID is not `not_found`");
    expect(tab->get_child_spec("b").error() == errc::not_found,
           "get_child_spec of an unknown ID is not `not_found`");
    record.status = child_status::undefined;
    record.handle = caf::actor{};
    record.restart_count = 3;
    expect(!put(*tab, who, first.row, record), "put by the owner fails");
    expect(tab->get_actor("a").error() == errc::undefined,
           "get_actor of a child that does not run is not `undefined`");
    auto count = tab->get_restart_count("a");
    expect(count && *count == 3, "get_restart_count is wrong");
    auto spec = tab->get_child_spec("a");
    expect(spec && spec->id == child_id{"a"}, "get_child_spec lacks the ID");
    tally(*tab, "after claims");
    expect(!erase(*tab, who, first.row), "erase by the owner fails");
    expect(!tab->find("a") && tab->size() == 0, "erase erases nothing");
    expect(!claim(*tab, who, "a", claim_mode::fresh).err,
           "an erased ID cannot be claimed again");
    expect(!claim(*tab, who, 1, claim_mode::any).err
             && !claim(*tab, who, "1", claim_mode::any).err,
           "the integer 1 and the string \"1\" are not two IDs");
    tab->detach(who);
  }

  void adoption() {
    auto tab = make_();
    client one{actors_[0]};
    client two{actors_[1]};
    expect(!tab->attach(one) && !tab->attach(two), "attach fails");
    expect(claim(*tab, one, "a", claim_mode::adopt).err == errc::not_found,
           "adopting an unknown ID is not `not_found`");
    auto first = claim(*tab, one, "a", claim_mode::fresh, staying_);
    auto record = first.record;
    record.status = child_status::undefined;
    record.restart_count = 5;
    record.incarnation = 6;
    record.owner = caf::actor_addr{};
    expect(!put(*tab, one, first.row, record), "a release fails");
    expect(erase(*tab, one, first.row) == errc::not_parent,
           "a released record can be erased by its former owner");
    expect(claim(*tab, two, "a", claim_mode::fresh).err
             == errc::already_present,
           "a record without owner can be claimed as new");
    auto taken = claim(*tab, two, "a", claim_mode::adopt);
    expect(!taken.err && !taken.fresh, "a record without owner is not adopted");
    expect(taken.record.restart_count == 5 && taken.record.incarnation == 6
             && taken.record.spec == staying_
             && taken.record.owner == two.address()
             && taken.record.status == child_status::restarting,
           "an adopted record lacks counts, spec, owner or status");
    expect(claim(*tab, one, "a", claim_mode::adopt).err == errc::not_parent
             && claim(*tab, one, "a", claim_mode::any).err == errc::not_parent,
           "a record with owner is adopted");
    record = taken.record;
    record.owner = caf::actor_addr{};
    expect(!put(*tab, two, taken.row, record), "a release fails");
    auto back = claim(*tab, one, "a", claim_mode::any, vanishing_);
    expect(!back.err && !back.fresh && back.record.spec == vanishing_
             && back.record.incarnation == 6,
           "a claim with a spec does not replace the spec alone");
    record = running(back.record, 7);
    record.status = child_status::unresponsive;
    record.owner = caf::actor_addr{};
    expect(!put(*tab, one, back.row, record), "a release fails");
    expect(claim(*tab, two, "a", claim_mode::any).err == errc::unresponsive,
           "the record of an unresponsive child can be claimed");
    tab->detach(one);
    tab->detach(two);
  }

  void ownership() {
    auto tab = make_();
    client one{actors_[0]};
    client two{actors_[1]};
    expect(!tab->attach(one) && !tab->attach(two), "attach fails");
    auto mine = claim(*tab, one, "a", claim_mode::fresh);
    auto before = tab->find("a");
    auto record = running(mine.record, 1);
    expect(put(*tab, two, mine.row, record) == errc::not_parent,
           "a put by somebody else is not `not_parent`");
    expect(erase(*tab, two, mine.row) == errc::not_parent,
           "an erase by somebody else is not `not_parent`");
    auto after = tab->find("a");
    expect(before && after && same(*before, *after),
           "a refused write has changed the record");
    tab->detach(two);
    expect(tab->find("a").has_value(),
           "detach settles records of somebody else");
    tab->detach(one);
  }

  void batches() {
    auto tab = make_();
    client who{actors_[0]};
    client other{actors_[1]};
    expect(!tab->attach(who) && !tab->attach(other), "attach fails");
    auto foreign = claim(*tab, other, 0, claim_mode::fresh);
    std::vector<claim_item> items;
    for (int i = 0; i < 100; ++i)
      items.push_back(item(i % 90, claim_mode::fresh));
    expect(!who.wait(tab->claim(who, items), &items),
           "a batch with IDs that are taken fails as a whole");
    expect(items.size() == 100, "a claim loses items");
    size_t granted = 0;
    for (auto& x : items)
      if (!x.err)
        ++granted;
    expect(granted == 89,
           fmt::format("a batch with 89 new IDs gets {}", granted));
    std::vector<child_record> records;
    for (auto& x : items)
      records.push_back(running(x.record, 1));
    std::vector<put_item> puts;
    for (size_t i = 1; i < 90; ++i)
      puts.push_back({items[i].row, &records[i]});
    expect(!who.wait(tab->put(who, puts)), "a batch of puts fails");
    expect(tab->count_children().active == 89, "a batch of puts does little");
    // All or none.
    auto changed = records[1];
    changed.restart_count = 9;
    put_item bad[] = {{items[1].row, &changed}, {foreign.row, &changed}};
    expect(who.wait(tab->put(who, bad)) == errc::not_parent,
           "a batch with a foreign row is not refused");
    expect(tab->find(1)->restart_count == 0,
           "a batch of puts that was refused has done something");
    row_id rows[] = {items[1].row, foreign.row};
    expect(who.wait(tab->erase(who, rows)) == errc::not_parent,
           "a batch with a foreign row is not refused");
    expect(tab->find(1).has_value(),
           "a batch of erases that was refused has done something");
    tally(*tab, "after batches");
    tab->detach(who);
    tab->detach(other);
    expect(tab->size() == 0, "records with delete_before_terminate stay");
  }

  void detaching() {
    auto tab = make_();
    client one{actors_[0]};
    client two{actors_[1]};
    expect(!tab->attach(one) && !tab->attach(two), "attach fails");
    auto gone = claim(*tab, one, "gone", claim_mode::fresh);
    auto stays = claim(*tab, one, "stays", claim_mode::fresh, staying_);
    auto hangs = claim(*tab, one, "hangs", claim_mode::fresh);
    expect(!put(*tab, one, stays.row, running(stays.record, 1)), "put fails");
    auto record = running(hangs.record, 2);
    record.status = child_status::unresponsive;
    expect(!put(*tab, one, hangs.row, record), "put fails");
    tab->detach(one);
    expect(!tab->find("gone"),
           "detach keeps a record with delete_before_terminate");
    auto left = tab->find("stays");
    expect(left && !left->owner && !left->handle
             && left->status == child_status::undefined,
           "detach does not release a record without "
           "delete_before_terminate");
    left = tab->find("hangs");
    expect(left && !left->owner && left->handle
             && left->status == child_status::unresponsive,
           "detach does not keep the record of an unresponsive child");
    expect(!claim(*tab, two, "stays", claim_mode::adopt).err,
           "a record that detach has released cannot be adopted");
    tally(*tab, "after detach");
    tab->detach(two);
    expect(!tab->attach(one), "a director cannot attach again");
    expect(!claim(*tab, one, "again", claim_mode::fresh).err,
           "a director that has attached again cannot claim");
    tab->detach(one);
  }

  void closing() {
    auto tab = make_();
    client one{actors_[0]};
    client two{actors_[1]};
    expect(!tab->attach(one) && !tab->attach(two), "attach fails");
    auto mine = claim(*tab, one, "a", claim_mode::fresh);
    tab->detach(two);
    tab->close();
    expect(is_table_failure(one.wait_for_failure()),
           "close does not tell the directors that are attached");
    expect(is_table_failure(claim(*tab, one, "b", claim_mode::fresh).err)
             && is_table_failure(put(*tab, one, mine.row, mine.record))
             && is_table_failure(erase(*tab, one, mine.row)),
           "a closed table takes writes");
    expect(is_table_failure(tab->attach(two)),
           "a closed table takes new directors");
    tab->detach(one);
    tab->close();
  }

  // -- against a model --------------------------------------------------------

  /// Random writes of three clients, compared with a plain map.
  void model(uint32_t seed) {
    struct entry {
      child_record record;
      row_id row;
    };
    std::minstd_rand random{seed};
    auto pick = [&random](size_t n) { return random() % n; };
    auto tab = make_();
    std::map<child_id, entry> expected;
    client clients[] = {client{actors_[0]}, client{actors_[1]},
                        client{actors_[2]}};
    for (auto& who : clients)
      expect(!tab->attach(who), "attach fails");
    auto where = [&](size_t step) {
      return fmt::format("seed {} step {}", seed, step);
    };
    for (size_t step = 0; step < options_.steps; ++step) {
      auto& who = clients[pick(std::size(clients))];
      auto id = child_id{static_cast<int64_t>(pick(8))};
      auto known = expected.find(id);
      switch (pick(8)) {
        case 0:
        case 1:
        case 2: {
          auto mode = std::array{claim_mode::fresh, claim_mode::adopt,
                                 claim_mode::any}[pick(3)];
          auto spec = pick(2) == 0 ? vanishing_ : staying_;
          auto wanted = item(id, mode, spec);
          decide_claim(wanted,
                       known != expected.end() ? &known->second.record
                                               : nullptr,
                       who.address());
          auto got = claim(*tab, who, id, mode, spec);
          expect(got.err == wanted.err,
                 fmt::format("{}: a claim gives '{}' instead of '{}'",
                             where(step), to_string(got.err),
                             to_string(wanted.err)));
          if (!wanted.err)
            expected[id] = {wanted.record, got.row};
          break;
        }
        case 3:
        case 4:
        case 5: {
          if (known == expected.end())
            break;
          auto record = known->second.record;
          ++record.incarnation;
          record.restart_count += pick(2);
          record.status = static_cast<child_status>(pick(5));
          auto alive = record.status != child_status::undefined
                       && record.status != child_status::restarting;
          record.handle = alive ? actors_[pick(actors_.size())] : caf::actor{};
          if (!alive && pick(3) == 0)
            record.owner = caf::actor_addr{};
          auto mine = known->second.record.owner == who.address();
          auto err = put(*tab, who, known->second.row, record);
          expect(mine == !err, where(step) + ": put gives " + to_string(err));
          if (mine)
            known->second.record = record;
          break;
        }
        case 6: {
          if (known == expected.end())
            break;
          auto mine = known->second.record.owner == who.address();
          auto err = erase(*tab, who, known->second.row);
          expect(mine == !err, where(step) + ": erase gives " + to_string(err));
          if (mine)
            expected.erase(known);
          break;
        }
        default:
          if (pick(10) != 0)
            break;
          tab->detach(who);
          for (auto i = expected.begin(); i != expected.end();) {
            auto& record = i->second.record;
            auto mine = record.owner == who.address();
            if (mine && vanishes_on_detach(record)) {
              i = expected.erase(i);
              continue;
            }
            if (mine)
              release(record);
            ++i;
          }
          expect(!tab->attach(who), "a director cannot attach again");
      }
      auto found = tab->find(id);
      known = expected.find(id);
      expect(found.has_value() == (known != expected.end()),
             where(step) + ": the table and the model disagree about an ID");
      if (found && known != expected.end())
        expect(same(*found, known->second.record),
               where(step)
                 + ": the table and the model disagree about a "
                   "record");
    }
    expect(tab->size() == expected.size(),
           fmt::format("seed {}: the table and the model disagree about the "
                       "size",
                       seed));
    tally(*tab, fmt::format("seed {}", seed));
    for (auto& who : clients)
      tab->detach(who);
  }

  // -- many threads -----------------------------------------------------------

  /// All threads claim the same ID at the same moment.
  void contest() {
    auto tab = make_();
    auto n = actors_.size();
    std::vector<std::unique_ptr<client>> clients;
    for (auto& actor : actors_) {
      clients.push_back(std::make_unique<client>(actor));
      expect(!tab->attach(*clients.back()), "attach fails");
    }
    std::atomic<size_t> ready = 0;
    std::atomic<size_t> wins = 0;
    std::vector<std::thread> threads;
    for (size_t i = 0; i < n; ++i)
      threads.emplace_back([&, i] {
        for (size_t round = 0; round < options_.rounds; ++round) {
          ++ready;
          while (ready < (round + 1) * n)
            std::this_thread::yield();
          auto id = child_id{static_cast<int64_t>(round)};
          if (!claim(*tab, *clients[i], id, claim_mode::fresh).err)
            ++wins;
        }
      });
    for (auto& thread : threads)
      thread.join();
    expect(wins == options_.rounds,
           fmt::format("{} IDs were granted {} times to threads that claimed "
                       "them at once",
                       options_.rounds, wins.load()));
    tally(*tab, "after a contest");
    for (auto& who : clients)
      tab->detach(*who);
  }

  /// Writers start and end children while readers look on.
  void race() {
    auto tab = make_();
    constexpr size_t writers = 4;
    constexpr size_t ids = 16;
    std::atomic<size_t> active = writers;
    std::atomic<size_t> torn = 0;
    std::atomic<size_t> failed = 0;
    std::vector<std::thread> threads;
    for (size_t w = 0; w < writers; ++w)
      threads.emplace_back([&, w] {
        client who{actors_[w]};
        if (tab->attach(who))
          ++failed;
        for (uint64_t round = 1; round <= options_.rounds; ++round) {
          std::vector<claim_item> items;
          for (size_t i = 0; i < ids; ++i)
            items.push_back(
              item(static_cast<int64_t>(i * writers + w), claim_mode::fresh));
          if (who.wait(tab->claim(who, items), &items))
            ++failed;
          for (auto& x : items) {
            if (x.err || put(*tab, who, x.row, running(x.record, round)))
              ++failed;
            if (round % 2 == 0)
              std::this_thread::yield();
          }
          for (auto& x : items)
            if (erase(*tab, who, x.row))
              ++failed;
        }
        tab->detach(who);
        --active;
      });
    auto whole = [this](const child_record& x) {
      if (x.status == child_status::running)
        return x.handle == actors_[x.incarnation % actors_.size()];
      return x.status == child_status::restarting && !x.handle
             && x.incarnation == 0;
    };
    for (int r = 0; r < 2; ++r)
      threads.emplace_back([&, r] {
        std::minstd_rand random{options_.seed + static_cast<uint32_t>(r)};
        while (active > 0) {
          auto record
            = tab->find(static_cast<int64_t>(random() % (ids * writers)));
          if (record && !whole(*record))
            ++torn;
          tab->visit([&](const child_record& x) {
            if (!whole(x))
              ++torn;
          });
          if (tab->count_children().specs > ids * writers)
            ++torn;
          // Be fair to tables with a plain lock.
          std::this_thread::yield();
        }
      });
    for (auto& thread : threads)
      thread.join();
    expect(torn == 0,
           fmt::format("readers saw {} half-written records", torn.load()));
    expect(failed == 0,
           fmt::format("{} writes of own records failed", failed.load()));
    expect(tab->size() == 0, "records are left over after a race");
  }

  const table_factory& make_;
  suite_options options_;
  std::array<caf::actor, 8> actors_;
  child_spec_ptr vanishing_;
  child_spec_ptr staying_;
  std::vector<std::string> failures_;
};

} // namespace

std::vector<std::string> check_table(caf::actor_system& system,
                                     const table_factory& make,
                                     suite_options options) {
  return suite{system, make, options}.run();
}

} // namespace director::test
