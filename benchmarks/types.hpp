// Type IDs of the benchmarks.

#pragma once

#include <caf/type_id.hpp>

#include <cstdint>
#include <vector>

CAF_BEGIN_TYPE_ID_BLOCK(director_bench, caf::first_custom_type_id)

  CAF_ADD_ATOM(director_bench, bench, count_atom)
  CAF_ADD_ATOM(director_bench, bench, crash_atom)
  CAF_ADD_ATOM(director_bench, bench, down_atom)
  CAF_ADD_ATOM(director_bench, bench, lookup_atom)
  CAF_ADD_ATOM(director_bench, bench, next_atom)
  CAF_ADD_ATOM(director_bench, bench, start_atom)
  CAF_ADD_ATOM(director_bench, bench, stop_atom)

  CAF_ADD_TYPE_ID(director_bench, (std::vector<int64_t>))

CAF_END_TYPE_ID_BLOCK(director_bench)
