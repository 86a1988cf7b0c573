#include "director/net/internal/probe.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <memory>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace director::net::internal {

namespace {

using clock_type = std::chrono::steady_clock;

/// Closes a socket.
struct socket_guard {
  int fd;

  ~socket_guard() {
    if (fd >= 0)
      ::close(fd);
  }
};

/// Waits until `fd` is connected and returns 0 or what has gone wrong.
int await_connected(int fd, clock_type::time_point deadline) {
  using std::chrono::ceil;
  using std::chrono::milliseconds;
  for (;;) {
    auto left = ceil<milliseconds>(deadline - clock_type::now()).count();
    pollfd entry{fd, POLLOUT, 0};
    auto ms = std::clamp<milliseconds::rep>(left, 0, INT_MAX);
    auto events = ::poll(&entry, 1, static_cast<int>(ms));
    if (events == 0)
      return ETIMEDOUT;
    if (events < 0 && errno == EINTR)
      continue;
    if (events < 0)
      return errno;
    auto code = 0;
    socklen_t size = sizeof(code);
    if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size) != 0)
      return errno;
    return code;
  }
}

int try_connect(const addrinfo& to, clock_type::time_point deadline) {
  auto type = to.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC;
  socket_guard guard{::socket(to.ai_family, type, to.ai_protocol)};
  if (guard.fd < 0)
    return errno;
  if (::connect(guard.fd, to.ai_addr, to.ai_addrlen) == 0)
    return 0;
  // After a signal the connection goes on being made.
  if (errno != EINPROGRESS && errno != EINTR)
    return errno;
  return await_connected(guard.fd, deadline);
}

std::string to_number(const addrinfo& x) {
  char buf[NI_MAXHOST];
  if (::getnameinfo(x.ai_addr, x.ai_addrlen, buf, sizeof(buf), nullptr, 0,
                    NI_NUMERICHOST)
      != 0)
    return {};
  return buf;
}

} // namespace

probe_result probe(const addrinfo* list, caf::timespan timeout,
                   std::string* address) {
  auto start = clock_type::now();
  auto deadline = timeout < clock_type::time_point::max() - start
                    ? start + timeout
                    : clock_type::time_point::max();
  // One address that says nothing may be the one where somebody listens.
  auto all_refused = list != nullptr;
  for (auto* x = list; x != nullptr; x = x->ai_next) {
    auto code = try_connect(*x, deadline);
    if (code == 0) {
      if (address != nullptr)
        *address = to_number(*x);
      return probe_result::open;
    }
    all_refused = all_refused && (code == ECONNREFUSED || code == ECONNRESET);
  }
  return all_refused ? probe_result::refused : probe_result::silent;
}

probe_result probe(const std::string& host, uint16_t port,
                   caf::timespan timeout, std::string* address) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found)
      != 0)
    return probe_result::silent;
  std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> guard{found,
                                                             ::freeaddrinfo};
  return probe(found, timeout, address);
}

} // namespace director::net::internal
