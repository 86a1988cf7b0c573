#include "director/net/internal/remote_handles.hpp"

#include "director/internal/compat.hpp"

#include <caf/actor_cast.hpp>
#include <caf/actor_registry.hpp>
#include <caf/actor_system.hpp>
#include <caf/proxy_registry.hpp>
#include <caf/sec.hpp>

#include <exception>

namespace director::net::internal {

namespace {

namespace compat = director::internal::compat;

/// CAF remembers for each thread which node the last message came from, and
/// takes it for a way to the node of each handle made there. It never forgets
/// it, so that a thread that serves others would read what is not its own.
caf::proxy_registry* without_last_hop(caf::proxy_registry* proxies) {
  if (proxies != nullptr)
    proxies->set_last_hop(nullptr);
  return proxies;
}

} // namespace

remote_handles::remote_handles(caf::actor_system& sys)
  : sys_(&sys),
    basp_(sys) {
  // nop
}

caf::actor remote_handles::get(const caf::node_id& node,
                               caf::actor_id id) const {
  if (node == sys_->node())
    return sys_->registry().get<caf::actor>(id);
  if (!node || id == caf::invalid_actor_id)
    return {};
  auto broker = basp_.broker();
  auto* registry = without_last_hop(basp::proxies(broker));
  if (registry == nullptr)
    return {};
  return caf::actor_cast<caf::actor>(registry->get_or_put(node, id));
}

void publish_handle(caf::actor_system& sys, const caf::actor& hdl) {
  if (hdl && hdl.node() == sys.node())
    sys.registry().put(hdl.id(), caf::actor_cast<caf::strong_actor_ptr>(hdl));
}

caf::error decode_with(caf::actor_system& sys, const remote_handles& handles,
                       std::span<const std::byte> bytes, decode_fn& fn) {
  auto broker = handles.connections().broker();
  compat::decoder decoder{sys, without_last_hop(basp::proxies(broker)),
                          bytes.data(), bytes.size()};
  auto& source = decoder.source();
  try {
    if (fn(source))
      return source.remaining() == 0
               ? caf::error{}
               : caf::make_error(caf::sec::runtime_error, "bytes left");
  } catch (const std::exception& ex) {
    return caf::make_error(caf::sec::runtime_error, ex.what());
  } catch (...) {
    return caf::make_error(caf::sec::runtime_error, "unknown exception");
  }
  if (auto err = source.get_error())
    return err;
  return caf::make_error(caf::sec::runtime_error, "malformed bytes");
}

caf::error encode_with(caf::actor_system& sys, caf::byte_buffer& out,
                       encode_fn& fn) {
  auto size = out.size();
  caf::error result;
  try {
    caf::binary_serializer sink{sys, out};
    if (fn(sink))
      return {};
    result = sink.get_error();
    if (!result)
      result = caf::make_error(caf::sec::runtime_error);
  } catch (const std::exception& ex) {
    result = caf::make_error(caf::sec::runtime_error, ex.what());
  } catch (...) {
    result = caf::make_error(caf::sec::runtime_error, "unknown exception");
  }
  out.resize(size);
  return result;
}

} // namespace director::net::internal
