#include "catch.hpp"
#include "director/internal/compat.hpp"
#include "director/net/internal/probe.hpp"
#include "director/net/internal/remote_handles.hpp"
#include "director/net/internal/transport.hpp"
#include "director/net/tls.hpp"

#include <caf/actor_registry.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/io/middleman.hpp>
#include <caf/openssl/all.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <netdb.h>
#include <netinet/in.h>
#include <random>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace director::net;
using namespace director::net::internal;

namespace compat = director::internal::compat;

extern char** environ;

namespace {

using clock_type = std::chrono::steady_clock;

using std::chrono::milliseconds;

constexpr auto limit = std::chrono::seconds{20};

// -- waiting ------------------------------------------------------------------

template <class T>
T get(std::future<T>& x) {
  if (x.wait_for(limit) != std::future_status::ready)
    FAIL("timeout");
  return x.get();
}

template <class T>
T get(std::future<T>&& x) {
  return get(x);
}

double since(clock_type::time_point start) {
  using ms = std::chrono::duration<double, std::milli>;
  return ms{clock_type::now() - start}.count();
}

// -- nodes --------------------------------------------------------------------

struct config : caf::actor_system_config {
  explicit config(const tls_options& tls = {}, milliseconds heartbeat = {}) {
    if (tls.certificate.empty())
      load<caf::io::middleman>();
    else if (auto err = load_tls(*this, tls))
      FAIL(to_string(err));
    set("caf.scheduler.max-threads", 2);
    if (heartbeat.count() > 0) {
      set("caf.middleman.heartbeat-interval", caf::timespan{heartbeat});
      set("caf.middleman.connection-timeout", caf::timespan{heartbeat * 6});
    }
  }
};

using job = std::function<void(caf::event_based_actor*, transport&)>;

struct job_queue {
  std::mutex mtx;
  std::deque<job> jobs;
};

/// Those who wait for the loss of a connection.
using watches = std::multimap<caf::node_id, std::promise<caf::error>>;

/// Runs jobs with a transport.
caf::behavior worker(caf::event_based_actor* self,
                     std::shared_ptr<job_queue> queue,
                     std::shared_ptr<watches> watched) {
  auto impl = std::make_shared<transport>(self);
  return compat::make_behavior(
    self, [self](caf::exit_msg& x) { self->quit(x.reason); },
    [watched](const caf::message& msg) {
      if (!msg.match_elements<caf::node_down_msg>())
        return caf::make_error(caf::sec::unexpected_message);
      auto& down = msg.get_as<caf::node_down_msg>(0);
      auto [first, last] = watched->equal_range(down.node);
      for (auto i = first; i != last; ++i)
        i->second.set_value(down.reason);
      watched->erase(first, last);
      return caf::error{};
    },
    [self, impl, queue](caf::ok_atom) {
      job fn;
      {
        std::lock_guard guard{queue->mtx};
        fn = std::move(queue->jobs.front());
        queue->jobs.pop_front();
      }
      fn(self, *impl);
    });
}

caf::behavior echo() {
  return {[](int x) { return x; }};
}

/// An actor system with an actor that has a transport.
struct node {
  explicit node(const tls_options& tls = {}, milliseconds heartbeat = {})
    : cfg(tls, heartbeat),
      sys(cfg),
      handles(sys) {
    actor = sys.spawn(worker, queue, watched);
    echoes = sys.spawn(echo);
  }

  ~node() {
    caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(echoes, caf::exit_reason::user_shutdown);
  }

  void run(job fn) {
    {
      std::lock_guard guard{queue->mtx};
      queue->jobs.push_back(std::move(fn));
    }
    compat::send(actor, caf::message_priority::normal, nullptr, caf::ok_atom_v);
  }

  std::future<caf::expected<uint16_t>> publish(endpoint at) {
    auto done = std::make_shared<std::promise<caf::expected<uint16_t>>>();
    run([=, this](auto*, transport& x) {
      x.publish(at, echoes, [=](auto result) { done->set_value(result); });
    });
    return done->get_future();
  }

  std::future<caf::expected<connection>>
  connect(endpoint to, caf::timespan timeout = limit) {
    auto done = std::make_shared<std::promise<caf::expected<connection>>>();
    run([=](auto*, transport& x) {
      x.connect(to, timeout, [=](auto result) { done->set_value(result); });
    });
    return done->get_future();
  }

  std::future<caf::error> watch(caf::node_id other) {
    auto ready = std::make_shared<std::promise<std::future<caf::error>>>();
    run([=, this](auto* self, transport&) {
      if (!watched->contains(other))
        self->monitor(other);
      auto done = watched->emplace(other, std::promise<caf::error>{});
      ready->set_value(done->second.get_future());
    });
    return get(ready->get_future());
  }

  void disconnect(caf::node_id other) {
    basp{sys}.disconnect(other);
  }

  bool asks(const caf::actor& whom) {
    auto result = false;
    caf::scoped_actor self{sys};
    compat::request_receive(
      self, whom, limit, [&](int x) { result = x == 42; },
      [](const caf::error&) {}, 42);
    return result;
  }

  caf::node_id id() const {
    return sys.node();
  }

  config cfg;
  caf::actor_system sys;
  remote_handles handles;
  std::shared_ptr<job_queue> queue = std::make_shared<job_queue>();
  std::shared_ptr<watches> watched = std::make_shared<watches>();
  caf::actor actor;
  caf::actor echoes;
};

endpoint local(uint16_t port, bool tls = false) {
  return {"127.0.0.1", port, tls};
}

std::future<caf::error> end_of(const caf::actor& x) {
  auto done = std::make_shared<std::promise<caf::error>>();
  x->attach_functor([=](const caf::error& why) { done->set_value(why); });
  return done->get_future();
}

/// Two nodes of which one has connected to the other.
struct pair {
  explicit pair(const tls_options& tls = {}) : a(tls), b(tls) {
    auto secure = !tls.certificate.empty();
    auto at = get(b.publish(local(0, secure)));
    REQUIRE(at);
    port = *at;
    auto found = get(a.connect(local(port, secure)));
    REQUIRE(found);
    REQUIRE(found->node == b.id());
    there = found->actor;
  }

  node a;
  node b;
  uint16_t port;
  caf::actor there;
};

// -- bytes --------------------------------------------------------------------

std::span<const std::byte> bytes(const caf::byte_buffer& x) {
  return std::as_bytes(std::span{x});
}

// -- a process as other node --------------------------------------------------

/// This program, started once more.
class process {
public:
  process() {
    int to[2];
    int from[2];
    REQUIRE(::pipe2(to, O_CLOEXEC) == 0);
    REQUIRE(::pipe2(from, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, to[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, from[1], STDOUT_FILENO);
    char name[] = "net-transport-test";
    char test[] = "other node";
    char* args[] = {name, test, nullptr};
    auto failed = ::posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr,
                                args, environ);
    posix_spawn_file_actions_destroy(&actions);
    ::close(to[0]);
    ::close(from[1]);
    in_ = to[1];
    REQUIRE(failed == 0);
    auto* out = ::fdopen(from[0], "r");
    // The test framework may have something to say first.
    char line[256];
    unsigned port = 0;
    while (port == 0 && std::fgets(line, sizeof(line), out) != nullptr)
      std::sscanf(line, "port %u", &port);
    std::fclose(out);
    REQUIRE(port != 0);
    port_ = static_cast<uint16_t>(port);
  }

  process(const process&) = delete;

  ~process() {
    ::close(in_);
    if (pid_ > 0) {
      signal(SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }

  void signal(int number) {
    ::kill(pid_, number);
  }

  uint16_t port() const {
    return port_;
  }

private:
  pid_t pid_ = 0;
  int in_ = -1;
  uint16_t port_ = 0;
};

constexpr auto heartbeat = milliseconds{50};

} // namespace

// Started by class process.
TEST_CASE("other node", "[.net_process]") {
  node x{{}, heartbeat};
  auto port = get(x.publish(local(0)));
  REQUIRE(port);
  std::printf("port %u\n", static_cast<unsigned>(*port));
  std::fflush(stdout);
  char buf[1];
  while (::read(STDIN_FILENO, buf, 1) > 0)
    ;
}

// -- handles ------------------------------------------------------------------

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

// -- transport ----------------------------------------------------------------

TEST_CASE("connecting", "[net_transport]") {
  node a;
  node b;
  auto port = get(b.publish(local(0)));
  REQUIRE(port);
  REQUIRE(*port != 0);
  auto found = get(a.connect(local(*port)));
  REQUIRE(found);
  CHECK(found->node == b.id());
  CHECK(found->actor.id() == b.echoes.id());
  CHECK(a.asks(found->actor));
  SECTION("again") {
    auto again = get(a.connect(local(*port)));
    REQUIRE(again);
    CHECK(again->actor == found->actor);
    // Under another name, CAF makes a second connection and drops it.
    again = get(a.connect({"localhost", *port, false}));
    REQUIRE(again);
    CHECK(again->actor == found->actor);
    CHECK(a.asks(found->actor));
  }
  SECTION("in the opposite direction") {
    auto back = get(a.publish(local(0)));
    REQUIRE(back);
    auto lost = a.watch(b.id());
    auto again = get(b.connect(local(*back)));
    REQUIRE(again);
    CHECK(b.asks(again->actor));
    CHECK(a.asks(found->actor));
    CHECK(lost.wait_for(milliseconds{0}) == std::future_status::timeout);
  }
  SECTION("to a port that is closed") {
    auto closed = std::make_shared<std::promise<caf::error>>();
    b.run([=](auto*, transport& x) {
      x.unpublish(*port,
                  [=](const caf::error& err) { closed->set_value(err); });
    });
    CHECK(!get(closed->get_future()));
    a.disconnect(b.id());
    std::ignore = get(a.watch(b.id()));
    auto again = get(a.connect(local(*port)));
    REQUIRE(!again);
    CHECK(again.error() == caf::sec::cannot_connect_to_node);
  }
  SECTION("to oneself") {
    auto self = get(b.connect(local(*port)));
    REQUIRE(self);
    CHECK(self->node == b.id());
    CHECK(self->actor == b.echoes);
  }
}

TEST_CASE("a port that is taken", "[net_transport]") {
  node a;
  node b;
  auto port = get(b.publish(local(0)));
  REQUIRE(port);
  CHECK(!get(a.publish(local(*port))));
}

TEST_CASE("both sides connect at the same time", "[net_transport]") {
  node a;
  node b;
  auto at_a = get(a.publish(local(0)));
  auto at_b = get(b.publish(local(0)));
  REQUIRE((at_a && at_b));
  publish_handle(a.sys, a.echoes);
  publish_handle(b.sys, b.echoes);
  auto worst = 0.0;
  auto slow = 0;
  for (auto i = 0; i < 50; ++i) {
    auto start = clock_type::now();
    auto from_a = a.connect(local(*at_b));
    auto from_b = b.connect(local(*at_a));
    auto found_a = get(from_a);
    auto found_b = get(from_b);
    REQUIRE(found_a);
    REQUIRE(found_b);
    auto took = since(start);
    worst = std::max(worst, took);
    slow += took > 150;
    REQUIRE(a.asks(a.handles.get(b.id(), b.echoes.id())));
    REQUIRE(b.asks(b.handles.get(a.id(), a.echoes.id())));
    auto lost_a = a.watch(b.id());
    auto lost_b = b.watch(a.id());
    a.disconnect(b.id());
    b.disconnect(a.id());
    std::ignore = get(lost_a);
    std::ignore = get(lost_b);
  }
  if (std::getenv("DIRECTOR_NET_FIGURES") != nullptr)
    WARN("worst " << worst << " ms, tried again in " << slow << " rounds");
}

TEST_CASE("the other process is killed", "[net_transport]") {
  node x{{}, heartbeat};
  process other;
  auto found = get(x.connect(local(other.port())));
  REQUIRE(found);
  CHECK(x.asks(found->actor));
  auto ended = end_of(found->actor);
  auto lost = x.watch(found->node);
  auto start = clock_type::now();
  other.signal(SIGKILL);
  CHECK(!get(lost));
  auto node_down = since(start);
  CHECK(get(ended) == caf::exit_reason::remote_link_unreachable);
  if (std::getenv("DIRECTOR_NET_FIGURES") != nullptr)
    WARN("node lost after " << node_down << " ms, actor after "
                            << since(start));
  // A process that is dying may still listen.
  auto again = get(x.connect(local(other.port())));
  auto deadline = clock_type::now() + limit;
  while (!again && again.error() != caf::sec::cannot_connect_to_node
         && clock_type::now() < deadline)
    again = get(x.connect(local(other.port())));
  REQUIRE(!again);
  CHECK(again.error() == caf::sec::cannot_connect_to_node);
}

TEST_CASE("the other process is suspended", "[net_transport]") {
  node x{{}, heartbeat};
  process other;
  auto found = get(x.connect(local(other.port())));
  REQUIRE(found);
  auto ended = end_of(found->actor);
  auto lost = x.watch(found->node);
  auto start = clock_type::now();
  other.signal(SIGSTOP);
  CHECK(get(lost) == caf::sec::connection_timeout);
  auto node_down = since(start);
  CHECK(get(ended) == caf::exit_reason::remote_link_unreachable);
  if (std::getenv("DIRECTOR_NET_FIGURES") != nullptr)
    WARN("node lost after " << node_down << " ms, actor after "
                            << since(start));
  // The operating system still accepts connections.
  start = clock_type::now();
  auto again = get(x.connect(local(other.port()), milliseconds{500}));
  REQUIRE(!again);
  CHECK(again.error() == caf::sec::connection_timeout);
  if (std::getenv("DIRECTOR_NET_FIGURES") != nullptr)
    WARN("gave up after " << since(start) << " ms");
  other.signal(SIGCONT);
  again = get(x.connect(local(other.port())));
  REQUIRE(again);
  CHECK(x.asks(again->actor));
}

// -- probe --------------------------------------------------------------------

namespace {

/// Listens at a port of its own without ever accepting.
struct listener {
  listener() {
    fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    addr.sin_family = AF_INET;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* ptr = reinterpret_cast<sockaddr*>(&addr);
    socklen_t size = sizeof(addr);
    REQUIRE(::bind(fd, ptr, size) == 0);
    REQUIRE(::listen(fd, 0) == 0);
    REQUIRE(::getsockname(fd, ptr, &size) == 0);
  }

  ~listener() {
    if (fd >= 0)
      ::close(fd);
  }

  uint16_t port() const {
    return ntohs(addr.sin_port);
  }

  int fd;
  sockaddr_in addr{};
};

} // namespace

TEST_CASE("probing a port", "[net_transport]") {
  listener x;
  std::string address;
  CHECK(probe("127.0.0.1", x.port(), limit, &address) == probe_result::open);
  CHECK(address == "127.0.0.1");
  auto port = x.port();
  ::close(std::exchange(x.fd, -1));
  CHECK(probe("127.0.0.1", port, limit) == probe_result::refused);
  CHECK(probe("127.0.0.1", port, caf::timespan::max())
        == probe_result::refused);
}

TEST_CASE("a process ends while one connects to it", "[net_transport]") {
  listener x;
  auto port = x.port();
  std::thread dying{[&x] {
    // First the probe, then CAF, whose connection ends before the port does.
    for (auto i = 0; i < 2; ++i)
      ::close(::accept(x.fd, nullptr, nullptr));
    ::close(std::exchange(x.fd, -1));
  }};
  node a;
  auto found = get(a.connect(local(port)));
  dying.join();
  REQUIRE(!found);
  CHECK(found.error() == caf::sec::cannot_connect_to_node);
}

TEST_CASE("a host with several addresses", "[net_transport]") {
  listener x;
  // There is no way to 255.255.255.255, and nobody at the port of 127.0.0.2.
  auto address_of = [&](const char* host) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    addrinfo* result = nullptr;
    REQUIRE(
      ::getaddrinfo(host, std::to_string(x.port()).c_str(), &hints, &result)
      == 0);
    return std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>{result,
                                                                ::freeaddrinfo};
  };
  auto no_way = address_of("255.255.255.255");
  auto good = address_of("127.0.0.1");
  auto refusing = address_of("127.0.0.2");
  auto result_of = [&](addrinfo& one, addrinfo& other) {
    one.ai_next = &other;
    auto result = probe(&one, limit);
    one.ai_next = nullptr;
    return result;
  };
  auto twin = address_of("127.0.0.3");
  CHECK(result_of(*refusing, *twin) == probe_result::refused);
  CHECK(result_of(*refusing, *no_way) == probe_result::silent);
  CHECK(result_of(*no_way, *refusing) == probe_result::silent);
  CHECK(result_of(*refusing, *good) == probe_result::open);
  CHECK(probe(nullptr, limit) == probe_result::silent);
}

TEST_CASE("probing what does not answer", "[net_transport]") {
  CHECK(probe("nobody.invalid", 1, limit) == probe_result::silent);
  // Linux drops what comes after the queue of a listener is full.
  listener x;
  auto result = probe_result::open;
  std::vector<int> others;
  for (auto i = 0; i < 8 && result == probe_result::open; ++i) {
    auto fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    std::ignore = ::connect(fd, reinterpret_cast<sockaddr*>(&x.addr),
                            sizeof(x.addr));
    others.push_back(fd);
    result = probe("127.0.0.1", x.port(), milliseconds{50});
  }
  CHECK(result == probe_result::silent);
  for (auto fd : others)
    ::close(fd);
}

// -- TLS ----------------------------------------------------------------------

namespace {

/// Makes certificates with the command line tool.
class certificates {
public:
  certificates() {
    char path[] = "/tmp/director-net-XXXXXX";
    dir_ = ::mkdtemp(path);
  }

  certificates(const certificates&) = delete;

  ~certificates() {
    std::filesystem::remove_all(dir_);
  }

  static bool have_tool() {
    return std::system("openssl version >/dev/null 2>&1") == 0;
  }

  void make_ca(const std::string& name) {
    run("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=" + name
        + " -keyout " + file(name + ".key") + " -out " + file(name + ".pem"));
  }

  tls_options make(const std::string& name, const std::string& ca) {
    run("req -newkey rsa:2048 -nodes -subj /CN=" + name + " -keyout "
        + file(name + ".key") + " -out " + file(name + ".csr"));
    run("x509 -req -days 2 -in " + file(name + ".csr") + " -CA "
        + file(ca + ".pem") + " -CAkey " + file(ca + ".key")
        + " -CAcreateserial -out " + file(name + ".pem"));
    return {file(name + ".pem"), file(name + ".key"), file(ca + ".pem")};
  }

  std::string file(const std::string& name) const {
    return dir_ + '/' + name;
  }

private:
  static void run(const std::string& args) {
    REQUIRE(std::system(("openssl " + args + " >/dev/null 2>&1").c_str()) == 0);
  }

  std::string dir_;
};

/// A node that talks TLS without certificate.
struct anonymous_config : caf::actor_system_config {
  anonymous_config() {
    load<caf::io::middleman>();
    load<caf::openssl::manager>();
  }
};

} // namespace

TEST_CASE("connections with TLS", "[net_transport]") {
  if (!certificates::have_tool()) {
    WARN("skipped: no command line tool openssl");
    return;
  }
  certificates files;
  files.make_ca("ours");
  auto good = files.make("good", "ours");
  node b{files.make("server", "ours")};
  CHECK(tls_loaded(b.sys));
  auto port = get(b.publish(local(0, true)));
  REQUIRE(port);
  constexpr auto timeout = std::chrono::seconds{5};
  SECTION("a node with a certificate of our CA") {
    node a{good};
    auto found = get(a.connect(local(*port, true)));
    REQUIRE(found);
    CHECK(a.asks(found->actor));
    auto lost = b.watch(a.id());
    a.disconnect(b.id());
    std::ignore = get(lost);
  }
  SECTION("both connect at the same time") {
    node a{good};
    auto at_a = get(a.publish(local(0, true)));
    REQUIRE(at_a);
    for (auto i = 0; i < 5; ++i) {
      auto from_a = a.connect(local(*port, true));
      auto from_b = b.connect(local(*at_a, true));
      REQUIRE(get(from_a));
      REQUIRE(get(from_b));
      auto lost_a = a.watch(b.id());
      auto lost_b = b.watch(a.id());
      a.disconnect(b.id());
      b.disconnect(a.id());
      std::ignore = get(lost_a);
      std::ignore = get(lost_b);
    }
  }
  SECTION("a node with a certificate of another CA") {
    files.make_ca("theirs");
    auto options = files.make("bad", "theirs");
    // Trusts us, so that only we can be the ones who refuse.
    options.ca = files.file("ours.pem");
    node a{options};
    CHECK(!get(a.connect(local(*port, true), timeout)));
    CHECK(get(a.watch(b.id())));
    CHECK(get(b.watch(a.id())));
  }
  SECTION("a node that does not trust our CA") {
    files.make_ca("theirs");
    auto options = good;
    options.ca = files.file("theirs.pem");
    node a{options};
    CHECK(!get(a.connect(local(*port, true), timeout)));
    CHECK(get(b.watch(a.id())));
  }
  SECTION("a node without certificate") {
    anonymous_config cfg;
    caf::actor_system sys{cfg};
    CHECK(!tls_loaded(sys));
    auto result = std::async(std::launch::async, [&] {
      return caf::openssl::remote_actor(sys, "127.0.0.1", *port);
    });
    CHECK(!get(result));
    CHECK(get(b.watch(sys.node())));
  }
  SECTION("a node without TLS") {
    node a;
    CHECK(!tls_loaded(a.sys));
    auto found = get(a.connect(local(*port, true)));
    REQUIRE(!found);
    CHECK(found.error() == caf::sec::invalid_argument);
    CHECK(!get(a.publish(local(0, true))));
    CHECK(!get(a.connect(local(*port), milliseconds{500})));
  }
}

TEST_CASE("files for TLS that cannot be read", "[net_transport]") {
  caf::actor_system_config cfg;
  CHECK(load_tls(cfg, {}) == caf::sec::cannot_open_file);
  CHECK(load_tls(cfg, {"/", "/", "/"}) == caf::sec::cannot_open_file);
  caf::actor_system sys{cfg};
  CHECK(!tls_loaded(sys));
}
