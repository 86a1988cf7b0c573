// Forward declarations and type IDs of libdirector-net.

#pragma once

#include "director/ets/fwd.hpp"

namespace director::net {

class table;

struct address;
struct contact;
struct node_info;
struct options;

enum class node_state : uint8_t;
enum class partition_mode : uint8_t;

namespace detail {

struct claim_event;
struct decline_event;
struct ended_event;
struct leave_event;
struct link_event;
struct news_event;
struct rebalance_event;
struct stop_event;

} // namespace detail
} // namespace director::net

CAF_BEGIN_TYPE_ID_BLOCK(director_net, DIRECTOR_TYPE_ID_BASE + 150)

  /// From node to node: session and encoded packet.
  CAF_ADD_ATOM(director_net, director::net, frame_atom)

  // -- never leave the process ------------------------------------------------

  CAF_ADD_TYPE_ID(director_net, (director::net::detail::claim_event))
  CAF_ADD_TYPE_ID(director_net, (director::net::detail::decline_event))
  CAF_ADD_TYPE_ID(director_net, (director::net::detail::ended_event))
  CAF_ADD_TYPE_ID(director_net, (director::net::detail::leave_event))
  CAF_ADD_TYPE_ID(director_net, (director::net::detail::link_event))
  CAF_ADD_TYPE_ID(director_net, (director::net::detail::news_event))
  CAF_ADD_TYPE_ID(director_net, (director::net::detail::rebalance_event))
  CAF_ADD_TYPE_ID(director_net, (director::net::detail::stop_event))

CAF_END_TYPE_ID_BLOCK(director_net)
