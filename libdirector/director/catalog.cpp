#include "director/catalog.hpp"

#include <stdexcept>

namespace director {

namespace {

template <class Map, class Function>
void add(Map& names, const std::string& name, const Function& fn) {
  if (name.empty())
    throw std::invalid_argument{"catalog: a name is empty"};
  if (fn.callable() == nullptr)
    throw std::invalid_argument{"catalog: '" + name + "' is not a callable"};
  using callable_type = typename Function::callable_type;
  names[name] = std::make_shared<const callable_type>(*fn.callable());
}

} // namespace

catalog& catalog::add_start(const std::string& name, const start_function& fn) {
  add(starts_, name, fn);
  return *this;
}

catalog& catalog::add_plan(const std::string& name, const plan_function& fn) {
  add(plans_, name, fn);
  return *this;
}

catalog& catalog::add_log_filter(const std::string& name,
                                 const log_filter_function& fn) {
  add(filters_, name, fn);
  return *this;
}

} // namespace director
