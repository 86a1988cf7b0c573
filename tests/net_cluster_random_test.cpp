// Processes that are killed at random while others work.

#include "net_cluster.hpp"

#include <algorithm>
#include <array>
#include <random>
#include <thread>

using namespace net_cluster;

namespace {

/// What a node was told to do.
struct command {
  enum kind { start_kept, start_dropped, terminate };

  kind what;
  std::string node;
  ids children;
};

class random_kills {
public:
  explicit random_kills(unsigned seed) : rng_(seed) {
    nodes_.add_all({"a", "b", "c"});
  }

  void round() {
    grow();
    give_work();
    auto dead = kill_some();
    auto early = one_of(2);
    if (early)
      launch(dead);
    std::map<std::string, node*> speakers;
    for (auto& x : dead)
      speakers[x->name()] = x.get();
    for (auto& x : asked_)
      hear(x, speakers.contains(x.node) ? *speakers[x.node] : nodes_.at(x.node),
           speakers.contains(x.node));
    if (!early)
      launch(dead);
    for (auto& x : dead)
      CHECK(nodes_.at(x->name()).join() == "");
    nodes_.settle(expected(), uncertain_);
    nodes_.check_overlaps();
    // By now, it is certain.
    for (auto& [id, x] : nodes_.copy("a")) {
      if (x.status != "running")
        CHECK(nodes_.at("a").ask("delete " + std::to_string(id)) == "ok");
      else if (uncertain_.contains(id))
        kept_.insert(id);
    }
    nodes_.settle(expected());
    nodes_.check_handles();
  }

private:
  bool one_of(unsigned count) {
    return rng_() % count == 0;
  }

  ids fresh_ids(size_t count) {
    ids result;
    while (count-- > 0)
      result.insert(++last_id_);
    return result;
  }

  ids expected() const {
    auto result = kept_;
    for (auto& [id, name] : dropped_)
      result.insert(id);
    return result;
  }

  /// Starts a fourth or a fifth node, or lets them go.
  void grow() {
    for (auto& name : {"d", "e"}) {
      if (!one_of(3))
        continue;
      if (std::ranges::count(nodes_.names(), name) == 0) {
        nodes_.add(name);
      } else {
        nodes_.leave(name);
        std::erase_if(dropped_, [&](auto& x) { return x.second == name; });
      }
    }
    nodes_.settle(expected());
  }

  void tell(command x) {
    static constexpr std::array words{"start keep ", "start drop ",
                                      "terminate "};
    if (x.children.empty())
      return;
    nodes_.at(x.node).tell(words.at(x.what) + to_string(x.children));
    asked_.push_back(std::move(x));
  }

  void give_work() {
    asked_.clear();
    uncertain_.clear();
    auto copy = nodes_.copy("a");
    // IDs that all want, of which each may run only once.
    auto contested = fresh_ids(rng_() % 3);
    for (auto& name : nodes_.names()) {
      tell({command::start_kept, name, contested + fresh_ids(rng_() % 4)});
      tell({command::start_dropped, name, fresh_ids(rng_() % 2)});
    }
    for (auto& [id, x] : copy)
      if (one_of(copy.size() > 30 ? 3 : 10))
        tell({command::terminate, x.node, {id}});
  }

  std::vector<std::unique_ptr<node>> kill_some() {
    std::vector<std::unique_ptr<node>> result;
    for (auto count = 1 + rng_() % 2; count > 0; --count) {
      std::this_thread::sleep_for(std::chrono::microseconds{rng_() % 20'000});
      auto names = nodes_.names();
      result.push_back(nodes_.kill(names[rng_() % names.size()]));
      std::erase_if(dropped_,
                    [&](auto& x) { return x.second == result.back()->name(); });
    }
    return result;
  }

  void launch(const std::vector<std::unique_ptr<node>>& dead) {
    for (auto& x : dead)
      nodes_.launch(x->name());
  }

  /// Finds out what must be there from what a node answers.
  void hear(const command& x, node& speaker, bool dead) {
    auto answer = speaker.answer();
    if (!answer && !dead)
      FAIL("node " << x.node << " does not answer");
    ids started;
    for (auto& word : split(answer.value_or("")))
      if (auto i = word.find("=ok"); i != std::string::npos)
        started.insert(std::stoll(word.substr(0, i)));
    for (auto id : x.children) {
      if (x.what == command::terminate) {
        // Whether the end was heard of is anybody's guess.
        if (dead && kept_.erase(id) > 0)
          uncertain_.insert(id);
        if (!dead && answer == "ok") {
          kept_.erase(id);
          dropped_.erase(id);
        }
      } else if (x.what == command::start_dropped) {
        if (dead)
          continue;
        CHECK(started.contains(id));
        dropped_[id] = x.node;
      } else if (started.contains(id)) {
        CHECK(kept_.insert(id).second);
        uncertain_.erase(id);
      } else if (!kept_.contains(id)) {
        uncertain_.insert(id);
      }
    }
  }

  cluster nodes_;
  std::minstd_rand rng_;
  int64_t last_id_ = 0;
  std::vector<command> asked_;
  ids kept_;
  ids uncertain_;
  /// Children that end with their nodes.
  std::map<int64_t, std::string> dropped_;
};

} // namespace

TEST_CASE("processes are killed at random", "[net_cluster_random]") {
  auto seed = from_environment("DIRECTOR_NET_SEED",
                               std::random_device{}() & 0xffffff);
  auto rounds = from_environment("DIRECTOR_NET_ROUNDS", 100);
  random_kills test{static_cast<unsigned>(seed)};
  auto start = clock_type::now();
  for (auto i = 0; i < rounds; ++i) {
    INFO("DIRECTOR_NET_SEED=" << seed << ", round " << i);
    test.round();
  }
  figure("a round, on average", (clock_type::now() - start) / rounds);
}
