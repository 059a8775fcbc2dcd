// The group element between two networks of one space: step by step, each from what is known already.

#include "weft/symmetry/internal/matching.h"

#include <algorithm>
#include <utility>

#include "weft/symmetry/internal/units.h"
#include "weft/symmetry/network.h"

namespace weft {
namespace {

using equivalence::Evidence;
using equivalence::MatchState;
using equivalence::NetworkDistance;

constexpr int rounds = 6;         // of refinement
constexpr double progress = 0.9;  // a round that leaves more than this part of the misfit is the last

/// A distance at which nothing is left to refine.
double rounding_of(std::span<const Tensor> a, std::span<const Tensor> b) {
  const auto narrow = [](const Tensor& t) { return t.dtype() == DType::f32; };
  return std::ranges::any_of(a, narrow) || std::ranges::any_of(b, narrow) ? 1e-5 : 1e-12;
}

/// One step, with the surest evidence that there is; false: there is none left. `guessed` gets the roots whose order
/// came from loose evidence.
bool step(MatchState& state, std::vector<int>& guessed) {
  if (solve_scales(state, Evidence::direct) || solve_matrices(state, Evidence::direct) ||
      match_orders(state, Evidence::direct) || solve_scales(state, Evidence::loose))
    return true;
  const std::vector<char> before = state.order;
  if (!match_orders(state, Evidence::loose)) return solve_matrices(state, Evidence::loose);
  for (int f = 0; f < state.factors(); ++f)
    if (state.order[static_cast<std::size_t>(f)] && !before[static_cast<std::size_t>(f)]) guessed.push_back(f);
  return true;
}

/// Steps until all is known; what nothing tells of stays as it is. Returns what was guessed.
std::vector<int> complete(MatchState& state) {
  std::vector<int> guessed;
  while (!state.complete() && step(state, guessed)) {}
  for (std::vector<char>* known : {&state.order, &state.scale, &state.matrix}) std::ranges::fill(*known, true);
  return guessed;
}

/// Whether f moves the places of an axis, or scales them.
bool acts(const MatchState& state, int f, const SpaceAxis& axis) {
  if (axis.factor == f) return true;
  const std::vector<FactorDegree> acting = state.acting(axis);
  return std::ranges::any_of(acting, [f](const FactorDegree& c) { return c.factor == f; });
}

/// Whether f may be what keeps tensors from fitting. A factor that is wrong shows in all that it acts on, up to what
/// tells nothing, as zeros do; where most of that fits, something else is wrong.
bool in_question(const MatchState& state, int f, const NetworkDistance& now, double rounding) {
  constexpr int most = 4;  // one of so many
  int all = 0, off = 0;
  for (int t = 0; t < state.tensors(); ++t)
    if (std::ranges::any_of(state.axes(t), [&](const SpaceAxis& axis) { return acts(state, f, axis); })) {
      ++all;
      off += !(now.of_tensors[static_cast<std::size_t>(t)] <= rounding);
    }
  return off > 0 && most * off >= all;
}

/// The factors in question once more, against all others.
void refine(MatchState& state, const NetworkDistance& now, double rounding) {
  for (int f = 0; f < state.factors(); ++f) {
    const Factor& factor = state.factor(f);
    if (factor.along.empty() && in_question(state, f, now, rounding)) {
      if (factor.kind->ordered && factor.size > 1) match_again(state, f);
      if (!factor.kind->has_places()) solve_again(state, f);
    }
    bool scales = false;
    for (int g = 0; g < state.factors(); ++g)
      if (state.space().root(g) == f && state.factor(g).kind->scales != Scales::none &&
          in_question(state, g, now, rounding)) {
        state.scale[static_cast<std::size_t>(g)] = false;
        scales = true;
      }
    if (!scales) continue;
    solve_scales(state, Evidence::loose);
    for (char& known : state.scale) known = true;
  }
}

NetworkDistance distance(const MatchState& state) {
  return equivalence::network_distance(
      state.space(), [&](int t) { return state.image(t); }, [&](int t) { return state.target(t); });
}

/// What is left to refine. Products over the matrix of a head do not tell which matrix it is: once they fit,
/// the tensors do.
double left(const NetworkDistance& d, double rounding) {
  return d.of_units > rounding ? d.of_units : *std::ranges::max_element(d.of_tensors);
}

/// What tensors are off, together: orders that come right one by one show here, and not in the farthest unit.
double misfit(const NetworkDistance& d) {
  double sum = 0;
  for (const double off : d.of_tensors) sum += std::min(off, 1.);
  return sum;
}

bool nearer(const NetworkDistance& now, const NetworkDistance& least, double rounding) {
  if (now.of_units > rounding || least.of_units > rounding) return now.of_units < least.of_units;
  return left(now, rounding) < left(least, rounding);
}

}  // namespace

NetworkElement match_networks(const Space& space, std::span<const Tensor> a, std::span<const Tensor> b) {
  MatchState state(space, a, b);
  const std::vector<int> guessed = complete(state);
  Element best = state.element();
  NetworkDistance least = distance(state);
  const double rounding = rounding_of(a, b);
  // What was guessed before others were known is asked again, now that they are.
  for (const int root : guessed) {
    if (least.of_units <= rounding) break;
    MatchState again = state;
    again.forget(root);
    complete(again);
    NetworkDistance now = distance(again);
    if (!(now.of_units < least.of_units)) continue;
    least = std::move(now);
    best = again.element();
    state.set_element(best);
  }
  state.refining = true;
  NetworkDistance now = least;
  for (int round = 0; round < rounds && !(left(least, rounding) <= rounding); ++round) {
    const double before = misfit(now);
    const auto element = state.element().shared_parts();
    refine(state, now, rounding);
    if (state.element().shared_parts() == element) break;
    now = distance(state);
    if (nearer(now, least, rounding)) {
      least = now;
      best = state.element();
    }
    if (!(misfit(now) <= progress * before)) break;
  }
  return {std::move(best), least.of_units, std::move(least.of_tensors)};
}

}  // namespace weft
