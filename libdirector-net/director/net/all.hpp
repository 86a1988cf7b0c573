// Everything.

#pragma once

#include "director/ets/all.hpp"
#include "director/net/tls.hpp"
