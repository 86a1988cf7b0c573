// What a process does that is one node of a cluster.

#include "net_cluster.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/io/middleman.hpp>
#include <caf/scoped_actor.hpp>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <director/all.hpp>
#include <director/internal/compat.hpp>
#include <director/net/all.hpp>
#include <fcntl.h>
#include <iostream>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <tuple>
#include <unistd.h>

namespace net_cluster {

namespace {

using namespace director;

/// Appends lines to a file that other processes append to as well.
class writer {
public:
  explicit writer(const std::string& path)
    : fd_(
      ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)) {
    // nop
  }

  void operator()(std::string text) const {
    std::ranges::replace(text, '\n', ' ');
    auto now = clock_type::now().time_since_epoch().count();
    // Another process may be killed while it writes: what it leaves behind must
    // not become one with this line.
    auto line = '\n' + std::to_string(now) + ' ' + std::to_string(::getpid())
                + ' ' + text + ";\n";
    // In one piece, or lines of different processes get mixed.
    if (::write(fd_, line.data(), line.size())
        != static_cast<ssize_t>(line.size()))
      std::abort();
  }

private:
  int fd_;
};

using writer_ptr = std::shared_ptr<writer>;

/// A child that writes down when it comes and goes.
caf::actor start_worker(start_context& ctx, const writer_ptr& journal,
                        const std::string& node) {
  static std::atomic<int> last_number;
  auto label = to_string(ctx.id()) + ' ' + std::to_string(++last_number);
  return ctx.spawn([=](caf::event_based_actor* self) {
    (*journal)("up " + label);
    // Nobody hears of the end of the actor before its behavior has gone.
    std::shared_ptr<void> end{nullptr, [=](void*) { //
                                (*journal)("down " + label);
                              }};
    self->attach_functor([=](const caf::error& reason) {
      (*journal)("why " + label + ' ' + to_string(reason));
    });
    return caf::behavior{
      [end, node](caf::get_atom) { return node; },
    };
  });
}

std::string in_one_word(const caf::error& err) {
  if (!err)
    return "ok";
  auto result = to_string(err);
  std::ranges::replace(result, ' ', '_');
  return result;
}

class node_process {
public:
  explicit node_process(const strings& args) {
    for (auto& x : args) {
      auto i = x.find('=');
      if (i != std::string::npos)
        args_[x.substr(0, i)] = x.substr(i + 1);
    }
    journal_ = std::make_shared<writer>(args_["folder"] + "/journal");
    reports_ = std::make_shared<writer>(args_["folder"] + "/reports");
    // What CAF prints must not be taken for an answer.
    ::dup2(STDERR_FILENO, STDOUT_FILENO);
  }

  int run() {
    caf::actor_system_config cfg;
    cfg.set("caf.scheduler.max-threads", 2);
    if (args_.contains("certificate")) {
      if (auto err = net::load_tls(cfg, {args_["certificate"], args_["key"],
                                         args_["ca"]}))
        return fail(err);
    } else {
      cfg.load<caf::io::middleman>();
    }
    caf::actor_system sys{cfg};
    auto joined = net::join(sys, options());
    if (!joined)
      return fail(joined.error());
    table_ = *joined;
    director_options how;
    how.name = args_["name"];
    how.table = table_;
    how.sink = sink();
    auto fn = [journal = journal_, name = how.name](start_context& ctx) {
      return start_worker(ctx, journal, name);
    };
    how.catalog.add_start("worker", fn);
    auto root = start(sys, {}, how);
    if (!root)
      return fail(root.error());
    director_.emplace(sys, *root, patience);
    say("ready " + std::to_string(table_->where().port));
    auto result = serve(sys);
    director_.reset();
    table_.reset();
    return result;
  }

private:
  report_sink sink() {
    return [reports = reports_](const report& x) { (*reports)(to_string(x)); };
  }

  caf::timespan time(const char* name, caf::timespan otherwise) {
    return args_.contains(name)
             ? caf::timespan{std::chrono::milliseconds{std::stoi(args_[name])}}
             : otherwise;
  }

  net::options options() {
    net::options result;
    result.table = args_.contains("table") ? args_["table"] : "test";
    // Nodes of another test may get the port of one that was killed.
    result.cluster = args_.contains("cluster") ? args_["cluster"]
                                               : args_["folder"];
    result.node = args_["name"];
    if (args_.contains("host"))
      result.listen.host = args_["host"];
    if (args_.contains("port"))
      result.listen.port = static_cast<uint16_t>(std::stoi(args_["port"]));
    for (auto& x : split(args_["seeds"], ',')) {
      auto i = x.find(':');
      result.seeds.push_back(
        {x.substr(0, i), static_cast<uint16_t>(std::stoi(x.substr(i + 1)))});
    }
    if (args_.contains("expected")) {
      result.partitions = net::partition_mode::pause_minority;
      result.expected_nodes = std::stoul(args_["expected"]);
    }
    result.heartbeat = time("heartbeat", 50ms);
    // Long, so that nobody is taken for dead on a machine that is slow.
    result.suspicion = time("suspicion", 10s);
    result.pause_grace = time("grace", 1s);
    result.alone_after = time("alone_after", patience);
    result.join_timeout = time("join_timeout", patience);
    result.claim_timeout = time("claim_timeout", 30s);
    result.tls = args_.contains("certificate");
    result.allow_plaintext = args_.contains("plaintext");
    result.sink = sink();
    return result;
  }

  int fail(const caf::error& err) {
    say("failed " + to_string(err));
    return EXIT_FAILURE;
  }

  void say(std::string line) {
    std::ranges::replace(line, '\n', ' ');
    line += '\n';
    // Who does not read any more has killed this process.
    std::ignore = ::write(answers_, line.data(), line.size()) > 0;
  }

  // -- commands ---------------------------------------------------------------

  /// Carries out commands until the node leaves or the test has ended.
  int serve(caf::actor_system& sys) {
    for (std::string line; std::getline(std::cin, line);) {
      auto words = split(line);
      auto command = words.front();
      words.erase(words.begin());
      if (command == "start") {
        say(start_children(words));
      } else if (command == "terminate") {
        say(in_one_word(
          director_->terminate_and_delete_child(std::stoll(words[0]))));
      } else if (command == "delete") {
        say(in_one_word(director_->delete_child(std::stoll(words[0]))));
      } else if (command == "ask") {
        say(ask(sys, std::stoll(words[0])));
      } else if (command == "dump") {
        say(dump());
      } else if (command == "nodes") {
        say(nodes());
      } else if (command == "paused") {
        say(table_->paused() ? "yes" : "no");
      } else if (command == "rebalance") {
        table_->rebalance();
        say("ok");
      } else if (command == "leave") {
        auto err = table_->leave();
        say(in_one_word(err));
        return err ? EXIT_FAILURE : EXIT_SUCCESS;
      } else {
        say("what?");
      }
    }
    table_->close();
    return EXIT_SUCCESS;
  }

  std::string start_children(const strings& words) {
    std::vector<child_spec> specs;
    for (size_t i = 1; i < words.size(); ++i) {
      child_spec x;
      x.id = std::stoll(words[i]);
      x.start = "worker";
      x.plan = plans::permanent();
      x.delete_before_terminate = words[0] == "drop";
      specs.push_back(std::move(x));
    }
    auto outcomes = director_->start_children(std::move(specs));
    if (!outcomes)
      return "error " + to_string(outcomes.error());
    std::string result;
    for (size_t i = 0; i < outcomes->size(); ++i)
      result += (i > 0 ? " " : "") + words[i + 1] + '='
                + in_one_word((*outcomes)[i].err);
    return result;
  }

  /// Lets a child say where it is.
  std::string ask(caf::actor_system& sys, int64_t id) {
    auto handle = table_->get_actor(id);
    if (!handle)
      return to_string(handle.error());
    std::string result;
    caf::scoped_actor self{sys};
    // Who asks tries again if the request was lost with a connection.
    director::internal::compat::request_receive(
      self, *handle, 10s, [&](std::string& x) { result = std::move(x); },
      [&](const caf::error& err) { result = to_string(err); }, caf::get_atom_v);
    return result;
  }

  std::string dump() {
    std::map<net::node_key, std::string> names;
    for (auto& x : table_->nodes())
      names[x.key] = x.name;
    auto rows = table_->which_children();
    std::ranges::sort(rows, {}, [](auto& x) { return *x.id.integer(); });
    std::string result;
    for (auto& x : rows)
      result += to_string(x.id) + ':' + to_string(x.status) + ':'
                + std::to_string(x.restart_count) + ':'
                + names[table_->node_of(x.id)] + ' ';
    return result;
  }

  std::string nodes() {
    std::string result;
    for (auto& x : table_->nodes())
      result += x.name + ':' + to_string(x.state) + ':'
                + (x.open ? "open" : "closed") + ':'
                + std::to_string(x.children) + ' ';
    return result;
  }

  int answers_ = ::dup(STDOUT_FILENO);
  std::map<std::string, std::string> args_;
  writer_ptr journal_;
  writer_ptr reports_;
  net::table_ptr table_;
  std::optional<client> director_;
};

} // namespace

int run_node(const strings& args) {
  // Even if the test is killed.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  return node_process{args}.run();
}

} // namespace net_cluster
