// What the rule says of the terms of a list (spec 7.2, 7.3).

#include <algorithm>

#include <fmt/format.h>

#include "weft/core/error.h"
#include "weft/groups/term.h"

namespace weft {

bool TermList::has_copies(int root, std::span<const FactorDegree> degrees) const {
  const auto per = [&](int f) { return !factors_[static_cast<std::size_t>(f)].per.empty(); };
  return per(root) || std::any_of(degrees.begin(), degrees.end(), [&](const FactorDegree& d) {
           return per(d.factor) &&
                  (factors_[static_cast<std::size_t>(d.factor)].kind->scales != Scales::sign || d.degree % 2 != 0);
         });
}

TermPlace TermList::place(bool left, int tensor, int axis) const {
  const Space& space = left ? out_ : in_;
  const std::vector<int>& positions = left ? out_positions_ : in_positions_;
  const SpaceTensor& t = space.tensors()[static_cast<std::size_t>(tensor)];
  const SpaceAxis& own = t.axes[static_cast<std::size_t>(axis)];
  TermPlace place{left, t.name, positions[static_cast<std::size_t>(own.factor)], own.role};
  for (const auto& [factor, degree] : space.characters(own))
    if (space.factors()[static_cast<std::size_t>(factor)].kind->scales != Scales::none && degree != 0)
      place.degrees.push_back({positions[static_cast<std::size_t>(factor)], degree});
  place.headed = has_copies(place.factor, place.degrees);
  if (place.headed) place.head = space.head_of(tensor, axis);
  return place;
}

std::vector<TermPlace> TermList::places(const TermResolved& term, int index) const {
  std::vector<TermPlace> out;
  auto of_space = [&](const Space& space, int tensor, auto index_at, bool left) {
    const std::size_t axes = space.tensors()[static_cast<std::size_t>(tensor)].axes.size();
    for (std::size_t i = 0; i < axes; ++i) {
      if (index_at(i) != index) continue;
      out.push_back(place(left, tensor, static_cast<int>(i)));
      if (out.back().headed) out.back().head = index_at(static_cast<std::size_t>(out.back().head));
    }
  };
  auto of_let = [&](const TermLet& let, auto index_at, bool left) {
    for (std::size_t i = 0; i < let.axes.size(); ++i) {
      if (index_at(i) != index) continue;
      const TermLetAxis& a = let.axes[i];
      out.push_back({left, let.name, a.factor, a.role, a.degrees, a.headed,
                     a.head < 0 ? -1 : index_at(static_cast<std::size_t>(a.head))});
    }
  };
  for (const TermOperand& operand : term.operands) {
    auto index_at = [&](std::size_t i) { return operand.axes[i].index; };
    if (operand.source == OperandSource::feature) of_space(in_, operand.which, index_at, false);
    if (operand.source == OperandSource::let) of_let(lets_[static_cast<std::size_t>(operand.which)], index_at, false);
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
  if (where.empty()) return {true, "shared by learned tensors alone"};
  std::string_view learned;
  for (const TermOperand& operand : term.operands) {
    if (operand.source != OperandSource::learned) continue;
    const std::string& name = parameters_[static_cast<std::size_t>(operand.which)].name;
    for (const TermAxis& a : operand.axes) {
      if (a.index != index) continue;
      if (!learned.empty() && factors_[static_cast<std::size_t>(where[0].factor)].kind->has_pairs())
        return {false, fmt::format("stands in '{}' and '{}'; allowed: one learned tensor, which multiplies as complex "
                                   "numbers",
                                   learned, name)};
      learned = name;
    }
  }
  return term_verdict(factors_, where, learned);
}

namespace {
const TermResolved& numbered(const std::vector<TermResolved>& terms, int term) {
  if (term < 0 || term >= std::ssize(terms))
    throw UsageError("[terms] number {}; allowed: those of {} terms, from 0", term, terms.size());
  return terms[static_cast<std::size_t>(term)];
}
}  // namespace

std::optional<std::string> TermList::refusal(int term) const {
  const TermResolved& t = numbered(terms_, term);
  for (int i = 0; i < static_cast<int>(t.indices.size()); ++i) {
    const TermVerdict v = verdict(t, i);
    const TermIndex& index = t.indices[static_cast<std::size_t>(i)];
    const Factor& f = factors_[static_cast<std::size_t>(index.factor)];
    if (!v.allowed) return fmt::format("index {} ({}: {}): {}", index.name, f.name, f.str(), v.reason);
  }
  return {};
}

std::string TermList::proof(int term) const {
  const TermResolved& t = numbered(terms_, term);
  std::string out = t.text + "\n";
  for (int i = 0; i < static_cast<int>(t.indices.size()); ++i) {
    const TermIndex& index = t.indices[static_cast<std::size_t>(i)];
    const Factor& f = factors_[static_cast<std::size_t>(index.factor)];
    std::string at;
    for (const TermPlace& p : places(t, i))
      at += fmt::format("{}{}{} ({})", at.empty() ? "" : ", ", p.left ? "left " : "", p.tensor, in_words(factors_, p));
    const TermVerdict v = verdict(t, i);
    out += fmt::format("    {:<4} {:<24} {:<40} {}{}\n", index.name, fmt::format("{}: {}", f.name, f.str()), at,
                       v.allowed ? "" : "REFUSED: ", v.reason);
  }
  return out;
}

}  // namespace weft
