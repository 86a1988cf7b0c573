// Ports for nodes that must know where others will listen.

#pragma once

#include "catch.hpp"

#include <cstdint>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/// Returns a port of the loopback that nobody listens at.
inline uint16_t free_port() {
  auto fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in addr{};
  addr.sin_family = AF_INET;
  addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* ptr = reinterpret_cast<sockaddr*>(&addr);
  socklen_t size = sizeof(addr);
  REQUIRE(::bind(fd, ptr, size) == 0);
  REQUIRE(::getsockname(fd, ptr, &size) == 0);
  ::close(fd);
  return ntohs(addr.sin_port);
}
