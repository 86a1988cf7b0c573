// The table of examples/custom_table: the contract, and what it finds in a
// file.

#include "fixture.hpp"
#include "journal_table.hpp"

#include <director/test/table_suite.hpp>
#include <filesystem>
#include <fstream>
#include <random>

using namespace director;
using namespace fixture;

namespace fs = std::filesystem;

namespace {

/// A folder that vanishes with the object.
class temporary_folder {
public:
  temporary_folder()
    : path_(fs::temp_directory_path()
            / ("custom-table-" + std::to_string(std::random_device{}()))) {
    fs::create_directory(path_);
  }

  temporary_folder(const temporary_folder&) = delete;

  ~temporary_folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }

  fs::path operator/(const std::string& name) const {
    return path_ / name;
  }

private:
  fs::path path_;
};

void append(const fs::path& file, const std::string& text) {
  std::ofstream{file, std::ios::app | std::ios::binary} << text;
}

void create(const fs::path& file, const std::string& text) {
  std::ofstream{file, std::ios::binary} << text;
}

/// All children of these tests have the same spec.
std::optional<child_spec> spec_of(const child_id& id) {
  child_spec result;
  result.id = id;
  result.start = [](caf::event_based_actor* self) -> caf::behavior {
    return {[self](crash_atom) { self->quit(caf::sec::runtime_error); }};
  };
  result.plan = plans::permanent();
  result.delete_before_terminate = id == "guest";
  return result;
}

std::shared_ptr<journal_table> open(const fs::path& file) {
  return value_of(journal_table::open(file, spec_of));
}

/// Returns the restart count of the only child, or nothing if there is not
/// exactly one, or it has an owner.
std::optional<uint64_t> only_child(const fs::path& file,
                                   const child_id& id = "a") {
  auto tab = open(file);
  auto found = tab->find(id);
  if (tab->size() != 1 || !found || found->owner || found->handle
      || found->status != child_status::undefined)
    return std::nullopt;
  return found->restart_count;
}

} // namespace

TEST_CASE("the table of the example conforms", "[custom_table]") {
  temporary_folder dir;
  world w;
  size_t files = 0;
  auto make = [&] { return open(dir / std::to_string(++files)); };
  auto failures = director::test::check_table(*w.sys, make,
                                              {.concurrent = true});
  for (auto& failure : failures)
    UNSCOPED_INFO(failure);
  CHECK(failures.empty());
}

TEST_CASE("children come back from the file with their counts",
          "[custom_table]") {
  temporary_folder dir;
  world w;
  auto options = w.options();
  auto tab = open(dir / "file");
  options.table = tab;
  auto dir1 = w.start({}, options);
  auto ids = std::vector<child_id>{"guest", 7, "7", "two words\n\\n"};
  for (auto& id : ids)
    REQUIRE(!error_of(dir1.start_child(*spec_of(id))));
  for (uint64_t count = 1; count <= 2; ++count) {
    send(value_of(tab->get_actor(7)), crash_atom_v);
    REQUIRE(w.eventually(
      [&] { return tab->get_restart_count(7) == count && tab->get_actor(7); }));
  }
  SECTION("after the process has crashed") {
    // The file as it is while the director lives.
    fs::copy_file(dir / "file", dir / "copy");
  }
  SECTION("after the director has ended") {
    REQUIRE(!dir1.stop());
    fs::copy_file(dir / "file", dir / "copy");
  }
  auto again = open(dir / "copy");
  CHECK(again->size() == 3);
  CHECK(again->count_children().active == 0);
  CHECK(!again->find("guest"));
  CHECK(again->get_restart_count("7") == uint64_t{0});
  REQUIRE(again->find(7));
  CHECK(again->find(7)->restart_count == 2);
  CHECK(again->find(7)->status == child_status::undefined);
  CHECK(!again->find(7)->owner);
  // A director goes on where the other one was.
  options.table = again;
  auto dir2 = w.start({}, options);
  for (auto& id : {ids[1], ids[2], ids[3]})
    CHECK(!error_of(dir2.restart_child(id)));
  CHECK(again->count_children().active == 3);
  CHECK(again->get_restart_count(7) == uint64_t{3});
  CHECK(again->get_restart_count("7") == uint64_t{1});
  REQUIRE(!dir2.stop());
  CHECK(open(dir / "copy")->get_restart_count(7) == uint64_t{3});
}

TEST_CASE("children that the application has dropped do not come back",
          "[custom_table]") {
  temporary_folder dir;
  create(dir / "file", "0 release undefined keep 4 5 s a\n"
                       "0 release undefined keep 4 5 s b\n");
  auto tab = value_of(journal_table::open(
    dir / "file", [](const child_id& id) -> std::optional<child_spec> {
      return id == "a" ? spec_of(id) : std::nullopt;
    }));
  CHECK(tab->size() == 1);
  CHECK(only_child(dir / "file") == 4u);
}

TEST_CASE("a torn last line does not count", "[custom_table]") {
  temporary_folder dir;
  create(dir / "file", "0 put running keep 4 5 s a\n");
  SECTION("a line without end") {
    append(dir / "file", "0 put running keep 6");
  }
  SECTION("a whole line without end") {
    append(dir / "file", "0 put running keep 6 7 s a");
  }
  SECTION("a call that lacks lines") {
    append(dir / "file", "1 erase running keep 4 5 s a\n");
  }
  SECTION("a call that lacks lines, and a line without end") {
    append(dir / "file", "2 claim restarting keep 0 0 s b\n"
                         "1 put running keep 5 6 s a\n"
                         "0 put runn");
  }
  CHECK(only_child(dir / "file") == 4u);
  // Opening it has cut off the rest, and what follows counts.
  append(dir / "file", "0 put running keep 8 9 s a\n");
  CHECK(only_child(dir / "file") == 8u);
}

TEST_CASE("a file that is none of ours is refused", "[custom_table]") {
  temporary_folder dir;
  auto text = GENERATE(as<std::string>{}, "hello\n",
                       "0 put running keep x 5 s a\n"
                       "0 put running keep 4 5 s a\n",
                       "0 put running keep 4 5 i a\n", "\n");
  create(dir / "file", text);
  CHECK(error_of(journal_table::open(dir / "file", spec_of))
        == errc::table_failed);
  // It is left as it was.
  std::ifstream in{dir / "file"};
  std::string found{std::istreambuf_iterator<char>{in}, {}};
  CHECK(found == text);
}

TEST_CASE("a folder or a missing folder is refused", "[custom_table]") {
  temporary_folder dir;
  CHECK(error_of(journal_table::open(dir / "", spec_of)) == errc::table_failed);
  CHECK(error_of(journal_table::open(dir / "no" / "file", spec_of))
        == errc::table_failed);
}

TEST_CASE("a table that cannot write ends its directors", "[custom_table]") {
  // Takes nothing: its first character is one too many.
  struct full_buffer final : std::streambuf {};
  struct full_stream final : std::ostream {
    full_stream() : std::ostream(&buffer) {
      // nop
    }
    full_buffer buffer;
  };
  world w;
  auto options = w.options();
  auto tab = std::make_shared<journal_table>(std::make_unique<full_stream>());
  options.table = tab;
  auto one = w.start({}, options);
  auto two = w.start({}, options);
  CHECK(error_of(one.start_child(*spec_of("a"))) == errc::table_failed);
  CHECK(end_of(one) == errc::table_failed);
  CHECK(end_of(two) == errc::table_failed);
  // As if the write had never been tried.
  CHECK(tab->size() == 0);
  auto late = director::start(*w.sys, fixed({}), options);
  CHECK(error_of(late) == errc::table_failed);
}
