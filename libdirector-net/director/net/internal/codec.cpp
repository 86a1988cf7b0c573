#include "director/net/internal/codec.hpp"

#include "director/child_spec.hpp"

#include <caf/sec.hpp>

#include <limits>
#include <optional>
#include <span>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

namespace director::net::internal {

namespace {

template <class T>
concept with_inspect = std::same_as<T, contact> || std::same_as<T, address>;

std::span<const std::byte> bytes_of(std::string_view x) {
  return {reinterpret_cast<const std::byte*>(x.data()), x.size()};
}

// -- writing ------------------------------------------------------------------

/// Specs are written once per packet, however many entries share them.
class writer {
public:
  writer(caf::actor_system& sys, caf::binary_serializer& sink)
    : sys_(sys),
      sink_(sink) {
    // nop
  }

  bool operator()(const hello& x) {
    return all(x.version, x.self, x.cluster, x.table, x.settings, x.session,
               x.ack, x.established, x.seen);
  }

  bool operator()(const refusal& x) {
    return all(x.text);
  }

  bool operator()(const copy& x) {
    careful_ = x.careful;
    specs_of(
      x.entries, [](const entry& y) -> auto& { return y; });
    return all(x.about, x.clock, x.seen, x.members, x.complete) && write_specs()
           && all(x.entries);
  }

  bool operator()(const copy_request& x) {
    return all(x.about);
  }

  bool operator()(const steps& x) {
    careful_ = x.careful;
    specs_of(
      x.list, [](const step& y) -> auto& { return y.now; });
    return all(x.first) && write_specs() && all(x.list);
  }

  bool operator()(const receipt& x) {
    return all(x.count);
  }

  bool operator()(const ballot& x) {
    return all(x.number, x.seen, x.items);
  }

  bool operator()(const vote& x) {
    return all(x.number, x.busy, x.abstains);
  }

  bool operator()(const ballot_end& x) {
    return all(x.number, x.changes);
  }

  bool operator()(const heartbeat& x) {
    return all(x.stamp, x.echo, x.seen, x.claims, x.oldest_ballot, x.directors,
               x.rebalance_wanted, x.rebalance_done, x.leaving, x.paused,
               x.voter, x.members);
  }

  bool operator()(const offer& x) {
    return all(x.items);
  }

  bool operator()(const decline& x) {
    return all(x.ids, x.for_good);
  }

  bool operator()(const move_request& x) {
    return all(x.ids);
  }

  bool operator()(const bye&) {
    return true;
  }

  bool operator()(const illegible&) {
    return true;
  }

private:
  template <class Range, class F>
  void specs_of(const Range& xs, F entry_of) {
    for (auto& x : xs) {
      auto& body = entry_of(x).body;
      if (!body || is_apart(*body))
        continue;
      for (auto& spec : {body->spec, body->own})
        if (spec && numbers_.try_emplace(spec.get(), specs_.size() + 1).second)
          specs_.push_back(spec.get());
    }
  }

  bool write_specs() {
    if (!all(static_cast<uint32_t>(specs_.size())))
      return false;
    for (auto* spec : specs_)
      if (!sink_.apply(*spec))
        return false;
    return true;
  }

  uint32_t number_of(const child_spec_ptr& x) {
    return x ? static_cast<uint32_t>(numbers_.at(x.get())) : 0;
  }

  template <class... Ts>
  bool all(const Ts&... xs) {
    return (one(xs) && ...);
  }

  template <class T>
    requires std::is_arithmetic_v<T>
  bool one(const T& x) {
    return sink_.value(x);
  }

  bool one(const std::string& x) {
    return sink_.apply(x);
  }

  bool one(const child_id& x) {
    if (auto* number = x.integer())
      return all(uint8_t{1}, *number);
    if (auto* text = x.string())
      return all(uint8_t{2}, *text);
    return all(uint8_t{0});
  }

  template <with_inspect T>
  bool one(const T& x) {
    return sink_.apply(x);
  }

  bool one(const caf::timespan& x) {
    return all(int64_t{x.count()});
  }

  bool one(const common_settings& x) {
    return all(x.heartbeat, x.suspicion, x.pause_minority, x.grace, x.expected);
  }

  bool one(const change_id& x) {
    return all(x.author, x.count);
  }

  bool one(const ballot_item& x) {
    return all(x.id, x.base);
  }

  bool one(const offer_item& x) {
    return all(x.id, x.term);
  }

  bool is_apart(const entry_body& x) const {
    return careful_ || !x.raw.empty();
  }

  bool one(const entry_body& x) {
    if (is_apart(x))
      return all(uint8_t{8}) && apart(x);
    auto flags = static_cast<uint8_t>((x.args.empty() ? 0 : 1)
                                      | (x.extra.empty() ? 0 : 2)
                                      | (x.foreign ? 4 : 0));
    return all(flags, number_of(x.spec), number_of(x.own))
           && (x.args.empty() || sink_.apply(x.args))
           && (x.extra.empty() || sink_.apply(x.extra))
           && (!x.foreign || sink_.apply(x.foreign));
  }

  bool one(const entry& x) {
    auto flags = static_cast<uint8_t>((x.wanted ? 1 : 0) | (x.keep ? 2 : 0)
                                      | (x.body ? 4 : 0));
    return all(x.id, x.term, x.last, x.born, x.director, x.actor, x.incarnation,
               x.restart_count, static_cast<uint8_t>(x.status), flags)
           && (!x.body || one(*x.body));
  }

  bool one(const step& x) {
    return all(x.now, x.erased, x.replaced);
  }

  bool one(const horizon& x) {
    if (!all(static_cast<uint32_t>(x.size())))
      return false;
    for (auto& [author, count] : x)
      if (!all(author, count))
        return false;
    return true;
  }

  template <class T>
  bool one(const std::vector<T>& xs) {
    if (!all(static_cast<uint32_t>(xs.size())))
      return false;
    for (auto& x : xs)
      if (!one(x))
        return false;
    return true;
  }

  /// Writes a body so that those who cannot read it can skip it.
  bool apart(const entry_body& x) {
    auto outline = *x.spec;
    outline.args = caf::message{};
    outline.state = caf::message{};
    if (!sink_.apply(outline))
      return false;
    if (!x.raw.empty())
      return all(x.raw);
    caf::byte_buffer bytes;
    auto own = x.own ? std::optional<child_spec>{*x.own} : std::nullopt;
    if (encode(sys_, bytes, *x.spec, x.args, own, x.extra, x.foreign))
      return false;
    return all(
      std::string{reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }

  caf::actor_system& sys_;
  caf::binary_serializer& sink_;
  bool careful_ = false;
  std::unordered_map<const child_spec*, size_t> numbers_;
  std::vector<const child_spec*> specs_;
};

// -- reading ------------------------------------------------------------------

class reader {
public:
  reader(caf::actor_system& sys, const remote_handles& handles,
         caf::binary_deserializer& source)
    : sys_(sys),
      handles_(handles),
      source_(source) {
    // nop
  }

  bool operator()(hello& x) {
    if (!all(x.version, x.self))
      return false;
    if (x.version != protocol_version)
      return skip_rest();
    return all(x.cluster, x.table, x.settings, x.session, x.ack, x.established,
               x.seen);
  }

  bool operator()(refusal& x) {
    return all(x.text);
  }

  bool operator()(copy& x) {
    return all(x.about) && counter(x.clock)
           && all(x.seen, x.members, x.complete) && read_specs()
           && all(x.entries) && complete(x.entries);
  }

  bool operator()(copy_request& x) {
    return all(x.about);
  }

  bool operator()(steps& x) {
    return all(x.first) && read_specs() && all(x.list);
  }

  bool operator()(receipt& x) {
    return all(x.count);
  }

  bool operator()(ballot& x) {
    return all(x.number, x.seen, x.items);
  }

  bool operator()(vote& x) {
    return all(x.number, x.busy, x.abstains);
  }

  bool operator()(ballot_end& x) {
    return all(x.number, x.changes);
  }

  bool operator()(heartbeat& x) {
    return all(x.stamp, x.echo, x.seen, x.claims, x.oldest_ballot, x.directors)
           && counter(x.rebalance_wanted) && counter(x.rebalance_done)
           && all(x.leaving, x.paused, x.voter, x.members);
  }

  bool operator()(offer& x) {
    return all(x.items);
  }

  bool operator()(decline& x) {
    return all(x.ids, x.for_good);
  }

  bool operator()(move_request& x) {
    return all(x.ids);
  }

  bool operator()(bye&) {
    return true;
  }

  bool operator()(illegible&) {
    return true;
  }

private:
  bool skip_rest() {
    source_.skip(source_.remaining());
    return true;
  }

  static bool complete(const std::vector<entry>& xs) {
    for (auto& x : xs)
      if (!x.body)
        return false;
    return true;
  }

  /// Reads a number of elements, each of which takes a byte at least.
  bool size(uint32_t& x) {
    return all(x) && x <= source_.remaining();
  }

  bool read_specs() {
    uint32_t count = 0;
    if (!size(count))
      return false;
    for (uint32_t i = 0; i < count; ++i) {
      child_spec spec;
      if (!source_.apply(spec))
        return false;
      specs_.push_back(std::make_shared<const child_spec>(std::move(spec)));
    }
    complete_specs_.resize(count);
    return true;
  }

  /// Reads what an appended child's spec says itself.
  bool one(child_spec_ptr& x) {
    uint32_t number = 0;
    if (!all(number) || number > specs_.size())
      return false;
    if (number > 0)
      x = specs_[number - 1];
    return true;
  }

  /// Reads a spec that is in effect. Everything that reads records relies on
  /// it to be complete.
  bool effective(child_spec_ptr& x) {
    uint32_t number = 0;
    if (!all(number) || number == 0 || number > specs_.size())
      return false;
    auto& result = complete_specs_[number - 1];
    if (!result)
      result = std::make_shared<const child_spec>(
        with_defaults(*specs_[number - 1]));
    x = result;
    return true;
  }

  template <class... Ts>
  bool all(Ts&... xs) {
    return (one(xs) && ...);
  }

  template <class T>
    requires std::is_arithmetic_v<T>
  bool one(T& x) {
    return source_.value(x);
  }

  bool one(std::string& x) {
    return source_.apply(x);
  }

  bool one(child_id& x) {
    uint8_t kind = 0;
    if (!all(kind))
      return false;
    if (kind == 1) {
      int64_t number = 0;
      if (!all(number))
        return false;
      x = child_id{number};
      return true;
    }
    std::string text;
    if (kind != 2 || !all(text))
      return false;
    x = child_id{std::move(text)};
    return !x.empty();
  }

  template <with_inspect T>
  bool one(T& x) {
    return source_.apply(x);
  }

  bool one(caf::timespan& x) {
    int64_t count = 0;
    if (!all(count))
      return false;
    x = caf::timespan{count};
    // No multiple of it must overflow.
    return x >= caf::timespan{0} && x <= longest_time;
  }

  bool one(common_settings& x) {
    return all(x.heartbeat, x.suspicion, x.pause_minority, x.grace, x.expected);
  }

  /// Reads what counts up from 0, and will never get that far by counting.
  bool counter(uint64_t& x) {
    return all(x) && x < (uint64_t{1} << 62);
  }

  bool one(change_id& x) {
    return all(x.author) && counter(x.count);
  }

  bool one(ballot_item& x) {
    return all(x.id, x.base);
  }

  bool one(offer_item& x) {
    return all(x.id) && counter(x.term);
  }

  bool one(entry_body_ptr& x) {
    entry_body y;
    uint8_t flags = 0;
    if (!all(flags))
      return false;
    if ((flags & 8) != 0)
      return apart(x);
    if (!effective(y.spec) || !all(y.own)
        || ((flags & 1) != 0 && !source_.apply(y.args))
        || ((flags & 2) != 0 && !source_.apply(y.extra))
        || ((flags & 4) != 0 && !source_.apply(y.foreign)))
      return false;
    x = std::make_shared<const entry_body>(std::move(y));
    return true;
  }

  bool one(entry& x) {
    uint8_t status = 0;
    uint8_t flags = 0;
    if (!all(x.id) || !counter(x.term) || !all(x.last) || !counter(x.born)
        || !all(x.director, x.actor, x.incarnation, x.restart_count, status,
                flags)
        || status > static_cast<uint8_t>(child_status::unresponsive)
        || x.last.author == 0)
      return false;
    x.status = static_cast<child_status>(status);
    x.wanted = (flags & 1) != 0;
    x.keep = (flags & 2) != 0;
    return (flags & 4) == 0 || one(x.body);
  }

  bool one(step& x) {
    return all(x.now, x.erased, x.replaced);
  }

  bool one(horizon& x) {
    uint32_t count = 0;
    if (!size(count))
      return false;
    for (uint32_t i = 0; i < count; ++i) {
      node_key author = 0;
      uint64_t seen = 0;
      if (!all(author) || !counter(seen))
        return false;
      x[author] = seen;
    }
    return true;
  }

  template <class T>
  bool one(std::vector<T>& xs) {
    uint32_t count = 0;
    if (!size(count))
      return false;
    // Whoever lies about the number must not get much memory for it.
    xs.reserve(std::min<size_t>(count, source_.remaining() / 16));
    for (uint32_t i = 0; i < count; ++i) {
      xs.emplace_back();
      if (!one(xs.back()))
        return false;
    }
    return true;
  }

  bool apart(entry_body_ptr& x) {
    child_spec spec;
    entry_body y;
    if (!source_.apply(spec) || !all(y.raw))
      return false;
    child_spec whole;
    std::optional<child_spec> own;
    if (!decode(sys_, handles_, bytes_of(y.raw), whole, y.args, own, y.extra,
                y.foreign)) {
      y.raw.clear();
      spec = std::move(whole);
      if (own)
        y.own = std::make_shared<const child_spec>(std::move(*own));
    } else {
      y.args = y.extra = caf::message{};
      y.foreign = nullptr;
    }
    y.spec = std::make_shared<const child_spec>(with_defaults(std::move(spec)));
    x = std::make_shared<const entry_body>(std::move(y));
    return true;
  }

  caf::actor_system& sys_;
  const remote_handles& handles_;
  caf::binary_deserializer& source_;
  std::vector<child_spec_ptr> specs_;
  /// The same with all defaults, as far as asked for.
  std::vector<child_spec_ptr> complete_specs_;
};

template <size_t I = 0>
bool emplace(packet& what, size_t index) {
  if constexpr (I < std::variant_size_v<packet>) {
    if (index != I)
      return emplace<I + 1>(what, index);
    what.emplace<I>();
    return true;
  } else {
    return false;
  }
}

} // namespace

caf::error encode_packet(caf::actor_system& sys, const packet& what,
                         std::string& out) {
  caf::byte_buffer bytes;
  auto err = with_encoder(sys, bytes, [&](caf::binary_serializer& sink) {
    return sink.value(static_cast<uint8_t>(what.index()))
           && std::visit(writer{sys, sink}, what);
  });
  if (!err)
    out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return err;
}

caf::error decode_packet(caf::actor_system& sys, const remote_handles& handles,
                         std::string_view bytes, packet& what) {
  return with_decoder(
    sys, handles, bytes_of(bytes), [&](caf::binary_deserializer& source) {
      uint8_t index = 0;
      return source.value(index) && emplace(what, index)
             && std::visit(reader{sys, handles, source}, what);
    });
}

} // namespace director::net::internal
