#include "director/net/internal/basp.hpp"

#include "director/internal/compat.hpp"

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>
#include <caf/io/basp_broker.hpp>
#include <caf/io/middleman.hpp>
#include <caf/scoped_actor.hpp>

#include <utility>
#include <vector>

namespace director::net::internal {

namespace compat = director::internal::compat;

namespace {

using caf::io::basp_broker;

/// Returns null if the broker is gone or has stopped: then the greater part of
/// it is gone.
basp_broker* running(const caf::actor& broker) {
  if (!broker)
    return nullptr;
  auto* base = caf::actor_cast<caf::abstract_actor*>(broker);
  auto* result = static_cast<basp_broker*>(base);
  return result->getf(caf::abstract_actor::is_terminated_flag) ? nullptr
                                                               : result;
}

void close_all(basp_broker& broker,
               const std::vector<caf::io::connection_handle>& handles,
               caf::sec reason) {
  for (auto hdl : handles) {
    broker.connection_cleanup(hdl, reason);
    broker.close(hdl);
  }
}

} // namespace

basp::basp(caf::actor_system& sys)
  : sys_(&sys),
    broker_(
      sys.middleman().named_broker<caf::io::basp_broker>("BASP").address()) {
  // nop
}

caf::actor basp::broker() const {
  return caf::actor_cast<caf::actor>(broker_);
}

caf::proxy_registry* basp::proxies(const caf::actor& broker) {
  auto* ptr = running(broker);
  return ptr != nullptr ? &ptr->proxies() : nullptr;
}

template <class F>
void basp::run_in_broker(F fn) const {
  sys_->middleman().run_later([self = *this, fn = std::move(fn)] {
    auto handle = self.broker();
    if (auto* ptr = running(handle))
      fn(*ptr);
  });
}

void basp::disconnect(const caf::node_id& node) const {
  run_in_broker([node](basp_broker& broker) {
    auto& table = broker.instance.tbl();
    std::vector<caf::io::connection_handle> doomed;
    if (auto hdl = table.lookup_direct(node))
      doomed.push_back(*hdl);
    for (auto& [hdl, context] : broker.ctx)
      if (!context.callback && context.cstate == caf::io::basp::await_header
          && !table.lookup_direct(hdl))
        doomed.push_back(hdl);
    close_all(broker, doomed, caf::sec::none);
  });
}

void basp::repair() const {
  run_in_broker([](basp_broker& broker) {
    auto& table = broker.instance.tbl();
    // The table cannot be walked, but here are all nodes that ever were in it.
    for (auto& [node, ignored] : broker.spawn_servers) {
      auto hdl = table.lookup_direct(node);
      if (!hdl || table.lookup_direct(*hdl) == node)
        continue;
      // Away with the one that the connection belongs to, then with this one.
      broker.connection_cleanup(*hdl, caf::sec::none);
      table.add_direct(*hdl, node);
      close_all(broker, {*hdl}, caf::sec::none);
    }
  });
}

void basp::abort_handshakes(std::string address, uint16_t port) const {
  run_in_broker([address = std::move(address), port](basp_broker& broker) {
    std::vector<caf::io::connection_handle> doomed;
    for (auto& [hdl, context] : broker.ctx)
      if (context.callback && context.remote_port == port
          && broker.remote_addr(hdl) == address)
        doomed.push_back(hdl);
    close_all(broker, doomed, caf::sec::connection_timeout);
  });
}

void basp::on_stop(std::function<void()> fn) const {
  if (auto handle = broker())
    handle->attach_functor(std::move(fn));
  else
    fn();
}

bool basp::ping(const caf::node_id& node, caf::timespan timeout) const {
  auto handle = broker();
  if (!running(handle))
    return false;
  auto result = false;
  caf::scoped_actor self{*sys_};
  uint64_t receiver = caf::io::basp::header::config_server_id;
  compat::request_receive(
    self, handle, timeout,
    [&](const std::string&, const caf::message&) { result = true; },
    [](const caf::error&) {}, caf::forward_atom_v, node, receiver,
    caf::make_message(caf::get_atom_v, std::string{"director"}));
  return result;
}

} // namespace director::net::internal
