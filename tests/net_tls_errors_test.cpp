// What OpenSSL notes down of connections that fail.

#include "director/net/internal/tls_errors.hpp"
#include "net_nodes.hpp"

#include <array>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace net_nodes;

namespace {

using context_ptr = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;

/// Makes what two ends agree on without certificates.
context_ptr anonymous() {
  context_ptr result{SSL_CTX_new(TLS_method()), SSL_CTX_free};
  SSL_CTX_set_max_proto_version(result.get(), TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(result.get(), "AECDH-AES256-SHA:@SECLEVEL=0");
  return result;
}

/// A connection with both ends in this thread, which waits for neither.
class tls_pair {
public:
  explicit tls_pair(SSL_CTX* context)
    : near_(SSL_new(context)),
      far_(SSL_new(context)) {
    ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds_.data());
    SSL_set_fd(near_, fds_[0]);
    SSL_set_fd(far_, fds_[1]);
    SSL_set_accept_state(near_);
    SSL_set_connect_state(far_);
    for (int i = 0; i < 10; ++i) {
      SSL_do_handshake(far_);
      SSL_do_handshake(near_);
    }
  }

  tls_pair(const tls_pair&) = delete;

  ~tls_pair() {
    SSL_free(near_);
    SSL_free(far_);
    ::close(fds_[0]);
    ::close(fds_[1]);
  }

  bool established() const {
    return SSL_is_init_finished(near_) == 1 && SSL_is_init_finished(far_) == 1;
  }

  /// The near end comes to read what makes no sense.
  void spoil() {
    put(fds_[1]);
  }

  /// The far end does not read, until nothing more can be written to it.
  void fill() {
    while (put(fds_[0]))
      ;
  }

  /// Returns what OpenSSL says of the near end.
  int read() {
    char buf[1];
    return SSL_get_error(near_, SSL_read(near_, buf, 1));
  }

  /// @copydoc read
  int write() {
    return SSL_get_error(near_, SSL_write(near_, "x", 1));
  }

private:
  static bool put(int fd) {
    static constexpr char garbage[64] = "no TLS record begins like this";
    return ::send(fd, garbage, sizeof(garbage), MSG_NOSIGNAL) > 0;
  }

  std::array<int, 2> fds_{-1, -1};
  SSL* near_;
  SSL* far_;
};

/// Returns what `fn` says in the thread that owns CAF's connections.
template <class F>
auto in_middleman(F fn) {
  config cfg;
  caf::actor_system sys{cfg};
  separate_tls_errors(sys);
  auto done = std::make_shared<std::promise<decltype(fn())>>();
  sys.middleman().run_later([done, fn] { done->set_value(fn()); });
  return get(done->get_future());
}

} // namespace

TEST_CASE("errors of one TLS connection are not those of another",
          "[net_transport]") {
  auto answers = in_middleman([] {
    auto context = anonymous();
    tls_pair first{context.get()};
    tls_pair second{context.get()};
    tls_pair quiet{context.get()};
    std::vector<int> result{first.established(), second.established(),
                            quiet.established()};
    first.spoil();
    result.push_back(first.read());
    result.push_back(quiet.read());
    second.spoil();
    result.push_back(second.read());
    quiet.fill();
    result.push_back(quiet.write());
    return result;
  });
  CHECK(answers
        == std::vector<int>{1, 1, 1, SSL_ERROR_SSL, SSL_ERROR_WANT_READ,
                            SSL_ERROR_SSL, SSL_ERROR_WANT_WRITE});
}

TEST_CASE("a TLS connection that cannot tell its peer of an error has it still",
          "[net_transport]") {
  auto answers = in_middleman([] {
    auto context = anonymous();
    tls_pair stuck{context.get()};
    std::vector<int> result{stuck.established()};
    stuck.fill();
    stuck.spoil();
    result.push_back(stuck.read());
    return result;
  });
  CHECK(answers == std::vector<int>{1, SSL_ERROR_SSL});
}
