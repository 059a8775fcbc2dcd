// Drawn shapes: four classes of outlines that differ in nothing but their form.

#include <algorithm>
#include <cmath>

#include "weft/core/parallel.h"
#include "weft/core/random.h"
#include "weft/data/source.h"

namespace weft {
namespace {

constexpr std::int64_t side = 28, classes = 4;

/// Distance from the outline of a shape of size 1 around the origin: circle, square, diamond, cross.
double distance(std::int64_t shape, double x, double y) {
  const double u = std::abs(x), v = std::abs(y);
  switch (shape) {
    case 0:
      return std::abs(std::hypot(x, y) - 1);
    case 1:
      return std::abs(std::max(u, v) - 0.9);
    case 2:
      return std::abs(u + v - 1.2) / std::sqrt(2.);
    default:
      return std::max(std::min(u, v), std::max(u, v) - 1);
  }
}

/// Item i depends on (key, i) only.
Dataset draw_shapes(std::int64_t items, RandomKey key) {
  Dataset data{"shapes", Tensor::zeros({items, 1, side, side}, DType::f32), Tensor::zeros({items}, DType::i32),
               classes};
  float* images = data.images.data<float>();
  std::int32_t* labels = data.labels.data<std::int32_t>();
  parallel_blocks(items, 64, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const RandomKey own = key.at(static_cast<std::uint64_t>(i));
      const std::int64_t shape = uniform_index(own.at("shape"), 0, classes);
      const double size = uniform(own, 0, 5, 10), width = uniform(own, 1, 0.8, 2), turn = uniform(own, 2, -0.3, 0.3),
                   row = uniform(own, 3, 11, 16), column = uniform(own, 4, 11, 16);
      labels[i] = static_cast<std::int32_t>(shape);
      for (std::int64_t r = 0; r < side; ++r)
        for (std::int64_t c = 0; c < side; ++c) {
          const double y = (static_cast<double>(r) - row) / size, x = (static_cast<double>(c) - column) / size;
          const double far =
              size * distance(shape, std::cos(turn) * x - std::sin(turn) * y, std::sin(turn) * x + std::cos(turn) * y);
          const double ink = std::clamp(width - far + 0.5, 0., 1.) +
                             0.1 * normal(own.at("noise"), static_cast<std::uint64_t>(r * side + c));
          images[(i * side + r) * side + c] = static_cast<float>(2 * std::clamp(ink, 0., 1.) - 1);
        }
    }
  });
  return data;
}

}  // namespace

extern const DataSource shapes_source{.name = "shapes",
                                      .text = "circles, squares, diamonds and crosses, 28x28 grey pixels",
                                      .texts = false,
                                      .files = false,
                                      .load = [](const DataRequest& r) {
                                        return TrainAndTest{draw_shapes(r.train, RandomKey(r.seed, "shapes.train")),
                                                            draw_shapes(r.test, RandomKey(r.seed, "shapes.test"))};
                                      }};

}  // namespace weft
