// The results, for people and for programs.

#pragma once

#include "harness.hpp"

#include <vector>

namespace bench {

/// Prints what holds for all rows, and their headings.
void print_header(const options& opts);

/// Prints one row of the table.
void print_row(const row& x);

/// Writes all rows as JSON. Returns whether that worked.
bool write_json(const options& opts, const std::vector<row>& rows);

} // namespace bench
