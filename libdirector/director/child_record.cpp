#include "director/child_record.hpp"

#include "director/internal/text.hpp"

#include <fmt/format.h>

#include <array>

namespace director {

namespace {

constexpr std::array<std::string_view, 5> status_names
  = {"undefined", "running", "restarting", "terminating", "unresponsive"};

} // namespace

std::string to_string(child_status x) {
  auto index = static_cast<size_t>(x);
  return index < status_names.size() ? std::string{status_names[index]} : "???";
}

bool from_string(detail::string_view in, child_status& out) {
  for (uint8_t index = 0; index < status_names.size(); ++index)
    if (status_names[index] == std::string_view{in.data(), in.size()})
      return from_integer(index, out);
  return false;
}

bool from_integer(std::underlying_type_t<child_status> in, child_status& out) {
  out = static_cast<child_status>(in);
  return in < status_names.size();
}

std::string to_string(const child_record& x) {
  auto text = fmt::format(
    "id={} status={} actor={} type={} start={} plan={} restart_count={} "
    "incarnation={} args={} extra={} modules={} owner={}",
    to_string(x.id), to_string(x.status), internal::actor_text(x.handle),
    to_string(x.spec->type.value_or(child_type::worker)), x.spec->start.name(),
    x.spec->plan.name(), x.restart_count, x.incarnation,
    to_string(effective_spec(x).args), to_string(x.extra),
    to_string(x.spec->modules.value_or(module_list{})),
    internal::actor_text(x.owner));
  return internal::escaped(text);
}

child_spec effective_spec(const child_record& x) {
  auto result = *x.spec;
  result.id = x.id;
  result.args = concat_args(result.args, x.args);
  result.append = false;
  return result;
}

} // namespace director
