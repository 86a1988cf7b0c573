// Forward declarations and type IDs of libdirector.

#pragma once

#include <caf/config.hpp>
#include <caf/fwd.hpp>
#include <caf/type_id.hpp>
#include <caf/typed_actor.hpp>

#include <cstdint>
#include <string_view>
#include <vector>

#if CAF_VERSION_MAJOR < 1
#  include <caf/string_view.hpp>
#endif

/// First type ID of the block that libdirector occupies (100 IDs, with the
/// companion libraries behind it). Set the CMake cache variable
/// `DIRECTOR_TYPE_ID_BASE` when it collides with your own types; every program
/// that talks to the same directors must agree on it.
#ifndef DIRECTOR_TYPE_ID_BASE
#  define DIRECTOR_TYPE_ID_BASE (caf::first_custom_type_id + 1000)
#endif

namespace director {

class catalog;
class child_id;
class client;
class list_table;
class plan_function;
class start_context;
class start_function;
class start_result;
class table;
class verdict;

struct callbacks;
struct child_counts;
struct child_handle;
struct child_info;
struct child_outcome;
struct child_record;
struct child_spec;
struct director_options;
struct exit_info;
struct hand_over_request;
struct init_result;
struct message_box;
struct module_list;
struct report;
struct spec_error;
struct started;
struct trace_counters;
struct trace_event;
struct trace_options;

class log_filter_function;

enum class child_status : uint8_t;
enum class child_type : uint8_t;
enum class errc : uint8_t;
enum class report_detail : uint8_t;
enum class report_kind : uint8_t;
enum class severity : uint8_t;
enum class stop_order : uint8_t;
enum class trace_kind : uint8_t;

namespace detail {

/// What CAF hands to `from_string`.
#if CAF_VERSION_MAJOR >= 1
using string_view = std::string_view;
#else
using string_view = caf::string_view;
#endif

struct down_event;
struct handover_event;
struct table_event;
struct takeover_event;
struct turn_event;

} // namespace detail
} // namespace director

CAF_BEGIN_TYPE_ID_BLOCK(director, DIRECTOR_TYPE_ID_BASE)

  // -- what an operation is called ------------------------------------------

  CAF_ADD_ATOM(director, director, start_child_atom)
  CAF_ADD_ATOM(director, director, start_children_atom)
  CAF_ADD_ATOM(director, director, restart_child_atom)
  CAF_ADD_ATOM(director, director, terminate_child_atom)
  CAF_ADD_ATOM(director, director, delete_child_atom)
  CAF_ADD_ATOM(director, director, terminate_and_delete_child_atom)
  CAF_ADD_ATOM(director, director, delete_running_child_atom)
  CAF_ADD_ATOM(director, director, become_supervisor_atom)
  CAF_ADD_ATOM(director, director, count_children_atom)
  CAF_ADD_ATOM(director, director, which_children_atom)
  CAF_ADD_ATOM(director, director, get_child_spec_atom)
  CAF_ADD_ATOM(director, director, get_actor_atom)
  CAF_ADD_ATOM(director, director, get_actors_atom)
  CAF_ADD_ATOM(director, director, get_plan_atom)
  CAF_ADD_ATOM(director, director, change_plan_atom)
  CAF_ADD_ATOM(director, director, get_restart_count_atom)
  CAF_ADD_ATOM(director, director, get_default_child_spec_atom)
  CAF_ADD_ATOM(director, director, change_default_child_spec_atom)
  CAF_ADD_ATOM(director, director, change_log_filter_atom)
  CAF_ADD_ATOM(director, director, get_name_atom)
  CAF_ADD_ATOM(director, director, stop_atom)

  // -- between a director and its children ----------------------------------

  CAF_ADD_ATOM(director, director, ready_atom)
  CAF_ADD_ATOM(director, director, new_parent_atom)

  // -- debugging a director ---------------------------------------------------

  CAF_ADD_ATOM(director, director, trace_atom)
  CAF_ADD_ATOM(director, director, get_trace_atom)
  CAF_ADD_ATOM(director, director, get_trace_counters_atom)
  CAF_ADD_ATOM(director, director, get_state_atom)
  CAF_ADD_ATOM(director, director, replace_state_atom)
  CAF_ADD_ATOM(director, director, suspend_atom)
  CAF_ADD_ATOM(director, director, resume_atom)
  CAF_ADD_ATOM(director, director, reload_atom)

  // -- values -----------------------------------------------------------------

  CAF_ADD_TYPE_ID(director, (director::child_counts))
  CAF_ADD_TYPE_ID(director, (director::child_handle))
  CAF_ADD_TYPE_ID(director, (director::child_id))
  CAF_ADD_TYPE_ID(director, (director::child_info))
  CAF_ADD_TYPE_ID(director, (director::child_outcome))
  CAF_ADD_TYPE_ID(director, (director::child_spec))
  CAF_ADD_TYPE_ID(director, (director::child_status))
  CAF_ADD_TYPE_ID(director, (director::child_type))
  CAF_ADD_TYPE_ID(director, (director::errc))
  CAF_ADD_TYPE_ID(director, (director::log_filter_function))
  CAF_ADD_TYPE_ID(director, (director::message_box))
  CAF_ADD_TYPE_ID(director, (director::module_list))
  CAF_ADD_TYPE_ID(director, (director::plan_function))
  CAF_ADD_TYPE_ID(director, (director::spec_error))
  CAF_ADD_TYPE_ID(director, (director::start_function))
  CAF_ADD_TYPE_ID(director, (director::started))
  CAF_ADD_TYPE_ID(director, (director::trace_counters))
  CAF_ADD_TYPE_ID(director, (director::trace_event))
  CAF_ADD_TYPE_ID(director, (director::trace_kind))
  CAF_ADD_TYPE_ID(director, (director::trace_options))
  CAF_ADD_TYPE_ID(director, (std::vector<director::child_handle>))
  CAF_ADD_TYPE_ID(director, (std::vector<director::child_info>))
  CAF_ADD_TYPE_ID(director, (std::vector<director::child_outcome>))
  CAF_ADD_TYPE_ID(director, (std::vector<director::child_spec>))
  CAF_ADD_TYPE_ID(director, (std::vector<director::trace_event>))

  // -- never leave the process ------------------------------------------------

  CAF_ADD_TYPE_ID(director, (director::detail::down_event))
  CAF_ADD_TYPE_ID(director, (director::detail::handover_event))
  CAF_ADD_TYPE_ID(director, (director::detail::table_event))
  CAF_ADD_TYPE_ID(director, (director::detail::takeover_event))
  CAF_ADD_TYPE_ID(director, (director::detail::turn_event))

CAF_END_TYPE_ID_BLOCK(director)

CAF_ERROR_CODE_ENUM(director::errc)
