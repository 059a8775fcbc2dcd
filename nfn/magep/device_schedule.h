#pragma once
// E and I (spec 2.2, 2.3) on a device: which kernel does what. Internal to nfn/magep.
//
// Everything that mixes channels is a product over the batch; everything else concerns one network and channel, and is
// one kernel for all of them, which reads addresses and widths from a table. Forward:
//     ReadInputs         W, b as read: activation and masks (none: no launch)
//     Pack               M_i, and the matrices of layer L, from the phis
//     Sweep              suffixes S_t, prefixes [W]^(i,0) and B_i                   team per (network, channel)
//     LayerTerms         stacks X_i, factors U, V, R, and the vectors x of layer L  team per (layer, network, channel)
//     Y_i = M_i X_i      i < L, the batch inside
//     HiddenOutputs      b^(i), i < L, and W^(1) from Y_i
//     LeftFactors        T of all layers i > 1 (device_layers.h)
//     W^(i) = Φ1 W^(i) + T R                                                        two products, i > 1
//     b^(L) = x Φ        all eight terms in one
// Backward: HiddenCotangents, the products' two each, LeftVjp, LayerTermsVjp, SweepVjp, InputGradients; sums over
// networks are made in parts, one a network, which SumParts and Unpack add in a fixed order. [WW] and [bW] below layer
// i never exist, nor a product of two inner layers; I is what is left without stacks and weights.

#include "weft/core/loop.h"
#include "weft/nfn/magep/device_layers.h"
#include "weft/nfn/magep/device_pieces.h"
#include "weft/nfn/magep/tables.h"
#include "weft/nfn/reading_bodies.h"

namespace weft::magep {

/// A learned tensor [size…]: where it is packed, and where its gradient stands in a part of the sums; -1: it is not.
struct LearnedTensor {
  int number;
  int size[4], stride[4];
  std::int64_t packed, part;
};

/// Offsets of the learned tensors, by layer.
struct LearnedPlaces {
  std::span<LearnedTensor> all;
  std::int64_t* mix;             ///< packed: M_i; of L the matrix of all terms of b^(L), [end_size, end_rows]
  std::int64_t last_mix[4];      ///< packed: Φ1 of W^(L) as [(e, j), (d, p)], Φ2 and Φ3 as [e, j, p, d]
  std::int64_t* weight_part[4];  ///< Φ1..3 of W^(i), i > 1
  std::int64_t* psi_part[Psi<float>::kinds];
  std::int64_t packed_size, part_size;  ///< numbers of all that is packed, and of a part
};

/// What a call leaves for its backward pass, in the host's memory of the step.
template <class T>
struct DeviceState {
  DeviceSizes z;
  schedule::ReadRule<T> rule;
  DeviceLayer<T>* layer;            ///< 0..L
  const DeviceLayer<T>* on_device;  ///< the same, for kernels
  LearnedPlaces places;
  T* packed;
  const T** weight_mix;  ///< Φ1 of W^(i), 1 < i < L
  T* x;                  ///< [batch, end_size]

  std::int64_t width(int i) const { return layer[i].n; }
  std::int64_t weight(int i) const { return width(i) * width(i - 1); }
  /// Numbers of b^(L), or of I, for a network.
  std::int64_t end_rows() const { return std::int64_t{z.e} * (z.equivariant ? z.outputs : 1); }
  /// Numbers of W and b of all layers; of Y_i, i < L; of T of all layers.
  std::int64_t features() const;
  std::int64_t hidden() const;
  std::int64_t left() const;
};

LearnedPlaces place_learned(const DeviceSizes& z, const Tables& t, Arena& host);

/// Runs E or I on the device of the tape; outputs: one for each tensor of the list's output space. Enqueues only.
template <class T>
DeviceState<T>* device_forward(const Tables& t, bool equivariant, std::int64_t d, std::int64_t e,
                               std::span<const Var> inputs, std::span<const Var> learned,
                               std::span<const Output> outputs, const Space& space, const LayerInput& input,
                               Tape& tape);

template <class T>
void device_vjp(const DeviceState<T>& s, const Tables& t, Backward& back);

/// T of all layers from their factors.
template <class T>
void form_left(const DeviceState<T>& s, T* left, Arena& arena);

/// Body<T, lanes>{args…} for all teams: blocks where warps would be too few to fill a device.
template <template <class, int> class Body, class T, class... Args>
void run_teams(Arena& arena, std::int64_t teams, const Args&... args) {
  constexpr std::int64_t many = 2048;
  if (teams < many)
    team_loop(arena.backend(), arena, teams, 1, Body<T, 256>{args...});
  else
    team_loop(arena.backend(), arena, teams, 1, Body<T, 32>{args...});
}

/// A zeroed table of the step.
template <class T>
T* table_of(Arena& host, std::int64_t n) {
  T* p = numbers<T>(host, n);
  for (std::int64_t i = 0; i < n; ++i) new (p + i) T{};
  return p;
}

}  // namespace weft::magep
