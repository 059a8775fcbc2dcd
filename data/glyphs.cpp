#include "weft/data/glyphs.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "weft/core/parallel.h"
#include "weft/data/source.h"

namespace weft {
namespace {

struct Point {
  double x, y;
};

/// Strokes of a digit in the unit square, y downwards: each a chain of points. Round parts are polygons, fine enough
/// for 28 pixels.
using Strokes = std::vector<std::vector<Point>>;

std::vector<Point> arc(double cx, double cy, double rx, double ry, double from, double to) {
  constexpr int pieces = 12;
  std::vector<Point> points;
  for (int i = 0; i <= pieces; ++i) {
    const double t = from + (to - from) * i / pieces;
    points.push_back({cx + rx * std::cos(t), cy + ry * std::sin(t)});
  }
  return points;
}

const std::array<Strokes, 10>& digits() {
  constexpr double pi = 3.14159265358979323846;
  static const std::array<Strokes, 10> table{{
      {arc(0.5, 0.5, 0.27, 0.42, 0, 2 * pi)},
      {{{0.35, 0.25}, {0.52, 0.1}, {0.52, 0.9}}},
      {arc(0.5, 0.32, 0.25, 0.22, -pi, 0.3), {{0.74, 0.39}, {0.25, 0.9}, {0.78, 0.9}}},
      {arc(0.47, 0.3, 0.24, 0.2, -0.8 * pi, 0.5 * pi), arc(0.47, 0.7, 0.27, 0.2, -0.5 * pi, 0.8 * pi)},
      {{{0.6, 0.1}, {0.2, 0.62}, {0.82, 0.62}}, {{0.62, 0.35}, {0.62, 0.9}}},
      {{{0.72, 0.1}, {0.32, 0.1}, {0.3, 0.45}}, arc(0.48, 0.65, 0.26, 0.25, -0.75 * pi, 0.8 * pi)},
      {{{0.62, 0.1}, {0.3, 0.55}}, arc(0.5, 0.67, 0.24, 0.23, 0, 2 * pi)},
      {{{0.22, 0.1}, {0.78, 0.1}, {0.42, 0.9}}},
      {arc(0.5, 0.3, 0.2, 0.2, 0, 2 * pi), arc(0.5, 0.7, 0.25, 0.2, 0, 2 * pi)},
      {arc(0.5, 0.32, 0.23, 0.22, 0, 2 * pi), {{0.73, 0.34}, {0.6, 0.9}}},
  }};
  return table;
}

double distance_to_segment(Point p, Point a, Point b) {
  const double dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy;
  const double t = length > 0 ? std::clamp(((p.x - a.x) * dx + (p.y - a.y) * dy) / length, 0.0, 1.0) : 0;
  return std::hypot(p.x - a.x - t * dx, p.y - a.y - t * dy);
}

constexpr std::int64_t side = 28;

void draw(int digit, RandomKey key, float* image) {
  std::uint64_t n = 0;
  auto between = [&](double low, double high) { return uniform(key, n++, low, high); };
  const double angle = between(-0.3, 0.3), shear = between(-0.3, 0.3), sx = between(0.55, 0.8), sy = between(0.6, 0.85);
  const double tx = between(-0.1, 0.1), ty = between(-0.1, 0.1), thickness = between(0.03, 0.065),
               noise = between(0.02, 0.15);
  // Pixel -> glyph: the inverse of scale, shear, rotation and shift around the centre.
  const double c = std::cos(angle), s = std::sin(angle);
  for (std::int64_t row = 0; row < side; ++row)
    for (std::int64_t column = 0; column < side; ++column) {
      const double u = (static_cast<double>(column) + 0.5) / side - 0.5 - tx,
                   v = (static_cast<double>(row) + 0.5) / side - 0.5 - ty;
      const double ru = c * u + s * v, rv = -s * u + c * v;
      const Point p{(ru - shear * rv) / sx + 0.5, rv / sy + 0.5};
      double d = 1;
      for (const auto& stroke : digits()[static_cast<std::size_t>(digit)])
        for (std::size_t i = 0; i + 1 < stroke.size(); ++i)
          d = std::min(d, distance_to_segment(p, stroke[i], stroke[i + 1]));
      const double ink = 1 / (1 + std::exp((d - thickness) / 0.012));
      const double value =
          std::clamp(ink + noise * normal(key.at("noise"), static_cast<std::uint64_t>(row * side + column)), 0.0, 1.0);
      image[row * side + column] = static_cast<float>(2 * value - 1);
    }
}

}  // namespace

Dataset draw_glyphs(std::int64_t items, RandomKey key) {
  Dataset data{"glyphs", Tensor::zeros({items, 1, side, side}, DType::f32), Tensor::zeros({items}, DType::i32), 10};
  float* images = data.images.data<float>();
  std::int32_t* labels = data.labels.data<std::int32_t>();
  parallel_blocks(items, 64, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      labels[i] = static_cast<std::int32_t>(uniform_index(key.at("label"), static_cast<std::uint64_t>(i), 10));
      draw(labels[i], key.at(static_cast<std::uint64_t>(i)), images + i * side * side);
    }
  });
  return data;
}

extern const DataSource glyphs_source{.name = "glyphs",
                                      .text = "digits drawn by strokes, 28x28 grey pixels",
                                      .texts = false,
                                      .files = false,
                                      .load = [](const DataRequest& r) {
                                        return TrainAndTest{draw_glyphs(r.train, RandomKey(r.seed, "glyphs.train")),
                                                            draw_glyphs(r.test, RandomKey(r.seed, "glyphs.test"))};
                                      }};

}  // namespace weft
