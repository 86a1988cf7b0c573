// Connections between nodes.

#include "director/net/internal/probe.hpp"
#include "net_nodes.hpp"

#include <caf/actor_cast.hpp>
#include <caf/io/basp_broker.hpp>
#include <caf/openssl/all.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace net_nodes;

extern char** environ;

namespace {

// -- a process as other node --------------------------------------------------

/// This program, started once more.
class process {
public:
  /// @param test what it does
  explicit process(std::string test = "other node") {
    int to[2];
    int from[2];
    REQUIRE(::pipe2(to, O_CLOEXEC) == 0);
    REQUIRE(::pipe2(from, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, to[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, from[1], STDOUT_FILENO);
    char name[] = "net-transport-test";
    char* args[] = {name, test.data(), nullptr};
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

/// Lets others connect until the process that has started this one ends.
void serve(milliseconds beat) {
  node x{{}, beat};
  auto port = get(x.publish(local(0)));
  REQUIRE(port);
  std::printf("port %u\n", static_cast<unsigned>(*port));
  std::fflush(stdout);
  char buf[1];
  while (::read(STDIN_FILENO, buf, 1) > 0)
    ;
}

// -- what CAF knows of its connections ----------------------------------------

/// Returns what `fn` says on the thread that may look.
template <class F>
auto ask_broker(caf::actor_system& sys, F fn) {
  using result_type = decltype(fn(std::declval<caf::io::basp_broker&>()));
  auto done = std::make_shared<std::promise<result_type>>();
  sys.middleman().run_later([&sys, done, fn] {
    auto handle = basp{sys}.broker();
    done->set_value(fn(*static_cast<caf::io::basp_broker*>(
      caf::actor_cast<caf::abstract_actor*>(handle))));
  });
  return get(done->get_future());
}

size_t connections_of(caf::actor_system& sys) {
  return ask_broker(sys, [](auto& broker) { return broker.num_connections(); });
}

/// Returns how many messages have come in so far.
uint64_t messages_of(caf::actor_system& sys) {
  return ask_broker(sys, [](auto& broker) {
    return broker.instance.queue().next_id;
  });
}

bool eventually(const std::function<bool()>& fn) {
  auto deadline = clock_type::now() + limit;
  while (!fn()) {
    if (clock_type::now() > deadline)
      return false;
    std::this_thread::sleep_for(milliseconds{1});
  }
  return true;
}

} // namespace

// Started by class process.
TEST_CASE("other node", "[.net_process]") {
  serve(heartbeat);
}

TEST_CASE("other node that never loses patience", "[.net_process]") {
  serve(milliseconds{0});
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

// CAF takes a connection off its list behind all messages that wait to be read.
// Meanwhile, another one may get the same file descriptor.
TEST_CASE("a connection gets the number of another", "[net_transport]") {
  process second{"other node that never loses patience"};
  std::promise<void> one_ready;
  std::promise<void> other_ready;
  std::promise<caf::expected<connection>> done;
  auto next = done.get_future();
  node x;
  process first{"other node that never loses patience"};
  auto found = get(x.connect(local(first.port())));
  REQUIRE(found);
  // All threads that could read are busy, one of them with connecting. If the
  // test fails, these go before the node and let it end.
  std::promise<void> first_is_gone;
  std::promise<void> go_on;
  auto gone = first_is_gone.get_future().share();
  auto blocked = go_on.get_future().share();
  x.sys.spawn([&](caf::event_based_actor*) {
    one_ready.set_value();
    blocked.wait();
  });
  x.run([&](auto*, transport& impl) {
    other_ready.set_value();
    gone.wait();
    impl.connect(local(second.port()), limit,
                 [&](auto result) { done.set_value(std::move(result)); });
    blocked.wait();
  });
  get(one_ready.get_future());
  get(other_ready.get_future());
  auto before = messages_of(x.sys);
  caf::scoped_actor self{x.sys};
  compat::send_as(self.ptr()->ctrl(), found->actor, nullptr, 42);
  REQUIRE(eventually([&] { return messages_of(x.sys) > before; }));
  first.signal(SIGKILL);
  REQUIRE(eventually([&] { return connections_of(x.sys) == 0; }));
  first_is_gone.set_value();
  REQUIRE(eventually([&] { return connections_of(x.sys) > 0; }));
  // It is noticed that nothing comes back.
  REQUIRE(eventually([&] { return connections_of(x.sys) == 0; }));
  go_on.set_value();
  REQUIRE(eventually([&] {
    basp{x.sys}.repair();
    return next.wait_for(milliseconds{0}) == std::future_status::ready;
  }));
  auto again = next.get();
  REQUIRE(again);
  CHECK(x.asks(again->actor));
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
