// Forward declarations and type IDs of libdirector-ets.

#pragma once

#include "director/fwd.hpp"

namespace director::ets {

class table;

struct change;
struct change_filter;
struct subscription_end;
struct table_options;

enum class change_kind : uint8_t;

namespace detail {

struct client_gone_event;
struct close_event;
struct feed_event;
struct orphans_event;
struct orphan_gone_event;
struct turn_event;

} // namespace detail
} // namespace director::ets

CAF_BEGIN_TYPE_ID_BLOCK(director_ets, DIRECTOR_TYPE_ID_BASE + 100)

  CAF_ADD_ATOM(director_ets, director::ets, subscribe_atom)
  CAF_ADD_ATOM(director_ets, director::ets, unsubscribe_atom)

  CAF_ADD_TYPE_ID(director_ets, (director::ets::change))
  CAF_ADD_TYPE_ID(director_ets, (director::ets::change_filter))
  CAF_ADD_TYPE_ID(director_ets, (director::ets::change_kind))
  CAF_ADD_TYPE_ID(director_ets, (director::ets::subscription_end))
  CAF_ADD_TYPE_ID(director_ets, (std::vector<director::ets::change>))

  // -- never leave the process ------------------------------------------------

  CAF_ADD_TYPE_ID(director_ets, (director::ets::detail::client_gone_event))
  CAF_ADD_TYPE_ID(director_ets, (director::ets::detail::close_event))
  CAF_ADD_TYPE_ID(director_ets, (director::ets::detail::feed_event))
  CAF_ADD_TYPE_ID(director_ets, (director::ets::detail::orphan_gone_event))
  CAF_ADD_TYPE_ID(director_ets, (director::ets::detail::orphans_event))
  CAF_ADD_TYPE_ID(director_ets, (director::ets::detail::turn_event))

CAF_END_TYPE_ID_BLOCK(director_ets)
