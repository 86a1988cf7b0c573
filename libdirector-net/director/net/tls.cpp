#include "director/net/tls.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/io/middleman.hpp>
#include <caf/openssl/manager.hpp>
#include <caf/sec.hpp>

#include <fstream>

namespace director::net {

caf::error load_tls(caf::actor_system_config& cfg, const tls_options& options) {
  for (const auto* path : {&options.certificate, &options.key, &options.ca}) {
    // A folder can be opened, but not read.
    std::ifstream file{*path};
    if (file.peek() == std::ifstream::traits_type::eof())
      return caf::make_error(caf::sec::cannot_open_file, *path);
  }
  cfg.load<caf::io::middleman>();
  cfg.load<caf::openssl::manager>();
  cfg.set("caf.openssl.certificate", options.certificate);
  cfg.set("caf.openssl.key", options.key);
  cfg.set("caf.openssl.cafile", options.ca);
  return {};
}

bool tls_loaded(const caf::actor_system& sys) {
  return sys.has_openssl_manager()
         && sys.openssl_manager().authentication_enabled();
}

} // namespace director::net
