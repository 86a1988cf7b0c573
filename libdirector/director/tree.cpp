#include "director/tree.hpp"

#include "director/client.hpp"
#include "director/internal/text.hpp"

#include <caf/actor_cast.hpp>

#include <fmt/format.h>

#include <iterator>
#include <string_view>
#include <unordered_set>

namespace director {

namespace {

using seen_set = std::unordered_set<const void*>;

caf::error fill(tree_node& node, caf::actor_system& system,
                const director_actor& handle, caf::timespan timeout,
                seen_set& seen) {
  if (!seen.insert(handle->ctrl()).second)
    return {};
  client asked{system, handle, timeout};
  auto name = asked.get_name();
  if (!name)
    return std::move(name.error());
  auto children = asked.which_children();
  if (!children)
    return std::move(children.error());
  node.name = std::move(*name);
  for (auto& child : *children) {
    // Directors that share a table list the children of each other, too.
    if (child.owner != handle.address())
      continue;
    auto& next = node.children.emplace_back();
    next.child = std::move(child);
    if (next.child.type == child_type::supervisor && next.child.handle) {
      // Whether it is a director shows when it answers.
      auto guess = caf::actor_cast<director_actor>(next.child.handle);
      std::ignore = fill(next, system, guess, timeout, seen);
    }
  }
  return {};
}

std::string label(const tree_node& node, const char* separator) {
  auto& child = node.child;
  auto name = internal::escaped(node.name);
  if (child.id.empty())
    return fmt::format("{}{}director", name, separator);
  return fmt::format(
    "{}{}{}{}{}, {} restart{}{}", internal::escaped(to_string(child.id)),
    separator, to_string(child.type), separator, to_string(child.status),
    child.restart_count, child.restart_count == 1 ? "" : "s",
    name.empty() ? "" : fmt::format("{}director {}", separator, name));
}

void print(std::string& out, const tree_node& node, const std::string& indent) {
  for (auto& child : node.children) {
    auto last = &child == &node.children.back();
    fmt::format_to(std::back_inserter(out), "{}{} {}\n", indent,
                   last ? "└─" : "├─", label(child, "  "));
    print(out, child, indent + (last ? "   " : "│  "));
  }
}

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (auto c : text) {
    if (c == '"' || c == '\\')
      result += '\\';
    if (c == '\n')
      result += "\\n";
    else
      result += c;
  }
  return result + '"';
}

void print_dot(std::string& out, const tree_node& node, size_t& next_id) {
  auto id = next_id++;
  auto running = node.child.id.empty()
                 || node.child.status == child_status::running;
  fmt::format_to(std::back_inserter(out), "  n{} [label={}, shape={}{}];\n", id,
                 quoted(label(node, "\n")),
                 node.name.empty() ? "ellipse" : "box",
                 running ? "" : ", style=dashed");
  for (auto& child : node.children) {
    fmt::format_to(std::back_inserter(out), "  n{} -> n{};\n", id, next_id);
    print_dot(out, child, next_id);
  }
}

} // namespace

caf::expected<tree_node> get_tree(caf::actor_system& system,
                                  const director_actor& root,
                                  caf::timespan timeout) {
  tree_node result;
  if (!root)
    return caf::make_error(errc::actor_not_alive);
  seen_set seen;
  if (auto err = fill(result, system, root, timeout, seen))
    return err;
  return result;
}

std::string to_string(const tree_node& root) {
  auto result = label(root, "  ") + '\n';
  print(result, root, "");
  return result;
}

std::string to_dot(const tree_node& root) {
  std::string result = "digraph supervision {\n  rankdir=TB;\n";
  size_t next_id = 0;
  print_dot(result, root, next_id);
  return result + "}\n";
}

} // namespace director
