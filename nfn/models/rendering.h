#pragma once
// What implicit networks (SIRENs) show.

#include <span>
#include <vector>

#include "weft/nfn/forward.h"

namespace weft {

/// Where the pixels of an image lie, row by row: [rows columns, 2], row and column from -1 to 1 (spec 9.1).
Tensor pixel_places(std::int64_t rows, std::int64_t columns, DType dtype = DType::f32);
/// The same in the memory of a step, where its tape lies.
Tensor pixel_places(Tape& tape, std::int64_t rows, std::int64_t columns, DType dtype);

/// The pixels that networks show at some places. weights: W1 b1 … of mlp_space, [B, k, axes…]: of k networks the mean,
/// which is one network k times as wide. places: [n, 2]  ->  [B, n, channels], in [-1, 1] where they fit an image
Var rendered(std::span<const Var> weights, const Var& places);

/// Numbers of images pixel by pixel, [n, rows columns channels], as planes: [n, channels, rows, columns].
Tensor as_planes(const Tensor& pixels, std::int64_t channels, std::int64_t rows, std::int64_t columns);

/// Whole images, a few networks at a time. weights: one feature per tensor, [n, 1, axes…]; returns [n, channels, rows,
/// columns] of their dtype.
Tensor rendered_images(std::span<const Tensor> weights, std::int64_t rows, std::int64_t columns);

}  // namespace weft
