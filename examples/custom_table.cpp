// A table that survives its process: two directors share it, a child crashes,
// everything ends, and a new director goes on with what the file remembers.

#include "director/all.hpp"
#include "events.hpp"
#include "journal_table.hpp"
#include "send.hpp"

#include <caf/all.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <stdexcept>
#include <string>

CAF_BEGIN_TYPE_ID_BLOCK(custom_table, caf::first_custom_type_id)

  CAF_ADD_ATOM(custom_table, custom_table, crash_atom)

CAF_END_TYPE_ID_BLOCK(custom_table)

namespace {

// A file name of its own, and no file when the program ends.
class temporary_file {
public:
  temporary_file()
    : path_(std::filesystem::temp_directory_path()
            / ("journal-" + std::to_string(std::random_device{}()))) {
    // nop
  }

  temporary_file(const temporary_file&) = delete;

  ~temporary_file() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }

  const std::filesystem::path& path() const {
    return path_;
  }

private:
  std::filesystem::path path_;
};

caf::behavior worker(caf::event_based_actor* self) {
  return {
    [self](custom_table::crash_atom) {
      self->quit(caf::make_error(caf::sec::runtime_error, "paper jam"));
    },
  };
}

// [spec-of]
// The printer and the scanner outlive their directors, guests do not. A file
// cannot hold functions, so the table asks for the specs of those that it
// finds there.
std::optional<director::child_spec> spec_of(const director::child_id& id) {
  return director::child_spec{.id = id,
                              .start = worker,
                              .delete_before_terminate = id == "guest"};
}
// [spec-of]

void check(bool condition, const char* what) {
  if (!condition)
    throw std::runtime_error(what);
}

template <class T>
T value_of(caf::expected<T> x) {
  if (!x)
    throw std::runtime_error(to_string(x.error()));
  return std::move(*x);
}

void step(int number, const char* text) {
  std::cout << '\n' << number << ". " << text << '\n';
}

void print(const director::table& tab) {
  for (auto& child : tab.which_children())
    std::cout << "   " << to_string(child.id) << ": " << to_string(child.status)
              << ", restarts: " << child.restart_count << '\n';
}

void print(const std::filesystem::path& file) {
  std::ifstream in{file};
  for (std::string line; std::getline(in, line);)
    std::cout << "   | " << line << '\n';
}

// What both lives need.
struct demo {
  caf::actor_system& sys;
  temporary_file file{};
  events_ptr log = std::make_shared<events>();
  std::vector<director::client> started{};

  director::client start(const char* name, director::table_ptr tab) {
    auto sink = [out = log](const director::report& x) {
      if (x.kind == director::report_kind::progress)
        out->push(to_string(x.child->id) + " has started");
    };
    auto top = director::start(sys, director::fixed({}),
                               {.name = name, .table = tab, .sink = sink});
    return started.emplace_back(sys, value_of(std::move(top)));
  }
};

void stop(const director::client& dir) {
  if (auto err = dir.stop())
    throw std::runtime_error(to_string(err));
}

void first_life(demo& x) {
  step(1, "Two directors share a table that writes to a file:");
  // [open]
  auto tab = value_of(journal_table::open(x.file.path(), spec_of));
  auto front = x.start("front", tab);
  auto back = x.start("back", tab);
  // [open]
  for (auto id : {"printer", "guest"})
    value_of(front.start_child(*spec_of(id)));
  value_of(back.start_child(*spec_of("scanner")));
  print(*tab);

  step(2, "An ID that one of them has, the other cannot start:");
  auto refused = back.start_child(*spec_of("printer"));
  check(refused.error() == director::errc::already_started, "started twice");
  std::cout << "   start_child(printer): " << to_string(refused.error())
            << '\n';

  step(3, "The printer crashes and is restarted:");
  x.log->wait_for("scanner has started");
  send(value_of(tab->get_actor("printer")), custom_table::crash_atom_v);
  x.log->wait_for("printer has started");
  print(*tab);

  step(4, "Both directors end. The guest is gone, the others have no owner:");
  stop(front);
  stop(back);
  print(*tab);

  step(5, "The file has it all:");
  print(x.file.path());
}

void second_life(demo& x) {
  step(6, "A new table opens the file, and drops what is history:");
  auto tab = value_of(journal_table::open(x.file.path(), spec_of));
  print(x.file.path());
  check(tab->size() == 2, "not two children");
  check(tab->get_restart_count("printer") == uint64_t{1}, "count is lost");

  step(7, "A new director takes the children over and restarts them:");
  // [restart]
  auto office = x.start("office", tab);
  for (auto& child : tab->which_children())
    value_of(office.restart_child(child.id));
  // [restart]
  print(*tab);
  check(tab->get_restart_count("printer") == uint64_t{2}, "count is wrong");
  check(tab->count_children().active == 2, "not all run");
  stop(office);
}

} // namespace

int caf_main(caf::actor_system& sys) {
  demo x{.sys = sys};
  try {
    first_life(x);
    second_life(x);
  } catch (std::exception& err) {
    std::cerr << "not as expected: " << err.what() << '\n';
    for (auto& dir : x.started)
      std::ignore = dir.stop();
    return EXIT_FAILURE;
  }
  std::cout << "\nAll went as expected.\n";
  return EXIT_SUCCESS;
}

CAF_MAIN(caf::id_block::director, caf::id_block::custom_table)
