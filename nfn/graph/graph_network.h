#pragma once
// A graph network on the weights of chains of layers (spec 9.5): the rival of polynomial layers.

#include <vector>

#include "weft/nfn/graph/round.h"
#include "weft/nn/layers.h"
#include "weft/ops/features.h"

namespace weft {

/// Neurons are nodes with features h, weights are edges with features e, of d channels each. Both begin as linear maps,
/// one a tensor, of the raw biases and weights (a kernel's taps are numbers of its edge); nodes of the two ends have
/// learned positions. With φ two-layer networks of width d with ReLU, the same for all layers:
///     m_uv = φ_m(h_u, h_v, e_uv)                        from both sides, each with a φ of its own
///     h_v <- h_v + φ_h(h_v, mean_u m_uv, mean_w m_wv)
///     e_uv <- e_uv + φ_e(e_uv, h_u, h_v)                not in the last round: nothing would read it
/// then the mean of h over each layer, concatenated, through an Mlp with two hidden layers. Means where the spec has
/// sums, so that start values suit any width. The last layer of a φ_m is applied to the mean of what its first gives,
/// and has no bias, which would be one of φ_h's. It is invariant under permutations of hidden neurons.
///
/// With `scales` also under positive scales of them: h of a hidden layer scales as its biases, e as its weights. Every
/// φ reads canonical vectors, h / |h| and e / |e| with the root mean square over the channels (0 of 0), and its result
/// is multiplied by
///     |e_uv| |h_u|                                      of a forward message
///     |e_wu| |h_u|² / (|h_w| + mean_k |e_wk| |h_k|)     of a backward one from w to u: |h_u| and u's share of w
///     |h_v| + |m| + |m'|                                in φ_h, whose three inputs are divided by this sum instead
///     |e_uv|                                            in φ_e
/// ReLU is homogeneous: so a canonical vector times its norm is the vector itself, and only h / |h| and the share are
/// divisions. Hidden layers are read out as canonical vectors, the two ends, which nothing scales, as they are. The
/// first maps have no constants then. A norm forgets signs: where factors have them, scales and permutations alone are
/// respected.
///
/// Of the size of the edges a step keeps `rounds` tensors [d, B, n_l, n_{l-1}] a layer, and two gradients in the
/// backward pass. float32 and float64, on the CPU and on devices. Throws UsageError for a space that is no chain of
/// dense or convolutional layers between ends that stay, and for numbers below 1.
class GraphNetwork : public Module {
 public:
  struct Config {
    std::int64_t d = 64, rounds = 3;
    std::int64_t hidden = 256, outputs = 1;  ///< of the Mlp
    std::int64_t channels = 1;               ///< of what is read
    bool scales = false;
  };
  /// `as`: a model of its own, or a part of another one.
  GraphNetwork(const Space& space, const Config& config, const Module& as = Module("graph-network"));

  /// The space given with what the model respects of its group: its features are read.
  const Space& space() const { return space_; }
  /// x: of space(), `channels` channels      [B, outputs]
  /// Throws ShapeError, TypeError for features of another space.
  Var operator()(const Features& x) const;

 private:
  void check(const Features& x) const;
  graph::Chain lifted(const Features& x) const;
  Var readout(const graph::Chain& chain) const;

  Space space_;
  Config config_;
  std::vector<std::int64_t> widths_;
  struct Lift {
    int tensor = -1, weight = -1, shift = -1;  ///< shift: without scales
  };
  std::vector<Lift> nodes_, edges_;  ///< by layer; there are none to the first
  int in_, out_;                     ///< positions
  std::vector<graph::Round> rounds_;
  Mlp mlp_;
};

}  // namespace weft
