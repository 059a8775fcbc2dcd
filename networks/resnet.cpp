// Residual CNNs as an architecture of zoos: a 3x3 convolution with stride 2, blocks of two 3x3 convolutions around
// which the values go unchanged, mean, dense layer. All blocks write into one stream, so that one factor moves its
// channels in every tensor (spec 8.1).

#include <fmt/format.h>

#include "weft/networks/architecture.h"
#include "weft/networks/population/definition.h"
#include "weft/ops/contract.h"
#include "weft/ops/operators.h"
#include "weft/ops/rows.h"
#include "weft/ops/view.h"

namespace weft {
namespace {

class Resnet final : public NetworkDefinition {
 public:
  Resnet(const Settings& settings, const Dataset& data)
      : blocks_(settings.whole("blocks")),
        width_(settings.whole("width")),
        classes_(data.classes),
        image_{data.channels(), data.rows(), data.columns()} {
    std::string text =
        fmt::format("in: fixed({}); out: fixed({}); s: positive_monomial({})", image_[0], classes_, width_);
    std::string tensors = "W[s, in*; taps=3x3] b[s]";
    for (std::int64_t i = 0; i < blocks_; ++i) {
      text += fmt::format("; h.{}: positive_monomial({})", i, width_);
      tensors += fmt::format(" WA.{0}[h.{0}, s*; taps=3x3] bA.{0}[h.{0}] WB.{0}[s, h.{0}*; taps=3x3] bB.{0}[s]", i);
    }
    space_ = Space::parse(text + "\n" + tensors + " WC[out, s*] bC[out]");
  }

  const Space& space() const override { return space_; }
  ArchitectureFacts facts() const override {
    return {"resnet", "relu", {{"blocks", std::to_string(blocks_)}, {"width", std::to_string(width_)}}};
  }
  std::int64_t outputs() const override { return classes_; }
  ItemFormat items() const override { return {image_}; }
  /// Behind each block.
  std::vector<DropoutSite> sites() const override {
    const std::int64_t rows = (image_[1] - 1) / 2 + 1, columns = (image_[2] - 1) / 2 + 1;
    return std::vector<DropoutSite>(static_cast<std::size_t>(blocks_), {rows, columns, width_});
  }

  Var forward(std::span<const Var> w, const Var& images, const SiteDropout& drop) const override {
    Var x = relu(convolved(images, w[0], w[1], 2));
    for (std::size_t i = 0; i < static_cast<std::size_t>(blocks_); ++i) {
      const std::span<const Var> block = w.subspan(2 + 4 * i, 4);
      const Var inner = relu(convolved(x, block[0], block[1], 1));
      x = drop(i, relu(x + convolved(inner, block[2], block[3], 1)));
    }
    const std::int64_t B = x.shape()[0], n = x.shape()[1];
    const Var pooled = reshape(mean(reshape(x, {B, n, width_, x.shape()[3] * x.shape()[4]})), {B, n, width_});
    const Var dense = reshape(w[w.size() - 2], {B, classes_, width_}), bias = reshape(w.back(), {B, classes_});
    return contract("bni,boi+bo->bno", pooled, dense, bias);
  }

 private:
  /// 3x3, padded by one pixel. x: [B, n, C, H, W]
  static Var convolved(const Var& x, const Var& weight, const Var& bias, std::int64_t stride) {
    const std::int64_t B = x.shape()[0], n = x.shape()[1], C = x.shape()[2], H = x.shape()[3], W = x.shape()[4];
    const PatchShape shape{.rows = 3, .columns = 3, .stride = stride, .padding = 1};
    const Var taps = patches(reshape(x, {B * n, C, H, W}), shape);
    const std::int64_t rows = (H - 1) / stride + 1, columns = (W - 1) / stride + 1, out = weight.shape()[2];
    const Var y =
        contract("bnpit,btoi+bo->bnop", reshape(taps, {B, n, rows * columns, C, 9}), weight, reshape(bias, {B, out}));
    return reshape(y, {B, n, out, rows, columns});
  }

  std::int64_t blocks_, width_, classes_;
  Shape image_;
  Space space_;
};

}  // namespace

extern const InputArchitecture resnet_architecture{
    .name = "resnet",
    .text = "small residual CNNs",
    .texts = false,
    .settings = {{.name = "blocks",
                  .text = "blocks of two convolutions each",
                  .usual = 2,
                  .low = 1,
                  .high = 32,
                  .why = "each is trained"},
                 {.name = "width",
                  .text = "channels of the stream and within blocks",
                  .usual = 8,
                  .low = 1,
                  .high = 256,
                  .why = "a layer has 9 width x width numbers"}},
    .usual = {.networks = 100, .items = 1000, .test_items = 1000, .epochs = 8, .batch = 32},
    .training = {},
    .make = [](const Settings& settings, const Dataset& data, std::int64_t) -> std::unique_ptr<PopulationModel> {
      return std::make_unique<DefinedPopulation>(std::make_shared<Resnet>(settings, data));
    },
    .recipes = [](std::int64_t networks, std::int64_t steps,
                  RandomKey key) { return draw_training_recipes(RecipeRanges{}.for_steps(steps), 0, networks, key); }};

}  // namespace weft
