// The rule: when is a term equivariant (spec 7.2)? Decided index by index, from the places where it stands.

#include <cstdlib>

#include <fmt/format.h>

#include "weft/groups/term.h"

namespace weft {
namespace {

struct Counts {
  int right = 0, left = 0;                ///< places
  int right_weight = 0, left_weight = 0;  ///< vector +1, covector -1
};

Counts count(const std::vector<TermPlace>& places) {
  Counts c;
  for (const TermPlace& p : places) {
    (p.left ? c.left : c.right) += 1;
    (p.left ? c.left_weight : c.right_weight) += p.weight;
  }
  return c;
}

TermVerdict refused(std::string reason) { return {false, std::move(reason)}; }

/// How a place transforms; an axis of a let may do so by another power than a tensor's.
std::string how(const TermPlace& p, Kind kind) {
  if (kind == Kind::positive_monomial && std::abs(p.weight) != 1) return fmt::format("power {}", p.weight);
  if (kind == Kind::sign_monomial && p.weight == 0) return "even";
  const bool covector = kind == Kind::positive_monomial ? p.weight < 0 : p.role == Role::covector;
  return covector ? "covector" : "vector";
}

TermVerdict verdict_GL(const Counts& c, const std::vector<TermPlace>& places) {
  if (c.right == 1 && c.left == 1) {
    if (places[0].role == places[1].role) return {true, "kept in its role"};
    return refused("is a vector on one side and a covector on the other; allowed: the same role");
  }
  if (c.right + c.left == 2) {
    if (places[0].role != places[1].role)
      return {true, c.left ? "writes the identity matrix" : "a vector with a covector: contracted"};
    return refused("stands twice in the same role; allowed: a vector with a covector");
  }
  return refused(fmt::format(
      "stands {} times on the right and {} on the left; allowed: once on each side, or a vector and a covector on one",
      c.right, c.left));
}

}  // namespace

std::vector<TermPlace> TermList::places(const TermResolved& term, int index) const {
  std::vector<TermPlace> out;
  auto of_space = [&](const Space& space, int tensor, auto index_at, bool left) {
    const SpaceTensor& t = space.tensors()[static_cast<std::size_t>(tensor)];
    for (std::size_t i = 0; i < t.axes.size(); ++i) {
      if (index_at(i) != index) continue;
      const Factor& f = space.factors()[static_cast<std::size_t>(t.axes[i].factor)];
      TermPlace place{left, t.name, -1, t.axes[i].role == Role::vector ? 1 : -1, t.axes[i].role, -1};
      for (std::size_t k = 0; k < factors_.size(); ++k)
        if (factors_[k].name == f.name) place.factor = static_cast<int>(k);
      for (std::size_t k = 0; k < t.axes.size(); ++k)
        if (!f.per.empty() && space.factors()[static_cast<std::size_t>(t.axes[k].factor)].name == f.per)
          place.head = index_at(k);
      out.push_back(std::move(place));
    }
  };
  auto of_let = [&](const TermLet& let, auto index_at, bool left) {
    for (std::size_t i = 0; i < let.axes.size(); ++i) {
      if (index_at(i) != index) continue;
      const TermLetAxis& a = let.axes[i];
      out.push_back(
          {left, let.name, a.factor, a.weight, a.role, a.head < 0 ? -1 : index_at(static_cast<std::size_t>(a.head))});
    }
  };
  for (const TermOperand& operand : term.operands) {
    auto index_at = [&](std::size_t i) { return operand.axes[i].index; };
    if (operand.source == Source::feature) of_space(in_, operand.which, index_at, false);
    if (operand.source == Source::let) of_let(lets_[static_cast<std::size_t>(operand.which)], index_at, false);
  }
  auto index_at = [&](std::size_t i) { return term.left[i]; };
  if (!term.to_let)
    of_space(out_, term.target, index_at, true);
  else if (static_cast<std::size_t>(term.target) < lets_.size())  // not while its type is being found
    of_let(lets_[static_cast<std::size_t>(term.target)], index_at, true);
  return out;
}

TermVerdict TermList::verdict(const TermResolved& term, int index) const {
  const std::vector<TermPlace> where = places(term, index);
  const Factor& factor = factors_[static_cast<std::size_t>(term.indices[static_cast<std::size_t>(index)].factor)];
  for (const TermPlace& p : where)
    if (p.factor != where[0].factor)
      return refused(fmt::format("runs over {} and {}; allowed: one factor", factor.name,
                                 factors_[static_cast<std::size_t>(p.factor)].name));
  if (factor.kind == Kind::fixed) return {true, "does not move: everything is allowed"};
  for (const TermPlace& p : where)
    if (p.head != where[0].head)
      return refused(
          fmt::format("its places carry different heads; allowed: one index over {} at all of them", factor.per));
  for (const TermOperand& operand : term.operands)
    if (operand.source == Source::learned)
      for (const TermAxis& a : operand.axes)
        if (a.index == index)
          return refused(fmt::format("stands in '{}', but {} moves; allowed there: indices over fixed factors",
                                     parameters_[static_cast<std::size_t>(operand.which)].name, factor.name));

  const Counts c = count(where);
  switch (factor.kind) {
    case Kind::fixed:
    case Kind::permutation:
      return {true, c.left == 0 ? "summed over all" : c.right == 0 ? "the same value at all" : "kept"};
    case Kind::positive_monomial:
      if (c.right_weight == c.left_weight)
        return {true, fmt::format("scales by power {} on both sides", c.left_weight)};
      return refused(fmt::format("scales by power {} on the right, {} on the left", c.right_weight, c.left_weight));
    case Kind::sign_monomial:
      if ((c.right_weight - c.left_weight) % 2 == 0) return {true, "an even number of signs"};
      return refused("an odd number of signs");
    case Kind::GL:
      break;
  }
  return verdict_GL(c, where);
}

std::optional<std::string> TermList::refusal(int term) const {
  const TermResolved& t = terms_[static_cast<std::size_t>(term)];
  for (int i = 0; i < static_cast<int>(t.indices.size()); ++i) {
    const TermVerdict v = verdict(t, i);
    const TermIndex& index = t.indices[static_cast<std::size_t>(i)];
    const Factor& f = factors_[static_cast<std::size_t>(index.factor)];
    if (!v.allowed) return fmt::format("index {} ({}: {}): {}", index.name, f.name, f.str(), v.reason);
  }
  return {};
}

std::string TermList::proof(int term) const {
  const TermResolved& t = terms_[static_cast<std::size_t>(term)];
  std::string out = t.text + "\n";
  for (int i = 0; i < static_cast<int>(t.indices.size()); ++i) {
    const TermIndex& index = t.indices[static_cast<std::size_t>(i)];
    const Factor& f = factors_[static_cast<std::size_t>(index.factor)];
    std::string at;
    for (const TermPlace& p : places(t, i))
      at += fmt::format("{}{}{} ({})", at.empty() ? "" : ", ", p.left ? "left " : "", p.tensor, how(p, f.kind));
    const TermVerdict v = verdict(t, i);
    out += fmt::format("    {:<4} {:<24} {:<40} {}{}\n", index.name, fmt::format("{}: {}", f.name, f.str()), at,
                       v.allowed ? "" : "REFUSED: ", v.reason);
  }
  return out;
}

}  // namespace weft
