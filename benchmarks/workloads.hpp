// The workloads. Each returns the values of its metrics, in order.

#pragma once

#include "harness.hpp"

namespace bench {

/// One request that starts all children; time until it was answered and all
/// children were up.
std::vector<double> run_start(harness& env, const contender& who);

/// One actor that requests one child after the other, without waiting.
std::vector<double> run_start_pipelined(harness& env, const contender& who);

/// The same from several actors that share the work.
std::vector<double> run_start_concurrent(harness& env, const contender& who);

/// All children crash at once; time until all replacements were up.
std::vector<double> run_storm(harness& env, const contender& who);

/// Single crashes; time from the crash message to the replacement being up.
/// Returns the percentiles 50 and 99.
std::vector<double> run_latency(harness& env, const contender& who);

/// Requests for the handle of a random child.
std::vector<double> run_read(harness& env, const contender& who);

/// Lookups in the table itself, by one thread and by two: the time per read,
/// twice, and how many times as much two threads get done. The floor is an
/// unguarded hash map.
std::vector<double> run_read_direct(harness& env, const contender& who);

/// The same while children crash and come back all the time. Returns also how
/// many of them do so in a millisecond.
std::vector<double> run_read_storm(harness& env, const contender& who);

/// Listing all children. The floor is a copy of the same list.
std::vector<double> run_list(harness& env, const contender& who);

/// Requests for the number of children.
std::vector<double> run_count(harness& env, const contender& who);

/// Time until the supervisor and all its children are gone.
std::vector<double> run_stop(harness& env, const contender& who);

/// One request each to 1, 2 and 4 supervisors that share a table and the
/// children: the time per child, three times, and how many times as fast two
/// are as one.
std::vector<double> run_share_start(harness& env, const contender& who);

/// The same for a storm.
std::vector<double> run_share_storm(harness& env, const contender& who);

/// Starting children one by one, in an idle cluster that has the others: time
/// from the request to the answer, percentiles 50 and 99.
std::vector<double> run_claim(harness& env, const contender& who);

/// The loss of a process that runs all children. Returns the time in ms from
/// its death until all others know of it; the time per child from the moment
/// in which the first one knows until all run elsewhere; the same as a multiple
/// of what a batch start costs; and the percentage of children that the node
/// has got which has got the most.
std::vector<double> run_takeover(harness& env, const contender& who);

/// The crash of one child: time until all other nodes know the replacement,
/// and bytes sent. Returns each with few children in the table, with all, and
/// the ratio.
std::vector<double> run_change(harness& env, const contender& who);

/// Allocated bytes. Returns what a supervised child takes, and how much of
/// that goes beyond what the same actor takes without supervisor.
std::vector<double> run_memory(harness& env, const contender& who);

} // namespace bench
