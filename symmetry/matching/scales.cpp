// Scales and signs of the places of a root, in closed form: the logarithms of what rows are longer by are linear in
// those of the scales, and so are the signs, modulo 2.

#include <algorithm>
#include <cmath>
#include <map>

#include "weft/symmetry/internal/matching.h"

namespace weft::equivalence {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

constexpr double sure_sign = 0.1;  // a cosine of two rows below it says no sign

/// What one tensor says of every place: the logarithm of what it is scaled by, and whether its sign changes. Nothing
/// where a row is zero.
struct Equation {
  std::vector<FactorDegree> degrees;
  std::vector<double> size;  // NaN: nothing
  std::vector<char> odd;     // 2: nothing
  double weight = 1;
};

class Scaling {
 public:
  /// The unknown scales among `factors`, which have one root and one number of copies.
  Scaling(const MatchState& state, std::vector<int> factors) : state_(state), factors_(std::move(factors)) {
    const ElementPart& part = state.element().part(factors_[0]);
    places_ = part.copies * part.size;
    for (int t = 0; t < state.tensors(); ++t)
      for (int i = 0; i < std::ssize(state.axes(t)); ++i)
        if (usable(t, i)) equations_.push_back(equation(t, i));
    std::ranges::stable_sort(equations_, std::greater<>(), [](const Equation& e) { return e.weight; });
  }

  /// Fills in the factors' scales. Returns which of them are told: at all places, or (loose) at some.
  std::vector<int> solve(std::vector<ElementPart>& step, Evidence evidence) {
    std::vector<std::int64_t> told(factors_.size(), 0);
    for (std::int64_t p = 0; p < places_; ++p) {
      const System& system = system_of(p);
      for (std::size_t k = 0; k < factors_.size(); ++k) {
        double size = 0;
        bool odd = false;
        for (const auto& [e, by] : system.sizes[k]) size += by * equations_[e].size[at(p)];
        for (const auto& [e, by] : system.signs[k]) odd ^= equations_[e].odd[at(p)] == 1;
        step[at(factors_[k])].scale[at(p)] = odd ? -std::exp(size) : std::exp(size);
        told[k] += system.told[k];
      }
    }
    std::vector<int> out;
    for (std::size_t k = 0; k < factors_.size(); ++k)
      if (told[k] == places_ || (evidence == Evidence::loose && told[k] > 0)) out.push_back(factors_[k]);
    return out;
  }

 private:
  /// How the scales of a place follow from the equations that say something there: by factor, which of them add up to
  /// its size, how often, and to its sign.
  struct System {
    std::vector<std::vector<std::pair<std::size_t, double>>> sizes, signs;
    std::vector<char> told;
  };

  bool is_wanted(int f) const { return std::ranges::find(factors_, f) != factors_.end(); }

  bool usable(int t, int i) const {
    const std::vector<FactorDegree> unknown = state_.unknown(state_.axis(t, i));
    if (unknown.empty() || !std::ranges::all_of(unknown, [&](const FactorDegree& c) { return is_wanted(c.factor); }))
      return false;
    for (int j = 0; j < std::ssize(state_.axes(t)); ++j) {
      if (j == i) continue;
      const int f = state_.axis(t, j).factor;
      if (f == state_.axis(t, i).factor ? !state_.refining : !state_.known(t, j) && !state_.keeps_norms(t, j))
        return false;
    }
    const int head = state_.space().head_of(t, i);
    return head < 0 || state_.order[at(state_.axis(t, head).factor)];
  }

  Equation equation(int t, int i) const {
    Equation e{state_.unknown(state_.axis(t, i)), std::vector<double>(at(places_)), std::vector<char>(at(places_)), 1};
    bool whole = true;
    for (int j = 0; j < std::ssize(state_.axes(t)); ++j)
      whole &= j == i || state_.known(t, j) || state_.axis(t, j).factor == state_.axis(t, i).factor;
    const int heads = state_.space().heads(factors_[0]);
    const RowLayout layout(state_.space().feature_shape(t, 1, 1),
                           {i, heads < 0 ? -1 : state_.space().head_of(t, i), {}, {}});
    std::vector<double> xx(at(places_)), yy(at(places_)), xy(at(places_));
    Tensor from, to;
    of_both([&] { from = state_.image(t); }, [&] { to = state_.target(t); });
    const double *x = from.data<double>(), *y = to.data<double>();
    layout.each([&](std::int64_t flat, std::int64_t row, std::int64_t) {
      xx[at(row)] += x[flat] * x[flat];
      yy[at(row)] += y[flat] * y[flat];
      xy[at(row)] += x[flat] * y[flat];
    });
    double misfit = 0;
    for (std::size_t p = 0; p < at(places_); ++p) {
      const bool there = xx[p] > 0 && yy[p] > 0;
      const double sizes = std::sqrt(xx[p]) * std::sqrt(yy[p]), cosine = there ? xy[p] / sizes : 0;
      e.size[p] = there ? (std::log(yy[p]) - std::log(xx[p])) / 2 : NAN;
      e.odd[p] = !whole || !(std::abs(cosine) > sure_sign) ? 2 : cosine < 0;
      misfit += there && whole ? std::sqrt(std::max(0., 1 - cosine * cosine)) : 0;
    }
    // Long rows are surer than single numbers, which fit whatever they are.
    e.weight = (layout.columns > 1 ? 4 : 1) / (1e-3 + misfit / static_cast<double>(places_));
    return e;
  }

  const System& system_of(std::int64_t p) {
    std::vector<char> there;
    for (const Equation& e : equations_)
      there.push_back(static_cast<char>((e.odd[at(p)] < 2) + 2 * !std::isnan(e.size[at(p)])));
    const auto [found, added] = systems_.try_emplace(std::move(there));
    if (added) found->second = made(found->first);
    return found->second;
  }

  System made(const std::vector<char>& there) const {
    System s{{}, {}, std::vector<char>(factors_.size(), true)};
    s.sizes = eliminated(there, false, s.told);
    s.signs = eliminated(there, true, s.told);
    return s;
  }

  /// Elimination, surer equations first, of signs modulo 2; sets `told` to false where the equations do not tell.
  std::vector<std::vector<std::pair<std::size_t, double>>> eliminated(const std::vector<char>& there, bool signs,
                                                                      std::vector<char>& told) const {
    struct Row {
      std::vector<double> degrees, from;  // of which equations it is the sum
      std::size_t pivot = 0;
    };
    const auto add = [&](Row& to, double by, const Row& other) {
      const auto sum = [&](double& x, double y) {
        x += by * y;
        if (signs) x -= 2 * std::floor(x / 2);
      };
      for (std::size_t k = 0; k < to.degrees.size(); ++k) sum(to.degrees[k], other.degrees[k]);
      for (std::size_t e = 0; e < to.from.size(); ++e) sum(to.from[e], other.from[e]);
    };
    const auto wanted = [&](int f) {
      return signs ? state_.factor(f).kind->has_signs() : state_.factor(f).kind->has_magnitudes();
    };
    std::vector<Row> rows;
    for (std::size_t e = 0; e < there.size(); ++e) {
      if (!(there[e] & (signs ? 1 : 2))) continue;
      Row row{std::vector<double>(factors_.size()), std::vector<double>(there.size()), 0};
      row.from[e] = 1;
      for (const FactorDegree& c : equations_[e].degrees)
        if (wanted(c.factor)) row.degrees[at(std::ranges::find(factors_, c.factor) - factors_.begin())] += c.degree;
      if (signs)
        for (double& d : row.degrees) d = std::abs(std::remainder(d, 2));
      for (const Row& other : rows) add(row, -row.degrees[other.pivot], other);
      // Degrees are small whole numbers: what is left of zero is rounding.
      const auto pivot = std::ranges::find_if(row.degrees, [](double d) { return std::abs(d) > 1e-6; });
      if (pivot == row.degrees.end()) continue;
      row.pivot = at(pivot - row.degrees.begin());
      if (const double by = *pivot; !signs) {
        for (double& d : row.degrees) d /= by;
        for (double& f : row.from) f /= by;
      }
      for (Row& other : rows) add(other, -other.degrees[row.pivot], row);
      rows.push_back(std::move(row));
    }
    std::vector<std::vector<std::pair<std::size_t, double>>> out(factors_.size());
    for (std::size_t k = 0; k < factors_.size(); ++k) {
      if (!wanted(factors_[k])) continue;
      const auto own = std::ranges::find(rows, k, &Row::pivot);
      if (own == rows.end()) {
        told[k] = false;
        continue;
      }
      told[k] &= std::ranges::count_if(own->degrees, [](double d) { return std::abs(d) > 1e-6; }) == 1;
      for (std::size_t e = 0; e < there.size(); ++e)
        if (std::abs(own->from[e]) > 1e-6) out[k].emplace_back(e, own->from[e]);
    }
    return out;
  }

  const MatchState& state_;
  const std::vector<int> factors_;
  std::int64_t places_ = 0;
  std::vector<Equation> equations_;
  std::map<std::vector<char>, System> systems_;
};

/// The factors with unknown scales, by root and by whose copies they have.
std::map<std::pair<int, int>, std::vector<int>> groups(const MatchState& state) {
  std::map<std::pair<int, int>, std::vector<int>> out;
  for (int f = 0; f < state.factors(); ++f) {
    const int root = state.space().root(f), heads = state.space().heads(f);
    if (state.scale[at(f)] || !state.order[at(root)] || (heads >= 0 && !state.order[at(heads)])) continue;
    out[{root, heads}].push_back(f);
  }
  return out;
}

}  // namespace

bool solve_scales(MatchState& state, Evidence evidence) {
  std::vector<ElementPart> step = state.nothing();
  std::vector<int> found;
  for (const auto& [group, factors] : groups(state)) {
    const std::vector<int> told = Scaling(state, factors).solve(step, evidence);
    for (const int f : factors)
      if (std::ranges::find(told, f) == told.end()) std::ranges::fill(step[at(f)].scale, 1.);
    found.insert(found.end(), told.begin(), told.end());
  }
  if (found.empty()) return false;
  for (const int f : found) state.scale[at(f)] = true;
  state.apply(std::move(step));
  return true;
}

}  // namespace weft::equivalence
