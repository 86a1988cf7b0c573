// What the copies of a table agree on about one child.

#pragma once

#include "director/child_id.hpp"
#include "director/child_record.hpp"
#include "director/net/node.hpp"

#include <caf/actor.hpp>
#include <caf/message.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <tuple>

namespace director::net::internal {

/// The large and seldom changing part of an entry. Shared and immutable.
struct entry_body {
  child_spec_ptr spec;
  caf::message args;
  child_spec_ptr own;
  caf::message extra;
  /// The actor of the child if it lives on another node than its director.
  caf::actor foreign;
  /// What this node has got if it cannot read that, for others. Then the specs
  /// lack their messages, and nothing else is there.
  std::string raw = {};
};

using entry_body_ptr = std::shared_ptr<const entry_body>;

/// Names one change: the `count`th of this author.
struct change_id {
  node_key author = 0;
  uint64_t count = 0;

  friend bool operator==(const change_id&, const change_id&) = default;

  friend auto operator<=>(const change_id&, const change_id&) = default;
};

/// The state of one child. Written by its author only; another node becomes
/// the author by a claim.
struct entry {
  child_id id;
  /// Logical time of the claim: the later claim wins.
  uint64_t term = 0;
  /// The last change.
  change_id last;
  /// Which change of the author was the claim.
  uint64_t born = 0;
  /// Local ID of the director that manages the child at the author, 0 for
  /// nobody.
  uint64_t director = 0;
  /// Local ID of the child's actor at the author, 0 for none.
  uint64_t actor = 0;
  uint64_t incarnation = 0;
  uint64_t restart_count = 0;
  child_status status = child_status::undefined;
  /// Has no director, but is to run.
  bool wanted = false;
  /// Outlives its director and its node.
  bool keep = false;
  /// Is `nullptr` in a change that leaves it alone.
  entry_body_ptr body;
};

/// Returns the change that was the claim of an entry.
inline change_id claim_of(const entry& x) noexcept {
  return {x.last.author, x.born};
}

/// Tells whether `x` takes the place of `y`: the rule by which all copies
/// converge. The later claim wins; of claims made at the same logical time by
/// nodes that did not see each other, that of the node with the higher key.
inline bool supersedes(const entry& x, const entry& y) noexcept {
  return std::tuple{x.term, x.last.author, x.last.count}
         > std::tuple{y.term, y.last.author, y.last.count};
}

} // namespace director::net::internal
