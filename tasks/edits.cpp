// What edited implicit networks should show (spec 9.4): their images dilated, or of twice the contrast.

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "weft/ops/operators.h"
#include "weft/ops/rows.h"
#include "weft/tasks/task.h"

namespace weft {
namespace {

/// An image of a zoo's, in [0, 1]: [channels, rows, columns]
struct Picture {
  std::int64_t channels, rows, columns;
  std::vector<float> pixels;

  Picture(const Zoo& zoo, const ZooRow& row)
      : channels(zoo.images().dim(1)), rows(zoo.images().dim(2)), columns(zoo.images().dim(3)) {
    for (const std::uint8_t byte : zoo.images()[zoo.image_of(row)].span<std::uint8_t>())
      pixels.push_back(static_cast<float>(byte) / 255.f);
  }
  float at(std::int64_t c, std::int64_t r, std::int64_t column) const {
    return pixels[static_cast<std::size_t>((c * rows + r) * columns + column)];
  }
};

/// f(channel, row, column) for every number of an image, in the order in which networks render it.
template <class F>
void each(const Picture& p, std::span<float> to, const F& f) {
  std::size_t at = 0;
  for (std::int64_t r = 0; r < p.rows; ++r)
    for (std::int64_t column = 0; column < p.columns; ++column)
      for (std::int64_t c = 0; c < p.channels; ++c) to[at++] = f(c, r, column);
}

/// Every pixel becomes the brightest of the 3x3 around it.
void dilated(const Zoo& zoo, const ZooRow& row, std::span<float> to) {
  const Picture p(zoo, row);
  each(p, to, [&](std::int64_t c, std::int64_t r, std::int64_t column) {
    float largest = 0;
    for (std::int64_t y = std::max<std::int64_t>(r - 1, 0); y < std::min(r + 2, p.rows); ++y)
      for (std::int64_t x = std::max<std::int64_t>(column - 1, 0); x < std::min(column + 2, p.columns); ++x)
        largest = std::max(largest, p.at(c, y, x));
    return largest;
  });
}

/// Differences from the image's mean double, cut to [0, 1]. The published target, CLAHE in LAB, needs OpenCV's tables.
void contrasted(const Zoo& zoo, const ZooRow& row, std::span<float> to) {
  const Picture p(zoo, row);
  double sum = 0;
  for (const float pixel : p.pixels) sum += static_cast<double>(pixel);
  const auto mean = static_cast<float>(sum / static_cast<double>(p.pixels.size()));
  each(p, to, [&](std::int64_t c, std::int64_t r, std::int64_t column) {
    return std::clamp(mean + 2 * (p.at(c, r, column) - mean), 0.f, 1.f);
  });
}

double squared_error(std::span<const double> outputs, std::span<const double> truth) {
  double sum = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) sum += (outputs[i] - truth[i]) * (outputs[i] - truth[i]);
  return sum / static_cast<double>(truth.size());
}

Task edit(const char* name, const char* text, decltype(Task::image) image) {
  return {.name = name,
          .text = text,
          .low = 0,
          .high = 1,
          .outputs = [](const Zoo& zoo) -> std::int64_t {
            if (zoo.description().views == 0)
              throw UsageError("[task] edit: the zoo's networks store no images; give one of implicit networks");
            return zoo.images()[0].numel();
          },
          .target =
              [](const Zoo& zoo, const ZooRow&) {
                return zoo.description().views > 0 ? 0 : std::numeric_limits<double>::quiet_NaN();
              },
          .image = image,
          .loss = [](const Var& output,
                     const Tensor& target) { return mean(square(output - output.tape().constant(target))); },
          .metric = {.name = "mse", .text = "mean squared error", .of = squared_error, .highest = false, .digits = 5}};
}

}  // namespace

extern const Task edit_dilate_task =
    edit("edit-dilate", "implicit networks edited so that strokes become thicker", dilated);
extern const Task edit_contrast_task =
    edit("edit-contrast", "implicit networks edited so that their images have twice the contrast", contrasted);

}  // namespace weft
