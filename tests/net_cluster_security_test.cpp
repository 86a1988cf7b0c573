// Those who do not belong to the cluster.

#include "net_cluster.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/io/middleman.hpp>
#include <caf/openssl/all.hpp>
#include <caf/scoped_actor.hpp>

#include <arpa/inet.h>
#include <director/internal/compat.hpp>
#include <director/net/internal/codec.hpp>
#include <director/net/table.hpp>
#include <netinet/in.h>
#include <random>
#include <sys/socket.h>
#include <unistd.h>

using namespace net_cluster;
using namespace director::net::internal;

namespace {

namespace compat = director::internal::compat;

/// Gives up soon, and does not start a cluster of its own.
strings stranger_args(const node& at) {
  return {"seeds=" + at.address(), "join_timeout=3000"};
}

/// Expects that a node cannot join, and returns why.
std::string refused(cluster& nodes, const strings& args) {
  auto& x = nodes.launch("stranger", args);
  auto result = x.join();
  CHECK(result.starts_with("failed"));
  CHECK(WEXITSTATUS(x.os().wait()) == EXIT_FAILURE);
  nodes.forget("stranger");
  return result;
}

bool no_handshake(const std::string& text) {
  return text.find("disconnect_during_handshake") != std::string::npos;
}

void works(cluster& nodes, ids& children) {
  auto next = children.empty() ? 1 : *children.rbegin() + 1;
  for (auto& name : nodes.names()) {
    nodes.at(name).start({next});
    children.insert(next++);
  }
  nodes.settle(children);
  nodes.check_overlaps();
}

/// Speaks with a node through CAF without belonging to the cluster.
class rogue {
public:
  explicit rogue(uint16_t port)
    : sys_(cfg_.load<caf::io::middleman>()),
      handles_(sys_),
      self_(sys_) {
    auto found = sys_.middleman().remote_actor("127.0.0.1", port);
    if (!found)
      FAIL(to_string(found.error()));
    table_ = *found;
  }

  template <class... Ts>
  void say(Ts&&... xs) {
    compat::send_as(caf::actor_cast<caf::strong_actor_ptr>(self_.ptr()), table_,
                    nullptr, std::forward<Ts>(xs)...);
  }

  void frame(uint64_t session, const packet& what) {
    std::string bytes;
    auto err = encode_packet(sys_, what, bytes);
    REQUIRE(!err);
    say(director::net::frame_atom_v, session, bytes);
  }

  /// Waits for a packet of this kind.
  template <class T>
  T hear() {
    std::optional<T> result;
    auto deadline = clock_type::now() + patience;
    while (!result && clock_type::now() < deadline)
      self_->receive(
        [&](director::net::frame_atom, uint64_t, const std::string& bytes) {
          packet what;
          auto err = decode_packet(sys_, handles_, bytes, what);
          INFO(to_string(err));
          CHECK(!err);
          if (auto* x = std::get_if<T>(&what))
            result = std::move(*x);
        },
        caf::after(patience) >> [] { FAIL("nothing heard"); });
    REQUIRE(result);
    return std::move(*result);
  }

  static hello greeting(const cluster& nodes) {
    hello result;
    result.cluster = nodes.dir().file("");
    result.table = "test";
    result.self = {4711, "rogue", {"127.0.0.1", 1}};
    result.session = 1;
    return result;
  }

private:
  caf::actor_system_config cfg_;
  caf::actor_system sys_;
  remote_handles handles_;
  caf::scoped_actor self_;
  caf::actor table_;
};

/// Sends bytes to a port and waits until the other side hangs up.
void send_raw(uint16_t port, const std::string& bytes) {
  auto fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0);
  std::ignore = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  ::shutdown(fd, SHUT_WR);
  char buf[256];
  while (::recv(fd, buf, sizeof(buf), 0) > 0)
    ;
  ::close(fd);
}

std::string random_bytes(std::minstd_rand& rng, size_t count) {
  std::string result(count, '\0');
  for (auto& x : result)
    x = static_cast<char>(rng() & 0xff);
  return result;
}

} // namespace

TEST_CASE("nodes with certificates of one CA form a cluster",
          "[net_cluster_security]") {
  if (!certificates::have_tool()) {
    WARN("skipped: no command line tool openssl");
    return;
  }
  certificates files;
  files.make_ca("ours");
  cluster nodes;
  for (auto& name : {"a", "b", "c"})
    nodes.add(name, files.make(name, "ours"));
  ids children;
  works(nodes, children);
  SECTION("which takes over") {
    auto start = clock_type::now();
    nodes.kill("a");
    nodes.settle(children);
    nodes.check_overlaps();
    // The end of one connection does not concern the others.
    CHECK(nodes.reported("is up", start).empty());
    nodes.add("a", files.make("a", "ours"));
    nodes.leave("b");
    nodes.settle(children);
    works(nodes, children);
  }
  SECTION("which others cannot join") {
    files.make_ca("theirs");
    auto start = clock_type::now();
    // Another CA.
    auto args = stranger_args(nodes.at("a"));
    auto tls = files.make("stranger", "theirs");
    args.insert(args.end(), tls.begin(), tls.end());
    CHECK(no_handshake(refused(nodes, args)));
    // One who trusts us, but whom we do not trust.
    args = stranger_args(nodes.at("a"));
    tls = files.make("stranger", "theirs");
    tls.back() = files.make("friend", "ours").back();
    args.insert(args.end(), tls.begin(), tls.end());
    CHECK(no_handshake(refused(nodes, args)));
    // No TLS.
    CHECK(no_handshake(refused(nodes, stranger_args(nodes.at("a")))));
    CHECK(clock_type::now() - start < patience);
    // Nobody has seen any of them.
    for (auto& name : nodes.names())
      CHECK(split(nodes.at(name).ask("nodes")).size() == 3);
    CHECK(nodes.reported("stranger").empty());
    // Nor has any of them cost others their connection.
    CHECK(nodes.reported("is up", start).empty());
    works(nodes, children);
  }
  SECTION("with which nobody speaks who has no certificate") {
    caf::actor_system_config cfg;
    cfg.load<caf::io::middleman>();
    cfg.load<caf::openssl::manager>();
    caf::actor_system sys{cfg};
    auto port = nodes.at("a").port();
    CHECK(!caf::openssl::remote_actor(sys, "127.0.0.1", port));
    works(nodes, children);
  }
}

TEST_CASE("nodes without TLS do not meet those with TLS",
          "[net_cluster_security]") {
  if (!certificates::have_tool()) {
    WARN("skipped: no command line tool openssl");
    return;
  }
  certificates files;
  files.make_ca("ours");
  cluster nodes;
  nodes.add_all({"a", "b"});
  ids children;
  works(nodes, children);
  auto args = stranger_args(nodes.at("a"));
  auto tls = files.make("stranger", "ours");
  args.insert(args.end(), tls.begin(), tls.end());
  CHECK(no_handshake(refused(nodes, args)));
  works(nodes, children);
}

TEST_CASE("nodes of another cluster or table are refused",
          "[net_cluster_security]") {
  cluster nodes;
  nodes.add_all({"a", "b"});
  ids children;
  works(nodes, children);
  auto args = stranger_args(nodes.at("a"));
  args.emplace_back("cluster=elsewhere");
  auto text = refused(nodes, args);
  CHECK(text.find("join_refused") != std::string::npos);
  CHECK(text.find("belongs to cluster 'elsewhere'") != std::string::npos);
  nodes.await_report("belongs to cluster 'elsewhere'", nodes.at("a").os().id());
  args = stranger_args(nodes.at("a"));
  args.emplace_back("table=another");
  text = refused(nodes, args);
  CHECK(text.find("join_refused") != std::string::npos);
  CHECK(text.find("has the table 'another'") != std::string::npos);
  nodes.await_report("has the table 'another'", nodes.at("a").os().id());
  works(nodes, children);
}

TEST_CASE("nodes that speak another protocol are refused",
          "[net_cluster_security]") {
  cluster nodes;
  nodes.add_all({"a", "b"});
  ids children;
  works(nodes, children);
  rogue stranger{nodes.at("a").port()};
  auto greeting = rogue::greeting(nodes);
  greeting.version = protocol_version + 1;
  stranger.frame(greeting.session, greeting);
  auto text = stranger.hear<refusal>().text;
  CHECK(text == "node 'rogue' speaks version 2 of the protocol, not 1");
  nodes.await_report(text, nodes.at("a").os().id());
  // No key either.
  greeting = rogue::greeting(nodes);
  greeting.self.key = 0;
  stranger.frame(greeting.session, greeting);
  CHECK(stranger.hear<refusal>().text == "node 'rogue' has no key of its own");
  works(nodes, children);
}

TEST_CASE("nonsense is reported and dropped", "[net_cluster_security]") {
  cluster nodes;
  nodes.add_all({"a", "b", "c"});
  ids children;
  works(nodes, children);
  auto& victim = nodes.at("a");
  auto process = victim.os().id();
  std::minstd_rand rng{Catch::rngSeed()};
  {
    rogue stranger{victim.port()};
    // Messages that no node sends.
    stranger.say(42);
    nodes.await_report("unexpected message", process);
    stranger.say(std::string{"hello"}, caf::put_atom_v);
    stranger.say(caf::make_error(caf::sec::runtime_error));
    stranger.say(caf::exit_msg{caf::actor_addr{}, caf::sec::runtime_error});
    // Frames that are none.
    stranger.say(director::net::frame_atom_v, uint64_t{1}, std::string{});
    nodes.await_report("malformed packet", process);
    for (auto i = 0; i < 500; ++i)
      stranger.say(director::net::frame_atom_v, uint64_t{rng()},
                   random_bytes(rng, rng() % 100));
    // Good ones, but out of place.
    offer work;
    move_request away;
    for (auto id : children) {
      work.items.push_back({id, 1'000'000});
      away.ids.emplace_back(id);
    }
    copy nothing;
    nothing.clock = 1'000'000;
    nothing.seen[4711] = 1'000;
    for (uint64_t session : {0, 1, 2, 3}) {
      stranger.frame(session, bye{});
      stranger.frame(session, work);
      stranger.frame(session, away);
      stranger.frame(session, nothing);
      stranger.frame(session, steps{1, {}});
      stranger.frame(session, heartbeat{});
      stranger.frame(session, copy_request{});
      stranger.frame(session, receipt{1'000'000});
      stranger.frame(session, refusal{"go away"});
    }
    nodes.await_report("go away", process);
    works(nodes, children);
  }
  SECTION("bytes that are no messages") {
    for (auto i = 0; i < 50; ++i)
      send_raw(victim.port(), random_bytes(rng, rng() % 200));
    works(nodes, children);
  }
  nodes.settle(children);
  for (auto& [id, x] : nodes.copy("a"))
    CHECK(x.restarts == 0);
}
