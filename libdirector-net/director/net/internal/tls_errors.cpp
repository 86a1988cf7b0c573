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

/// What this thread has used last, to be compared only.
thread_local const BIO* last_used = nullptr;

/// Called before and after whatever OpenSSL does with a socket. Before it says
/// that a connection has to wait, it has always tried to read or write.
long on_operation(BIO* bio, int what, const char*, size_t, int, long,
                  int result, size_t*) {
  if (is_middleman && (what == BIO_CB_READ || what == BIO_CB_WRITE)) {
    // A write to the socket used last may tell the peer what is wrong with what
    // was read: that error is yet to be returned.
    if (what == BIO_CB_READ || bio != last_used)
      ERR_clear_error();
    last_used = bio;
  }
  return (what & BIO_CB_RETURN) != 0 ? result : 1;
}

/// Called for each object that OpenSSL reads from or writes to.
void watch(void* object, void*, CRYPTO_EX_DATA*, int, long, void*) {
  auto* bio = static_cast<BIO*>(object);
  if (BIO_method_type(bio) == BIO_TYPE_SOCKET)
    BIO_set_callback_ex(bio, on_operation);
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
