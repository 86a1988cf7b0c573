// Handles of actors at other nodes, made from their IDs.

#pragma once

#include "director/net/internal/basp.hpp"

#include <caf/actor.hpp>
#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/byte_buffer.hpp>
#include <caf/callback.hpp>
#include <caf/error.hpp>
#include <caf/fwd.hpp>
#include <caf/node_id.hpp>

#include <cstddef>
#include <span>

namespace director::net::internal {

/// Makes handles of actors from the ID of their node and their own. All members
/// are safe to call from any thread, except while CAF decodes a message from
/// another node, and not any more when the actor system is being destroyed.
class remote_handles {
public:
  /// @pre `sys.has_middleman()`
  explicit remote_handles(caf::actor_system& sys);

  /// Returns a handle for an actor. One at another node needs not exist, nor
  /// must the node be connected: then the handle ends with an error soon. Who
  /// sends a request to a handle that has ended, or is waiting for a response
  /// when it ends, hears nothing from CAF: monitor it, or set a time limit.
  ///
  /// CAF keeps what is behind the handle until the actor or the connection
  /// ends, also if nobody uses it any more.
  /// @returns an empty handle if the middleman has stopped, if one of the IDs
  ///          is invalid, or if it is an actor of this node that has not been
  ///          passed to `publish_handle` or has ended.
  caf::actor get(const caf::node_id& node, caf::actor_id id) const;

  const basp& connections() const noexcept {
    return basp_;
  }

private:
  caf::actor_system* sys_;
  basp basp_;
};

/// Makes `remote_handles::get` of other nodes work for an actor of this node. A
/// handle that is part of a message needs no such thing: CAF does the same when
/// it writes one. Lasts until the actor ends. Safe to call from any thread.
void publish_handle(caf::actor_system& sys, const caf::actor& hdl);

/// What decodes bytes or encodes values.
using decode_fn = caf::callback<bool(caf::binary_deserializer&)>;
using encode_fn = caf::callback<bool(caf::binary_serializer&)>;

/// See `with_decoder`.
caf::error decode_with(caf::actor_system& sys, const remote_handles& handles,
                       std::span<const std::byte> bytes, decode_fn& fn);

/// See `with_encoder`.
caf::error encode_with(caf::actor_system& sys, caf::byte_buffer& out,
                       encode_fn& fn);

/// Calls `fn` with a deserializer for `bytes` that can read handles of actors,
/// on any thread. `fn` returns whether all went well.
/// @returns the error of the deserializer, or an error if `fn` has returned
///          false, has thrown, or has left bytes over.
template <class F>
caf::error with_decoder(caf::actor_system& sys, const remote_handles& handles,
                        std::span<const std::byte> bytes, F fn) {
  auto callback = caf::make_callback(
    [&fn](caf::binary_deserializer& source) -> bool { return fn(source); });
  return decode_with(sys, handles, bytes, callback);
}

/// Calls `fn` with a serializer that appends to `out`. `fn` returns whether all
/// went well. Works on any thread.
/// @returns the error of the serializer, or an error if `fn` has returned false
///          or has thrown; then `out` is as it was.
template <class F>
caf::error with_encoder(caf::actor_system& sys, caf::byte_buffer& out, F fn) {
  auto callback = caf::make_callback(
    [&fn](caf::binary_serializer& sink) -> bool { return fn(sink); });
  return encode_with(sys, out, callback);
}

/// Appends `xs` to `out`. See `with_encoder`.
template <class... Ts>
caf::error
encode(caf::actor_system& sys, caf::byte_buffer& out, const Ts&... xs) {
  return with_encoder(sys, out, [&](caf::binary_serializer& sink) {
    return (sink.apply(xs) && ...);
  });
}

/// Reads `xs` from `bytes`, which must contain nothing else. See
/// `with_decoder`.
template <class... Ts>
caf::error decode(caf::actor_system& sys, const remote_handles& handles,
                  std::span<const std::byte> bytes, Ts&... xs) {
  return with_decoder(sys, handles, bytes,
                      [&](caf::binary_deserializer& source) {
                        return (source.apply(xs) && ...);
                      });
}

} // namespace director::net::internal
