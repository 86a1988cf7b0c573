// Everything.

#pragma once

#include "director/all.hpp"
#include "director/ets/change.hpp"
#include "director/ets/fwd.hpp"
#include "director/ets/table.hpp"
