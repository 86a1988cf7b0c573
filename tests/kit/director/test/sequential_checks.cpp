// One call after the other.

#include "director/test/internal/checks.hpp"

#include <fmt/format.h>

#include <array>
#include <random>

namespace director::test::internal {

namespace {

class sequential_checks final : checks {
public:
  using checks::checks;

  std::vector<std::string> run() {
    claims();
    adoption();
    ownership();
    batches();
    detaching();
    closing();
    for (size_t i = 0; i < options_.runs; ++i)
      model(options_.seed + static_cast<uint32_t>(i));
    return failures();
  }

private:
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
    auto once_more = claim(*tab, who, "a", claim_mode::fresh);
    expect(!once_more.err, "an erased ID cannot be claimed again");
    std::array twice{once_more.row, once_more.row};
    expect(!who.wait(tab->erase(who, twice)) && !tab->find("a"),
           "a row that is named twice is not erased");
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
    expect(tab->size() == 0, "detach settles nothing once a table is closed");
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
};

} // namespace

std::vector<std::string> check_in_sequence(caf::actor_system& system,
                                           const table_factory& make,
                                           const suite_options& options) {
  return sequential_checks{system, make, options}.run();
}

} // namespace director::test::internal
