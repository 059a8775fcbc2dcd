// Kinds of implicit networks (spec 9): what they show, the full group of their neurons, what a reader sees of them, how
// they are fitted, and what they should show when they are edited.

#include <numbers>

#include <fmt/format.h>

#include "weft/core/difference.h"
#include "weft/groups/sine_group.h"
#include "weft/networks/siren/siren_population.h"
#include "weft/nfn/models/sine_features.h"
#include "weft/nfn/pixel_place.h"
#include "weft/ops/operators.h"
#include "weft/ops/rows.h"
#include "weft/tasks/task.h"
#include "weft/tests/files.h"
#include "weft/tests/golden/golden.h"
#include "weft/tests/isa_levels.h"
#include "weft/tests/store_samples.h"

namespace weft::golden {
namespace {

Space space_of(const File& file) {
  return mlp_space(file.config.at("widths").get<std::vector<std::int64_t>>(), FactorKind::sign_monomial);
}

std::int64_t batch_of(const File& file) { return file.data.shape("in.W1")[0]; }

/// W1 b1 …, one channel.
std::vector<Tensor> weights(const File& file, Run& run, const Space& space) {
  std::vector<Tensor> all;
  for (int t = 0; t < static_cast<int>(space.tensors().size()); ++t)
    all.push_back(run.given("in." + space.tensors()[static_cast<std::size_t>(t)].name,
                            space.feature_shape(t, batch_of(file), 1)));
  return all;
}

std::map<std::string, Tensor> named(const Space& space, std::span<const Tensor> tensors) {
  std::map<std::string, Tensor> all;
  for (std::size_t t = 0; t < tensors.size(); ++t) all[space.tensors()[t].name] = tensors[t];
  return all;
}

std::string forward(const File& file, Run& run) {
  const Space space = space_of(file);
  std::vector<Var> weights;
  for (int t = 0; t < static_cast<int>(space.tensors().size()); ++t)
    weights.push_back(run.leaf("in." + space.tensors()[static_cast<std::size_t>(t)].name,
                               space.feature_shape(t, batch_of(file), 1), space.type(t)));
  const Var x = run.leaf("in.X", file.data.shape("in.X"));
  return run.compare({{"Y", mlp_forward(weights, x, UnaryOp::Sin, file.config.at("omega").get<double>())}});
}

/// Moved weights, and that they show the same.
std::string element(const File& file, Run& run) {
  const Space space = space_of(file);
  const double omega = file.config.at("omega");
  const std::vector<Tensor> before = weights(file, run, space);
  std::vector<SinePart> parts;
  for (std::size_t l = 1; 2 * l < before.size(); ++l) {
    const auto part = [&](const char* what) {
      const auto numbers = run.given(fmt::format("element.{}.{}", what, l)).span<std::int32_t>();
      return std::vector<std::int32_t>(numbers.begin(), numbers.end());
    };
    parts.push_back({.order = part("order"), .flip = part("flip"), .shift = part("shift")});
  }
  const Tensor places = run.given("in.X", file.data.shape("in.X"));
  const auto shown = [&](std::span<const Tensor> networks) {
    Tape tape;
    std::vector<Var> on_tape;
    for (const Tensor& t : networks) on_tape.push_back(tape.constant(t));
    return mlp_forward(on_tape, tape.constant(places), UnaryOp::Sin, omega).value().clone();
  };
  const std::vector<Tensor> moved = SineElement(space, omega, parts)(before);
  const Tensor y = shown(before);
  if (const double error = relative_error(shown(moved), y); run.dtype() == DType::f64 && !(error <= 1e-12))
    return fmt::format("the moved networks show something else, by {:.3g}", error);
  auto outputs = named(space, moved);
  outputs["Y"] = y;
  return run.compare_values(outputs);
}

std::string features(const File& file, Run& run) {
  const Space space = space_of(file);
  const SineFeatures model(Module(), "features",
                           {.widths = file.config.at("widths"),
                            .frequencies = file.config.at("frequencies"),
                            .omega = file.config.at("omega")});
  run.fill(model, "features.");
  std::vector<Tensor> seen;
  for (const Var& v : model(Features::constant(run.tape(), space, weights(file, run, space))).vars())
    seen.push_back(v.value());
  return run.compare_values(named(space, seen));
}

/// Images as bytes and numbers of pixels, one network an image.
struct Fit {
  SirenShape shape;
  Tensor images, pixels;

  Fit(const File& file, Run& run)
      : shape{.channels = file.config.at("channels"),
              .rows = file.config.at("rows"),
              .columns = file.config.at("columns"),
              .width = file.config.at("width")},
        images(run.given("in.images")),
        pixels(run.given("in.pixels")) {}
  std::span<const std::int32_t> items() const { return pixels.span<std::int32_t>(); }
};

/// By the definition on the tape, in any dtype.
std::string fit_on_tape(const File& file, Run& run, const Fit& fit) {
  const auto& [channels, rows, columns, width, views, start] = fit.shape;
  const std::int64_t B = batch_of(file), n = std::ssize(fit.items());
  const auto definition = siren_definition(fit.shape);
  const Space& space = definition->space();
  std::vector<Var> weights;
  for (int t = 0; t < static_cast<int>(space.tensors().size()); ++t)
    weights.push_back(
        run.leaf("in." + space.tensors()[static_cast<std::size_t>(t)].name, space.feature_shape(t, B, 1)));
  std::vector<double> places, wanted;
  for (std::int64_t b = 0; b < B; ++b)
    for (const std::int32_t pixel : fit.items()) {
      const std::int64_t row = pixel / columns, column = pixel % columns;
      places.insert(places.end(), {pixel_place<double>(row, rows), pixel_place<double>(column, columns)});
      for (std::int64_t c = 0; c < channels; ++c)
        wanted.push_back(fit.images[b][c][row].span<std::uint8_t>()[static_cast<std::size_t>(column)] / 127.5 - 1);
    }
  const auto constant = [&](const std::vector<double>& values, const Shape& shape) {
    return run.tape().constant(Tensor::from<double>(values, shape).to(run.dtype()));
  };
  struct NoDropout final : SiteDropout {
    Var operator()(std::size_t, const Var& x) const override { return x; }
  };
  const Var y = definition->forward(weights, constant(places, {B, n, 2}), NoDropout());
  const Var off = reshape(y - constant(wanted, {B, n, channels}), {B, 1, n * channels});
  return run.compare({{"loss", mean(square(off))}});
}

/// By what trains a population, network by network, in float32.
std::string fit_one_by_one(const File& file, Run& run, const Fit& fit, const PopulationModel& model) {
  const std::int64_t B = batch_of(file);
  Dataset data{"golden", Tensor::zeros(fit.images.shape(), DType::f32), Tensor::zeros({B}, DType::i32), 10};
  scale_pixels(fit.images, data.images.data<float>());
  const std::vector<Tensor> networks = weights(file, run, model.space());
  const Tensor losses = Tensor::zeros({B, 1}, DType::f32), evaluated = Tensor::zeros({B, 1}, DType::f32),
               cotangents = run.given("cot.loss", {B});
  std::vector<Tensor> gradients;
  for (const Tensor& t : networks) gradients.push_back(Tensor::zeros(t.shape(), DType::f32));
  Arena arena;
  for (std::int64_t b = 0; b < B; ++b) {
    std::vector<const float*> at;
    std::vector<float*> to;
    for (std::size_t t = 0; t < networks.size(); ++t) {
      at.push_back(networks[t][b].data<float>());
      to.push_back(gradients[t][b].data<float>());
    }
    const MiniBatch batch{data, fit.items(), b};
    losses.data<float>()[b] = static_cast<float>(model.loss_and_gradient(at, batch, {}, to, arena));
    evaluated.data<float>()[b] = static_cast<float>(model.evaluate(at, batch, arena).loss);
    for (const Tensor& g : gradients)
      for (float& x : g[b].span<float>()) x *= cotangents.data<float>()[b];
  }
  for (const Tensor& loss : {losses, evaluated})
    if (std::string wrong = run.difference("out.loss", loss); !wrong.empty()) return wrong;
  for (const auto& [name, g] : named(model.space(), gradients))
    if (std::string wrong = run.difference("grad.in." + name, g); !wrong.empty()) return wrong;
  return {};
}

std::string population(const File& file, Run& run) {
  const Fit fit(file, run);
  if (std::string wrong = fit_on_tape(file, run, fit); !wrong.empty() || run.dtype() == DType::f64) return wrong;
  const SirenPopulation kernels(fit.shape);
  const DefinedPopulation defined(siren_definition(fit.shape));
  if (std::string wrong = fit_one_by_one(file, run, fit, defined); !wrong.empty()) return "population: " + wrong;
  for (const Isa level : testing::isa_levels()) {
    const testing::WithIsa forced(level);
    if (std::string wrong = fit_one_by_one(file, run, fit, kernels); !wrong.empty())
      return fmt::format("kernels, {}: {}", name(level), wrong);
  }
  return {};
}

/// Through a zoo whose networks store the images; targets are float32.
std::string edit_targets(const File&, Run& run) {
  if (run.dtype() == DType::f64) return {};
  const Tensor images = run.given("in.images");
  const std::int64_t n = images.dim(0);
  const RandomKey key(0, "golden");
  const Space space = testing::small_space();
  const TemporaryFolder folder;
  ZooWriter writer(folder / "zoo", testing::store_description(space, n, 0, 1));
  writer.append(testing::store_results(0, n, 1, key, 1), testing::store_weights(space, n, key));
  writer.save_images(images);
  writer.finish();
  const Zoo zoo = Zoo::open(folder / "zoo");
  std::vector<std::int64_t> ids;
  for (const ZooRow& row : zoo.rows()) ids.push_back(row.id);
  const auto target = [&](const char* name) {
    return targets_of(task(name), zoo, ids).reshape({n, images.dim(2), images.dim(3), images.dim(1)});
  };
  return run.compare_values({{"dilate", target("edit-dilate")}, {"contrast", target("edit-contrast")}});
}

}  // namespace

std::map<std::string, Check> implicit_kinds() {
  return {{"siren.forward", forward},
          {"siren.element", element},
          {"sine.features", features},
          {"siren.population", population},
          {"edit.targets", edit_targets}};
}

}  // namespace weft::golden
