// Everything.

#pragma once

#include "director/ets/all.hpp"
#include "director/net/placement.hpp"
#include "director/net/table.hpp"
#include "director/net/tls.hpp"
