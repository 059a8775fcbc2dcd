#include "weft/nfn/linear/pieces.h"

#include <algorithm>

#include "weft/nfn/linear/split.h"

namespace weft::linear {

std::optional<Pieces> pieces_of(const TermList& list) {
  Pieces all;
  all.written.assign(list.out().tensors().size(), false);
  if (!splits(list)) return {};
  for (const TermResolved& term : list.terms()) {
    const Split s = *split(term);
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
  return all;
}

}  // namespace weft::linear
