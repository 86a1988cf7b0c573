// Everything.

#pragma once

#include "director/callbacks.hpp"
#include "director/catalog.hpp"
#include "director/child_id.hpp"
#include "director/child_record.hpp"
#include "director/child_spec.hpp"
#include "director/client.hpp"
#include "director/defaults.hpp"
#include "director/director.hpp"
#include "director/errc.hpp"
#include "director/fwd.hpp"
#include "director/list_table.hpp"
#include "director/messages.hpp"
#include "director/options.hpp"
#include "director/plan.hpp"
#include "director/report.hpp"
#include "director/start.hpp"
#include "director/sys.hpp"
#include "director/table.hpp"
#include "director/tree.hpp"
