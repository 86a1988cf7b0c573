// Ports for nodes that must know where others will listen.

#pragma once

#include "catch.hpp"

#include <cstdint>
#include <netinet/in.h>
#include <random>
#include <sys/socket.h>
#include <unistd.h>

/// Returns a port of the loopback that nobody listens at. It is none of those
/// that systems give to connections by default, so it can be had again later.
inline uint16_t free_port() {
  std::random_device any;
  std::uniform_int_distribution<uint16_t> ports{10'000, 32'000};
  for (int tries = 0; tries < 1000; ++tries) {
    auto port = ports(any);
    auto fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in addr{};
    addr.sin_family = AF_INET;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    addr.sin_port = htons(port);
    auto found = ::bind(fd, reinterpret_cast<sockaddr*>(&addr), sizeof(addr))
                 == 0;
    ::close(fd);
    if (found)
      return port;
  }
  FAIL("no free port");
  return 0;
}
