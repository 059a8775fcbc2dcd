// Edits of implicit networks: their targets, what edited networks show, gradients, and a training of editors.

#include <algorithm>
#include <cmath>
#include <limits>

#include <doctest/doctest.h>

#include "weft/core/difference.h"
#include "weft/nfn/models/edit_reader.h"
#include "weft/nfn/models/rendering.h"
#include "weft/nn/losses.h"
#include "weft/tasks/fit.h"
#include "weft/tests/files.h"
#include "weft/tests/model_settings.h"
#include "weft/tests/store_samples.h"

using namespace weft;
using namespace weft::testing;

namespace {

constexpr std::int64_t images = 7, views = 2;

Space sines(std::int64_t channels) {
  const std::int64_t widths[] = {2, 4, 3, channels};
  return mlp_space(widths, FactorKind::sign_monomial);
}

std::vector<Tensor> networks(const Space& space, std::int64_t n, DType dtype, RandomKey key) {
  std::vector<Tensor> all;
  for (const SpaceTensor& tensor : space.tensors()) {
    all.push_back(Tensor::zeros(space.feature_shape(static_cast<int>(all.size()), n, 1), dtype));
    fill_normal(all.back(), key.at(tensor.name), 0, 0.1);
  }
  return all;
}

/// Of images with bytes that `pixel` says.
template <class Pixel>
Zoo zoo(const std::filesystem::path& folder, const Shape& image, const Pixel& pixel) {
  const RandomKey key(1, "edits_test");
  const Space space = sines(image[0]);
  const Tensor originals = Tensor::zeros({images, image[0], image[1], image[2]}, DType::u8);
  for (std::int64_t i = 0; i < originals.numel(); ++i)
    originals.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(pixel(i));
  ZooWriter writer(folder, store_description(space, images * views, 1, views));
  writer.append(store_results(0, images * views, 1, key, views), store_weights(space, images * views, key));
  writer.save_images(originals);
  writer.finish();
  return Zoo::open(folder);
}
Zoo zoo(const std::filesystem::path& folder, const Shape& image) {
  return zoo(folder, image, [](std::int64_t i) {
    return uniform_index(RandomKey(2, "edits_test"), static_cast<std::uint64_t>(i), 256);
  });
}

/// What a network shows at a pixel, by plain loops. weights: float64 of one network
double shown(const std::vector<Tensor>& weights, std::int64_t n, std::int64_t c, double row, double column) {
  std::vector<double> x{row, column};
  for (std::size_t l = 0; l < weights.size(); l += 2) {
    const Tensor &w = weights[l], &b = weights[l + 1];
    const std::int64_t out = w.dim(2), in = w.dim(3);
    std::vector<double> y;
    for (std::int64_t i = 0; i < out; ++i) {
      double sum = b.data<double>()[n * out + i];
      for (std::int64_t j = 0; j < in; ++j)
        sum += w.data<double>()[(n * out + i) * in + j] * x[static_cast<std::size_t>(j)];
      y.push_back(l + 2 < weights.size() ? std::sin(30 * sum) : sum);
    }
    x = y;
  }
  return x[static_cast<std::size_t>(c)];
}
double place(std::int64_t i, std::int64_t n) {
  return n == 1 ? 0 : -1 + 2 * static_cast<double>(i) / static_cast<double>(n - 1);
}

std::unique_ptr<Reader> editor(const char* kind, std::int64_t channels, std::int64_t side, std::int64_t outputs,
                               DType dtype) {
  return make_reader(
      kind,
      of_kind(kind, {{"channels", 3}, {"equivariant_layers", 1}, {"frequencies", 2}, {"output_channels", outputs}}),
      sines(channels), dtype, RandomKey(3, "edits_test"), nullptr, channels * side * side);
}

constexpr const char* editors[] = {"edit-magep", "edit-sine", "edit-monomial", "edit-np", "edit-hnp", "unedited"};

}  // namespace

TEST_CASE("edits: targets are images dilated by 3x3, or of twice the contrast, pixel by pixel") {
  const TemporaryFolder folder;
  for (const Shape& image : {Shape{1, 5, 7}, Shape{3, 6, 4}, Shape{1, 1, 1}, Shape{2, 1, 9}}) {
    CAPTURE(image.str());
    const std::int64_t channels = image[0], rows = image[1], columns = image[2];
    const Zoo from = zoo(folder / image.str(), image);
    std::vector<std::int64_t> ids{5, 0, 13};
    const Tensor dilated = targets_of(task("edit-dilate"), from, ids),
                 contrasted = targets_of(task("edit-contrast"), from, ids);
    REQUIRE(dilated.shape() == Shape{3, image.numel()});
    REQUIRE(contrasted.shape() == dilated.shape());
    for (std::size_t n = 0; n < ids.size(); ++n) {
      const std::uint8_t* bytes = from.images()[ids[n] / views].data<std::uint8_t>();
      // Zeros around the image: no number of it is less.
      const auto at = [&](std::int64_t c, std::int64_t r, std::int64_t column) {
        if (r < 0 || r >= rows || column < 0 || column >= columns) return 0.;
        return bytes[(c * rows + r) * columns + column] / 255.;
      };
      double mean = 0;
      for (std::int64_t i = 0; i < image.numel(); ++i) mean += bytes[i] / 255. / static_cast<double>(image.numel());
      for (std::int64_t i = 0; i < image.numel(); ++i) {
        const std::int64_t c = i % channels, r = i / channels / columns, column = i / channels % columns;
        double largest = 0;
        for (std::int64_t k = 0; k < 9; ++k) largest = std::max(largest, at(c, r + k / 3 - 1, column + k % 3 - 1));
        const std::int64_t to = static_cast<std::int64_t>(n) * image.numel() + i;
        CHECK(static_cast<double>(dilated.data<float>()[to]) == doctest::Approx(largest).epsilon(1e-6));
        const double wanted = std::min(std::max(mean + 2 * (at(c, r, column) - mean), 0.), 1.);
        CHECK(static_cast<double>(contrasted.data<float>()[to]) == doctest::Approx(wanted).epsilon(1e-6).scale(1));
      }
    }
  }
}

TEST_CASE("edits: a dot becomes a square, cut off at the border; an image of one brightness stays") {
  const TemporaryFolder folder;
  const Zoo dots = zoo(folder / "dots", {1, 4, 4}, [](std::int64_t i) { return i % 16 == 7 ? 255 : 0; }),
            flat = zoo(folder / "flat", {1, 4, 4}, [](std::int64_t) { return 77; });
  const std::int64_t ids[] = {0};
  const float square[] = {0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0};
  CHECK(std::ranges::equal(targets_of(task("edit-dilate"), dots, ids).span<float>(), square));
  for (const char* name : {"edit-dilate", "edit-contrast"})
    for (const float x : targets_of(task(name), flat, ids).span<float>()) CHECK(x == doctest::Approx(77 / 255.f));
}

TEST_CASE("edits: networks that store no images have none; images of another size are not judged") {
  const TemporaryFolder folder;
  const Zoo from = zoo(folder / "zoo", {1, 4, 4});
  {
    ZooWriter writer(folder / "classifiers", store_description(small_space(), 6, 1));
    writer.append(store_results(0, 6, 1, RandomKey(1, "x")), store_weights(small_space(), 6, RandomKey(1, "x")));
    writer.finish();
  }
  const Zoo classifiers = Zoo::open(folder / "classifiers");
  for (const char* name : {"edit-dilate", "edit-contrast"}) {
    const Task& edit = task(name);
    CHECK(edit.outputs(from) == 16);
    CHECK(edit.target(from, from.row(0)) == 0);
    CHECK(std::isnan(edit.target(classifiers, classifiers.row(0))));
    CHECK_THROWS_WITH_AS(edit.outputs(classifiers),
                         "[task] edit: the zoo's networks store no images; give one of implicit networks", UsageError);
    CHECK_NOTHROW(check_outputs(edit, 16, from));
    for (const std::int64_t other : {15, 17})
      CHECK_THROWS_WITH_AS(
          check_outputs(edit, other, from),
          fmt::format("[task] images of the zoo have 16 numbers, the model was trained on images of {}", other).c_str(),
          FormatError);
  }
  CHECK_THROWS_WITH_AS(declare_reader("edit-np", model_settings("edit-np"), sines(3), 24),
                       "[edit-np] images of 24 numbers by networks of 3 channels; allowed: square ones", UsageError);
}

TEST_CASE("edits: images are rendered as plain loops render them, many networks in parts") {
  for (const std::int64_t channels : {1, 3})
    for (const DType dtype : {DType::f64, DType::f32}) {
      const std::int64_t n = 70, rows = 3, columns = 5;
      const auto weights = networks(sines(channels), n, dtype, RandomKey(4, "edits_test"));
      std::vector<Tensor> wide;
      for (const Tensor& w : weights) wide.push_back(w.to(DType::f64));
      const Tensor found = rendered_images(weights, rows, columns), expected = Tensor::zeros(found.shape(), DType::f64);
      REQUIRE(found.shape() == Shape{n, channels, rows, columns});
      CHECK(found.dtype() == dtype);
      std::int64_t to = 0;
      for (std::int64_t i = 0; i < n; ++i)
        for (std::int64_t c = 0; c < channels; ++c)
          for (std::int64_t r = 0; r < rows; ++r)
            for (std::int64_t column = 0; column < columns; ++column)
              expected.data<double>()[to++] = shown(wide, i, c, place(r, rows), place(column, columns));
      CHECK(relative_error(found.to(DType::f64), expected) < (dtype == DType::f64 ? 1e-13 : 1e-4));
    }
}

TEST_CASE("edits: what an editor says is the image of the edited network, in the order of targets") {
  constexpr std::int64_t n = 3, side = 5;
  for (const std::int64_t channels : {1, 3})
    for (const char* kind : editors)
      for (const std::int64_t k : {1, 2, 3}) {
        CAPTURE(kind);
        CAPTURE(k);
        const auto model = editor(kind, channels, side, k, DType::f64);
        const auto weights = networks(model->space(), n, DType::f64, RandomKey(5, "edits_test"));
        const WideNetworks wide = edited_networks(dynamic_cast<const EditReader&>(*model), weights);
        const bool same = kind == std::string_view("unedited");
        CHECK(wide.space.axes_shape(2) == (same ? Shape{3, 4} : Shape{3 * k, 4 * k}));
        const std::vector<double> said = predict_outputs(*model, model->prepare(weights));
        REQUIRE(said.size() == static_cast<std::size_t>(n * channels * side * side));
        double worst = 0, edit = 0;
        for (std::int64_t i = 0; i < n; ++i)
          for (std::int64_t p = 0; p < side * side; ++p)
            for (std::int64_t c = 0; c < channels; ++c) {
              const double x = place(p / side, side), y = place(p % side, side),
                           of = said[static_cast<std::size_t>((i * side * side + p) * channels + c)];
              worst = worse(worst, std::abs(of - 0.5 * (1 + shown(wide.weights, i, c, x, y))));
              edit = worse(edit, std::abs(of - 0.5 * (1 + shown(weights, i, c, x, y))));
            }
        CHECK(worst < 1e-13);
        CHECK((edit < 1e-13) == same);
      }
}

TEST_CASE("edits: several networks as one show their mean") {
  for (const std::int64_t k : {1, 2, 5}) {
    constexpr std::int64_t n = 2;
    const Space space = sines(2);
    std::vector<Tensor> several;
    for (const SpaceTensor& tensor : space.tensors()) {
      several.push_back(Tensor::zeros(space.feature_shape(static_cast<int>(several.size()), n, k), DType::f64));
      fill_normal(several.back(), RandomKey(6, "edits_test").at(tensor.name), 0, 0.2);
    }
    const WideNetworks one = as_one(space, several);
    CHECK(one.space == mlp_space(std::vector<std::int64_t>{2, 4 * k, 3 * k, 2}, FactorKind::sign_monomial));
    for (std::size_t t = 0; t < one.weights.size(); ++t)
      CHECK(one.weights[t].shape() == one.space.feature_shape(static_cast<int>(t), n, 1));
    std::vector<Tensor> apart;  // network (b, c) is number b k + c
    for (const Tensor& t : several)
      apart.push_back(t.reshape(t.rank() == 4 ? Shape{n * k, 1, t.dim(2), t.dim(3)} : Shape{n * k, 1, t.dim(2)}));
    for (std::int64_t b = 0; b < n; ++b)
      for (std::int64_t c = 0; c < 2; ++c) {
        double mean = 0;
        for (std::int64_t j = 0; j < k; ++j) mean += shown(apart, b * k + j, c, 0.3, -0.6) / static_cast<double>(k);
        CHECK(shown(one.weights, b, c, 0.3, -0.6) == doctest::Approx(mean).epsilon(1e-12));
      }
  }
}

TEST_CASE("edits: an edit that is no number is refused") {
  const auto model = editor("edit-np", 1, 2, 1, DType::f32);
  const auto weights = networks(model->space(), 2, DType::f32, RandomKey(7, "edits_test"));
  weights[2].fill(3e38f);
  CHECK_THROWS_WITH_AS(
      edited_networks(dynamic_cast<const EditReader&>(*model), weights),
      "[edit] the edited network is not finite; are its weights of the size that the model was trained on?",
      NumericError);
}

TEST_CASE("edits: gradients through the rendering are what differences say, of several networks and colours") {
  constexpr std::int64_t n = 3, channels = 3, side = 3;
  const Tensor wanted = Tensor::zeros({n, channels * side * side}, DType::f64);
  fill_uniform(wanted, RandomKey(8, "edits_test"), 0, 1);
  for (const char* kind : editors)
    for (const std::int64_t k : {1, 2}) {
      if (kind == std::string_view("unedited")) continue;
      CAPTURE(kind);
      CAPTURE(k);
      const auto model = editor(kind, channels, side, k, DType::f64);
      const auto weights = networks(model->space(), n, DType::f64, RandomKey(9, "edits_test"));
      const Parameters& p = model->parameters();
      const auto loss = [&](Tape& tape) {
        return mean_all(task("edit-dilate").loss(model->forward(tape, model->prepare(weights)), wanted));
      };
      Tape tape;
      tape.backward(loss(tape));
      for (std::uint64_t trial = 0; trial < 3; ++trial) {
        double slope = 0;
        std::vector<Tensor> start, direction;
        for (int i = 0; i < p.count(); ++i) {
          start.push_back(p.value(i).clone());
          direction.push_back(Tensor::zeros(p.shape(i), DType::f64));
          if (!p.trainable(i)) continue;
          fill_normal(direction.back(), RandomKey(10, "edits_test").at(trial).at(p.name(i)));
          const Tensor gradient = p.grad(i);
          for (std::int64_t j = 0; j < gradient.numel(); ++j)
            slope += gradient.data<double>()[j] * direction.back().data<double>()[j];
        }
        const auto at = [&](double step) {
          for (int i = 0; i < p.count(); ++i)
            for (std::int64_t j = 0; j < p.value(i).numel(); ++j)
              p.value(i).data<double>()[j] = start[static_cast<std::size_t>(i)].data<double>()[j] +
                                             step * direction[static_cast<std::size_t>(i)].data<double>()[j];
          model->parameters().changed();
          Tape fresh;
          const NoGrad no_grad(fresh);
          return loss(fresh).value().data<double>()[0];
        };
        constexpr double h = 1e-6;
        REQUIRE(std::abs(slope) > 1e-6);
        CHECK((at(h) - at(-h)) / (2 * h) == doctest::Approx(slope).epsilon(1e-5));
        at(0);
      }
    }
}

TEST_CASE("edits: a training takes the epoch of the lowest error, and a model that is solved is as it was") {
  const TemporaryFolder folder;
  const Zoo from = zoo(folder / "zoo", {1, 4, 4});
  for (const char* kind : {"edit-np", "unedited"}) {
    CAPTURE(kind);
    const Task& edit = task("edit-contrast");
    const auto model = editor(kind, 1, 4, 1, DType::f32);
    std::vector<std::int64_t> ids(images * views);
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int64_t>(i);
    const auto weights = networks(from.space(), images * views, DType::f32, RandomKey(11, "edits_test"));
    const Examples all{model->prepare(weights), targets_of(edit, from, ids)};
    const std::vector<double> before = predict_outputs(*model, all.prepared);
    // So fast that it goes up and down.
    Fit fit(*model, {.learning_rate = 0.1, .batch = 5, .epochs = 12, .patience = 12, .seed = 2}, all, all, edit);
    while (!fit.done()) fit.run_epoch();
    fit.take_best();
    std::vector<double> log;
    for (const Trainer::Epoch& row : fit.log()) {
      log.push_back(validation_metric(row));
      CHECK(validation_metric(row) == doctest::Approx(validation_loss(row)).epsilon(1e-5));
    }
    CHECK(fit.best_epoch() == std::ranges::min_element(log) - log.begin() + 1);
    const std::vector<double> after = predict_outputs(*model, all.prepared);
    double error = 0;
    for (std::size_t i = 0; i < after.size(); ++i)
      error += std::pow(after[i] - static_cast<double>(all.target.data<float>()[i]), 2);
    CHECK(error / static_cast<double>(after.size()) == doctest::Approx(std::ranges::min(log)).epsilon(1e-6));
    if (kind == std::string_view("unedited")) {
      CHECK((fit.solved() && log.size() == 1));
      CHECK(after == before);
    } else {
      CHECK(std::ranges::min(log) < std::ranges::max(log));
      CHECK(!std::ranges::is_sorted(log));
    }
  }
}
