// What copies of a table make of each other's changes.

#include "catch.hpp"

#include <director/net/internal/ledger.hpp>
#include <memory>
#include <vector>

using namespace director;
using namespace director::net::internal;

namespace {

/// One node's ledger, with the changes it would send.
struct node {
  explicit node(director::net::node_key which)
    : key(which),
      book(which, [this](const entry* before, const entry*, bool overruled) {
        if (!overruled || before->last.author != key)
          return;
        auto over = *before;
        REQUIRE(book.take_back(over));
        sent.push_back({over, true});
      }) {
    // nop
  }

  void claim(child_id id) {
    entry x;
    x.id = std::move(id);
    x.director = 1;
    x.body = std::make_shared<const entry_body>();
    auto replaced = book.claim(x);
    sent.push_back({x, false, replaced});
  }

  void erase(child_id id) {
    entry x;
    x.id = std::move(id);
    REQUIRE(book.erase(x));
    sent.push_back({x, true});
    book.promote(x.id);
  }

  /// Changes the record, body included.
  void put(child_id id) {
    auto x = *book.find(id);
    x.body = std::make_shared<const entry_body>();
    REQUIRE(book.put(x));
    sent.push_back({x, false});
  }

  copy snapshot() const {
    copy x;
    x.clock = book.clock();
    x.seen = book.seen();
    x.entries = book.all(0);
    return x;
  }

  void merge(const copy& x) {
    book.merge(x, [this](const entry& mine) {
      missed.push_back(mine.id);
      auto over = mine;
      if (book.take_back(over))
        sent.push_back({over, true});
      else
        erase(mine.id);
    });
  }

  /// Returns who owns a child, 0 for nobody.
  director::net::node_key owner(child_id id) const {
    auto* x = book.find(id);
    return x != nullptr ? x->last.author : 0;
  }

  director::net::node_key key;
  ledger book;
  std::vector<step> sent;
  std::vector<child_id> missed;
};

} // namespace

TEST_CASE("copies that have seen the same are the same", "[net_protocol]") {
  node a{1};
  node b{2};
  a.claim(7);
  a.put(7);
  b.claim(8);
  a.merge(b.snapshot());
  b.merge(a.snapshot());
  for (auto* x : {&a, &b}) {
    CHECK(x->owner(7) == 1);
    CHECK(x->owner(8) == 2);
    CHECK(x->book.seen(1) == 2);
    CHECK(x->book.seen(2) == 1);
  }
}

TEST_CASE("of two claims that knew nothing of each other one is left",
          "[net_protocol]") {
  node a{1};
  node b{2};
  a.claim(7);
  b.claim(7);
  auto of_a = a.snapshot();
  a.merge(b.snapshot());
  b.merge(of_a);
  CHECK(a.owner(7) == 2);
  CHECK(b.owner(7) == 2);
}

TEST_CASE("a claim that another one has overruled is taken back everywhere",
          "[net_protocol]") {
  node a{1};
  node b{2};
  node c{3};
  // The claim of b is later, but c has seen the end of it already.
  b.claim(1);
  b.claim(7);
  auto of_b = b.snapshot();
  b.erase(7);
  a.claim(7);
  auto of_a = a.snapshot();
  a.merge(of_b);
  CHECK(a.owner(7) == 2);
  c.merge(b.snapshot());
  c.merge(of_a);
  CHECK(c.owner(7) == 1);
  // Nobody may think that a still has it.
  REQUIRE(a.sent.size() == 2);
  CHECK(a.sent.back().erased);
  c.book.apply(a.sent.back());
  CHECK(c.owner(7) == 0);
  a.merge(c.snapshot());
  CHECK(a.owner(7) == 0);
}

TEST_CASE("a claim outlives one that has overruled it unheard",
          "[net_protocol]") {
  node a{1};
  node b{2};
  node c{3};
  b.claim(1);
  b.claim(7);
  a.claim(7);
  c.merge(b.snapshot());
  c.merge(a.snapshot());
  CHECK(c.owner(7) == 2);
  b.erase(7);
  c.book.apply(b.sent.back());
  CHECK(c.owner(7) == 1);
  a.merge(b.snapshot());
  a.merge(c.snapshot());
  CHECK(a.owner(7) == 1);
  b.merge(c.snapshot());
  CHECK(b.owner(7) == 1);
}

TEST_CASE("what is over stays over, whoever has the ID now", "[net_protocol]") {
  node a{1};
  node b{2};
  node c{3};
  c.claim(1);
  a.merge(c.snapshot());
  a.claim(7);
  c.merge(a.snapshot());
  // c has taken it over and removed it; b claims it anew, not knowing a.
  c.claim(7);
  c.erase(7);
  b.claim(7);
  c.merge(b.snapshot());
  CHECK(c.owner(7) == 2);
  // Its claim is of an earlier time than that of a, which is over.
  a.merge(c.snapshot());
  CHECK(a.owner(7) == 2);
}

TEST_CASE("an own child that the others have removed is noticed",
          "[net_protocol]") {
  node a{1};
  node b{2};
  a.claim(7);
  b.merge(a.snapshot());
  b.book.drop(7);
  a.merge(b.snapshot());
  CHECK(a.missed == std::vector<child_id>{7});
}

TEST_CASE("changes do not bring back what is over", "[net_protocol]") {
  node a{1};
  node b{2};
  a.claim(7);
  b.merge(a.snapshot());
  b.book.drop(7);
  a.put(7);
  b.book.apply(a.sent.back());
  CHECK(b.owner(7) == 0);
  a.erase(7);
  b.book.apply(a.sent.back());
  a.claim(7);
  b.book.apply(a.sent.back());
  CHECK(b.owner(7) == 1);
}

TEST_CASE("a copy of one author says nothing of others", "[net_protocol]") {
  node a{1};
  node b{2};
  a.claim(7);
  b.claim(8);
  b.merge(a.snapshot());
  b.erase(8);
  auto part = a.snapshot();
  part.about = 1;
  part.seen[2] = 5;
  part.entries = a.book.all(1);
  node c{3};
  c.claim(9);
  c.merge(part);
  CHECK(c.owner(7) == 1);
  CHECK(c.owner(9) == 3);
  CHECK(c.book.seen(2) == 0);
}
