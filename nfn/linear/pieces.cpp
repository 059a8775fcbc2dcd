#include "weft/nfn/linear/pieces.h"

#include <algorithm>
#include <numeric>

namespace weft::linear {
namespace {

bool contains(const std::vector<int>& indices, int i) { return std::ranges::find(indices, i) != indices.end(); }

/// Indices of an operand, or nothing when one is an integer or stands twice.
std::optional<std::vector<int>> indices_of(const TermOperand& operand) {
  std::vector<int> all;
  for (const TermAxis& axis : operand.axes) {
    if (axis.index < 0 || contains(all, axis.index)) return {};
    all.push_back(axis.index);
  }
  return all;
}

std::int64_t count(const TermResolved& term, const std::vector<int>& indices) {
  std::int64_t n = 1;
  for (int i : indices) n *= term.indices[static_cast<std::size_t>(i)].size;
  return n;
}

/// For every value of `loop`'s indices (the last fastest): the position in a tensor with axes `axes`, other indices 0.
std::vector<std::int64_t> positions(const TermResolved& term, const std::vector<int>& loop,
                                    const std::vector<int>& axes) {
  std::vector<std::int64_t> all{0};
  for (int i : loop) {
    std::int64_t stride = contains(axes, i) ? 1 : 0;
    for (auto axis = axes.rbegin(); stride && axis != axes.rend() && *axis != i; ++axis)
      stride *= term.indices[static_cast<std::size_t>(*axis)].size;
    std::vector<std::int64_t> next;
    for (std::int64_t at : all)
      for (std::int64_t v = 0; v < term.indices[static_cast<std::size_t>(i)].size; ++v) next.push_back(at + v * stride);
    all = std::move(next);
  }
  return all;
}

std::vector<int> joined(std::vector<int> a, const std::vector<int>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

bool counts_up(const std::int64_t* at, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i)
    if (at[i] != at[0] + i) return false;
  return true;
}

}  // namespace

std::optional<Pieces> pieces_of(const TermList& list) {
  Pieces all;
  all.written.assign(list.out().tensors().size(), false);
  if (!list.lets().empty()) return {};
  for (const TermResolved& term : list.terms()) {
    const TermOperand *phi = nullptr, *feature = nullptr;
    for (const TermOperand& operand : term.operands) {
      const TermOperand*& place = operand.source == Source::learned ? phi : feature;
      if (place) return {};
      place = &operand;
    }
    std::vector<int> left;
    for (int i : term.left) {
      if (contains(left, i)) return {};
      left.push_back(i);
    }
    if (!phi || !term.averaged.empty()) return {};
    const auto phi_indices = indices_of(*phi);
    const auto x_indices = feature ? indices_of(*feature) : std::vector<int>{};
    if (!phi_indices || !x_indices) return {};
    std::vector<int> contracted, kept, added;
    for (int i : *phi_indices) (contains(left, i) ? added : contracted).push_back(i);
    for (int i : left) {
      if (contains(*x_indices, i) == contains(*phi_indices, i)) return {};
      if (contains(*x_indices, i)) kept.push_back(i);
    }
    for (int i : *x_indices)
      if (!contains(left, i) && !contains(contracted, i)) return {};
    if (!feature) {
      if (list.out().tensors()[static_cast<std::size_t>(term.target)].taps() != 1) return {};
      all.constants.push_back({term.target, phi->which, positions(term, *phi_indices, left)});
      continue;
    }
    Piece p{feature->which, term.target, phi->which};
    p.columns = count(term, kept), p.contracted = count(term, contracted), p.added = count(term, added);
    p.phi_size = p.contracted * p.added;
    p.phi_at = positions(term, joined(contracted, added), *phi_indices);
    p.out_at = positions(term, joined(added, kept), left);
    p.straight = true;
    for (std::int64_t r = 0; r < p.added; ++r) p.straight &= counts_up(p.out_at.data() + r * p.columns, p.columns);
    Arrangement a{feature->which, p.columns, p.contracted, positions(term, joined(contracted, kept), *x_indices),
                  false};
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
  }
  return all;
}

}  // namespace weft::linear
