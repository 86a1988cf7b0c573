// The trees of real directors.

#include "fixture.hpp"

#include <caf/io/middleman.hpp>

#include <director/ets/all.hpp>

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

TEST_CASE("a tree shows the nodes that have a name", "[tree]") {
  // Without the middleman, nodes are all the same.
  world w{
    [](caf::actor_system_config& cfg) { cfg.load<caf::io::middleman>(); }};
  auto below = nested_spec("sup", fixed({.children = {w.worker("leaf")}}),
                           w.options("inner"));
  auto dir = w.start({below}, w.options("outer"));
  auto tree = value_of(get_tree(*w.sys, dir.handle()));
  CHECK(tree.place == w.sys->node());
  auto names = [&](const caf::node_id& x) {
    return x == w.sys->node() ? "the\nnode" : "";
  };
  CHECK(to_string(tree, names)
        == "outer  director  on the\\nnode\n"
           "└─ sup  supervisor  running, 0 restarts  director inner  on "
           "the\\nnode\n"
           "   └─ leaf  worker  running, 0 restarts  on the\\nnode\n");
  CHECK(occurrences(to_dot(tree, names), "\\non the") == 3);
  CHECK_FALSE(contains(to_dot(tree), "\\non "));
  CHECK(to_string(tree, [](auto&) { return std::string{}; })
        == to_string(tree));
  // Who lives on the node of the director above needs no mention.
  tree.children[0].place = caf::node_id{};
  auto text = to_string(tree);
  CHECK(contains(text, "director inner  on invalid-node\n"));
  CHECK(contains(text, "leaf  worker  running, 0 restarts  on "));
}

TEST_CASE("the directors of a shared table have a tree each", "[tree]") {
  world w;
  auto shared = value_of(ets::open(*w.sys, "shared"));
  auto on_shared = [&](std::string name) {
    auto result = w.options(std::move(name));
    result.table = shared;
    return result;
  };
  auto inner_spec = nested_spec("sup", fixed({.children = {w.worker("leaf")}}),
                                on_shared("inner"));
  auto apart = nested_spec("apart", fixed({.children = {w.worker("private")}}),
                           w.options("private director"));
  auto left = w.start({w.worker(2), w.worker(1), inner_spec}, on_shared("l"));
  auto right = w.start({apart}, on_shared("r"));
  auto idle = w.start({}, on_shared("idle"));
  auto trees = get_trees(*w.sys, *shared);
  REQUIRE(trees.size() == 2);
  CHECK(to_string(trees[0])
        == "l  director\n"
           "├─ 1  worker  running, 0 restarts\n"
           "├─ 2  worker  running, 0 restarts\n"
           "└─ sup  supervisor  running, 0 restarts  director inner\n"
           "   └─ leaf  worker  running, 0 restarts\n");
  CHECK(to_string(trees[1])
        == "r  director\n"
           "└─ apart  supervisor  running, 0 restarts  director private "
           "director\n"
           "   └─ private  worker  running, 0 restarts\n");
  // One that does not answer is listed all the same.
  CHECK_FALSE(left.suspend());
  CHECK_FALSE(right.suspend());
  trees = get_trees(*w.sys, *shared, 50ms);
  REQUIRE(trees.size() == 2);
  CHECK(trees[0].children.size() + trees[1].children.size() == 4);
  CHECK_FALSE(trees[0].name.empty());
  CHECK_FALSE(left.resume());
  CHECK_FALSE(right.resume());
  CHECK(get_trees(*w.sys, list_table{}).empty());
  for (auto& dir : {left, right, idle})
    CHECK_FALSE(dir.stop());
  shared->close();
}
