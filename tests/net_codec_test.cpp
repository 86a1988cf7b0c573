// Packets as bytes.

#include "net_fixture.hpp"

#include <director/net/internal/codec.hpp>
#include <random>

using namespace director;
using namespace director::net;
using namespace director::net::internal;
using namespace net_fixture;

namespace {

struct codec_world {
  codec_world()
    : env(
      [](caf::actor_system_config& cfg) { cfg.load<caf::io::middleman>(); }),
      handles(*env.sys) {
    // nop
  }

  std::string encode(const packet& x) {
    std::string result;
    auto err = encode_packet(*env.sys, x, result);
    INFO(to_string(err));
    REQUIRE(!err);
    return result;
  }

  packet decode(const std::string& bytes) {
    packet result;
    auto err = decode_packet(*env.sys, handles, bytes, result);
    INFO(to_string(err));
    REQUIRE(!err);
    return result;
  }

  caf::error reject(std::string_view bytes) {
    packet result;
    return decode_packet(*env.sys, handles, bytes, result);
  }

  template <class T>
  T trip(const T& x) {
    auto result = decode(encode(x));
    REQUIRE(std::holds_alternative<T>(result));
    return std::get<T>(result);
  }

  world env;
  remote_handles handles;
};

entry some_entry(child_id id) {
  entry result;
  result.id = std::move(id);
  result.term = 7;
  result.last = {11, 12};
  result.born = 10;
  result.director = 3;
  result.actor = 4;
  result.incarnation = 5;
  result.restart_count = 6;
  result.status = child_status::running;
  result.keep = true;
  return result;
}

entry_body_ptr some_body(const child_spec_ptr& spec) {
  return std::make_shared<const entry_body>(
    entry_body{spec, caf::make_message(std::string{"own"}, int32_t{1}), nullptr,
               caf::make_message(2.5), caf::actor{}});
}

} // namespace

TEST_CASE("packets survive the wire", "[net]") {
  codec_world w;
  auto spec = std::make_shared<const child_spec>(with_defaults(named_spec()));
  SECTION("changes") {
    steps x;
    x.first = 12;
    x.list.push_back({some_entry(1), false});
    x.list.push_back({some_entry("two"), false});
    x.list.push_back({some_entry("three"), true});
    x.list[0].now.body = some_body(spec);
    x.list[1].now.body = some_body(spec);
    auto y = w.trip(x);
    CHECK(y.first == 12);
    REQUIRE(y.list.size() == 3);
    auto& first = y.list[0].now;
    CHECK(first.id == child_id{1});
    CHECK(first.term == 7);
    CHECK(first.last == change_id{11, 12});
    CHECK(first.born == 10);
    CHECK(first.director == 3);
    CHECK(first.actor == 4);
    CHECK(first.incarnation == 5);
    CHECK(first.restart_count == 6);
    CHECK(first.status == child_status::running);
    CHECK(first.keep);
    CHECK_FALSE(first.wanted);
    REQUIRE(first.body);
    CHECK(first.body->spec->start.name() == spec->start.name());
    CHECK(first.body->args.size() == 2);
    CHECK(first.body->args.get_as<std::string>(0) == "own");
    CHECK(first.body->extra.get_as<double>(0) == 2.5);
    // Shared before, shared after.
    CHECK(first.body->spec == y.list[1].now.body->spec);
    CHECK_FALSE(y.list[2].now.body);
    CHECK(y.list[2].erased);
  }
  SECTION("all others") {
    hello greeting;
    greeting.cluster = "c";
    greeting.table = "t";
    greeting.self = {9, "nine", {"host", 99}};
    greeting.session = 1;
    greeting.ack = 2;
    greeting.established = true;
    greeting.seen = {{1, 2}, {3, 4}};
    greeting.settings = {1ms, 2ms, true, 3ms, 4};
    auto back = w.trip(greeting);
    CHECK(back.version == protocol_version);
    CHECK(back.self.where == greeting.self.where);
    CHECK(back.self.name == "nine");
    CHECK(back.seen == greeting.seen);
    CHECK(back.established);
    CHECK(back.settings.heartbeat == 1ms);
    CHECK(back.settings.suspicion == 2ms);
    CHECK(back.settings.pause_minority);
    CHECK(back.settings.grace == 3ms);
    CHECK(back.settings.expected == 4);
    CHECK(w.trip(refusal{"no"}).text == "no");
    copy all;
    all.about = 3;
    all.clock = 4;
    all.members = {greeting.self};
    all.entries = {some_entry(5)};
    all.entries[0].body = some_body(spec);
    CHECK(w.trip(all).entries.size() == 1);
    CHECK(w.trip(all).members[0].key == 9);
    CHECK(w.trip(copy_request{5}).about == 5);
    CHECK(w.trip(receipt{6}).count == 6);
    CHECK(w.trip(ballot{7, {{1, 2}}, {{child_id{1}, {2, 3}}}}).items[0].base
          == change_id{2, 3});
    CHECK(w.trip(vote{8, {1, 2}}).busy.size() == 2);
    CHECK(w.trip(vote{8, {}, true}).abstains);
    CHECK(w.trip(ballot_end{9}).number == 9);
    heartbeat beat;
    beat.stamp = 5;
    beat.echo = 6;
    beat.oldest_ballot = 7;
    beat.directors = 3;
    beat.rebalance_wanted = 9;
    beat.rebalance_done = 8;
    beat.paused = true;
    CHECK(w.trip(beat).paused);
    CHECK(w.trip(beat).oldest_ballot == 7);
    CHECK(w.trip(beat).directors == 3);
    CHECK(w.trip(beat).rebalance_wanted == 9);
    CHECK(w.trip(beat).rebalance_done == 8);
    CHECK(w.trip(offer{{{1, 2}, {"x", 3}}}).items[1].term == 3);
    CHECK(w.trip(decline{{1}}).ids.size() == 1);
    CHECK(w.trip(move_request{{1}}).ids.size() == 1);
    w.trip(bye{});
    w.trip(illegible{});
  }
}

TEST_CASE("what an appended child was given stays as it was", "[net]") {
  codec_world w;
  child_spec own;
  own.append = true;
  own.terminate_timeout = caf::timespan{7};
  auto given = std::make_shared<const child_spec>(own);
  auto body
    = some_body(std::make_shared<const child_spec>(combine(own, named_spec())));
  steps x;
  x.list.push_back({some_entry(1), false});
  x.list[0].now.body = std::make_shared<const entry_body>(
    entry_body{body->spec, {}, given, {}, {}});
  // Nobody relies on others to send complete specs.
  x.list.push_back({some_entry(2), false});
  x.list[1].now.body = some_body(given);
  auto y = w.trip(x);
  REQUIRE(y.list.size() == 2);
  auto& first = *y.list[0].now.body;
  REQUIRE(first.own);
  CHECK(first.own->append);
  CHECK(first.own->terminate_timeout == caf::timespan{7});
  CHECK(!first.own->delete_before_terminate);
  CHECK(!first.own->start_timeout);
  CHECK(!first.own->type);
  CHECK(!first.own->modules);
  CHECK(first.own->plan.empty());
  CHECK(first.spec->start.name() == named_spec().start.name());
  CHECK(first.spec->terminate_timeout == body->spec->terminate_timeout);
  CHECK(first.spec->delete_before_terminate);
  auto& second = *y.list[1].now.body;
  CHECK(second.spec->terminate_timeout == caf::timespan{7});
  CHECK(second.spec->delete_before_terminate);
}

TEST_CASE("of a greeting in another version only the beginning is read",
          "[net]") {
  codec_world w;
  hello greeting;
  greeting.version = protocol_version + 1;
  greeting.self.name = "far ahead";
  greeting.cluster = "c";
  auto bytes = w.encode(greeting);
  for (auto& variant : {bytes, bytes + "and more"}) {
    auto back = w.decode(variant);
    REQUIRE(std::holds_alternative<hello>(back));
    CHECK(std::get<hello>(back).version == protocol_version + 1);
    CHECK(std::get<hello>(back).self.name == "far ahead");
    CHECK(std::get<hello>(back).cluster.empty());
  }
}

TEST_CASE("values of unknown types do not hide the rest", "[net]") {
  init_types();
  codec_world w;
  auto spec = with_defaults(named_spec());
  spec.state = caf::make_message(std::string{"state"});
  auto readable = some_body(std::make_shared<const child_spec>(spec));
  auto puzzling = *readable;
  puzzling.extra = caf::make_message(riddle{});
  auto own = child_spec{};
  own.append = true;
  steps x;
  for (int i = 0; i < 3; ++i)
    x.list.push_back({some_entry(i), false});
  x.list[0].now.body = readable;
  x.list[1].now.body = std::make_shared<const entry_body>(puzzling);
  auto appended = *readable;
  appended.own = std::make_shared<const child_spec>(own);
  x.list[2].now.body = std::make_shared<const entry_body>(appended);
  CHECK(w.reject(w.encode(x)));
  x.careful = true;
  auto y = w.trip(x);
  REQUIRE(y.list.size() == 3);
  CHECK(y.list[1].now.last == x.list[1].now.last);
  for (size_t i : {0, 2}) {
    auto& whole = *y.list[i].now.body;
    CHECK(whole.raw.empty());
    CHECK(whole.args.get_as<std::string>(0) == "own");
    CHECK(whole.extra.get_as<double>(0) == 2.5);
    CHECK(whole.spec->state.get_as<std::string>(0) == "state");
    CHECK((whole.own != nullptr) == (i == 2));
  }
  auto& part = *y.list[1].now.body;
  CHECK_FALSE(part.raw.empty());
  CHECK(part.args.empty());
  CHECK(part.extra.empty());
  CHECK(part.spec->state.empty());
  CHECK(part.spec->start.name() == spec.start.name());
  CHECK(part.spec->delete_before_terminate);
  // Others get all of it, however it is sent.
  for (auto careful : {false, true}) {
    y.careful = careful;
    auto z = w.trip(y);
    CHECK(z.list[1].now.body->raw == part.raw);
    CHECK(z.list[0].now.body->raw.empty());
  }
}

TEST_CASE("no logical time comes near its end", "[net]") {
  codec_world w;
  auto last = (uint64_t{1} << 62) - 1;
  auto field = GENERATE(&heartbeat::rebalance_wanted,
                        &heartbeat::rebalance_done);
  heartbeat beat;
  beat.*field = last;
  CHECK(w.trip(beat).*field == last);
  beat.*field = last + 1;
  CHECK(w.reject(w.encode(beat)));
}

TEST_CASE("bytes that are no packet are an error", "[net]") {
  codec_world w;
  auto careful = GENERATE(false, true);
  CHECK(w.reject(""));
  CHECK(w.reject("\xff"));
  steps x;
  x.first = 1;
  x.careful = careful;
  x.list.push_back({some_entry("child"), false});
  x.list[0].now.body = some_body(
    std::make_shared<const child_spec>(with_defaults(named_spec())));
  auto good = w.encode(x);
  for (size_t size = 0; size < good.size(); ++size)
    CHECK(w.reject(std::string_view{good}.substr(0, size)));
  CHECK(w.reject(good + "x"));
  std::mt19937 random{1};
  for (int i = 0; i < 20'000; ++i) {
    auto bad = good;
    for (int n = 0; n < 3; ++n)
      bad[random() % bad.size()] = static_cast<char>(random());
    // Must neither crash nor take much memory, whatever comes out.
    std::ignore = w.reject(bad);
  }
}
