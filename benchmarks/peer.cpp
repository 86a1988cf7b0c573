#include "peer.hpp"

#include "subject.hpp"

#include <caf/actor_system_config.hpp>

#include <array>
#include <charconv>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace bench {

namespace {

constexpr int patience_ms = 120'000;

[[noreturn]] void give_up(const char* what) {
  fail(what, caf::make_error(caf::sec::runtime_error, "a peer is lost"));
}

/// Returns the ends to read from and to write to.
std::array<int, 2> make_pipe() {
  std::array<int, 2> result{};
  // Other peers must not keep it open.
  if (pipe2(result.data(), O_CLOEXEC) != 0)
    give_up("pipe");
  return result;
}

} // namespace

peer::peer(const caf::actor_system& system) {
  auto commands = make_pipe();
  auto answers = make_pipe();
  auto& cfg = system.config();
  auto number = [&cfg](const char* name) {
    return std::to_string(caf::get_or(cfg, name, int64_t{0}));
  };
  std::array<std::string, 5> args{
    "director-bench", "--peer",
    caf::get_or(cfg, "caf.scheduler.policy", std::string{}),
    number("caf.scheduler.max-threads"), number("caf.middleman.workers")};
  std::array<char*, 6> argv{args[0].data(), args[1].data(), args[2].data(),
                            args[3].data(), args[4].data(), nullptr};
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, commands[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&files, answers[1], STDOUT_FILENO);
  auto err = posix_spawn(&pid_, "/proc/self/exe", &files, nullptr, argv.data(),
                         environ);
  posix_spawn_file_actions_destroy(&files);
  if (err != 0)
    give_up("posix_spawn");
  close(commands[0]);
  close(answers[1]);
  to_ = commands[1];
  from_ = answers[0];
}

peer::~peer() {
  kill();
  waitpid(pid_, nullptr, 0);
  close(to_);
  close(from_);
}

void peer::tell(std::string_view command) {
  auto line = std::string{command} + '\n';
  if (write(to_, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
    give_up("write");
}

std::string peer::answer() {
  for (;;) {
    if (auto end = received_.find('\n'); end != std::string::npos) {
      auto line = received_.substr(0, end);
      received_.erase(0, end + 1);
      return line;
    }
    pollfd what{from_, POLLIN, 0};
    std::array<char, 4096> buffer;
    if (poll(&what, 1, patience_ms) != 1)
      give_up("poll");
    auto size = read(from_, buffer.data(), buffer.size());
    if (size <= 0)
      give_up("read");
    received_.append(buffer.data(), static_cast<size_t>(size));
  }
}

time_point peer::answered_time() {
  auto line = answer();
  int64_t ns = 0;
  auto* end = line.data() + line.size();
  if (std::from_chars(line.data(), end, ns).ptr != end)
    give_up(line.c_str());
  return time_point{std::chrono::nanoseconds{ns}};
}

void peer::ask(std::string_view command) {
  tell(command);
  if (auto line = answer(); line != "ok")
    give_up(line.c_str());
}

time_point peer::kill() {
  auto now = clock_type::now();
  ::kill(pid_, SIGKILL);
  return now;
}

} // namespace bench
