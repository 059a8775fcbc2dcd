#pragma once
// Networks of a space, unit by unit and head by head.

#include <functional>
#include <vector>

#include "weft/groups/space.h"
#include "weft/symmetry/internal/heads.h"

namespace weft::equivalence {

/// The position of the one axis of tensor t on factor f; -1 where there is none, or more.
int axis_of(const Space& space, int t, int f);

/// A tensor [head, x, g] in whatever order its axes stand, with g a factor per head; a bias [head, g] has no x, -1.
struct HeadTensor {
  int tensor, head_axis, x_axis, g_axis;
};

/// The tensors without taps that have these axes, g in `role`.
std::vector<HeadTensor> head_tensors(const Space& space, int h, int g, AxisRole role);
/// Head i of a feature of one network, as [x, g]; of a bias [1, g].
Matrix head_slice(const Tensor& feature, const HeadTensor& t, std::int64_t i);

/// How far two networks of one space are apart.
struct NetworkDistance {
  /// The largest distance of a piece from its counterpart, ||x - y|| over the larger of ||x|| and ||y||. A piece is
  /// what one tensor holds at one index of one of its axes, on the balance of `b`: its positive scales are chosen so
  /// that incoming and outgoing weights of every unit have equal norms, and `a` takes the same ones. A bias, which is
  /// one number, is relative to all weights into its unit. Of tensors with an axis that GL moves it is the products
  /// over that axis, head by head, of biases with weights, too; other axes whose entries a matrix mixes are taken
  /// whole. So nothing small is hidden by what stands beside it. Infinite where a number leaves float64.
  double of_units = 0;
  std::vector<double> of_tensors;  ///< ||x - y|| / ||y||, as they are
};

/// A network's tensors by position, features in float64, each made when it is asked for.
using NetworkTensors = std::function<Tensor(int tensor)>;
NetworkDistance network_distance(const Space& space, const NetworkTensors& a, const NetworkTensors& b);

}  // namespace weft::equivalence
