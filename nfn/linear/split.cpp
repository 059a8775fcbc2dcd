#include "weft/nfn/linear/split.h"

#include <algorithm>

namespace weft::linear {
namespace {

bool contains(const Indices& indices, int i) { return std::ranges::find(indices, i) != indices.end(); }

bool repeats(const Indices& indices) {
  for (auto i = indices.begin(); i != indices.end(); ++i)
    if (std::find(i + 1, indices.end(), *i) != indices.end()) return true;
  return false;
}

/// -1 for an integer.
Indices axes_of(const TermOperand& operand) {
  Indices all;
  for (const TermAxis& axis : operand.axes) all.push_back(axis.index);
  return all;
}

}  // namespace

std::optional<TermIndices> split(const TermResolved& term) {
  TermIndices s;
  for (const TermIndex& index : term.indices)
    if (index.complex != Mixing::none) return {};
  for (const TermOperand& operand : term.operands) {
    const TermOperand*& place = operand.source == OperandSource::learned ? s.phi : s.feature;
    if (place) return {};
    place = &operand;
  }
  if (!s.phi) return {};
  s.phi_axes = axes_of(*s.phi);
  if (s.feature) s.x_axes = axes_of(*s.feature);
  s.left = term.left;
  for (const Indices* axes : {&s.phi_axes, &s.x_axes, &s.left})
    if (contains(*axes, -1) || repeats(*axes)) return {};
  for (int i : s.phi_axes) (contains(s.left, i) ? s.added : s.contracted).push_back(i);
  for (int i : s.left) {
    const bool in_x = contains(s.x_axes, i), in_phi = contains(s.phi_axes, i);
    if (in_x && in_phi) return {};
    if (in_x) s.kept.push_back(i);
    if (!in_x && !in_phi) s.broadcast.push_back(i);
  }
  for (int i : s.x_axes)
    if (!contains(s.left, i) && !contains(s.phi_axes, i)) s.summed.push_back(i);
  return s;
}

bool splits(const TermList& list) {
  std::vector<int> used;
  for (const TermResolved& term : list.terms()) {
    const auto s = split(term);
    if (!s || contains(used, s->phi->which)) return false;
    used.push_back(s->phi->which);
  }
  return list.lets().empty();
}

std::int64_t count(const TermResolved& term, const Indices& indices) {
  std::int64_t n = 1;
  for (int i : indices) n *= term.indices[static_cast<std::size_t>(i)].size;
  return n;
}

std::vector<std::int64_t> positions(const TermResolved& term, const Indices& loop, const Indices& axes) {
  std::vector<std::int64_t> all{0};
  for (int i : loop) {
    std::int64_t stride = contains(axes, i) ? 1 : 0;
    for (auto axis = axes.rbegin(); stride && axis != axes.rend() && *axis != i; ++axis)
      stride *= term.indices[static_cast<std::size_t>(*axis)].size;
    std::vector<std::int64_t> next;
    next.reserve(all.size() * static_cast<std::size_t>(term.indices[static_cast<std::size_t>(i)].size));
    for (std::int64_t at : all)
      for (std::int64_t v = 0; v < term.indices[static_cast<std::size_t>(i)].size; ++v) next.push_back(at + v * stride);
    all = std::move(next);
  }
  return all;
}

Indices joined(Indices a, const Indices& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

bool counts_up(const std::int64_t* at, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i)
    if (at[i] != at[0] + i) return false;
  return true;
}

}  // namespace weft::linear
