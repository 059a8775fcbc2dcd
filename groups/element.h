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

/// The element of one factor. As matrices on a vector axis (copy j of a factor per h; one copy otherwise):
///   permutation, monomial:  (g x)_i = scale[j][i] * x[order[j][i]]      scale is empty for plain permutations
///   GL:                     g = matrix[j], its inverse beside it, row-major n x n
/// A covector axis transforms by g^{-T}: the same order with 1 / scale, or the inverse's transpose.
struct ElementPart {
  Kind kind = Kind::fixed;
  std::int64_t size = 0, copies = 1;
  std::vector<std::int32_t> order;      ///< [copies, size]
  std::vector<double> scale;            ///< [copies, size]
  std::vector<double> matrix, inverse;  ///< [copies, size, size]
};

/// What random() draws. Permutations are uniform.
struct ElementRange {
  double scale_low = 0.4, scale_high = 2.5;  ///< positive scales, uniform
  double condition = 10;                     ///< GL: singular values spread over [1, condition], never all equal
  bool signs = true;                         ///< random signs; otherwise all are +1
  bool avoid_identity = true;                ///< no identity permutation, no constant sign vector (spec 7.2)
};

/// An immutable value; copies share their parts. Per-head copies act before the heads move (spec 1.2): new[i] =
/// g_{tau(i)} old[tau(i)], tau = order of the head factor.
class Element {
 public:
  static Element identity(const Space& space);
  static Element random(const Space& space, Key key, const ElementRange& range = {});
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
