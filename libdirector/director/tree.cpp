#include "director/tree.hpp"

#include "director/client.hpp"
#include "director/internal/text.hpp"
#include "director/table.hpp"

#include <caf/actor_addr.hpp>
#include <caf/actor_cast.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

namespace director {

namespace {

/// Asks directors and puts trees together.
class gatherer {
public:
  gatherer(caf::actor_system& system, caf::timespan timeout)
    : system_(system),
      timeout_(timeout) {
    // nop
  }

  /// Makes use of what a table tells about its directors.
  gatherer(caf::actor_system& system, caf::timespan timeout,
           const table& shared)
    : gatherer(system, timeout) {
    std::unordered_set<caf::actor_addr> below;
    for (auto& child : shared.which_children()) {
      if (child.handle)
        below.insert(child.handle.address());
      if (child.owner)
        known_[child.owner].push_back(std::move(child));
    }
    for (auto& [owner, children] : known_)
      if (!below.contains(owner))
        roots_.push_back(owner);
  }

  const std::vector<caf::actor_addr>& roots() const noexcept {
    return roots_;
  }

  caf::error fill(tree_node& node, const director_actor& handle) {
    auto self = handle.address();
    if (!seen_.insert(self).second)
      return {};
    node.place = handle.node();
    client asked{system_, handle, timeout_};
    auto name = asked.get_name();
    std::vector<child_info> children;
    if (auto i = known_.find(self); i != known_.end()) {
      // Shared tables have no order.
      children = std::move(i->second);
      std::ranges::sort(children, [](const auto& x, const auto& y) {
        return x.id < y.id;
      });
      node.name = name ? std::move(*name) : to_string(self);
    } else if (!name) {
      return std::move(name.error());
    } else if (auto listed = asked.which_children()) {
      children = std::move(*listed);
      node.name = std::move(*name);
    } else {
      return std::move(listed.error());
    }
    for (auto& child : children) {
      // Directors that share a table list the children of each other, too.
      if (child.owner != self)
        continue;
      auto& next = node.children.emplace_back();
      next.child = std::move(child);
      next.place = next.child.handle ? next.child.handle.node() : node.place;
      if (next.child.type == child_type::supervisor && next.child.handle) {
        // Whether it is a director shows when it answers.
        auto guess = caf::actor_cast<director_actor>(next.child.handle);
        std::ignore = fill(next, guess);
      }
    }
    return {};
  }

private:
  caf::actor_system& system_;
  caf::timespan timeout_;
  std::unordered_set<caf::actor_addr> seen_;
  std::unordered_map<caf::actor_addr, std::vector<child_info>> known_;
  std::vector<caf::actor_addr> roots_;
};

/// Renders what is special about a line.
class labels {
public:
  labels(const node_namer& names, const char* separator)
    : names_(names),
      separator_(separator) {
    // nop
  }

  std::string operator()(const tree_node& node, const tree_node* parent) const {
    auto& child = node.child;
    auto name = internal::escaped(node.name);
    auto place = place_of(node, parent);
    if (child.id.empty())
      return fmt::format("{}{}director{}", name, separator_, place);
    return fmt::format(
      "{}{}{}{}{}, {} restart{}{}{}", internal::escaped(to_string(child.id)),
      separator_, to_string(child.type), separator_, to_string(child.status),
      child.restart_count, child.restart_count == 1 ? "" : "s",
      name.empty() ? "" : fmt::format("{}director {}", separator_, name),
      place);
  }

private:
  std::string place_of(const tree_node& node, const tree_node* parent) const {
    auto name = names_ ? names_(node.place) : std::string{};
    if (name.empty() && parent != nullptr && node.place != parent->place)
      name = to_string(node.place);
    return name.empty()
             ? name
             : fmt::format("{}on {}", separator_, internal::escaped(name));
  }

  const node_namer& names_;
  const char* separator_;
};

void print(std::string& out, const tree_node& node, const std::string& indent,
           const labels& label) {
  for (auto& child : node.children) {
    auto last = &child == &node.children.back();
    fmt::format_to(std::back_inserter(out), "{}{} {}\n", indent,
                   last ? "└─" : "├─", label(child, &node));
    print(out, child, indent + (last ? "   " : "│  "), label);
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

void print_dot(std::string& out, const tree_node& node, const tree_node* parent,
               const labels& label, size_t& next_id) {
  auto id = next_id++;
  auto running = node.child.id.empty()
                 || node.child.status == child_status::running;
  fmt::format_to(std::back_inserter(out), "  n{} [label={}, shape={}{}];\n", id,
                 quoted(label(node, parent)),
                 node.name.empty() ? "ellipse" : "box",
                 running ? "" : ", style=dashed");
  for (auto& child : node.children) {
    fmt::format_to(std::back_inserter(out), "  n{} -> n{};\n", id, next_id);
    print_dot(out, child, &node, label, next_id);
  }
}

} // namespace

caf::expected<tree_node> get_tree(caf::actor_system& system,
                                  const director_actor& root,
                                  caf::timespan timeout) {
  if (!root)
    return caf::make_error(errc::actor_not_alive);
  tree_node result;
  if (auto err = gatherer{system, timeout}.fill(result, root))
    return err;
  return result;
}

std::vector<tree_node> get_trees(caf::actor_system& system, const table& shared,
                                 caf::timespan timeout) {
  std::vector<tree_node> result;
  gatherer all{system, timeout, shared};
  for (auto& root : all.roots())
    if (auto handle = caf::actor_cast<caf::strong_actor_ptr>(root))
      std::ignore = all.fill(result.emplace_back(),
                             caf::actor_cast<director_actor>(handle));
  std::ranges::sort(result, [](const tree_node& x, const tree_node& y) {
    return std::tie(x.name, x.place) < std::tie(y.name, y.place);
  });
  return result;
}

std::string to_string(const tree_node& root, const node_namer& names) {
  labels label{names, "  "};
  auto result = label(root, nullptr) + '\n';
  print(result, root, "", label);
  return result;
}

std::string to_dot(const tree_node& root, const node_namer& names) {
  std::string result = "digraph supervision {\n  rankdir=TB;\n";
  size_t next_id = 0;
  print_dot(result, root, nullptr, labels{names, "\n"}, next_id);
  return result + "}\n";
}

} // namespace director
