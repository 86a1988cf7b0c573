// The trees of real directors.

#include "fixture.hpp"

using namespace director;
using namespace fixture;

TEST_CASE("a tree shows all directors and their children", "[tree]") {
  world w;
  auto leaf = w.worker("leaf");
  auto waiting = w.worker("waiting");
  waiting.plan = plans::never();
  auto below = nested_spec("sup", fixed({.children = {leaf, waiting}}),
                           w.options("inner \"one\""));
  auto plain = w.worker("plain");
  plain.type = child_type::supervisor;
  auto dir = w.start({w.worker(1), below, plain}, w.options("outer"));
  auto sub = inner(w, value_of(dir.get_actor("sup")));
  CHECK(value_of(sub.get_name()) == "inner \"one\"");
  crash(w, sub, "leaf");
  send(value_of(sub.get_actor("waiting")), crash_atom_v);
  REQUIRE(becomes(w, sub, "waiting", errc::undefined));
  crash(w, dir, 1);
  crash(w, dir, 1);
  auto tree = value_of(get_tree(*w.sys, dir.handle()));
  CHECK(tree.name == "outer");
  REQUIRE(tree.children.size() == 3);
  auto& second = tree.children[1];
  CHECK(second.name == "inner \"one\"");
  CHECK(second.child.id == child_id{"sup"});
  REQUIRE(second.children.size() == 2);
  CHECK(second.children[0].child.handle == value_of(sub.get_actor("leaf")));
  CHECK_FALSE(second.children[1].child.handle);
  CHECK(tree.children[2].name.empty());
  CHECK(tree.children[2].children.empty());
  CHECK(to_string(tree)
        == "outer  director\n"
           "├─ 1  worker  running, 2 restarts\n"
           "├─ sup  supervisor  running, 0 restarts  director inner \"one\"\n"
           "│  ├─ leaf  worker  running, 1 restart\n"
           "│  └─ waiting  worker  undefined, 0 restarts\n"
           "└─ plain  supervisor  running, 0 restarts\n");
  auto dot = to_dot(tree);
  INFO(dot);
  CHECK(occurrences(dot, " -> ") == 5);
  CHECK(occurrences(dot, "label=") == 6);
  CHECK(occurrences(dot, R"(inner \"one\")") == 1);
  CHECK(occurrences(dot, "style=dashed") == 1);
  CHECK(error_of(get_tree(*w.sys, {})) == errc::actor_not_alive);
  CHECK_FALSE(dir.stop());
  CHECK_FALSE(get_tree(*w.sys, dir.handle()));
}

TEST_CASE("a tree does not wait for those that do not answer", "[tree]") {
  world w{4};
  auto door = std::make_shared<gate>();
  auto busy = noted(w, "busy", door);
  busy.type = child_type::supervisor;
  auto dir = w.start({busy, w.worker("b")});
  send(value_of(dir.get_actor("busy")), block_atom_v);
  REQUIRE(w.log->await("busy busy"));
  caf::expected<tree_node> tree = caf::error{caf::sec::runtime_error};
  CHECK(w.eventually([&] {
    tree = get_tree(*w.sys, dir.handle(), 200ms);
    return bool{tree};
  }));
  REQUIRE(tree);
  REQUIRE(tree->children.size() == 2);
  CHECK(tree->children[0].name.empty());
  CHECK(tree->children[0].children.empty());
  CHECK(tree->children[0].child.status == child_status::running);
  door->open();
}
