// Finding out whether somebody listens, before CAF connects.

#pragma once

#include <caf/timespan.hpp>

#include <cstdint>
#include <string>

struct addrinfo;

namespace director::net::internal {

/// What a probe has found.
enum class probe_result {
  /// A connection came about.
  open,
  /// The host is there, but nobody listens at the port, whichever of its
  /// addresses was tried.
  refused,
  /// No answer, no way to the host, or no such host.
  silent,
};

/// Opens a TCP connection and closes it at once. CAF's middleman would wait
/// minutes for a host that does not answer, and all other connections with it.
/// Tries the addresses of `host` one after the other; the time limit is for all
/// of them, but not for the lookup of a name.
/// @param address Receives the address that was open, as number, if not null.
///
/// Blocks the caller. Safe to call from any thread.
probe_result probe(const std::string& host, uint16_t port,
                   caf::timespan timeout, std::string* address = nullptr);

/// As above, for a list of addresses instead of a name.
probe_result probe(const addrinfo* list, caf::timespan timeout,
                   std::string* address = nullptr);

} // namespace director::net::internal
