#pragma once
// One element of a space's group, structured: index arrays, scale vectors and small matrices, never a dense
// permutation.

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "weft/core/random.h"
#include "weft/groups/space.h"

namespace weft {

/// The element of one factor: what it does to a vector axis, for each copy j of a factor per h (one copy otherwise), in
/// the order of its members. An axis of degree k scales by scale^k; a covector axis transforms by g^{-T}: degree -1,
/// the inverse's transpose, or 1 / (re - i im).
struct ElementPart {
  FactorKind kind = FactorKind::fixed;
  std::int64_t size = 0, copies = 1;
  std::vector<std::int32_t> order = {};           ///< [copies, size]: (g x)_i = x[order[j][i]]; of a root alone
  std::vector<double> scale = {};                 ///< [copies, size]: place i times scale[j][i]
  std::vector<double> matrix = {}, inverse = {};  ///< [copies, size, size], row-major: matrix[j] x
  std::vector<double> re = {}, im = {};  ///< [copies, size / 2]: a pair, read as a complex number, times re + i im
};

/// What random() draws. Permutations are uniform.
struct ElementRange {
  double scale_low = 0.4, scale_high = 2.5;  ///< positive scales, uniform
  double condition = 10;                     ///< GL: singular values spread over [1, condition], never all equal; of 1:
                                             ///< all else keeps its norm too
  bool signs = true;                         ///< random signs; otherwise all are +1
  bool avoid_identity = true;                ///< no identity permutation, no constant sign vector (spec 7.2)
};

/// An immutable value; copies share their parts. Per-head copies act before the heads move (spec 1.2): new[i] =
/// g_{tau(i)} old[tau(i)], tau = order of the head factor.
class Element {
 public:
  static Element identity(const Space& space);
  static Element random(const Space& space, RandomKey key, const ElementRange& range = {});
  /// Given parts, one per factor; throws ShapeError or UsageError when they do not fit the space or are not invertible.
  Element(const Space& space, std::vector<ElementPart> parts);

  const Space& space() const& { return space_; }
  Space space() && { return std::move(space_); }
  const ElementPart& part(int factor) const& { return (*parts_)[static_cast<std::size_t>(factor)]; }
  ElementPart part(int factor) const&& { return (*parts_)[static_cast<std::size_t>(factor)]; }
  std::span<const ElementPart> parts() const& { return *parts_; }
  std::span<const ElementPart> parts() const&& = delete;
  /// The same for who needs them longer than this lives.
  std::shared_ptr<const std::vector<ElementPart>> shared_parts() const { return parts_; }

  /// The root's part: whose order moves the places of `factor`.
  const ElementPart& root_part(int factor) const& { return part(space_.root(factor)); }

  /// First *this, then `next`: the group product next * this (spec 1.2). Throws UsageError for another space.
  Element then(const Element& next) const;
  Element inverse() const;
  /// g^{-T}: acts on cotangents as g acts on features.
  Element dual() const;

 private:
  Space space_;
  std::shared_ptr<const std::vector<ElementPart>> parts_;
};

}  // namespace weft
