// The results, for people and for programs.

#pragma once

#include "metric.hpp"
#include "options.hpp"

#include <string_view>
#include <vector>

namespace bench {

/// Prints what holds for all rows.
void print_header(const options& opts);

/// Prints a title and the headings of a table.
void print_headings(const options& opts, std::string_view title);

/// Prints one row of the table.
void print_row(const options& opts, const row& x);

/// Writes all rows as JSON. Returns whether that worked.
bool write_json(const options& opts, const std::vector<row>& rows);

} // namespace bench
