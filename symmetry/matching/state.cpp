// What is known of the element between two networks, and the numbers that it moves.

#include <algorithm>

#include "weft/ops/act.h"
#include "weft/symmetry/internal/matching.h"

namespace weft::equivalence {
namespace {

std::size_t at(int i) { return static_cast<std::size_t>(i); }

constexpr std::int64_t small = 1 << 20;  // numbers of a network whose images are kept in float64

bool acts(const Factor& f, int degree) {
  return (f.kind->has_magnitudes() && degree != 0) || (f.kind->has_signs() && degree % 2 != 0);
}

}  // namespace

MatchState::MatchState(const Space& space, std::span<const Tensor> a, std::span<const Tensor> b)
    : space_(space), a_(a), b_(b), identity_(Element::identity(space)), element_(identity_) {
  for (std::vector<char>* known : {&order, &scale, &matrix}) known->resize(at(factors()));
  for (int f = 0; f < factors(); ++f) forget_one(f);
  if (space.parameters() <= small) {
    images_.resize(at(tensors()));
    targets_.resize(at(tensors()));
  }
}

void MatchState::forget_one(int f) {
  order[at(f)] = identity_.part(f).order.empty() || factor(f).size == 1;
  scale[at(f)] = factor(f).kind->scales == Scales::none;
  matrix[at(f)] = factor(f).kind->has_places();
}

void MatchState::forget(int root) {
  std::vector<ElementPart> parts(element_.parts().begin(), element_.parts().end());
  for (int f = 0; f < factors(); ++f) {
    if (space_.root(f) != root && space_.heads(f) != root) continue;
    parts[at(f)] = identity_.part(f);
    forget_one(f);
  }
  set_element(Element(space_, std::move(parts)));
}

void MatchState::forget_matrix(int f) {
  std::vector<ElementPart> parts(element_.parts().begin(), element_.parts().end());
  parts[at(f)] = identity_.part(f);
  set_element(Element(space_, std::move(parts)));
}

bool MatchState::complete() const {
  const auto all = [](const std::vector<char>& known) { return std::ranges::find(known, 0) == known.end(); };
  return all(order) && all(scale) && all(matrix);
}

bool MatchState::carries_copies(int f) const {
  for (int g = 0; g < factors(); ++g)
    if (space_.heads(g) == f) return true;
  return false;
}

std::vector<FactorDegree> MatchState::acting(const SpaceAxis& axis) const {
  if (!factor(axis.factor).kind->has_places()) return {};
  std::vector<FactorDegree> out = space_.characters(axis);
  std::erase_if(out, [&](const FactorDegree& c) { return !acts(factor(c.factor), c.degree); });
  return out;
}

std::vector<FactorDegree> MatchState::unknown(const SpaceAxis& axis) const {
  std::vector<FactorDegree> out = acting(axis);
  std::erase_if(out, [&](const FactorDegree& c) { return scale[at(c.factor)]; });
  return out;
}

bool MatchState::known(int t, int i) const {
  const SpaceAxis& own = axis(t, i);
  return order[at(own.factor)] && matrix[at(own.factor)] && unknown(own).empty();
}

bool MatchState::keeps_norms(int t, int i) const {
  const SpaceAxis& own = axis(t, i);
  if (!matrix[at(own.factor)]) return factor(own.factor).kind->self_dual;
  return std::ranges::none_of(unknown(own),
                              [&](const FactorDegree& c) { return factor(c.factor).kind->has_magnitudes(); });
}

Tensor MatchState::image(int t) const {
  if (images_.empty()) return act(element_, t, a_[at(t)].to(DType::f64));
  if (!images_[at(t)].defined()) images_[at(t)] = act(element_, t, a_[at(t)].to(DType::f64));
  return images_[at(t)];
}

Tensor MatchState::target(int t) const {
  if (targets_.empty()) return b_[at(t)].to(DType::f64);
  if (!targets_[at(t)].defined()) targets_[at(t)] = b_[at(t)].to(DType::f64);
  return targets_[at(t)];
}

void MatchState::set_element(const Element& g) {
  element_ = g;
  std::ranges::fill(images_, Tensor());
}

std::vector<ElementPart> MatchState::nothing() const { return {identity_.parts().begin(), identity_.parts().end()}; }

}  // namespace weft::equivalence
