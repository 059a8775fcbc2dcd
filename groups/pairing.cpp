#include "weft/groups/pairing.h"

#include <algorithm>

#include "weft/core/error.h"

namespace weft {
namespace {

constexpr std::size_t max_ways = 100000;

void check_count(std::size_t ways, const std::string& tensor) {
  if (ways > max_ways)
    throw UsageError(
        "[derive] terms to '{}': more than {} ways to give its axes and those of the features indices; derive "
        "for fewer tensors, or with fewer axes of one factor",
        tensor, max_ways);
}

/// Places that share an index in `a` share one in `b`.
bool refines(const Blocks& a, const Blocks& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (a[i] == a[j] && b[i] != b[j]) return false;
  return true;
}

template <class Finer>
void keep_finest(std::vector<Blocks>& ways, const Finer& finer) {
  std::vector<Blocks> finest;
  for (const Blocks& way : ways)
    if (std::none_of(ways.begin(), ways.end(), [&](const Blocks& w) { return w != way && finer(w, way); }))
      finest.push_back(way);
  ways = std::move(finest);
}

}  // namespace

Blocks renumbered(const Blocks& blocks) {
  Blocks out, seen;
  for (const int b : blocks) {
    const auto known = std::find(seen.begin(), seen.end(), b);
    out.push_back(static_cast<int>(known - seen.begin()));
    if (known == seen.end()) seen.push_back(b);
  }
  return out;
}

Pairing::Pairing(const TermList& list, const DeriveOptions& options, int target, std::span<const int> sources)
    : list_(list), options_(options) {
  append(true, target);
  for (const int source : sources) append(false, source);
}

void Pairing::append(bool left, int tensor) {
  const Space& space = left ? list_.out() : list_.in();
  const auto before = static_cast<int>(places_.size());
  const int operand = left ? 0 : next_operand_++;
  const auto axes = space.tensors()[static_cast<std::size_t>(tensor)].axes.size();
  for (std::size_t i = 0; i < axes; ++i) {
    places_.push_back(list_.place(left, tensor, static_cast<int>(i)));
    operands_.push_back(operand);
    if (places_.back().headed) places_.back().head += before;
  }
}

std::vector<Blocks> Pairing::run() {
  index_.assign(places_.size(), -1);
  const std::vector<Group> all_groups = groups();
  choose(all_groups, 0);
  // A fixed factor that carries copies shares its indices as they need it.
  if (std::any_of(all_groups.begin(), all_groups.end(),
                  [&](const Group& g) { return fixed(g[0]) && carries_copies(g); }))
    keep_finest(all_, [&](const Blocks& a, const Blocks& b) { return finer(a, b); });
  for (Blocks& blocks : all_) blocks = renumbered(blocks);
  std::sort(all_.begin(), all_.end());
  all_.erase(std::unique(all_.begin(), all_.end()), all_.end());
  return std::move(all_);
}

bool Pairing::learned(std::size_t place) const {
  if (fixed(place)) return along(place).way != AlongFixed::Way::alone;
  return factor(place).kind->has_pairs();
}

AlongFixed Pairing::along(std::size_t place) const {
  const auto own = options_.fixed.find(factor(place).name);
  return own == options_.fixed.end() ? AlongFixed::mixed() : own->second;
}

bool Pairing::strict(const Blocks& blocks) const {
  for (int b = 0; b < static_cast<int>(blocks.size()); ++b) {
    std::map<int, int> balance;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      if (blocks[i] != b || fixed(i)) continue;
      const TermPlace& p = places_[i];
      const int side = p.left ? -1 : 1;
      if (factor(i).kind->scales == Scales::none) balance[p.factor] += p.role == AxisRole::vector ? side : -side;
      for (const FactorDegree& d : p.degrees) balance[d.factor] += side * d.degree;
    }
    for (const auto& [factor, sum] : balance)
      if (sum != 0) return false;
  }
  return true;
}

std::vector<Pairing::Group> Pairing::groups() const {
  std::vector<Group> groups;
  for (std::size_t i = 0; i < places_.size(); ++i) {
    const auto own = std::find_if(groups.begin(), groups.end(),
                                  [&](const Group& g) { return places_[g[0]].factor == places_[i].factor; });
    if (own == groups.end())
      groups.push_back({i});
    else
      own->push_back(i);
  }
  // A factor that carries heads comes before those that are per it: their rule asks for its indices.
  std::stable_partition(groups.begin(), groups.end(), [&](const Group& g) {
    return std::none_of(g.begin(), g.end(), [&](std::size_t i) { return places_[i].headed; });
  });
  return groups;
}

bool Pairing::carries_copies(const Group& group) const {
  return std::any_of(places_.begin(), places_.end(), [&](const TermPlace& p) {
    return p.headed && std::find(group.begin(), group.end(), static_cast<std::size_t>(p.head)) != group.end();
  });
}

/// Every legal way for the groups from `g` on, those before them being chosen.
void Pairing::choose(const std::vector<Group>& groups, std::size_t g) {
  if (g == groups.size()) {
    all_.push_back(index_);
    check_count(all_.size(), places_[0].tensor);
    return;
  }
  for (const Blocks& way : ways(groups[g])) {
    for (std::size_t i = 0; i < way.size(); ++i)
      index_[groups[g][i]] = static_cast<int>(
          groups[g][static_cast<std::size_t>(std::find(way.begin(), way.end(), way[i]) - way.begin())]);
    choose(groups, g + 1);
  }
}

std::vector<Blocks> Pairing::ways(const Group& group) const {
  std::vector<Blocks> legal;
  Blocks blocks;
  const bool scaled =
      std::any_of(group.begin(), group.end(), [&](std::size_t i) { return !places_[i].degrees.empty(); });
  if (!fixed(group[0]) || scaled || carries_copies(group)) {
    std::size_t tried = 0;
    partitions(group, blocks, 0, legal, tried);
  } else {
    for (int i = 0; i < std::ssize(group); ++i) blocks.push_back(i);
    legal.push_back(blocks);
  }
  if (!fixed(group[0])) return legal;
  if (!carries_copies(group)) keep_finest(legal, refines);
  const auto way = along(group[0]).way;
  if (way != AlongFixed::Way::diagonal && way != AlongFixed::Way::alone) return legal;
  std::vector<Blocks> shared;
  for (const Blocks& b : legal) share_between_sides(group, b, shared);
  return shared;
}

/// All partitions of the group whose blocks the rule allows.
void Pairing::partitions(const Group& group, Blocks& blocks, int used, std::vector<Blocks>& legal,
                         std::size_t& tried) const {
  check_count(++tried / 10, places_[0].tensor);
  if (blocks.size() == group.size()) {
    for (int b = 0; b < used; ++b)
      if (!allowed(group, blocks, b)) return;
    legal.push_back(blocks);
    check_count(legal.size(), places_[0].tensor);
    return;
  }
  // Where a factor mixes entries, an index stands at two places, no more.
  const bool two = !factor(group[0]).kind->has_places();
  for (int b = 0; b <= used; ++b) {
    if (two && std::count(blocks.begin(), blocks.end(), b) == 2) continue;
    blocks.push_back(b);
    partitions(group, blocks, std::max(used, b + 1), legal, tried);
    blocks.pop_back();
  }
}

bool Pairing::allowed(const Group& group, const Blocks& blocks, int block) const {
  std::vector<TermPlace> places;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (blocks[i] != block) continue;
    places.push_back(places_[group[i]]);
    if (places.back().headed) places.back().head = index_[static_cast<std::size_t>(places.back().head)];
  }
  return term_verdict(list_.factors(), places, learned(group[0]) ? "phi" : "").allowed;
}

/// `a` differs from `b` in fixed places alone, which share less in it.
bool Pairing::finer(const Blocks& a, const Blocks& b) const {
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (!(fixed(i) && fixed(j)) && (a[i] == a[j]) != (b[i] == b[j])) return false;
  return refines(a, b);
}

/// Every way to make each index that stands on one side only that of one on the other, as far as there are any.
void Pairing::share_between_sides(const Group& group, const Blocks& way, std::vector<Blocks>& shared) const {
  const auto alone = [&](bool left) {
    std::vector<int> blocks;
    for (std::size_t i = 0; i < way.size(); ++i) {
      bool here = true;
      for (std::size_t j = 0; j < way.size(); ++j) here &= way[j] != way[i] || places_[group[j]].left == left;
      if (here && std::find(blocks.begin(), blocks.end(), way[i]) == blocks.end()) blocks.push_back(way[i]);
    }
    return blocks;
  };
  std::vector<int> few = alone(true), many = alone(false);
  if (few.size() > many.size()) std::swap(few, many);
  std::sort(many.begin(), many.end());
  do {
    Blocks one = way;
    for (std::size_t k = 0; k < few.size(); ++k) std::replace(one.begin(), one.end(), many[k], few[k]);
    shared.push_back(one);
    check_count(shared.size(), places_[0].tensor);
  } while (std::next_permutation(many.begin(), many.end()));
}

}  // namespace weft
