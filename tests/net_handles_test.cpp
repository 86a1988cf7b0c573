// Handles of actors on other nodes, and values that contain them.

#include "net_nodes.hpp"

#include <atomic>
#include <cstddef>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

using namespace net_nodes;

namespace {

std::span<const std::byte> bytes(const caf::byte_buffer& x) {
  return std::as_bytes(std::span{x});
}

} // namespace

TEST_CASE("a handle made from IDs works", "[net_transport]") {
  pair both;
  auto actor = both.b.sys.spawn(echo);
  publish_handle(both.b.sys, actor);
  auto proxy = both.a.handles.get(both.b.id(), actor.id());
  REQUIRE(proxy);
  CHECK(proxy.id() == actor.id());
  CHECK(proxy.node() == both.b.id());
  CHECK(both.a.handles.get(both.b.id(), actor.id()) == proxy);
  CHECK(both.a.asks(proxy));
  auto ended = end_of(proxy);
  caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
  CHECK(get(ended) == caf::exit_reason::user_shutdown);
}

TEST_CASE("handles of this node come from the registry", "[net_transport]") {
  node x;
  CHECK(!x.handles.get(x.id(), x.echoes.id()));
  publish_handle(x.sys, x.echoes);
  CHECK(x.handles.get(x.id(), x.echoes.id()) == x.echoes);
  auto id = x.echoes.id();
  auto ended = end_of(x.echoes);
  caf::anon_send_exit(x.echoes, caf::exit_reason::user_shutdown);
  std::ignore = get(ended);
  auto deadline = clock_type::now() + limit;
  while (x.handles.get(x.id(), id) && clock_type::now() < deadline)
    std::this_thread::yield();
  CHECK(!x.handles.get(x.id(), id));
}

TEST_CASE("a handle for nobody ends", "[net_transport]") {
  pair both;
  SECTION("an unknown actor") {
    auto proxy = both.a.handles.get(both.b.id(), 123456);
    REQUIRE(proxy);
    CHECK(get(end_of(proxy)));
  }
  SECTION("an unknown node") {
    node stranger;
    auto proxy = both.a.handles.get(stranger.id(), 123456);
    REQUIRE(proxy);
    CHECK(get(end_of(proxy)));
  }
  SECTION("invalid IDs") {
    CHECK(!both.a.handles.get({}, 1));
    CHECK(!both.a.handles.get(both.b.id(), caf::invalid_actor_id));
  }
}

TEST_CASE("a lost connection ends handles", "[net_transport]") {
  pair both;
  publish_handle(both.b.sys, both.b.echoes);
  auto proxy = both.a.handles.get(both.b.id(), both.b.echoes.id());
  auto ended = end_of(proxy);
  auto lost_a = both.a.watch(both.b.id());
  auto lost_b = both.b.watch(both.a.id());
  SECTION("closed at the side of the handle") {
    both.a.disconnect(both.b.id());
  }
  SECTION("closed at the other side") {
    both.b.disconnect(both.a.id());
  }
  std::ignore = get(lost_a);
  std::ignore = get(lost_b);
  CHECK(get(ended) == caf::exit_reason::remote_link_unreachable);
  // A new connection brings new handles.
  auto found = get(both.a.connect(local(both.port)));
  REQUIRE(found);
  CHECK(both.a.asks(both.a.handles.get(both.b.id(), both.b.echoes.id())));
}

TEST_CASE("many threads make handles at once", "[net_transport]") {
  pair both;
  std::vector<caf::actor> actors;
  for (auto i = 0; i < 50; ++i) {
    actors.push_back(both.b.sys.spawn(echo));
    publish_handle(both.b.sys, actors.back());
  }
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (auto i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (auto& x : actors)
        if (both.a.asks(both.a.handles.get(both.b.id(), x.id())))
          ++good;
    });
  for (auto& x : threads)
    x.join();
  CHECK(good == 200);
  for (auto& x : actors)
    caf::anon_send_exit(x, caf::exit_reason::user_shutdown);
}

TEST_CASE("handles are encoded and decoded on any thread", "[net_transport]") {
  pair both;
  caf::byte_buffer buf;
  auto actor = both.b.sys.spawn(echo);
  // As part of a message, too: then CAF decodes it, not we.
  REQUIRE(!encode(both.b.sys, buf, actor, caf::make_message(1, actor)));
  caf::actor direct;
  caf::message msg;
  SECTION("at another node") {
    REQUIRE(!decode(both.a.sys, both.a.handles, bytes(buf), direct, msg));
    CHECK(direct.node() == both.b.id());
    CHECK(both.a.asks(direct));
    REQUIRE(msg.match_elements<int, caf::actor>());
    CHECK(both.a.asks(msg.get_as<caf::actor>(1)));
  }
  SECTION("at home") {
    REQUIRE(!decode(both.b.sys, both.b.handles, bytes(buf), direct, msg));
    CHECK(direct == actor);
    CHECK(msg.get_as<caf::actor>(1) == actor);
  }
  SECTION("not all of the bytes") {
    REQUIRE(!encode(both.b.sys, buf, 1));
    CHECK(decode(both.a.sys, both.a.handles, bytes(buf), direct, msg));
  }
  caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
}

TEST_CASE("errors and exceptions of inspectors", "[net_transport]") {
  node x;
  caf::byte_buffer buf;
  REQUIRE(!encode(x.sys, buf, int32_t{1}));
  auto size = buf.size();
  CHECK(with_encoder(x.sys, buf, [](caf::binary_serializer& sink) {
    return sink.apply(2) && false;
  }));
  CHECK(buf.size() == size);
  CHECK(with_encoder(x.sys, buf, [](caf::binary_serializer& sink) -> bool {
    std::ignore = sink.apply(2);
    throw std::runtime_error("x");
  }));
  CHECK(buf.size() == size);
  CHECK(with_decoder(x.sys, x.handles, bytes(buf), [](auto&) { //
    return false;
  }));
  CHECK(
    with_decoder(x.sys, x.handles, bytes(buf), [](auto&) -> bool { throw 1; }));
  int32_t value = 0;
  CHECK(!decode(x.sys, x.handles, bytes(buf), value));
  CHECK(value == 1);
}

TEST_CASE("malformed bytes are an error", "[net_transport]") {
  pair both;
  auto& sys = both.a.sys;
  caf::byte_buffer good;
  REQUIRE(!encode(sys, good, std::string{"text"}, both.a.echoes,
                  caf::make_message(both.a.echoes, std::string{"more"}, 4711),
                  std::vector<int32_t>{1, 2, 3}));
  auto read = [&](const caf::byte_buffer& buf) {
    std::string text;
    caf::actor hdl;
    caf::message msg;
    std::vector<int32_t> list;
    return decode(sys, both.a.handles, bytes(buf), text, hdl, msg, list);
  };
  CHECK(!read(good));
  for (size_t n = 0; n < good.size(); ++n)
    CHECK(read({good.begin(), good.begin() + static_cast<ptrdiff_t>(n)}));
  std::minstd_rand rng{Catch::rngSeed()};
  auto random_byte = [&] {
    return static_cast<caf::byte_buffer::value_type>(rng() & 0xff);
  };
  for (auto i = 0; i < 20'000; ++i) {
    auto buf = good;
    for (auto n = rng() % 3 + 1; n > 0; --n)
      buf[rng() % buf.size()] = random_byte();
    std::ignore = read(buf);
    buf.resize(rng() % 64);
    for (auto& x : buf)
      x = random_byte();
    std::ignore = read(buf);
    caf::message msg;
    std::ignore = decode(sys, both.a.handles, bytes(buf), msg);
    std::ignore = decode(both.b.sys, both.b.handles, bytes(buf), msg);
  }
  // The connection has taken no harm.
  CHECK(both.a.asks(both.there));
}

// By hand: what handles cost.
TEST_CASE("cost of handles", "[.net_cost]") {
  pair both;
  constexpr auto n = 20'000;
  std::vector<caf::actor> actors;
  for (auto i = 0; i < n; ++i)
    actors.push_back(both.b.sys.spawn(echo));
  auto measure = [&](const char* what, auto fn) {
    auto start = clock_type::now();
    for (auto& x : actors)
      fn(x);
    WARN(what << ": " << since(start) * 1e6 / n << " ns");
  };
  measure("publish_handle", [&](auto& x) { publish_handle(both.b.sys, x); });
  measure("publish_handle again",
          [&](auto& x) { publish_handle(both.b.sys, x); });
  auto get_all = [&](auto& x) {
    std::ignore = both.a.handles.get(both.b.id(), x.id());
  };
  measure("get, first time", get_all);
  measure("get, again", get_all);
  caf::byte_buffer buf;
  measure("encode a handle", [&](auto& x) {
    buf.clear();
    std::ignore = encode(both.b.sys, buf, x);
  });
  measure("decode a handle", [&](auto&) {
    caf::actor hdl;
    std::ignore = decode(both.a.sys, both.a.handles, bytes(buf), hdl);
  });
  for (auto& x : actors)
    caf::anon_send_exit(x, caf::exit_reason::user_shutdown);
}
