#include "director/child_spec.hpp"

#include "director/catalog.hpp"
#include "director/defaults.hpp"

#include <caf/message_builder.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace director {

namespace {

std::string duration_complaint(const std::optional<caf::timespan>& x) {
  return x && *x < caf::timespan{0} ? "the duration is negative"
                                    : std::string{};
}

module_list joined(const module_list& xs, const module_list& ys) {
  if (!xs.names || !ys.names)
    return module_list::dynamic();
  auto names = *xs.names;
  names.insert(names.end(), ys.names->begin(), ys.names->end());
  return names;
}

// Tells whether a default child spec has nothing to say about modules, as is
// the case when it was made by `default_child_spec`.
bool adds_none(const std::optional<module_list>& x) {
  return !x || (x->names && x->names->empty());
}

caf::timespan sum(caf::timespan x, caf::timespan y) {
  return x > caf::infinite - y ? caf::timespan{caf::infinite} : x + y;
}

// Checks everything but `id` and `start`, which not every spec must have.
caf::error check_fields(const child_spec& spec, const catalog& names) {
  auto code = errc::invalid_child_spec;
  auto fail = [&](const char* field, std::string text) {
    return make_spec_error(code, field, spec.id, std::move(text));
  };
  if (!spec.start.empty())
    if (auto text = names.complaint(spec.start); !text.empty())
      return fail("start", std::move(text));
  if (!spec.plan.empty())
    if (auto text = spec.plan.complaint(names); !text.empty())
      return fail("plan", std::move(text));
  if (!spec.log_filter.empty())
    if (auto text = names.complaint(spec.log_filter); !text.empty())
      return fail("log_filter", std::move(text));
  if (spec.type && *spec.type > child_type::supervisor)
    return fail("type", "neither worker nor supervisor");
  if (auto text = duration_complaint(spec.terminate_timeout); !text.empty())
    return fail("terminate_timeout", std::move(text));
  if (auto text = duration_complaint(spec.start_timeout); !text.empty())
    return fail("start_timeout", std::move(text));
  return {};
}

} // namespace

std::string to_string(child_type x) {
  return x == child_type::worker ? "worker" : "supervisor";
}

bool from_string(detail::string_view in, child_type& out) {
  for (auto type : {child_type::worker, child_type::supervisor}) {
    if (to_string(type) == std::string{in.begin(), in.end()}) {
      out = type;
      return true;
    }
  }
  return false;
}

bool from_integer(std::underlying_type_t<child_type> in, child_type& out) {
  out = static_cast<child_type>(in);
  return out <= child_type::supervisor;
}

std::string to_string(const module_list& x) {
  return x.names ? fmt::format("[{}]", fmt::join(*x.names, ", ")) : "dynamic";
}

child_spec default_child_spec() {
  return with_defaults({});
}

plan_function default_plan() {
  return plans::standard();
}

caf::error check_child_spec(const child_spec& spec, const catalog& names,
                            const child_spec* default_spec) {
  if (spec.id.empty())
    return make_spec_error(errc::invalid_child_spec, "id", spec.id,
                           "the ID is empty");
  if (spec.start.empty()
      && (!spec.append || default_spec == nullptr
          || default_spec->start.empty()))
    return make_spec_error(errc::invalid_child_spec, "start", spec.id,
                           spec.append
                             ? "neither the spec nor the default child spec "
                               "has a start function"
                             : "there is no start function");
  return check_fields(spec, names);
}

caf::error check_child_spec(const child_spec& spec) {
  // A default child spec, if needed, is up to the director.
  if (spec.append && spec.start.empty() && !spec.id.empty())
    return check_fields(spec, {});
  return check_child_spec(spec, {});
}

child_spec combine(const child_spec& own, const child_spec& defaults) {
  auto either = [](const auto& x, const auto& y) { return x ? x : y; };
  auto result = own;
  result.append = true;
  result.args = concat_args(defaults.args, own.args);
  if (own.start.empty())
    result.start = defaults.start;
  if (own.plan.empty())
    result.plan = defaults.plan;
  if (own.log_filter.empty())
    result.log_filter = defaults.log_filter;
  if (own.state.empty())
    result.state = defaults.state;
  result.type = either(own.type, defaults.type);
  result.delete_before_terminate = either(own.delete_before_terminate,
                                          defaults.delete_before_terminate);
  result.await_ready = either(own.await_ready, defaults.await_ready);
  result.start_timeout = either(own.start_timeout, defaults.start_timeout);
  result.terminate_timeout = either(own.terminate_timeout,
                                    defaults.terminate_timeout);
  if (own.terminate_timeout && defaults.terminate_timeout)
    result.terminate_timeout = sum(*own.terminate_timeout,
                                   *defaults.terminate_timeout);
  if (own.modules && defaults.modules)
    result.modules = joined(*defaults.modules, *own.modules);
  else if (!own.modules && !adds_none(defaults.modules))
    result.modules = defaults.modules;
  return with_defaults(std::move(result));
}

caf::message concat_args(const caf::message& first,
                         const caf::message& second) {
  if (first.empty())
    return second;
  if (second.empty())
    return first;
  caf::message_builder builder;
  builder.append_from(first, 0, first.size());
  builder.append_from(second, 0, second.size());
  return builder.move_to_message();
}

child_spec with_defaults(child_spec spec) {
  if (spec.plan.empty())
    spec.plan = default_plan();
  if (!spec.type)
    spec.type = child_type::worker;
  if (!spec.terminate_timeout)
    spec.terminate_timeout = *spec.type == child_type::worker
                               ? defaults::worker_terminate_timeout
                               : defaults::supervisor_terminate_timeout;
  if (!spec.modules)
    spec.modules = spec.start.empty() ? std::vector<std::string>{}
                                      : std::vector{spec.start.name()};
  if (!spec.delete_before_terminate)
    spec.delete_before_terminate = true;
  if (!spec.await_ready)
    spec.await_ready = false;
  if (!spec.start_timeout)
    spec.start_timeout = defaults::start_timeout;
  return spec;
}

} // namespace director
