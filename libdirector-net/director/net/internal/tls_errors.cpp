#include "director/net/internal/tls_errors.hpp"

#include <caf/actor_system.hpp>
#include <caf/io/middleman.hpp>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <tuple>

namespace director::net::internal {

namespace {

/// Set in threads of a middleman. What other threads use OpenSSL for is not
/// touched.
thread_local bool is_middleman = false;

/// Called before and after each operation of a socket. An operation that fails
/// with an old error has asked its socket before.
long before_operation(BIO*, int what, const char*, size_t, int, long,
                      int result, size_t*) {
  if (is_middleman && (what == BIO_CB_READ || what == BIO_CB_WRITE))
    ERR_clear_error();
  return (what & BIO_CB_RETURN) != 0 ? result : 1;
}

/// Called for each object that OpenSSL reads from or writes to.
void watch(void* object, void*, CRYPTO_EX_DATA*, int, long, void*) {
  auto* bio = static_cast<BIO*>(object);
  if (BIO_method_type(bio) == BIO_TYPE_SOCKET)
    BIO_set_callback_ex(bio, before_operation);
}

} // namespace

void separate_tls_errors(caf::actor_system& sys) {
  // CAF leaves no other way to the objects it makes.
  static const auto once = CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_BIO, 0,
                                                   nullptr, watch, nullptr,
                                                   nullptr);
  std::ignore = once;
  sys.middleman().run_later([] { is_middleman = true; });
}

} // namespace director::net::internal
