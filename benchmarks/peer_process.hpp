// What a peer does.

#pragma once

namespace bench {

/// Runs a process that takes part in clusters and obeys commands, one per line
/// of its input, until that ends:
///
/// - join CLUSTER TABLE PORT: joins the node at that port, starts a director
/// - meet N: waits until N nodes are known to have directors
/// - start N: starts N children
/// - await N: waits until N children run, wherever
/// - notice N: writes `ok`, then the time at which fewer than N run here
/// - report ID: writes `ok`, then a time whenever that child is started,
///   wherever, until the table goes
/// - leave: ends the director and leaves
///
/// Writes `ok` when a command has been carried out.
/// @param argv the program, `--peer`, policy and number of threads of the
///             scheduler.
int run_peer(int argc, char** argv);

} // namespace bench
