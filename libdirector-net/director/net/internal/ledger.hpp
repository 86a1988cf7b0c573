// One node's copy of what the nodes agree on.

#pragma once

#include "director/net/internal/entry.hpp"
#include "director/net/internal/packets.hpp"

#include <algorithm>
#include <functional>
#include <unordered_map>
#include <vector>

namespace director::net::internal {

/// Keeps entries, and knows which changes of which author it has seen. Two
/// ledgers that have seen the same changes are equal, in whatever order they
/// have learnt of them. A claim that has been seen, but is missing, is known to
/// be over: nothing has to be kept for the dead.
///
/// Of several claims of one ID, one overrules the others, whose authors take
/// them back when they hear of it. Until then they are kept, because the one
/// that overrules them may be over before it is known everywhere.
class ledger {
public:
  /// Called after each change of an entry by somebody else: `before` is
  /// `nullptr` for a new one, `now` for one that is gone.
  /// @param overruled whether both are claims that knew nothing of each other.
  using listener = std::function<void(const entry* before, const entry* now,
                                      bool overruled)>;

  ledger(node_key self, listener on_change);

  // -- state ------------------------------------------------------------------

  const entry* find(const child_id& id) const;

  const horizon& seen() const noexcept {
    return seen_;
  }

  uint64_t seen(node_key author) const;

  uint64_t clock() const noexcept {
    return clock_;
  }

  /// Returns a logical time that is later than all that are known.
  uint64_t next_time() noexcept {
    return ++clock_;
  }

  /// Notes a logical time that another node has drawn.
  void heard(uint64_t time) noexcept {
    clock_ = std::max(clock_, time);
  }

  size_t size() const noexcept {
    return entries_.size();
  }

  template <class F>
  void visit(F fn) const {
    for (auto& [id, x] : entries_)
      fn(x);
  }

  /// Returns a digest of the claims of one author, overruled ones included.
  uint64_t digest(node_key author) const;

  /// Returns all entries, or those of one author.
  std::vector<entry> all(node_key about) const;

  // -- own changes, which complete `x` and go to the other nodes --------------

  /// Makes this node the author of an entry. Returns the claim that this one
  /// takes the place of, if any.
  change_id claim(entry& x);

  /// Overwrites an own entry. Returns false if it is not an own one.
  bool put(entry& x);

  /// Removes an own entry. Returns false if it is not an own one.
  /// `promote` comes next.
  bool erase(entry& x);

  /// Takes back an own claim that another one has overruled. Returns false if
  /// there is none. `x` names the claim and becomes the change that says so.
  bool take_back(entry& x);

  // -- changes of others ------------------------------------------------------

  /// Applies the next change of another node.
  void apply(const step& x);

  /// Notes that all changes of an author up to `count` have been applied.
  void saw(node_key author, uint64_t count);

  /// Forgets an entry whose author is down.
  void drop(const child_id& id);

  /// Takes over all that another node knows, of all authors or one. Own
  /// entries that the other node knows to be gone are passed to `missed`
  /// instead of being removed.
  void merge(const copy& x, const std::function<void(const entry&)>& missed);

  // -- claims that are overruled ----------------------------------------------

  /// Gives an ID that is free to the best of the claims that were overruled.
  void promote(const child_id& id);

  /// Tells whether a claim was overruled that fits `pred`.
  bool has_overruled(const child_id& id,
                     const std::function<bool(const entry&)>& pred) const;

  template <class F>
  void visit_overruled(F fn) const {
    for (auto& [id, x] : overruled_)
      fn(x);
  }

  /// Forgets those of authors that cannot take them back.
  void forget_overruled(const std::function<bool(node_key)>& live);

private:
  using claims = std::unordered_multimap<child_id, entry>;

  /// Returns the entry with the same claim, overruled or not.
  entry* find_claim(const entry& x);

  void update(entry& known, const entry& x);

  /// Adds an entry with a claim that is not known.
  void admit(const entry& x);

  /// Removes the entry with this claim, overruled or not.
  void remove(const child_id& id, change_id claim);

  /// A claim comes or goes.
  void count(const entry& x);

  void discount(const entry& x);

  claims::iterator find_overruled(const child_id& id, change_id claim);

  node_key self_;
  listener on_change_;
  std::unordered_map<child_id, entry> entries_;
  claims overruled_;
  /// Sums over the claims of each author.
  std::unordered_map<node_key, uint64_t> digests_;
  horizon seen_;
  uint64_t clock_ = 0;
};

} // namespace director::net::internal
