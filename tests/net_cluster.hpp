// Nodes of a cluster as processes, which tests kill, freeze and cut off, and
// the notes that their children make.

#pragma once

#include "catch.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <sys/types.h>
#include <vector>

namespace net_cluster {

using namespace std::chrono_literals;

/// Reads the same in all processes of a machine.
using clock_type = std::chrono::steady_clock;

using time_point = clock_type::time_point;

using strings = std::vector<std::string>;

using ids = std::set<int64_t>;

/// How long a test waits for something that must happen.
constexpr auto patience = 60s;

/// Returns first, first + 1, ..., last.
ids range(int64_t first, int64_t last);

ids operator+(ids x, const ids& y);

std::string to_string(const ids& xs);

strings split(const std::string& text, char separator = ' ');

/// Prints a measured time if the environment asks for it.
void figure(const std::string& what, clock_type::duration time);

/// Returns a number from the environment.
long from_environment(const char* name, long otherwise);

/// Polls until `problem` returns nothing, or fails the test with what it
/// returned last.
void eventually(const std::function<std::string()>& problem);

// -- files --------------------------------------------------------------------

/// A temporary folder.
class folder {
public:
  folder();

  folder(const folder&) = delete;

  ~folder();

  std::string file(const std::string& name) const;

private:
  std::string path_;
};

/// Certificates made with the command line tool of OpenSSL.
class certificates {
public:
  static bool have_tool();

  void make_ca(const std::string& name);

  /// Returns the arguments of a node with a certificate of this CA.
  strings make(const std::string& name, const std::string& ca);

private:
  void run(const std::string& args);

  folder dir_;
};

/// One line that some node has written.
struct note {
  time_point when;
  pid_t process = 0;
  std::string text;
};

/// Lines that many processes append to a file.
class notes {
public:
  explicit notes(std::string path) : path_(std::move(path)) {
    // nop
  }

  /// Returns the lines that have come since the last call.
  std::vector<note> fetch();

private:
  std::string path_;
  std::string rest_;
  size_t offset_ = 0;
};

// -- processes ----------------------------------------------------------------

/// A process that reads lines and writes lines. Killed with this object.
class process {
public:
  /// @param argv the first is the path of the program
  explicit process(strings argv);

  process(const process&) = delete;

  ~process();

  pid_t id() const noexcept {
    return id_;
  }

  void write(std::string line);

  /// Returns the next line; nothing if the process has ended or takes too long.
  std::optional<std::string> read();

  void signal(int number);

  /// Waits for the end of the process and returns what `waitpid` says.
  int wait();

private:
  pid_t id_ = 0;
  int to_ = -1;
  int from_ = -1;
  std::string buffer_;
  std::optional<int> status_;
};

/// Returns the path of this program.
std::string this_program();

/// What a process started with the argument "node" does.
int run_node(const strings& args);

/// A process that has joined the table.
class node {
public:
  node(std::string name, std::string host, const strings& argv);

  /// Waits until the node has joined. Returns the error otherwise.
  std::string join();

  const std::string& name() const noexcept {
    return name_;
  }

  uint16_t port() const noexcept {
    return port_;
  }

  /// Returns "host:port"; nothing before the node has joined.
  std::string address() const;

  process& os() noexcept {
    return process_;
  }

  /// Sends a command; nothing waits.
  void tell(const std::string& command);

  /// Returns the answer to the first command that has not been answered yet;
  /// nothing if there will be none.
  std::optional<std::string> answer();

  /// Sends a command and returns the answer, or fails the test.
  std::string ask(const std::string& command);

  /// Starts children, or fails the test.
  void start(const ids& children, bool keep = true);

  bool frozen = false;

private:
  std::string name_;
  std::string host_;
  process process_;
  uint16_t port_ = 0;
};

// -- children -----------------------------------------------------------------

/// A line of a copy.
struct row {
  std::string status;
  int restarts = 0;
  std::string node;
};

using rows = std::map<int64_t, row>;

/// Reads the answer to "dump".
rows parse(const std::string& dump);

/// From "up" to "down" of one instance of a child.
struct life {
  int64_t id = 0;
  pid_t process = 0;
  time_point up;
  std::optional<time_point> down;
  /// Exit reason, which is noted later than the end.
  std::string reason;
};

// -- clusters -----------------------------------------------------------------

/// Nodes with one table.
class cluster {
public:
  /// @param args for all nodes
  explicit cluster(strings args = {});

  ~cluster();

  /// Starts a node that looks for the others.
  /// @param prefix a command that runs another one
  node& launch(const std::string& name, strings args = {}, strings prefix = {});

  /// Starts a node and waits until it has joined.
  node& add(const std::string& name, strings args = {});

  void add_all(const strings& names);

  node& at(const std::string& name) {
    return *nodes_.at(name);
  }

  strings names() const;

  /// Returns the dead node, for those who want to know its last words.
  std::unique_ptr<node> kill(const std::string& name);

  /// Removes a node whose process has ended.
  void forget(const std::string& name) {
    nodes_.erase(name);
  }

  void freeze(const std::string& name);

  void thaw(const std::string& name);

  /// Tells a node to leave, and waits for the end of its process.
  void leave(const std::string& name);

  /// Returns the copy of a node.
  rows copy(const std::string& name);

  /// Waits until all copies are equal and hold these children, all of which
  /// run once on a node that lives, and fails the test otherwise.
  /// @param uncertain children that may be there or not, running or ended
  void settle(const ids& children, const ids& uncertain = {});

  /// Returns what the children have written down so far.
  const std::vector<life>& lives();

  /// Fails the test if a child ran twice at a time, save in a process that was
  /// frozen, which cannot know.
  void check_overlaps();

  /// Checks that every node reaches every child.
  void check_handles();

  /// Returns when each process, or one, first reported this text after a point
  /// of time.
  std::vector<time_point> reported(const std::string& text,
                                   time_point after = {}, pid_t process = 0);

  /// Waits until a node has reported this text.
  void await_report(const std::string& text, pid_t process = 0);

  /// When a process was killed.
  time_point killed_at(pid_t process) const {
    return killed_.at(process);
  }

  const folder& dir() const noexcept {
    return dir_;
  }

private:
  std::string unsettled(const ids& children, const ids& uncertain);

  /// Returns the addresses of all nodes that can answer.
  std::string seeds() const;

  folder dir_;
  strings args_;
  notes journal_;
  std::vector<life> lives_;
  /// Positions in `lives_` by process and number of the instance.
  std::map<std::pair<pid_t, std::string>, size_t> instances_;
  notes report_file_;
  std::vector<note> reports_;
  std::map<std::string, std::unique_ptr<node>> nodes_;
  std::map<pid_t, time_point> killed_;
  std::set<pid_t> were_frozen_;
};

} // namespace net_cluster
