// What nodes say to each other. See doc/net.md.

#pragma once

#include "director/net/internal/entry.hpp"
#include "director/net/node.hpp"

#include <caf/timespan.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace director::net::internal {

/// Number of the protocol: nodes with another one are refused.
constexpr uint32_t protocol_version = 1;

/// Upper limit of times that nodes agree on: no sum of them overflows.
constexpr caf::timespan longest_time = std::chrono::hours{24 * 365};

/// How many changes of each author a node has seen.
using horizon = std::map<node_key, uint64_t>;

/// Settings in which the nodes of a cluster depend on each other.
struct common_settings {
  caf::timespan heartbeat = std::chrono::milliseconds{200};
  /// Silence after which a node counts as down.
  caf::timespan suspicion = std::chrono::seconds{2};
  /// Whether a side without majority stops.
  bool pause_minority = false;
  /// Time that a side without majority has to end its children.
  caf::timespan grace = std::chrono::seconds{1};
  /// Number of nodes of which a majority is needed.
  uint64_t expected = 0;
};

/// Introduces a node, and opens a session of messages in one direction. In all
/// versions, it begins with the first two members; a node of another version
/// reads no further.
struct hello {
  uint32_t version = protocol_version;
  contact self;
  std::string cluster;
  std::string table;
  common_settings settings;
  uint64_t session = 0;
  /// The session of the receiver that the sender knows, 0 for none.
  uint64_t ack = 0;
  bool established = false;
  horizon seen;
};

/// Turns a node away. All versions read and write it in the same way.
struct refusal {
  std::string text;
};

/// All entries, or those of one author.
struct copy {
  /// 0 for all authors.
  node_key about = 0;
  uint64_t clock = 0;
  horizon seen;
  /// Other nodes that the sender takes for alive.
  std::vector<contact> members;
  /// Left out if the receiver has seen everything.
  bool complete = true;
  std::vector<entry> entries;
  /// Whether it is written so that those who do not know all types can read the
  /// rest, which takes more room. Not sent.
  bool careful = false;
};

/// Asks for a copy.
struct copy_request {
  node_key about = 0;
};

/// One change by the sender.
struct step {
  entry now;
  bool erased = false;
  /// The claim that this one takes the place of, if it is a claim.
  change_id replaced = {};
};

/// Changes by the sender, in order. Those whose numbers are missing have been
/// overtaken by a later one of the same packet.
struct steps {
  /// The number from which on they are complete.
  uint64_t first = 0;
  std::vector<step> list;
  /// See `copy`.
  bool careful = false;
};

/// The receiver's changes up to this one have arrived.
struct receipt {
  uint64_t count = 0;
};

/// The sender cannot read what the receiver has sent: it is to be careful from
/// now on, beginning with a copy.
struct illegible {};

/// One record that the sender would like to own.
struct ballot_item {
  child_id id;
  /// The entry to be taken over, if any.
  change_id base;
};

/// Asks for votes on claims.
struct ballot {
  uint64_t number = 0;
  horizon seen;
  std::vector<ballot_item> items;
};

/// Grants all claims of a ballot but these.
struct vote {
  uint64_t number = 0;
  std::vector<uint32_t> busy;
  /// Whether the sender has paused, and grants nothing.
  bool abstains = false;
};

/// A ballot is over.
struct ballot_end {
  uint64_t number = 0;
  /// The changes of the sender that have come of it end with this one.
  uint64_t changes = 0;
};

/// Says that the sender lives.
struct heartbeat {
  /// Time of the sender.
  int64_t stamp = 0;
  /// The last stamp of the receiver that the sender has got.
  int64_t echo = 0;
  horizon seen;
  /// Digest of the claims of the sender.
  uint64_t claims = 0;
  /// Ballots before this one are over.
  uint64_t oldest_ballot = 0;
  /// How many directors the sender has had so far, 0 if it has none now and so
  /// can take no children. What it has declined may be asked again with each.
  uint64_t directors = 0;
  /// Logical times of the last rebalance that was asked for, and of the last
  /// one that is done, as far as the sender knows. 0 if there was none.
  uint64_t rebalance_wanted = 0;
  uint64_t rebalance_done = 0;
  bool leaving = false;
  bool paused = false;
  /// Whether the sender counts for the majority.
  bool voter = false;
  std::vector<contact> members;
};

/// A child that has lost its director or its node.
struct offer_item {
  child_id id;
  /// Logical time of the claim of whoever had it. It is free no more when there
  /// is a later one.
  uint64_t term = 0;
};

/// Asks the receiver to start children.
struct offer {
  std::vector<offer_item> items;
};

/// Turns an offer down.
struct decline {
  std::vector<child_id> ids;
  /// Whether the sender lacks the named functions, and need not be asked again.
  bool for_good = false;
};

/// Asks the receiver to give children away.
struct move_request {
  std::vector<child_id> ids;
};

/// The sender leaves for good.
struct bye {};

using packet = std::variant<hello, refusal, copy, copy_request, steps, receipt,
                            ballot, vote, ballot_end, heartbeat, offer, decline,
                            move_request, bye, illegible>;

/// Shared, because most go to several nodes.
using packet_ptr = std::shared_ptr<const packet>;

} // namespace director::net::internal
