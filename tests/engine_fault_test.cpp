// Engines on tables that fail.

#include "catch.hpp"
#include "director/test/wrapped_table.hpp"
#include "fake_world.hpp"

using namespace director;
using namespace fixture;
using namespace std::chrono_literals;
using director::test::table_call;

namespace {

/// A rig on a table that fails when it is told to.
struct faulty_rig : rig {
  explicit faulty_rig(caf::error what)
    : rig(std::make_shared<director::test::faulty_table>(
      std::make_shared<list_table>(),
      [this](table_call call) {
        return fault == call ? failure : caf::error{};
      })),
      failure(std::move(what)) {
    // nop
  }

  caf::error failure;
  std::optional<table_call> fault;
};

/// A table that writes nothing about one child.
class picky_table final : public director::test::wrapped_table {
public:
  picky_table(child_id refused, caf::error why)
    : wrapped_table(std::make_shared<list_table>()),
      refused_(std::move(refused)),
      why_(std::move(why)) {
    // nop
  }

  write_result put(table_client& client,
                   std::span<const put_item> items) override {
    for (auto& item : items)
      if (item.record->id == refused_)
        return write_result::failed(why_);
    return wrapped_table::put(client, items);
  }

private:
  child_id refused_;
  caf::error why_;
};

/// A table that acknowledges starts when it is told to.
class slow_table final : public director::test::wrapped_table {
public:
  slow_table() : wrapped_table(std::make_shared<list_table>()) {
    // nop
  }

  write_result put(table_client& client,
                   std::span<const put_item> items) override {
    auto result = wrapped_table::put(client, items);
    if (result.err() || !items[0].awaited)
      return result;
    return write_result::pending(++last_ticket);
  }

  uint64_t last_ticket = 0;
};

} // namespace

TEST_CASE("a soft fault is answered to the caller", "[engine]") {
  auto soft = caf::make_error(caf::sec::bad_function_call);
  faulty_rig r{soft};
  auto spec = with_plan("old", plans::permanent());
  r.up({spec});
  SECTION("claim: nothing starts") {
    r.fault = table_call::claim;
    CHECK(r.error(r.start(fake_spec("a"))) == soft);
    CHECK(r.starts("a") == 0);
    auto request = r.world.next_request();
    r.eng->start_children(request, {fake_spec("a"), fake_spec("b")}, false);
    auto& outcomes
      = std::get<std::vector<child_outcome>>(*r.world.reply_to(request));
    REQUIRE(outcomes.size() == 2);
    CHECK(outcomes[0].err == soft);
    CHECK(outcomes[1].err == soft);
    r.fault.reset();
    CHECK(r.ok(r.start(fake_spec("a"))));
  }
  SECTION("put: a child that cannot be recorded is taken back") {
    r.fault = table_call::put;
    auto request = r.start(fake_spec("a"));
    CHECK(r.open(request));
    CHECK(r.child("a").shutdowns == 1);
    r.fault.reset();
    r.die("a");
    CHECK(r.error(request) == soft);
    CHECK(r.status("a") == "none");
    CHECK(r.ok(r.start(fake_spec("a"))));
    CHECK(r.world.metrics[metric::children] == 2);
  }
  SECTION("put: a child that cannot be recorded when it is ready") {
    r.slow = {"a"};
    auto request = r.start(fake_spec("a"));
    r.fault = table_call::put;
    r.eng->child_ready(r.child("a").ref, caf::message{});
    CHECK(r.open(request));
    CHECK(r.child("a").shutdowns == 1);
    r.fault.reset();
    r.die("a");
    CHECK(r.error(request) == soft);
    CHECK(r.status("a") == "none");
  }
  SECTION("put: a child that must not go keeps running") {
    r.fault = table_call::put;
    CHECK(r.error(r.terminate("old")) == soft);
    CHECK(r.error(r.terminate("old", true)) == soft);
    CHECK(r.child("old").shutdowns == 0);
    CHECK(r.status("old") == "running");
    r.fault.reset();
    // It is supervised as before.
    r.crash("old");
    CHECK(r.starts("old") == 2);
    auto request = r.terminate("old");
    CHECK(r.child("old").shutdowns == 1);
    r.die("old");
    CHECK(r.ok(request));
  }
  SECTION("put: a child that must not go has to get ready in time") {
    r.slow = {"a"};
    auto request = r.start(fake_spec("a"));
    r.fault = table_call::put;
    CHECK(r.error(r.terminate("a")) == soft);
    r.fault.reset();
    CHECK(r.status("a") == "restarting");
    r.world.advance(5s - 1ns);
    CHECK(r.child("a").shutdowns == 0);
    r.world.advance(1ns);
    CHECK(r.child("a").shutdowns == 1);
    r.die("a");
    CHECK(r.error(request) == errc::start_timeout);
  }
  SECTION("put: a stopped child is not restarted") {
    auto request = r.terminate("old");
    r.die("old");
    REQUIRE(r.ok(request));
    r.fault = table_call::put;
    CHECK(r.error(r.restart("old")) == soft);
    CHECK(r.starts("old") == 1);
    r.fault.reset();
    CHECK(r.ok(r.restart("old")));
  }
  SECTION("put: changes are not made") {
    r.fault = table_call::put;
    auto plan = r.world.next_request();
    r.eng->change_plan(plan, "old", plans::temporary());
    CHECK(r.error(plan) == soft);
    r.fault.reset();
    CHECK(r.eng->get_plan("old")->what() == plan_function::kind::permanent);
    r.crash("old");
    CHECK(r.starts("old") == 2);
  }
  SECTION("erase: a record that cannot be deleted stays") {
    auto request = r.terminate("old");
    r.die("old");
    REQUIRE(r.ok(request));
    r.fault = table_call::erase;
    CHECK(r.error(r.remove("old")) == soft);
    CHECK(r.status("old") == "undefined");
    r.fault.reset();
    CHECK(r.ok(r.remove("old")));
    CHECK(r.status("old") == "none");
  }
  SECTION("erase: a child that cannot be let go stays supervised") {
    r.fault = table_call::erase;
    auto request = r.world.next_request();
    r.eng->delete_running_child(request, r.child("old").handle);
    CHECK(r.error(request) == soft);
    r.fault.reset();
    r.crash("old");
    CHECK(r.starts("old") == 2);
  }
  SECTION("put: nobody asked, so it is reported") {
    r.fault = table_call::put;
    r.crash("old");
    CHECK(r.reported("table_error warning") > 0);
    CHECK(r.starts("old") == 2);
  }
  CHECK(r.world.ends.empty());
  CHECK_FALSE(r.eng->ending());
}

TEST_CASE("a child that the table refuses does not take others along",
          "[engine]") {
  auto soft = caf::make_error(caf::sec::bad_function_call);
  rig r{std::make_shared<picky_table>("b", soft)};
  r.up({});
  auto all_or_nothing = GENERATE(false, true);
  auto all_slow = GENERATE(false, true);
  r.slow = {"c"};
  if (all_slow)
    r.slow = {"a", "b", "c", "d"};
  auto request = r.world.next_request();
  auto specs = std::vector{fake_spec("a"), fake_spec("b"), fake_spec("c"),
                           fake_spec("d")};
  r.eng->start_children(request, specs, all_or_nothing);
  if (all_slow)
    for (auto* id : {"a", "b", "d"})
      r.eng->child_ready(r.child(id).ref, caf::message{});
  CHECK(r.child("b").shutdowns == 1);
  r.die("b");
  if (all_or_nothing) {
    for (auto* id : {"a", "c", "d"})
      r.die(id);
  } else {
    r.eng->child_ready(r.child("c").ref, caf::message{});
  }
  auto& outcomes
    = std::get<std::vector<child_outcome>>(*r.world.reply_to(request));
  CHECK(outcomes[1].err == soft);
  CHECK(r.status("b") == "none");
  for (size_t place : {0, 2, 3}) {
    CHECK(outcomes[place].err
          == (all_or_nothing ? caf::make_error(errc::undone) : caf::error{}));
    CHECK(r.status(std::string{"abcd"[place]})
          == (all_or_nothing ? "none" : "running"));
  }
}

TEST_CASE("what was undone has not started, though the table says so later",
          "[engine]") {
  auto tab = std::make_shared<slow_table>();
  rig r{tab};
  r.up({});
  r.slow = {"a", "b"};
  auto request = r.world.next_request();
  r.eng->start_children(request, {fake_spec("a"), fake_spec("b")}, true);
  r.eng->write_completed(1, {}, {});
  r.eng->child_ready(r.child("a").ref, caf::message{});
  REQUIRE(tab->last_ticket == 2);
  r.die("b");
  CHECK(r.child("a").shutdowns == 1);
  r.eng->write_completed(2, {}, {});
  r.die("a");
  REQUIRE(r.world.reply_to(request));
  auto& outcomes
    = std::get<std::vector<child_outcome>>(*r.world.reply_to(request));
  CHECK(outcomes[0].err == errc::undone);
  CHECK_FALSE(outcomes[0].value.handle);
  CHECK(outcomes[1].err == errc::start_failed);
  CHECK(r.status("a") == "none");
}

TEST_CASE("a record never points to an actor that has ended", "[engine]") {
  auto soft = caf::make_error(caf::sec::bad_function_call);
  faulty_rig r{soft};
  r.up({with_plan("a", plans::temporary())});
  SECTION("when the plan deletes it, but the table will not") {
    r.fault = table_call::erase;
    r.crash("a");
    CHECK(r.reported("table_error warning") == 1);
  }
  SECTION("when somebody deletes it, but the table will not") {
    auto request = r.terminate("a", true);
    r.fault = table_call::erase;
    r.die("a");
    CHECK(r.error(request) == soft);
  }
  r.fault.reset();
  CHECK(r.status("a") == "undefined");
  CHECK_FALSE(r.table->find("a")->handle);
  CHECK(r.table->count_children().active == 0);
  CHECK(r.ok(r.restart("a")));
}

TEST_CASE("a restart that could not be cancelled is not forgotten",
          "[engine]") {
  auto soft = caf::make_error(caf::sec::bad_function_call);
  faulty_rig r{soft};
  r.up({with_plan("a", after_a_while(10s))});
  r.crash("a");
  r.fault = table_call::put;
  CHECK(r.error(r.terminate("a")) == soft);
  r.fault.reset();
  SECTION("the restart goes on, as if nobody had asked") {
    r.world.advance(10s);
    CHECK(r.status("a") == "running");
    CHECK(r.starts("a") == 2);
  }
  SECTION("it can be cancelled again") {
    CHECK(r.ok(r.terminate("a")));
    CHECK(r.status("a") == "undefined");
  }
}

TEST_CASE("a hard fault ends the director with its cause", "[engine]") {
  auto hard = caf::make_error(errc::table_failed);
  faulty_rig r{hard};
  auto ended = [&] {
    CHECK(r.world.ends.empty());
    r.world.run_turns();
    r.fault.reset();
    while (auto* x = r.world.running("a"))
      r.world.die(*x, caf::exit_reason::user_shutdown);
    while (auto* x = r.world.running("b"))
      r.world.die(*x, caf::exit_reason::user_shutdown);
    REQUIRE(r.world.ends.size() == 1);
    CHECK(r.world.ends[0] == errc::table_failed);
    for (auto& [id, answers] : r.world.replies)
      CHECK(answers.size() == 1);
  };
  SECTION("attach") {
    r.fault = table_call::attach;
    r.up({fake_spec("a")});
    r.world.run_turns();
    REQUIRE(r.world.ends.size() == 1);
    CHECK(r.world.ends[0] == errc::table_failed);
    CHECK(r.error(r.up_request) == errc::table_failed);
    CHECK(r.starts("a") == 0);
  }
  SECTION("claim") {
    r.up({fake_spec("a")});
    r.fault = table_call::claim;
    auto request = r.start(fake_spec("b"));
    ended();
    CHECK(r.error(request));
    CHECK(r.starts("b") == 0);
  }
  SECTION("put, nobody asked") {
    r.up({fake_spec("a")});
    r.fault = table_call::put;
    r.crash("a");
    ended();
  }
  SECTION("put, while a child starts") {
    r.up({fake_spec("a")});
    r.fault = table_call::put;
    auto request = r.start(fake_spec("b"));
    ended();
    CHECK(r.error(request));
    CHECK(r.world.child(r.world.children.back().handle)->shutdowns
            + r.world.child(r.world.children.back().handle)->kills
          > 0);
  }
  SECTION("erase") {
    r.up({with_plan("a", plans::temporary())});
    r.fault = table_call::erase;
    r.crash("a");
    ended();
  }
  SECTION("from outside") {
    r.up({fake_spec("a")});
    r.world.failed(hard);
    ended();
  }
}
