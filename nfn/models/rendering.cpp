#include "weft/nfn/models/rendering.h"

#include <algorithm>

#include "weft/nfn/pixel_place.h"
#include "weft/ops/rows.h"
#include "weft/ops/view.h"

namespace weft {

Tensor pixel_places(std::int64_t rows, std::int64_t columns, DType dtype) {
  const Tensor places = Tensor::zeros({rows * columns, 2}, DType::f64);
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c) {
      double* at = places.data<double>() + 2 * (r * columns + c);
      at[0] = pixel_place<double>(r, rows), at[1] = pixel_place<double>(c, columns);
    }
  return places.to(dtype);
}

Var rendered(std::span<const Var> weights, const Var& places) {
  const Var y = mlp_forward(weights, places, UnaryOp::Sin, siren_omega);
  const std::int64_t B = y.shape()[0], k = y.shape()[1], n = y.shape()[2], c = y.shape()[3];
  return reshape(k == 1 ? y : mean(y, 1), {B, n, c});
}

Tensor rendered_images(std::span<const Tensor> weights, std::int64_t rows, std::int64_t columns) {
  constexpr std::int64_t at_once = 64;
  const std::int64_t n = weights[0].dim(0), channels = weights.back().dim(2), pixels = rows * columns;
  const DType dtype = weights[0].dtype();
  const Tensor images = Tensor::zeros({n, channels, rows, columns}, dtype), places = pixel_places(rows, columns, dtype);
  Tape tape;
  const NoGrad no_grad(tape);
  for (std::int64_t begin = 0; begin < n; begin += at_once) {
    tape.reset();
    const std::int64_t end = std::min(n, begin + at_once);
    const std::span<Var> some = tape.variables(weights.size());
    for (std::size_t t = 0; t < some.size(); ++t) some[t] = tape.constant(weights[t].slice(begin, end));
    const Tensor y = rendered(some, tape.constant(places)).value();
    with_float(dtype, "rendered_images", [&](auto tag) {
      using T = decltype(tag);
      for (std::int64_t i = begin; i < end; ++i)
        for (std::int64_t p = 0; p < pixels; ++p)
          for (std::int64_t c = 0; c < channels; ++c)
            images.data<T>()[(i * channels + c) * pixels + p] = y.data<T>()[((i - begin) * pixels + p) * channels + c];
    });
  }
  return images;
}

}  // namespace weft
