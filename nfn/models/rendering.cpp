#include "weft/nfn/models/rendering.h"

#include <algorithm>

#include "weft/core/loop.h"
#include "weft/nfn/pixel_place.h"
#include "weft/ops/rows.h"
#include "weft/ops/view.h"

namespace weft {
namespace {

void fill_places(const Tensor& places, std::int64_t rows, std::int64_t columns) {
  with_float(places.dtype(), "pixel_places", [&](auto tag) {
    using T = decltype(tag);
    loop(places.backend(), rows * columns, 1024, PixelPlaces<T>{places.address<T>(), rows, columns});
  });
}

}  // namespace

Tensor pixel_places(std::int64_t rows, std::int64_t columns, DType dtype) {
  const Tensor places = Tensor::zeros({rows * columns, 2}, dtype);
  fill_places(places, rows, columns);
  return places;
}

Tensor pixel_places(Tape& tape, std::int64_t rows, std::int64_t columns, DType dtype) {
  const Tensor places = tape.empty({rows * columns, 2}, dtype);
  fill_places(places, rows, columns);
  return places;
}

Var rendered(std::span<const Var> weights, const Var& places) {
  const Var y = mlp_forward(weights, places, UnaryOp::Sin, siren_omega);
  const std::int64_t B = y.shape()[0], k = y.shape()[1], n = y.shape()[2], c = y.shape()[3];
  return reshape(k == 1 ? y : mean(y, 1), {B, n, c});
}

Tensor as_planes(const Tensor& pixels, std::int64_t channels, std::int64_t rows, std::int64_t columns) {
  const std::int64_t n = pixels.dim(0), plane = rows * columns;
  const Tensor planes = Tensor::zeros({n, channels, rows, columns}, pixels.dtype());
  with_float(pixels.dtype(), "as_planes", [&](auto tag) {
    using T = decltype(tag);
    const T* from = pixels.data<T>();
    for (std::int64_t i = 0; i < n * plane; ++i)
      for (std::int64_t c = 0; c < channels; ++c)
        planes.data<T>()[(i / plane * channels + c) * plane + i % plane] = *from++;
  });
  return planes;
}

Tensor rendered_images(std::span<const Tensor> weights, std::int64_t rows, std::int64_t columns) {
  constexpr std::int64_t at_once = 64;
  const std::int64_t n = weights[0].dim(0), channels = weights.back().dim(2);
  const DType dtype = weights[0].dtype();
  const Tensor images = Tensor::zeros({n, channels, rows, columns}, dtype), places = pixel_places(rows, columns, dtype);
  Tape tape;
  const NoGrad no_grad(tape);
  for (std::int64_t begin = 0; begin < n; begin += at_once) {
    tape.reset();
    const std::int64_t end = std::min(n, begin + at_once);
    const std::span<Var> some = tape.variables(weights.size());
    for (std::size_t t = 0; t < some.size(); ++t) some[t] = tape.constant(weights[t].slice(begin, end));
    images.slice(begin, end)
        .copy_from(as_planes(rendered(some, tape.constant(places)).value(), channels, rows, columns));
  }
  return images;
}

}  // namespace weft
