// One node's copy of what the nodes agree on.

#pragma once

#include "director/net/internal/entry.hpp"
#include "director/net/internal/packets.hpp"

#include <functional>
#include <unordered_map>
#include <vector>

namespace director::net::internal {

/// Keeps entries, and knows which changes of which author it has seen. Two
/// ledgers that have seen the same changes are equal, in whatever order they
/// have learnt of them. An entry that is missing although its claim has been
/// seen is known to be gone: nothing has to be kept for the dead.
class ledger {
public:
  /// Called after each change of an entry by somebody else: `before` is
  /// `nullptr` for a new one, `now` for one that is gone.
  using listener = std::function<void(const entry* before, const entry* now)>;

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

  size_t size() const noexcept {
    return entries_.size();
  }

  template <class F>
  void visit(F fn) const {
    for (auto& [id, x] : entries_)
      fn(x);
  }

  /// Returns all entries, or those of one author.
  std::vector<entry> all(node_key about) const;

  // -- own changes, which complete `x` and go to the other nodes
  // ----------------

  /// Makes this node the author of an entry.
  void claim(entry& x);

  /// Overwrites an own entry. Returns false if it is not an own one.
  bool put(entry& x);

  /// Removes an own entry. Returns false if it is not an own one.
  bool erase(entry& x);

  // -- changes of others
  // --------------------------------------------------------

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

private:
  void store(const entry& x);

  node_key self_;
  listener on_change_;
  std::unordered_map<child_id, entry> entries_;
  horizon seen_;
  uint64_t clock_ = 0;
};

} // namespace director::net::internal
