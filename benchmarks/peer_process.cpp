#include "peer_process.hpp"

#include "cluster.hpp"
#include "director/ets/change.hpp"
#include "subject.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/io/middleman.hpp>

#include <fmt/format.h>

#include <iostream>
#include <sstream>
#include <string>

namespace bench {

namespace {

void say(std::string_view line) {
  std::cout << line << std::endl;
}

void say(time_point x) {
  say(std::to_string(
    std::chrono::duration_cast<std::chrono::nanoseconds>(x.time_since_epoch())
      .count()));
}

caf::behavior reporter(caf::event_based_actor*) {
  return {
    [](const std::vector<director::ets::change>& xs) {
      for (auto& x : xs)
        if (x.kind == director::ets::change_kind::started)
          say(clock_type::now());
    },
    [](const director::ets::subscription_end&) {},
  };
}

class member {
public:
  explicit member(caf::actor_system& system) : system_(system) {
    // nop
  }

  void obey(const std::string& line) {
    std::istringstream in{line};
    std::string what;
    in >> what;
    if (what == "join") {
      std::string cluster;
      std::string table;
      uint16_t port = 0;
      in >> cluster >> table >> port;
      table_ = join_table(system_, cluster, table, port);
      director_ = make_director_subject(system_, child{&ups_}, table_, true);
    } else if (what == "report") {
      int64_t id = 0;
      in >> id;
      reporter_ = system_.spawn(reporter);
      table_->subscribe(reporter_, {director::child_id{id}});
    } else if (what == "leave") {
      director_->stop();
      director_ = nullptr;
      reporter_ = nullptr;
      leave_table(std::move(table_));
    } else {
      int64_t number = 0;
      in >> number;
      count(what, number);
    }
    if (what != "notice")
      say("ok");
  }

private:
  void count(const std::string& what, int64_t number) {
    auto n = static_cast<size_t>(number);
    if (what == "meet") {
      await_directors(*table_, n);
    } else if (what == "start") {
      director_->prepare_batch(1, number);
      director_->start_batch();
      director_->take_batch();
    } else if (what == "await") {
      await_children(*table_, n);
    } else if (what == "notice") {
      auto nodes = table_->nodes().size();
      say("ok");
      say(await_loss(*table_, n, nodes));
    } else {
      fail("unknown command", {});
    }
  }

  caf::actor_system& system_;
  countdown ups_;
  director::net::table_ptr table_;
  subject_ptr director_;
  /// Subscriptions do not keep it.
  caf::actor reporter_;
};

} // namespace

int run_peer(int argc, char** argv) {
  if (argc != 5)
    return 2;
  caf::actor_system_config cfg;
  cfg.load<caf::io::middleman>();
  cfg.set("caf.scheduler.policy", std::string{argv[2]});
  cfg.set("caf.scheduler.max-threads", std::stoll(argv[3]));
  cfg.set("caf.middleman.workers", std::stoll(argv[4]));
  caf::actor_system system{cfg};
  member self{system};
  for (std::string line; std::getline(std::cin, line);)
    self.obey(line);
  std::_Exit(0);
}

} // namespace bench
