#pragma once
// Copies and rearrangements: slices, concatenation, gathering rows, reshaping, image patches. Along free or fixed axes
// only (spec 1.5).

#include <span>

#include "weft/autograd/tape.h"
#include "weft/core/random.h"

namespace weft {

/// y = x[.., begin:end, ..] along dimension `axis` (negative counts from the end).
/// vjp   gx[.., begin:end, ..] += gy     saves nothing
/// Throws ShapeError out of range, TypeError on a moved axis.
Var slice(const Var& x, int axis, std::int64_t begin, std::int64_t end);

/// The inputs one after another along dimension `axis`; equal types and sizes elsewhere.
/// vjp   gx_i = gy's part     saves nothing
Var concat(std::span<const Var> parts, int axis);

/// y[.., i, ..] = x[.., index[i], ..] along dimension `axis`; index: int32 [m], values in [0, n).
/// vjp   gx[.., index[i], ..] += gy[.., i, ..]     saves a copy of index
/// Throws UsageError for an index out of range. On a device, where the index must lie too (DeviceError), nobody waits
/// to look at it: such an index gives NaN, or -1 among whole numbers; x is float32, float64 or int32; and the vjp reads
/// the whole index once for each number of gx.
Var gather(const Var& x, int axis, const Tensor& index);

/// Rows of a tensor that is no variable, targets say, in memory of the step: [m, …].
inline Tensor gathered(Tape& tape, const Tensor& x, const Tensor& index) {
  return gather(tape.constant(x), 0, index).value();
}

/// y = a where the mask is not 0, b elsewhere; three of one shape, mask: u8. A mask picks places: free and fixed axes
/// only.
/// vjp   ga = gy where the mask is not 0, gb = gy elsewhere     saves a copy of mask
/// Throws ShapeError, DtypeError, TypeError by these rules.
Var where(const Tensor& mask, const Var& a, const Var& b);

/// The same numbers under another shape; free axes only, which `x` must have alone.
Var reshape(const Var& x, const Shape& shape);

struct PatchShape {
  std::int64_t rows, columns;  ///< of the kernel
  std::int64_t stride = 1, padding = 0;
};

/// Patches of images (im2col), the kernel's taps channel-major, then row, then column (spec 1.1).
/// x: [N, C, H, W]  y: [N, H' W', C rows columns], H' = (H + 2 padding - rows) / stride + 1
/// vjp   each pixel gathers the cotangents of the patches it stands in     saves nothing
Var patches(const Var& x, const PatchShape& p);

/// Multiplies whole channels by 0 or 1 / (1 - rate): one draw per (batch, channel), from Philox. Identity for rate 0.
/// x: [B, C, axes…]  vjp   gx = mask gy     type  always allowed
/// Throws UsageError unless 0 <= rate < 1.
Var channel_dropout(const Var& x, double rate, RandomKey key);

}  // namespace weft
