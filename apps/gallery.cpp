#include "weft/apps/gallery.h"

#include <algorithm>

#include <fmt/format.h>

#include "weft/apps/run_folder.h"
#include "weft/data/dataset.h"
#include "weft/nfn/models/rendering.h"

namespace weft::apps {
namespace {

constexpr std::size_t most = 10;  ///< networks

}  // namespace

Gallery::Gallery(const Zoo& zoo, int split) : zoo_(zoo) {
  const auto readable = readable_rows(zoo);
  for (const std::int64_t id : zoo.ids(split, ZooPart::test))
    if (ids_.size() < most && readable(zoo.row(id))) ids_.push_back(id);
  weights_ = zoo.weights(ids_);
  shown_ = pixel_bytes(rendered_images(weights_, zoo.images().dim(2), zoo.images().dim(3)));
}

ReportPictures Gallery::stored() const {
  const Tensor all = zoo_.images();
  const Tensor originals = Tensor::zeros({std::ssize(ids_), all.dim(1), all.dim(2), all.dim(3)}, DType::u8);
  for (std::size_t i = 0; i < ids_.size(); ++i)
    originals[static_cast<std::int64_t>(i)].copy_from(all[zoo_.image_of(zoo_.row(ids_[i]))]);
  return {"What networks store, and what they show", {{"stored", originals}, {"shown", shown_}}};
}

ReportPictures Gallery::edited(const Reader& model, const Task& task) const {
  check_outputs(task, model.outputs(), zoo_);
  const Tensor wanted = targets_of(task, zoo_, ids_).to(DType::f64);
  return {fmt::format("{}: networks edited by {}", task.name, model.kind()),
          {{"before", shown_},
           {"after", as_images(predict_outputs(model, model.prepare(weights_), ids_))},
           {"wanted", as_images(wanted.span<double>())}}};
}

Tensor Gallery::as_images(std::span<const double> numbers) const {
  const std::int64_t n = std::ssize(ids_);
  const Tensor pixels = Tensor::zeros({n, n > 0 ? std::ssize(numbers) / n : 0}, DType::f32);
  std::ranges::transform(numbers, pixels.data<float>(), [](double x) { return static_cast<float>(2 * x - 1); });
  return pixel_bytes(as_planes(pixels, shown_.dim(1), shown_.dim(2), shown_.dim(3)));
}

}  // namespace weft::apps
