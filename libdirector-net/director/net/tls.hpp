// Encrypted connections between nodes that know each other.

#pragma once

#include <caf/error.hpp>
#include <caf/fwd.hpp>

#include <string>

namespace director::net {

/// Paths of PEM files. The key must not be protected by a passphrase.
struct tls_options {
  /// The certificate of this node, followed by those between it and the CA.
  std::string certificate;

  /// The private key of this node.
  std::string key;

  /// The certificates of the CAs that vouch for other nodes.
  std::string ca;
};

/// Prepares `cfg` for connections with TLS: loads CAF's middleman and its
/// OpenSSL module and sets the files. Call it before the actor system is made,
/// and do not load the two modules besides. Both sides of a connection then
/// present a certificate and accept only one signed by a CA of theirs; CAF does
/// not compare it with the name of the host.
/// @returns `caf::sec::cannot_open_file` if one of the files cannot be read;
///          `cfg` stays as it was. What the files contain is not checked: CAF
///          refuses to connect with files it cannot use.
caf::error load_tls(caf::actor_system_config& cfg, const tls_options& options);

/// Tells whether connections with TLS can be made: the OpenSSL module is there
/// and has a certificate to show. Safe to call from any thread.
bool tls_loaded(const caf::actor_system& sys);

} // namespace director::net
