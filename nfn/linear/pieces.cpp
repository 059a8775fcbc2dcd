#include "weft/nfn/linear/pieces.h"

#include <algorithm>

#include "weft/nfn/linear/split.h"

namespace weft::linear {
namespace {

/// The steps of at[v, c] when one of them is 1; nothing for positions of another form.
std::optional<Steps> steps_of(const std::vector<std::int64_t>& at, std::int64_t columns) {
  const auto n = static_cast<std::int64_t>(at.size());
  const Steps steps{n > columns ? at[static_cast<std::size_t>(columns)] : 0, columns > 1 ? at[1] : 0};
  for (std::int64_t i = 0; i < n; ++i)
    if (at[static_cast<std::size_t>(i)] != i / columns * steps.v + i % columns * steps.c) return {};
  if (n > 1 && steps.v != 1 && steps.c != 1) return {};
  return steps;
}

/// Notes the steps of a list's tables; false when one has none.
bool finds_steps(Pieces& all) {
  for (Arrangement& a : all.arrangements) {
    const auto steps = steps_of(a.from, a.columns);
    if (!steps) return false;
    a.steps = *steps;
  }
  for (Piece& p : all.pieces) {
    const auto phi = steps_of(p.phi_at, p.added), out = steps_of(p.out_at, p.columns);
    if (!phi || !out) return false;
    p.phi_steps = *phi, p.out_steps = *out;
  }
  return true;
}

}  // namespace

std::optional<Pieces> pieces_of(const TermList& list) {
  Pieces all;
  all.written.assign(list.out().tensors().size(), false);
  if (!splits(list)) return {};
  for (const TermResolved& term : list.terms()) {
    const TermIndices s = *split(term);
    if (!s.summed.empty() || !s.broadcast.empty() || !term.averaged.empty()) return {};
    if (!s.feature) {
      if (list.out().tensors()[static_cast<std::size_t>(term.target)].taps() != 1) return {};
      all.constants.push_back({term.target, s.phi->which, positions(term, s.phi_axes, s.left)});
      continue;
    }
    const int feature = s.feature->which;
    Piece p{feature, term.target, s.phi->which};
    p.columns = count(term, s.kept), p.contracted = count(term, s.contracted), p.added = count(term, s.added);
    p.phi_size = p.contracted * p.added;
    p.phi_at = positions(term, joined(s.contracted, s.added), s.phi_axes);
    p.out_at = positions(term, joined(s.added, s.kept), s.left);
    p.straight = true;
    for (std::int64_t r = 0; r < p.added; ++r) p.straight &= counts_up(p.out_at.data() + r * p.columns, p.columns);
    Arrangement a{feature, p.columns, p.contracted, positions(term, joined(s.contracted, s.kept), s.x_axes), false};
    a.straight = counts_up(a.from.data(), static_cast<std::int64_t>(a.from.size()));
    const auto known = std::ranges::find_if(all.arrangements, [&](const Arrangement& other) {
      return other.feature == a.feature && other.columns == a.columns && other.from == a.from;
    });
    p.arrangement = static_cast<int>(known - all.arrangements.begin());
    if (known == all.arrangements.end()) all.arrangements.push_back(std::move(a));
    all.pieces.push_back(std::move(p));
  }
  std::ranges::stable_sort(all.pieces, {}, &Piece::arrangement);
  for (Piece& p : all.pieces) {
    const auto target = static_cast<std::size_t>(p.target);
    p.first = !all.written[target];
    all.written[target] = true;
    all.wide |= p.phi_size >= 256;
  }
  all.wide = all.wide && finds_steps(all);
  return all;
}

}  // namespace weft::linear
