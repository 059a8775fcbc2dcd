// Probes as readers (spec 9.6): of implicit networks points of the plane, of small CNNs images, of transformers tokens.

#include "weft/nfn/forward.h"
#include "weft/nfn/models/inr_space.h"
#include "weft/nfn/models/reader.h"
#include "weft/nfn/models/transformer_space.h"
#include "weft/nfn/probes.h"
#include "weft/ops/contract.h"
#include "weft/ops/operators.h"
#include "weft/ops/view.h"

namespace weft {
namespace {

class ProbeReader final : public Reader {
 public:
  ProbeReader(const char* kind, const Settings& s, const Space& space, std::int64_t outputs,
              const Probes::Config& config, Probes::Forward forward, const std::optional<SineMoves>& respects)
      : Reader(kind, s, space, outputs), probes_(config, std::move(forward), *this), respects_(respects) {}

  std::optional<SineMoves> sine_moves() const override { return respects_; }
  Var forward(Tape& tape, std::span<const Tensor> prepared, const std::optional<RandomKey>&) const override {
    const std::span<Var> weights = tape.variables(prepared.size());
    for (std::size_t t = 0; t < weights.size(); ++t) weights[t] = tape.constant(prepared[t]);
    return probes_(weights);
  }

 private:
  Probes probes_;
  std::optional<SineMoves> respects_;
};

Setting points_setting(std::int64_t usual) {
  return {.name = "points",
          .text = "learned inputs of the networks: points of the plane, images, or rows of tokens",
          .usual = usual,
          .low = 1,
          .high = 4096,
          .why = "every network runs on each"};
}

/// 2 flops a weight and position.
double dense_flops(const Space& space) { return 2 * static_cast<double>(space.parameters()); }

std::unique_ptr<Reader> make_probes(const ModelKind& kind, const Settings& s, const Space& space,
                                    std::int64_t outputs) {
  const Probes::Forward forward{
      .run =
          [](std::span<const Var> weights, const Var& points) {
            const std::int64_t B = points.shape()[0], M = points.shape()[1];
            return mlp_forward(weights, reshape(points, {B, 1, M, points.shape()[2]}), UnaryOp::Sin, siren_omega);
          },
      .outputs = sine_widths(space).back(),
      .flops = dense_flops(space)};
  const Probes::Config config{.points = s.whole("points"),
                              .point = {sine_widths(space).front()},
                              .hidden = s.whole("hidden"),
                              .outputs = outputs};
  return std::make_unique<ProbeReader>(kind.name, s, space, outputs, config, forward,
                                       SineMoves{.permute = true, .flip = true, .shift = true});
}

/// Convolutions with taps, then dense layers, between ends that stay.
bool is_cnn(const Space& space) {
  const auto& tensors = space.tensors();
  if (tensors.size() < 4 || tensors.size() % 2 || tensors[0].taps() == 1 || tensors[tensors.size() - 2].taps() != 1)
    return false;
  for (std::size_t t = 0; t < tensors.size(); t += 2)
    if (tensors[t].axes.size() != 2 || tensors[t + 1].axes.size() != 1) return false;
  return true;
}

std::unique_ptr<Reader> make_image_probes(const ModelKind& kind, const Settings& s, const Space& space,
                                          std::int64_t outputs) {
  std::vector<PatchShape> layers;
  std::int64_t side = s.whole("side");
  double flops = 0;
  for (std::size_t t = 0; t < space.tensors().size(); t += 2) {
    const SpaceTensor& w = space.tensors()[t];
    if (w.taps() > 1) {
      layers.push_back({.rows = w.tap_rows, .columns = w.tap_columns, .stride = s.whole("stride")});
      if (side < w.tap_rows)
        throw UsageError("[{}] side {}: too few pixels for {} layers of kernels; give a larger one", kind.name,
                         s.whole("side"), space.tensors().size() / 2);
      side = (side - w.tap_rows) / s.whole("stride") + 1;
    }
    const Shape axes = space.axes_shape(static_cast<int>(t));
    flops += 2 * static_cast<double>(axes[0] * axes[1] * w.taps() * (w.taps() > 1 ? side * side : 1));
  }
  const UnaryOp act = s.text("activation") == "tanh" ? UnaryOp::Tanh : UnaryOp::Relu;
  const Probes::Forward forward{
      .run = [layers, act](std::span<const Var> weights,
                           const Var& images) { return cnn_forward(weights, layers, images, act); },
      .outputs = space.axes_shape(static_cast<int>(space.tensors().size()) - 1)[0],
      .flops = flops};
  const Probes::Config config{.points = s.whole("points"),
                              .point = {space.axes_shape(0)[1], s.whole("side"), s.whole("side")},
                              .start = Init::normal(1),
                              .hidden = s.whole("hidden"),
                              .outputs = outputs};
  return std::make_unique<ProbeReader>(kind.name, s, space, outputs, config, forward, std::nullopt);
}

/// A point is a text of tokens: the first numbers of each, as many as a patch has, go through the network's embedding,
/// and to what it gives the last D are added, as a position is. Without an embedding those are all.
std::unique_ptr<Reader> make_token_probes(const ModelKind& kind, const Settings& s, const Space& space,
                                          std::int64_t outputs) {
  const TransformerSizes sizes = transformer_sizes(space);
  const std::int64_t e = sizes.ends.patch, D = sizes.shape.D, T = s.whole("tokens");
  const Probes::Forward forward{
      .run =
          [e, D, T](std::span<const Var> weights, const Var& points) {
            const std::int64_t B = points.shape()[0], M = points.shape()[1];
            Var x = slice(points, 3, e, e + D);
            if (e > 0) {
              x = add(x, contract("bnte,bem+bm->bntm", slice(points, 3, 0, e), reshape(weights[0], {B, e, D}),
                                  reshape(weights[1], {B, D})));
              weights = weights.subspan(2);
            }
            return transformer_forward(repeated_weights(weights, M), reshape(x, {B * M, 1, T, D}), false);
          },
      .outputs = sizes.ends.classes,
      .flops = static_cast<double>(T) * dense_flops(space)};
  const Probes::Config config{.points = s.whole("points"),
                              .point = {T, e + D},
                              .start = Init::normal(1),
                              .hidden = s.whole("hidden"),
                              .outputs = outputs};
  return std::make_unique<ProbeReader>(kind.name, s, space, outputs, config, forward, std::nullopt);
}

}  // namespace

extern const ModelKind probes_model{.name = "probes",
                                    .text = "implicit networks at learned points: respects what keeps their functions",
                                    .reads_text = "implicit networks",
                                    .reads = is_sine_network,
                                    .settings = {points_setting(128), hidden_setting(256)},
                                    .training = {{"batch", 32}, {"warmup", 1}},
                                    .make = make_probes};
extern const ModelKind image_probes_model{
    .name = "image-probes",
    .text = "small CNNs on learned images: respects what keeps their functions",
    .reads_text = "convolutional networks",
    .reads = is_cnn,
    .settings = {points_setting(16),
                 hidden_setting(256),
                 {.name = "side",
                  .text = "rows and columns of a learned image",
                  .usual = 28,
                  .low = 1,
                  .high = 1024,
                  .why = "every network runs on each"},
                 {.name = "stride",
                  .text = "of the networks' convolutions",
                  .usual = 2,
                  .low = 1,
                  .high = 16,
                  .why = "what the networks were trained with"},
                 {.name = "activation", .text = "of the networks", .usual = "relu", .allowed = {"relu", "tanh"}}},
    .training = {},
    .make = make_image_probes};
extern const ModelKind token_probes_model{.name = "token-probes",
                                          .text = "transformers on learned tokens: respects what keeps their functions",
                                          .reads_text = "transformers",
                                          .reads = is_transformer,
                                          .settings = {points_setting(16),
                                                       hidden_setting(256),
                                                       {.name = "tokens",
                                                        .text = "of a learned input",
                                                        .usual = 8,
                                                        .low = 1,
                                                        .high = 512,
                                                        .why = "every network runs on each"}},
                                          .training = {},
                                          .make = make_token_probes};

}  // namespace weft
