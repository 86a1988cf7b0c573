#include "director/errc.hpp"

#include <array>
#include <utility>

namespace director {

namespace {

constexpr std::array<std::string_view, 31> names = {
  "none",
  "invalid_child_spec",
  "already_started",
  "already_present",
  "start_failed",
  "start_timeout",
  "not_found",
  "running",
  "restarting",
  "undefined",
  "not_parent",
  "unresponsive",
  "actor_not_alive",
  "not_local",
  "invalid_plan",
  "invalid_log_filter",
  "stopping",
  "unknown_request",
  "plan_failed",
  "callback_failed",
  "declined",
  "name_taken",
  "undone",
  "table_failed",
  "table_closed",
  "too_slow",
  "no_quorum",
  "lost_to_peer",
  "claim_timeout",
  "join_refused",
  "unreadable",
};

static_assert(names.size() == static_cast<size_t>(errc::unreadable) + 1);

template <class T>
const T* context_of(const caf::error& err) {
  if (err
      && err.category()
           == caf::type_id_v<errc> && err.context().match_elements<T>())
    return &err.context().get_as<T>(0);
  return nullptr;
}

} // namespace

std::string to_string(errc x) {
  auto index = static_cast<size_t>(x);
  return index < names.size() ? std::string{names[index]} : "???";
}

bool from_string(detail::string_view in, errc& out) {
  for (size_t index = 0; index < names.size(); ++index)
    if (names[index] == std::string_view{in.data(), in.size()})
      return from_integer(static_cast<uint8_t>(index), out);
  return false;
}

bool from_integer(std::underlying_type_t<errc> in, errc& out) {
  if (in >= names.size())
    return false;
  out = static_cast<errc>(in);
  return true;
}

caf::error make_spec_error(errc code, std::string field, child_id id,
                           std::string text) {
  return caf::make_error(code, spec_error{std::move(field), std::move(id),
                                          std::move(text)});
}

caf::error make_nested_error(errc code, caf::error cause) {
  return caf::make_error(code, std::move(cause));
}

const spec_error* get_spec_error(const caf::error& err) {
  return context_of<spec_error>(err);
}

caf::error cause_of(const caf::error& err) {
  auto* cause = context_of<caf::error>(err);
  return cause != nullptr ? *cause : err;
}

caf::actor handle_of(const caf::error& err) {
  auto* handle = context_of<caf::actor>(err);
  return handle != nullptr ? *handle : caf::actor{};
}

bool is_table_failure(const caf::error& err) {
  return err == errc::table_failed || err == errc::table_closed;
}

} // namespace director
