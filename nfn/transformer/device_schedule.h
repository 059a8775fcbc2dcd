#pragma once
// E and I (spec 3.1, 3.2) on a device: which kernel does what. Internal to nfn/transformer.
//
// Forward; E alone: *
//     PackPhis *        M, N and the maps of the heads from the smaller phis (device_block.h)
//     GatherBlock       inputs as read, heads side by side, all sums                    team per (network, channel)
//     [QK], [VO] *      a product each for all networks, channels and heads
//     GlobalParts       y = x Φ in parts, the phis where they lie (device_global_bodies.h); GlobalSums adds them
//     WQ WK, WV *       Φ [e D, d D] by [d D, batch h k]: two products
//     axis A *          [batch A, d (D + 2)] M^T: one product: all of WA, bA and WB on the axes k, k and j
//     rows of WA *      N by_row: one product
//     WriteOutputs *    every number of all outputs, with the mixes of WA and WO
// Backward: GatherCotangents *, GlobalPhiGradients, the products' gradients of M, N, maps and mixes *, UnpackPhis *;
// where an input has a gradient, GlobalVectorVjp in parts, which GlobalCotangents adds, the products' of the axes and
// heads *, of WQ WK WV WO by [QK] and [VO], and BlockGradient, every number of all inputs. [VO] of I is only summed
// over its columns: V Σ_j WO_j.

#include <array>

#include "weft/nfn/transformer/device_block.h"
#include "weft/nfn/transformer/device_global_bodies.h"
#include "weft/nfn/transformer/features.h"

namespace weft::transformer {

/// What a call leaves for its backward pass, in the host's memory of the step.
template <class T>
struct DeviceState {
  DeviceBlock<T> block;
  GlobalRows rows;
  GlobalPhis<const T> phi;
  const T* axis[axis_phis];  ///< E: its smaller phis
  T* packed;                 ///< E: these packed, [AxisSizes::summed_at() + rows]

  bool equivariant() const { return packed; }
};

/// Runs E, or I where there is no table of the axis-wise terms, on the device of the tape. Enqueues only.
template <class T>
DeviceState<T>* device_forward(const GlobalTable& table, const AxisTable* axis, const Sizes& z,
                               std::span<const Var> inputs, std::span<const Var> learned,
                               std::span<const Output> outputs, const LayerInput& input, Tape& tape);

template <class T>
void device_vjp(const DeviceState<T>& s, const GlobalTable& table, const AxisTable* axis, Backward& back);

/// Numbers of the learned tensors by AxisPhi.
std::array<int, axis_phis> axis_numbers(const AxisTable& t);

/// f(first tensor, how many, h k): WQ and WK are one product, WV another.
template <class F>
void each_head_product(const Sizes& z, const F& f) {
  f(WQ, 2, z.h * z.Dk);
  f(WV, 1, z.h * z.Dv);
}

/// Memory for WQ, WK, WV of `channels` as matrices.
template <class T>
void lay_out_heads(const Sizes& z, std::int64_t channels, T* (&heads)[3], Arena& arena) {
  each_head_product(z, [&](int first, int count, std::int64_t width) {
    const std::int64_t size = channels * z.D * z.batch * width;
    T* all = numbers<T>(arena, count * size);
    for (int i = 0; i < count; ++i) heads[first + i] = all + i * size;
  });
}

/// Teams that fill a device; more only cost their parts.
inline constexpr std::int64_t many_teams = 8192;

}  // namespace weft::transformer
