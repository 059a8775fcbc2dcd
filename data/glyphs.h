#pragma once

#include "weft/core/random.h"
#include "weft/data/dataset.h"

namespace weft {

/// Digits drawn by strokes, with random affine maps, thickness and noise: the embedded data set. 28x28 grey pixels;
/// item i depends on (key, i) only.
Dataset draw_glyphs(std::int64_t items, RandomKey key);

}  // namespace weft
