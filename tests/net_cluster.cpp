#include "net_cluster.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <spawn.h>
#include <sstream>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

extern char** environ;

namespace net_cluster {

// -- helpers ------------------------------------------------------------------

ids range(int64_t first, int64_t last) {
  ids result;
  for (auto i = first; i <= last; ++i)
    result.insert(i);
  return result;
}

ids operator+(ids x, const ids& y) {
  x.insert(y.begin(), y.end());
  return x;
}

std::string to_string(const ids& xs) {
  std::string result;
  for (auto x : xs)
    result += (result.empty() ? "" : " ") + std::to_string(x);
  return result;
}

strings split(const std::string& text, char separator) {
  strings result;
  std::istringstream in{text};
  for (std::string part; std::getline(in, part, separator);)
    if (!part.empty())
      result.push_back(std::move(part));
  return result;
}

void figure(const std::string& what, clock_type::duration time) {
  using ms = std::chrono::duration<double, std::milli>;
  if (std::getenv("DIRECTOR_NET_FIGURES") != nullptr)
    WARN(what << ": " << ms{time}.count() << " ms");
}

long from_environment(const char* name, long otherwise) {
  auto* text = std::getenv(name);
  return text != nullptr ? std::atol(text) : otherwise;
}

void eventually(const std::function<std::string()>& problem) {
  auto deadline = clock_type::now() + patience;
  for (;;) {
    auto text = problem();
    if (text.empty())
      return;
    if (clock_type::now() > deadline)
      FAIL(text);
    std::this_thread::sleep_for(2ms);
  }
}

// -- files --------------------------------------------------------------------

folder::folder() {
  auto path = std::filesystem::temp_directory_path() / "director-net-XXXXXX";
  path_ = path.string();
  if (::mkdtemp(path_.data()) == nullptr)
    FAIL("no temporary folder");
}

folder::~folder() {
  std::error_code ignored;
  if (std::getenv("DIRECTOR_NET_KEEP") == nullptr)
    std::filesystem::remove_all(path_, ignored);
}

std::string folder::file(const std::string& name) const {
  return path_ + '/' + name;
}

bool certificates::have_tool() {
  return std::system("openssl version >/dev/null 2>&1") == 0;
}

void certificates::make_ca(const std::string& name) {
  run("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=" + name
      + " -keyout " + dir_.file(name + ".key") + " -out "
      + dir_.file(name + ".pem"));
}

strings certificates::make(const std::string& name, const std::string& ca) {
  run("req -newkey rsa:2048 -nodes -subj /CN=" + name + " -keyout "
      + dir_.file(name + ".key") + " -out " + dir_.file(name + ".csr"));
  run("x509 -req -days 2 -in " + dir_.file(name + ".csr") + " -CA "
      + dir_.file(ca + ".pem") + " -CAkey " + dir_.file(ca + ".key")
      + " -CAcreateserial -out " + dir_.file(name + ".pem"));
  return {"certificate=" + dir_.file(name + ".pem"),
          "key=" + dir_.file(name + ".key"), "ca=" + dir_.file(ca + ".pem")};
}

void certificates::run(const std::string& args) {
  if (std::system(("openssl " + args + " >/dev/null 2>&1").c_str()) != 0)
    FAIL("openssl " << args);
}

std::vector<note> notes::fetch() {
  std::vector<note> result;
  std::ifstream in{path_, std::ios::binary};
  if (!in || !in.seekg(static_cast<std::streamoff>(offset_)))
    return result;
  std::ostringstream text;
  text << in.rdbuf();
  offset_ += text.str().size();
  rest_ += text.str();
  size_t first = 0;
  for (size_t end = 0; (end = rest_.find('\n', first)) != std::string::npos;
       first = end + 1) {
    // Only those that are complete.
    if (end == first || rest_[end - 1] != ';')
      continue;
    std::istringstream line{rest_.substr(first, end - 1 - first)};
    note x;
    clock_type::rep when = 0;
    line >> when >> x.process;
    x.when = time_point{clock_type::duration{when}};
    std::getline(line >> std::ws, x.text);
    result.push_back(std::move(x));
  }
  rest_.erase(0, first);
  return result;
}

// -- processes ----------------------------------------------------------------

std::string this_program() {
  return std::filesystem::read_symlink("/proc/self/exe").string();
}

process::process(strings argv) {
  int to[2];
  int from[2];
  if (::pipe2(to, O_CLOEXEC) != 0 || ::pipe2(from, O_CLOEXEC) != 0)
    FAIL("no pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, to[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, from[1], STDOUT_FILENO);
  std::vector<char*> args;
  for (auto& x : argv)
    args.push_back(x.data());
  args.push_back(nullptr);
  auto failed = ::posix_spawnp(&id_, args[0], &actions, nullptr, args.data(),
                               environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(to[0]);
  ::close(from[1]);
  to_ = to[1];
  from_ = from[0];
  if (failed != 0) {
    id_ = 0;
    FAIL("cannot start " << argv[0]);
  }
}

process::~process() {
  ::close(to_);
  ::close(from_);
  if (id_ > 0 && !status_) {
    ::kill(id_, SIGKILL);
    ::waitpid(id_, nullptr, 0);
  }
}

void process::write(std::string line) {
  line += '\n';
  // Whether anybody reads it, the answer will tell.
  std::ignore = ::write(to_, line.data(), line.size()) > 0;
}

std::optional<std::string> process::read() {
  auto deadline = clock_type::now() + patience;
  for (;;) {
    if (auto end = buffer_.find('\n'); end != std::string::npos) {
      auto line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    auto left = std::chrono::ceil<std::chrono::milliseconds>(
      deadline - clock_type::now());
    pollfd entry{from_, POLLIN, 0};
    char bytes[4096];
    auto ready = left > 0ms ? ::poll(&entry, 1, static_cast<int>(left.count()))
                            : 0;
    if (ready < 0 && errno == EINTR)
      continue;
    auto size = ready > 0 ? ::read(from_, bytes, sizeof(bytes)) : 0;
    if (size <= 0)
      return std::nullopt;
    buffer_.append(bytes, static_cast<size_t>(size));
  }
}

void process::signal(int number) {
  ::kill(id_, number);
}

int process::wait() {
  eventually([this]() -> std::string {
    int status = 0;
    if (!status_ && ::waitpid(id_, &status, WNOHANG) == id_)
      status_ = status;
    return status_ ? "" : "a process does not end";
  });
  return *status_;
}

// -- nodes --------------------------------------------------------------------

node::node(std::string name, std::string host, const strings& argv)
  : name_(std::move(name)),
    host_(std::move(host)),
    process_(argv) {
  // nop
}

std::string node::join() {
  auto line = process_.read();
  if (!line)
    return "the process has ended";
  auto words = split(*line);
  if (words[0] != "ready")
    return *line;
  port_ = static_cast<uint16_t>(std::stoi(words[1]));
  return {};
}

std::string node::address() const {
  return port_ != 0 ? host_ + ':' + std::to_string(port_) : std::string{};
}

void node::tell(const std::string& command) {
  process_.write(command);
}

std::optional<std::string> node::answer() {
  return process_.read();
}

std::string node::ask(const std::string& command) {
  tell(command);
  auto result = answer();
  if (!result)
    FAIL("node " << name_ << " does not answer: " << command);
  return *result;
}

void node::start(const ids& children, bool keep) {
  std::string expected;
  for (auto x : children)
    expected += (expected.empty() ? "" : " ") + std::to_string(x) + "=ok";
  CHECK(ask((keep ? "start keep " : "start drop ") + to_string(children))
        == expected);
}

// -- children -----------------------------------------------------------------

rows parse(const std::string& dump) {
  rows result;
  for (auto& line : split(dump)) {
    auto parts = split(line, ':');
    if (parts.size() == 3)
      parts.emplace_back();
    if (parts.size() != 4)
      FAIL("cannot read " << line);
    result[std::stoll(parts[0])] = {parts[1], std::stoi(parts[2]), parts[3]};
  }
  return result;
}

// -- clusters -----------------------------------------------------------------

cluster::cluster(strings args)
  : args_(std::move(args)),
    journal_(dir_.file("journal")),
    report_file_(dir_.file("reports")) {
  // nop
}

cluster::~cluster() {
  for (auto& [name, x] : nodes_)
    x->os().signal(SIGKILL);
}

std::string cluster::seeds() const {
  std::string result;
  for (auto& [name, x] : nodes_)
    if (!x->frozen && !x->address().empty())
      result += x->address() + ',';
  return result;
}

node& cluster::launch(const std::string& name, strings args, strings prefix) {
  args.insert(args.end(), args_.begin(), args_.end());
  std::string host = "127.0.0.1";
  for (auto& x : args)
    if (x.starts_with("host="))
      host = x.substr(5);
  auto argv = std::move(prefix);
  for (auto& x : {this_program(), std::string{"node"}, "name=" + name,
                  "folder=" + dir_.file(""), "seeds=" + seeds()})
    argv.push_back(x);
  argv.insert(argv.end(), args.begin(), args.end());
  auto& result = nodes_[name];
  result = std::make_unique<node>(name, host, argv);
  return *result;
}

node& cluster::add(const std::string& name, strings args) {
  auto& result = launch(name, std::move(args));
  CHECK(result.join() == "");
  return result;
}

void cluster::add_all(const strings& names) {
  for (auto& x : names)
    add(x);
}

strings cluster::names() const {
  strings result;
  for (auto& [name, x] : nodes_)
    result.push_back(name);
  return result;
}

std::unique_ptr<node> cluster::kill(const std::string& name) {
  auto& x = at(name).os();
  killed_[x.id()] = clock_type::now();
  x.signal(SIGKILL);
  x.wait();
  return std::move(nodes_.extract(name).mapped());
}

void cluster::freeze(const std::string& name) {
  auto& x = at(name);
  x.frozen = true;
  were_frozen_.insert(x.os().id());
  x.os().signal(SIGSTOP);
}

void cluster::thaw(const std::string& name) {
  auto& x = at(name);
  x.os().signal(SIGCONT);
  x.frozen = false;
}

void cluster::leave(const std::string& name) {
  auto& x = at(name);
  CHECK(x.ask("leave") == "ok");
  auto status = x.os().wait();
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  nodes_.erase(name);
}

rows cluster::copy(const std::string& name) {
  return parse(at(name).ask("dump"));
}

const std::vector<life>& cluster::lives() {
  for (auto& x : journal_.fetch()) {
    auto words = split(x.text);
    auto [i, fresh] = instances_.try_emplace({x.process, words[2]},
                                             lives_.size());
    if (fresh)
      lives_.push_back({std::stoll(words[1]), x.process, x.when, {}, {}});
    auto& existing = lives_[i->second];
    if (words[0] == "down")
      existing.down = x.when;
    else if (words[0] == "why")
      existing.reason = words[3];
  }
  for (auto& x : lives_)
    if (auto i = killed_.find(x.process); i != killed_.end() && !x.down)
      x.down = i->second;
  return lives_;
}

void cluster::check_overlaps() {
  auto all = lives();
  std::ranges::stable_sort(all, [](auto& x, auto& y) { //
    return std::pair{x.id, x.up} < std::pair{y.id, y.up};
  });
  for (size_t i = 1; i < all.size(); ++i) {
    auto& first = all[i - 1];
    auto& second = all[i];
    if (first.id == second.id && (!first.down || *first.down > second.up)
        && !were_frozen_.contains(first.process))
      FAIL("child " << first.id << " of process " << first.process
                    << " ran while it came up in process " << second.process);
  }
}

void cluster::check_handles() {
  for (auto& [name, x] : nodes_)
    for (auto& [id, y] : copy(name))
      // Two nodes that have just found each other again may still replace the
      // connection, which costs the requests that are under way.
      eventually([&]() -> std::string {
        auto answer = x->ask("ask " + std::to_string(id));
        if (answer == y.node)
          return {};
        return "child " + std::to_string(id) + " of node " + y.node
               + " tells node " + name + " " + answer;
      });
}

std::string cluster::unsettled(const ids& children, const ids& uncertain) {
  std::string first;
  std::optional<std::string> expected;
  std::map<std::string, pid_t> processes;
  for (auto& [name, x] : nodes_) {
    if (x->frozen)
      continue;
    processes[name] = x->os().id();
    auto dump = x->ask("dump");
    if (!expected) {
      expected = dump;
      first = name;
    } else if (dump != *expected) {
      return "copies differ: " + first + " has " + *expected + ", " + name
             + " has " + dump;
    }
    strings others;
    for (auto& y : split(x->ask("nodes"))) {
      auto parts = split(y, ':');
      if (parts[1] != "down") {
        others.push_back(parts[0]);
        if (parts[1] != "up" || parts[2] != "open")
          return "node " + name + " sees " + y;
      }
    }
    if (others.size() != nodes_.size())
      return "node " + name + " sees " + std::to_string(others.size())
             + " nodes";
  }
  auto copy = parse(*expected);
  ids found;
  for (auto& [id, x] : copy) {
    found.insert(id);
    auto ended = x.status == "undefined" && uncertain.contains(id);
    if (!ended && (x.status != "running" || !processes.contains(x.node)))
      return "child " + std::to_string(id) + " is " + x.status + " on '"
             + x.node + "'";
  }
  if (!std::ranges::includes(found, children)
      || !std::ranges::includes(children + uncertain, found))
    return "expected " + to_string(children) + ", found " + to_string(found);
  std::map<int64_t, int> instances;
  for (auto& x : lives()) {
    if (x.down)
      continue;
    auto i = copy.find(x.id);
    if (i == copy.end() || processes[i->second.node] != x.process)
      return "child " + std::to_string(x.id) + " runs in process "
             + std::to_string(x.process) + " as well";
    ++instances[x.id];
  }
  for (auto& [id, x] : copy)
    if (instances[id] != (x.status == "running" ? 1 : 0))
      return std::to_string(instances[id]) + " instances of child "
             + std::to_string(id);
  return {};
}

void cluster::settle(const ids& children, const ids& uncertain) {
  eventually([&] { return unsettled(children, uncertain); });
}

std::vector<time_point> cluster::reported(const std::string& text,
                                          time_point after, pid_t process) {
  std::ranges::move(report_file_.fetch(), std::back_inserter(reports_));
  std::map<pid_t, time_point> firsts;
  for (auto& x : reports_)
    if (x.when >= after && (process == 0 || x.process == process)
        && x.text.find(text) != std::string::npos)
      firsts.try_emplace(x.process, x.when);
  std::vector<time_point> result;
  for (auto& [id, when] : firsts)
    result.push_back(when);
  return result;
}

void cluster::await_report(const std::string& text, pid_t process) {
  eventually([&]() -> std::string {
    return reported(text, {}, process).empty() ? "not reported: " + text : "";
  });
}

} // namespace net_cluster
