// What OpenSSL notes down of connections that fail.

#pragma once

#include <caf/fwd.hpp>

namespace director::net::internal {

/// Keeps what goes wrong with one TLS connection of the middleman of `sys` from
/// the others. OpenSSL notes down errors by thread, and takes what it finds
/// there for an error of the operation it is asked about. CAF before 1.0 clears
/// these notes only if it logs them: after a handshake that has failed, or,
/// with OpenSSL 3, the end of a process on the other side, it would close each
/// connection that has nothing to read.
///
/// Only for connections that are made from then on. Stays in place until the
/// process ends. Safe to call from any thread, and more than once.
void separate_tls_errors(caf::actor_system& sys);

} // namespace director::net::internal
